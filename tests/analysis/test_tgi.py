"""TGI: by hand, against R, by law, by refusal."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from studies.analysis import AnalysisError, tgi
from studies.analysis.curves import baselines, curves_of, volumes_at
from studies.analysis.tgi import METHODS, NO_GROWTH, UNBOUNDED, mice_at_day
from tests.analysis.builders import curve, exponential, together, two_arms

REFERENCE = Path(__file__).parent.parent / "reference" / "growth"


def only(table: pd.DataFrame, control: str = "V", day: float = 21, **kwargs: object):
    [result] = tgi(table, control, day, **kwargs)
    return result


# By hand


def test_delta_with_fieller_interval():
    result = only(two_arms())
    assert result.percent == pytest.approx(82.9840142, abs=1e-7)
    assert (result.ci_low, result.ci_high) == pytest.approx((75.1001545, 89.9905401), abs=1e-7)
    assert (result.n, result.n_baseline, result.n_interpolated, result.note) == (6, 6, 0, None)


def test_ratio_and_relative_volume():
    assert only(two_arms(), method="ratio").percent == pytest.approx(71.5249042, abs=1e-7)
    assert only(two_arms(), method="rtv").percent == pytest.approx(100 - 27.9722871, abs=1e-7)


def test_model_based():
    result = only(two_arms(), method="model")
    assert (result.percent, result.ci_low, result.ci_high) == pytest.approx(
        (72.1961430, 63.3646326, 78.8986840), abs=1e-7
    )
    estimate, half = (
        np.log(1 - result.percent / 100),
        np.log((100 - result.ci_low) / (100 - result.ci_high)) / 2,
    )
    assert (estimate, half / stats.t.ppf(0.975, 9)) == pytest.approx((-1.2799954, 0.1219364), abs=6e-8)


def test_area_with_two_readings_is_the_same_as_delta():
    assert only(two_arms(), method="auc").percent == pytest.approx(only(two_arms()).percent)


def test_area_by_hand():
    table = together(curve("v", "V", {0: 100, 10: 200, 20: 400}), curve("t", "T", {0: 100, 10: 100, 20: 200}))
    # vehicle 10*50 + 10*200 = 2500; treated 0 + 10*50 = 500
    assert only(table, day=20, method="auc").percent == pytest.approx(80)


def test_area_ends_at_an_interpolated_day():
    table = together(curve("v", "V", {0: 100, 20: 400}), curve("t", "T", {0: 100, 20: 100}))
    volume = 100 * 4**0.5
    [result] = tgi(table, "T", 10, method="auc")
    assert result.percent is None
    assert result.note == NO_GROWTH
    assert only(table, day=10, method="auc").percent == pytest.approx(100)
    assert only(table, day=10).percent == pytest.approx(100)
    assert volume == pytest.approx(200)
    dipping = together(curve("v", "V", {0: 100, 20: 400}), curve("t", "T", {0: 100, 4: 180, 20: 20}))
    # vehicle 10*100/2; treated 4*80/2, then 6 days from 80 to V - 100 at day 10
    middle = 180 * (20 / 180) ** (6 / 16) - 100
    expected = 100 * (1 - (160 + 6 * (80 + middle) / 2) / 500)
    assert only(dipping, day=10, method="auc").percent == pytest.approx(expected)


def test_an_arm_that_shrinks_has_more_than_100_percent():
    table = together(curve("v", "V", {0: 100, 21: 500}), curve("t", "T", {0: 100, 21: 20}))
    assert only(table).percent == pytest.approx(120)


def test_between_visits_volume_is_log_linear_and_counted():
    table = together(curve("v", "V", {0: 100, 21: 400}), curve("t", "T", {0: 100, 14: 100, 28: 400}))
    result = only(table)
    assert result.percent == pytest.approx(100 * (1 - 100 / 300))
    assert (result.n_interpolated, result.n_interpolated_control) == (1, 0)


def test_next_to_a_zero_volume_is_linear():
    table = together(curve("v", "V", {0: 100, 21: 400}), curve("t", "T", {0: 100, 14: 100, 28: 0}))
    assert only(table).percent == pytest.approx(100 * (1 - -50 / 300))


def test_nothing_is_extrapolated():
    table = together(
        curve("v", "V", {0: 100, 21: 400}),
        curve("t1", "T", {0: 100, 21: 200}),
        curve("t2", "T", {0: 100, 20: 900}),
    )
    result = only(table)
    assert (result.n, result.n_baseline) == (1, 2)
    assert result.percent == pytest.approx(100 * (1 - 100 / 300))


def test_baseline_is_the_last_reading_of_day_minus_3_to_0():
    table = together(curve("v", "V", {-2: 90, -1: 100, 21: 500}), curve("t", "T", {-9: 5, 0: 100, 21: 300}))
    assert only(table).percent == pytest.approx(50)
    assert "first reading" not in (only(table).note or "")


def test_without_one_the_first_reading_serves_and_is_noted():
    table = together(curve("v", "V", {5: 100, 21: 500}), curve("t", "T", {0: 100, 21: 300}))
    assert "1 mouse without a reading in day -3 to 0" in only(table).note


@pytest.mark.parametrize(("day", "falls_back"), [(-3, False), (-2, False), (-3.5, True), (4, True)])
def test_the_baseline_window_is_day_minus_3_to_0_in_the_treated_arm_too(day, falls_back):
    table = together(curve("v", "V", {0: 100, 21: 500}), curve("t", "T", {day: 100, 21: 300}))
    assert only(table).percent == pytest.approx(50)
    assert ("1 mouse without a reading" in (only(table).note or "")) == falls_back


def test_a_baseline_day_means_exactly_that_day():
    table = together(
        curve("v", "V", {-1: 100, 21: 500}),
        curve("t1", "T", {-1: 100, 21: 300}),
        curve("t2", "T", {0: 100, 21: 100}),
    )
    result = only(table, baseline_day=-1)
    assert (result.n, result.n_baseline) == (1, 1)
    assert result.percent == pytest.approx(50)


# Against R


def test_model_agrees_with_lm():
    reference = json.loads((REFERENCE / "growth.json").read_text())["model"]
    result = only(pd.read_csv(REFERENCE / "growth.csv"), control="vehicle", method="model")
    expected = [100 * (1 - np.exp(value)) for value in (reference["estimate"], *reversed(reference["ci"]))]
    assert (result.percent, result.ci_low, result.ci_high) == pytest.approx(tuple(expected), rel=1e-9)


# By law


@pytest.mark.parametrize("method", METHODS)
def test_units_cancel(method):
    table = two_arms()
    scaled = table.assign(volume_mm3=table["volume_mm3"] / 7)
    assert only(scaled, method=method).percent == pytest.approx(only(table, method=method).percent)
    assert only(scaled, method=method).ci_low == pytest.approx(only(table, method=method).ci_low)


@pytest.mark.parametrize("method", METHODS)
def test_row_order_does_not_matter(method):
    table = two_arms()
    assert only(table.sample(frac=1, random_state=3), method=method) == only(table, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_an_arm_equal_to_its_control_has_no_inhibition(method):
    table = two_arms()
    vehicle = table[table["arm"] == "V"]
    twin = vehicle.assign(arm="T", mouse="t" + vehicle["mouse"])
    assert only(together(vehicle, twin), method=method).percent == pytest.approx(0, abs=1e-9)


@settings(max_examples=40)
@given(st.floats(0.01, 0.1), st.floats(0.01, 0.1), st.integers(2, 40))
def test_ratio_of_exponential_curves_is_their_rates_difference(vehicle, drug, day):
    days = [0, 40]
    table = together(curve("v", "V", exponential(vehicle, days)), curve("t", "T", exponential(drug, days)))
    assert only(table, day=day, method="ratio").percent == pytest.approx(
        100 * (1 - np.exp((drug - vehicle) * day)), abs=1e-6
    )


@settings(max_examples=40)
@given(
    st.lists(st.floats(1, 5000), min_size=3, max_size=8), st.lists(st.floats(1, 5000), min_size=3, max_size=8)
)
def test_an_interval_holds_its_estimate(vehicle, drug):
    table = together(
        *(curve(f"v{i}", "V", {0: 100, 21: volume}) for i, volume in enumerate(vehicle)),
        *(curve(f"t{i}", "T", {0: 100, 21: volume}) for i, volume in enumerate(drug)),
    )
    result = only(table)
    if result.ci_low is not None:
        assert result.ci_low - 1e-6 <= result.percent <= result.ci_high + 1e-6


def test_fieller_covers_the_truth():
    """95 % intervals of n = 5 against a true ratio: the share that hold it lies near 0.95."""
    random, truth, held, bounded = np.random.default_rng(11), 0.4, 0, 0
    from studies.analysis.intervals import Sample, fieller

    for _ in range(2000):
        interval = fieller(Sample.of(random.normal(400, 150, 5)), Sample.of(random.normal(1000, 200, 5)))
        bounded += interval is not None
        held += interval is not None and interval[0] <= truth <= interval[1]
    assert bounded > 1990
    assert 0.93 < held / bounded < 0.97


# By refusal


def test_a_vehicle_that_does_not_grow_leaves_tgi_undefined():
    table = together(curve("v", "V", {0: 100, 21: 90}), curve("t", "T", {0: 100, 21: 50}))
    assert (only(table).percent, only(table).note) == (None, NO_GROWTH)


def test_a_vehicle_too_uncertain_gives_the_estimate_without_an_interval():
    table = together(
        *(curve(f"v{i}", "V", {0: 100, 21: volume}) for i, volume in enumerate((120, 110, 2000))),
        *(curve(f"t{i}", "T", {0: 100, 21: volume}) for i, volume in enumerate((120, 130, 140))),
    )
    result = only(table)
    assert result.percent == pytest.approx(100 * (1 - 30 / (1930 / 3)))
    assert (result.ci_low, result.ci_high, result.note) == (None, None, UNBOUNDED)


def test_one_mouse_an_arm_has_no_interval():
    result = only(together(curve("v", "V", {0: 100, 21: 500}), curve("t", "T", {0: 100, 21: 300})))
    assert result.percent == pytest.approx(50)
    assert result.ci_low is None
    assert "one mouse" in result.note


def test_zeros_have_no_logarithm_and_none_is_made_up():
    table = together(two_arms(), curve("T9", "T", {0: 150, 21: 0}))
    assert only(table, method="model").percent is None
    assert "0" in only(table, method="model").note
    assert only(table).n == 7


@pytest.mark.parametrize(("kwargs", "reason"), [({"control": "PBS"}, "PBS"), ({"method": "xeva"}, "xeva")])
def test_what_cannot_be_is_refused(kwargs, reason):
    with pytest.raises(AnalysisError, match=reason):
        only(two_arms(), **kwargs)


def changes(vehicle: tuple[float, ...], drug: tuple[float, ...]) -> object:
    """Mice of 100 mm3 that change by so many mm3 in a week."""
    mice = [("V", change) for change in vehicle] + [("T", change) for change in drug]
    return only(
        together(*(curve(f"{arm}{i}", arm, {0: 100, 7: 100 + v}) for i, (arm, v) in enumerate(mice))), day=7
    )


def test_two_mice_an_arm_have_an_interval():
    result = changes((190, 210), (90, 110))
    t2, variance = stats.t.ppf(0.975, 2) ** 2, 200 / 2
    low, high = np.sort(np.roots([200**2 - t2 * variance, -2 * 200 * 100, 100**2 - t2 * variance]))
    assert (result.ci_low, result.ci_high) == pytest.approx((100 * (1 - high), 100 * (1 - low)))
    for vehicle, drug in (((200,), (90, 110)), ((190, 210), (100,))):
        one = changes(vehicle, drug)
        assert (one.percent, one.ci_low, one.note) == (50, None, "one mouse in an arm: no interval")


def test_an_arm_that_did_not_change_at_all_has_no_interval_and_one_of_mean_0_has():
    still = changes((190, 210), (0, 0))
    assert (still.percent, still.ci_low) == (100, None)
    assert still.note == "every treated mouse has the same value, 0: no interval"
    about = changes((190, 210), (-10, 10))
    assert about.percent == 100
    assert about.ci_low < 100 < about.ci_high
    assert changes((190, 210), (50, 50)).ci_low is not None


def test_a_mouse_first_read_after_the_day_has_no_value_there():
    table = together(two_arms(), curve("late", "T", {25: 100, 28: 200}))
    assert only(table) == only(two_arms()).__class__(**{**vars(only(two_arms())), "n_baseline": 7})


def test_curves_of_some_mice_are_curves_of_the_same_kind():
    curves = curves_of(two_arms())
    part = curves.subset((curves.mice["arm"] == "T").to_numpy())
    assert list(part.mice.columns) == list(curves.mice.columns)
    assert list(part.mice.index) == list(range(6))
    assert baselines(curves).known.all()
    assert not baselines(curves, baseline_day=7).known.any()


def test_a_volume_of_0_at_either_end_leaves_the_model_without_a_value():
    ends = {"1": (0, 100), "2": (100, 0), "3": (100, 1)}
    mice = [curve(mouse, "V", {0: before, 7: after}) for mouse, (before, after) in ends.items()]
    curves = curves_of(together(*mice))
    values = mice_at_day(curves, 7, None, "model").values
    assert np.isnan(values).tolist() == [True, True, False]
    assert values[2] == 0, "ln 1"


def test_a_mouse_s_first_reading_is_its_volume_that_day_and_before_it_there_is_none():
    curves = curves_of(together(curve("1", "V", {3: 100, 7: 200}), curve("2", "V", {0: 50, 7: 80})))
    volume, interpolated = volumes_at(curves, 3)
    assert volume == pytest.approx([100, 50 * 1.6 ** (3 / 7)])
    assert list(interpolated) == [False, True]
    assert np.isnan(volumes_at(curves, 2)[0][0])
