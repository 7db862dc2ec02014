"""Growth of single mice: by hand, against R, by law, by refusal."""

import json
from math import exp, log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.analysis import growth
from studies.analysis.curves import curves_of
from studies.analysis.growth import times_to_volume
from studies.analysis.mean_curves import day_grid
from tests.analysis.builders import CURVE_X_DAYS, CURVE_X_VOLUMES, curve, exponential, together

REFERENCE = Path(__file__).parent.parent / "reference" / "growth"


def only(readings: dict[float, float]) -> pd.Series:
    return growth(curve("1", "V", readings)).iloc[0]


# By hand


def test_a_published_curve():
    row = only(dict(zip(CURVE_X_DAYS, CURVE_X_VOLUMES, strict=True)))
    assert row["growth_rate_per_day"] == pytest.approx(0.0203484749, abs=1e-10)
    assert row["doubling_time_days"] == pytest.approx(34.0638393, abs=1e-7)
    assert row["edot_per_day"] == pytest.approx(0.0257620235, abs=1e-10)
    assert row["egait_per_day"] == pytest.approx(0.0290878788, abs=1e-10)
    assert row["auc_mm3_days"] == pytest.approx(14900.5)
    assert row["aauc_percent"] == pytest.approx(69.7482342, abs=1e-7)


def test_time_counts_from_v0_not_from_the_first_reading():
    row = only({-20: 5.0, 0: 100, 10: 200, 20: 400})
    assert row["growth_rate_per_day"] == pytest.approx(log(2) / 10)
    assert row["egait_per_day"] == pytest.approx(log(2) / 10)
    assert (row["baseline_day"], row["baseline_mm3"], row["last_day"]) == (0, 100, 20)
    early = only({-2: 100, 8: 200, 18: 400})
    assert (early["egait_per_day"], early["edot_per_day"]) == pytest.approx((log(2) / 10, log(2) / 10))
    assert early["aauc_percent"] == pytest.approx(only({0: 100, 10: 200, 20: 400})["aauc_percent"])


def test_a_shrinking_tumor_has_no_doubling_time():
    row = only({0: 400, 10: 200, 20: 100})
    assert row["growth_rate_per_day"] == pytest.approx(-log(2) / 10)
    assert np.isnan(row["doubling_time_days"])


def test_a_zero_leaves_the_rate_to_the_readings_above_it_and_the_log_areas_missing():
    row = only({0: 400, 10: 200, 20: 100, 30: 0})
    assert row["growth_rate_per_day"] == pytest.approx(-log(2) / 10)
    assert np.isnan(row["egait_per_day"])
    assert row["n_zero"] == 1
    assert row["auc_mm3_days"] == pytest.approx(3000 + 1500 + 500)


# Against R


def test_rates_agree_with_lm():
    rates = json.loads((REFERENCE / "growth.json").read_text())["rates"]
    rows = growth(pd.read_csv(REFERENCE / "growth.csv")).set_index("mouse")
    for mouse, rate in rates.items():
        assert rows.loc[mouse, "growth_rate_per_day"] == pytest.approx(rate, rel=1e-10)


# By law

rates = st.floats(-0.2, 0.3).filter(lambda rate: abs(rate) > 1e-3)


@settings(max_examples=30)
@given(rates, st.floats(20, 2000))
def test_an_exponential_curve_gives_back_its_rate_by_every_measure(rate, start):
    row = only(exponential(rate, [0, 3, 7, 12, 20], start))
    for name in ("growth_rate_per_day", "egait_per_day", "edot_per_day"):
        assert row[name] == pytest.approx(rate, rel=1e-8)


@settings(max_examples=30)
@given(rates, st.floats(0.001, 1000))
def test_units_of_volume_cancel_in_rates(rate, factor):
    days = [0, 3, 7, 12, 20]
    readings = {day: volume * exp(0.1 * (day % 2)) for day, volume in exponential(rate, days).items()}
    scaled = {day: volume * factor for day, volume in readings.items()}
    before, after = only(readings), only(scaled)
    for name in ("growth_rate_per_day", "egait_per_day", "edot_per_day", "aauc_percent"):
        assert after[name] == pytest.approx(before[name], rel=1e-7, abs=1e-9)


def test_mice_do_not_disturb_each_other():
    mice = {
        "a": {0: 100, 5: 150, 9: 300},
        "b": {-2: 50, 4: 90},
        "c": {0: 10, 30: 0},
        "d": {1: 70, 2: 80, 3: 95, 8: 200},
    }
    rows = growth(together(*(curve(name, "V", readings) for name, readings in mice.items()))).set_index(
        "mouse"
    )
    for name, readings in mice.items():
        alone = growth(curve(name, "V", readings)).set_index("mouse")
        pd.testing.assert_series_equal(rows.loc[name], alone.loc[name])


# By refusal


@pytest.mark.parametrize("readings", [{0: 100}, {0: 100, 7: 150}])
def test_fewer_than_three_readings_have_no_rate(readings):
    assert np.isnan(only(readings)["growth_rate_per_day"])


def test_a_single_reading_has_no_area():
    assert np.isnan(only({0: 100})["auc_mm3_days"])


# Days at which means are drawn


@pytest.mark.parametrize(
    ("days", "grid"),
    [
        (range(16), list(range(16))),
        (range(17), [0, 2, 4, 6, 8, 10, 12, 14, 16]),
        ([-3, -1, *range(18)], [-3, -1, 0, 2, 4, 6, 8, 10, 12, 14, 16]),
        (range(5, 22), [6, 8, 10, 12, 14, 16, 18, 20]),
        ([*range(0, 32, 2), 1800], list(range(0, 1681, 168))),
        ([*range(0, 32, 2), 2700], list(range(0, 2549, 364))),
        ([*range(16), 9000], None),
    ],
)
def test_many_days_are_thinned_to_even_steps_and_days_before_treatment_stay(days, grid):
    found = day_grid(np.array([*days, *days], dtype=float))
    if grid is None:
        assert len(found) <= 17 and found[0] == 0 and found[-1] == 9000
    else:
        assert found.tolist() == grid


def test_three_readings_have_a_rate_and_a_baseline_of_0_no_percent():
    assert only({0: 100, 5: 200, 10: 400})["growth_rate_per_day"] == pytest.approx(np.log(2) / 5)
    empty = only({0: 0, 5: 100, 10: 200})
    assert np.isnan(empty["aauc_percent"])
    assert empty["auc_mm3_days"] == pytest.approx(250 + 750)


def test_a_curve_reaches_a_volume_along_the_line_from_0_and_on_the_log_scale_above():
    curves = curves_of(curve("1", "V", {0: 0, 10: 400, 20: 1600}))
    at = [
        float(times_to_volume(curves, np.array([float(v)]), curves.starts)[0])
        for v in (0, 100, 400, 800, 1601)
    ]
    assert at[:4] == pytest.approx([0, 2.5, 10, 15])
    assert np.isnan(at[4])
