"""Synergy: by hand, by law, and the wording that must survive an uncertain case. References: test_inference.py."""

from functools import cache
from math import exp, log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import analyze_study, normalize_table
from studies.analysis.growth_models import fit_primary, growth_data
from studies.analysis.plan import resolve_plan
from studies.analysis.sensitivity import with_values
from studies.analysis.synergy import (
    _bliss,
    _conclusion,
    _hsa,
    _Question,
    synergy_curve,
    synergy_of_model,
    synergy_rows,
)
from tests.analysis.builders import curve, together

FOLDER = Path(__file__).parent.parent / "reference" / "inference"


def combination(effect: float, noise: float = 0.02, mice: int = 5) -> pd.DataFrame:
    """Vehicle, A, B and A+B; parts slow growth by 0.02 a day each, the combination by `effect`."""
    random = np.random.default_rng(1)
    slow = {"vehicle": 0.0, "A": 0.02, "B": 0.02, "A+B": effect}
    return together(*(
        curve(f"{arm} {i}", arm, {
            day: float(np.exp(log(150) + rate * day + random.normal(0, noise))) for day in (0, 4, 7, 11, 14, 18, 21)
        })
        for arm, slower in slow.items() for i in range(mice) for rate in [0.08 - slower + random.normal(0, 0.002)]
    ))  # fmt: skip


def rows(table: pd.DataFrame, **plan: object) -> dict[str, dict]:
    found = analyze_study(table, {"control": "vehicle", **plan}).to_dict()["synergy"]
    return {row["null"]: row for row in found}


@cache
def additive() -> dict[str, dict]:
    return rows(combination(0.04))


def test_an_additive_combination_is_not_called_synergy():
    bliss = additive()["bliss"]
    assert bliss["conclusion"] == "additive not excluded"
    assert bliss["ci_low"] < 0 < bliss["ci_high"]
    assert bliss["parts"] == ["A", "B"]


def test_more_than_additive():
    bliss = rows(combination(0.07))["bliss"]
    assert bliss["conclusion"] == "supra-additive"
    assert bliss["estimate"] == pytest.approx(-0.03, abs=0.005)
    assert bliss["combination_index"] == pytest.approx(exp(bliss["estimate"] * 21))
    assert (
        bliss["combination_index_ci_low"]
        < bliss["combination_index"]
        < bliss["combination_index_ci_high"]
        < 1
    )


def test_less_than_additive():
    assert rows(combination(0.01))["bliss"]["conclusion"] == "antagonistic"


def test_excess_is_the_sum_of_slopes_on_paper():
    result = analyze_study(combination(0.05), {"control": "vehicle"}).to_dict()
    slope = {row["arm"]: row["growth_rate_per_day"] for row in result["mixed_model"]["slopes"]}
    by_hand = slope["A+B"] - slope["A"] - slope["B"] + slope["vehicle"]
    assert next(row for row in result["synergy"] if row["null"] == "bliss")["estimate"] == pytest.approx(
        by_hand
    )


def test_better_than_each_part_takes_both_comparisons():
    result = analyze_study(combination(0.07), {"control": "vehicle"}).to_dict()
    hsa = next(row for row in result["synergy"] if row["null"] == "hsa")
    pairs = [row for row in result["mixed_model"]["contrasts"] if row["family"] == "F2"]
    assert hsa["conclusion"] == "better than each part"
    assert hsa["p_value"] == pytest.approx(max(row["p_value"] for row in pairs) / 2)


def test_a_combination_no_better_than_its_better_part():
    hsa = rows(combination(0.02))["hsa"]
    assert hsa["conclusion"] == "not shown to be better than each part"


def test_renaming_the_parts_changes_nothing():
    table = combination(0.05)
    renamed = table.assign(arm=table["arm"].map({"vehicle": "vehicle", "A": "Y", "B": "X", "A+B": "both"}))
    plan = {"combinations": [{"arm": "both", "parts": ["Y", "X"]}]}
    one, other = rows(table)["bliss"], rows(renamed, **plan)["bliss"]
    assert (one["estimate"], one["se"], one["df"]) == pytest.approx(
        (other["estimate"], other["se"], other["df"]), rel=1e-5
    )


def test_a_part_that_cannot_be_fitted_leaves_no_synergy_and_a_note():
    table = combination(0.05)
    table = table[~table["mouse"].isin(["A 1", "A 2", "A 3", "A 4"])]
    result = analyze_study(table, {"control": "vehicle"}).to_dict()
    assert result["synergy"] == []
    assert any("no synergy of A+B: A could not be fitted" in note for note in result["notes"])


def test_without_a_combination_there_is_no_row():
    assert rows(combination(0.05).query("arm != 'A+B'")) == {}


@cache
def of_study() -> list[dict]:
    table = pd.read_csv(FOLDER / "study.csv")
    return analyze_study(table, {"control": "vehicle", "window": [0, 17], "day": 17}).to_dict()["synergy"]


def test_strata_and_models_have_rows_of_their_own_always_exploratory():
    scopes = {(row["scope"], row["null"]) for row in of_study()}
    assert scopes == {
        (scope, null)
        for scope in ("study", "map2k4", "pdx_model")
        for null in ("bliss", "hsa", "response_additivity")
    }
    assert all(row["exploratory"] for row in of_study() if row["scope"] != "study")


def test_strata_average_to_the_study():
    """Three PDX models a status: the study's excess is the plain mean of the strata's."""
    bliss = [row for row in of_study() if row["null"] == "bliss"]
    study = next(row for row in bliss if row["scope"] == "study")
    strata = {row["map2k4_status"]: row for row in bliss if row["scope"] == "map2k4"}
    assert study["estimate"] == pytest.approx(np.mean([row["estimate"] for row in strata.values()]))
    assert {status: row["n_models"] for status, row in strata.items()} == {
        "loss_of_function": 3,
        "wild_type": 3,
    }


def test_additivity_of_a_stratum_rests_on_its_own_slopes():
    """Its sign is that of its own excess; the slopes of the whole study would give both strata one number."""
    rows = {row["map2k4_status"]: row for row in of_study()
            if (row["scope"], row["null"]) == ("map2k4", "response_additivity")}  # fmt: skip
    wild, loss = rows["wild_type"], rows["loss_of_function"]
    assert abs(wild["estimate"] - loss["estimate"]) > 0.01
    assert wild["combination_index"] != pytest.approx(loss["combination_index"], rel=1e-3)


@cache
def fitted(**primary: str):
    """The fit alone, without the rest of the study's analysis."""
    table = normalize_table(combination(0.05))
    plan = resolve_plan(
        table, {"control": "vehicle", "primary": primary} if primary else {"control": "vehicle"}
    )
    return fit_primary(growth_data(table.frame, plan), plan), plan


def test_an_area_of_curves_says_nothing_of_the_volumes_of_one_day():
    kinds = {}
    for estimand in ("slope", "egait", "day_difference"):
        fit, plan = fitted(estimand=estimand)
        kinds[estimand] = [row["null"] for row in synergy_rows(fit, plan, [], [])]
    assert kinds["egait"] == ["bliss", "hsa"]
    assert kinds["slope"] == kinds["day_difference"] == ["bliss", "hsa", "response_additivity"]


@pytest.mark.parametrize(
    ("p", "estimate", "conclusion"),
    [
        (None, -1.0, "not estimable"), (0.05, -1.0, "additive not excluded"), (0.0499, -1.0, "supra-additive"),
        (0.0499, 1.0, "antagonistic"), (0.0499, 0.0, "antagonistic"),
    ],
)  # fmt: skip
def test_the_conclusion_takes_a_p_below_alpha_and_a_direction(p, estimate, conclusion):
    assert _conclusion({"p_value": p, "estimate": estimate}, 0.05) == conclusion


# Exactly at a limit


def question() -> _Question:
    return _Question("A+B", ["A", "B"])


@pytest.mark.parametrize(("p", "is_open"), [(0.05, False), (0.0499, True), (0.0, True), (None, False)])
def test_the_first_gate_opens_below_alpha_however_small_the_p(p, is_open):
    fit, plan = fitted(estimand="slope")
    contrast = {"arm": "A+B", "family": "F1", "p_adjusted": p}
    other = {"arm": "A+B", "family": "F2", "p_adjusted": 1.0}
    hsa = next(row for row in synergy_rows(fit, plan, [contrast, other], []) if row["null"] == "hsa")
    assert hsa["exploratory"] == (not is_open)


def test_better_than_each_part_takes_a_p_below_half_of_alpha():
    fit, plan = fitted(estimand="slope")
    p = _hsa(fit, plan, question(), True)["p_value"]
    assert 0 < p < 0.025
    at = with_values(plan, alpha=2 * p)
    assert _hsa(fit, at, question(), True)["conclusion"] == "not shown to be better than each part"
    above = with_values(plan, alpha=2 * np.nextafter(p, 1))
    assert _hsa(fit, above, question(), True)["conclusion"] == "better than each part"


@pytest.mark.parametrize(
    ("p", "explored", "is_exploratory"),
    [(0.025, False, True), (0.0249, False, False), (0.0249, True, True), (None, False, True)],
)
def test_bliss_confirms_behind_an_hsa_that_was_shown(p, explored, is_exploratory):
    fit, plan = fitted(estimand="slope")
    row = _bliss(fit, plan, question(), {"p_value": p, "exploratory": explored})
    assert row["exploratory"] == is_exploratory


def test_the_curve_begins_after_day_0_and_ends_with_the_window():
    row = {"arm": "A+B", "control": "vehicle", "null": "bliss", "scope": "study", "estimate": -0.1,
           "ci_low": -0.2, "ci_high": 0.0}  # fmt: skip
    curve_ = synergy_curve([row, {**row, "scope": "map2k4"}, {**row, "null": "hsa"}], (0.0, 2.5))
    assert [point["day"] for point in curve_] == [1.0, 2.0, 2.5]
    assert [point["combination_index"] for point in curve_] == pytest.approx(
        [exp(-0.1), exp(-0.2), exp(-0.25)]
    )
    assert synergy_curve([row], (-3.0, 1.0))[0]["day"] == 1.0
    assert synergy_curve([row], None) == []


def test_a_pdx_model_that_holds_exactly_the_arms_asked_about_has_rows_of_its_own():
    fit, plan = fitted(estimand="slope")
    assert set(fit.data.arms) == {"vehicle", "A", "B", "A+B"}
    rows = synergy_of_model(fit, plan, "P1", "wild_type")
    assert [(row["null"], row["scope"], row["pdx_model"], row["map2k4_status"]) for row in rows] == [
        (null, "pdx_model", "P1", "wild_type") for null in ("bliss", "hsa", "response_additivity")
    ]
    three = with_values(plan, combinations=[{"arm": "A+B", "parts": ["A", "C"]}])
    assert synergy_of_model(fit, three, "P1", "wild_type") == []
