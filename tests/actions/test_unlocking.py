"""Readings of a locked study opened by two people: only those, only for a while, only once; the database holds it."""

from dataclasses import asdict, replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from studies import triggers
from studies.actions.coverage import broken_links
from studies.actions.record_measurements import SentRow, record_measurements
from studies.actions.revise_measurements import correct_measurement, void_measurement
from studies.actions.sign import Signer
from studies.actions.study_states import StateRefused, archive_study, lock_data, unblind_study
from studies.actions.unlocking import (
    Place,
    approve_unlock,
    next_revisions,
    open_places,
    pending_unlock,
    readings_told,
    request_unlock,
    unlocks_told,
)
from studies.models import (
    AuditEvent,
    Measurement,
    MeasurementSession,
    Signature,
    Study,
    Unlock,
    UnlockedReading,
    User,
    WelfareAlert,
)
from studies.reports.blocks import Table
from studies.reports.record_facts import _deviations, _Reader
from studies.reports.sections import quality
from studies.reports.words import cell
from studies.terms import Role
from studies.validation import Row
from tests.factories import make_measurement, make_mouse, make_session, make_study
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HOUR = timedelta(hours=1)
WHY = "Cage C3 was read with the wrong caliper."


@pytest.fixture
def locked(study) -> Study:
    """A locked study of two mice, measured on days 0 and 3; M002 was missed on day 3."""
    director = join(make_user("head"), study, Role.STUDY_DIRECTOR)
    join(make_user("qa"), study, Role.QUALITY_ASSURANCE)
    first, second = make_mouse(study), make_mouse(study, "M002")
    for day, mice in ((0, (first, second)), (3, (first,))):
        session = make_session(study, day)
        for mouse in mice:
            make_measurement(session, mouse, recorded_at=NOW - HOUR)
    lock_data(study, Signer(director, NOW), "All visits are recorded.")
    return Study.objects.get(pk=study.pk)


def reading(label: str, day: float) -> Measurement:
    return Measurement.objects.filter(mouse__label=label, session__study_day=day).latest("revision")


def places(study: Study, label: str, day: float):
    return next_revisions(study.sessions.filter(study_day=day), study.mice.filter(label=label))


def unlock(study: Study, label: str = "M001", day: float = 3, hours: int = 24) -> Unlock:
    request = request_unlock(study, signer("head"), WHY, places(study, label, day), hours)
    return approve_unlock(study, signer("qa"), request.pk)


def signer(name: str) -> Signer:
    return Signer(User.objects.get(username=name), NOW)


def correct(one: Measurement, width: str = "8.1", at=None):
    row = Row(mouse=one.mouse.key, length_mm="10.0", width_mm=width, weight_g="22.0", status="measured",
              observed_at=NOW, device="", confirmations=dict.fromkeys(
                  [f"R{number}" for number in range(1, 30)], "read again from the sheet"))  # fmt: skip
    return correct_measurement(one.pk, row, reason="read again from the sheet", client_id=str(uuid4()),
                               user=signer("head").user, at=at or NOW)  # fmt: skip


def insert_by_hand(one: Measurement, **changed) -> None:
    """A further revision, past every rule of the program."""
    values = {field.attname: getattr(one, field.attname) for field in Measurement._meta.concrete_fields}
    values |= {"id": None, "revision": one.revision + 1, "client_id": None, "reason": "by hand"} | changed
    with transaction.atomic():
        Measurement(**values).save(force_insert=True)


def test_a_named_reading_takes_one_revision_and_is_locked_again(locked):
    before = broken_links()  # the readings that the factories made without an event
    assert correct(reading("M001", 3)).http_status == 422
    unlock(locked)
    assert correct(reading("M001", 0)).http_status == 422  # another session of the same mouse
    assert correct(reading("M002", 0)).http_status == 422
    revised = correct(reading("M001", 3))
    assert (revised.http_status, revised.measurement.revision) == (201, 2)
    assert correct(reading("M001", 3), "8.2").http_status == 422  # once is all
    assert open_places(locked, NOW) == frozenset() and Study.objects.get().state == "data_locked"
    assert broken_links() == before


def test_the_database_itself_holds_what_two_people_opened(locked):
    before, other = reading("M001", 3), reading("M002", 0)
    for one in (before, other):
        with pytest.raises(DatabaseError, match="the study is locked"):
            insert_by_hand(one)
    unlock(locked)
    for refused in (
        lambda: insert_by_hand(other),
        lambda: insert_by_hand(before, revision=3),
        lambda: insert_by_hand(before, replicate=2, revision=1, reason=""),
        lambda: WelfareAlert.objects.create(**alert_of(other)),
    ):
        with pytest.raises(DatabaseError, match="the study is locked"), transaction.atomic():
            refused()
    insert_by_hand(before)
    with pytest.raises(DatabaseError, match="the study is locked"):
        insert_by_hand(reading("M001", 3))


def alert_of(one: Measurement) -> dict:
    return {
        "study_id": one.mouse.study_id, "mouse": one.mouse, "session": one.session, "value": 1, "limit": 1,
        "limits_version": 0, "rule": "R10", "level": "red", "message": "x", "raised_at": NOW,
    }  # fmt: skip


def test_it_ends_by_the_clock_of_the_database_and_with_the_archive(locked):
    unlock(locked, hours=1)
    assert correct(reading("M001", 3), at=NOW + 2 * HOUR).http_status == 422
    assert unlocks_told(locked, NOW)[0].is_open and not unlocks_told(locked, NOW + 2 * HOUR)[0].is_open
    triggers.drop(connection)
    Unlock.objects.update(granted_at=NOW - 3 * HOUR, ends_at=NOW - 2 * HOUR)
    triggers.install(connection)
    with pytest.raises(DatabaseError, match="the study is locked"):
        insert_by_hand(reading("M001", 3))


def test_an_archived_study_is_closed_whatever_was_unlocked(locked):
    unlock(locked)
    unblind_study(locked, signer("head"), "Final analysis.")
    archive_study(locked, signer("head"), "Reported.")
    with pytest.raises(DatabaseError, match="the study is locked"):
        insert_by_hand(reading("M001", 3))
    with pytest.raises(StateRefused, match="archived"):
        unlock(Study.objects.get())


def test_a_visit_that_was_missed_can_be_entered_once(locked):
    session = locked.sessions.get(study_day=3)
    mouse = locked.mice.get(label="M002")

    def send():
        row = Row(mouse=mouse.key, length_mm="10.1", width_mm="8.3", weight_g="22.1", status="measured",
                  observed_at=NOW, device="", confirmations=dict.fromkeys(
                      [f"R{number}" for number in range(1, 30)], "from the paper sheet"))  # fmt: skip
        (told,) = record_measurements(
            session, [SentRow(str(uuid4()), row, NOW.isoformat())], user=signer("head").user, at=NOW
        )
        return told

    first = send()
    assert first.http_status == 422 and first.is_parked
    unlock(locked, "M002", 3)
    assert send().http_status == 201
    assert send().http_status == 409 and Measurement.objects.filter(mouse=mouse).count() == 2


def test_a_void_is_a_revision_too(locked):
    unlock(locked)
    one = reading("M001", 3)
    told = void_measurement(one.pk, reason="another mouse was measured", client_id=str(uuid4()),
                            user=signer("head").user, at=NOW)  # fmt: skip
    assert told.http_status == 201 and told.measurement.is_void


def test_two_people_a_reason_named_readings_and_a_limit(locked):
    named = places(locked, "M001", 3)
    technician = join(make_user("tech"), locked, Role.TECHNICIAN)
    for asked, message in (
        (lambda: request_unlock(locked, signer("head"), " ", named, 24), "reason"),
        (lambda: request_unlock(locked, signer("head"), WHY, [], 24), "0 are named"),
        (lambda: request_unlock(locked, signer("head"), WHY, named, 73), "72 hours"),
        (lambda: request_unlock(locked, Signer(technician, NOW), WHY, named, 24), "no role"),
        (lambda: approve_unlock(locked, signer("qa"), 0), "Nobody asked"),
    ):
        with pytest.raises(StateRefused, match=message):
            asked()
    first = request_unlock(locked, signer("qa"), WHY, places(locked, "M002", 0), 24)
    asked = request_unlock(locked, signer("head"), WHY, named, 24)
    assert pending_unlock(locked) == asked
    with pytest.raises(StateRefused, match="two people"):
        approve_unlock(locked, signer("head"), asked.pk)
    with pytest.raises(StateRefused, match="in between"):
        approve_unlock(locked, signer("qa"), first.pk)
    assert not open_places(locked, NOW)
    approve_unlock(locked, signer("qa"), asked.pk)
    assert open_places(locked, NOW) == set(named) and pending_unlock(locked) is None


def test_at_most_200_readings_for_1_to_72_hours_are_named_all_of_the_study(locked):
    named, head = places(locked, "M001", 3), signer("head")
    many = [replace(named[0], replicate=number) for number in range(1, 202)]
    with pytest.raises(StateRefused, match="between 1 and 200 readings; 201 are named"):
        request_unlock(locked, head, WHY, many, 24)
    with pytest.raises(StateRefused, match="for 1 to 72 hours, not 0"):
        request_unlock(locked, head, WHY, named, 0)
    other = make_study("PDX-TEST-02")
    for strange in ({"mouse": make_mouse(other).pk}, {"session": make_session(other).pk}):
        with pytest.raises(StateRefused, match="A reading named is not of PDX-TEST-01"):
            request_unlock(locked, head, WHY, [*named, replace(named[0], **strange)], 24)
    assert not locked.signatures.filter(act="unlock_request").exists()
    asked = request_unlock(locked, head, f" {WHY} ", many[:200], 72)
    assert (len(asked.record["readings"]), asked.record["hours"], asked.reason) == (200, 72, WHY)
    assert request_unlock(locked, head, WHY, named, 1).record["hours"] == 1


def test_it_is_over_to_the_second(locked):
    made = unlock(locked, hours=1)
    for at, is_open in ((made.ends_at - timedelta(seconds=1), True), (made.ends_at, False)):
        assert bool(open_places(locked, at)) == unlocks_told(locked, at)[0].is_open == is_open


def test_nothing_is_opened_where_nothing_was_locked(locked):
    unlock(locked)
    assert open_places(locked, NOW)
    for state in ("draft", "active", "archived"):
        locked.state = state
        assert open_places(locked, NOW) == frozenset() and pending_unlock(locked) is None


def test_a_further_tumor_or_replicate_is_named_with_its_number(locked):
    session, mouse = locked.sessions.get(study_day=3), locked.mice.get(label="M001")
    dated = MeasurementSession.objects.create(study=make_study("PDX-TEST-02"), due_on=NOW.date())
    readings = [
        Place(session.pk, mouse.pk, tumor, replicate, 2) for tumor, replicate in ((1, 1), (2, 1), (1, 3))
    ]
    readings.append(Place(dated.pk, mouse.pk, 3, 2, 1))
    assert readings_told([asdict(place) for place in readings]) == [
        "M001, day 3", "M001, day 3, tumor 2", "M001, day 3, replicate 3",
        f"M001, {NOW:%Y-%m-%d}, tumor 3, replicate 2",
    ]  # fmt: skip


def test_an_unlock_slipped_in_by_hand_is_refused(locked):
    """One signature, one signer twice, more hours, more readings than were approved."""
    made = unlock(locked)
    lone = request_unlock(locked, signer("head"), WHY, places(locked, "M002", 0), 24)
    common = {"study": locked, "granted_at": NOW, "ends_at": NOW + HOUR, "reading_count": 1}
    own, second = copied(lone, act="unlock"), copied(made.approval)
    for forged in (
        {"request": lone, "approval": lone},
        {"request": lone, "approval": own},
        {"request": lone, "approval": second, "ends_at": NOW + 100 * HOUR},
    ):
        with pytest.raises(DatabaseError, match="two people"), transaction.atomic():
            Unlock.objects.create(**common | forged)
    row = made.readings.get()
    row.pk, row.mouse = None, locked.mice.get(label="M002")
    with pytest.raises(DatabaseError, match="and no more"), transaction.atomic():
        row.save(force_insert=True)
    for rows, change in ((Unlock.objects, {"reading_count": 9}), (UnlockedReading.objects, {"revision": 9})):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            rows.update(**change)


def copied(signature: Signature, **changed) -> Signature:
    copy = Signature.objects.get(pk=signature.pk)
    copy.pk = None
    for name, value in changed.items():
        setattr(copy, name, value)
    copy.save(force_insert=True)
    return copy


def test_it_is_audited_and_told_among_the_deviations(locked, client):
    unlock(locked)
    (event,) = AuditEvent.objects.filter(action="unlocked readings")
    assert event.reason == WHY and event.new["asked_by"] == "head" and event.new["approved_by"] == "qa"
    correct(reading("M001", 3))
    (told,) = unlocks_told(locked, NOW)
    assert "M001, day 3" in told.what and "head, approved by qa" in told.what and WHY in told.what
    assert told.outcome == "1 of 1 revised; locked again."
    client.force_login(signer("qa").user)
    assert "M001, day 3" in client.get(f"/studies/{locked.code}/deviations/").text


def test_a_reading_revised_meanwhile_is_asked_for_anew(locked):
    first = request_unlock(locked, signer("head"), WHY, places(locked, "M001", 3), 24)
    approve_unlock(locked, signer("qa"), first.pk)
    stale = request_unlock(locked, signer("head"), WHY, places(locked, "M001", 3), 24)
    correct(reading("M001", 3))
    with pytest.raises(StateRefused, match="ask anew"):
        approve_unlock(locked, signer("qa"), stale.pk)


def test_a_report_tells_it_among_its_deviations(locked):
    unlock(locked)
    correct(reading("M001", 3))
    (row,) = _deviations(locked, _Reader({}, masked=False))
    blocks = quality.deviations({"record": {"deviations": [row], "exclusions": []}})
    table = next(block for block in blocks if isinstance(block, Table))
    told = [cell(column.value(row), column.kind) for column in table.columns]
    assert told[0] == "U1" and "M001, day 3" in told[2] and told[3] == "data changed after the lock"
    (masked,) = _deviations(locked, _Reader({}, masked=True))
    assert masked["number"] == "U1" and "what" not in masked
