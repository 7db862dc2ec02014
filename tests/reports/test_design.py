"""What the design section says of sample size: nothing that was not declared, and nothing from the data."""

from math import exp, log

import pandas as pd
import pytest

from studies.analysis.power import ArmContrast, Interaction, detectable_effect, power_of
from studies.reports import words
from studies.reports.sections.design import (
    MOST_MODELS_LISTED,
    arm_table,
    model_blocks,
    planned_and_performed,
    protocol,
    sample_size,
)

DAYS = [0, 3, 7, 10, 14, 17, 21]


TARGET = {"tgi_percent": 60, "power": 0.8, "alpha": 0.05, "source": "PDX-01, 2024.",
          "mice_per_arm": dict.fromkeys(("vehicle", "A", "B", "A+B"), 8)}  # fmt: skip


def study(models=1, planned=8, statuses=(), alpha=0.05):
    names = ("vehicle", "A", "B", "A+B")
    return {
        "arms": [{"arm": name, "control": None if name == "vehicle" else "vehicle"} for name in names],
        "plan": {"alpha": {"value": alpha}, "control": {"value": "vehicle"}},
        "input": {"models": models},
        "record": {
            "arms": [{"arm": name, "planned_mice": planned} for name in names],
            "schedule_days": [-1, *DAYS],
            "pdx_models": [{"genes": {"MAP2K4": status}} for status in statuses],
        },
    }


def test_a_plan_without_a_target_is_said_to_declare_none_beside_what_its_mice_could_show():
    said = sample_size(study())
    effect = detectable_effect(ArmContrast(DAYS, treated_arms=3), 8, 0.8, 0.05)
    assert said.startswith("Not declared") and f"{effect:.2g} per day" in said
    assert "8 mice an arm, would show" in said and "3 arms by Dunnett" in said
    assert f"a TGI of {words.percent(100 * (1 - exp(-effect * 21)))} % against no effect by day 21" in said
    # 3 treated arms of 6 mice show a TGI of 60 % by day 21 with 80 %: the design's own table
    assert power_of(ArmContrast(DAYS, treated_arms=3), -log(1 - 0.6) / 21, 6) > 0.8


def test_with_several_pdx_models_the_unit_is_the_pdx_model():
    said = sample_size(study(6, 30, ["loss_of_function"] * 3 + ["wild_type"] * 3))
    effect = detectable_effect(Interaction(5, DAYS), 3, 0.8, 0.05)
    assert f"{effect:.2g} per day" in said and "3 PDX models a status with 5 mice an arm each" in said


def test_no_number_is_given_where_the_plan_has_no_mice_or_a_status_no_second_model():
    assert sample_size(study(planned=None)) == (
        "Not declared: the plan names no smallest effect of interest, no power and no variability."
    )
    said = sample_size(study(2, 10, ["loss_of_function", "wild_type"]))
    assert "no degree of freedom" in said and "would show" not in said


def test_a_target_is_told_as_planned_against_performed():
    told = study()
    told["plan"]["sample_size"] = {"value": TARGET, "from": "given"}
    for arm in told["arms"]:
        arm |= {"role": "", "n_mice": 8}
    told["flow"] = [{"arm": arm, "analyzed": {"TGI": 6, "mixed model": 7 if arm == "A" else 8}}
                    for arm in TARGET["mice_per_arm"]]  # fmt: skip
    assert sample_size(told).startswith(
        "Planned: 8 mice in each of 4 arms, to show a TGI of 60 % with a power of 80 % at a two-sided 0.05; "
        "source: PDX-01, 2024. Under documented defaults"
    )
    [table] = planned_and_performed(told)
    assert [(row["planned"], row["n_mice"], row["analyzed"]) for row in table.rows if row["arm"] == "A"] == [
        (8, 8, 7)
    ]
    assert table.note.endswith("31 mice of 32 planned, fewer in A 7 of 8.")
    assert planned_and_performed(study()) == []


def test_while_arms_go_by_letters_the_target_is_withheld_and_not_denied():
    told = study()
    told["record"]["plan"] = {"locked_version": 1, "planned": None}
    assert sample_size(told).startswith("What the plan declares is not told while arms go by letters.")


def test_the_arms_are_told_with_what_was_planned_where_the_record_says_it():
    told = study()
    told["arms"] = [arm | {"role": "", "n_mice": 8, "n_models": 1} for arm in told["arms"]]
    plain = ["arm", "role", "control", "n_mice", "n_models"]
    assert [column.key for column in arm_table(told).columns] == [*plain, "planned"]
    told["record"]["arms"][1] |= {"planned_mice": None, "treatment": ["binimetinib 10 mg/kg", "HRX"]}
    table = arm_table(told)
    assert [column.key for column in table.columns] == [*plain, "planned", "treatment"]
    assert [(row["planned"], row["treatment"]) for row in table.rows[:2]] == [
        (8, ""),
        (None, "binimetinib 10 mg/kg; HRX"),
    ]
    assert [column.key for column in arm_table(told | {"record": {}}).columns] == plain


LIMITS = {
    "volume_cap_mm3": 1500,
    "diameter_cap_mm": 15,
    "burden_cap_percent": 10,
    "weight_loss_limit_percent": 20,
}


@pytest.mark.parametrize(
    ("limits", "weight", "said"),
    [
        (None, None, {"Enrollment": "tumor volume 100 to 200 mm³"}),
        (
            LIMITS,
            18.5,
            {
                "Enrollment": "tumor volume 100 to 200 mm³, body weight from 18.5 g",
                "Humane limits": "volume 1500 mm³, diameter 15 mm, tumor 10 % of body weight and weight loss 20 %",
            },
        ),
    ],
)
def test_the_protocol_tells_who_was_enrolled_when_measured_and_within_which_limits(limits, weight, said):
    told = study()
    told["record"] |= {
        "limits": limits,
        "enrollment": {"min_mm3": 100, "max_mm3": 200, "min_weight_g": weight},
        "schedule_days": [0, 3],
    }
    facts = dict(protocol(told)[0].pairs)
    assert facts == said | {"Measured on days": "0, 3", "Sample size": sample_size(told)}
    told["record"]["schedule_days"] = []
    assert dict(protocol(told)[0].pairs)["Measured on days"] == "no schedule on record"


@pytest.mark.parametrize(("n", "blocks"), [(2, 2), (MOST_MODELS_LISTED, 2), (MOST_MODELS_LISTED + 1, 1)])
def test_pdx_models_are_listed_one_by_one_where_they_are_few(n, blocks):
    readings = [
        {
            "pdx_model": f"P{place}",
            "map2k4_status": "unknown" if place else "wild_type",
            "mouse": mouse,
            "arm": "A",
        }
        for place in range(n)
        for mouse in (f"{place}a", f"{place}b")
    ]
    found = model_blocks(study() | {"record": {}}, pd.DataFrame(readings))
    assert len(found) == blocks
    assert f"among {n} PDX models: wild type in 1 and unknown in {n - 1}." in found[0].text.replace("-", " ")
    assert found[0].text.endswith("Models of unknown or uncertain status are described and enter no stratum.")
    if blocks == 2:
        assert [(row["pdx_model"], row["n_mice"]) for row in found[1].rows] == [
            (f"P{p}", 2) for p in range(n)
        ]


def test_a_single_pdx_model_is_told_in_a_sentence():
    readings = pd.DataFrame([{"pdx_model": "P1", "map2k4_status": "wild_type", "mouse": "1", "arm": "A"}])
    [sentence] = model_blocks(study() | {"record": {}}, readings)
    assert sentence.text.startswith("One PDX model, P1; its MAP2K4 status: wild")
