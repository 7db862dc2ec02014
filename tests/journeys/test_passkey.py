"""A passkey in a real browser, with an authenticator that the browser simulates: enrolled, then enough to sign in."""

import pytest
from allauth.mfa.models import Authenticator

from tests.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def authenticator(page):
    """A phone or laptop with a fingerprint reader that always knows its owner."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    key = devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def unlock(verified: bool) -> None:
        devices.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": verified})

    return unlock


def with_password(page, live_server, user) -> None:
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("User name").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page, live_server) -> None:
    page.goto(f"{live_server.url}/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


def enroll(page, live_server, passwordless: bool) -> None:
    """From the account menu's second factor; the password is asked for again."""
    page.goto(f"{live_server.url}/accounts/2fa/webauthn/add/")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_url("**/2fa/webauthn/add/")
    if passwordless:
        page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_url("**/2fa/recovery-codes/**")


def test_a_passkey_is_enrolled_and_signs_its_owner_in(
    people, page, live_server, authenticator, assert_accessible
):
    technician = people.technician
    with_password(page, live_server, technician)
    page.wait_for_url(f"{live_server.url}/")
    enroll(page, live_server, passwordless=True)
    assert Authenticator.objects.filter(user=technician, type="webauthn").count() == 1
    page.goto(f"{live_server.url}/accounts/2fa/webauthn/")
    assert_accessible()
    sign_out(page, live_server)
    assert_accessible()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{live_server.url}/")
    assert people.study.code in page.content()


def test_a_passkey_is_the_second_factor_after_a_password(
    people, page, live_server, authenticator, assert_accessible
):
    with_password(page, live_server, people.technician)
    page.wait_for_url(f"{live_server.url}/")
    enroll(page, live_server, passwordless=False)
    sign_out(page, live_server)
    with_password(page, live_server, people.technician)
    page.wait_for_url("**/2fa/authenticate/**")
    assert_accessible()
    page.goto(f"{live_server.url}/studies/")
    assert "/2fa/authenticate/" in page.url, "a password alone is no longer enough"
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(f"{live_server.url}/")


def test_a_passkey_whose_owner_is_not_known_signs_nobody_in(people, page, live_server, authenticator):
    with_password(page, live_server, people.technician)
    page.wait_for_url(f"{live_server.url}/")
    enroll(page, live_server, passwordless=True)
    sign_out(page, live_server)
    authenticator(False)
    with page.expect_console_message(lambda message: "NotAllowedError" in message.text):
        page.get_by_role("button", name="Sign in with a passkey").click()
    page.goto(f"{live_server.url}/studies/")
    assert "/accounts/login/" in page.url
