"""What the page of a session hands to the sheet: the mice to be measured, in the order asked for."""

import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from studies.actions.sheet_facts import SESSIONS_BACK, load_session
from studies.models import Cage, Exclusion, Exit, MeasurementSession
from studies.volumes import volume_mm3
from tests.factories import make_measurement, make_mouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(study) -> MeasurementSession:
    cages = [Cage.objects.create(study=study, code=f"C{number}", rack="A") for number in range(4)]
    for place in range(12):
        make_mouse(study, f"M{place:02d}", cage=cages[place // 3])
    return MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 5))


@pytest.fixture
def sheet(client, people, session):
    client.force_login(people.technician)

    def ask(order: str = "") -> dict:
        page = client.get(f"/entry/sessions/{session.pk}/?order={order}").content.decode()
        return json.loads(re.search(r'id="sheet-data"[^>]*>(.*?)</script>', page)[1])

    return ask


def labels(data: dict) -> list[str]:
    return [mouse["label"] for mouse in data["mice"]]


def test_mice_that_left_or_are_excluded_are_not_asked_for(study, sheet):
    first, second, *_ = study.mice.order_by("label")
    Exit.objects.create(mouse=first, reason="found_dead", day=0)
    Exclusion.objects.create(mouse=second, reason="too small", excluded_at=datetime(2026, 6, 1, tzinfo=UTC))
    assert labels(sheet()) == [f"M{place:02d}" for place in range(2, 12)]


def test_the_order_is_that_of_the_rack_unless_a_random_one_is_asked_for(sheet):
    rack, drawn = labels(sheet()), labels(sheet("random"))
    assert rack == sorted(rack) == labels(sheet("rack")) and drawn == labels(sheet("random")) != rack
    assert sorted(drawn) == rack
    cages = [int(label[1:]) // 3 for label in drawn]
    assert all(len(set(cages[place : place + 3])) == 1 for place in range(0, 12, 3))


def test_each_tumor_is_compared_with_its_own_last_reading(study, session, sheet):
    mouse = study.mice.get(label="M00")
    mouse.tumors.create(number=2)
    before = MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 1))
    make_measurement(before, mouse, tumor_number=1, length_mm=9, width_mm=8)
    make_measurement(before, mouse, tumor_number=2, length_mm=5, width_mm=4)
    make_measurement(before, mouse, tumor_number=1, replicate=2, length_mm=9.5, width_mm=8)
    [told] = [one for one in sheet()["mice"] if one["label"] == "M00"]
    assert {tumor: one["volume_mm3"] for tumor, one in told["last"].items()} == {
        "1": pytest.approx(volume_mm3(9, 8, None, study.volume_formula)),
        "2": pytest.approx(volume_mm3(5, 4, None, study.volume_formula)),
    }
    assert {one["when"] for one in told["last"].values()} == {"4 days ago"}


def test_the_other_tumors_of_a_mouse_count_by_their_first_reading_of_today(study, session):
    mouse = study.mice.get(label="M00")
    mouse.tumors.create(number=2)
    make_measurement(session, mouse, tumor_number=1, length_mm=10, width_mm=8)
    make_measurement(session, mouse, tumor_number=1, replicate=2, length_mm=12, width_mm=8)
    facts = load_session(session, {mouse.key})
    assert [facts.mouse(mouse.key, tumor, None).other_tumors_mm3 for tumor in (1, 2)] == [0, 320]


def test_of_more_sessions_than_are_looked_back_on_the_latest_days_count(study, session, sheet):
    mouse = study.mice.get(label="M00")
    for days in range(1, SESSIONS_BACK + 2):  # written down latest first
        before = MeasurementSession.objects.create(study=study, due_on=session.due_on - timedelta(days=days))
        make_measurement(before, mouse)
    [told] = [one for one in sheet()["mice"] if one["label"] == "M00"]
    assert told["last"]["1"]["when"] == "1 days ago"


def test_what_was_entered_stands_on_the_sheet_as_written_and_each_mouse_leads_to_its_page(
    study, session, sheet
):
    mouse = study.mice.get(label="M05")
    make_measurement(session, mouse, length_mm=10.5, width_mm=8, weight_g=None)
    [told] = [one for one in sheet()["mice"] if one["label"] == "M05"]
    assert told["page"] == f"/entry/mice/{mouse.pk}/"
    entered = told["stored"]["1"]
    assert (entered["length_mm"], entered["width_mm"], entered["weight_g"]) == ("10.5", "8", None)


def test_what_a_person_entered_today_is_listed_for_them_alone(client, study, session, people):
    mouse = study.mice.get(label="M00")
    mine = make_measurement(session, mouse, observer=people.technician)
    make_measurement(session, mouse, replicate=2, observer=people.study_director)
    now = timezone.now()
    make_measurement(
        session, mouse, replicate=3, observer=people.technician, recorded_at=now - timedelta(days=2)
    )
    client.force_login(people.technician)
    assert client.get("/entry/today/").context["mine"] == [mine]


@pytest.mark.parametrize(("back", "when"), [(6, "6 days ago"), (7, "")])
def test_a_reading_is_compared_with_the_six_sessions_before_it(study, session, sheet, back, when):
    mouse = study.mice.get(label="M00")
    before = [
        MeasurementSession.objects.create(study=study, due_on=session.due_on - timedelta(days=days))
        for days in range(1, 8)
    ]
    make_measurement(before[back - 1], mouse)
    [told] = [one for one in sheet()["mice"] if one["label"] == "M00"]
    assert told["last"]["1"]["when"] == when
