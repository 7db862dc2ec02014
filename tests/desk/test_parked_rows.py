"""Rows that came too late for their study or session: kept, shown, and decided on once, by the director alone."""

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, InternalError, transaction

from studies.actions.audit import broken_link, study_chain
from studies.models import AuditEvent, Measurement, MeasurementSession, ParkedRow
from studies.terms import StudyState
from tests.factories import make_mouse

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROW = {
    "client_id": "0b9e8a54-6f0e-4d0e-9b38-2f8f1f6d9a11", "mouse": "PDX-TEST-01/M001", "tumor": 1, "replicate": 1,
    "observed_at": "2026-06-01T11:55:00Z", "length_mm": 10.2, "width_mm": "8,1", "weight_g": 22.4, "status": "",
    "height_mm": None, "signs": [], "device": "", "confirmations": [],
}  # fmt: skip


@pytest.fixture
def parked(study, people) -> ParkedRow:
    return park(study, people)


def park(study, people, **told) -> ParkedRow:
    """A row the technician measured before the session was signed, sent after."""
    make_mouse(study, "M001")
    session = MeasurementSession.objects.create(study=study, due_on=NOON.date(), completed_at=NOON)
    return ParkedRow.objects.create(
        session=session, user=people.technician, client_id=ROW["client_id"], row=ROW | told, parked_at=NOON,
        because="the session is signed and closed",
    )  # fmt: skip


@pytest.fixture
def decide(client, parked, people):
    def post(decision: str, reason: str = "came from the tablet in rack A", person=people.study_director):
        client.force_login(person)
        data = {"row": parked.pk, "decision": decision, "reason": reason}
        reply = client.post(f"/studies/{parked.session.study.code}/parked/", data, follow=True)
        parked.refresh_from_db()
        return reply

    return post


def test_a_stored_row_is_a_reading_of_who_took_it_and_answers_what_the_rules_ask(decide, parked, people):
    told = decide("store").content.decode()
    assert "The row of PDX-TEST-01/M001 is stored." in told
    reading = Measurement.objects.get()
    assert (reading.length_mm, reading.width_mm, reading.observer) == (10.2, 8.1, people.technician)
    assert "R20" in {one["rule"] for one in reading.confirmations}  # days late, for the director's reason
    assert (parked.outcome, parked.settled_by) == ("stored", people.study_director)
    actors = dict(AuditEvent.objects.values_list("action", "actor__username"))
    assert actors["stored a parked row"] == actors["recorded a measurement"] == "a_study_director"
    assert broken_link(study_chain(parked.session.study)) is None


def test_a_discarded_row_stays_on_record(decide, parked):
    decide("discard")
    assert (parked.outcome, parked.row["length_mm"]) == ("discarded", 10.2)
    assert not Measurement.objects.exists()
    assert AuditEvent.objects.get().reason == "came from the tablet in rack A"


def test_a_decision_falls_once(decide, parked):
    decide("discard")
    assert "was discarded already" in decide("store").content.decode()
    assert not Measurement.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "a\nb"])
@pytest.mark.parametrize("decision", ["store", "discard"])
def test_a_decision_needs_a_reason(decide, parked, decision, reason):
    assert "still waits" in decide(decision, reason).content.decode()
    assert parked.outcome == "waiting" and not Measurement.objects.exists()


def test_a_locked_study_takes_no_row(decide, parked, study):
    study.state = StudyState.DATA_LOCKED
    study.save()
    assert "R28: the study is data locked, not active" in decide("store").content.decode()
    assert parked.outcome == "waiting" and not Measurement.objects.exists()
    assert ParkedRow.objects.count() == 1


def test_a_place_that_was_taken_meanwhile_is_shown_and_never_overwritten(decide, parked, people):
    mouse = parked.session.study.mice.get()
    Measurement.objects.create(
        session=parked.session, mouse=mouse, length_mm=9, width_mm=7, recorded_at=NOON, observer=people.technician
    )  # fmt: skip
    told = decide("store").content.decode()
    assert "still waits" in told and "This place has another reading by now: 9.0 x 7.0 mm" in told
    assert Measurement.objects.get().length_mm == 9


def test_only_the_director_decides_and_only_members_who_read_science_look(client, people, decide, parked):
    path = f"/studies/{parked.session.study.code}/parked/"
    readers = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
    for name, person in people.everyone().items():
        stranger = name in ("outsider", "superuser")
        client.force_login(person)
        assert client.get(path).status_code == (404 if stranger else 200 if name in readers else 403), name
        if name != "study_director":
            assert decide("store", person=person).status_code == (404 if stranger else 403), name
    assert parked.outcome == "waiting"


def test_a_row_of_another_study_is_out_of_reach(client, people, parked):
    client.force_login(people.outsider)
    data = {"row": parked.pk, "decision": "discard", "reason": "mine"}
    assert client.post("/studies/PDX-OTHER-01/parked/", data).status_code == 404
    parked.refresh_from_db()
    assert parked.outcome == "waiting"


def test_no_query_deletes_a_parked_row_or_decides_twice(parked):
    refused = pytest.raises((IntegrityError, InternalError))
    with refused, transaction.atomic():
        ParkedRow.objects.all().delete()
    settled = {"outcome": "discarded", "reason": "late", "settled_at": NOON}
    ParkedRow.objects.update(**settled)
    for change in ({"outcome": "waiting"}, {"reason": "other"}):
        with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
            ParkedRow.objects.update(**change)


def test_a_row_whose_questions_were_answered_when_it_was_sent_is_stored_at_once(client, study, people):
    waiting = park(study, people, confirmations=[{"rule": "R20", "reason": "the network was down"}])
    client.force_login(people.study_director)
    told = {"row": waiting.pk, "decision": "store", "reason": "came from the tablet in rack A"}
    client.post(f"/studies/{study.code}/parked/", told)
    waiting.refresh_from_db()
    assert (waiting.outcome, Measurement.objects.get().length_mm) == ("stored", 10.2)
