"""Time to event: by hand, against R's survival, by law, by refusal."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.analysis import AnalysisError, compare_survival, time_to_event
from studies.analysis.kaplan_meier import kaplan_meier
from tests.analysis.builders import CURVE_X_DAYS, CURVE_X_VOLUMES, curve, together

REFERENCE = Path(__file__).parent.parent / "reference" / "survival"


def only(
    readings: dict[float, float], fold: float | None = None, volume_mm3: float | None = None, **facts: str
) -> tuple:
    row = time_to_event(curve("1", "V", readings, **facts), fold, volume_mm3).iloc[0]
    return row["time"], row["event"], row["cause"]


def times(**arms: list[tuple[float, int]]) -> pd.DataFrame:
    rows = [(arm, time, event) for arm, pairs in arms.items() for time, event in pairs]
    return pd.DataFrame(rows, columns=["arm", "time", "event"])


# By hand


def test_doubling_of_a_published_curve_is_interpolated_on_the_log_scale():
    time, event, cause = only(dict(zip(CURVE_X_DAYS, CURVE_X_VOLUMES, strict=True)), fold=2)
    assert (event, cause) == (1, "threshold")
    assert time == pytest.approx(27.9983958, abs=1e-7)


def test_four_times_v0_is_the_default():
    assert only({0: 100, 10: 100, 20: 1600}) == (pytest.approx(15), 1, "threshold")


def test_an_absolute_volume_and_a_start_from_zero():
    assert only({0: 100, 7: 0, 17: 1000}, volume_mm3=500) == (pytest.approx(12), 1, "threshold")


def test_a_tumor_that_starts_above_the_volume_has_its_event_at_the_start():
    assert only({0: 600, 7: 900}, volume_mm3=500) == (0, 1, "threshold")


@pytest.mark.parametrize(
    ("reason", "related", "event", "cause"),
    [
        ("", "", 0, "censored"),
        ("scheduled_end", "", 0, "censored"),
        ("tumor_size", "", 1, "size_cull"),
        ("ulceration", "", 1, "size_cull"),
        ("accident", "", 0, "censored"),
        ("sampled", "", 0, "censored"),
        ("body_weight", "", 0, "toxicity"),
        ("treatment_toxicity", "no", 0, "toxicity"),
        ("clinical_signs", "no", 0, "other"),
        ("found_dead", "unknown", 0, "found_dead"),
        ("found_dead", "yes", 0, "toxicity"),
    ],
)
def test_how_exits_count(reason, related, event, cause):
    assert only({0: 100, 12: 150}, exit_reason=reason, treatment_related=related) == (12, event, cause)


def test_the_threshold_comes_before_the_cull():
    assert only({0: 100, 10: 400, 20: 500}, exit_reason="tumor_size") == (10, 1, "threshold")


def test_medians():
    assert kaplan_meier(np.array([1.0, 2, 3, 4, 5]), np.ones(5, dtype=int)).median == 3
    assert kaplan_meier(np.array([1.0, 2, 3, 4]), np.ones(4, dtype=int)).median == 2.5
    assert kaplan_meier(np.array([1.0, 9, 9]), np.array([1, 0, 0])).median is None


def test_log_rank_of_two_pairs():
    # days 1, 2, 3, 4 of V, V, T, T: observed in V 2; expected 2/4 + 1/3; variance 1/4 + 2/9
    result = compare_survival(times(V=[(1, 1), (2, 1)], T=[(3, 1), (4, 1)]), "V")
    assert result.logrank.chisq == pytest.approx((2 - 5 / 6) ** 2 / (1 / 4 + 2 / 9))
    assert result.logrank.df == 1


def test_events_all_on_one_day_compare_nothing_and_it_says_so():
    result = compare_survival(times(V=[(5, 1), (5, 1)], T=[(5, 1), (5, 1)]), "V")
    assert result.logrank.p_value is None
    assert "every mouse still at risk had it" in str(result.logrank.reason)
    apart = compare_survival(times(V=[(1, 1), (2, 1)], T=[(0.5, 0), (0.5, 0)]), "V")
    assert "no two arms were at risk" in str(apart.logrank.reason)


# Against R


def test_agrees_with_r_on_tied_times_of_four_arms():
    reference = json.loads((REFERENCE / "times.json").read_text())
    table = pd.read_csv(REFERENCE / "times.csv")
    for strata, suffix in ((None, ""), ("pdx_model", "_by_model")):
        result = compare_survival(table, "vehicle", strata)
        expected = reference[f"logrank{suffix}"]
        assert result.logrank.chisq == pytest.approx(expected["chisq"], rel=1e-10)
        assert result.logrank.p_value == pytest.approx(expected["p"], rel=1e-8)
        for row in reference[f"cox{suffix}"]:
            mine = result.cox.loc[row["arm"]]
            assert mine["estimate"] == pytest.approx(row["estimate"], rel=1e-8)
            assert mine["se"] == pytest.approx(row["se"], rel=1e-7)
            assert mine["p_value"] == pytest.approx(row["p"], rel=1e-6)
    assert result.medians == reference["medians"]


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path):
    import shutil
    import subprocess

    for name in ("times.R", "times.csv"):
        shutil.copy(REFERENCE / name, tmp_path)
    subprocess.run([rscript, "times.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh, stored = (json.loads((folder / "times.json").read_text()) for folder in (tmp_path, REFERENCE))
    assert fresh["logrank"] == pytest.approx(stored["logrank"], rel=1e-9)
    assert fresh["medians"] == stored["medians"]


def test_agrees_with_r_on_published_studies(real_data):
    checked = 0
    for path in sorted((real_data / "reference").glob("surv_*.json")):
        oracle = json.loads(path.read_text())["oracle"]
        table = pd.DataFrame(oracle["data"])[["arm", "time", "event"]]
        result = compare_survival(table, oracle["levels"][0])
        assert result.logrank.chisq == pytest.approx(oracle["logrank"]["chisq"], rel=1e-6, abs=1e-9)
        if result.cox is None:
            assert oracle["cox_efron"]["warnings"], path.name
            continue
        for row in oracle["cox_efron"]["coef"]:
            mine = result.cox.loc[row["term"].removeprefix("arm")]
            assert (mine["estimate"], mine["se"]) == pytest.approx((row["coef"], row["se(coef)"]), rel=1e-6)
            checked += 1
    assert checked > 5


# By law

pairs = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 1)), min_size=3, max_size=10)


@settings(max_examples=40)
@given(pairs, pairs)
def test_swapping_arms_keeps_the_test_and_turns_the_hazard(vehicle, drug):
    table = times(V=vehicle, T=drug)
    one, other = compare_survival(table, "V"), compare_survival(table, "T")
    assert one.logrank.chisq == pytest.approx(other.logrank.chisq, abs=1e-9)
    if one.cox is not None and other.cox is not None:
        assert one.cox.loc["T", "estimate"] == pytest.approx(-other.cox.loc["V", "estimate"], abs=1e-6)


@settings(max_examples=40)
@given(pairs, pairs, st.floats(0.1, 100))
def test_the_unit_of_time_cancels(vehicle, drug, factor):
    table = times(V=vehicle, T=drug)
    scaled = compare_survival(table.assign(time=table["time"] * factor), "V")
    assert scaled.logrank.chisq == pytest.approx(compare_survival(table, "V").logrank.chisq, abs=1e-9)


# By refusal


def test_an_arm_without_events_has_no_hazard_ratio_but_a_test():
    result = compare_survival(times(V=[(5, 1), (7, 1), (8, 1)], T=[(30, 0), (30, 0), (30, 0)]), "V")
    assert result.cox is None
    assert "no event in T" in result.cox_reason
    assert result.logrank.p_value < 0.05
    assert result.medians == {"V": 7, "T": None}


def test_separated_arms_have_no_hazard_ratio():
    result = compare_survival(times(V=[(1, 1), (2, 1), (3, 1)], T=[(10, 1), (11, 1), (12, 1)]), "V")
    assert result.cox is None
    assert "not estimable" in result.cox_reason


def test_no_events_at_all():
    result = compare_survival(times(V=[(5, 0)], T=[(6, 0)]), "V")
    assert (result.logrank.df, result.logrank.p_value, result.cox) == (1, None, None)


@pytest.mark.parametrize(
    ("table", "control", "reason"),
    [
        (times(V=[(5, 1)]), "PBS", "PBS"),
        (times(V=[(5, 2)]), "V", "not a time to event"),
        (times(V=[(float("nan"), 1)]), "V", "not a time to event"),
        (times(), "V", "no times"),
    ],
)
def test_what_is_no_time_is_refused(table, control, reason):
    with pytest.raises(AnalysisError, match=reason):
        compare_survival(table, control)


@pytest.mark.parametrize(("fold", "volume"), [(2, 500), (1, None), (None, 0)])
def test_an_endpoint_that_is_none_is_refused(fold, volume):
    with pytest.raises(AnalysisError):
        only({0: 100}, fold, volume)


# Exactly at a limit


def test_an_event_on_a_visit_s_own_day_lies_between_it_and_the_one_before():
    row = time_to_event(curve("1", "V", {0: 100, 7: 400, 14: 900})).iloc[0]
    assert (row["time"], row["event"], row["after_day"], row["by_day"]) == (7, 1, 0, 7)
    between = time_to_event(curve("1", "V", {0: 100, 7: 200, 14: 800})).iloc[0]
    assert (between["time"], between["after_day"], between["by_day"]) == (pytest.approx(10.5), 7, 14)
    start = time_to_event(curve("1", "V", {0: 1500, 7: 1600}), volume_mm3=1500).iloc[0]
    assert (start["time"], start["event"], start["after_day"], start["by_day"]) == (0, 1, 0, 0)
    never = time_to_event(curve("1", "V", {0: 100, 7: 399.9})).iloc[0]
    assert (never["time"], never["event"], never["after_day"]) == (7, 0, 7)
    assert np.isnan(never["by_day"])


def test_a_mouse_without_a_tumor_at_the_start_has_no_multiple_of_it():
    table = together(curve("1", "V", {0: 0, 7: 100}), curve("2", "V", {0: 100, 7: 500}))
    assert list(time_to_event(table)["mouse"]) == ["2"]
    assert list(time_to_event(table, volume_mm3=50)["mouse"]) == ["1", "2"]
