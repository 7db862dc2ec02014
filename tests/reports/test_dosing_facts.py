"""Percent of the planned dose given, counted by hand; and a sheet that shows a dose in an open study alone."""

from datetime import timedelta

import pytest

from studies.actions.dosing import ml_per_kg_due
from studies.models import Agent, ArmAgent, Cohort, Dose, Exit, Study
from studies.reports.dosing_facts import dosing_facts
from studies.reports.sections.quality import dosing
from studies.terms import ArmRole
from tests.factories import make_arm, make_mouse
from tests.record import NOON

pytestmark = pytest.mark.django_db
TODAY = NOON.date()


@pytest.fixture
def wing(study):
    """Two mice given 30 mg/kg at 10 mL/kg once a day since 3 days ago."""
    arm = make_arm(study, "wing", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(
        arm=arm, agent=Agent.objects.create(name="x"), dose_mg_per_kg=30, volume_ml_per_kg=10, frequency="qd"
    )
    cohort = Cohort.objects.create(study=study, name="A", day0=TODAY - timedelta(days=3))
    for label in ("M001", "M002"):
        make_mouse(study, label, arm, cohort=cohort)
    return arm


def dose(study, people, label: str, days_ago: int, outcome: str, given_ml: float) -> None:
    Dose.objects.create(
        study=study, mouse=study.mice.get(label=label), given_on=TODAY - timedelta(days=days_ago), outcome=outcome,
        planned_ml=0.2, given_ml=given_ml, reason="" if outcome == "given" else "spat out", doser=people.doser,
        recorded_at=NOON,
    )  # fmt: skip


def test_percent_of_planned_counts_every_dose_due_until_the_mouse_left(study, people, wing):
    """M001: 4 due, 1 given, 1 half, 1 omitted, 1 not recorded. M002 left on day 2: 2 due, 2 given. 3.5 of 6."""
    assert dosing_facts(study, {wing.pk: "wing"}, masked=False) is None
    for days_ago, outcome, ml in ((3, "given", 0.2), (2, "partial", 0.1), (0, "omitted", 0)):
        dose(study, people, "M001", days_ago, outcome, ml)
    for days_ago in (3, 2):
        dose(study, people, "M002", days_ago, "given", 0.2)
    Exit.objects.create(mouse=study.mice.get(label="M002"), reason="sampled", day=2)
    told = dosing_facts(study, {wing.pk: "wing"}, masked=False)
    (row,) = told["by_arm"]
    assert (row["n_planned"], row["n_given"], row["n_partial"], row["n_omitted"], row["n_not_recorded"]) == (
        6, 3, 1, 1, 1,
    )  # fmt: skip
    assert row["percent_of_planned"] == pytest.approx(100 * 3.5 / 6)
    assert dosing_facts(study, {wing.pk: "A"}, masked=True)["by_arm"] == []
    blocks = dosing({"record": {"dosing": told}, "arms": [{"arm": "wing", "role": "single_agent"}]})
    assert "apart" in blocks[1].pairs[0][1] and len(blocks) == 3


def test_the_sheet_tells_a_dose_in_an_open_study_alone(study, people, wing):
    mouse = study.mice.get(label="M001")
    assert ml_per_kg_due(study, people.technician, NOON) == {}
    Study.objects.filter(pk=study.pk).update(state="unblinded")
    opened = Study.objects.get(pk=study.pk)
    assert ml_per_kg_due(opened, people.technician, NOON)[mouse.pk] == [pytest.approx(10)]
    assert ml_per_kg_due(opened, people.doser, NOON) == {}
