"""What one signs in by is on record: swapped by hand it is named, written by its own pages it raises no alarm."""

import re

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.socialaccount.models import SocialAccount
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from studies import triggers
from studies.actions.api_tokens import create_token
from studies.actions.audit import INSTALLATION, record_event
from studies.actions.coverage import broken_links
from studies.models import AuditEvent, User
from studies.terms import TokenScope
from tests.people import PASSWORD

PBKDF2, MD5 = (f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2", "MD5"))


@pytest.fixture
def person(people) -> User:
    """Somebody with every way in; all that is on record is in an event."""
    person = people.technician
    create_token(person, "scale", [TokenScope.READ], actor=person, at=timezone.now())
    Authenticator.objects.create(user=person, type="webauthn", data={"name": "key", "credential": {}})
    SocialAccount.objects.create(user=person, provider="house", uid="4711")
    put_on_record(person)
    assert broken_links() == []
    return person


def put_on_record(person: User) -> None:
    with transaction.atomic():
        record_event("added", person, actor=None, at=timezone.now(), chain=INSTALLATION)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("studies_user", "password = '!'"),
        ("studies_apitoken", "digest = 'that of another'"),
        ("mfa_authenticator", "user_id = user_id + 1"),
        ("mfa_authenticator", "data = '{}'"),
        ("socialaccount_socialaccount", "uid = '4712'"),
    ],
)
def test_a_way_in_swapped_by_hand_is_named(person, table, change):
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {change} WHERE id = (SELECT MAX(id) FROM {table})")
    found = [link.reason for link in broken_links() if "trigger" not in link.reason]
    triggers.install(connection)
    assert len(found) == 1 and found[0].endswith("was changed beneath the audit")


def test_a_hash_renewed_at_sign_in_is_an_event_and_no_alarm(person, people, settings, monkeypatch):
    monkeypatch.setattr("django.contrib.auth.hashers.PBKDF2PasswordHasher.iterations", 10)
    settings.PASSWORD_HASHERS = [PBKDF2, MD5]
    doser = people.doser
    Client().post("/accounts/login/", {"login": doser.username, "password": PASSWORD})
    doser.refresh_from_db()
    assert doser.password.startswith("pbkdf2") and doser.last_login
    assert doser.check_password(PASSWORD) and not doser.check_password(PASSWORD + "!")
    (told,) = AuditEvent.objects.filter(action="password hashed anew")
    assert (told.object_id, told.actor, told.new) == (str(doser.pk), doser, None)
    assert doser.password not in str(list(AuditEvent.objects.values())) and broken_links() == []


def test_a_password_chosen_at_its_page_or_set_by_an_administrator_raises_no_alarm(person, people):
    mine, theirs, new = Client(), Client(), "another sentence to remember"
    mine.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    told = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert mine.post("/accounts/password/change/", told).status_code == 302
    theirs.force_login(people.superuser)
    slip = {"password1": "given on a slip of paper", "password2": "given on a slip of paper"}
    assert theirs.post(f"/admin/studies/user/{people.doser.pk}/password/", slip).status_code == 302
    assert User.objects.get(pk=people.doser.pk).check_password(slip["password1"])
    assert broken_links() == []


def test_second_factors_written_by_their_pages_raise_no_alarm(
    person, people, django_capture_on_commit_callbacks
):
    Authenticator.objects.all().delete()
    put_on_record(person)
    client = Client()
    client.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.get("/accounts/2fa/totp/activate/")
    secret = client.session["mfa.totp.secret"]
    code = format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/2fa/totp/activate/", {"code": code})
    page = client.get("/accounts/2fa/recovery-codes/").content.decode()
    elsewhere = Client()
    elsewhere.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    for code in ("00000000", re.findall(r"\b\d{8}\b", page)[0]):
        elsewhere.post("/accounts/2fa/authenticate/", {"code": code})
    assert elsewhere.get("/studies/").status_code == 200
    told = AuditEvent.objects.filter(action="ways to sign in changed").order_by("pk")
    both = {"second_factors": ["recovery_codes", "totp"]}
    assert [(event.actor, event.new) for event in told] == [(person, both)] * 3  # enrolled, looked at, used
    assert secret not in str(list(AuditEvent.objects.values())) and broken_links() == []
    client.force_login(people.superuser)
    key = Authenticator.objects.get(type="totp").pk
    client.post(f"/admin/mfa/authenticator/{key}/delete/", {"post": "yes"})
    (removed,) = AuditEvent.objects.filter(action="second factor removed")
    assert (removed.object_id, removed.old) == (str(key), {"user": person.username})
    assert not Authenticator.objects.filter(pk=key).exists() and broken_links() == []


def test_what_was_written_is_undone_where_nobody_came_in_by_it(person, rf, monkeypatch):
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpResponse

    from studies.accounts import WaysInOnRecord

    for status, who in ((200, AnonymousUser()), (500, person)):
        request = rf.post("/accounts/2fa/authenticate/")
        request.user = who

        def use(request, status=status):
            Authenticator.objects.update(data={"used_mask": 1})
            return HttpResponse(status=status)

        assert WaysInOnRecord(use)(request).status_code == status
        assert Authenticator.objects.get().data == {"name": "key", "credential": {}} and broken_links() == []
