"""Where one is signed in: seen and ended by oneself, by an administrator, and by a changed second factor."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client

from studies.accounts import SealedFactorsAdapter
from studies.actions.own_sessions import browser_in_words
from studies.models import AuditEvent
from tests.people import PASSWORD

PAGE = "/accounts/sessions/"
SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def sign_in(people):
    """Call it with a user name and a browser: somebody signed in there, the password given again."""

    def at(username: str, browser: str) -> Client:
        client = Client(HTTP_USER_AGENT=browser, REMOTE_ADDR="192.0.2.7")
        client.post("/accounts/login/", {"login": username, "password": PASSWORD})
        client.post("/accounts/reauthenticate/", {"password": PASSWORD})
        return client

    return at


def is_signed_in(client: Client) -> bool:
    return client.get("/studies/").status_code == 200


def test_one_sees_ones_own_sessions_and_ends_one_or_all_others(sign_in):
    desk, tablet, phone = (sign_in("a_technician", name) for name in ("Desk/1", "Tablet/1", "Phone/1"))
    other = sign_in("a_doser", "Other/1")
    page = desk.get(PAGE).content.decode()
    assert all(name in page for name in ("Desk/1", "Tablet/1", "Phone/1", "192.0.2.7", "this one"))
    assert "Other/1" not in page and not any(client.session.session_key in page for client in (desk, tablet))
    row = page[page.index("Tablet/1") :]
    desk.post(PAGE, {"name": re.search(r'value="([\d.]+)"', row).group(1)})
    assert [is_signed_in(client) for client in (desk, tablet, phone, other)] == [True, False, True, True]
    assert "1 session ended" in desk.post(PAGE, follow=True).content.decode()
    assert [is_signed_in(client) for client in (desk, tablet, phone, other)] == [True, False, False, True]
    told = AuditEvent.objects.filter(action="ended sessions")
    assert [(event.actor_name, event.new) for event in told] == [("a_technician", {"sessions": 1})] * 2


def test_a_browser_is_named_as_its_user_knows_it():
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
    told = {
        chrome: "Chrome on Linux",
        chrome.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64") + " Edg/140.0": "Edge on Windows",
        "Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0": "Firefox on Android",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/18.5 Safari/605": "Safari on Mac",
        "curl/8.5.0": "curl/8.5.0",
        "x" * 200: "x" * 80,
        "": "",
    }
    assert {agent: browser_in_words(agent) for agent in told} == told


def test_nothing_is_listed_or_ended_without_the_password_given_again(sign_in, client, people):
    elsewhere = sign_in("a_technician", "Desk/1")
    client.force_login(people.technician)
    assert "reauthenticate" in client.get(PAGE).url and "reauthenticate" in client.post(PAGE).url
    assert is_signed_in(elsewhere)


def test_a_sign_in_is_proof_for_five_minutes_here_but_not_where_factors_and_tokens_change(people):
    client, elsewhere = Client(), Client()
    for one in (client, elsewhere):
        one.post("/accounts/login/", {"login": "a_technician", "password": PASSWORD})

    def signed_in_ago(seconds: float) -> None:
        session = client.session
        session["account_authentication_methods"] = [{"method": "password", "at": time.time() - seconds}]
        session.save()

    signed_in_ago(290)
    assert client.get(PAGE).status_code == 200
    for path in ("/accounts/tokens/", "/accounts/2fa/totp/activate/", "/entry/key/"):
        assert "reauthenticate" in client.get(path).url, path
    signed_in_ago(301)
    assert "reauthenticate" in client.get(PAGE).url and "reauthenticate" in client.post(PAGE).url
    assert is_signed_in(elsewhere)
    signed_in_ago(290)
    client.post(PAGE)
    assert not is_signed_in(elsewhere)


def test_an_administrator_ends_a_persons_sessions_and_nobody_else_does(sign_in, client, people):
    theirs, mine = sign_in("a_technician", "Desk/1"), sign_in("a_doser", "Desk/2")
    form = {"action": "sign_out", "_selected_action": [people.technician.pk]}
    for person, is_in in ((people.study_director, True), (people.superuser, False)):
        client.force_login(person)
        client.post("/admin/studies/user/", form)
        assert is_signed_in(theirs) == is_in
    assert is_signed_in(mine)
    (event,) = AuditEvent.objects.filter(action="ended sessions")
    assert (event.actor, event.object_id) == (people.superuser, str(people.technician.pk))


def test_a_changed_second_factor_ends_all_other_sessions(sign_in, people, django_capture_on_commit_callbacks):
    desk, tablet = sign_in("a_technician", "Desk/1"), sign_in("a_technician", "Tablet/1")
    desk.get("/accounts/2fa/totp/activate/")
    secret = desk.session["mfa.totp.secret"]
    code = format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))
    with django_capture_on_commit_callbacks(execute=True):
        desk.post("/accounts/2fa/totp/activate/", {"code": code})
    assert Authenticator.objects.filter(user=people.technician, type="totp").exists()
    assert [is_signed_in(desk), is_signed_in(tablet)] == [True, False]


def test_a_copy_of_the_database_alone_makes_no_code(people, settings):
    codes = RecoveryCodes.activate(people.technician).get_unused_codes()
    TOTP.activate(people.technician, SECRET)
    stored = {one.type: one for one in Authenticator.objects.all()}
    assert SECRET not in str(stored["totp"].data) and len(codes) == 10
    wrapped = stored["recovery_codes"].wrap()
    assert not wrapped.validate_code("0" * 8) and wrapped.validate_code(codes[0])
    assert not stored["recovery_codes"].wrap().validate_code(codes[0])  # each works once
    assert SealedFactorsAdapter().decrypt(stored["totp"].data["secret"]) == SECRET
    settings.AUDIT_KEY = "another key of at least thirty-two characters"
    assert not stored["recovery_codes"].wrap().validate_code(codes[1])
