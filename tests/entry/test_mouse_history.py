"""A mouse's history tells its arm and its doses, which tell an arm, only to whom arms are open."""

import csv
import io
from datetime import UTC, date, datetime

import pytest

from studies.entry.mouse_history import history_rows
from studies.models import Allocation, Dose, Mouse, Randomization, Study
from tests.factories import make_arm, make_measurement, make_mouse, make_session

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SCIENCE = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
OF_READINGS = {("day 0", "status"), ("day 0", "length_mm"), ("day 0", "width_mm"), ("day 0", "weight_g")}
OF_ARMS = {("allocation", "arm"), ("2026-06-01", "dose 1.1, outcome"), ("2026-06-01", "dose 1.1, given_ml")}


@pytest.fixture
def mouse(study, people) -> Mouse:
    mouse, arm = make_mouse(study, "M1"), make_arm(study, "canarywing")
    drawn = Randomization.objects.create(
        study=study, method="m", seed="s", algorithm_version="1", code_version="1", ordered_input=[],
        input_sha256="0" * 64, made_at=NOON, made_by=people.study_director,
    )  # fmt: skip
    Allocation.objects.create(mouse=mouse, arm=arm, randomization=drawn)
    Dose.objects.create(
        study=study, mouse=mouse, given_on=date(2026, 6, 1), outcome="given", given_ml=0.2, doser=people.doser,
        recorded_at=NOON,
    )  # fmt: skip
    make_measurement(make_session(study), mouse)
    return mouse


def told(rows) -> set[tuple[str, str]]:
    return {(row["session"], row["value"]) for row in rows}


def test_doses_and_the_arm_are_part_of_it_where_they_may_be_told(mouse):
    assert told(history_rows(mouse, tells_arms=False)) == OF_READINGS
    rows = list(history_rows(mouse, tells_arms=True))
    assert told(rows) == OF_READINGS | OF_ARMS
    (arm,) = [row["new"] for row in rows if row["value"] == "arm"]
    assert arm == "canarywing"


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("state", ["active", "data_locked", "unblinded"])
def test_what_is_downloaded_follows_the_blinding_of_the_study(client, people, mouse, kind, state):
    Study.objects.filter(pk=mouse.study_id).update(state=state)
    expected = OF_READINGS | (OF_ARMS if state == "unblinded" else set())
    for name, person in people.everyone().items():
        client.force_login(person)
        answer = client.get(f"/entry/mice/{mouse.pk}/history.{kind}")
        if name not in SCIENCE:
            assert answer.status_code in (403, 404), name
            continue
        rows = (
            answer.json()
            if kind == "json"
            else csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
        )
        assert told(rows) == expected, name
