"""Which URL answers whom: declared in one line beside each view, enforced there, listed by `list_endpoints`.

    @endpoint(SCIENCE_READERS)                       # GET, for these roles of the study in the path
    @endpoint(SCIENCE_READERS, post=SET_UP_ROLES)    # and POST, for those
    @endpoint(post=SIGNED_IN)                        # POST only, for everyone with an account

Where the path names a study as `code`, the role is one in that study: a stranger gets 404, a member with
another role 403. Elsewhere a role in any study is asked for, and the view itself decides about the row.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.admindocs.views import simplify_regex
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseNotAllowed
from django.urls import Resolver404, URLPattern, URLResolver

from studies import access
from studies.terms import Role

ANONYMOUS = "anonymous"
HAS_AN_ACCOUNT = "has an account"
MEMBERS = frozenset[str](Role)
SIGNED_IN = MEMBERS | {HAS_AN_ACCOUNT}
ANYONE = SIGNED_IN | {ANONYMOUS}
NOBODY = frozenset[str]()


@dataclass(frozen=True)
class Endpoint:
    """Who is answered at a URL: `get` and `post` are roles, None where the method is not answered.

    `blinded_safe`: no byte of the answer names an arm of a blinded study or tells which mouse is in which.
    `shared`: rows behind it belong to no study, so that a role in any study opens all of them.
    """

    get: frozenset[str] | None = None
    post: frozenset[str] | None = None
    blinded_safe: bool = True
    shared: bool = False

    def audience(self, method: str) -> frozenset[str] | None:
        return {"GET": self.get, "HEAD": self.get, "POST": self.post}.get(method)


def endpoint(
    get: Iterable[str] | None = None,
    *,
    post: Iterable[str] | None = None,
    blinded_safe: bool = True,
    shared: bool = False,
) -> Callable[[Callable], Callable]:
    """Declare whom a view answers, and refuse everyone else before it runs."""
    sets = [None if roles is None else frozenset(roles) for roles in (get, post)]
    declared = Endpoint(*sets, blinded_safe, shared)
    methods = [name for name, roles in zip(("GET", "POST"), sets, strict=True) if roles is not None]

    def declare(view: Callable) -> Callable:
        @wraps(view)
        def guarded(request, *args, **kwargs):
            audience = declared.audience(request.method)
            if audience is None:
                return HttpResponseNotAllowed(methods)
            if ANONYMOUS not in audience and not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            _refuse_others(request, audience, kwargs.get("code"))
            return view(request, *args, **kwargs)

        guarded.endpoint = declared  # type: ignore[attr-defined]
        return guarded

    return declare


def _refuse_others(request, audience: frozenset[str], code: str | None) -> None:
    if ANONYMOUS in audience or HAS_AN_ACCOUNT in audience:
        return
    user = request.user
    if code is not None:
        held = access.roles_in(user, access.study_or_404(user, code))
        if not held & audience:
            raise PermissionDenied
    elif not ((Role.ADMINISTRATOR in audience and user.is_superuser) or roles_held(request) & audience):
        raise PermissionDenied


def studies_by_role(request) -> dict[Role, set[int]]:
    """What `access.studies_by_role` says of the person, asked once in a request."""
    if not hasattr(request, "studies_by_role"):
        request.studies_by_role = access.studies_by_role(request.user)
    return request.studies_by_role


def roles_held(request) -> frozenset[Role]:
    """The person's roles in any study."""
    return frozenset(studies_by_role(request))


def study_ids(request, roles: Iterable[Role]) -> set[int]:
    """The studies in which the person has one of these roles."""
    held = studies_by_role(request)
    return set().union(*(held.get(role, ()) for role in roles))


@dataclass(frozen=True)
class Route:
    """One URL pattern as it is served; `declared` is None where nobody declared it."""

    path: str
    name: str
    callback: Callable
    declared: Endpoint | None

    def rows(self) -> Iterator[dict[str, Any]]:
        """What `list_endpoints` prints: one row, or two where reading and writing are for different people."""
        if self.declared is None:
            return
        by_audience: dict[frozenset[str], list[str]] = {}
        for method in ("GET", "POST"):
            audience = self.declared.audience(method)
            if audience is not None:
                by_audience.setdefault(audience, []).append(method)
        for audience, methods in by_audience.items():
            yield {
                "path": self.path,
                "name": self.name,
                "methods": methods,
                "roles": sorted(audience - {HAS_AN_ACCOUNT}),
                "blinded_safe": self.declared.blinded_safe,
            }


def routes(resolver: URLResolver, of_packages: dict[str, Endpoint]) -> list[Route]:
    """Every URL pattern that is served, in order; one hidden behind an earlier pattern is left out."""
    found = []
    for prefix, names, pattern in _patterns(resolver, "", ()):
        raw = prefix + str(pattern.pattern)
        name = ":".join([*names, pattern.name or ""])
        if _is_served(resolver, raw, pattern):
            path = _plain(raw)
            found.append(Route(path, name, pattern.callback, _declared(pattern, name, of_packages)))
    return found


def _patterns(
    resolver: URLResolver, prefix: str, names: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], URLPattern]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = (*names, pattern.namespace) if pattern.namespace else names
            yield from _patterns(pattern, prefix + str(pattern.pattern), inner)
        else:
            yield prefix, names, pattern


def _is_served(resolver: URLResolver, raw: str, pattern: URLPattern) -> bool:
    sample = re.sub(r"<\w+>", "1", _plain(raw))
    try:
        return resolver.resolve(sample).func is pattern.callback
    except Resolver404:
        return True  # the sample does not fit the pattern's own expression


def _plain(raw: str) -> str:
    """ "/studies/<code>/" of any pattern, whichever way it is written."""
    return re.sub(r"<\w+:", "<", simplify_regex(raw.replace(".*", "<rest>")))


def _declared(pattern: URLPattern, name: str, of_packages: dict[str, Endpoint]) -> Endpoint | None:
    """Beside the view, by the administration's class of the table, or in the list of packages' URLs."""
    if declared := getattr(pattern.callback, "endpoint", None):
        return declared
    if model_admin := getattr(pattern.callback, "model_admin", None):
        return model_admin.endpoint_of(pattern.name)
    return of_packages.get(name)
