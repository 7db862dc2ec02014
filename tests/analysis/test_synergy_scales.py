"""Synergy by other nulls and scales, three drugs, and the order of tests: by hand, against peers, by law, by
refusal."""

import json
from functools import cache
from math import exp, log

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from studies.analysis import analyze_study, growth
from studies.analysis.curves import curves_of
from studies.analysis.intervals import Sample
from studies.analysis.multiplicity import false_discovery_rates, family_rows
from studies.analysis.plan import resolve_plan
from studies.analysis.synergy_scales import (
    AREA,
    INHIBITION,
    RELATIVE,
    area_nulls,
    inhibition_nulls,
    relative_volume_nulls,
    relative_volumes,
    synergy_scale_rows,
)
from studies.analysis.tables import normalize_table
from tests.analysis.builders import curve, together
from tests.analysis.test_synergy import combination


def nulls(rows: list[dict]) -> dict[str, dict]:
    return {row["null"]: row for row in rows}


def exact(*means: float) -> list[Sample]:
    """Combination, parts and vehicle whose means are known without error."""
    return [Sample(mean, 0.0, 5) for mean in means]


@cache
def two_drugs() -> dict:
    return analyze_study(combination(0.05), {"control": "vehicle"}).to_dict()


@cache
def three_drugs() -> dict:
    random = np.random.default_rng(3)
    rates = {"vehicle": 0.09, "A": 0.07, "B": 0.07, "C": 0.07, "A+B+C": 0.03}
    table = together(*(
        curve(f"{arm}{i}", arm, {
            day: float(np.exp(log(150) + slope * day + random.normal(0, 0.02))) for day in (0, 4, 7, 11, 14)
        })
        for arm, rate in rates.items() for i in range(4) for slope in [rate + random.normal(0, 0.002)]
    ))  # fmt: skip
    return analyze_study(table, {"control": "vehicle"}).to_dict()


# By hand


def test_nulls_of_relative_volumes_on_paper():
    rows = nulls(relative_volume_nulls(exact(2, 4, 5, 8)))
    assert rows["bliss"]["estimate"] == pytest.approx(log(4 * 5 / 8 / 2))
    assert rows["hsa"]["estimate"] == pytest.approx(log(4 / 2))
    assert rows["response_additivity"]["estimate"] == pytest.approx(log((4 + 5) / (8 + 2)))


def test_three_drugs_take_the_vehicle_off_twice():
    rows = nulls(relative_volume_nulls(exact(1, 4, 4, 4, 8)))
    assert rows["bliss"]["estimate"] == pytest.approx(log(4 * 4 * 4 / 8**2))
    assert rows["response_additivity"]["estimate"] == pytest.approx(log(12 / (2 * 8 + 1)))
    assert nulls(area_nulls(exact(0.01, 0.05, 0.05, 0.05, 0.08)))["bliss"]["estimate"] == pytest.approx(0.02)


def test_inhibition_beyond_the_fractional_has_no_bliss():
    rows = nulls(inhibition_nulls(exact(2, 4, 5, 10)))
    # parts inhibit by 60 and 50 %: Bliss expects 80, HSA 60, a sum 110; observed 80
    assert [rows[null]["estimate"] for null in ("bliss", "hsa", "response_additivity")] == pytest.approx(
        [0, 20, -30]
    )
    faster = nulls(inhibition_nulls(exact(2, 11, 5, 10)))["bliss"]
    assert faster["estimate"] is None
    assert "outside" in faster["note"]


def test_three_drugs_in_the_mixed_model():
    slope = {row["arm"]: row["growth_rate_per_day"] for row in three_drugs()["mixed_model"]["slopes"]}
    assert {row["scope"] for row in three_drugs()["synergy"]} == {"study"}, "its one PDX model is the study"
    rows = nulls(three_drugs()["synergy"])
    parts = [slope[name] for name in "ABC"]
    assert rows["bliss"]["estimate"] == pytest.approx(slope["A+B+C"] - sum(parts) + 2 * slope["vehicle"])
    day = rows["response_additivity"]["day"]
    by_hand = exp(slope["A+B+C"] * day) - sum(exp(k * day) for k in parts) + 2 * exp(slope["vehicle"] * day)
    assert rows["response_additivity"]["estimate"] == pytest.approx(by_hand)
    assert rows["hsa"]["p_value"] >= max(
        row["p_value"] / 2 for row in three_drugs()["mixed_model"]["contrasts"] if row["family"] == "F2"
    ) * (1 - 1e-9)


def test_response_additivity_is_drawn_about_its_estimate():
    row = nulls(two_drugs()["synergy"])["response_additivity"]
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    slope = {arm["arm"]: arm["growth_rate_per_day"] for arm in two_drugs()["mixed_model"]["slopes"]}
    expected = exp(slope["A"] * 21) + exp(slope["B"] * 21) - exp(slope["vehicle"] * 21)
    assert row["combination_index"] == pytest.approx(exp(slope["A+B"] * 21) / expected)


def test_draws_on_the_far_side_of_additivity_count_for_both_directions():
    """p is twice the smaller tail: small for a combination plainly better than its parts' sum, and for one as plainly
    worse."""
    worse = nulls(analyze_study(combination(0.0), {"control": "vehicle"}).to_dict()["synergy"])
    better = nulls(analyze_study(combination(0.08), {"control": "vehicle"}).to_dict()["synergy"])
    for row in (worse["response_additivity"], better["response_additivity"]):
        assert row["p_value"] < 0.05 and (row["ci_low"] > 0 or row["ci_high"] < 0)
    assert worse["response_additivity"]["estimate"] > 0 > better["response_additivity"]["estimate"]


def test_a_mouse_whose_tumor_was_0_at_first_has_no_relative_volume():
    curves = curves_of(normalize_table(together(
        curve("1", "T", {0: 100, 7: 150}), curve("2", "T", {0: 100, 7: 250}), curve("3", "T", {0: 0, 7: 150}),
    )).frame)  # fmt: skip
    [sample] = relative_volumes(curves, [np.arange(3)], 7)
    assert (sample.n, sample.mean) == (2, pytest.approx(2.0))


def test_the_curve_displays_one_test():
    curve_rows = two_drugs()["synergy_curve"]
    bliss = nulls(two_drugs()["synergy"])["bliss"]
    assert [row["day"] for row in curve_rows] == list(range(1, 22))
    assert curve_rows[-1]["combination_index"] == pytest.approx(bliss["combination_index"])
    assert curve_rows[6]["combination_index_ci_low"] < curve_rows[6]["combination_index_ci_high"]
    assert curve_rows[6]["combination_index"] == pytest.approx(exp(7 * bliss["estimate"]))


def test_false_discovery_rates_on_paper():
    assert false_discovery_rates([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert false_discovery_rates([]) == []


# Against peers


@pytest.mark.parametrize("name", ["ls1034", "sw837"])
def test_agrees_with_combpdx_and_invivosyn(real_data, name):
    told = json.loads((real_data / "reference" / f"invivosyn_{name}.json").read_text())
    frame = pd.read_csv(
        real_data / "studies" / f"invivosyn_{name}.csv", keep_default_na=False, na_values=[""]
    )
    both = next(row["Treatment"] for row in told["groups"] if "+" in row["Treatment"])
    parts = [row["Treatment"] for row in told["groups"] if row["Group"] in ("Group 2", "Group 3")]
    normal = normalize_table(frame)
    plan = resolve_plan(normal, {"combinations": [{"arm": both, "parts": parts}]})
    rows = synergy_scale_rows(curves_of(normal), plan)
    first, checked = normal.frame["day"].min(), 0
    for peer, null in (("Bliss", "bliss"), ("HSA", "hsa"), ("RA", "response_additivity")):
        for day in told[f"CombPDX_CI_byday_{peer}"]:
            mine = [row for row in rows if row["null"] == null and row["day"] == day["day"] + first]
            mine = [row for row in mine if row["scale"].startswith("relative")]
            if not mine:
                continue
            assert mine[0]["estimate"] == pytest.approx(day["CI"], rel=1e-9)
            assert mine[0]["se"] == pytest.approx(day["std.err"], rel=1e-9)
            checked += 1
    assert checked > 5
    areas = growth(frame.assign(volume_mm3=frame["volume_mm3"] + 1))
    samples = [
        Sample.of(areas.loc[areas["arm"] == arm, "egait_per_day"].to_numpy())
        for arm in (both, *parts, plan["control"])
    ]
    mine = nulls(area_nulls(samples))["bliss"]["estimate"]
    assert exp(mine * 21) == pytest.approx(told["AUC_synergy_t21_Bliss"]["CI"], rel=1e-9)


def test_false_discovery_rates_agree_with_statsmodels():
    p = list(np.random.default_rng(1).uniform(size=20) ** 2)
    assert false_discovery_rates(p) == pytest.approx(list(multipletests(p, method="fdr_bh")[1]))


# By law


def test_renaming_parts_changes_nothing():
    one, other = relative_volume_nulls(exact(2, 4, 5, 8)), relative_volume_nulls(exact(2, 5, 4, 8))
    assert [row["estimate"] for row in one] == pytest.approx([row["estimate"] for row in other])


def test_draws_hang_on_the_seed_alone():
    again = analyze_study(combination(0.05), {"control": "vehicle"}).to_dict()
    assert (
        nulls(again["synergy"])["response_additivity"] == nulls(two_drugs()["synergy"])["response_additivity"]
    )


def gates(
    f1: float,
    hsa: float,
    bliss: float | None,
    estimate: float | None = -0.1,
    n_models: int = 3,
    claim: bool = True,
) -> dict[str, dict]:
    table = normalize_table(combination(0.05))
    plan = resolve_plan(table, {"control": "vehicle"})
    contrast = {"arm": "A+B", "control": "vehicle", "family": "F1", "p_adjusted": f1}
    rows = [
        {
            "arm": "A+B",
            "control": "vehicle",
            "scope": "study",
            "null": null,
            "p_value": p,
            "estimate": estimate,
        }
        for null, p in (("hsa", hsa), ("bliss", bliss))
    ]
    models = {"loss_of_function": n_models, "wild_type": 3}
    f4 = {
        "arm": "A+B",
        "control": "vehicle",
        "p_value": 0.001,
        "p_adjusted": 0.001,
        "n_models": models,
        "claim": claim,
    }
    return {row["family"]: row for row in family_rows([contrast], rows, [f4], plan)}


def test_a_gate_opens_on_the_arm_s_own_p():
    rows = gates(0.01, 0.01, 0.01)
    assert [row["shown"] for row in rows.values()] == [True] * 4
    assert not any(row["exploratory"] for row in rows.values())


def test_behind_a_closed_gate_tests_explore_with_q():
    rows = gates(0.01, 0.03, 0.01)  # F2 is one-sided: 0.03 does not pass 0.025
    assert (rows["F2"]["shown"], rows["F2"]["exploratory"]) == (False, False)
    assert rows["F3"]["gate"] == rows["F4"]["gate"] == "closed by F2"
    assert (rows["F3"]["shown"], rows["F4"]["shown"]) == (False, False)
    assert (rows["F3"]["q_value"], rows["F4"]["q_value"]) == pytest.approx((0.01, 0.002))


# By refusal


def test_a_vanished_arm_has_no_relative_null():
    mice = [curve(f"{arm}{i}", arm, {0: 100, 7: v}) for arm, v in (("V", 300), ("A", 200), ("B", 200), ("A+B", 0))
            for i in range(2)]  # fmt: skip
    normal = normalize_table(together(*mice))
    rows = synergy_scale_rows(curves_of(normal), resolve_plan(normal, {"control": "V", "day": 7}))
    assert rows == []


def test_without_a_combination_there_is_nothing_to_say():
    result = analyze_study(combination(0.05).query("arm != 'A+B'"), {"control": "vehicle"}).to_dict()
    assert (result["synergy_scales"], result["synergy_curve"]) == ([], [])
    assert {row["family"] for row in result["families"]} == {"F1"}


# Exactly at a gate


def shown(**p: float | None) -> list[bool]:
    return [row["shown"] for row in gates(**({"f1": 0.01, "hsa": 0.01, "bliss": 0.01} | p)).values()]


def test_a_gate_takes_a_p_below_its_level_and_not_at_it():
    assert shown(f1=0.05) == [False] * 4
    assert shown(f1=0.0499) == [True] * 4
    assert shown(hsa=0.025) == [True, False, False, False]
    assert shown(hsa=0.0249) == [True] * 4
    assert shown(bliss=0.05) == [True, True, False, False]
    assert shown(bliss=None) == [True, True, False, False]
    assert gates(0.01, 0.01, 0.05)["F4"]["gate"] == "closed by F3"
    assert gates(0.05, 0.05, 0.05)["F4"]["gate"] == "closed by F1", "the first that closed it is named"


@pytest.mark.parametrize(
    ("estimate", "is_shown"), [(-0.001, True), (0.0, False), (0.001, False), (None, False)]
)
def test_a_combination_worse_than_its_null_opens_no_gate(estimate, is_shown):
    rows = gates(0.01, 0.01, 0.01, estimate=estimate)
    assert rows["F2"]["shown"] == is_shown
    assert rows["F4"]["exploratory"] == (not is_shown)


def test_a_gate_hears_of_the_study_and_of_its_own_arm_alone():
    plan = resolve_plan(normalize_table(combination(0.05)), {"control": "vehicle"})
    contrasts = [
        {"arm": "A+B", "control": "vehicle", "family": "F1", "p_adjusted": 0.01},
        {"arm": "A+B", "control": "A", "family": "F2", "p_adjusted": 0.9},
        {"arm": "A", "control": "vehicle", "family": "F1", "p_adjusted": 0.9},
    ]
    rows = [
        {
            "arm": arm,
            "control": "vehicle",
            "scope": scope,
            "null": null,
            "p_value": p,
            "estimate": -0.1,
            "against": "B",
        }
        for arm, scope, p in (("A+B", "study", 0.01), ("A+B", "map2k4", 0.9), ("C", "study", 0.9))
        for null in ("hsa", "bliss")
    ]
    models = {"loss_of_function": 3, "wild_type": 3}
    f4 = {
        "arm": "A",
        "control": "vehicle",
        "p_value": 0.02,
        "p_adjusted": None,
        "n_models": models,
        "claim": True,
    }
    found = family_rows(contrasts, rows, [f4], plan)
    told = [(row["arm"], row["family"], row["control"], row["p_value"], row["gate"]) for row in found]
    assert told == [
        ("A", "F1", "vehicle", 0.9, "open"), ("A", "F4", "vehicle", 0.02, "closed by F1"),
        ("A+B", "F1", "vehicle", 0.01, "open"), ("A+B", "F2", "B", 0.01, "open"), ("A+B", "F3", "B", 0.01, "open"),
    ]  # fmt: skip
    assert [row["q_value"] for row in found] == [None, 0.02, None, None, None]


def test_an_interaction_of_too_few_models_or_without_its_own_claim_is_not_shown():
    few = gates(0.01, 0.01, 0.01, n_models=2, claim=False)["F4"]
    assert (few["shown"], few["gate"], few["exploratory"], few["q_value"]) == (
        False,
        "too few PDX models",
        True,
        0.001,
    )
    against = gates(0.01, 0.01, 0.01, claim=False)["F4"]
    assert (against["shown"], against["gate"], against["exploratory"]) == (False, "open", False)
    assert gates(0.05, 0.01, 0.01, n_models=2)["F4"]["gate"] == "closed by F1"


def scale_rows(mice: int, day: float = 7, **last: float) -> list[dict]:
    volumes = {"V": 300.0, "A": 200.0, "B": 200.0, "A+B": 120.0} | last
    table = together(*(
        curve(f"{arm}{i}", arm, {0: 100, 7: v + i}) for arm, v in volumes.items()
        for i in range(mice if arm == "A+B" else 2)
    ))  # fmt: skip
    normal = normalize_table(table)
    return synergy_scale_rows(curves_of(normal), resolve_plan(normal, {"control": "V", "day": day}))


def test_two_mice_an_arm_are_enough_and_the_first_day_has_nothing_to_say():
    rows = scale_rows(2)
    assert {(row["scale"], row["day"]) for row in rows} == {(RELATIVE, 7.0), (INHIBITION, 7.0), (AREA, None)}
    assert scale_rows(1) == []
    assert {row["scale"] for row in scale_rows(2, day=6)} == {RELATIVE, AREA}, (
        "TGI stands on the plan's day alone"
    )


@pytest.mark.parametrize(
    ("part", "is_fractional"), [(0.0, True), (100.0, True), (-0.1, False), (100.1, False)]
)
def test_bliss_of_inhibition_takes_effects_from_none_to_all(part, is_fractional):
    vehicle = Sample(1000.0, 1.0, 3)
    samples = [Sample(200.0, 1.0, 3), Sample(10 * (100 - part), 1.0, 3), Sample(500.0, 1.0, 3), vehicle]
    bliss = nulls(inhibition_nulls(samples))["bliss"]
    assert (bliss["estimate"] is not None) == is_fractional
    assert (bliss["note"] is None) == is_fractional


def test_areas_without_spread_have_no_degrees_of_freedom():
    rows = nulls(area_nulls([Sample(value, 0.0, 3) for value in (0.02, 0.04, 0.05, 0.1)]))
    assert rows["bliss"]["estimate"] == pytest.approx(0.02 - 0.04 - 0.05 + 0.1)
    assert rows["hsa"]["estimate"] == pytest.approx(0.02 - 0.04)
    assert rows["bliss"]["df"] is rows["bliss"]["ci_low"] is rows["bliss"]["ci_high"] is None
