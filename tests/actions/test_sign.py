"""Signatures: the person again, a meaning, a hash; five failures lock; nothing rewrites one."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, InternalError, transaction

from studies.actions.sign import (
    FAILURE_LIMIT,
    SigningRefused,
    changed_after,
    lift_signing_lock,
    record_sha256,
    sign,
    verify_signer,
)
from studies.models import AuditEvent, Signature, SigningFailures, User
from studies.terms import Role, SignatureMeaning, SignedAct
from tests.people import PASSWORD, join, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def person():
    return make_user("head", full_name="Head of Study")


def signed(study, person, record):
    signer = verify_signer(person, "head", PASSWORD, NOW)
    with transaction.atomic():
        return sign(
            study, record, signer, act=SignedAct.REPORT, meaning=SignatureMeaning.REVIEWED, study=study
        )


def test_a_signature_keeps_who_when_meaning_and_the_hash(study, person):
    signature = signed(study, person, {"title": "A", "n": 3})
    assert (signature.signer_name, signature.signed_at, signature.meaning) == (
        "Head of Study",
        NOW,
        "reviewed",
    )
    event = AuditEvent.objects.get(action="signed")
    assert event.new["record_sha256"] == signature.record_sha256
    assert "title" not in event.new  # a record may name an arm


def test_a_signature_keeps_the_roles_of_its_study_and_is_anchored(
    study, person, django_capture_on_commit_callbacks
):
    join(person, study, Role.STUDY_DIRECTOR)
    join(person, study, Role.QUALITY_ASSURANCE)
    with django_capture_on_commit_callbacks(execute=True):
        signature = signed(study, person, {"n": 3})
    assert signature.signer_role == "quality_assurance, study_director"
    (line,) = Path(django_settings.AUDIT_ANCHORS).read_text(encoding="utf-8").splitlines()
    at, occasion, _, ends, _ = json.loads(json.loads(line)[0])
    assert (at, occasion) == (NOW.isoformat(), "report")
    assert [end[:2] for end in ends] == [[f"study:{study.pk}", 1]]  # nothing is allocated yet


def test_a_record_is_hashed_in_one_spelling_that_no_version_may_change():
    spelled = '{"n":[1,2],"title":"Zoë"}'
    assert record_sha256({"title": "Zoë", "n": [1, 2]}) == hashlib.sha256(spelled.encode()).hexdigest()
    with pytest.raises(ValueError, match="JSON"):
        record_sha256({"n": float("inf")})


def test_what_changed_after_the_signature_is_named(study, person):
    signature = signed(study, person, {"title": "A", "n": 3})
    assert changed_after(signature, {"n": 3, "title": "A"}) == []
    assert changed_after(signature, {"title": "B", "n": 3, "new": 1}) == ["new", "title"]


def test_another_persons_name_or_a_wrong_password_signs_nothing(person):
    make_user("other")
    for name, password in (("other", PASSWORD), ("head", "wrong"), ("Head", PASSWORD), ("", "")):
        with pytest.raises(SigningRefused, match="nothing was signed"):
            verify_signer(person, name, password, NOW)
    assert not Signature.objects.exists()


def test_five_failures_lock_signing_until_an_administrator_lifts_it(person):
    for _ in range(FAILURE_LIMIT - 1):
        with pytest.raises(SigningRefused, match="left"):
            verify_signer(person, "head", "wrong", NOW)
    with pytest.raises(SigningRefused, match="locked for head after 5 failures"):
        verify_signer(person, "head", "wrong", NOW)
    with pytest.raises(SigningRefused, match="locked"):
        verify_signer(person, "head", PASSWORD, NOW)
    lift_signing_lock(SigningFailures.objects.get(), User.objects.get(), NOW)
    assert verify_signer(person, "head", PASSWORD, NOW).user == person
    assert AuditEvent.objects.filter(action="failed to sign").count() == FAILURE_LIMIT


def test_a_failure_tells_how_many_tries_are_left(person):
    told = []
    for _ in range(FAILURE_LIMIT - 1):
        with pytest.raises(SigningRefused) as refused:
            verify_signer(person, "head", "wrong", NOW)
        told.append(str(refused.value).partition("signed. ")[2])
    assert told == ["4 tries are left.", "3 tries are left.", "2 tries are left.", "1 try is left."]
    assert [event.new["failures"] for event in AuditEvent.objects.order_by("sequence")] == [1, 2, 3, 4]


def test_a_lifted_lock_is_on_record_with_what_it_lifted(person):
    failures = SigningFailures.objects.create(user=person, count=5)
    lift_signing_lock(failures, person, NOW)
    event = AuditEvent.objects.get()
    assert (event.chain, event.old, event.new) == (
        "installation",
        {"failures": 5},
        {"user": "head", "failures": 0},
    )
    assert SigningFailures.objects.get().count == 0


def test_a_signature_outside_any_study_is_on_the_chain_of_the_installation(person):
    signer = verify_signer(person, "head", PASSWORD, NOW)
    with transaction.atomic():
        signature = sign(person, {"n": 1}, signer, act=SignedAct.REPORT, meaning=SignatureMeaning.REVIEWED)
    assert (signature.study, signature.signer_role, signature.object_type) == (None, "", "user")
    assert AuditEvent.objects.get(action="signed").chain == "installation"


def test_a_success_in_between_starts_the_count_again(person):
    for _ in range(2):
        for _ in range(FAILURE_LIMIT - 1):
            with pytest.raises(SigningRefused, match="left"):
                verify_signer(person, "head", "wrong", NOW)
        verify_signer(person, "head", PASSWORD, NOW)


def test_a_deactivated_person_cannot_sign(person):
    person.is_active = False
    with pytest.raises(SigningRefused):
        verify_signer(person, "head", PASSWORD, NOW)


def test_the_database_refuses_to_change_or_delete_a_signature(study, person):
    signed(study, person, {"n": 3})
    for act in (
        lambda: Signature.objects.update(signer_name="Other"),
        lambda: Signature.objects.all().delete(),
    ):
        with pytest.raises((IntegrityError, InternalError), match="append-only"), transaction.atomic():
            act()
