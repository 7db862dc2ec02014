"""Distances between curves: by hand, against Xeva, by law, by refusal; and the golden numbers of a published curve."""

import json

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, growth, normalize_table
from studies.analysis.curve_distance import _process, kulgap_divergence, slope_degrees, xeva_distance
from studies.analysis.curves import Curves, curves_of
from tests.analysis.builders import CURVE_X_DAYS, CURVE_X_VOLUMES, curve, exponential, together

DAYS = [0, 4, 8, 12, 16, 20]


def arm(rate: float, mice: int = 3, noise: float = 0.1) -> Curves:
    draw = np.random.default_rng(4)
    return curves_of(together(*(
        curve(str(i), "T", {day: v * float(np.exp(draw.normal(0, noise))) for day, v in exponential(rate,
        DAYS).items()})
        for i in range(mice)
    )))  # fmt: skip


# By hand


def test_golden_numbers_of_a_published_curve():
    assert slope_degrees(np.array(CURVE_X_DAYS), np.array(CURVE_X_VOLUMES)) == pytest.approx(
        84.06571, abs=5e-6
    )
    row = growth(curve("x", "V", dict(zip(CURVE_X_DAYS, CURVE_X_VOLUMES, strict=True)))).iloc[0]
    assert row["growth_rate_per_day"] == pytest.approx(0.0203484749, abs=5e-11)
    assert row["doubling_time_days"] == pytest.approx(34.0638393, abs=5e-8)
    assert row["edot_per_day"] == pytest.approx(0.0257620235, abs=5e-11)
    assert row["egait_per_day"] == pytest.approx(0.0290878788, abs=5e-11)
    assert row["auc_mm3_days"] == pytest.approx(14900.5)
    assert row["aauc_percent"] == pytest.approx(69.7482342, abs=5e-8)


def test_straight_curves_on_paper():
    one = curves_of(curve("1", "V", {0: 100, 10: 200}))
    other = curves_of(curve("2", "T", {0: 100, 10: 100, 20: 100}))
    found = xeva_distance(one, other)
    assert found["slope_control_degrees"] == pytest.approx(np.degrees(np.arctan(10)))
    assert (found["slope_degrees"], found["abc_mm3_days"]) == pytest.approx((0, 500))


def test_a_study_tells_that_they_are_no_tests():
    table = together(*(
        curve(f"{name}{i}", name, exponential(rate + 0.01 * i, DAYS)) for name, rate in (("V", 0.09), ("T", 0.02))
        for i in range(2)
    ))  # fmt: skip
    [row] = analyze_study(table, {"control": "V"}).to_dict()["curve_distances"]
    assert row["angle_degrees"] > 0
    assert row["kulgap"] > 0
    assert "not for inference" in row["use"]


# Against Xeva


def test_agrees_with_xeva_on_published_pairs(real_data):
    told = json.loads((real_data / "reference" / "xeva_brca_xeva.json").read_text())["batches"]
    frame = pd.read_csv(real_data / "studies" / "pdxe_brca_xeva.csv", keep_default_na=False, na_values=[""])
    pairs = pd.read_csv(real_data / "studies" / "pdxe_brca_xeva_batches.csv").set_index("batch")
    of = {mouse: rows[["day", "volume_mm3"]] for mouse, rows in frame.groupby("mouse")}
    checked = 0
    for row in told[::20]:
        if row["error"] or row["batch"] not in pairs.index:
            continue
        mice = pairs.loc[row["batch"], ["control", "treatment"]]
        control, treated = (curves_of(of[mouse].assign(mouse=mouse, arm="x")) for mouse in mice)
        mine = xeva_distance(control, treated)
        assert mine["angle_degrees"] == pytest.approx(row["angle_deg"], rel=1e-9)
        assert mine["abc_mm3_days"] == pytest.approx(row["abc"], rel=1e-9)
        checked += 1
    assert checked > 20


# By law


def test_swapping_arms_turns_the_angle_and_keeps_the_divergence():
    one, other = arm(0.08), arm(0.02)
    assert xeva_distance(one, other)["angle_degrees"] == pytest.approx(
        -xeva_distance(other, one)["angle_degrees"]
    )
    assert kulgap_divergence(one, other) == pytest.approx(kulgap_divergence(other, one))


def test_the_divergence_of_an_arm_from_itself_is_0_and_grows_with_the_gap():
    assert kulgap_divergence(arm(0.08), arm(0.08)) == pytest.approx(0, abs=1e-9)
    assert kulgap_divergence(arm(0.08), arm(0.0)) > kulgap_divergence(arm(0.08), arm(0.05)) > 0.1


def test_the_unit_of_volume_cancels_in_the_divergence():
    tenfold = [Curves(c.mice, c.starts, c.day, 10 * c.volume_mm3) for c in (arm(0.08), arm(0.02))]
    assert kulgap_divergence(*tenfold) == pytest.approx(kulgap_divergence(arm(0.08), arm(0.02)), rel=1e-3)


# By refusal


def test_too_short_or_empty_curves_are_refused():
    short = normalize_table(curve("1", "V", {0: 100, 7: 200}))
    with pytest.raises(AnalysisError, match="three days"):
        kulgap_divergence(curves_of(short), curves_of(short))
    with pytest.raises(AnalysisError, match="two days"):
        slope_degrees(np.array([3.0]), np.array([100.0]))
    zero = curves_of(curve("1", "V", {0: 0, 7: 200, 14: 300}))
    with pytest.raises(AnalysisError, match="volume of 0"):
        kulgap_divergence(zero, zero)


def test_arms_that_share_no_span_of_days_have_no_divergence():
    early = curves_of(curve("1", "V", {0: 100, 3: 120, 7: 150}))
    late = curves_of(curve("2", "T", {7: 100, 10: 120, 14: 150}))
    with pytest.raises(AnalysisError, match="the arms share no span of days"):
        kulgap_divergence(early, late)


def test_three_days_make_a_curve_and_two_do_not():
    control, treated = (
        curves_of(together(*(curve(f"{i}", "T", dict(zip(DAYS, values, strict=False))) for i in range(2))))
        for values in ([100, 140, 190], [100, 110, 118])
    )
    assert kulgap_divergence(control, treated) > 0
    short = curves_of(curve("1", "T", {0: 100, 4: 120}))
    with pytest.raises(AnalysisError, match="at least three days"):
        kulgap_divergence(control, short)


def test_the_last_day_both_arms_span_counts():
    one = curves_of(curve("1", "V", {0: 100, 10: 300}))
    other = curves_of(curve("2", "T", {0: 100, 10: 200}))
    found = xeva_distance(one, other)
    assert found["slope_degrees"] == pytest.approx(np.degrees(np.arctan(10)))
    assert found["abc_mm3_days"] == pytest.approx(2000 - 1500)


def test_half_a_day_makes_a_slope_and_one_day_alone_none():
    assert slope_degrees(np.array([0, 0.5]), np.array([100.0, 200])) == pytest.approx(
        np.degrees(np.arctan(200))
    )
    with pytest.raises(AnalysisError, match="a slope needs volumes of at least two days"):
        slope_degrees(np.array([7.0]), np.array([100.0]))


def test_far_from_any_reading_a_new_one_varies_as_process_and_noise_together():
    process = _process(arm(0.08))
    mean, variance = process.predict(np.array([1e4]))
    assert (mean[0], variance[0]) == pytest.approx((0, np.exp(process.theta[0]) + np.exp(process.theta[2])))
