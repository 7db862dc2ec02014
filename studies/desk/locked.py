"""A screen that was left alone: who sat at it gives their password or PIN again and goes on where they were."""

from django import forms
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme

from studies import idle
from studies.endpoints import ANYONE, SIGNED_IN, endpoint

WRONG = "This is not it. The screen stays locked."


class SecretForm(forms.Form):
    secret = forms.CharField(
        label="Password, or PIN on a tablet", max_length=4096, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )  # fmt: skip


@endpoint(ANYONE, post=ANYONE)
def locked(request):
    """The page of a locked screen, and where it is unlocked; a page that covered itself asks for JSON."""
    wants_json = "application/json" in request.headers.get("Accept", "")
    if request.locked_user is None:
        return JsonResponse({"user": request.user.pk}) if wants_json else HttpResponseRedirect(_next(request))
    form = SecretForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if idle.unlock(request, form.cleaned_data["secret"]):
            told = {"user": request.user.pk, "csrf": get_token(request)}
            return JsonResponse(told) if wants_json else HttpResponseRedirect(_next(request))
        form.add_error("secret", WRONG)
    if wants_json:
        return JsonResponse({"detail": WRONG}, status=403)
    context = {"form": form, "next": _next(request)}
    return render(request, "account/idle.html", context, status=403 if form.errors else 200)


@endpoint(post=SIGNED_IN)
def lock_now(request):
    """The page saw nobody for so long that it covered itself, or somebody pressed "Lock"."""
    idle.lock(request)
    return HttpResponse(status=204)


def _next(request) -> str:
    """Where the person was going, on this server only."""
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, {request.get_host()}, request.is_secure()
    )
    return iri_to_uri(wanted) if is_ours else "/"
