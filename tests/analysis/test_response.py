"""mRECIST and response rates: by hand, against Xeva on published curves, by law, by refusal."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.analysis import AnalysisError, mrecist, response_rates, responses
from studies.analysis.response import category_of
from tests.analysis.builders import CURVE_X_DAYS, CURVE_X_VOLUMES, curve, together

RANK = {"CR": 0, "PR": 1, "SD": 2, "PD": 3}


# By hand


def test_progressive_disease_of_a_published_curve():
    result = mrecist(CURVE_X_DAYS, CURVE_X_VOLUMES)
    assert result.category == "PD"
    assert (result.best_response_percent, result.best_response_day) == pytest.approx((52.5518341, 11))
    assert (result.best_average_response_percent, result.best_average_response_day) == pytest.approx(
        (35.1774322, 11)
    )


def test_the_average_includes_day_0():
    # changes 0, -60, -60: the running mean at day 14 is -40, without day 0 it would be -60
    assert mrecist([0, 10, 14], [100, 40, 40]).best_average_response_percent == pytest.approx(-40)


def test_regrowth_by_day_7_is_averaged_in():
    assert mrecist([0, 4, 7, 11, 14, 18, 21], [200, 80, 60, 120, 200, 320, 480]).category == "SD"


@pytest.mark.parametrize(
    ("volumes", "category"),
    [
        ([100, 1, 1, 1, 1], "CR"),
        ([100, 30, 30, 30, 30], "PR"),
        ([100, 110, 120, 120, 120], "SD"),
        ([100, 150, 200, 300, 400], "PD"),
        ([100, 100, 100, 100, 4], "SD"),
    ],
)
def test_categories(volumes, category):
    assert mrecist([0, 5, 10, 15, 20], volumes).category == category


def test_thresholds_are_strict():
    # best -50 exactly is not below -50
    assert mrecist([0, 10, 14], [100, 50, 50]).category == "SD"
    assert mrecist([0, 10, 14], [100, 49.99, 50]).category == "PR"


def test_only_day_10_and_later_count():
    assert mrecist([0, 7, 10, 14], [100, 1, 90, 90]).best_response_percent == pytest.approx(-10)


def test_fewer_than_two_late_readings_give_no_category():
    result = mrecist([0, 7, 10], [100, 50, 50])
    assert result.category is None
    assert "fewer than 2" in result.reason
    assert result.best_response_percent == pytest.approx(-50)


# A table of mice


def two_mice() -> pd.DataFrame:
    return together(
        curve("a", "V", {0: 100, 11: 300, 14: 500}), curve("b", "T", {-5: 7, -1: 100, 11: 30, 14: 20})
    )


def test_every_mouse_of_a_table_as_if_alone():
    rows = responses(two_mice()).set_index("mouse")
    assert rows.loc["a", "category"] == mrecist([0, 11, 14], [100, 300, 500]).category == "PD"
    alone = mrecist([-1, 11, 14], [100, 30, 20])
    assert rows.loc["b", "category"] == alone.category == "PR"
    assert rows.loc["b", "best_average_response_percent"] == pytest.approx(
        alone.best_average_response_percent
    )
    assert rows["evaluable"].all()


def test_a_mouse_culled_for_its_tumor_before_day_10_progressed():
    row = responses(curve("a", "V", {0: 100, 7: 1600}, exit_reason="tumor_size")).iloc[0]
    assert (row["category"], row["early_progression"], row["evaluable"]) == ("PD", True, True)


def test_another_early_exit_is_not_evaluable():
    row = responses(curve("a", "V", {0: 100, 7: 1600}, exit_reason="accident")).iloc[0]
    assert (row["category"], row["early_progression"], row["evaluable"]) == (None, False, False)
    assert row["reason"]


def test_a_baseline_below_the_limit_of_detection_is_not_evaluable():
    row = responses(curve("a", "V", {0: 10, 11: 300, 14: 500})).iloc[0]
    assert not row["evaluable"]
    assert "limit of detection" in row["reason"]


def test_a_baseline_of_0_has_no_change_and_divides_nothing():
    with np.errstate(all="raise"):
        row = responses(curve("a", "V", {0: 0, 11: 300, 14: 500})).iloc[0]
    assert np.isnan(row["best_response_percent"]) and not row["evaluable"]


def test_rates_count_mice_not_evaluable_as_no_response():
    mice = pd.DataFrame({"arm": "T", "category": ["CR", "PR", "SD", "PD", None]})
    [row] = response_rates(mice).to_dict("records")
    assert (row["orr_percent"], row["orr_evaluable_percent"], row["dcr_percent"]) == (40, 50, 60)
    assert (row["n"], row["n_evaluable"], row["NE"]) == (5, 4, 1)
    # Wilson 2 of 5, by the formula on paper
    assert (row["orr_ci_low"], row["orr_ci_high"]) == pytest.approx((11.762, 76.928), abs=2e-3)


# Against Xeva, on published curves


@pytest.mark.parametrize(("name", "table"), [("brca_xeva", "pdxe_brca_xeva"), ("cm", "pdxe_cm")])
def test_agrees_with_xeva_on_every_published_mouse(real_data, name, table):
    expected = json.loads((real_data / "reference" / f"xeva_{name}.json").read_text())["models"]
    frame = pd.read_csv(real_data / "studies" / f"{table}.csv", keep_default_na=False, na_values=[""])
    rows = responses(frame, lod_mm3=0).set_index("mouse")
    checked = [row for row in expected if row.get("mRECIST") and row["mouse"] in rows.index]
    assert len(checked) > 500
    for row in checked:
        assert rows.loc[row["mouse"], "category"] == row["mRECIST"], row["mouse"]
        assert rows.loc[row["mouse"], "best_average_response_percent"] == pytest.approx(
            row["best_average_response"]
        )


# By law

volumes = st.lists(st.floats(1, 5000), min_size=4, max_size=12)


@settings(max_examples=40)
@given(volumes, st.floats(0.001, 1000))
def test_units_cancel(values, factor):
    days = range(0, 5 * len(values), 5)
    before, after = mrecist(days, values), mrecist(days, [value * factor for value in values])
    assert after.best_average_response_percent == pytest.approx(
        before.best_average_response_percent, rel=1e-9, abs=1e-9
    )


@settings(max_examples=40)
@given(volumes, st.floats(0.1, 0.99))
def test_a_smaller_tumor_never_has_a_worse_category(values, factor):
    days = list(range(0, 5 * len(values), 5))
    smaller = [values[0], *(value * factor for value in values[1:])]
    before, after = mrecist(days, values).category, mrecist(days, smaller).category
    if before is not None:
        assert RANK[after] <= RANK[before]


@settings(max_examples=40)
@given(st.lists(volumes, min_size=1, max_size=6))
def test_mice_of_unequal_length_do_not_disturb_each_other(mice):
    table = together(
        *(
            curve(str(i), "V", dict(zip(range(0, 99, 5), values, strict=False)))
            for i, values in enumerate(mice)
        )
    )
    rows = responses(table, lod_mm3=0).set_index("mouse")
    for i, values in enumerate(mice):
        alone = mrecist(range(0, 5 * len(values), 5), values)
        assert rows.loc[str(i), "category"] == alone.category
        assert rows.loc[str(i), "best_average_response_percent"] == pytest.approx(
            alone.best_average_response_percent
        )


# By refusal


@pytest.mark.parametrize(
    ("days", "values", "reason"),
    [
        ([0, 10], [100], "do not pair"),
        ([10, 0, 14], [1, 2, 3], "not in order"),
        ([0, 10], [100, -1], "negative"),
    ],
)
def test_what_is_no_curve_is_refused(days, values, reason):
    with pytest.raises(AnalysisError, match=reason):
        mrecist(days, values)


@pytest.mark.parametrize("values", [[0, 10, 20], [float("nan")] * 3])
def test_no_baseline_no_category(values):
    assert mrecist([0, 10, 14], values).category is None


# Exactly at a limit


@pytest.mark.parametrize(
    ("best", "average", "category"),
    [
        (-95.0, -40.1, "PR"), (-95.1, -40.0, "PR"), (-95.1, -40.1, "CR"),
        (-50.0, -20.1, "SD"), (-50.1, -20.0, "SD"), (-50.1, -20.1, "PR"),
        (35.0, 29.9, "PD"), (34.9, 30.0, "PD"), (34.9, 29.9, "SD"),
    ],
)  # fmt: skip
def test_both_limits_of_a_category_are_strict(best, average, category):
    assert category_of(np.array([best]), np.array([average])) == [category]


@pytest.mark.parametrize("v0", [0.1, 0.7, 33.3, 87.1, 230.7])
def test_a_change_of_exactly_a_limit_is_on_it_whatever_the_last_bit_of_a_division(v0):
    assert mrecist([0, 10, 14], [v0, 0.5 * v0, 0.5 * v0]).best_response_percent == -50
    average = mrecist([0, 10, 14], [v0, 1.45 * v0, 1.45 * v0])
    assert (average.best_average_response_percent, average.category) == (22.5, "PD")
    assert mrecist([0, 10, 14], [v0, 1.35 * v0, 1.35 * v0]).category == "PD"


def test_the_first_of_two_best_days_is_told():
    row = mrecist([0, 10, 14, 17], [100, 50, 50, 100])
    assert row.best_response_day == 10
    flat = mrecist([0, 10, 14], [100, 100, 100])
    assert (flat.best_response_day, flat.best_average_response_day) == (10, 10)


def test_two_readings_of_one_day_are_in_order():
    assert mrecist([0, 10, 10], [100, 60, 40]).best_response_percent == -60


def test_a_mouse_culled_on_day_10_has_no_early_progression():
    early, late = (
        responses(curve("a", "V", {0: 100, day: 1600}, exit_reason="tumor_size")).iloc[0] for day in (9.5, 10)
    )
    assert (early["category"], early["early_progression"]) == ("PD", True)
    assert early["reason"] == "culled for its tumor before day 10"
    assert (late["category"], late["early_progression"]) == (None, False)


def test_a_baseline_of_exactly_the_limit_of_detection_is_evaluable():
    rows = [responses(curve("a", "V", {0: v0, 11: 300, 14: 500})).iloc[0] for v0 in (13.5, 13.4)]
    assert [row["category"] for row in rows] == ["PD", None]
    culled = responses(curve("a", "V", {0: 13.4, 7: 1600}, exit_reason="tumor_size")).iloc[0]
    assert (culled["category"], culled["early_progression"]) == (None, False)
    assert responses(curve("a", "V", {0: 0, 11: 300, 14: 500}), lod_mm3=0).iloc[0]["category"] is None
