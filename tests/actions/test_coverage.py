"""A reading changed, lost or added beneath the audit is found, however it came onto the record."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from studies import triggers
from studies.actions import archive_verifier, coverage
from studies.actions.acceptance import plant_acceptance
from studies.actions.coverage import uncovered_readings
from studies.actions.record_measurements import SentRow, record_measurements
from studies.actions.revise_measurements import void_measurement
from studies.actions.sign import Signer
from studies.actions.sign_session import sign_session
from studies.models import AuditEvent, Measurement, MeasurementSession, Mouse, User
from studies.validation import Row

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)


@pytest.fixture
def entered(db) -> Measurement:
    """A reading entered at the cage, beside sessions recorded as a whole."""
    told = plant_acceptance(3, now=NOW)["studies"][0]["sessions"][-1]
    row = Row(mouse=told["mice"][0], observed_at=NOW, length_mm="9.1", width_mm="8.0", weight_g="21.4")
    sent = SentRow("7b0c6f5e-94c6-4b36-8f3e-0d8d3ad6a001", row)
    technician = User.objects.get(username="acc_technician")
    session = MeasurementSession.objects.get(pk=told["id"])
    (result,) = record_measurements(session, [sent], user=technician, at=NOW)
    assert result.http_status == 201, result.findings
    return Measurement.objects.get(pk=result.id)


def tamper(statement: str, *values) -> None:
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    triggers.install(connection)


def test_an_untouched_record_is_covered(entered):
    assert list(uncovered_readings()) == []
    call_command("verify_audit", "--json")


@pytest.mark.parametrize(
    ("column", "value"),
    [("length_mm", 9.2), ("weight_g", None), ("observed_at", "2026-06-09 10:00:00+00:00"), ("device", "x"),
     ("status", "ulcerated"), ("confirmations", "[1]")],
)  # fmt: skip
def test_an_edited_value_is_named_with_its_event(entered, column, value):
    tamper(f"UPDATE studies_measurement SET {column} = %s WHERE id = %s", value, entered.pk)
    (link,) = uncovered_readings()
    event = AuditEvent.objects.get(object_type="measurement", object_id=str(entered.pk))
    assert (link.chain, link.sequence) == (event.chain, event.sequence)
    assert link.reason == f"reading {entered.pk} was changed beneath the audit: {column}"


def test_a_reading_given_to_another_mouse_is_named(entered):
    other = Mouse.objects.exclude(pk=entered.mouse_id).first()
    tamper("UPDATE studies_measurement SET mouse_id = %s WHERE id = %s", other.pk, entered.pk)
    (link,) = uncovered_readings()
    assert link.reason == f"reading {entered.pk} was changed beneath the audit: mouse_id"


def test_a_lost_reading_is_named(entered):
    tamper("DELETE FROM studies_measurement WHERE id = %s", entered.pk)
    (link,) = uncovered_readings()
    assert "was taken away" in link.reason


def test_every_reading_is_compared_however_many_at_a_time(entered, monkeypatch):
    monkeypatch.setattr(coverage, "CHUNK", 1)
    technician = User.objects.get(username="acc_technician")
    void = void_measurement(entered.pk, reason="another mouse was measured", client_id=str(uuid4()),
                            user=technician, at=NOW).measurement  # fmt: skip
    assert list(uncovered_readings()) == []
    tamper("UPDATE studies_measurement SET device = 'x' WHERE id >= %s", entered.pk)
    assert [link.reason for link in uncovered_readings()] == [
        f"reading {pk} was changed beneath the audit: device" for pk in (entered.pk, void.pk)
    ]


def test_a_reading_nobody_recorded_is_named(entered):
    session = MeasurementSession.objects.order_by("pk").last()
    mouse = session.study.mice.first()
    slipped = Measurement.objects.create(
        session=session, mouse=mouse, length_mm=9, width_mm=8, recorded_at=NOW
    )
    (link,) = uncovered_readings()
    assert (link.sequence, link.reason) == (None, f"reading {slipped.pk} has no audit event")


def test_a_signature_hides_no_reading_slipped_in_before(entered):
    signer = Signer(User.objects.get(username="acc_technician"), NOW)
    session = entered.session
    slipped = [
        Measurement.objects.create(session=session, mouse=mouse, length_mm=9, width_mm=8, recorded_at=NOW).pk
        for mouse in session.study.mice.exclude(pk=entered.mouse_id).order_by("pk")
    ]
    sign_session(session.pk, signer, at=NOW)
    assert [link.reason for link in uncovered_readings()] == [
        f"reading {pk} has no audit event" for pk in slipped
    ]
    tables = {"studies_measurement": list(Measurement.objects.values()), "studies_importbatch": []}
    events = list(AuditEvent.objects.filter(object_type__startswith="measurement").values())
    for row in tables["studies_measurement"]:
        row |= dict.fromkeys(("observed_at", "recorded_at", "client_id"))  # as no file spells them
    found = archive_verifier.changed_readings(tables, events)
    assert [told for told in found if told.endswith("has no audit event")] == [
        f"reading {pk} has no audit event" for pk in slipped
    ]


def test_a_session_recorded_as_a_whole_is_held_by_its_hash(entered, capsys):
    first = Measurement.objects.order_by("pk").first()
    tamper("UPDATE studies_measurement SET weight_g = weight_g + 1 WHERE id = %s", first.pk)
    (link,) = uncovered_readings()
    assert link.reason == f"readings of session {first.session_id} were changed beneath the audit"
    assert isinstance(link.sequence, int)
    with pytest.raises(CommandError):
        call_command("verify_audit")
    assert "changed beneath" in capsys.readouterr().out
