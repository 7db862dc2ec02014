"""Growth of arms compared: by hand, against R and invivoSyn, by law, by refusal."""

import json
import shutil
import subprocess
from math import exp, log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from studies.analysis import AnalysisError, analyze_study, growth, intervals
from studies.analysis.growth_arms import auc_ratio, log10_cell_kill, rate_based_tc, welch
from studies.analysis.intervals import Sample, fieller, ratio_by_bootstrap
from tests.analysis.builders import curve, exponential, together, two_arms

REFERENCE = Path(__file__).parent.parent / "reference" / "growth_arms"
DAYS = [0, 4, 8, 12, 16, 20]


def arms(vehicle: float = 0.09, drug: float = 0.03, spread: float = 0.004) -> pd.DataFrame:
    return together(*(
        curve(f"{arm}{i}", arm, exponential(rate + spread * (i - 1), DAYS))
        for arm, rate in (("V", vehicle), ("T", drug)) for i in range(3)
    ))  # fmt: skip


def compared(table: pd.DataFrame, **plan: object) -> dict:
    [row] = analyze_study(table, {"control": "V", **plan}).to_dict()["growth_comparison"]
    return row


# By hand


def test_straight_curves_give_their_rates_by_every_measure():
    row = compared(arms())
    for name in ("growth_rate", "egait", "edot"):
        assert row[name]["estimate"] == pytest.approx(-0.06)
    assert row["doubling_time_days"] == pytest.approx(log(2) / 0.03)
    assert row["rate_tc_percent"] == pytest.approx(100 * exp(-21 * 0.06))
    assert row["rate_tc_ci_low"] < row["rate_tc_percent"] < row["rate_tc_ci_high"]
    assert row["auc_ratio"] == pytest.approx(0.03 / 0.09)


def test_t_over_c_and_the_day_it_was_least():
    row = compared(two_arms())
    assert row["tc_percent"] == pytest.approx(28.4750958)
    dip = together(
        *(curve(f"V{i}", "V", {0: 100, 7: 200, 14: 400}) for i in range(2)),
        *(curve(f"T{i}", "T", {0: 100, 7: 50, 14: 300}) for i in range(2)),
    )
    row = compared(dip)
    assert (row["tc_percent"], row["optimal_tc_percent"], row["optimal_tc_day"]) == pytest.approx((75, 25, 7))


def test_growth_delay_in_days_and_percent():
    mice = [
        curve(f"{arm}{i}", arm, {0: 100, day: 400}) for arm, days in (("V", (9, 10, 11)), ("T", (24, 25, 40)))
        for i, day in enumerate(days)
    ]  # fmt: skip
    survival = analyze_study(together(*mice), {"control": "V", "day": 9}).to_dict()["survival"][0]
    [row] = survival["efs_ratios"]
    assert (row["ratio"], row["delay_days"], row["delay_percent"]) == pytest.approx((2.5, 15, 150))


def test_cell_kill_on_paper():
    assert log10_cell_kill(20, 4, dosing_days=5) == pytest.approx(15 / (3.321928 * 4), rel=1e-6)


# Against R and invivoSyn


def test_agrees_with_r():
    told = json.loads((REFERENCE / "arms.json").read_text())
    one, other = (Sample.of(np.array(told[name])) for name in ("treated", "control"))
    mine = welch(one, other)
    assert [mine[name] for name in ("estimate", "se", "df", "p_value", "ci_low", "ci_high")] == pytest.approx(
        [told["estimate"], told["se"], told["df"], told["p"], *told["interval"]], rel=1e-10
    )
    assert fieller(one, other) == pytest.approx(told["ratio"], rel=1e-8)


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path):
    shutil.copy(REFERENCE / "arms.R", tmp_path)
    subprocess.run([rscript, "arms.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh, stored = (json.loads((folder / "arms.json").read_text()) for folder in (tmp_path, REFERENCE))
    assert fresh["interval"] == pytest.approx(stored["interval"])


@pytest.mark.parametrize("name", ["ls1034", "sw837"])
def test_ratio_of_areas_agrees_with_invivosyn(real_data, name):
    told = json.loads((real_data / "reference" / f"invivosyn_{name}.json").read_text())
    frame = pd.read_csv(
        real_data / "studies" / f"invivosyn_{name}.csv", keep_default_na=False, na_values=[""]
    )
    table = growth(frame.assign(volume_mm3=frame["volume_mm3"] + 1)).groupby("arm")["egait_per_day"]
    of = {arm: values.to_numpy() for arm, values in table}
    treatment = {row["Group"]: row["Treatment"] for row in told["groups"]}
    for group, value in told["mAUCr"].items():
        assert auc_ratio(of[treatment[group]], of[treatment["Group 1"]]) == pytest.approx(value, rel=1e-9)


def test_the_bootstrap_t_interval_is_fiellers_where_means_are_near_normal():
    random = np.random.default_rng(2)
    one, other = random.normal(100, 20, 200), random.normal(250, 30, 200)
    drawn = ratio_by_bootstrap(one, other, 0.95, 1)
    assert drawn == pytest.approx(fieller(Sample.of(one), Sample.of(other)), abs=1.5e-3)
    assert drawn == ratio_by_bootstrap(one, other, 0.95, 1)
    assert ratio_by_bootstrap(7 * one, 7 * other, 0.95, 1) == pytest.approx(drawn)
    assert ratio_by_bootstrap(one[:3], other, 0.95, 1) is None
    assert ratio_by_bootstrap(one, -other, 0.95, 1) is None


# By law


def test_the_unit_of_volume_cancels():
    one, other = compared(arms()), compared(arms().assign(volume_mm3=lambda rows: rows["volume_mm3"] * 3))
    for name in ("rate_tc_percent", "aauc_ratio", "auc_ratio", "tc_percent"):
        assert one[name] == pytest.approx(other[name])


def test_swapping_arms_turns_the_difference():
    one = compared(arms())
    [other] = analyze_study(arms(), {"control": "T"}).to_dict()["growth_comparison"]
    assert one["growth_rate"]["estimate"] == pytest.approx(-other["growth_rate"]["estimate"])
    assert one["rate_tc_percent"] * other["rate_tc_percent"] == pytest.approx(100 * 100)


# By refusal


def test_what_is_not_defined_is_refused_or_missing():
    with pytest.raises(AnalysisError, match="does not grow"):
        log10_cell_kill(20, 0)
    with pytest.raises(AnalysisError, match="horizon"):
        rate_based_tc(-0.06, 0)
    assert welch(Sample.of(np.array([1.0])), Sample.of(np.array([2.0, 3.0])))["se"] is None
    assert welch(Sample.of(np.array([])), Sample.of(np.array([2.0])))["estimate"] is None
    assert auc_ratio(np.array([1.0]), np.array([0.0])) is None


def test_zeros_leave_rates_of_logs_missing():
    table = together(*(curve(f"{arm}{i}", arm, {0: 100, 7: 0, 14: 0}) for arm in "VT" for i in range(2)))
    row = compared(table, day=14)
    assert row["egait"]["estimate"] is None
    assert row["rate_tc_percent"] is None


def test_a_horizon_of_no_days_is_refused():
    for days in (0, -1):
        with pytest.raises(AnalysisError, match=f"a horizon of {days} days is not above 0"):
            rate_based_tc(-0.05, days)
    assert rate_based_tc(-0.05, 20) == pytest.approx(100 * np.exp(-1))


def test_means_without_spread_differ_without_a_test():
    row = welch(Sample(3.0, 0.0, 4), Sample(1.0, 0.0, 4))
    assert (row["estimate"], row["se"], row["p_value"]) == (2.0, None, None)
    assert welch(Sample(3.0, float("nan"), 1), Sample(1.0, 0.5, 4))["se"] is None


# By loops over single draws


def test_the_bootstrap_leaves_out_draws_without_a_ratio_or_without_spread():
    """A draw of four zeros over four alike has no spread; one of a mean of 0 below has no ratio."""
    one, other = np.array([0.0, 0, 0, 1, 2]), np.array([-1.0, 1, 1, 2])
    assert ratio_by_bootstrap(one, other, 0.9, 3) == pytest.approx(bootstrapped(one, other, 0.9, 3))
    assert ratio_by_bootstrap(one, np.ones(4), 0.9, 3) == pytest.approx(bootstrapped(one, np.ones(4), 0.9, 3))


def bootstrapped(one: np.ndarray, other: np.ndarray, level: float, seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    drawn = [values[random.integers(0, len(values), (1999, len(values)))] for values in (one, other)]
    ratio, se = ratio_and_se(one, other)
    distances = []
    for a, b in zip(*drawn, strict=True):
        if b.mean() > 0 and (a.std() > 0 or (a.mean() and b.std() > 0)):
            r, s = ratio_and_se(a, b)
            distances.append((r - ratio) / s)
    low, high = np.quantile(distances, [(1 - level) / 2, (1 + level) / 2])
    return [ratio - high * se, ratio - low * se]


def ratio_and_se(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    ratio = one.mean() / other.mean()
    variance = one.var(ddof=1) / len(one) + ratio**2 * other.var(ddof=1) / len(other)
    return ratio, variance**0.5 / abs(other.mean())


def test_where_most_draws_have_no_ratio_the_bootstrap_bounds_nothing():
    """Of four zeros and a one, four draws in ten are alike; of these divisors a third have a mean below 0."""
    mostly_zero, skewed = np.array([0.0, 0, 0, 1]), np.array([-1.0, -1, -1, 3.1])
    assert ratio_by_bootstrap(mostly_zero, np.array([1.0, 2, 3, 4]), 0.9, 3) is not None
    assert ratio_by_bootstrap(mostly_zero, skewed, 0.9, 3) is None
    assert ratio_by_bootstrap(np.ones(4), np.ones(4), 0.9, 3) is None, "no spread at all"


def test_welch_s_difference_of_values_is_scipy_s():
    one, other = np.array([1.0, 2, 4, 8, 9]), np.array([3.0, 3.5, 4])
    expected = stats.ttest_ind(one, other, equal_var=False)
    bounds = expected.confidence_interval(0.9)
    found = intervals.welch(one, other, 0.9)
    assert (found["p_value"], found["df"]) == pytest.approx((expected.pvalue, expected.df))
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((bounds.low, bounds.high))
    assert found["se"] == pytest.approx(found["estimate"] / expected.statistic)
    alike = np.array([2.0, 2, 2])
    assert intervals.welch(alike, other, 0.9)["se"] == pytest.approx((0.25 / 3) ** 0.5)
    assert intervals.welch(other, alike, 0.9)["se"] == pytest.approx((0.25 / 3) ** 0.5)
    assert intervals.welch(alike, alike) is None
    assert intervals.welch(one[:1], other) is None
