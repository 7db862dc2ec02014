"""A screen left alone locks: nothing is answered to its session until the same person shows who they are again.

The session itself stays, so that a tablet's queue and a half-filled form outlive the lock. What a page asks
by itself, without anybody at it, does not keep a session awake.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.contrib.auth import authenticate, logout, user_logged_in
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from studies.actions.own_sessions import ADDRESS, BEGAN, BROWSER, SEEN
from studies.actions.tablets import KeyRefused, person_by_pin, tablet_of
from studies.middleware import CAGE_SIDE_ONLY

LOCKED = "locked"
NOTE_EVERY_SECONDS = 60  # a write of the session at most this often
ASKED_BY_PAGES = ("/entry/whoami.json", "/reports/jobs.json")
AWAKE = "awake"  # `whoami.json?awake`: somebody touched the page
# Reachable while locked: saying who one is, taking over, signing in or out, and what holds nothing of anybody.
OPEN = ("/accounts/locked/", "/accounts/login/", "/accounts/2fa/authenticate/",
        "/entry/switch/", "/entry/whoami.json", "/entry/service-worker.js", "/healthz")  # fmt: skip
clock: Callable[[], float] = time.time


def idle_seconds(request: HttpRequest) -> int:
    """After how many seconds alone this screen locks; a shared tablet sooner. 0 is never."""
    on_tablet = settings.TABLET_COOKIE in request.COOKIES
    return 60 * (settings.TABLET_IDLE_MINUTES if on_tablet else settings.IDLE_MINUTES)


@receiver(user_logged_in, dispatch_uid="studies.idle")
def wake(sender, request, **signal) -> None:
    request.session[SEEN] = request.session[BEGAN] = clock()
    request.session[BROWSER] = request.META.get("HTTP_USER_AGENT", "")[:200]
    request.session[ADDRESS] = request.META.get("REMOTE_ADDR", "")
    request.session.pop(LOCKED, None)


class IdleLock:
    """Stands behind the sign-in: a locked session is nobody's, whatever it asks for."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest):
        request.locked_user = None
        if request.user.is_authenticated and _is_over(request):
            logout(request)
        if request.user.is_authenticated:
            if not _is_locked(request):
                _note(request)
            else:
                request.locked_user, request.user = request.user, AnonymousUser()
                if not request.path.startswith(OPEN):
                    return _refusal(request)
        return self.get_response(request)


def lock(request: HttpRequest) -> None:
    request.session[LOCKED] = True


def unlock(request: HttpRequest, secret: str) -> bool:
    """Whether this was the locked person's password, or their PIN on a tablet they are on shift at.

    A PIN counts little by itself, so it opens the cage side alone. Failures count like those of the sign-in;
    once they lock the name, the session is over.
    """
    user, tablet = request.locked_user, tablet_of(request.COOKIES.get(settings.TABLET_COOKIE))
    by_pin = tablet is not None and secret.isdecimal() and len(secret) <= 8
    if by_pin:
        try:
            person_by_pin(tablet, user.pk, secret, timezone.now())
        except KeyRefused:
            return False
        request.session[CAGE_SIDE_ONLY] = True
    elif authenticate(request, username=user.username, password=secret) != user:
        if getattr(request, "axes_locked_out", False):
            logout(request)
        return False
    request.session.cycle_key()
    request.session[SEEN] = clock()
    request.session.pop(LOCKED, None)
    request.user, request.locked_user = user, None
    return True


def _is_over(request: HttpRequest) -> bool:
    """However busy, a session ends some hours after its sign-in."""
    return clock() - request.session.get(BEGAN, clock()) > settings.SESSION_COOKIE_AGE


def _is_locked(request: HttpRequest) -> bool:
    """Locked by hand, or by the time since somebody last did something; once locked it stays so."""
    session, limit = request.session, idle_seconds(request)
    if LOCKED not in session and limit and clock() - session.get(SEEN, clock()) > limit:
        lock(request)
    return LOCKED in session


def _note(request: HttpRequest) -> None:
    by_itself = request.path.endswith(ASKED_BY_PAGES) and AWAKE not in request.GET
    if by_itself or clock() - request.session.get(SEEN, 0) <= NOTE_EVERY_SECONDS:
        return
    request.session[SEEN] = clock()
    # A database that only reads still shows its pages; a session ended meanwhile is told at the next request.
    with suppress(DatabaseError, UpdateError):
        request.session.save()
    request.session.modified = False


def _refusal(request: HttpRequest):
    if request.path.startswith("/api/") or request.path.endswith(".json"):
        return JsonResponse({"detail": "This screen is locked: give your password or PIN again."}, status=401)
    query = urlencode({"next": request.get_full_path() if request.method == "GET" else request.path})
    return HttpResponseRedirect(f"{reverse('locked')}?{query}")
