"""Signing in through the organization's own provider, run for real on this machine."""

from urllib.parse import urlsplit

import pytest
import requests

from studies.models import AuditEvent, User
from tests.people import make_user
from tests.support import identity_provider

pytestmark = pytest.mark.django_db
CLAIMS = {"sub": "4711", "email": "Ada@example.org", "email_verified": True, "preferred_username": "ada"}


@pytest.fixture
def provider(settings):
    with identity_provider.running(dict(CLAIMS)) as server:
        app = {
            "provider_id": "house",
            "name": "the lab",
            "client_id": identity_provider.CLIENT,
            "secret": "secret",
            "settings": {"server_url": f"http://127.0.0.1:{server.server_port}"},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
        yield server


def come_through(client):
    """From the sign-in page to the provider and back; the last answer of ours."""
    page = client.get("/accounts/login/").content.decode()
    assert "Sign in through the lab" in page
    away = client.get("/accounts/oidc/house/login/")
    assert away.status_code == 302
    back = requests.get(away.url, allow_redirects=False, timeout=5).headers["Location"]
    return client.get(f"{urlsplit(back).path}?{urlsplit(back).query}")


def signed_in(client) -> bool:
    return client.get("/").status_code == 200


def test_an_invited_person_is_connected_once_and_let_in(client, provider):
    person = make_user("ada", email="ada@example.org")
    for _ in range(2):
        response = come_through(client)
        assert response.status_code == 302 and response.url == "/"
        assert signed_in(client)
        client.post("/accounts/logout/")
    assert User.objects.count() == 1
    event = AuditEvent.objects.get(action="connected a sign-in account")
    assert event.object_id == str(person.pk) and event.new["uid"] == "4711"
    assert provider.asked["code_challenge_method"] == ["S256"]


@pytest.mark.parametrize(
    "change",
    [{"email": "eve@example.org"}, {"email_verified": False}, {"email": ""}],
    ids=["unknown", "unverified", "no address"],
)
def test_nobody_gets_an_account_by_coming(client, provider, change):
    make_user("ada", email="ada@example.org")
    provider.claims |= change
    response = come_through(client)
    assert b"administrator" in response.content or response.status_code == 302
    assert not signed_in(client)
    assert User.objects.count() == 1 and not AuditEvent.objects.exists()


def test_two_people_of_one_address_are_not_guessed_between(client, provider):
    make_user("ada", email="ada@example.org")
    make_user("ada2", email="ADA@example.org")
    come_through(client)
    assert not signed_in(client)


def test_a_deactivated_person_stays_outside_even_when_connected_before(client, provider):
    person = make_user("ada", email="ada@example.org")
    come_through(client)
    client.post("/accounts/logout/")
    User.objects.filter(pk=person.pk).update(is_active=False)
    come_through(client)
    assert not signed_in(client)


def test_a_second_factor_is_asked_for_this_way_too(client, provider):
    from allauth.mfa.totp.internal.auth import TOTP

    TOTP.activate(make_user("ada", email="ada@example.org"), "JBSWY3DPEHPK3PXP")
    response = come_through(client)
    assert response.url == "/accounts/2fa/authenticate/"
    assert not signed_in(client)


def test_without_the_setting_there_is_no_such_door(client, db):
    assert b"Sign in through" not in client.get("/accounts/login/").content
    assert client.get("/accounts/oidc/house/login/").status_code == 404
