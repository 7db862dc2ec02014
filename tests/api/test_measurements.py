"""POST /api/v1/sessions/<id>/measurements: receipts, replays, conflicts, refusals."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studies.actions.api_tokens import create_token
from studies.actions.audit import broken_link, study_chain
from studies.models import AuditEvent, Measurement, MeasurementSession, ParkedRow
from studies.terms import StudyState, TokenScope
from tests.api.conftest import NOON
from tests.factories import make_measurement

pytestmark = pytest.mark.django_db


def test_a_row_is_stored_with_its_event_and_the_receipt_names_it(api, people):
    row = api.row(weight_g="22,40 g")
    (result,) = api.results(row)
    assert (result["http_status"], result["client_id"], result["rules"]) == (201, row["client_id"], [])
    stored = Measurement.objects.get(pk=result["id"])
    assert (stored.length_mm, stored.width_mm, stored.weight_g) == (10.2, 8.1, 22.4)
    assert result["stored"]["weight_g"] == 22.4 and stored.observer == people.technician
    event = AuditEvent.objects.get(action="recorded a measurement")
    assert event.object_id == str(stored.pk) and event.new["length_mm"] == 10.2
    assert broken_link(study_chain(people.study)) is None


def test_refused_rows_hold_nobody_back_and_results_keep_the_order(api):
    rows = [api.row(0), api.row(1, length_mm="1e1"), api.row(2, length_mm=None), api.row(3)]
    results = api.results(*rows)
    assert [one["http_status"] for one in results] == [201, 422, 422, 201]
    assert [one["client_id"] for one in results] == [row["client_id"] for row in rows]
    assert [rule["id"] for one in results[1:3] for rule in one["rules"]] == ["R1", "R25"]
    assert len(api.stored()) == 2


def test_the_same_row_again_is_a_replay_under_any_key(api):
    row = api.row()
    first, again, other = (api.results(row, key=key)[0] for key in ("a", "a", "b"))
    assert [one["http_status"] for one in (first, again, other)] == [201, 200, 200]
    assert first["id"] == again["id"] == other["id"] and len(api.stored()) == 1


def test_a_client_id_with_other_values_is_refused(api):
    row = api.row()
    api.results(row)
    (result,) = api.results({**row, "length_mm": 10.3})
    assert (result["http_status"], result["rules"][0]["id"]) == (422, "R22")
    assert result["stored"]["length_mm"] == 10.2 and result["sent"]["length_mm"] == "10.3"


def test_the_same_key_with_another_body_stores_nothing(api):
    api.results(api.row(0), key="a")
    reply = api.post(api.row(1), key="a")
    assert reply.status_code == 422 and len(api.stored()) == 1


def test_a_place_that_is_taken_is_a_conflict_with_both_values(api):
    api.results(api.row(length_mm=10.2))
    (result,) = api.results(api.row(length_mm=11.0))
    assert result["http_status"] == 409
    assert (result["stored"]["length_mm"], result["sent"]["length_mm"]) == (10.2, "11.0")
    assert len(api.stored()) == 1
    (kept,) = api.results(api.row(length_mm=11.0, replicate=2))
    assert kept["http_status"] == 201


def test_a_plain_sheet_of_equal_numbers_is_stored_without_a_question(api, people):
    """Ten mice with last visits of their own, and one size written for all of them."""
    before = api.session.due_on - timedelta(days=3)
    earlier = MeasurementSession.objects.create(study=people.study, due_on=before)
    for number, mouse in enumerate(api.mice):
        make_measurement(
            earlier, mouse, length_mm=9 + number / 10, width_mm=7.5 + number / 20, weight_g=21 + number / 5
        )
    results = api.results(*(api.row(place, length_mm=10, width_mm=8, weight_g=22) for place in range(10)))
    assert [(one["http_status"], one["rules"]) for one in results] == [(201, [])] * 10


def test_one_sheet_with_a_client_id_twice_stores_it_once(api):
    row = api.row()
    assert [one["http_status"] for one in api.results(row, row)] == [201, 200]
    other = api.row(1)
    results = api.results(other, {**other, "weight_g": 23.0})
    assert [one["http_status"] for one in results] == [201, 422]
    assert len(api.stored()) == 2


def test_one_sheet_with_a_place_twice_is_a_conflict(api):
    assert [one["http_status"] for one in api.results(api.row(), api.row(length_mm=11))] == [201, 409]


def test_a_question_is_settled_by_a_reason(api):
    row = api.row(length_mm=26)
    row["width_mm"] = 10
    (asked,) = api.results(row)
    assert (asked["http_status"], [rule["id"] for rule in asked["rules"]]) == (422, ["R4"])
    (blank,) = api.results({**row, "confirmations": [{"rule": "R4", "reason": " "}]})
    assert blank["http_status"] == 422
    confirmed = [{"rule": "R4", "reason": "measured again"}]
    (stored,) = api.results({**row, "confirmations": confirmed})
    assert stored["http_status"] == 201
    assert AuditEvent.objects.get(action="recorded a measurement").new["confirmations"] == confirmed


def test_a_cap_never_blocks_and_is_told(api):
    (result,) = api.results(api.row(length_mm=20, width_mm=15, weight_g=25))
    assert result["http_status"] == 201
    assert {rule["id"] for rule in result["rules"] if rule["severity"] == "notice"} == {"R10"}


@pytest.mark.parametrize(
    "fields, rule",
    [
        ({"client_id": "not a uuid"}, "R22"),
        ({"mouse": "PDX-OTHER-01/M001"}, "R15"),
        ({"tumor": 2}, "R15"),
        ({"observed_at": "2026-06-01T11:55:00"}, "R19"),
        ({"observed_at": "yesterday"}, "R19"),
        ({"observed_at": "2026-06-01T12:05:01Z"}, "R19"),
        ({"status": "fine"}, "R25"),
        ({"status": "not_palpable"}, "R25"),
        ({"length_mm": float("nan")}, "R1"),
        ({"length_mm": -3}, "R1"),
        ({"length_mm": True}, "R1"),
        ({"length_mm": [10]}, "R1"),
        ({"weight_g": 22.444}, "R2"),
        ({"length_mm": "1.2 cm"}, "R3"),
        ({"device": "caliper\n1"}, "R30"),
        ({"tumor": 10**30}, "R15"),
        ({"replicate": 0}, "R22"),
        ({"replicate": 10**30}, "R22"),
        ({"device": "c" * 2001}, "R30"),
        ({"device": "\ud800"}, "R30"),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, "R19"),
        ({"observed_at": "9999-12-31T23:59:59-14:00"}, "R19"),
        ({"confirmations": [{"rule": "R99", "reason": "so"}]}, "R30"),
    ],
    ids=str,
)
def test_what_cannot_be_a_reading_is_refused_for_its_row_alone(api, fields, rule):
    refused, stored = api.results(api.row(0, **fields), api.row(1))
    assert refused["http_status"] == 422 and rule in {one["id"] for one in refused["rules"]}
    assert stored["http_status"] == 201 and len(api.stored()) == 1


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"rows": 1}', '{"rows": [{}]}', "{"])
def test_what_is_no_sheet_is_refused_whole(api, body):
    reply = api.client.post(api.url, body, content_type="application/json")
    assert reply.status_code in (400, 422)


def test_who_may_enter(api, people):
    found = {}
    for name, user in people.everyone().items():
        api.client.force_login(user)
        found[name] = api.post(api.row()).status_code
    assert {name for name, status in found.items() if status == 200} == {"technician", "study_director"}
    assert {name for name, status in found.items() if status == 404} == {"outsider", "superuser"}
    assert set(found.values()) == {200, 403, 404}


def test_nobody_enters_unsigned(api):
    api.client.logout()
    assert api.post(api.row()).status_code == 401


def test_a_token_with_the_entry_scope_enters_and_another_does_not(api, people):
    api.client.logout()
    api.client.handler.enforce_csrf_checks = True
    for scope, status in ((TokenScope.READ, 403), (TokenScope.ENTRY, 200)):
        _, secret = create_token(people.technician, "scale", [scope], actor=None, at=NOON, days=365)
        assert api.post(api.row(), HTTP_AUTHORIZATION=f"Bearer {secret}").status_code == status
    assert api.post(api.row(), HTTP_AUTHORIZATION="Bearer wrong").status_code == 401


def test_a_browser_without_its_csrf_token_is_refused(api):
    api.client.handler.enforce_csrf_checks = True
    assert api.post(api.row()).status_code == 403
    assert api.stored() == []


def test_a_row_for_a_locked_study_is_parked_once_and_not_stored(api, people):
    row = api.row()
    people.study.state = StudyState.DATA_LOCKED
    people.study.save()
    for _ in range(2):
        (result,) = api.results(row)
        assert (result["http_status"], result["parked"]) == (422, True)
        assert [rule["id"] for rule in result["rules"]] == ["R28"]
    assert api.stored() == [] and ParkedRow.objects.get().row["length_mm"] == "10.2"


def test_an_unknown_session_is_not_found(api):
    assert api.client.post("/api/v1/sessions/0/measurements", "{\"rows\": []}",
                           content_type="application/json").status_code == 404  # fmt: skip


def test_reading_again_after_a_void_is_a_further_revision(api, people):
    (first,) = api.results(api.row())
    stored = Measurement.objects.get(pk=first["id"])
    stored.pk, stored.revision, stored.is_void, stored.client_id = None, 2, True, uuid4()
    stored.reason = "wrong mouse"
    stored.save(force_insert=True)
    (again,) = api.results(api.row(length_mm=11))
    assert (again["http_status"], again["stored"]["revision"]) == (201, 3)


def test_a_sheet_costs_no_more_queries_than_a_row(api, people):
    """The first save starts the session; the next is what technicians do all day."""
    for days in (9, 6, 3):
        due_on = NOON.date() - timedelta(days=days)
        before = MeasurementSession.objects.create(study=people.study, due_on=due_on)
        for mouse in api.mice:
            make_measurement(before, mouse, length_mm=10, width_mm=8)
    api.results(api.row(0))
    costs = []
    for rows in ([api.row(1)], [api.row(place) for place in range(2, 10)]):
        with CaptureQueriesContext(connection) as asked:
            assert {one["http_status"] for one in api.results(*rows, key=rows[0]["client_id"])} == {201}
        costs.append(len(asked))
    assert costs[1] <= costs[0] <= 28, costs
