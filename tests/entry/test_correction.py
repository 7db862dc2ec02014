"""A reading is corrected or voided from the mouse's own page, one tap away from its history."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from studies.models import AuditEvent, Device, Measurement, MeasurementSession
from studies.terms import StudyState
from tests.factories import make_measurement, make_mouse
from tests.people import People

pytestmark = pytest.mark.django_db


@pytest.fixture
def reading(study, people) -> Measurement:
    session = MeasurementSession.objects.create(study=study, due_on=timezone.now().date())
    taken = {"observer": people.technician, "observed_at": timezone.now() - timedelta(minutes=5)}
    return make_measurement(session, make_mouse(study), **taken)


@pytest.fixture
def send(client, people: People, reading):
    def post(person=people.technician, **fields):
        client.force_login(person)
        values = {"length_mm": "10", "width_mm": "8", "weight_g": "22", "status": "measured", "act": "correct",
                  "reason": "misread", "client_id": str(uuid4()), "asked": "", **fields}  # fmt: skip
        return client.post(f"/entry/readings/{reading.pk}/", values)

    return post


def test_a_correction_is_a_further_revision_and_the_history_shows_both(client, send, reading, people):
    assert send(width_mm="8,4").headers["Location"] == f"/entry/mice/{reading.mouse_id}/"
    assert list(Measurement.objects.order_by("revision").values_list("width_mm", "reason")) == [
        (8.0, ""), (8.4, "misread"),
    ]  # fmt: skip
    assert AuditEvent.objects.get(action="corrected a measurement").actor == people.technician
    told = client.get(f"/entry/mice/{reading.mouse_id}/").content.decode()
    current = Measurement.objects.latest("revision")
    assert "misread" in told and f"/entry/readings/{current.pk}/" in told


def test_a_void_takes_the_reading_away_with_its_reason(client, send, reading):
    assert send(act="void", reason="wrong mouse").status_code == 302
    assert not Measurement.objects.valid().exists() and Measurement.objects.count() == 2
    assert "wrong mouse" in client.get(f"/entry/mice/{reading.mouse_id}/").content.decode()


@pytest.mark.parametrize(
    "fields, told", [({}, "R29"), ({"width_mm": "8.444"}, "R2"), ({"reason": "", "width_mm": "8.1"}, "required"),
                     ({"length_mm": "51"}, "R4"), ({"length_mm": ""}, "R25")],
)  # fmt: skip
def test_what_a_rule_refuses_is_named_and_changes_nothing(send, fields, told):
    reply = send(**fields)
    assert reply.status_code == 422 and told in reply.content.decode()
    assert Measurement.objects.count() == 1


def test_a_question_is_answered_by_the_reason_once_ticked(send):
    asked = send(length_mm="26", width_mm="9")
    assert asked.status_code == 422 and 'name="stands"' in asked.content.decode()
    assert send(length_mm="26", width_mm="9", asked="R4", stands="on").status_code == 302
    assert Measurement.objects.latest("revision").confirmations == [{"rule": "R4", "reason": "misread"}]


def test_two_people_who_correct_at_once_do_not_overwrite_each_other(send):
    assert send(width_mm="8.4").status_code == 302
    late = send(width_mm="8.6")  # of the first revision, which is no longer the current one
    assert late.status_code == 422 and "Another revision came in between" in late.content.decode()
    assert Measurement.objects.latest("revision").width_mm == 8.4


def test_a_locked_study_takes_no_correction(client, send, reading, study):
    study.state = StudyState.DATA_LOCKED
    study.save()
    assert "R28" in send(width_mm="8.4").content.decode()
    assert (
        f"/entry/readings/{reading.pk}/"
        not in client.get(f"/entry/mice/{reading.mouse_id}/").content.decode()
    )


def test_only_those_who_enter_correct(client, people, send, reading):
    enters = {"technician", "study_director"}
    for name, person in people.everyone().items():
        client.force_login(person)
        status = client.get(f"/entry/readings/{reading.pk}/").status_code
        assert (status == 200) == (name in enters) and status in (200, 403, 404), name
        if name not in enters:
            assert send(person, width_mm="8.4").status_code in (403, 404), name
    assert Measurement.objects.count() == 1


def test_the_sheet_offers_devices_that_are_not_retired_and_says_what_is_overdue(client, people, reading):
    Device.objects.create(code="caliper 1")
    Device.objects.create(code="caliper old", retired_on="2026-01-01")
    Device.objects.create(code="caliper late", calibration_due_on="2020-01-31")
    client.force_login(people.technician)
    page = client.get(f"/entry/sessions/{reading.session_id}/").content.decode()
    assert '<option value="caliper 1">' in page and "caliper old" not in page
    assert "calibration was due on 2020-01-31" in page
