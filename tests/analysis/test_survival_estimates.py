"""Curves, restricted means, competing causes, Firth, exact log-rank: by hand, against R, by law, by refusal."""

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import compare_survival
from studies.analysis.hazards import RiskTable, cox, penalized_gain, profile_interval
from studies.analysis.kaplan_meier import cumulative_incidence, kaplan_meier, restricted_mean
from studies.analysis.survival import competing_incidence, exact_log_rank, restricted_means

REFERENCE = Path(__file__).parent.parent / "reference" / "survival"
ARMS = ["vehicle", "A", "B", "AB"]


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((REFERENCE / "estimates.json").read_text())


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    times = pd.read_csv(REFERENCE / "times.csv")
    left = np.flatnonzero(times["event"] == 0)
    cause = np.where(times["event"] == 1, "threshold", "censored").astype(object)
    cause[left[2::3]] = "toxicity"
    return times.assign(cause=cause)


def of(table: pd.DataFrame, arm: str) -> tuple[np.ndarray, np.ndarray]:
    mine = table[table["arm"] == arm]
    return mine["time"].to_numpy(float), mine["event"].to_numpy(int)


def pair(vehicle: list[tuple[float, int]], treated: list[tuple[float, int]]) -> pd.DataFrame:
    rows = [("V", *row) for row in vehicle] + [("T", *row) for row in treated]
    return pd.DataFrame(rows, columns=["arm", "time", "event"])


# By hand


def test_restricted_mean_on_paper():
    # free 1 to day 2, 2/3 to day 4, 1/3 to day 6: 2 + 4/3 + 2/3
    assert restricted_mean(np.array([2.0, 4, 9]), np.array([1, 1, 1]), 6).days == pytest.approx(4)


def test_competing_incidence_on_paper():
    # four mice: event on day 1, toxicity on day 2, event on day 3, censored on day 4
    found = cumulative_incidence(np.array([1.0, 2, 3, 4]), np.array(["e", "t", "e", "censored"]))
    assert list(found.share["e"]) == pytest.approx([1 / 4, 1 / 4, 1 / 2])
    assert list(found.share["t"]) == pytest.approx([0, 1 / 4, 1 / 4])
    # without censoring the incidence is a plain share, and its variance p (1 - p) / n
    plain = cumulative_incidence(np.array([1.0, 2, 3, 4]), np.array(["e", "t", "e", "t"]))
    assert plain.se["e"][-1] == pytest.approx((0.5 * 0.5 / 4) ** 0.5)


def test_three_against_three_cannot_reach_five_percent():
    result = exact_log_rank(pair([(1, 1), (2, 1), (3, 1)], [(10, 1), (11, 1), (12, 1)]), "T", "V")
    assert (result.p_value, result.smallest_p, result.arrangements) == (0.1, 0.1, 20)
    assert result.exhaustive
    four = exact_log_rank(pair([(i, 1) for i in range(1, 5)], [(i, 1) for i in range(10, 14)]), "T", "V")
    assert four.smallest_p == pytest.approx(2 / 70)


def test_exact_log_rank_counts_what_enumeration_counts():
    table = pair([(3, 1), (5, 0), (6, 1)], [(4, 1), (8, 1), (9, 0)])
    seen = abs(exact_log_rank(table, "T", "V").statistic)
    labels = set(permutations(table["arm"]))
    as_far = [
        abs(exact_log_rank(table.assign(arm=list(order)), "T", "V").statistic) >= seen - 1e-9
        for order in labels
    ]
    assert exact_log_rank(table, "T", "V").p_value == pytest.approx(np.mean(as_far))


def test_single_mice_in_strata_are_exchanged_within_them():
    one = pair([(1, 1), (2, 1), (3, 1)], [(10, 1), (11, 1), (12, 1)]).assign(pdx_model=list("abcabc"))
    assert exact_log_rank(one, "T", "V", "pdx_model").arrangements == 8


# Against R


def test_agrees_with_r(table, expected):
    for row in expected["curve"]:
        curve = kaplan_meier(*of(table, row["arm"]))
        at = np.searchsorted(curve.day, row["day"], side="right") - 1
        if row["free"] > 0:
            mine = (curve.free[at], curve.ci_low[at], curve.ci_high[at])
            assert mine == pytest.approx((row["free"], row["ci_low"], row["ci_high"]), rel=1e-10)
    for row in expected["medians"]:
        assert kaplan_meier(*of(table, row["arm"])).median_interval == (row["low"], row["high"])
    for row in expected["restricted"]:
        mine = restricted_mean(*of(table, row["arm"]), expected["tau"])
        assert (mine.days, mine.se) == pytest.approx((row["days"], row["se"]), rel=1e-10)
    incidence = competing_incidence(table).set_index(["arm", "cause"])
    for row in expected["incidence"]:
        if row["share"] > 0:
            mine = incidence.loc[(row["arm"], row["cause"])]
            assert mine["percent"] == pytest.approx(100 * row["share"], rel=1e-10)
            assert mine["se_percent"] == pytest.approx(100 * row["se"], rel=1e-8, abs=1e-10)


def test_proportional_hazards_agrees_with_r(table, expected):
    for strata, key in ((None, "zph"), ("pdx_model", "zph_by_model")):
        mine = compare_survival(table, "vehicle", strata).proportionality
        assert mine["chisq"] == pytest.approx(expected[key]["chisq"], rel=1e-6)
        assert (mine["df"], mine["p_value"]) == pytest.approx(
            (expected[key]["df"], expected[key]["p"]), rel=1e-6
        )


def test_penalized_hazards_maximize_r_s_own_likelihood(table, expected):
    firth = compare_survival(table, "vehicle").firth
    # R's arms in its order, ours by name
    assert list(firth.loc[ARMS[1:], "estimate"]) == pytest.approx(expected["firth"]["beta"], abs=1e-5)
    assert list(firth.loc[ARMS[1:], "se"]) == pytest.approx(expected["firth"]["se"], rel=1e-4)
    two = table[table["arm"].isin(["vehicle", "AB"])]
    two = two.assign(event=two["event"].where(two["arm"] != "AB", 0))
    result = compare_survival(two, "vehicle")
    assert result.cox is None
    [row] = result.firth.to_dict("records")
    stored = expected["firth_eventless"]
    assert (row["estimate"], row["se"]) == pytest.approx((stored["beta"][0], stored["se"][0]), rel=1e-4)
    assert row["statistic"] == pytest.approx(stored["gain"], rel=1e-8)


def test_penalized_intervals_and_p_values_never_contradict_each_other(table):
    """An end of the interval is where the likelihood ratio test has p = 0.05, also in an arm without an event."""
    empty = table.assign(event=table["event"].where(table["arm"] != "AB", 0))
    for times in (table, empty):
        firth = compare_survival(times, "vehicle").firth
        for arm, row in firth.iterrows():
            assert row["ci_low"] < row["hazard_ratio"] < row["ci_high"], arm
            assert (row["p_value"] < 0.05) == (row["ci_high"] < 1 or row["ci_low"] > 1), arm
    risks = RiskTable.of(*(empty[["time", "event"]].to_numpy().T), empty["arm"].map(ARMS.index).to_numpy(), 4,
                         np.zeros(len(empty)))  # fmt: skip
    fit = cox(risks, penalized=True)
    for end in profile_interval(risks, fit, 3, 3.841458820694124):
        assert penalized_gain(risks, fit, 3, end) == pytest.approx(3.841458820694124, abs=1e-4)


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path, expected):
    import shutil
    import subprocess

    for name in ("estimates.R", "times.csv"):
        shutil.copy(REFERENCE / name, tmp_path)
    subprocess.run([rscript, "estimates.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh = json.loads((tmp_path / "estimates.json").read_text())
    assert fresh["zph"] == pytest.approx(expected["zph"], rel=1e-7)
    assert fresh["incidence"] == expected["incidence"]


def test_agrees_with_r_on_published_studies(real_data):
    checked = 0
    for path in sorted((real_data / "reference").glob("surv_*.json")):
        oracle = json.loads(path.read_text())["oracle"]
        times = pd.DataFrame(oracle["data"])[["arm", "time", "event"]]
        result = compare_survival(times, oracle["levels"][0])
        for row in oracle.get("median_loglog", []):
            arm = row["arm"].removeprefix("arm=")
            assert result.median_intervals[arm] == pytest.approx((row["0.95LCL"], row["0.95UCL"])), (
                path.name,
                arm,
            )
            checked += 1
        if oracle.get("cox_zph") and result.proportionality:
            told = next(row for row in oracle["cox_zph"] if row["term"] == "GLOBAL")
            assert result.proportionality["chisq"] == pytest.approx(told["chisq"], rel=1e-6)
    assert checked > 10


# By law


def test_swapping_arms_turns_the_signs(table):
    two = table[table["arm"].isin(["vehicle", "A"])]
    one, other = compare_survival(two, "vehicle"), compare_survival(two, "A")
    assert one.firth.loc["A", "estimate"] == pytest.approx(-other.firth.loc["vehicle", "estimate"], abs=1e-8)
    gains = [restricted_means(two, control).set_index("arm")["gain"] for control in ("vehicle", "A")]
    assert gains[0]["A"] == pytest.approx(-gains[1]["vehicle"])
    assert exact_log_rank(two, "A", "vehicle", seed=4).statistic == pytest.approx(
        -exact_log_rank(two, "vehicle", "A", seed=4).statistic
    )


def test_incidence_of_all_causes_is_what_the_curve_lost(table):
    mine = table[table["arm"] == "AB"]
    incidence = competing_incidence(mine)["percent"].sum()
    lost = (
        1 - kaplan_meier(mine["time"].to_numpy(float), (mine["cause"] != "censored").to_numpy(int)).free[-1]
    )
    assert incidence == pytest.approx(100 * lost)


def test_drawn_arrangements_hang_on_the_seed_alone(table):
    one, again = (exact_log_rank(table, "AB", "vehicle", seed=7).p_value for _ in range(2))
    assert one == again
    assert not exact_log_rank(table, "AB", "vehicle", seed=7).exhaustive


# By refusal


def test_without_an_event_there_is_no_test_and_a_reason():
    result = compare_survival(pair([(5, 0), (7, 0)], [(6, 0)]), "V")
    assert (result.logrank.chisq, result.logrank.p_value) == (None, None)
    assert "no mouse had the event" in result.logrank.reason
    assert result.firth is None


def test_one_arm_has_no_test_and_no_negative_degrees_of_freedom():
    result = compare_survival(pair([(5, 1), (7, 1)], []), "V")
    assert (result.logrank.df, result.logrank.p_value) == (0, None)
    assert result.logrank.reason


def test_mice_never_at_risk_together_cannot_be_compared():
    table = pair([(1, 1)], [(5, 1)]).assign(pdx_model=["a", "b"])
    result = compare_survival(table, "V", "pdx_model")
    assert result.logrank.p_value is None
    assert exact_log_rank(table, "T", "V", "pdx_model").p_value is None


def test_separated_arms_still_have_a_penalized_ratio():
    result = compare_survival(pair([(i, 1) for i in (1, 2, 3)], [(i, 1) for i in (10, 11, 12)]), "V")
    assert result.cox is None
    row = result.firth.loc["T"]
    assert row["hazard_ratio"] < 0.2
    assert 0.001 < row["p_value"] < 0.1


def test_shares_of_many_mice_have_no_standard_errors(monkeypatch):
    time, cause = np.array([1.0, 2, 3, 4]), np.array(["e", "t", "e", "t"])
    monkeypatch.setattr("studies.analysis.kaplan_meier.MOST_MICE_FOR_INTERVALS", 4)
    assert cumulative_incidence(time, cause).se is not None
    monkeypatch.setattr("studies.analysis.kaplan_meier.MOST_MICE_FOR_INTERVALS", 3)
    few = cumulative_incidence(time, cause)
    assert few.se is None
    assert list(few.share["e"]) == pytest.approx([1 / 4, 1 / 4, 1 / 2, 1 / 2])


def test_limits_of_a_curve_that_fell_to_0_are_not_known_there():
    curve = kaplan_meier(np.array([1.0, 2, 3]), np.array([1, 1, 1]))
    assert list(curve.free) == pytest.approx([2 / 3, 1 / 3, 0])
    assert np.isnan(curve.ci_low[-1])
    assert np.isnan(curve.ci_high[-1])
    assert not np.isnan(curve.ci_low[:-1]).any()


def test_a_gain_over_an_arm_that_did_not_vary_has_no_p():
    late = pair([(5, 1), (8, 1), (12, 0)], [(20, 0), (20, 0)])
    row = restricted_means(late, "V").set_index("arm").loc["T"]
    assert (row["rmst_days"], row["se"]) == (12, 0)
    assert row["gain"] == pytest.approx(12 - (5 + 3 * 2 / 3 + 4 / 3))
    assert row[["gain_se", "p_value", "ci_low", "ci_high"]].isna().all()
    both = restricted_means(pair([(5, 1), (8, 1), (12, 0)], [(7, 1), (20, 0)]), "V").set_index("arm").loc["T"]
    assert 0 < both["p_value"] < 1


def test_drawn_arrangements_count_the_one_seen(table):
    test = exact_log_rank(table, "AB", "vehicle", seed=7)
    assert (test.arrangements, test.smallest_p) == (9999, None)
    assert (test.p_value * 10_000) == pytest.approx(round(test.p_value * 10_000))
    assert test.p_value >= 1 / 10_000


def test_fewer_events_than_expected_lie_below_0_and_two_mice_have_an_error():
    slow = pair([(1, 1), (2, 1), (3, 1)], [(8, 1), (9, 1)])
    assert exact_log_rank(slow, "T", "V").statistic < 0
    assert exact_log_rank(slow, "V", "T").statistic > 0
    share = competing_incidence(slow.assign(cause=["threshold", "toxicity"] * 2 + ["threshold"]))
    assert share.loc[share["arm"] == "T", "se_percent"].notna().all()
