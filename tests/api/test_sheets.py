"""What a sheet is given: sessions due, mice in order, what was read before, mice to repeat."""

from datetime import timedelta

import pytest

from studies.models import Cage, MeasurementSession
from studies.terms import StudyState
from tests.api.conftest import NOON
from tests.factories import make_measurement
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(api):
    def ask(path: str, **query) -> dict:
        reply = api.client.get(f"/api/v1{path}", query)
        assert reply.status_code == 200, reply.content
        return reply.json()

    return ask


def test_sessions_due_are_told_with_their_progress(api, get, people):
    later = NOON.date() + timedelta(days=3)
    MeasurementSession.objects.create(study=people.study, due_on=later)
    overdue = MeasurementSession.objects.create(study=people.study, due_on=NOON.date() - timedelta(days=1))
    MeasurementSession.objects.create(study=people.outsider.memberships.get().study, due_on=NOON.date())
    assert [one["state"] for one in get("/sessions")["sessions"]] == ["overdue", "due"]
    api.results(api.row())
    found = {one["id"]: one for one in get("/sessions")["sessions"]}
    assert set(found) == {api.session.pk, overdue.pk}
    assert (found[api.session.pk]["state"], found[overdue.pk]["state"]) == ("partly done", "overdue")
    assert (found[api.session.pk]["n_mice"], found[api.session.pk]["n_done"]) == (10, 1)


def test_a_closed_study_has_no_session_due(api, get, people):
    people.study.state = StudyState.DATA_LOCKED
    people.study.save()
    assert get("/sessions")["sessions"] == []


def test_the_sheet_gives_mice_in_rack_order_and_one_random_order(api, get, people):
    cage = Cage.objects.create(study=people.study, code="C1", rack="A")
    api.mice[7].cage, api.mice[7].ear_tag = cage, "L1"
    api.mice[7].save()
    path = f"/sessions/{api.session.pk}/sheet"
    rack, random, again = (get(path, order=order)["mice"] for order in ("rack", "random", "random"))
    assert (rack[-1]["label"], rack[-1]["cage"], rack[-1]["ear_tag"]) == ("M008", "C1", "L1")
    assert random == again and random != rack
    assert sorted(one["mouse"] for one in random) == sorted(one["mouse"] for one in rack)


def test_the_sheet_gives_what_was_read_before_and_what_may_be_expected(api, get, people):
    before = MeasurementSession.objects.create(study=people.study, due_on=NOON.date() - timedelta(days=3))
    make_measurement(before, api.mice[0], length_mm=9.0, width_mm=8.0, weight_g=22.0)
    api.results(api.row())
    (mouse, *_) = get(f"/sessions/{api.session.pk}/sheet")["mice"]
    (tumor,) = mouse["tumors"]
    assert (tumor["previous"]["volume_mm3"], tumor["previous"]["days_ago"]) == (288, 3)
    assert [one["length_mm"] for one in tumor["readings"]] == [10.2]
    low, high = map(float, tumor["expected"]["weight_g"])
    assert (low, high) == pytest.approx((19.8, 24.2))
    low, high = map(float, tumor["expected"]["volume_mm3"])
    assert low < 288 < high


def test_a_tenth_is_measured_again_and_the_agreement_is_told(api, get):
    assert get(f"/sessions/{api.session.pk}/remeasures") == {
        "mice": [], "n_agreement": 0, "cv_percent": None, "icc": None,
    }  # fmt: skip
    api.results(*(api.row(place) for place in range(10)))
    found = get(f"/sessions/{api.session.pk}/remeasures")
    assert len(found["mice"]) == 1 and found == get(f"/sessions/{api.session.pk}/remeasures")
    place = [mouse.key for mouse in api.mice].index(found["mice"][0])
    api.results(api.row(place, replicate=2, length_mm=10.5))
    after = get(f"/sessions/{api.session.pk}/remeasures")
    assert after["n_agreement"] == 1 and 2 < after["cv_percent"] < 2.1


@pytest.fixture
def sign(api):
    def post(username: str, password: str = PASSWORD):
        return api.client.post(
            f"/api/v1/sessions/{api.session.pk}/signature",
            {"username": username, "password": password},
            content_type="application/json",
        )

    return post


def test_a_sheet_is_complete_only_when_signed(api, sign, people):
    api.results(*(api.row(place) for place in range(9)))
    refused = sign("a_technician")
    assert refused.status_code == 422 and api.mice[9].key in refused.json()["detail"]
    api.results(api.row(9, status="not_done", length_mm=None, width_mm=None))
    assert sign("a_technician", "wrong").status_code == 422
    assert sign("a_study_director").status_code == 422  # not the person at the screen
    api.session.refresh_from_db()
    assert api.session.completed_at is None
    assert sign("a_technician").status_code == 200
    (late,) = api.results(api.row(0, replicate=2))
    assert (late["http_status"], late["parked"]) == (422, True)
    assert sign("a_technician").status_code == 422  # once


def test_who_signs_is_named_in_150_characters_at_most(sign):
    told = [sign("x" * n).json()["detail"] for n in (150, 151)]
    assert isinstance(told[0], str) and "150 characters" in str(told[1])
