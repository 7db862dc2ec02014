"""Who calls, and whether this URL answers them: settled before a word of the request is read.

A program carries a token of a person's, a browser the login of the person at it. What the URL names, a
session say, belongs to a study: a stranger to it gets 404, a member with another role 403.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer, SessionAuth

from studies.access import roles_in
from studies.actions import api_tokens
from studies.endpoints import HAS_AN_ACCOUNT, Endpoint
from studies.models import Measurement, MeasurementSession, Study, User
from studies.terms import TokenScope

now: Callable[[], datetime] = timezone.now


class Forbidden(Exception):
    """A member of the study whose role, or whose token, does not reach this far: 403."""


class Bearer(HttpBearer):
    """`Authorization: Bearer TOKEN`."""

    def authenticate(self, request: HttpRequest, token: str) -> User:
        found = api_tokens.authenticate(token)
        if found is None:
            raise AuthenticationError
        user, scopes = found
        let_in(request, user)
        if request.method != "GET" and TokenScope.ENTRY not in scopes:
            raise Forbidden("this token has no entry scope")
        return user


class BrowserLogin(SessionAuth):
    """The login of the browser, with its CSRF token; unsigned, it is 401 before any token is asked for."""

    def _get_key(self, request: HttpRequest) -> str | None:
        return super()._get_key(request) if request.user.is_authenticated else None

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        user = super().authenticate(request, key)
        if user is not None:
            let_in(request, user)
        return user


# Bearer first: the session's CSRF check would otherwise refuse a program that carries a token.
AUTH = [Bearer(), BrowserLogin()]


def let_in(request: HttpRequest, user: User) -> None:
    """Hold the caller to what is declared beside the view. Raises Http404 or Forbidden."""
    match = request.resolver_match
    declared: Endpoint = match.func.endpoint
    audience = declared.audience(request.method) or frozenset()
    if HAS_AN_ACCOUNT in audience:
        return
    request.named = named_in(match.kwargs)  # type: ignore[attr-defined]
    held = roles_in(user, _study_of(request.named))
    if not held:
        raise Http404
    if not held & audience:
        raise Forbidden("your role in this study does not reach this far")


def named_in(place: Mapping[str, Any]) -> MeasurementSession | Measurement:
    """What a URL names, its study at hand. Raises Http404 where it names nothing."""
    found: MeasurementSession | Measurement | None
    if "session_id" in place:
        sessions = MeasurementSession.objects.select_related("study", "cohort")
        found = sessions.filter(pk=place["session_id"]).first()
    else:
        readings = Measurement.objects.select_related("session__study")
        found = readings.filter(pk=place["measurement_id"]).first()
    if found is None:
        raise Http404
    return found


def _study_of(named: MeasurementSession | Measurement) -> Study:
    return named.session.study if isinstance(named, Measurement) else named.study
