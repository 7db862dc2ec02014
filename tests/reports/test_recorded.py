"""What a study on record declares reaches its analysis."""

import pytest
from django.utils import timezone

from studies.access import OPERATOR
from studies.frames import measurement_table
from studies.models import (
    Agent,
    AnalysisPlan,
    ArmAgent,
    Exclusion,
    ExpectedSignDeclaration,
    GenotypeCall,
    Passage,
    Tumor,
)
from studies.reports.recorded import analyze_recorded, plan_of
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def open_study(db):
    """Two arms of three mice on days 0, 7 and 14, growing, arms open."""
    study = make_study(is_blinded=False)
    make_pdx_model(status="wild_type")
    arms = [make_arm(study), make_arm(study, "binimetinib", "single_agent")]
    mice = [make_mouse(study, f"M{number}", arms[number % 2]) for number in range(6)]
    for visit, day in enumerate((0, 7, 14)):
        session = make_session(study, day)
        for number, mouse in enumerate(mice):
            make_measurement(
                session, mouse, length_mm=8 + visit * (2 - number % 2) + number / 10, width_mm=7.0 + visit
            )
    return study


def n_of(analyzed, arm: str) -> int:
    return next(row["n_mice"] for row in analyzed.document["arms"] if row["arm"] == arm)


def exclude(study, label: str) -> None:
    Exclusion.objects.create(
        mouse=study.mice.get(label=label), reason="tumor ruptured at implantation", excluded_at=timezone.now()
    )


def test_an_excluded_mouse_is_left_out_with_its_reason(open_study):
    assert n_of(analyze_recorded(open_study, OPERATOR), "vehicle") == 3
    exclude(open_study, "M0")
    analyzed = analyze_recorded(open_study, OPERATOR)
    assert n_of(analyzed, "vehicle") == 2
    assert "M0" not in {row["mouse"] for row in analyzed.document["responses"]}
    assert analyzed.document["plan"]["exclusions"]["value"] == [
        {"mouse": "M0", "reason": "tumor ruptured at implantation"}
    ]


def test_an_exclusion_of_the_plan_and_one_on_record_both_hold(open_study):
    planned = {"mouse": "M1", "reason": "dosing accident"}
    AnalysisPlan.objects.create(study=open_study, plan={"exclusions": [planned]}, reason="first version")
    exclude(open_study, "M0")
    exclude(open_study, "M1")
    excluded = plan_of(open_study, {"M0", "M1"}, set())["exclusions"]
    assert [row["mouse"] for row in excluded] == ["M1", "M0"]
    assert excluded[0] == planned


def test_an_excluded_mouse_that_was_never_measured_stops_nothing(open_study):
    make_mouse(open_study, "M9")
    exclude(open_study, "M9")
    assert plan_of(open_study, {"M0"}, set())["exclusions"] == []


def test_the_index_tumor_alone_counts_where_the_study_says_so(open_study):
    session, mouse = open_study.sessions.get(study_day=14), open_study.mice.get(label="M0")
    Tumor.objects.create(mouse=mouse, number=2)
    make_measurement(session, mouse, tumor_number=2, length_mm=20.0, width_mm=15.0)
    assert "tumor" in measurement_table(open_study, OPERATOR)
    open_study.tumor_rule = "index"
    table = measurement_table(open_study, OPERATOR)
    assert "tumor" not in table and table["length_mm"].max() < 20


def test_controls_and_expected_signs_of_the_record_are_the_plan_s(open_study):
    vehicle, treated = open_study.arms.order_by("position")
    treated.control = vehicle
    treated.save()
    agent = Agent.objects.create(name="binimetinib")
    ArmAgent.objects.create(arm=treated, agent=agent)
    sign = "loss_of_function_more_sensitive"
    ExpectedSignDeclaration.objects.create(study=open_study, agent=agent, expected_sign=sign)
    plan = analyze_recorded(open_study, OPERATOR).document["plan"]
    assert plan["controls"] == {"value": {"binimetinib": "vehicle"}, "from": "given"}
    assert plan["expected_sign"]["value"] == {"binimetinib": sign}


def test_another_gene_is_reported_under_its_own_name(open_study):
    GenotypeCall.objects.create(
        pdx_model=open_study.mice.first().pdx_model, gene="KRAS", functional_class="loss_of_function"
    )
    open_study.biomarker = "KRAS"
    assert set(measurement_table(open_study, OPERATOR)["map2k4_status"]) == {"wild_type"}
    document = analyze_recorded(open_study, OPERATOR).document
    assert document["map2k4"]["gene"] == "KRAS"
    assert {row["genes"]["KRAS"] for row in document["record"]["pdx_models"]} == {"loss_of_function"}


def test_passage_0_is_a_passage_and_the_first_tumor_tells_it(open_study):
    mouse = open_study.mice.get(label="M0")
    first, second = (Passage.objects.create(pdx_model=mouse.pdx_model, number=number) for number in (0, 5))
    mouse.tumors.update(passage=first)
    Tumor.objects.create(mouse=mouse, number=2, passage=second)
    table = measurement_table(open_study, OPERATOR)
    assert set(table.loc[table["mouse"] == "M0", "passage"]) == {"0"}
