"""Tests on one day and of whole curves: by hand, against R and SciPy, by law, by refusal."""

import json
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from studies.analysis import AnalysisError, analyze_study, endpoint_tests, normalize_table, permutation
from studies.analysis.curves import curves_of
from studies.analysis.endpoint_tests import (
    _grid,
    compare_curves,
    curve_rows,
    dunn,
    dunnett,
    endpoint_rows,
    games_howell,
    kruskal_wallis,
    range_quantiles,
    welch_anova,
    worst_rank_rows,
)
from studies.analysis.plan import resolve_plan
from tests.analysis.builders import curve, together

REFERENCE = Path(__file__).parent.parent / "reference" / "endpoint"


@pytest.fixture(scope="module")
def expected() -> dict:
    return json.loads((REFERENCE / "endpoint.json").read_text())


@pytest.fixture(scope="module")
def volumes() -> dict[str, np.ndarray]:
    table = pd.read_csv(REFERENCE / "endpoint.csv")
    return {arm: group["volume_mm3"].to_numpy(float) for arm, group in table.groupby("arm", sort=False)}


@pytest.fixture(scope="module")
def logs(volumes) -> dict[str, np.ndarray]:
    return {arm: np.log(values) for arm, values in volumes.items()}


def statistic(grid: np.ndarray, treated: np.ndarray) -> float:
    """compareGrowthCurves' statistic in plain loops."""
    ts, weights = [], []
    for day in grid.T:
        one, other = day[treated & ~np.isnan(day)], day[~treated & ~np.isnan(day)]
        n = len(one) + len(other)
        if len(one) and len(other) and n > 2:
            ts.append(scipy.stats.ttest_ind(one, other).statistic)
            weights.append((n - 2) / n)
    return float(np.average(ts, weights=weights))


def growing(n: int = 4, days: int = 5) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    grid = draw.normal(0, 0.3, (2 * n, days)) + np.arange(days) * 0.3
    treated = np.arange(2 * n) < n
    grid[treated] -= np.arange(days) * 0.2
    grid[0, 3:] = np.nan
    return grid, treated


# By hand


def test_curves_are_compared_by_enumerating_every_arrangement():
    grid, treated = growing(3)
    seen = abs(statistic(grid, treated))
    as_far = []
    for chosen in combinations(range(6), 3):
        labels = np.isin(np.arange(6), chosen)
        as_far.append(abs(statistic(grid, labels)) >= seen - 1e-9)
    result = compare_curves(grid, treated, np.zeros(6), 0)
    assert result.statistic == pytest.approx(statistic(grid, treated))
    assert (result.p_value, result.arrangements) == (pytest.approx(np.mean(as_far)), 20)
    assert result.smallest_p == 0.1


def test_arms_are_exchanged_within_blocks_only():
    grid, treated = growing(4)
    block = np.tile([0, 1, 2, 3], 2)
    assert compare_curves(grid, treated, block, 0).arrangements == 2**4


def test_a_study_has_the_tests_of_its_day():
    mice = [
        curve(f"{arm}{i}", arm, {0: 100, 7: 150 + 11 * i, 14: end + 17 * i * i})
        for arm, end in (("V", 600), ("T", 250)) for i in range(4)
    ]  # fmt: skip
    result = analyze_study(together(*mice), {"control": "V"}).to_dict()
    [day] = result["endpoint_tests"]
    assert (day["day"], day["n"]) == (14, {"V": 4, "T": 4})
    assert day["welch"]["p_value"] < 0.01
    [test] = result["permutation_tests"]
    assert (test["arrangements"], test["exhaustive"], test["p_adjusted"]) == (70, True, test["p_value"])


# Against R and SciPy


def test_agrees_with_r(expected, logs, volumes):
    welch = welch_anova(list(logs.values()))
    told = expected["welch"]
    assert [welch[name] for name in ("statistic", "df1", "df2")] == pytest.approx(
        [told[name] for name in ("statistic", "df1", "df2")], rel=1e-10
    )
    assert welch["p_value"] == pytest.approx(told["p"], rel=1e-8)
    for mine, row in zip(games_howell(logs), expected["games"], strict=True):
        assert (mine["arm"], mine["control"]) == (row["arm"], row["control"])
        assert [mine[name] for name in ("estimate", "se", "df")] == pytest.approx(
            [row[name] for name in ("estimate", "se", "df")], rel=1e-10
        )
        assert mine["p_adjusted"] == pytest.approx(row["p"], rel=1e-5, abs=1e-8)
        assert (mine["ci_high"] - mine["ci_low"]) / 2 == pytest.approx(row["half"], rel=1e-5)
        assert (mine["ci_high"] + mine["ci_low"]) / 2 == pytest.approx(row["estimate"])
    for mine, row in zip(dunnett(logs, "vehicle"), expected["dunnett"], strict=True):
        assert [mine[name] for name in ("estimate", "se", "p_value")] == pytest.approx(
            [row[name] for name in ("estimate", "se", "p")], rel=1e-9
        )
        assert mine["p_adjusted"] == pytest.approx(row["adjusted"], rel=1e-3, abs=1e-6)
    kruskal = kruskal_wallis(list(volumes.values()))
    assert kruskal["statistic"] == pytest.approx(expected["kruskal"]["statistic"], rel=1e-10)
    assert kruskal["p_value"] == pytest.approx(expected["kruskal"]["p"], rel=1e-9)
    for mine, row in zip(dunn(volumes, "vehicle"), expected["dunn"], strict=True):
        assert (mine["p_value"], mine["p_adjusted"]) == pytest.approx((row["p"], row["adjusted"]), rel=1e-9)


def test_dunnett_agrees_with_scipy(logs):
    samples = [logs[arm] for arm in ("A", "B", "AB")]
    theirs = scipy.stats.dunnett(*samples, control=logs["vehicle"], rng=np.random.default_rng(1)).pvalue
    assert [row["p_adjusted"] for row in dunnett(logs, "vehicle")] == pytest.approx(list(theirs), abs=2e-4)


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path, expected):
    for name in ("endpoint.R", "endpoint.csv"):
        shutil.copy(REFERENCE / name, tmp_path)
    subprocess.run([rscript, "endpoint.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh = json.loads((tmp_path / "endpoint.json").read_text())
    for name in ("welch", "games", "kruskal", "dunn"):
        assert fresh[name] == expected[name]


# By law


def test_units_cancel(volumes, logs):
    moved = {arm: values + np.log(1000) for arm, values in logs.items()}
    assert welch_anova(list(moved.values()))["p_value"] == pytest.approx(
        welch_anova(list(logs.values()))["p_value"]
    )
    assert kruskal_wallis([values * 7 for values in volumes.values()]) == kruskal_wallis(
        list(volumes.values())
    )


def test_swapping_arms_turns_the_statistic():
    grid, treated = growing()
    one, other = compare_curves(grid, treated, np.zeros(8), 0), compare_curves(grid, ~treated, np.zeros(8), 0)
    assert one.statistic == pytest.approx(-other.statistic)
    assert one.p_value == other.p_value


def test_exchanged_arms_keep_their_size():
    """Under no difference p is at most 5 % in at most 5 % of studies, here of 200 of four against four."""
    draw = np.random.default_rng(2)
    treated = np.arange(8) < 4
    p = [compare_curves(draw.normal(size=(8, 4)), treated, np.zeros(8), 0).p_value for _ in range(200)]
    assert np.mean(np.array(p) <= 0.05) <= 0.085


# By refusal


def test_readings_of_0_leave_the_ranks():
    mice = [curve(f"{arm}{i}", arm, {0: 100, 14: (0 if arm == "T" and i == 0 else 300 + 40 * i)})
            for arm in "VT" for i in range(3)]  # fmt: skip
    [day] = analyze_study(together(*mice), {"control": "V", "day": 14}).to_dict()["endpoint_tests"]
    assert "no logarithm" in day["reason"]
    assert day["welch"] is None
    assert day["kruskal"]["p_value"] is not None


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        ([[1.0, 2.0]], "two arms"),
        ([[1.0], [2.0, 3.0]], "2 mice"),
        ([[1.0, 1.0], [2.0, 3.0]], "same value"),
    ],
)
def test_too_little_to_compare_is_refused(samples, reason):
    with pytest.raises(AnalysisError, match=reason):
        welch_anova([np.array(values) for values in samples])


def test_all_alike_have_no_ranks():
    with pytest.raises(AnalysisError, match="same value"):
        kruskal_wallis([np.ones(3), np.ones(3)])
    with pytest.raises(AnalysisError, match="control"):
        dunnett({"A": np.array([1.0, 2.0])}, "V")


# Culled mice as the worst


def culled_controls() -> pd.DataFrame:
    """Four controls, two of them culled for size (day 7 and 14) before day 21; four treated, one found dead."""
    end = {"v0": 900.0, "v1": 1000.0, "t0": 300.0, "t1": 500.0, "t2": 950.0}
    mice = [
        curve(name, "vehicle" if name[0] == "v" else "drug", {0: 200, 7: 220, 21: last})
        for name, last in end.items()
    ]
    mice.append(curve("v2", "vehicle", {0: 200, 7: 1500}, exit_reason="tumor_size"))
    mice.append(curve("v3", "vehicle", {0: 200, 7: 700, 14: 1600}, exit_reason="ulceration"))
    mice.append(curve("t3", "drug", {0: 200, 7: 210}, exit_reason="found_dead"))
    return together(*mice)


def worst_ranks(table: pd.DataFrame) -> dict:
    [row] = analyze_study(table, {"control": "vehicle", "day": 21, "window": [0, 21]}).to_dict()[
        "endpoint_tests"
    ]
    [found] = row["worst_rank"]
    return found


def test_culled_mice_rank_behind_all_others_and_the_sooner_the_worse():
    """By hand, best first: t0 300, t1 500, v0 900, t2 950, v1 1000, v3 (day 14), v2 (day 7): 11 of 12 pairs."""
    row = worst_ranks(culled_controls())
    assert (row["n"], row["n_culled"], row["n_control"], row["n_culled_control"]) == (3, 0, 4, 2)
    assert row["better"] == pytest.approx(11 / 12)
    expected = scipy.stats.mannwhitneyu([1, 2, 4], [3, 5, 6, 7], method="exact")
    assert row["p_value"] == pytest.approx(expected.pvalue)
    assert row["arrangements"] == 35


def test_volumes_of_the_culled_do_not_matter_but_their_days_do():
    table = culled_controls()
    larger = table.assign(
        volume_mm3=table["volume_mm3"].where(table["mouse"] != "v2", table["volume_mm3"] * 3)
    )
    assert worst_ranks(larger) == worst_ranks(table)


def test_swapping_arms_turns_the_share_of_better_pairs():
    table = culled_controls()
    swapped = table.assign(arm=table["arm"].map({"vehicle": "drug", "drug": "vehicle"}))
    assert worst_ranks(swapped)["better"] == pytest.approx(1 - worst_ranks(table)["better"])
    assert worst_ranks(swapped)["p_value"] == pytest.approx(worst_ranks(table)["p_value"])


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999, 0.9999])
def test_the_range_of_two_means_is_student_s_t_out_to_the_ends(level):
    """Of two means it is sqrt(2) |t|, which also holds where two mice an arm leave one degree of freedom."""
    df = np.array([1.5, 2, 3, 5, 10, 30, 200, 1e4])
    exact = np.sqrt(2) * scipy.stats.t.ppf(0.5 + level / 2, df)
    assert range_quantiles(level, 2, df) == pytest.approx(exact, rel=1e-6)


def test_the_range_of_more_means_is_scipy_s():
    """studentized_range.ppf of SciPy 1.17, by another quadrature."""
    for level, k, df, value in ((0.95, 4, 2.0, 9.798045034631867), (0.99, 20, 5.0, 11.93177159253078)):
        assert range_quantiles(level, k, np.array([df])) == pytest.approx([value], rel=1e-8)


def test_a_search_that_does_not_end_is_refused_not_reported():
    with pytest.raises(
        AnalysisError, match=r"no interval of 50 arms compared pair by pair .* at 99.99 % confidence"
    ):
        range_quantiles(0.9999, 50, np.array([1.0, 1e4]))


def test_ranks_of_one_arm_or_of_an_empty_one_are_refused():
    for samples in ([np.array([1.0, 2.0])], [np.array([1.0, 2.0]), np.zeros(0)]):
        with pytest.raises(AnalysisError, match="ranks need at least two arms, each with a mouse"):
            kruskal_wallis(samples)


def test_ties_are_corrected_for_as_scipy_does():
    samples = [np.array([1.0, 2, 2, 3]), np.array([2.0, 3, 3]), np.array([4.0])]
    expected = scipy.stats.kruskal(*samples)
    found = kruskal_wallis(samples)
    assert (found["statistic"], found["p_value"]) == pytest.approx((expected.statistic, expected.pvalue))
    rows = dunn({"V": samples[0], "A": samples[1]}, "V")
    ranks, ties = scipy.stats.rankdata([1.0, 2, 2, 3, 2, 3, 3]), 1 - (3**3 - 3 + 3**3 - 3) / (7**3 - 7)
    assert rows[0]["estimate"] == pytest.approx(ranks[4:].mean() - ranks[:4].mean())
    assert rows[0]["se"] == pytest.approx((7 * 8 / 12 * ties * (1 / 3 + 1 / 4)) ** 0.5)


def test_a_day_on_which_all_are_alike_adds_no_difference():
    grid, treated = growing(3, 2)
    alike = np.column_stack([np.full(6, 5.0), grid])
    assert compare_curves(alike, treated, np.zeros(6), 0).statistic == pytest.approx(
        statistic(grid, treated) * 2 / 3
    )


def permuted(table: pd.DataFrame, **plan: object) -> list[dict]:
    normalized = normalize_table(table)
    return curve_rows(
        normalized.frame, resolve_plan(normalized, {"control": "V", "day": 7, "window": [0, 7], **plan})
    )


def test_curves_are_exchanged_within_the_plan_s_blocks():
    table = together(*(
        curve(f"{arm}{i}", arm, {0: 100, 7: 150 + 10 * i + (0 if arm == "V" else 37)}, block=str(i % 2))
        for arm in ("V", "T") for i in range(4)
    ))  # fmt: skip
    assert [row["arrangements"] for row in permuted(table)] == [6 * 6]
    assert [row["arrangements"] for row in permuted(table, blocks=[])] == [70]
    assert [row["arrangements"] for row in permuted(table, blocks=["pdx_model"])] == [70]
    assert permuted(table.assign(pdx_model=table["arm"])) == [], "no PDX model holds both arms"


def test_a_curve_that_touches_0_is_compared_on_its_other_days():
    grid = _grid(curves_of(together(curve("1", "V", {0: 1, 7: 0}), curve("2", "V", {7: np.e}))))
    assert grid == pytest.approx(np.array([[0, np.nan], [np.nan, 1]]), nan_ok=True)


def test_two_mice_an_arm_are_tested_and_one_is_not():
    def of_day(treated: int) -> dict:
        table = together(
            *(curve(f"V{i}", "V", {0: 100, 7: 300 + 10 * i}) for i in range(2)),
            *(curve(f"T{i}", "T", {0: 100, 7: 200 + 10 * i}) for i in range(treated)),
        )
        normalized = normalize_table(table)
        plan = resolve_plan(normalized, {"control": "V", "day": 7, "alpha": 0.1})
        [row] = endpoint_rows(curves_of(normalized), plan)
        return row

    two, one = of_day(2), of_day(1)
    assert two["reason"] is None
    [pair] = two["games_howell"]
    half = scipy.stats.t.ppf(0.95, pair["df"]) * pair["se"]
    assert (pair["ci_low"], pair["ci_high"]) == pytest.approx(
        (pair["estimate"] - half, pair["estimate"] + half), rel=1e-5
    )
    assert len(two["worst_rank"]) == 1
    assert one["reason"] == "fewer than two arms, the control among them, have two mice on this day"
    assert (one["n"], one["worst_rank"]) == ({"V": 2, "T": 1}, [])


def test_a_mouse_culled_the_day_before_is_worse_than_the_largest():
    table = together(
        *(curve(f"V{i}", "V", {0: 100, 20.5: 880}, exit_reason="tumor_size") for i in range(2)),
        *(curve(f"T{i}", "T", {0: 100, 21: 900 - i}) for i in range(2)),
    )
    normalized = normalize_table(table)
    curves = curves_of(normalized)
    volume = np.where(curves.last_day == 21, curves.volume_mm3[curves.ends - 1], np.nan)
    [row] = worst_rank_rows(volume, curves, resolve_plan(normalized, {"control": "V", "day": 21}))
    assert (row["n"], row["n_culled"], row["n_culled_control"], row["better"]) == (2, 0, 2, 1)


@pytest.mark.parametrize("lost", [[0, 1, 2], [3, 4, 5]])
def test_a_day_on_which_an_arm_has_no_mouse_adds_nothing(lost):
    grid = np.array([[1.0, 2], [1.5, 2.2], [1.1, 2.1], [3, 4], [3.2, 5], [3.5, 4.4]])
    treated, block = np.array([True, True, True, False, False, False]), np.zeros(6)
    first = compare_curves(grid[:, :1], treated, block, 1).statistic
    grid[lost, 1] = np.nan
    assert compare_curves(grid, treated, block, 1).statistic == pytest.approx(first)


def test_up_to_so_many_models_are_tested_one_by_one(monkeypatch):
    table = together(*(
        curve(f"{model} {arm}{i}", arm, {0: 100, 7: 200 + 10 * i}, pdx_model=model)
        for model in ("P1", "P2") for arm in "VT" for i in range(2)
    ))  # fmt: skip
    normalized = normalize_table(table)
    curves, plan = curves_of(normalized), resolve_plan(normalized, {"control": "V", "day": 7})
    monkeypatch.setattr(endpoint_tests, "MOST_MODELS", 2)
    assert [row["pdx_model"] for row in endpoint_rows(curves, plan)] == ["P1", "P2"]
    monkeypatch.setattr(endpoint_tests, "MOST_MODELS", 1)
    assert endpoint_rows(curves, plan) == []


def test_up_to_so_many_arrangements_every_one_is_looked_at(monkeypatch):
    grid, treated = np.array([[1.0], [1.5], [3], [3.2]]), np.array([True, True, False, False])
    monkeypatch.setattr(permutation, "MOST_EXHAUSTIVE", 6)
    found = compare_curves(grid, treated, np.zeros(4), 1)
    assert (found.exhaustive, found.arrangements, found.p_value) == (True, 6, pytest.approx(2 / 6))
    monkeypatch.setattr(permutation, "MOST_EXHAUSTIVE", 5)
    drawn = compare_curves(grid, treated, np.zeros(4), 1)
    assert (drawn.exhaustive, drawn.arrangements) == (False, 9999)
