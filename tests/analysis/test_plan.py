"""The plan: what is asked, what the table tells, what is refused."""

import pandas as pd
import pytest

from studies.analysis import AnalysisError, normalize_table
from studies.analysis.plan import KEYS, day_rule, resolve_plan
from tests.analysis.builders import curve, together


def arms(*names: str, last_days: tuple[float, ...] = (21.0,) * 5) -> pd.DataFrame:
    return together(
        *(
            curve(f"{name}{i}", name, {0.0: 100.0, 7.0: 120.0, last: 150.0})
            for name in names
            for i, last in enumerate(last_days)
        )
    )


def plan_of(frame: pd.DataFrame, **given: object):
    return resolve_plan(normalize_table(frame), given)


def test_every_key_is_echoed_with_where_it_came_from():
    echo = plan_of(arms("Vehicle", "drug"), alpha=0.01).to_dict()
    assert set(echo) == set(KEYS)
    assert echo["alpha"] == {"value": 0.01, "from": "given"}
    assert echo["lod_mm3"] == {"value": 13.5, "from": "default"}
    assert echo["day"] == {"value": 21.0, "from": "table"}
    assert echo["control"] == {"value": "Vehicle", "from": "guessed"}


def test_a_control_marked_in_the_table_need_not_be_named():
    frame = arms("x", "y").assign(role=lambda table: table["arm"].map({"x": "vehicle", "y": "single_agent"}))
    assert plan_of(frame)["control"] == "x"


def test_a_control_that_cannot_be_told_is_asked_for():
    with pytest.raises(AnalysisError, match=r"name the control.*x, y"):
        plan_of(arms("x", "y"))


def test_a_control_that_is_not_there_is_refused():
    with pytest.raises(AnalysisError, match='"PBS".*does not have'):
        plan_of(arms("x", "y"), control="PBS")


def test_combinations_are_guessed_only_if_both_parts_are_arms():
    plan = plan_of(arms("Vehicle", "A", "B", "A+B", "A_C"))
    assert plan["combinations"] == [{"arm": "A+B", "parts": ["A", "B"]}]
    assert plan["roles"]["A+B"] == "combination"
    assert plan["roles"]["A_C"] == "single_agent"
    assert any("A+B" in note for note in plan.notes)


def test_an_arm_may_have_a_control_of_its_own():
    plan = plan_of(arms("Vehicle", "IgG", "drug"), controls={"drug": "IgG"})
    assert plan.control_of("drug") == "IgG"
    assert plan["roles"]["IgG"] == "other_control"


def test_day_rule_wants_four_fifths_of_the_vehicle_and_half_of_each_arm():
    frame = together(
        *(
            curve(
                f"V{i}",
                "V",
                {0: 100, 14: 300, **({21: 500} if i < 4 else {}), **({28: 900} if i < 3 else {})},
            )
            for i in range(5)
        ),
        *(curve(f"T{i}", "T", {0: 100, 14: 100, **({28: 150} if i < 3 else {})}) for i in range(5)),
    )
    assert day_rule(normalize_table(frame).frame, "V") == 21
    assert day_rule(normalize_table(frame).frame, "V", last_day=20) == 14


def test_mice_never_measured_count_as_not_followed():
    frame = together(*(curve(f"V{i}", "V", {0: 1, 14: 2 if i < 3 else float("nan")}) for i in range(5)))
    assert day_rule(normalize_table(frame).frame, "V") is None
    assert day_rule(normalize_table(frame).frame, "V", fallback=True) == 14


def test_the_window_ends_with_dosing_where_it_is_known():
    assert plan_of(arms("Vehicle", "drug"), dosing=[0, 18])["window"] == [0, 18]
    assert plan_of(arms("Vehicle", "drug"))["window"] == [0, 21]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"contol": "V"}, "unknown keys: contol"),
        ({"df": "z"}, "df"),
        ({"alpha": 5}, "between 0 and 1"),
        ({"window": [21, 0]}, "first day, last day"),
        ({"endpoint": {"fold": 0.5}}, "fold"),
        ({"endpoint": {"fold": 4, "volume_mm3": 1000}}, "endpoint"),
        ({"roles": {"drug": "placebo"}}, "role"),
        ({"combinations": [{"arm": "drug", "parts": ["A", "B"]}]}, "does not have"),
        ({"expected_sign": {"drug": "up"}}, "expected_sign"),
        ({"exclusions": [{"mouse": "nobody", "reason": "x"}]}, "nobody"),
        ({"exclusions": [{"mouse": "drug0"}]}, "exclusions"),
        ({"primary": {"estimand": "p value"}}, "estimand"),
        ({"volume_formula": "sphere"}, "volume_formula"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(given, reason):
    with pytest.raises(AnalysisError, match=reason):
        plan_of(arms("Vehicle", "drug"), **given)


def test_a_gene_may_come_with_the_words_of_its_altered_class_and_with_nothing_else():
    kras = {"gene": "kras", "altered": ["G12C"]}
    assert plan_of(arms("Vehicle", "drug"), biomarker=kras).biomarker.altered == ("G12C",)
    for wrong in ({"gene": "kras"}, {**kras, "cutoff": 1}, {**kras, "altered": []}, {**kras, "altered": [1]}):
        with pytest.raises(AnalysisError, match="the name of a gene, or {gene, altered"):
            plan_of(arms("Vehicle", "drug"), biomarker=wrong)


TARGET = {
    "tgi_percent": 60,
    "power": 0.8,
    "alpha": 0.05,
    "mice_per_arm": {"Vehicle": 8, "drug": 8},
    "source": "PDX-01",
}


def test_a_sample_size_is_echoed_and_one_half_declared_refused():
    frame = arms("Vehicle", "drug")
    assert plan_of(frame)["sample_size"] is None
    assert plan_of(frame, sample_size=TARGET).to_dict()["sample_size"] == {"value": TARGET, "from": "given"}
    wrong = ({"power": 80}, {"tgi_percent": 100}, {"mice_per_arm": 8}, {"mice_per_arm": {"drug": 0}}, {"source": " "},
             {"more": 1})  # fmt: skip
    for part in wrong:
        with pytest.raises(AnalysisError, match="sample_size"):
            plan_of(frame, sample_size=TARGET | part)


def test_a_role_the_plan_gives_stands_before_what_the_name_says():
    plan = plan_of(arms("Vehicle", "A", "B", "A+B"), roles={"A+B": "other_control"})
    assert plan["roles"] == {
        "Vehicle": "vehicle", "A": "single_agent", "B": "single_agent", "A+B": "other_control",
    }  # fmt: skip
    assert plan.to_dict()["roles"]["from"] == "given"


def test_a_sign_expected_of_an_unknown_arm_is_refused():
    with pytest.raises(AnalysisError, match='expected_sign names arm "A", which the table does not have'):
        plan_of(arms("Vehicle", "drug"), expected_sign={"A": "wild_type_more_sensitive"})


def test_where_the_control_is_lost_early_half_of_it_is_taken_and_said():
    frame = together(
        *(curve(f"V{i}", "Vehicle", {0: 100, **({7: 200} if i < 3 else {})}) for i in range(5)),
        *(curve(f"T{i}", "drug", {0: 100, 7: 120}) for i in range(5)),
    )
    plan = plan_of(frame)
    assert plan.to_dict()["day"] == {"value": 7.0, "from": "guessed"}
    assert (
        "on no day after day 0 are 80 % of the control mice still followed; day 7, the last at which half of every arm "
        "is, was taken instead"
    ) in plan.notes


def test_a_gene_is_named_by_a_word():
    assert plan_of(arms("Vehicle", "drug"), biomarker="TP53")["biomarker"] == "TP53"
    for wrong in (7, "KRAS/NRAS", ""):
        with pytest.raises(AnalysisError, match="biomarker is .* but must be the name of a gene"):
            plan_of(arms("Vehicle", "drug"), biomarker=wrong)


def test_a_control_the_table_marks_is_not_guessed_at():
    frame = arms("x", "y").assign(role=lambda table: table["arm"].map({"x": "vehicle", "y": "single_agent"}))
    plan = plan_of(frame)
    assert plan.notes == ()
    assert plan.to_dict()["control"]["from"] == "table"
    two = plan_of(arms("x", "y").assign(role="vehicle"))
    assert two.to_dict()["control"] == {"value": "x", "from": "guessed"}
    assert any('"x" was taken for the control' in note for note in two.notes)
    assert plan.to_dict()["controls"] == {"value": {}, "from": "default"}


@pytest.mark.parametrize(("day", "window"), [(0, None), (-1, None), (0.5, [0.0, 0.5])])
def test_a_day_before_treatment_spans_no_window(day, window):
    assert plan_of(arms("Vehicle", "drug"), day=day)["window"] == window


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": {"fold": 1}}, {"endpoint": {"volume_mm3": 0}}, {"alpha": 0}, {"alpha": 1}, {"lod_mm3": -0.1},
        {"window": [7, 7]}, {"primary": {"estimand": "slope", "why": "x"}}, {"random_seed": True}, {"day": True},
    ],
)  # fmt: skip
def test_a_value_at_the_edge_of_sense_is_refused(given):
    with pytest.raises(AnalysisError, match=f"plan: {next(iter(given))} is"):
        plan_of(arms("Vehicle", "drug"), **given)


def test_a_value_just_within_sense_is_taken():
    given = {"endpoint": {"fold": 1.01}, "alpha": 0.001, "lod_mm3": 0, "window": [0, 0.5]}
    plan = plan_of(arms("Vehicle", "drug"), **given)
    assert {key: plan[key] for key in given} == given
