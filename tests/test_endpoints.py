"""Every URL asked as everyone: who is answered and who is refused is what the declarations say."""

import json
from http.cookies import SimpleCookie

import pytest
from django.core.management import call_command
from django.db import transaction
from django.template import Template
from django.template.response import SimpleTemplateResponse
from django.test import Client, RequestFactory
from django.test.utils import _TestState
from django.urls import get_resolver

from pdx_tracker.urls import ENDPOINTS_OF_PACKAGES
from studies.endpoints import ANONYMOUS, HAS_AN_ACCOUNT, MEMBERS, Route, endpoint, routes
from studies.models import User
from studies.terms import Role
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


def test_a_declaration_refuses_by_itself(study, people, rf: RequestFactory):
    @endpoint({Role.TECHNICIAN})
    def page(request, code):
        return "answered"

    def ask(user, method="get"):
        request = getattr(rf, method)("/")
        request.user = user
        return page(request, code=study.code)

    from django.core.exceptions import PermissionDenied
    from django.http import Http404

    assert ask(people.technician) == "answered"
    assert ask(people.technician, "post").status_code == 405
    for role in MEMBERS - {Role.TECHNICIAN}:
        with pytest.raises(PermissionDenied):
            ask(people.by_role[Role(role)])
    for stranger in (people.outsider, people.superuser):
        with pytest.raises(Http404):
            ask(stranger)
