import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from studies import errors
from tests.people import make_user


def test_a_missing_page_is_told_in_our_own_frame(client, db):
    response = client.get("/no/such/page/")
    assert response.status_code == 404
    assert 'class="site-header"' in response.content.decode()


def test_an_old_form_is_told_plainly(db):
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "x", "password": "y"})
    assert response.status_code == 403
    assert b"Form expired" in response.content


def test_a_server_error_is_told_without_the_database(db):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = errors.server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert b"Something broke on our side" in response.content
    assert not queries.captured_queries


@pytest.mark.parametrize("path", ["/accounts/login/", "/no/such/page/", "/studies/", "/accounts/2fa/"])
def test_every_page_of_ours_forbids_inline_code(client, people, path):
    client.force_login(people.study_director)
    policy = client.get(path, follow=True).headers["Content-Security-Policy"]
    assert "'unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy


def test_only_the_admin_is_relaxed_for_its_theme(client, people):
    client.force_login(people.superuser)
    policy = client.get("/admin/").headers["Content-Security-Policy"]
    assert "'unsafe-eval'" in policy
    assert "default-src 'none'" in policy  # the rest still holds
    assert settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["script-src"]


@pytest.mark.parametrize(
    ("words", "status"), [("database is locked", 503), ("database or disk is full", 507)]
)
def test_a_database_that_is_away_or_full_says_that_nothing_was_stored(
    client, db, monkeypatch, caplog, words, status
):
    caplog.set_level("CRITICAL", logger="django.request")

    def away(*args, **kwargs):
        raise OperationalError(words)

    monkeypatch.setattr("studies.access.studies_of", away)
    quiet = Client(raise_request_exception=False)
    quiet.force_login(make_user("anyone"))
    response = quiet.get("/studies/")
    assert response.status_code == status and response.headers["Retry-After"] == "5"
    assert b"Nothing you sent was stored" in response.content


@pytest.mark.parametrize("address", ["/studies/%00/", "/studies/?q=%00"])
def test_an_address_with_nul_is_refused_before_it_is_read(client, address):
    answer = client.get(address)
    assert (answer.status_code, answer.text) == (400, "There is no such address.")
