"""Events known only to lie between two visits: by hand, against R, by law, and in a study's rows."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import analyze_study, time_to_event
from studies.analysis.interval_censored import interval_log_rank, scores, turnbull
from studies.analysis.kaplan_meier import kaplan_meier
from studies.analysis.survival import exact_log_rank
from tests.analysis.builders import curve, exponential, together

FOLDER = Path(__file__).parent.parent / "reference" / "survival"
NEVER = np.inf


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((FOLDER / "intervals.json").read_text())


@pytest.fixture(scope="module")
def table(expected) -> pd.DataFrame:
    by = [NEVER if day is None else day for day in expected["by"]]
    return pd.read_csv(FOLDER / "times.csv").assign(
        after=np.array(expected["after"], float), by=np.array(by, float)
    )


def lived(after: list[float], by: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(after, float), np.array(by, float)


def log_likelihood(after: np.ndarray, by: np.ndarray) -> float:
    found = turnbull(after, by)
    total = np.append(0.0, np.cumsum(found.mass))
    return float(np.log(total[found.last + 1] - total[found.first]).sum())


# By hand


def test_mice_read_on_shared_days_are_counted():
    """(0, 7] twice, (7, 14] once, one still free at 14: half free after 7, a quarter after 14."""
    found = turnbull(*lived([0, 0, 7, 14], [7, 7, 14, NEVER]))
    assert list(found.after) == [0, 7, 14]
    assert list(found.free) == pytest.approx([0.5, 0.25, 0.0])
    assert found.median == (0, 7)


def test_overlapping_intervals_share_their_overlap():
    """(0, 10], (5, 15], (12, 20]: all the chance lies in (5, 10] and (12, 15]."""
    found = turnbull(*lived([0, 5, 12], [10, 15, 20]))
    assert list(zip(found.after, found.by, strict=True)) == [(5, 10), (12, 15)]
    assert list(found.mass) == pytest.approx([0.5, 0.5], abs=1e-6)  # p (p + q) q has its maximum where p = q


def test_an_event_on_a_visit_day_comes_before_a_mouse_leaves_on_it():
    found = turnbull(*lived([7, 7], [7, NEVER]))
    assert list(found.mass) == pytest.approx([0.5, 0.5])


def test_a_curve_that_stays_above_one_half_has_no_median():
    assert turnbull(*lived([0, 14, 14], [7, NEVER, NEVER])).median == (None, None)


# Against R


def test_curves_agree_with_r_to_its_own_tolerance(table, expected):
    for arm, free in expected["free"].items():
        mine = table[table["arm"] == arm]
        found = turnbull(mine["after"].to_numpy(), mine["by"].to_numpy())
        # R steps in the middle of an interval
        middle = (found.after + np.where(np.isfinite(found.by), found.by, np.inf)) / 2
        steps = np.append(1.0, found.free)
        at = np.searchsorted(middle, expected["days"], side="right")
        assert list(steps[at]) == pytest.approx(free, abs=2e-3)


def test_the_score_is_that_of_a_complementary_log_log_model(table, expected):
    for arm, score in expected["scores"].items():
        mine = table[table["arm"].isin(["vehicle", arm]) & (table["pdx_model"] != "M3")]
        stratum = pd.factorize(mine["pdx_model"])[0]
        found = interval_log_rank(
            mine["after"].to_numpy(), mine["by"].to_numpy(), (mine["arm"] == arm).to_numpy(), stratum, 1
        )
        assert found.statistic == pytest.approx(-score, rel=1e-6) or found.statistic == pytest.approx(
            score, rel=1e-6
        )


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path, expected):
    for name in ("intervals.R", "times.csv"):
        shutil.copy(FOLDER / name, tmp_path)
    subprocess.run([rscript, "intervals.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh = json.loads((tmp_path / "intervals.json").read_text())
    assert fresh["scores"] == pytest.approx(expected["scores"], rel=1e-7)


# By law


def test_no_other_curve_is_likelier(table):
    mine = table[table["arm"] == "A"]
    after, by = mine["after"].to_numpy(), mine["by"].to_numpy()
    found, best = turnbull(after, by), log_likelihood(after, by)
    random = np.random.default_rng(1)
    for _ in range(50):
        mass = found.mass * np.exp(random.normal(0, 0.05, len(found.mass)))
        total = np.append(0.0, np.cumsum(mass / mass.sum()))
        assert np.log(total[found.last + 1] - total[found.first]).sum() <= best + 1e-9


def test_scores_sum_to_nothing_and_early_events_score_high(table):
    found = scores(turnbull(table["after"].to_numpy(), table["by"].to_numpy()))
    assert found.sum() == pytest.approx(0, abs=1e-5)
    assert found[table["by"].argmin()] > found[table["after"].argmax()]


def test_known_days_give_the_kaplan_meier_curve():
    time, event = np.array([2.0, 4, 4, 5, 7]), np.array([1, 1, 0, 1, 0])
    found, known = turnbull(time, np.where(event == 1, time, NEVER)), kaplan_meier(time, event)
    assert list(found.free[: len(known.free)]) == pytest.approx(list(known.free))


def test_days_apart_by_an_hour_give_the_log_rank_test_of_known_days():
    """The finer the visits the nearer: the same p, from the same arrangements, on twelve mice."""
    random = np.random.default_rng(3)
    time = np.sort(random.exponential(20, 12)).round(3) + np.arange(12) * 0.01
    arm = np.array(["V", "T"] * 6)
    fine = interval_log_rank(time - 0.001, time, arm == "T", np.zeros(12), 1)
    times = pd.DataFrame({"arm": arm, "time": time, "event": 1})
    assert fine.p_value == pytest.approx(exact_log_rank(times, "T", "V").p_value, abs=0.06)


def test_many_mice_take_the_normal_law(monkeypatch, table):
    import studies.analysis.interval_censored as module

    two = table[table["arm"].isin(["vehicle", "A"])]
    asked = (
        two["after"].to_numpy(),
        two["by"].to_numpy(),
        (two["arm"] == "A").to_numpy(),
        np.zeros(len(two)),
        1,
    )
    exchanged = interval_log_rank(*asked)
    monkeypatch.setattr(module, "MOST_MICE_EXCHANGED", 1)
    assert interval_log_rank(*asked).p_value == pytest.approx(exchanged.p_value, abs=0.03)


# In a study


def doubling() -> pd.DataFrame:
    days = [0, 4, 7, 11, 14, 18]
    mice = [curve(f"v{i}", "vehicle", exponential(0.1 + i / 100, days)) for i in range(4)]
    mice += [curve(f"t{i}", "drug", exponential(0.05 + i / 100, days)) for i in range(3)]
    mice.append(curve("t3", "drug", exponential(0.01, days)))
    return together(*mice)


def test_an_event_lies_between_the_visits_around_it():
    """0.1 a day doubles at day 6.9, between the visits of day 4 and 7; 0.01 does not in 18 days."""
    times = time_to_event(doubling(), fold=2).set_index("mouse")
    assert tuple(times.loc["v0", ["time", "after_day", "by_day"]]) == pytest.approx((np.log(2) / 0.1, 4, 7))
    assert times.loc["t3", "after_day"] == 18
    assert np.isnan(times.loc["t3", "by_day"])


def test_a_cull_is_an_event_of_a_known_day_and_a_tumor_large_at_the_start_one_of_day_0():
    table = doubling()
    table = table[(table["mouse"] != "v0") | (table["day"] <= 4)]
    table["exit_reason"] = np.where(table["mouse"] == "v0", "tumor_size", "")
    times = time_to_event(table, fold=4).set_index("mouse")
    assert tuple(times.loc["v0", ["time", "event", "after_day", "by_day"]]) == (4, 1, 4, 4)
    large = time_to_event(doubling(), volume_mm3=150).set_index("mouse")
    assert tuple(large.loc["v0", ["after_day", "by_day"]]) == (0, 0)


def test_the_study_prints_the_median_s_interval_and_a_test():
    [row] = [
        one for one in analyze_study(doubling(), {"control": "vehicle", "endpoint": {"fold": 2}}).to_dict()["survival"]
        if one["scope"] == "study"
    ]  # fmt: skip
    found = {one["arm"]: one for one in row["interval_censored"]}
    vehicle, drug = found["vehicle"], found["drug"]
    assert (vehicle["median_after"], vehicle["median_by"], vehicle["p_value"]) == (4, 7, None)
    assert vehicle["median_after"] < row["medians"]["vehicle"] <= vehicle["median_by"]
    assert drug["control"] == "vehicle"
    assert drug["arrangements"] == 70
    assert drug["smallest_p"] <= drug["p_value"] <= 0.1
    assert drug["statistic"] < 0  # fewer events than expected


def test_every_step_makes_the_curve_likelier(monkeypatch, table):
    mine = table[table["arm"] == "A"]
    after, by = mine["after"].to_numpy(), mine["by"].to_numpy()
    reached = []
    for steps in (1, 4, 16):
        monkeypatch.setattr("studies.analysis.interval_censored.MOST_STEPS", steps)
        found = turnbull(after, by)
        total = np.append(0.0, np.cumsum(found.mass))
        assert total[-1] == pytest.approx(1)
        reached.append(np.log(total[found.last + 1] - total[found.first]).sum())
    assert reached[0] < reached[1] < reached[2] <= log_likelihood(after, by) + 1e-9


def test_mice_of_one_interval_differ_in_nothing_to_test(monkeypatch):
    monkeypatch.setattr("studies.analysis.interval_censored.MOST_MICE_EXCHANGED", 1)
    treated = np.array([True, True, False, False])
    found = interval_log_rank(np.zeros(4), np.full(4, 7.0), treated, np.zeros(4), 1)
    assert (found.statistic, found.p_value) == (0, None)
