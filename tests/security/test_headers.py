"""Every answer carries every header: pages, refusals, errors, static files, JSON, scripts and PDF alike."""

import json

import pytest
from django.core.exceptions import SuspiciousOperation
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from pdx_tracker.urls import ENDPOINTS_OF_PACKAGES
from studies.endpoints import routes
from studies.models import User
from tests.people import PASSWORD
from tests.record import address, fill_record

# Which headers an answer has is no matter of the database.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOTHING = "default-src 'none'"


def lacks(path: str, response) -> list[str]:
    """What the answer does not say that every answer must."""
    headers = response.headers
    missing = [
        f"{name}: {headers.get(name)}" for name, value in HEADERS.items() if headers.get(name) != value
    ]
    policy = headers.get("Content-Security-Policy", "")
    in_admin = path.startswith("/admin/")
    if NOTHING not in policy or "frame-ancestors 'none'" not in policy or "base-uri 'none'" not in policy:
        missing.append(f"policy: {policy}")
    if "'unsafe-" in policy and not in_admin:
        missing.append(f"unsafe code allowed: {policy}")
    if "geolocation=()" not in headers.get("Permissions-Policy", ""):
        missing.append("Permissions-Policy")
    if not path.startswith("/static/") and headers.get("Cache-Control") != "no-store, private":
        missing.append(f"Cache-Control: {headers.get('Cache-Control')}")
    return missing


@pytest.mark.parametrize("person", ["study_director", "administrator"])
def test_every_url_answers_with_every_header(study, people, person, capsys, caplog):
    caplog.set_level("CRITICAL", logger="django.request")
    record = fill_record(study, people)
    User.objects.filter(pk=people.study_director.pk).update(is_staff=True)
    User.objects.filter(pk=people.administrator.pk).update(is_staff=True, is_superuser=True)
    user = User.objects.get(pk=getattr(people, person).pk)
    call_command("list_endpoints", "--json")
    listed = {row["path"] for row in json.loads(capsys.readouterr().out)}
    walked, kinds, deviations = set(), set(), []
    for route in routes(get_resolver(), ENDPOINTS_OF_PACKAGES):
        client = Client(raise_request_exception=False)
        client.force_login(user)
        path = address(route, record, user)
        response = client.get(path)
        walked.add(route.path)
        kinds.add(response.headers.get("Content-Type", "").split(";")[0])
        deviations += [f"{route.path} ({response.status_code}): {one}" for one in lacks(path, response)]
    assert listed <= walked
    assert deviations == []
    if person == "study_director":
        assert kinds >= {"text/html", "application/json", "application/pdf", "text/javascript"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/static/studies/css/app.css", 200),
        ("/static/no-such.css", 404),
        ("/no/such/page", 404),
        ("/healthz", 200),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/no/such", 404),
        ("/api/v1/sessions/1/sheet", 401),
        ("/admin/", 302),
        ("/", 302),
    ],
)
def test_nobody_signed_in_gets_every_header_too(client, path, status):
    response = client.get(path)
    assert (response.status_code, lacks(path, response)) == (status, [])


def test_refusals_and_errors_have_every_header(people, monkeypatch, caplog):
    caplog.set_level("CRITICAL")
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(people.technician)
    assert lacks("/", too_old := client.post("/accounts/logout/")) == [] and too_old.status_code == 403
    assert (
        lacks("/", stranger := client.get("/", HTTP_HOST="evil.example")) == []
        and stranger.status_code == 400
    )
    for error, status in ((RuntimeError("arm zq12"), 500), (SuspiciousOperation("x"), 400)):

        def broken(*args, error=error, **kwargs):
            raise error

        monkeypatch.setattr("studies.access.studies_of", broken)
        with CaptureQueriesContext(connection):
            response = client.get("/studies/")
        assert (response.status_code, lacks("/studies/", response)) == (status, [])
        assert b"zq12" not in response.content


def test_by_tls_every_answer_asks_for_tls_from_then_on(client, settings):
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 31_536_000, True
    for path in ("/accounts/login/", "/no/such", "/static/studies/css/app.css", "/api/v1/no"):
        response = Client().get(path, secure=True)
        assert response.headers["Strict-Transport-Security"].startswith(
            "max-age=31536000; includeSubDomains"
        ), path


def test_without_tls_pages_lead_there_and_the_api_refuses(db, settings):
    settings.SECURE_SSL_REDIRECT = True
    page = Client().get("/accounts/login/")
    assert (page.status_code, page.url) == (301, "https://testserver/accounts/login/")
    token = {"HTTP_AUTHORIZATION": "Bearer pdx_x"}
    for path in ("/api/v1/studies", "/api/v1/openapi.json", "/api/v1/no"):
        plain, by_tls = Client().get(path, **token), Client().get(path, secure=True, **token)
        assert plain.status_code == 403 and b"https alone" in plain.content and "Location" not in plain, path
        assert b"https alone" not in by_tls.content, path


def test_cookies_say_where_they_may_go(client, people):
    client.get("/accounts/login/")
    client.post("/accounts/login/", {"login": people.technician.username, "password": PASSWORD})
    found = {name: (cookie["samesite"], bool(cookie["httponly"])) for name, cookie in client.cookies.items()}
    assert found == {"sessionid": ("Lax", True), "csrftoken": ("Lax", True)}


def test_every_text_says_its_charset(client, people):
    client.force_login(people.study_director)
    code = people.study.code
    for path in (
        "/",
        "/healthz",
        "/no/such",
        f"/studies/{code}/curves.json",
        "/entry/service-worker.js",
        "/api/v1/no",
    ):
        kind = client.get(path).headers["Content-Type"]
        assert "charset=utf-8" in kind or kind == "application/json", (
            path,
            kind,
        )  # JSON is UTF-8 by definition


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PROPFIND"])
def test_trace_and_other_methods_are_refused(people, method, caplog):
    caplog.set_level("CRITICAL")
    client = Client()
    client.force_login(people.study_director)
    for path in ("/studies/", "/", "/entry/today/", f"/studies/{people.study.code}/"):
        answer = client.generic(method, path)
        assert answer.status_code == 405 and lacks(path, answer) == []
