"""Every URL asked as everyone: who is answered and who is refused is what the declarations say."""

import json
from contextlib import suppress
from http.cookies import SimpleCookie
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import transaction
from django.http import Http404
from django.template import Template
from django.template.response import SimpleTemplateResponse
from django.test import Client, RequestFactory
from django.test.utils import _TestState
from django.urls import URLResolver, get_resolver, include, path, re_path
from django.urls.resolvers import RegexPattern

from pdx_tracker.urls import ENDPOINTS_OF_PACKAGES
from studies.endpoints import (
    ANONYMOUS,
    ANYONE,
    HAS_AN_ACCOUNT,
    MEMBERS,
    NOBODY,
    SIGNED_IN,
    Endpoint,
    Route,
    endpoint,
    roles_held,
    routes,
    study_ids,
)
from studies.models import User
from studies.terms import Role
from tests.factories import make_study
from tests.people import join
from tests.record import address, fill_record

pytestmark = pytest.mark.django_db
STAFF = ("study_director", "statistician", "quality_assurance", "administrator")
RENDERED = ("study_director", "administrator")


def all_routes() -> list[Route]:
    return routes(get_resolver(), ENDPOINTS_OF_PACKAGES)


def test_every_url_is_declared_beside_its_view():
    undeclared = [f"{route.path} ({route.name})" for route in all_routes() if route.declared is None]
    assert undeclared == [], "say in one line whom they answer: see Add a screen in CONTRIBUTING.md"


def test_the_list_is_printed_as_json(capsys):
    call_command("list_endpoints", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert {tuple(row) for row in rows} == {("path", "name", "methods", "roles", "blinded_safe")}
    (page,) = [row for row in rows if row["name"] == "study_page"]
    assert page["path"] == "/studies/<code>/" and page["methods"] == ["GET"] and page["blinded_safe"]
    assert page["roles"] == sorted(Role.values())
    assert {row["path"] for row in rows} >= {
        "/",
        "/accounts/login/",
        "/admin/studies/mouse/<object_id>/change/",
    }


@pytest.fixture
def cast(study, people, monkeypatch, caplog) -> dict[str, User | None]:
    """Everyone by name, and None for nobody signed in; those who use the administration are staff."""
    monkeypatch.setattr(Template, "_render", _TestState.saved_data.template_render)  # as in production
    caplog.set_level("CRITICAL", logger="django.request")
    named = people.everyone()
    for name in (*STAFF, "outsider"):
        User.objects.filter(pk=named[name].pk).update(is_staff=True, is_superuser=name == "administrator")
    return {ANONYMOUS: None, **{name: User.objects.get(pk=user.pk) for name, user in named.items()}}


def test_who_is_answered_is_who_is_declared(study, people, cast, monkeypatch):
    record = fill_record(study, people)
    deviations = []
    for name, user in sorted(cast.items(), key=lambda person: person[0] not in RENDERED):
        if name not in RENDERED:  # who is answered is decided before a page is set
            monkeypatch.setattr(SimpleTemplateResponse, "rendered_content", "")
        visitor = Visitor(user)
        for route in all_routes():
            for method in ("GET", "POST"):
                audience = route.declared.audience(method)
                if audience is None:
                    continue
                expected = is_answered(name, audience, route)
                status, answered = visitor.ask(method, address(route, record, user), route)
                if answered != expected:
                    deviations.append(f"{method} {route.path} as {name}: {status}, declared {expected}")
    assert deviations == []


class Visitor:
    """One person asking; what an answer changes is undone, and so is a sign-out."""

    def __init__(self, user: User | None):
        self.client = Client(raise_request_exception=False)
        if user:
            self.client.force_login(user)
        self.cookies = self.client.cookies.output(header="", sep=";")

    def ask(self, method: str, path: str, route: Route) -> tuple[int, bool]:
        self.client.cookies = SimpleCookie(self.cookies)
        with transaction.atomic():
            response = self.client.generic(method, path)
            transaction.set_rollback(True)
        return response.status_code, _answers(response, route)


def _answers(response, route: Route) -> bool:
    if response.status_code in (401, 403, 404, 405, 500):
        return False
    to_login = response.headers.get("Location", "").startswith(("/accounts/login/", "/admin/login/"))
    gone = response.headers.get("Location", "") == "/admin/" and "<" in route.path  # as if it did not exist
    return not (
        gone
        or (
            to_login
            and route.name not in {"admin:login", "account_logout", "mfa_authenticate", "mfa_login_webauthn"}
        )
    )


def is_answered(name: str, audience: frozenset[str], route: Route) -> bool:
    if name == ANONYMOUS or HAS_AN_ACCOUNT in audience:
        return name != ANONYMOUS or ANONYMOUS in audience
    role = {"outsider": Role.STUDY_DIRECTOR, "superuser": Role.ADMINISTRATOR}.get(name, name)
    of_study = "<" in route.path and "<app_label>" not in route.path and not route.declared.shared
    return role in audience and not (of_study and name in ("outsider", "superuser"))


def view_of(*args, **kwargs):
    """A view declared so that answers with "answered"."""
    return endpoint(*args, **kwargs)(lambda request, **path: "answered")


def ask(view, user, method: str = "get", **path):
    request = getattr(RequestFactory(), method)("/some/page/?day=7")
    request.user = user
    return view(request, **path)


def answered(view, named: dict[str, User], method: str = "get", **path) -> set[str]:
    found = set()
    for name, user in named.items():
        with suppress(PermissionDenied, Http404):
            found |= {name} if ask(view, user, method, **path) == "answered" else set()
    return found


def test_the_audiences_are_those_written_down():
    assert set(Role) == MEMBERS and set() == NOBODY
    assert {*Role, "has an account"} == SIGNED_IN
    assert {*Role, "has an account", "anonymous"} == ANYONE


def test_what_is_not_said_is_the_stricter_reading():
    """Safe for the blinded is what the sweep over all pages then proves; shared rows are the exception."""
    assert Endpoint() == Endpoint(None, None, blinded_safe=True, shared=False)
    doser = frozenset({Role.DOSER})
    assert view_of({Role.DOSER}).endpoint == Endpoint(doser, None, blinded_safe=True, shared=False)
    told = view_of(post={Role.DOSER}, blinded_safe=False, shared=True).endpoint
    assert told == Endpoint(None, doser, blinded_safe=False, shared=True)


@pytest.mark.parametrize(
    ("declared", "answers", "allowed"),
    [
        ({"get": {Role.TECHNICIAN}}, {"get", "head"}, "GET"),
        ({"post": {Role.TECHNICIAN}}, {"post"}, "POST"),
        ({"get": {Role.TECHNICIAN}, "post": {Role.TECHNICIAN}}, {"get", "head", "post"}, "GET, POST"),
    ],
)
def test_a_method_nobody_declared_is_not_answered(people, declared, answers, allowed):
    view = view_of(**declared)
    for method in ("get", "head", "post", "put", "delete", "options"):
        answer = ask(view, people.technician, method, code=people.study.code)
        assert (answer == "answered") == (method in answers), method
        if method not in answers:
            assert answer.status_code == 405 and answer["Allow"] == allowed


def test_a_member_with_another_role_is_refused_and_a_stranger_finds_nothing(people):
    view = view_of({Role.TECHNICIAN})
    assert answered(view, people.everyone(), code=people.study.code) == {"technician"}
    for role in MEMBERS - {Role.TECHNICIAN}:
        with pytest.raises(PermissionDenied):
            ask(view, people.by_role[Role(role)], code=people.study.code)
    for stranger in (people.outsider, people.superuser):
        with pytest.raises(Http404):
            ask(view, stranger, code=people.study.code)


def test_reading_and_writing_have_audiences_of_their_own(people):
    view, everyone = view_of({Role.TECHNICIAN, Role.DOSER}, post={Role.DOSER}), people.everyone()
    assert answered(view, everyone, "get", code=people.study.code) == {"technician", "doser"}
    assert answered(view, everyone, "head", code=people.study.code) == {"technician", "doser"}
    assert answered(view, everyone, "post", code=people.study.code) == {"doser"}


@pytest.mark.parametrize("path", [{}, {"code": "PDX-TEST-01"}], ids=["no study", "a study"])
def test_the_signed_out_are_sent_to_sign_in_and_come_back(people, path):
    for audience in ({Role.TECHNICIAN}, SIGNED_IN):
        answer = ask(view_of(audience), AnonymousUser(), **path)
        assert answer.status_code == 302
        assert answer["Location"] == "/accounts/login/?next=/some/page/%3Fday%3D7"


@pytest.mark.parametrize("path", [{}, {"code": "PDX-TEST-01"}], ids=["no study", "a study"])
def test_a_page_for_every_account_or_for_anyone_asks_no_role(people, path):
    everyone = people.everyone()
    assert answered(view_of({HAS_AN_ACCOUNT}), everyone, **path) == set(everyone)
    assert answered(view_of({ANONYMOUS}), everyone, **path) == set(everyone)
    assert ask(view_of({ANONYMOUS}), AnonymousUser(), **path) == "answered"


def test_where_no_study_is_named_a_role_in_any_study_is_asked_for(people):
    everyone = people.everyone()
    assert answered(view_of({Role.STUDY_DIRECTOR}), everyone) == {"study_director", "outsider"}
    assert answered(view_of({Role.TECHNICIAN, Role.DOSER}), everyone) == {"technician", "doser"}
    assert answered(view_of({Role.ADMINISTRATOR}), everyone) == {"administrator", "superuser"}
    people.technician.memberships.update(is_active=False)
    assert answered(view_of({Role.TECHNICIAN, Role.DOSER}), everyone) == {"doser"}


def test_an_administrator_of_the_house_is_none_of_a_study(people):
    audience = {Role.ADMINISTRATOR}
    assert answered(view_of(audience), people.everyone(), code=people.study.code) == {"administrator"}


def test_roles_are_asked_for_once_in_a_request(people, django_assert_num_queries):
    request = RequestFactory().get("/")
    request.user = people.technician
    other = make_study("PDX-THIRD-01")
    join(people.technician, other, Role.DOSER)
    with django_assert_num_queries(1):
        assert roles_held(request) == {Role.TECHNICIAN, Role.DOSER}
        assert study_ids(request, {Role.DOSER, Role.VETERINARIAN}) == {other.pk}
        assert study_ids(request, {Role.DOSER, Role.TECHNICIAN}) == {other.pk, people.study.pk}
        assert study_ids(request, ()) == set()


def test_a_url_is_listed_by_its_audiences_and_not_at_all_undeclared():
    doser, both = frozenset({Role.DOSER}), frozenset({Role.TECHNICIAN, Role.DOSER, HAS_AN_ACCOUNT})

    def listed(declared: Endpoint | None) -> list[tuple]:
        rows = Route("/x/", "x", ask, declared).rows()
        return [tuple(row.values()) for row in rows]

    assert listed(None) == listed(Endpoint()) == []
    assert listed(Endpoint(get=doser)) == [("/x/", "x", ["GET"], ["doser"], True)]
    assert listed(Endpoint(post=doser, blinded_safe=False)) == [("/x/", "x", ["POST"], ["doser"], False)]
    assert listed(Endpoint(doser, doser)) == [("/x/", "x", ["GET", "POST"], ["doser"], True)]
    assert listed(Endpoint(both, doser)) == [
        ("/x/", "x", ["GET"], ["doser", "technician"], True),
        ("/x/", "x", ["POST"], ["doser"], True),
    ]


def test_a_route_is_listed_where_it_is_served_with_what_declares_it():
    by_view = view_of({Role.DOSER})
    by_table = SimpleNamespace(endpoint_of=lambda url_name: Endpoint(get=frozenset({url_name})))
    of_table, of_package, hidden, undeclared = (lambda request, **path: None for _ in range(4))
    of_table.model_admin = by_table
    patterns = [
        path("mice/<int:pk>/", by_view, name="mouse"),
        path("mice/<int:number>/", hidden, name="hidden"),
        path("tables/", include(([path("list/", of_table, name="list")], "tables"), namespace="tables")),
        path("plain/", include([path("page/", undeclared)])),
        re_path(r"^words/(?P<word>[a-z]+)/$", of_package, name="word"),
    ]
    package = Endpoint(post=ANYONE)
    found = routes(URLResolver(RegexPattern(r"^/"), patterns), {"word": package, "mouse": package})
    assert [(route.path, route.name, route.callback, route.declared) for route in found] == [
        ("/mice/<pk>/", "mouse", by_view, by_view.endpoint),
        ("/tables/list/", "tables:list", of_table, Endpoint(get=frozenset({"list"}))),
        ("/plain/page/", "", undeclared, None),
        ("/words/<word>/", "word", of_package, package),  # a word is no number, so that no sample is tried
    ]
