"""The plan an analysis runs under, and what of it is left where arms go by letters or by no name at all."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from studies.access import OPERATOR
from studies.actions.snapshots import Snapshot
from studies.models import Agent, ArmAgent, Exclusion, ExpectedSignDeclaration, ImportBatch, Study
from studies.reports import pooled, recorded
from studies.reports.headless import AnalysisRefused, AnalyzedStudy, Source
from studies.reports.pooled import analyze_pooled
from studies.reports.recorded import analyze_recorded, plan_of, source_of
from studies.terms import ArmRole
from tests.factories import lock_by_letters, make_arm, make_measurement, make_mouse, make_session, make_study

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SNAPSHOT = Snapshot("a" * 64, 3, "b" * 64, NOON)
SCIENCE = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
SIGN = "loss_of_function_more_sensitive"
NOTHING_DECLARED = {
    "volume_formula": "half_lw2", "lod_mm3": 13.5, "biomarker": "map2k4", "controls": {}, "expected_sign": {},
    "exclusions": [],
}  # fmt: skip


@pytest.fixture
def arms(study) -> dict[str, Any]:
    """A vehicle, two single agents and their combination, with a mouse each."""
    roles = {
        "vehicle": ArmRole.VEHICLE,
        "a": ArmRole.SINGLE_AGENT,
        "b": ArmRole.SINGLE_AGENT,
        "ab": ArmRole.COMBINATION,
    }
    arms = {name: make_arm(study, name, role) for name, role in roles.items()}
    session = make_session(study)
    for name, arm in arms.items():
        make_measurement(session, make_mouse(study, f"M{name}", arm))
    agents = {name: Agent.objects.create(name=f"agent {name}") for name in "ab"}
    for name in ("a", "b", "ab"):
        for agent in name:
            ArmAgent.objects.create(arm=arms[name], agent=agents[agent])
    ExpectedSignDeclaration.objects.create(study=study, agent=agents["a"], expected_sign=SIGN)
    study.arms.filter(pk=arms["a"].pk).update(control=arms["vehicle"])
    return arms


def plan_for(study: Study, arms: str, control: str | None = None) -> dict[str, Any]:
    return plan_of(study, {"Ma", "Mb"}, set(arms.split()), control)


def test_a_study_that_declares_nothing_runs_under_its_settings(study):
    assert plan_of(study, set(), set()) == NOTHING_DECLARED


def test_controls_and_expected_signs_hold_for_the_arms_of_the_table(study, arms):
    everything = NOTHING_DECLARED | {"controls": {"a": "vehicle"}, "expected_sign": {"a": SIGN}}
    assert plan_for(study, "vehicle a b ab") == plan_for(study, "vehicle a") == everything
    assert plan_for(study, "a b") == everything | {"controls": {}}
    assert (
        plan_for(study, "vehicle b ab") == NOTHING_DECLARED
    )  # one agent of a combination tells nothing of it


def test_the_latest_plan_goes_before_what_is_declared_and_a_control_given_before_both(study, arms):
    study.analysis_plans.create(version=1, plan={"alpha": 0.1, "lod_mm3": 10}, reason="first")
    study.analysis_plans.create(
        version=2, plan={"lod_mm3": 20, "control": "b", "exclusions": None}, reason="second"
    )
    plan = plan_for(study, "b")
    assert plan == NOTHING_DECLARED | {"lod_mm3": 20, "control": "b"}
    assert plan_for(study, "b", control="a") == plan | {"control": "a"}


def test_mice_excluded_on_record_are_so_beside_those_of_the_plan(study, arms):
    planned = {"mouse": "Ma", "reason": "planned"}
    study.analysis_plans.create(plan={"exclusions": [planned]}, reason="first")
    for label in ("Ma", "Mb", "Mvehicle"):
        Exclusion.objects.create(mouse=study.mice.get(label=label), reason=f"{label} bit", excluded_at=NOON)
    assert plan_for(study, "a b")["exclusions"] == [planned, {"mouse": "Mb", "reason": "Mb bit"}]


def test_the_source_is_the_first_file_imported_or_the_study_itself(study):
    assert source_of(study) == Source("study PDX-TEST-01")
    for number in (1, 2):
        ImportBatch.objects.create(
            study=study, file_name=f"{number}.csv", file_sha256=str(number) * 64, row_count=1, rows_sha256="0" * 64,
            assumptions=[f"read as {number}"], imported_at=NOON,
        )  # fmt: skip
    assert source_of(study) == Source("1.csv", "1" * 64, ("read as 1",))


@pytest.fixture
def asked(monkeypatch) -> SimpleNamespace:
    """The table and plan the analysis was asked for, in place of the analysis."""
    seen = SimpleNamespace()
    whole = {key: [] for key in ("study", "input", "mean_curves", "data_quality", "versions", "synergy")} | {
        "arms": [{"arm": "all mice", "role": "vehicle"}],
        "weight": [{"arm": "all mice", "n": 4, "mtd_exceeded": False}],
        "flow": [{"arm": "all mice", "analyzed": {"tgi": 4}}],
        "plan": dict.fromkeys(
            ("volume_formula", "lod_mm3", "exclusions", "random_seed", "alpha", "control", "day"), 1
        ),
    }

    def analyze(table, plan, **_) -> tuple[AnalyzedStudy]:
        seen.table, seen.plan = table, plan
        return (AnalyzedStudy(dict(whole), table.assign(volume_mm3=1.0)),)

    monkeypatch.setattr(recorded, "analyze_frame", analyze)
    monkeypatch.setattr(pooled, "analyze_frame", analyze)
    monkeypatch.setattr(pooled, "suspicions", lambda table: ["one mouse repeats another"])
    return seen


TELLING = {
    "alpha": 0.1, "control": "vehicle", "roles": {"a": "single_agent"}, "combinations": [{"arm": "ab"}],
    "sample_size": {"effect": "a"}, "primary": {"estimand": "slope", "contrast": "a"},
    "exclusions": [{"mouse": "Ma", "reason": "a spilled"}],
}  # fmt: skip


def test_by_letters_an_analysis_hears_nothing_of_the_plan_that_names_an_arm(study, people, arms, asked):
    study.analysis_plans.create(plan=TELLING, reason="protocol")
    lock_by_letters(study, NOON)
    analyzed = analyze_recorded(study, people.statistician, snapshot=SNAPSHOT)
    assert set(asked.table["arm"]) == {"A", "B", "C", "D"}
    assert asked.plan == {
        "volume_formula": "half_lw2", "lod_mm3": 13.5, "biomarker": "map2k4", "alpha": 0.1,
        "primary": {"estimand": "slope"}, "exclusions": [{"mouse": "Ma", "reason": "as recorded"}],
    }  # fmt: skip
    assert analyzed.document["record"]["snapshot_sha256"] == "a" * 64
    analyze_recorded(study, people.statistician, control="B")
    assert asked.plan["control"] == "B"
    for name, person in people.everyone().items():
        if name != "statistician":
            with pytest.raises(PermissionError, match="arms of study PDX-TEST-01 are not open"):
                analyze_recorded(study, person, snapshot=SNAPSHOT)


def test_a_plan_of_few_words_is_taken_by_letters_as_well(study, people, arms, asked):
    study.analysis_plans.create(plan={"primary": "slope"}, reason="protocol")
    analyze_recorded(lock_by_letters(study, NOON), people.statistician)
    assert asked.plan["primary"] == "slope" and asked.plan["exclusions"] == []


def test_by_name_an_analysis_hears_the_whole_plan(study, people, arms, asked):
    study.analysis_plans.create(plan=TELLING, reason="protocol")
    study.is_blinded = False
    for viewer in (OPERATOR, people.technician):
        analyzed = analyze_recorded(study, viewer)
        assert set(asked.table["arm"]) == set(arms)
        assert (
            asked.plan
            == NOTHING_DECLARED | {"controls": {"a": "vehicle"}, "expected_sign": {"a": SIGN}} | TELLING
        )
        assert len(analyzed.document["record"]["snapshot_sha256"]) == 64


def test_a_study_without_readings_is_refused_in_words(people):
    empty = make_study("PDX-EMPTY-01", is_blinded=False)
    with pytest.raises(AnalysisRefused, match="study PDX-EMPTY-01 holds no readings to analyze"):
        analyze_recorded(empty, OPERATOR)
    with pytest.raises(AnalysisRefused, match="study PDX-EMPTY-01 holds no readings of randomized mice"):
        analyze_pooled(empty, OPERATOR, SNAPSHOT)


def test_a_pooled_report_describes_one_group_and_compares_nothing(study, people, arms, asked):
    study.analysis_plans.create(plan=TELLING, reason="protocol")
    Exclusion.objects.create(mouse=study.mice.get(label="Mb"), reason="b spilled", excluded_at=NOON)
    for name, person in people.everyone().items():
        if name not in SCIENCE:
            with pytest.raises(PermissionError):
                analyze_pooled(study, person, SNAPSHOT)
            continue
        document = analyze_pooled(study, person, SNAPSHOT).document
        assert set(asked.table["arm"]) == {"all mice"}
        assert asked.plan == {
            "control": "all mice", "volume_formula": "half_lw2", "lod_mm3": 13.5,
            "exclusions": [{"mouse": "Mb", "reason": "as recorded"}],
        }  # fmt: skip
        assert document["view"] == "pooled" and "synergy" not in document
        assert document["arms"] == [{"arm": "all mice", "role": ""}]
        assert document["weight"] == [{"arm": "all mice", "n": 4}]
        assert document["flow"] == [{"arm": "all mice", "analyzed": {}}]
        assert document["plan"] == {
            "volume_formula": 1, "lod_mm3": 1, "exclusions": 1, "random_seed": 1, "alpha": 1,
            "day": {"value": None, "from": "table"},
        }  # fmt: skip
        assert document["notes"] == ["One mouse repeats another."]
        assert document["record"]["blinding"] == "blinded: all mice together"
