"""Rules of response side by side, and responses compared: by hand, against R, by law, by refusal."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, responses
from studies.analysis.intervals import clopper_pearson, wilson
from studies.analysis.response_criteria import response_criteria, response_discordance
from studies.analysis.response_tests import (
    compare_responses,
    fisher_exact,
    model_rates,
    model_responses,
    trend_in_categories,
)
from tests.analysis.builders import curve, together

REFERENCE = Path(__file__).parent.parent / "reference" / "response"
SEVEN_WAYS = {0: 200, 4: 80, 7: 60, 11: 120, 14: 200, 18: 320, 21: 480}


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((REFERENCE / "rates.json").read_text())


def judged(readings: dict[float, float], day: float | None = None, **facts: str) -> pd.Series:
    last = max(readings) if day is None else day
    return response_criteria(curve("1", "T", readings, **facts), last, {}).iloc[0]


# By hand


def test_one_curve_is_stable_progressive_and_a_complete_response():
    row = judged(SEVEN_WAYS)
    assert (row["mrecist"], row["pdxnet"], row["pptc"], row["rc"]) == ("SD", "PD", "CR", "PD")
    assert row["pptc_rule"] == "standard"


def test_a_tumor_of_101_mm3_that_dips_to_99_is_no_complete_response():
    row = judged({0: 101, 7: 99, 14: 110})
    assert (row["pptc"], row["pptc_rule"]) == ("SD", "modified")
    assert judged({0: 101, 7: 13, 14: 110})["pptc"] == "CR"
    assert judged({0: 101, 7: 0, 14: 0})["pptc"] == "MCR"


@pytest.mark.parametrize(
    ("readings", "category", "score"),
    [
        ({0: 250, 7: 260, 14: 300}, "SD", 4),
        ({0: 250, 7: 260, 14: 313}, "PD", 0),
        ({0: 250, 7: 120, 14: 400}, "PR", 6),
        ({0: 250, 7: 90, 14: 400}, "CR", 8),
        ({0: 250, 7: 90, 14: 95}, "MCR", 10),
        ({0: 250, 7: 150, 14: 100}, "PR", 6),
    ],
)
def test_pediatric_criteria(readings, category, score):
    row = judged(readings)
    assert (row["pptc"], row["pptc_score"]) == (category, score)


def test_progression_is_split_by_the_delay_over_the_control_median():
    vehicle = [curve(f"v{i}", "V", {0: 250, day: 1000}) for i, day in enumerate((8, 10, 12))]
    slow, fast = curve("slow", "T", {0: 250, 16: 1000}), curve("fast", "T", {0: 250, 15: 1000})
    still = curve("still", "T", {0: 250, 40: 900})
    rows = response_criteria(together(*vehicle, slow, fast, still), 8, {"T": "V"}).set_index("mouse")["pptc"]
    # the control's median is 10 days: 16 is above one and a half times it, 15 is not
    assert (rows["slow"], rows["fast"], rows["still"]) == ("PD2", "PD1", "PD2")


@pytest.mark.parametrize(("last", "category"), [(65, "OR"), (66, "SD"), (135, "SD"), (136, "PD")])
def test_change_on_the_last_day(last, category):
    assert judged({0: 100, 14: 20, 21: last})["rc"] == category


def test_the_average_over_time_does_not_hang_on_the_schedule():
    sparse = judged({0: 100, 10: 50, 20: 50})
    dense = judged({0: 100, 10: 50, 12: 50, 14: 50, 16: 50, 18: 50, 20: 50})
    # -50 from day 10 on, a line down to it before: (-250 - 500) / 20
    assert sparse["best_time_weighted_average_percent"] == pytest.approx(-37.5)
    assert dense["best_time_weighted_average_percent"] == pytest.approx(-37.5)


def test_tumor_free_takes_two_visits_and_the_end_of_the_study():
    assert judged({0: 200, 7: 0, 14: 0})["tumor_free_survivor"]
    assert not judged({0: 200, 7: 50, 14: 0})["tumor_free_survivor"]
    assert not judged({0: 200, 7: 0, 14: 0}, exit_reason="body_weight")["tumor_free_survivor"]


def test_discordance_counts_pairs_of_categories():
    table = response_criteria(
        together(curve("1", "T", SEVEN_WAYS), curve("2", "T", {0: 200, 10: 600, 14: 900})), 14, {}
    )
    rows = {(row["first"], row["second"]): row for row in response_discordance(table)}
    pair = rows[("mrecist", "pptc")]
    assert (pair["n"], pair["n_agree"], pair["percent_discordant"]) == (2, 1, 50)
    assert {"first": "SD", "second": "CR", "n": 1} in pair["table"]


def test_a_model_is_called_by_the_medians_of_its_mice():
    curves = [{0: 200, 10: v, 14: v} for v in (8, 90, 700)]
    mice = responses(together(*(curve(str(i), "T", readings) for i, readings in enumerate(curves))))
    [call] = model_responses(mice).to_dict("records")
    assert call["median_best_response_percent"] == pytest.approx(-55)
    assert call["category"] == "PR"
    assert call["majority_category"] == "PD"
    assert model_rates(model_responses(mice))[0]["orr_percent"] == 100


def test_early_progression_counts_as_worst_in_a_model():
    early = [curve(str(i), "T", {0: 200, 7: 1600}, exit_reason="tumor_size") for i in range(2)]
    mice = responses(together(*early, curve("3", "T", {0: 200, 10: 5, 14: 5})))
    assert model_responses(mice).iloc[0]["category"] == "PD"


def test_every_mouse_and_arm_of_a_study_is_judged_and_compared():
    mice = [
        curve(f"{arm}{i}", arm, {0: 250, 10: v, 14: v})
        for arm, v in (("V", 900), ("T", 20))
        for i in range(4)
    ]
    result = analyze_study(together(*mice), {"control": "V"}).to_dict()
    assert {row["pptc"] for row in result["responses"] if row["arm"] == "T"} == {"MCR"}
    [test] = result["response_tests"]
    assert (test["orr_difference_percent"], test["orr_p_value"]) == (100, pytest.approx(2 / 70))
    rates = {row["arm"]: row for row in result["response_rates"]}
    assert rates["T"]["orr_exact_ci_low"] == pytest.approx(100 * 0.025 ** (1 / 4))


# Against R


def test_agrees_with_r(expected):
    for row in expected["exact"]:
        assert clopper_pearson(row["successes"], row["n"]) == pytest.approx(row["interval"], rel=1e-10)
        assert wilson(row["successes"], row["n"]) == pytest.approx(row["wilson"], rel=1e-10, abs=1e-10)
    for row in expected["fisher"]:
        a, b, c, d = row["counts"]
        assert fisher_exact(((a, b), (c, d))) == pytest.approx(row["p"], rel=1e-10)
    for row in expected["trend"]:
        mine = trend_in_categories(row["treated"], row["control"])
        assert mine == pytest.approx((row["chisq"], row["p"]), rel=1e-10)


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path, expected):
    shutil.copy(REFERENCE / "rates.R", tmp_path)
    subprocess.run([rscript, "rates.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh = json.loads((tmp_path / "rates.json").read_text())
    assert {name: fresh[name] for name in ("exact", "fisher", "trend")} == {
        name: expected[name] for name in ("exact", "fisher", "trend")
    }


# By law


def test_units_cancel_except_in_lines_of_volume():
    readings = {0: 300.0, 7: 140, 10: 150, 14: 500}
    one = judged(readings)
    other = judged({day: 2 * volume for day, volume in readings.items()})
    for rule in ("mrecist", "mrecist_time_weighted", "pdxnet", "rc"):
        assert one[rule] == other[rule]


def test_swapping_arms_keeps_p_and_turns_the_difference():
    mice = pd.DataFrame(
        {"arm": list("TTTTVVVV"), "category": ["CR", "PR", "SD", None, "PD", "PD", "SD", "PR"]}
    )
    one, other = compare_responses(mice, "T", "V"), compare_responses(mice, "V", "T")
    assert one["orr_difference_percent"] == -other["orr_difference_percent"] == 25
    for name in ("orr_p_value", "dcr_p_value", "trend_p_value"):
        assert one[name] == pytest.approx(other[name])


def test_a_rule_agrees_with_itself(real_data):
    frame = pd.read_csv(real_data / "studies" / "repdx_xeva.csv", keep_default_na=False, na_values=[""])
    table = response_criteria(frame[frame["study"] == frame["study"].iloc[0]], 21, {})
    same = response_discordance(table.assign(rc=table["mrecist"]))
    assert (
        next(row for row in same if (row["first"], row["second"]) == ("mrecist", "rc"))["percent_discordant"]
        == 0
    )


# By refusal


def test_a_baseline_below_the_limit_of_detection_has_no_category():
    row = judged({0: 10, 10: 300, 14: 400})
    assert [row[rule] for rule in ("mrecist", "pptc", "pdxnet", "rc")] == [None] * 4


def test_without_follow_up_there_is_no_category():
    row = judged({0: 200})
    assert [row[rule] for rule in ("mrecist", "pptc", "pdxnet", "rc")] == [None] * 4
    assert np.isnan(row["pptc_score"])


def test_an_arm_without_mice_and_negative_counts_are_refused():
    mice = pd.DataFrame({"arm": ["T"], "category": ["CR"]})
    with pytest.raises(AnalysisError, match='arm "V"'):
        compare_responses(mice, "T", "V")
    with pytest.raises(AnalysisError, match="negative"):
        fisher_exact(((1, -1), (0, 2)))


def test_no_trend_where_all_mice_share_a_category():
    assert trend_in_categories([0, 3, 0, 0], [0, 4, 0, 0]) is None
    assert clopper_pearson(0, 0) == (None, None)


# Exactly at a limit


@pytest.mark.parametrize(
    ("last", "pdxnet", "rc"),
    [
        (5, "CR", "OR"), (5.1, "PR", "OR"), (65, "PR", "OR"), (65.1, "PR", "SD"), (70, "PR", "SD"), (70.1, "SD", "SD"),
        (120, "SD", "SD"), (120.1, "PD", "SD"), (135, "PD", "SD"), (135.1, "PD", "PD"),
    ],
)  # fmt: skip
def test_limits_of_a_day_s_change_belong_to_the_better_category(last, pdxnet, rc):
    row = judged({0: 100, 14: last})
    assert (row["pdxnet"], row["rc"]) == (pdxnet, rc)


@pytest.mark.parametrize(
    ("readings", "category"),
    [
        ({0: 400, 7: 400, 14: 500}, "SD"), ({0: 400, 7: 400, 14: 500.1}, "PD"),
        ({0: 400, 7: 200, 14: 400}, "PR"), ({0: 400, 7: 200.1, 14: 400}, "SD"),
        ({0: 400, 7: 100, 14: 400}, "PR"), ({0: 400, 7: 99.9, 14: 400}, "CR"),
        ({0: 400, 7: 90, 14: 100}, "CR"), ({0: 400, 7: 90, 14: 99.9}, "MCR"),
        ({-4: 50, 0: 400, 14: 400}, "SD"), ({0: 200, 14: 99}, "MCR"), ({0: 199.9, 14: 99.9}, "PR"),
    ],
)  # fmt: skip
def test_limits_of_the_pediatric_criteria(readings, category):
    assert judged(readings)["pptc"] == category


def test_the_standard_rule_begins_at_200_mm3():
    assert [judged({0: v0, 14: v0})["pptc_rule"] for v0 in (200, 199.9)] == ["standard", "modified"]


def test_a_delay_of_exactly_one_and_a_half_is_early_progression():
    vehicle = [curve(f"v{i}", "V", {0: 250, 10: 1000}) for i in range(3)]
    on, above = curve("on", "T", {0: 250, 15: 1000}), curve("above", "T", {0: 250, 15.1: 1000})
    short = curve("short", "T", {0: 250, 12: 900})
    rows = response_criteria(together(*vehicle, on, above, short), 8, {"T": "V"}).set_index("mouse")["pptc"]
    assert (rows["on"], rows["above"]) == ("PD1", "PD2")
    assert rows["short"] == "PD", "not yet at four times V0, nor followed for long enough to be late"
    assert (rows["v0"], rows["v1"]) == ("PD1", "PD1")


def test_a_mouse_read_on_the_day_of_its_baseline_alone_has_no_change():
    row = judged({0: 300})
    assert (row["rc"], row["pdxnet"], row["pptc"], row["mrecist"]) == (None, None, None, None)
    assert np.isnan(row["pptc_score"])
    assert judged({0: 300, 7: 300}, day=0)["pdxnet"] is None


def test_a_baseline_of_exactly_the_limit_of_detection_is_judged():
    assert [judged({0: v0, 14: v0})["rc"] for v0 in (13.5, 13.4)] == ["SD", None]


def test_a_tumor_of_exactly_the_limit_of_detection_is_there():
    assert not judged({0: 200, 7: 13.5, 14: 0})["tumor_free_survivor"]
    assert not judged({0: 200, 7: 0, 14: 13.5})["tumor_free_survivor"]
    assert judged({0: 200, 7: 13.4, 14: 13.4})["tumor_free_survivor"]
    assert not judged({0: 5})["tumor_free_survivor"], "one visit is none twice"
    assert judged({0: 5, 7: 5})["tumor_free_survivor"]


def test_tumor_free_mice_stay_to_the_last_day_of_their_pdx_model():
    def survivors(last: float, reason: str = "") -> list[bool]:
        table = together(
            curve("1", "T", {0: 200, 7: 0, last: 0}, pdx_model="P1", exit_reason=reason),
            curve("2", "T", {0: 200, 21: 900}, pdx_model="P1"), curve("3", "T", {0: 200, 28: 900}, pdx_model="P2"),
        )  # fmt: skip
        return list(response_criteria(table, 21, {})["tumor_free_survivor"])

    assert survivors(21) == [True, False, False]
    assert survivors(20) == [False, False, False]
    assert survivors(20, "scheduled_end") == [True, False, False]
    assert survivors(21, "accident") == [False, False, False]


def test_the_average_over_time_counts_from_day_10_and_takes_two_readings():
    # lines down to -50 at day 10 and on: the mean over time there is -25
    assert judged({0: 100, 10: 50, 14: 50})["best_time_weighted_average_percent"] == pytest.approx(
        (-250 - 200) / 14
    )
    falling = judged({0: 100, 10: 20, 14: 300})
    assert falling["best_time_weighted_average_percent"] == pytest.approx(-40)
    assert np.isnan(judged({0: 100, 9: 50, 14: 50})["best_time_weighted_average_percent"])
    assert judged({0: 100, 9: 50, 14: 50})["mrecist_time_weighted"] is None
    before = judged({-4: 900, 0: 100, 10: 50, 20: 50})
    assert before["best_time_weighted_average_percent"] == pytest.approx(-37.5)


def test_a_mouse_culled_early_for_its_tumor_is_progressive_over_time_too():
    assert judged({0: 200, 7: 1600}, exit_reason="tumor_size")["mrecist_time_weighted"] == "PD"


def test_an_empty_group_has_no_trend():
    some, none = [1, 2, 0, 1], [0, 0, 0, 0]
    assert trend_in_categories(some, none) is trend_in_categories(none, some) is None
    assert trend_in_categories(none, none) is None


def test_the_trend_is_that_of_the_categories_from_worst_to_best():
    """1, 1, 2, 2 of 6 against 3, 2, 1, 0 of 6, scored 0 to 3: Cochran and Armitage on paper."""
    categories = {"T": ["PD", "SD", "PR", "PR", "CR", "CR", None], "V": ["PD"] * 3 + ["SD"] * 2 + ["PR"]}
    mice = pd.DataFrame([{"arm": arm, "category": one} for arm, found in categories.items() for one in found])
    row = compare_responses(mice, "T", "V")
    n, treated, score = np.array([4, 3, 3, 2]), np.array([1, 1, 2, 2]), np.arange(4)
    spread = (n * score**2).sum() - (n * score).sum() ** 2 / 12
    expected = (score * (treated - n / 2)).sum() ** 2 / (0.25 * spread)
    assert row["trend_chisq"] == pytest.approx(expected)
    assert (row["n"], row["n_control"]) == (7, 6)
    assert row["orr_difference_percent"] == pytest.approx(100 * (4 / 7 - 1 / 6))
    assert row["dcr_difference_percent"] == pytest.approx(100 * (5 / 7 - 3 / 6))


def test_rules_that_agree_on_most_mice_are_told_by_how_many_they_do():
    both, apart = {0: 200, 10: 600, 14: 900}, SEVEN_WAYS
    table = together(curve("1", "T", both), curve("2", "T", both), curve("3", "T", apart))
    rows = response_discordance(response_criteria(table, 14, {}))
    pair = next(row for row in rows if (row["first"], row["second"]) == ("mrecist", "pptc"))
    assert (pair["n"], pair["n_agree"], pair["percent_discordant"]) == (3, 2, pytest.approx(100 / 3))


def test_a_baseline_after_day_10_is_no_reading_of_its_own_average():
    row = judged({12: 100, 15: 50})
    assert row["mrecist_time_weighted"] is None
    assert np.isnan(row["best_time_weighted_average_percent"])
    assert judged({12: 100, 15: 50, 18: 50})["best_time_weighted_average_percent"] == pytest.approx(-225 / 6)
