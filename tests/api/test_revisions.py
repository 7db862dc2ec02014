"""Corrections, voids, conflicts settled, histories: nothing is overwritten, everything has its reason."""

import json
from uuid import uuid4

import pytest

from studies.actions.audit import broken_link, study_chain
from studies.models import AuditEvent, Measurement
from studies.terms import StudyState

pytestmark = pytest.mark.django_db


@pytest.fixture
def act(api):
    """Posts to /measurements/<id>/<what>."""

    def post(measurement_id: int, what: str, **body) -> dict:
        reply = api.client.post(
            f"/api/v1/measurements/{measurement_id}/{what}", json.dumps(body), content_type="application/json"
        )
        assert reply.status_code == 200, reply.content
        return reply.json()

    return post


def correction(**fields) -> dict:
    return {
        "client_id": str(uuid4()),
        "reason": "digits swapped",
        "observed_at": "2026-06-01T11:55:00Z",
        "length_mm": 10.2,
        "width_mm": 8.1,
        "weight_g": 22.4,
        "status": "measured",
        **fields,
    }


@pytest.fixture
def stored(api) -> dict:
    return api.results(api.row())[0]


def test_a_correction_is_a_revision_with_its_reason_and_event(api, act, stored, people):
    revised = act(stored["id"], "correction", **correction(width_mm=8.4))
    assert (revised["http_status"], revised["stored"]["revision"]) == (201, 2)
    assert [one.width_mm for one in api.stored()] == [8.1, 8.4]
    event = AuditEvent.objects.get(action="corrected a measurement")
    assert (event.old["width_mm"], event.new["width_mm"], event.reason) == (8.1, 8.4, "digits swapped")
    assert broken_link(study_chain(people.study)) is None


@pytest.mark.parametrize(
    "fields, rule",
    [
        ({"reason": " ", "width_mm": 8.4}, "R29"),
        ({}, "R29"),  # the same values
        ({"width_mm": "8.444"}, "R2"),
        ({"length_mm": 51}, "R4"),
        ({"client_id": "x", "width_mm": 8.4}, "R22"),
        ({"reason": "a\nb", "width_mm": 8.4}, "R30"),
    ],
    ids=str,
)
def test_a_correction_without_reason_change_or_sense_is_refused(api, act, stored, fields, rule):
    refused = act(stored["id"], "correction", **correction(**fields))
    assert refused["http_status"] == 422 and rule in {one["id"] for one in refused["rules"]}
    assert len(api.stored()) == 1


def test_a_third_correction_is_asked_about(api, act, stored):
    current = stored["id"]
    for width in (8.2, 8.3):
        current = act(current, "correction", **correction(width_mm=width))["id"]
    third = correction(width_mm=8.4)
    assert act(current, "correction", **third)["rules"][0]["id"] == "R29"
    confirmed = third | {"confirmations": [{"rule": "R29", "reason": "read from the photo"}]}
    assert act(current, "correction", **confirmed)["http_status"] == 201


def test_a_stale_correction_is_a_conflict_and_overwrites_nothing(api, act, stored):
    act(stored["id"], "correction", **correction(width_mm=8.4))
    stale = act(stored["id"], "correction", **correction(width_mm=8.5))
    assert (stale["http_status"], stale["stored"]["width_mm"]) == (409, 8.4)


def test_the_same_correction_again_is_a_replay(api, act, stored):
    body = correction(width_mm=8.4)
    assert [act(stored["id"], "correction", **body)["http_status"] for _ in range(2)] == [201, 200]
    assert len(api.stored()) == 2


def test_a_void_takes_the_reading_away_and_frees_its_place(api, act, stored):
    body = {"client_id": str(uuid4()), "reason": "wrong mouse"}
    assert [act(stored["id"], "void", **body)["http_status"] for _ in range(2)] == [201, 200]
    assert not Measurement.objects.valid().exists()
    assert api.results(api.row(length_mm=9.9))[0]["http_status"] == 201
    assert act(stored["id"], "void", client_id=str(uuid4()), reason="again")["http_status"] == 409


def test_a_void_needs_a_reason(act, stored):
    assert act(stored["id"], "void", client_id=str(uuid4()), reason="")["rules"][0]["id"] == "R29"


def test_a_locked_study_takes_no_revision(act, stored, people):
    people.study.state = StudyState.DATA_LOCKED
    people.study.save()
    for what, body in (
        ("void", {"client_id": str(uuid4()), "reason": "wrong mouse"}),
        ("correction", correction(width_mm=8.4)),
    ):
        assert {one["id"] for one in act(stored["id"], what, **body)["rules"]} == {"R28"}


def test_the_second_of_two_people_chooses(api, act, stored, people):
    api.client.force_login(people.study_director)
    row = api.row(length_mm=11)
    assert api.results(row)[0]["http_status"] == 409
    kept = act(stored["id"], "choice", choice="stored", reason="mine was read upside down", row=row)
    assert (kept["http_status"], kept["stored"]["length_mm"]) == (200, 10.2)
    assert AuditEvent.objects.get(action__startswith="kept").old["sent"]["length_mm"] == 11
    both = act(stored["id"], "choice", choice="both", reason="both are fine", row=row)
    again = act(stored["id"], "choice", choice="both", reason="both are fine", row=row)
    assert [(one["http_status"], one["stored"]["replicate"]) for one in (both, again)] == [(201, 2), (200, 2)]
    mine = api.row(length_mm=10.9)
    sent = act(stored["id"], "choice", choice="sent", reason="measured twice", row=mine)
    assert (sent["http_status"], sent["stored"]["length_mm"], sent["stored"]["revision"]) == (201, 10.9, 2)
    assert len(api.stored()) == 3


def test_the_history_tells_who_when_and_why(api, act, stored):
    act(stored["id"], "correction", **correction(width_mm=8.4))
    url = f"/api/v1/sessions/{api.session.pk}/history"
    newest, first = api.client.get(url, {"mouse": api.mice[0].key}).json()["revisions"]
    assert (newest["width_mm"], newest["reason"], newest["is_current"]) == (8.4, "digits swapped", True)
    assert (first["observer"], first["is_current"]) == ("a_technician", False)
    for other in ("PDX-OTHER-01/M001", "M001", "PDX-TEST-01/M099"):
        assert api.client.get(url, {"mouse": other}).status_code == 404


def test_choosing_the_stored_reading_needs_a_reason(api, act, stored):
    refused = act(stored["id"], "choice", choice="stored", reason=" ", row=api.row(length_mm=11))
    assert (refused["http_status"], refused["rules"][0]["id"]) == (422, "R29")
    assert not AuditEvent.objects.filter(action__startswith="kept").exists()


def test_the_client_id_of_another_reading_is_refused(api, act, stored):
    other = api.row(1)
    api.results(other)
    for what, body in (("correction", correction(width_mm=8.4)), ("void", {"reason": "wrong mouse"})):
        refused = act(stored["id"], what, **body | {"client_id": other["client_id"]})
        assert (refused["http_status"], refused["rules"][0]["id"]) == (422, "R22")
    assert len(api.stored()) == 2
