"""A person's own sessions: where they are signed in, and signing out there."""

import time

from allauth.account import app_settings
from allauth.account.authentication import get_authentication_records
from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from studies.actions.own_sessions import end_sessions, sessions_of
from studies.endpoints import SIGNED_IN, endpoint
from studies.wording import noun


def proof_is_old(request: HttpRequest) -> bool:
    """Whether nobody signed in, or gave the password again, in the last minutes: signing in is proof enough here."""
    proofs = get_authentication_records(request, request.user)
    return not proofs or time.time() - proofs[-1]["at"] >= app_settings.REAUTHENTICATION_TIMEOUT


@endpoint(SIGNED_IN, post=SIGNED_IN)
@reauthentication_required(enabled=proof_is_old)
def own_sessions(request: HttpRequest) -> HttpResponse:
    """Each session with its browser and address; a POST ends the one it names, or all but this one."""
    now, here = timezone.now(), request.session.session_key
    if request.method == "POST":
        ended = end_sessions(
            request.user, actor=request.user, at=now, name=request.POST.get("name", ""), but=here
        )
        messages.success(request, f"{ended} {noun(ended, 'session')} ended.")
        return redirect("own_sessions")
    context = {"sessions": sessions_of(request.user, now), "here": here}
    return render(request, "studies/desk/own_sessions.html", context)
