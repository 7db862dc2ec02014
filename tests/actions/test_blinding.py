"""A blinded study is opened letter by letter and mouse by mouse, and each telling is on record first."""

import random
import string
from datetime import UTC, datetime

import pytest
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from studies import access, frames
from studies.actions.blinding import (
    RevealRefused,
    acknowledge,
    draw_masks,
    open_notices,
    reveal_in_emergency,
    reveal_record,
)
from studies.actions.letters import send_waiting_letters
from studies.actions.sign import Signer, record_sha256
from studies.desk.curves import curves_document
from studies.models import ArmMask, AuditEvent, Reveal, Signature, Study, User
from studies.reports.recorded import analyze_recorded
from studies.terms import ArmRole, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_session
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def arms(study) -> list:
    """Three arms of three mice with three readings each."""
    arms = [
        make_arm(study, "canarywing"),
        *(make_arm(study, f"canary{n}", ArmRole.SINGLE_AGENT) for n in "xy"),
    ]
    mice = [make_mouse(study, f"M{n}", arms[n % 3]) for n in range(9)]
    for day in (0, 4, 8):
        session = make_session(study, day)
        for n, mouse in enumerate(mice):
            make_measurement(session, mouse, length_mm=8 + n / 10 + day * (1 + n % 3) / 8)
    return arms


def lock(study, seed: int = 1) -> Study:
    Study.objects.filter(pk=study.pk).update(state=StudyState.DATA_LOCKED)
    study.refresh_from_db()
    with transaction.atomic():
        draw_masks(study, actor=None, at=NOON, rng=random.Random(seed))
    return study


def test_a_statistician_reads_letters_between_lock_and_unblinding(study, people, arms):
    assert access.arm_names(people.statistician, study) is None
    lock(study)
    for name, person in people.everyone().items():
        seen = access.arm_names(person, study)
        if name == "statistician":
            assert set(seen) == {arm.pk for arm in arms} and set(seen.values()) == {"A", "B", "C"}
        else:
            assert seen is None, name
    study.state = StudyState.UNBLINDED
    assert access.arm_names(people.statistician, study)[arms[0].pk] == "canarywing"


def test_no_masked_table_or_chart_tells_which_letter_is_which(study, people, arms):
    lock(study)
    table = frames.measurement_table(study, people.statistician)
    assert set(table["arm"]) == {"A", "B", "C"} and "role" not in table and "block" not in table
    chart = curves_document(study, people.statistician)
    assert [arm["name"] for arm in chart["arms"]] == ["A", "B", "C"]
    assert {arm["role"] for arm in chart["arms"]} == {""}
    assert "canary" not in table.to_csv() + str(chart)
    with pytest.raises(PermissionError):
        frames.measurement_table(study, people.study_director)


def test_a_masked_analysis_runs_on_letters_alone(study, people, arms):
    study.analysis_plans.create(plan={"control": "canarywing", "alpha": 0.1}, reason="protocol")
    lock(study)
    analyzed = analyze_recorded(study, people.statistician, control="B")
    assert "canary" not in str(analyzed.document)
    assert {row["arm"] for row in analyzed.document["tgi"]} == {"A", "C"}


def test_masks_are_drawn_anew_at_each_lock(study, people, arms):
    lock(study, seed=1)
    first = access.arm_names(people.statistician, study)
    lock(study, seed=4)
    second = access.arm_names(people.statistician, study)
    assert first != second and ArmMask.objects.count() == 6
    drawn = AuditEvent.objects.filter(action="drew masks of the arms")
    assert {event.chain for event in drawn} == {f"allocation:{study.pk}"}


def test_an_open_study_and_one_without_arms_need_no_masks(study, people):
    with transaction.atomic():
        draw_masks(study, actor=None, at=NOON)
        make_arm(study)
        study.is_blinded = False
        draw_masks(study, actor=None, at=NOON)
    assert not ArmMask.objects.exists() and not AuditEvent.objects.exists()


def test_the_letters_are_counted_by_lock_and_dealt_by_the_given_chance(study, people):
    for number in range(28):
        make_arm(study, f"arm {number:02}", ArmRole.SINGLE_AGENT)
    lock(study, seed=5)
    dealt = dict(ArmMask.objects.filter(generation=1).order_by("arm").values_list("arm__name", "letter"))
    letters = [*string.ascii_uppercase, "AA", "AB"]
    assert sorted(dealt.values()) == sorted(letters)
    random.Random(5).shuffle(letters)
    assert list(dealt.values()) == letters
    event = AuditEvent.objects.get(action="drew masks of the arms")
    assert event.new == {"generation": 1, "masks": [[letter, name] for name, letter in dealt.items()]}
    assert event.object_id == str(ArmMask.objects.get(arm__name="arm 00").pk)
    with transaction.atomic():
        draw_masks(study, actor=None, at=NOON)  # by the system's own chance
    again = list(ArmMask.objects.filter(generation=2).order_by("arm").values_list("letter", flat=True))
    assert sorted(again) == sorted(letters) and again not in (letters, sorted(letters))
    assert set(ArmMask.objects.values_list("generation", flat=True)) == {1, 2}


def test_every_letter_is_as_likely_for_every_arm(study, people, arms):
    found = []
    for seed in range(60):
        with transaction.atomic():
            lock(study, seed)
            found.append(access.arm_names(people.statistician, study)[arms[0].pk])
            transaction.set_rollback(True)
    assert min(found.count(letter) for letter in "ABC") >= 10


def test_masks_and_reveals_are_only_added(study, people, arms):
    lock(study)
    for change in (lambda: ArmMask.objects.update(letter="Z"), lambda: ArmMask.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def reveal(study, people, who="veterinarian", mouse="M1", reason="Seizures; antidote?", notified=None):
    signer = Signer(people.by_role[who], NOON)
    return reveal_in_emergency(
        study, mouse, reason, signer=signer, notified=notified or people.study_director
    )


def test_one_mouse_is_told_to_one_person_and_the_event_comes_first(study, people, arms, monkeypatch):
    order = []
    told = access.arm_told_by
    monkeypatch.setattr(
        access, "arm_told_by", lambda one: order.append(AuditEvent.objects.count()) or told(one)
    )
    found, arm = reveal(study, people)
    assert arm == "canaryx" and order == [2]
    event = AuditEvent.objects.get(action="unblinded a mouse in an emergency")
    assert event.chain == f"allocation:{study.pk}" and event.new["mouse"] == "M1" and event.reason
    assert "canary" not in str(event.new)
    assert not access.may_see_arms(people.veterinarian, study)  # nothing else opened


def test_an_arm_is_not_told_without_its_record(study, people, arms):
    unsaved = Reveal(study=study, mouse=study.mice.first(), reason="x", revealed_to=people.veterinarian)
    with pytest.raises(PermissionError):
        access.arm_told_by(unsaved)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"who": "technician"}, "role"),
        ({"who": "statistician"}, "role"),
        ({"reason": "  "}, "what the emergency is"),
        ({"mouse": "M99"}, "no allocated mouse M99"),
    ],
)
def test_what_is_no_emergency_tells_nothing(study, people, arms, change, reason):
    with pytest.raises(RevealRefused, match=reason):
        reveal(study, people, **change)
    for second in (people.veterinarian, people.technician, people.outsider):
        with pytest.raises(RevealRefused, match="second person"):
            reveal(study, people, notified=second)
    assert not Reveal.objects.exists() and not AuditEvent.objects.exists()


def test_the_second_person_is_told_by_mail_and_at_home_until_they_say_so(client, study, people, arms):
    User.objects.filter(pk=people.study_director.pk).update(email="director@example.org")
    people.study_director.refresh_from_db()
    found, _ = reveal(study, people)
    assert not mail.outbox  # a worker's, so that no emergency waits for a mail server
    send_waiting_letters(NOON)
    (message,) = mail.outbox
    assert message.to == ["director@example.org"] and "M1" in message.body and "canary" not in message.body
    client.force_login(people.study_director)
    assert b"named\n" in client.get("/").content or b"second person" in client.get("/").content
    client.force_login(people.quality_assurance)
    assert client.post(f"/notices/{found.pk}/read/").status_code == 404
    client.force_login(people.study_director)
    client.post(f"/notices/{found.pk}/read/")
    acknowledge(found, actor=people.study_director, at=NOON)
    assert open_notices(people.study_director) == []
    assert AuditEvent.objects.filter(action="read the notice of an emergency unblinding").count() == 1


def test_nobody_but_the_second_person_acknowledges(study, people, arms):
    found, _ = reveal(study, people)
    acknowledge(found, actor=people.quality_assurance, at=NOON)
    assert open_notices(people.study_director) == [found] and open_notices(people.quality_assurance) == []
    other, _ = reveal(study, people, mouse="M2")
    acknowledge(found, actor=people.study_director, at=NOON)
    assert open_notices(people.study_director) == [other]


def test_the_study_is_held_before_a_notice_is_looked_at(study, people, arms):
    """Of two devices that confirm at once the second waits, and finds the notice read: it is recorded once."""
    found, _ = reveal(study, people)
    with CaptureQueriesContext(connection) as asked:
        acknowledge(found, actor=people.study_director, at=NOON)
    held = next(query["sql"] for query in asked if query["sql"].startswith("SELECT"))
    assert 'FROM "studies_study"' in held
    assert (
        "FOR UPDATE" in held
    ) == connection.features.has_select_for_update  # SQLite has one writer at a time


def test_whoever_unblinds_a_mouse_signs_for_it_and_a_later_change_shows(client, study, people, arms):
    found, _ = reveal(study, people)
    signature = Signature.objects.get(act="reveal")
    assert (signature.signer, signature.meaning, signature.object_id) == (
        people.veterinarian, "approved", str(found.pk),
    )  # fmt: skip
    assert signature.record == reveal_record(found)
    assert signature.record_sha256 == record_sha256(signature.record) and "canary" not in str(
        signature.record
    )
    client.force_login(people.study_director)
    page = client.get(f"/studies/{study.code}/blinding/").content.decode()
    assert signature.record_sha256[:12] in page and "changed after signature" not in page
    found.mouse.label = "M77"
    found.mouse.save()
    page = client.get(f"/studies/{study.code}/blinding/").content.decode()
    assert "changed after signature: mouse" in page


def test_the_page_shows_the_arm_once(client, study, people, arms):
    client.force_login(people.veterinarian)
    path = f"/studies/{study.code}/blinding/reveal/"
    form = {
        "mouse": "M1",
        "reason": "Seizures",
        "notified": people.study_director.pk,
        "username": "a_veterinarian",
    }
    wrong = client.post(path, {**form, "password": "wrong"})
    assert b"canary" not in wrong.content and not Reveal.objects.exists()
    told = client.post(path, {**form, "password": PASSWORD})
    assert b"canaryx" in told.content and b"canarywing" not in told.content
    register = client.get(f"/studies/{study.code}/blinding/").content
    assert b"Seizures" in register and b"canary" not in register
    assert b"canary" not in client.get(path).content
