"""Passwords and second factors: what a new one must be, what changes them, and that a code works once."""

import re
import time
from datetime import timedelta
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from studies.models import AuditEvent, User
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
CHANGE = "/accounts/password/change/"
SECRET = "JBSWY3DPEHPK3PXP"


def test_what_a_new_password_must_be(client, people):
    for weak in ("short of 12", "qwertyuiop123", "passwordpassword", "a_technician!"):
        with pytest.raises(ValidationError):
            validate_password(weak, people.technician)
    for good in ("x" * 40 + " plain words " + "y" * 40, "здравствуйте", "  spaces count too  "):
        validate_password(good, people.technician)
        user = people.technician
        user.set_password(good)
        assert user.check_password(good) and not user.check_password(good.strip() + "!")
        assert not user.check_password(good.upper()) and not user.check_password(good[:-1])


def test_a_password_is_changed_with_the_old_one_and_ends_other_sessions(people):
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/accounts/login/", {"login": "a_technician", "password": PASSWORD})
    new = "another sentence to remember"
    told = {"oldpassword": "wrong", "password1": new, "password2": new}
    assert here.post(CHANGE, told).status_code == 200 and elsewhere.get("/studies/").status_code == 200
    assert here.post(CHANGE, told | {"oldpassword": PASSWORD}).status_code == 302
    assert User.objects.get(username="a_technician").check_password(new)
    assert elsewhere.get("/studies/").url.startswith("/accounts/login/")
    assert here.get("/studies/").status_code == 200
    event = AuditEvent.objects.get(action="chose their own password")
    assert event.object_id == str(event.actor_id) and event.actor.username == "a_technician"


@pytest.mark.parametrize("named", [["a_technician"], []])
def test_a_password_set_at_the_server_is_an_event_too(people, monkeypatch, named):
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda prompt: "another sentence to remember")
    monkeypatch.setattr(changepassword.getpass, "getuser", lambda: "a_technician")
    call_command("changepassword", *named, stdout=StringIO())
    assert User.objects.get(username="a_technician").check_password("another sentence to remember")
    event = AuditEvent.objects.get(action="password set at the server")
    assert (event.object_id, event.actor, event.chain) == (str(people.technician.pk), None, "installation")


def test_a_password_somebody_else_set_opens_the_choice_of_ones_own_alone(client, people):
    client.force_login(people.superuser)
    new = {
        "username": "newcomer",
        "password1": "given on a slip of paper",
        "password2": "given on a slip of paper",
    }
    assert client.post("/admin/studies/user/add/", new).status_code == 302
    changed = {"password1": "given on another slip", "password2": "given on another slip"}
    assert client.post(f"/admin/studies/user/{people.doser.pk}/password/", changed).status_code == 302
    for name, given in (("newcomer", "given on a slip of paper"), ("a_doser", "given on another slip")):
        theirs, own = Client(), "a sentence of one's own"
        theirs.post("/accounts/login/", {"login": name, "password": given})
        for path in ("/studies/", "/entry/today/", "/admin/"):
            assert theirs.get(path).url == CHANGE, path
        assert theirs.get(CHANGE).status_code == 200
        theirs.post(CHANGE, {"oldpassword": given, "password1": own, "password2": own})
        assert theirs.get("/studies/").status_code == 200
    acts = AuditEvent.objects.filter(action="chose their own password")
    assert [event.actor_name for event in acts] == ["newcomer", "a_doser"]


def test_a_first_password_ends_after_a_week(client, people):
    User.objects.filter(pk=people.doser.pk).update(first_password_until=timezone.now() - timedelta(hours=1))
    client.post("/accounts/login/", {"login": "a_doser", "password": PASSWORD})
    assert client.get("/studies/").url == "/accounts/password/reset/"
    assert client.get(CHANGE).url.startswith("/accounts/login/")


def test_fields_hide_a_password_and_let_it_be_pasted(client, people):
    client.force_login(people.technician)
    pages = [
        Client().get("/accounts/login/").text,
        client.get(CHANGE).text,
        client.get("/accounts/reauthenticate/").text,
    ]
    for page in pages:
        fields = re.findall(r"<input[^>]*password[^>]*>", page)
        assert fields and all('type="password"' in field for field in fields)
        assert "onpaste" not in page and 'autocomplete="off"' not in "".join(fields)


def test_a_new_installation_knows_nobody():
    assert User.objects.count() == 0


def sign_in_halfway() -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "a_technician", "password": PASSWORD})
    assert client.get("/studies/").status_code == 302
    return client


def is_let_in(code: str) -> bool:
    client = sign_in_halfway()
    client.post("/accounts/2fa/authenticate/", {"code": code})
    return client.get("/studies/").status_code == 200


def test_a_code_of_the_authenticator_and_one_for_recovery_work_once(people):
    TOTP.activate(people.technician, SECRET)
    RecoveryCodes.activate(people.technician)
    counter = next(iter(yield_hotp_counters_from_time()))
    now = format_hotp_value(hotp_value(SECRET, counter))
    before = format_hotp_value(hotp_value(SECRET, counter - 3))
    assert time.time() and not is_let_in(before)
    assert is_let_in(now) and not is_let_in(now)
    kept = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES).wrap()
    code = kept.get_unused_codes()[0]
    assert len(code) >= 8 and is_let_in(code) and not is_let_in(code)


def test_factors_tokens_and_keys_change_only_after_the_password(client, people, settings):
    client.force_login(people.technician)  # a session whose password nobody gave lately
    for path in (
        "/accounts/2fa/totp/activate/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/tokens/",
        "/entry/key/",
    ):
        assert client.get(path).url.startswith("/accounts/reauthenticate/"), path


def test_sign_ins_that_worked_and_that_failed_are_on_record(client, people):
    client.post("/accounts/login/", {"login": "a_technician", "password": "wrong"}, REMOTE_ADDR="192.0.2.9")
    failed = AccessAttempt.objects.get()
    assert (failed.username, failed.ip_address, failed.failures_since_start) == (
        "a_technician",
        "192.0.2.9",
        1,
    )
    assert "wrong" not in failed.post_data
    client.post("/accounts/login/", {"login": "a_technician", "password": PASSWORD}, REMOTE_ADDR="192.0.2.9")
    assert AccessLog.objects.filter(username="a_technician", ip_address="192.0.2.9").exists()
