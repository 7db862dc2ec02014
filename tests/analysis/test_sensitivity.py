"""Sensitivity rows and the estimands a plan may declare."""

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from math import exp
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from studies.analysis import (
    AnalysisError,
    analyze_study,
    fit_lmm,
    growth_shapes,
    normalize_table,
    sensitivity,
)
from studies.analysis.growth_models import BELOW_LIMIT, GrowthData, GrowthFit, fit_primary, growth_data
from studies.analysis.leaving import early_exits, with_visits_after_culls
from studies.analysis.plan import resolve_plan
from studies.analysis.sensitivity import Asked, NotApplicableError, with_values
from studies.analysis.tobit import ABOVE
from tests.analysis.builders import curve, exponential, together

FOLDER = Path(__file__).parent.parent / "reference" / "inference"
REFERENCE = json.loads((FOLDER / "study.json").read_text())
SHAPES = json.loads((FOLDER / "shapes.json").read_text())
PLAN = {"control": "vehicle", "window": [0, 17], "day": 17}


def one_model() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "study.csv").query("pdx_model == 'PDX-1'")


def several_models() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "study.csv").query("pdx_model in ['PDX-1', 'PDX-2']")


@cache
def analyzed() -> dict:
    return analyze_study(one_model(), PLAN).to_dict()


def rows(variant: str, result: dict | None = None) -> dict[str, dict]:
    found = [row for row in (result or analyzed())["sensitivity"] if row["variant"].startswith(variant)]
    assert found, f"no variant {variant}"
    return {row["arm"]: row for row in found}


def test_the_first_rows_are_the_primary_fit():
    expected = REFERENCE["m1"]["effects"]
    assert {arm: row["estimate"] for arm, row in rows("primary").items()} == pytest.approx(
        {arm: effect["estimate"] for arm, effect in expected.items()}, rel=1e-5
    )


def test_two_stage_is_welch_on_rates():
    table = one_model().query("day <= 17")
    rates = {
        arm: [
            np.polyfit(mouse["day"], np.log(mouse["volume_mm3"]), 1)[0] for _, mouse in part.groupby("mouse")
        ]
        for arm, part in table.groupby("arm")
    }
    expected = stats.ttest_ind(rates["A"], rates["vehicle"], equal_var=False)
    row = rows("growth rates of single mice, Welch")["A"]
    assert (row["p_value"], row["df"]) == pytest.approx((expected.pvalue, expected.df), rel=1e-8)
    interval = expected.confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high), rel=1e-8)


@pytest.mark.parametrize(
    ("variant", "shape"),
    [
        ("curved growth by a spline", "spline"),
        ("every day a mean", "days"),
        ("relative volumes", "through_origin"),
    ],
)
def test_other_shapes_of_growth_agree_with_lme4(variant, shape):
    found = rows(variant)
    assert set(found) == set(SHAPES[shape])
    for arm, expected in SHAPES[shape].items():
        mine = {name: found[arm][name] for name in expected}
        assert mine == pytest.approx(expected, rel=2e-6)


@pytest.mark.reference
def test_r_still_gives_the_shapes(rscript, tmp_path):
    for name in ("shapes.R", "study.csv"):
        shutil.copy(FOLDER / name, tmp_path)
    subprocess.run([rscript, "shapes.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh = json.loads((tmp_path / "shapes.json").read_text())
    assert fresh["spline"]["A"] == pytest.approx(SHAPES["spline"]["A"], rel=1e-4)


def test_shapes_agree_with_each_other_where_growth_is_straight():
    """Curves without bend or noise of their own shape: every eGaIT is the slope."""
    result = analyze_study(bent(0), {"control": "vehicle"}).to_dict()
    for variant in ("primary", "curved growth, eGaIT", "curved growth by a spline", "every day a mean"):
        assert rows(variant, result)["drug"]["estimate"] == pytest.approx(-0.04, abs=0.002)


def test_a_bend_is_seen_by_every_curved_row():
    result = analyze_study(bent(0.001), {"control": "vehicle"}).to_dict()
    for variant in ("curved growth, eGaIT", "curved growth by a spline", "every day a mean"):
        expected = -0.04 + 2 / 3 * 20 * 0.001
        assert rows(variant, result)["drug"]["estimate"] == pytest.approx(expected, abs=0.002)


def test_few_days_take_no_spline():
    result = analyze_study(one_model().query("day in [0, 7, 14, 17]"), PLAN).to_dict()
    assert rows("curved growth by a spline", result)[None]["note"].startswith("4 days in the window")


def test_shapes_of_too_few_days_too_many_columns_or_arms_are_refused_with_the_count():
    few = rows("every day a mean of its own", analyze_study(one_model(), {**PLAN, "day": 3}).to_dict())
    assert few[None]["note"] == "all arms were read on 2 days to day 3: 3 to 30 can have means of their own"
    arms = [
        curve(
            f"{arm} {i}",
            arm,
            {day: exp(5 + day / 20 + np.sin(7 * i * day + ord(arm)) / 9) for day in range(20)},
        )
        for arm in "vABCDEFGHIJKL"
        for i in range(2)
    ]
    many = analyze_study(together(*arms), {"control": "v", "window": [0, 19], "day": 19}).to_dict()
    assert rows("every day a mean of its own", many)[None]["note"] == "260 fixed effects, of 120 at most"
    assert rows("residual spread of each arm its own", many)[None]["note"] == "not fitted above 12 arms"


def test_a_mouse_without_a_first_reading_has_no_relative_volume():
    table = one_model()
    table = table[(table["mouse"] != "PDX-1 A 1") | (table["day"] > 0)]
    assert rows("relative volumes", analyze_study(table, PLAN).to_dict())["A"]["note"].startswith(
        "1 mouse without"
    )


def test_each_arm_may_spread_its_own_way():
    """Residuals of one arm made three times as large: its SD is told, and the primary's is between."""
    table = bent(0)
    noise = np.random.default_rng(4).normal(0, 0.1, len(table))
    table["volume_mm3"] *= np.exp(noise * np.where(table["arm"] == "drug", 3, 1))
    row = rows("residual spread", analyze_study(table, {"control": "vehicle"}).to_dict())["drug"]
    told = dict(part.rsplit(" ", 1) for part in row["note"].removeprefix("residual SD ").split(", "))
    assert float(told["drug"]) > 2 * float(told["vehicle"])


def test_readings_are_weighted_by_what_calipers_err_at_their_size():
    """Weights 1 / (1/L^2 + 4/W^2) by `fit_lmm` itself; lengths that do not make the volumes are refused."""
    table = one_model()
    width = (2 * table["volume_mm3"] / 1.3) ** (1 / 3)
    table = table.assign(length_mm=1.3 * width, width_mm=width)
    used = table[table["day"].between(0, 17)].assign(log_volume=lambda t: np.log(t["volume_mm3"]))
    used["arm"] = pd.Categorical(used["arm"], ["vehicle", "A", "A+B", "B"])
    weight = 1 / (1 / used["length_mm"] ** 2 + 4 / used["width_mm"] ** 2)
    expected = fit_lmm("log_volume ~ day * arm + (1 + day | mouse)", used, weights=weight.to_numpy())
    row = rows("readings weighted", analyze_study(table, PLAN).to_dict())["A"]
    assert row["estimate"] == pytest.approx(expected.coefficients().loc["day:arm[T.A]", "estimate"], rel=1e-6)
    assert row["estimate"] != pytest.approx(rows("primary")["A"]["estimate"], rel=1e-3)
    doubled = table.assign(volume_mm3=table["volume_mm3"] * np.where(table["day"] > 10, 2, 1))
    note = rows("readings weighted", analyze_study(doubled, PLAN).to_dict())[None]["note"]
    assert note.startswith("volumes are not those of the lengths")


def test_all_readings_reach_past_the_window():
    assert rows("all readings from day 0 on")["A"]["window"] == [0, 21]


def test_zeros_bring_the_rows_that_fill_them():
    table = one_model()
    table.loc[(table["mouse"] == "PDX-1 A 1") & (table["day"] == 17), "volume_mm3"] = 0
    result = analyze_study(table, PLAN).to_dict()
    effects = {name: rows(name, result)["A"]["estimate"] for name in (
        "primary", "0 read as half the limit of detection", "1 mm3 added", "readings below detection left out",
    )}  # fmt: skip
    assert len(set(effects.values())) == 4
    assert effects["1 mm3 added"] < effects["0 read as half the limit of detection"]
    assert result["mixed_model"]["model"] == "MC"


SECTION_14 = (
    "primary", "main effect of the arms", "common intercept", "curved growth", "intercept and slope of a mouse",
    "curved growth by a spline", "every day a mean", "relative volumes", "residual spread", "residuals of a mouse",
    "readings weighted", "random intercept only", "cages", "readings below 13.5 mm3", "readings below detection",
    "0 read as", "1 mm3 added",
    "visits after a cull", "without readings beyond", "window while half", "window while every", "all readings",
    "excluded mice", "without MAP2K4", "without ", "growth rates of single mice, W",
    "growth rates of single mice, p", "growth +25 %", "growth -25 %",
)  # fmt: skip


def test_every_variant_has_its_row_or_its_reason():
    for name in SECTION_14:
        for row in rows(name).values():
            assert row["estimate"] is not None or row["note"]
            assert set(row) >= {
                "variant",
                "arm",
                "control",
                "estimate",
                "se",
                "df",
                "p_value",
                "window",
                "note",
            }


def test_permuting_within_blocks_is_the_exact_test_of_mean_rates():
    table = one_model().query("day <= 17 and arm in ['vehicle', 'A']")
    rates = {
        arm: [np.polyfit(m["day"], np.log(m["volume_mm3"]), 1)[0] for _, m in part.groupby("mouse")]
        for arm, part in table.groupby("arm")
    }
    expected = stats.permutation_test(
        (rates["A"], rates["vehicle"]), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf
    )
    row = rows("growth rates of single mice, permuted")["A"]
    assert (row["estimate"], row["p_value"]) == pytest.approx((expected.statistic, expected.pvalue))
    assert "the smallest p these mice could give is 0.1" in row["note"]


def test_mice_that_left_by_no_fault_of_the_tumor_go_on_at_a_changed_rate():
    """By hand: an arm's rate is changed by a quarter of itself, times the share of its mouse time unseen."""
    table = one_model()
    table = table[(table["mouse"] != "PDX-1 A 1") | (table["day"] <= 7)]
    table["exit_reason"] = np.where(table["mouse"] == "PDX-1 A 1", "found_dead", "")
    result = analyze_study(table, PLAN).to_dict()
    last = table[table["day"] <= 17].groupby(["arm", "mouse"])["day"].max()
    unseen = ((17 - last) / 17).groupby("arm").mean()
    assert unseen["A"] >= 10 / 17 / 3
    slopes = {row["arm"]: row["growth_rate_per_day"] for row in result["mixed_model"]["slopes"]}
    for sign, name in ((1, "growth +25 %"), (-1, "growth -25 %")):
        changed = {arm: slope + sign * abs(slope) * 0.25 * unseen[arm] for arm, slope in slopes.items()}
        for arm, row in rows(name, result).items():
            assert row["estimate"] == pytest.approx(changed[arm] - changed["vehicle"], rel=1e-9)


def test_a_culled_tumor_is_taken_to_stay_above_the_volume_it_was_culled_at():
    """The vehicle mouse seen longest is culled early: knowing that it did not shrink raises the vehicle's rate."""
    table = one_model()
    mouse = table.loc[table["arm"] == "vehicle", "mouse"].iloc[0]
    table = table[(table["mouse"] != mouse) | (table["day"] <= 10)]
    last = table[
        (table["mouse"] == mouse) & (table["day"] == table.loc[table["mouse"] == mouse, "day"].max())
    ].index
    table.loc[last, "volume_mm3"] *= 4
    table["exit_reason"] = np.where(table["mouse"] == mouse, "tumor_size", "")
    result = analyze_study(table, PLAN).to_dict()
    culled = rows("visits after a cull", result)
    assert culled["A"]["estimate"] < rows("primary", result)["A"]["estimate"]
    assert rows("visits after a cull")[None]["note"].startswith("no cull")


def test_excluded_mice_are_put_back_in_one_row():
    plan = {**PLAN, "exclusions": [{"mouse": "PDX-1 A 1", "reason": "wrong cage"}]}
    result = analyze_study(one_model(), plan).to_dict()
    back, primary = rows("excluded mice included", result)["A"], rows("primary", result)["A"]
    assert back["estimate"] == pytest.approx(REFERENCE["m1"]["effects"]["A"]["estimate"], rel=1e-5)
    assert primary["estimate"] != pytest.approx(back["estimate"], rel=1e-3)


def test_cages_enter_where_every_arm_has_two():
    table = one_model()
    table["cage"] = table["arm"] + table["mouse"].str[-1].map({"1": "a", "2": "a", "3": "b"})
    assert "(1 | cage)" in rows("cages", analyze_study(table, PLAN).to_dict())["A"]["formula"]
    assert rows("cages")[None]["note"] == "no cage is recorded"


def fitted(frame: pd.DataFrame) -> Asked:
    """What the variants draw on, with the primary's fit."""
    table = normalize_table(frame)
    plan = resolve_plan(table, PLAN)
    return Asked(table.frame, table.frame, plan, fit_primary(growth_data(table.frame, plan), plan))


def without_models(given: Asked) -> list[dict]:
    return [{"variant": name, **row} for name, make in sensitivity._without_models(given) for row in make()]


def test_of_many_pdx_models_those_are_left_out_that_move_the_effect_furthest(monkeypatch):
    """The same two as fitting without each in turn finds, with that fit's own numbers."""
    given = fitted(pd.read_csv(FOLDER / "study.csv"))
    one_by_one = without_models(given)
    names = [row["variant"] for row in one_by_one]
    assert list(dict.fromkeys(names)) == [f"without PDX model PDX-{number}" for number in range(1, 7)]
    monkeypatch.setattr(sensitivity, "MOST_MODELS_LEFT_OUT", 5)
    result = {"sensitivity": without_models(given)}
    for word, pick in (("lowers", min), ("raises", max)):
        for arm, row in rows(f"without the PDX model whose loss {word}", result).items():
            furthest = pick((r for r in one_by_one if r["arm"] == arm), key=lambda r: r["estimate"])
            assert row["estimate"] == pytest.approx(furthest["estimate"], rel=1e-6)
            assert row["note"] == f"{furthest['variant'].removeprefix('without PDX model ')} left out, of 6"
    monkeypatch.setattr(sensitivity, "MOST_ARMS_FITTED_ANEW", 1)
    held = {"sensitivity": without_models(given)}
    row = rows("without the PDX model whose loss lowers", held)["A"]
    again = rows("without the PDX model whose loss lowers", result)["A"]
    assert row["estimate"] == pytest.approx(again["estimate"], rel=0.05)
    assert row["note"] == again["note"] + ", the primary's variances held"


def test_of_two_pdx_models_each_is_left_out():
    found = {"sensitivity": without_models(fitted(several_models()))}
    row = rows("without PDX model PDX-2", found)["A"]
    assert row["estimate"] == pytest.approx(REFERENCE["m1"]["effects"]["A"]["estimate"], rel=1e-5)


def test_a_variant_that_cannot_be_fitted_says_why():
    table = one_model()
    single = together(table.query("day <= 7"), table.query("day == 21 and mouse == 'PDX-1 A 1'"))
    result = analyze_study(single, {**PLAN, "window": [0, 7], "day": 7}).to_dict()
    for row in result["sensitivity"]:
        assert row["estimate"] is not None or row["note"]


# Estimands


def bent(square: float) -> pd.DataFrame:
    """Vehicle straight at 0.06 a day; the drug's curve bends: slope 0.02, square `square`; a little noise."""
    random, days = np.random.default_rng(2), [0, 3, 7, 10, 14, 17, 20]
    mice = []
    for i in range(4):
        mice.append(curve(f"v{i}", "vehicle", exponential(0.06 + random.normal(0, 0.001), days)))
        mice.append(curve(f"t{i}", "drug", {
            day: 200 * exp((0.02 + random.normal(0, 0.001)) * day + square * day**2) for day in days
        }))  # fmt: skip
    table = together(*mice)
    return table.assign(volume_mm3=table["volume_mm3"] * np.exp(random.normal(0, 0.01, len(table))))


@pytest.mark.parametrize(
    ("estimand", "expected"),
    [("egait", -0.04 + 2 / 3 * 20 * 0.001), ("day_difference", -0.04 + 20 * 0.001)],
)
def test_a_declared_estimand_is_the_effect_everywhere(estimand, expected):
    result = analyze_study(bent(0.001), {"control": "vehicle", "primary": {"estimand": estimand}}).to_dict()
    [row] = result["mixed_model"]["contrasts"]
    assert result["mixed_model"]["estimand"] == estimand
    assert row["estimate"] == pytest.approx(expected, abs=0.002)
    assert (row["tgi_percent"] is None) == (estimand == "egait")
    if estimand == "day_difference":
        assert row["tgi_percent"] == pytest.approx(100 * (1 - exp(row["estimate"] * 20)))


def test_curves_that_bend_are_told_and_the_estimand_stays():
    model = analyze_study(bent(0.001), {"control": "vehicle"}).to_dict()["mixed_model"]
    assert model["curvature"]["bends"] is True
    assert model["estimand"] == "slope"
    assert model["curvature"]["effects"][0]["estimate"] == pytest.approx(
        -0.04 + 2 / 3 * 20 * 0.001, abs=0.002
    )


def test_straight_curves_do_not_bend():
    assert (
        analyze_study(bent(0), {"control": "vehicle"}).to_dict()["mixed_model"]["curvature"]["bends"] is False
    )


# What a variant has to say where it does not apply


def asked(frame: pd.DataFrame, left_out: dict[str, int] | None = None, **plan: object) -> Asked:
    """What the variants draw on, the primary's data without its fit."""
    table = normalize_table(frame)
    resolved = resolve_plan(table, {**PLAN, **plan})
    data = growth_data(table.frame, resolved)
    primary = SimpleNamespace(
        data=replace(data, left_out=left_out or {}), name="M1", square=0.0, formula="", fit=None
    )
    return Asked(table.frame, table.frame, resolved, primary)


@pytest.mark.parametrize(
    ("left_out", "censored", "seen_only"),
    [
        ({BELOW_LIMIT: 2}, "that likelihood has no maximum here: the primary leaves these readings out",
         "the primary leaves them out"),
        ({"volume of 0": 2}, "the plan names its own formula", "the primary leaves them out"),
        ({}, "no reading in the window lies below the limit of detection",
         "no reading in the window lies below the limit of detection"),
    ],
)  # fmt: skip
def test_without_censored_readings_the_row_says_what_became_of_them(left_out, censored, seen_only):
    given = asked(one_model(), left_out)
    for variant, reason in ((sensitivity._censored, censored), (sensitivity._seen_only, seen_only)):
        with pytest.raises(NotApplicableError) as told:
            variant(given)
        assert str(told.value) == reason


def test_a_window_no_arm_is_followed_through_is_refused_with_the_share():
    def followed(n: int, of: int) -> pd.DataFrame:
        last = [{7: 150.0}] * n + [{}] * (of - n)
        return together(*(
            curve(f"{arm}{i}", arm, {0: 100.0} | late) for arm in ("vehicle", "A") for i, late in enumerate(last)
        ))  # fmt: skip

    with pytest.raises(NotApplicableError, match=r"on no day after day 0 is 50 % of every arm followed"):
        sensitivity._window_by_share(asked(followed(2, of=5), window=[0, 7]), 0.5)
    with pytest.raises(NotApplicableError, match="the primary has this window"):
        sensitivity._window_by_share(asked(followed(2, of=4), window=[0, 7]), 0.5)


def test_a_window_that_ends_where_it_begins_is_refused():
    with pytest.raises(NotApplicableError, match="day 3 ends the window where it begins"):
        sensitivity._in_window(asked(one_model()), 3.0, 3.0)


def test_models_are_not_left_out_in_turn_of_a_study_too_large(monkeypatch):
    given = asked(one_model())
    readings = len(given.data.frame)
    monkeypatch.setattr(sensitivity, "MOST_ROWS_IN_BLOCK", readings - 1)
    with pytest.raises(NotApplicableError, match=f"a PDX model has more than {readings - 1} readings"):
        sensitivity._without_extreme(given, lowest=True)
    monkeypatch.setattr(sensitivity, "MOST_READINGS_LEFT_OUT", readings - 1)
    with pytest.raises(NotApplicableError, match=f"not sought above {readings - 1} readings"):
        sensitivity._without_extreme(given, lowest=True)
    monkeypatch.setattr(sensitivity, "MOST_READINGS_LEFT_OUT", readings)
    monkeypatch.setattr(sensitivity, "MOST_ROWS_IN_BLOCK", readings)
    unknown = pd.DataFrame([[np.nan]] * len(given.pairs), columns=["PDX-1"]).T
    monkeypatch.setattr(sensitivity, "effects_without_models", lambda fit, pairs: unknown)
    assert sensitivity._without_extreme(given, lowest=True) == []


def test_a_window_that_holds_every_reading_is_the_primary_s():
    last = float(one_model()["day"].max())
    with pytest.raises(NotApplicableError, match="the primary has all readings"):
        sensitivity._to_the_end(asked(one_model(), window=[0, last], day=last))


def test_permutation_ends_above_so_many_mice(monkeypatch):
    given = asked(one_model())
    mice = int(given.data.mice["arm"].isin(["A", "vehicle"]).sum())
    monkeypatch.setattr(sensitivity, "MOST_MICE_PERMUTED", mice)
    assert sensitivity._permuted(given)[0]["p_value"] is not None
    monkeypatch.setattr(sensitivity, "MOST_MICE_PERMUTED", mice - 1)
    [row, *_] = sensitivity._permuted(given)
    assert row["p_value"] is None
    assert row["note"] == f"more than {mice - 1} mice, where t and permutation agree"


def test_blocks_are_weighed_by_the_mice_of_both_arms_in_them():
    """Two blocks, 1 of 3 and 2 of 4 treated: weights 1 * 2 / 3 and 2 * 2 / 4; a block of one arm says nothing."""
    arrangement = np.array([[1, 0, 0, 1, 1, 0, 0, 1]], dtype=float)
    rate, block = np.array([1.0, 3, 5, 2, 4, 7, 9, 100]), np.array([0, 0, 0, 1, 1, 1, 1, 2])
    found = sensitivity._difference_within(arrangement, rate, block)
    assert found == pytest.approx([((1 - 4) * 2 / 3 + (3 - 8) * 1) / (2 / 3 + 1)])
    assert sensitivity._difference_within(np.ones((1, 8)), rate, block) == [0]


def test_up_to_so_many_arms_are_fitted_anew_without_a_model(monkeypatch):
    given = asked(one_model())
    effects = pd.DataFrame([[-0.1, -0.2]] * len(given.pairs), columns=["PDX-1", "PDX-2"])
    monkeypatch.setattr(sensitivity, "effects_without_models", lambda fit, pairs: effects.T)
    monkeypatch.setattr(sensitivity, "MOST_ARMS_FITTED_ANEW", len(given.pairs) - 1)
    monkeypatch.setattr(
        sensitivity, "_without_model", lambda asked, model: sensitivity._refuse(f"fitted without {model}")
    )
    rows = sensitivity._without_extreme(given, lowest=True)
    assert [row["estimate"] for row in rows] == [-0.2] * len(given.pairs)
    monkeypatch.setattr(sensitivity, "MOST_ARMS_FITTED_ANEW", len(given.pairs))
    with pytest.raises(NotApplicableError, match="fitted without PDX-1"):
        sensitivity._without_extreme(given, lowest=False)


def test_a_study_without_a_fit_or_a_window_has_no_variants():
    given = asked(one_model())
    assert sensitivity.sensitivity_rows(given.frame, given.everyone, given.plan, None) == []
    without = with_values(given.plan, window=None)
    assert sensitivity.sensitivity_rows(given.frame, given.everyone, without, given.primary) == []


def test_one_cage_an_arm_is_refused_with_the_arms_named():
    table = one_model()
    table["cage"] = table["arm"] + np.where(table["arm"] == "B", table["mouse"].str[-1], "")
    with pytest.raises(NotApplicableError, match=r"one cage an arm \(vehicle, A, A\+B\): what the cage did"):
        sensitivity._cages(asked(table))
    table["cage"] = table["cage"].replace("B3", "B2")
    with pytest.raises(NotApplicableError, match=r"one cage an arm \(vehicle, A, A\+B\): what the cage did"):
        sensitivity._cages(asked(table))


def test_variants_come_in_one_order_without_a_gap():
    names = list(dict.fromkeys(row["variant"] for row in analyzed()["sensitivity"]))
    assert names == [
        "primary", "main effect of the arms", "common intercept of all arms (M1a)", "curved growth, eGaIT (M2)",
        "curved growth by a spline, eGaIT (M2)", "every day a mean of its own, eGaIT (M3)",
        "relative volumes, lines through the origin (M1c)", "residual spread of each arm its own",
        "residuals of a mouse correlated in time", "readings weighted by their calipers' error",
        "intercept and slope of a mouse uncorrelated", "random intercept only", "cages as a random effect",
        "readings below 13.5 mm3 left-censored", "readings below detection left out",
        "0 read as half the limit of detection", "1 mm3 added to every volume",
        "visits after a cull for size right-censored", "without readings beyond 3 residual SD",
        "window while half of every arm is followed",
        "window while every mouse is followed", "all readings from day 0 on", "excluded mice included",
        "without MAP2K4 terms", "without one PDX model", "growth rates of single mice, Welch's t",
        "growth rates of single mice, permuted within blocks",
        "growth +25 % after an exit the readings do not explain",
        "growth -25 % after an exit the readings do not explain",
    ]  # fmt: skip


def test_mice_of_several_pdx_models_have_no_test_of_single_rates():
    found = {row["arm"]: row for row in sensitivity._two_stage(asked(one_model()))}
    assert found["A"]["p_value"] == pytest.approx(rows("growth rates of single mice, W")["A"]["p_value"])
    with pytest.raises(NotApplicableError, match="mice of one PDX model are not independent"):
        sensitivity._two_stage(asked(several_models()))


def test_the_interval_of_single_rates_has_the_plan_s_level():
    usual, wide = (
        {row["arm"]: row for row in sensitivity._two_stage(asked(one_model(), alpha=alpha))}["A"]
        for alpha in (0.05, 0.01)
    )
    half = stats.t.ppf(0.995, wide["df"]) * wide["se"]
    assert (wide["ci_low"], wide["ci_high"]) == pytest.approx(
        (wide["estimate"] - half, wide["estimate"] + half)
    )
    assert usual["ci_high"] - usual["ci_low"] < 2 * half


def test_which_pdx_models_are_left_out_hangs_on_their_number_and_the_plan(monkeypatch):
    def names(frame: pd.DataFrame, **plan: object) -> list[str]:
        return [name for name, _ in sensitivity._without_models(asked(frame, **plan))]

    def reason(frame: pd.DataFrame, **plan: object) -> str:
        [(_, make)] = sensitivity._without_models(asked(frame, **plan))
        with pytest.raises(NotApplicableError) as told:
            make()
        return str(told.value)

    each = ["without PDX model PDX-1", "without PDX model PDX-2"]
    own = {"model": "log_volume ~ day * arm + (1 | mouse)"}
    assert names(one_model()) == names(several_models(), **own) == ["without one PDX model"]
    assert reason(one_model()) == "there is one PDX model"
    assert reason(several_models(), **own) == "the plan names its own formula"
    assert names(several_models()) == each
    monkeypatch.setattr(sensitivity, "MOST_MODELS_LEFT_OUT", 2)
    assert names(several_models()) == each
    monkeypatch.setattr(sensitivity, "MOST_MODELS_LEFT_OUT", 1)
    assert len(names(several_models())) == 2 and names(several_models()) != each


def test_another_fit_of_the_effect_is_one_of_the_primary_s_kind(monkeypatch):
    for kind in ("fit_m1", "fit_m4"):
        monkeypatch.setattr(sensitivity, kind, lambda data, plan, kind=kind, **changes: (kind, changes))
    given = asked(one_model())
    assert sensitivity._refit(given, mouse="(1 | mouse)") == ("fit_m1", {"random": "(1 | mouse)"})
    given.primary.name = "M4"
    assert sensitivity._refit(given, mouse="(1 | mouse)") == ("fit_m4", {"mouse": "(1 | mouse)"})
    with pytest.raises(NotApplicableError, match="the plan names its own formula"):
        sensitivity._refit(asked(one_model(), model="log_volume ~ day * arm + (1 | mouse)"))


def test_half_the_limit_takes_the_place_of_what_lies_below_it_and_of_nothing_else(monkeypatch):
    """The limit that censors, 13.5 mm3; under the plan's own formula, which censors nothing, zeros alone."""
    monkeypatch.setattr(sensitivity, "fit_primary", lambda data, plan: data.frame.set_index("mouse"))
    table = one_model()
    table.loc[table.index[table["day"] == 17][:3], "volume_mm3"] = [0, 13.4, 13.5]

    def filled(**plan: object) -> list[float]:
        volumes = np.exp(sensitivity._half_limit(asked(table, **plan))["log_volume"])
        return sorted(volumes[volumes < 14])

    assert filled() == pytest.approx([6.75, 6.75, 13.5])
    own = {"model": "log_volume ~ day * arm + (1 | mouse)"}
    assert filled(**own) == pytest.approx([6.75, 13.4, 13.5])
    with pytest.raises(NotApplicableError, match="no reading lies below the limit of detection"):
        sensitivity._half_limit(asked(one_model()))


def test_visits_after_a_cull_for_size_lie_above_the_least_volume_of_a_cull():
    """Of three culled mice two leave before the last visit; readings below the limit say nothing of a cull."""

    def last_of(mouse: str, day: float, volume: float) -> pd.DataFrame:
        return curve(mouse, "vehicle", {0: 200, 7: 400} | {day: volume}, exit_reason="tumor_size")

    table = together(
        last_of("v1", 10, 1500), last_of("v2", 14, 1600), last_of("v3", 21, 1700),
        curve("v4", "vehicle", {0: 200, 7: 300, 21: 900}, exit_reason="scheduled_end"),
        curve("t1", "A", {0: 200, 7: 5, 17: 150}, exit_reason="treatment_toxicity"),
        curve("t2", "A", {0: 200, 7: 60, 14: 5}, exit_reason="tumor_size"),
        curve("t3", "A", {0: 200, 7: 60, 21: 80}),
    )  # fmt: skip
    data = asked(table, window=[0, 21], day=21).data
    whole = with_visits_after_culls(normalize_table(table).frame, data)
    added = whole.frame.iloc[len(data.frame) :]
    assert [(mouse.split()[-1], day) for mouse, day in zip(added["mouse"], added["day"], strict=True)] == [
        ("t2", 10), ("t2", 14), ("t2", 17), ("t2", 21),
        ("v1", 14), ("v1", 17), ("v1", 21), ("v2", 17), ("v2", 21),
    ]  # fmt: skip
    assert set(added["kind"]) == {ABOVE}
    assert added["log_volume"].to_numpy() == pytest.approx(np.log(60))
    assert list(added["day2"]) == list(added["day"] ** 2)


# Curves of other shapes, without their fits


@pytest.fixture
def unfitted(monkeypatch):
    """The shapes as (formula or columns that bend, their weights), nothing fitted."""
    monkeypatch.setattr(growth_shapes, "fit_m1", lambda data, plan, bends: Shape(data, bends, "M1"))
    monkeypatch.setattr(growth_shapes, "fit_m4", lambda data, plan, bends: Shape(data, bends, "M4"))
    monkeypatch.setattr(growth_shapes, "fit_lmm", lambda formula, frame: None)


@dataclass(frozen=True)
class Shape:
    data: GrowthData
    bends: dict[str, float]
    name: str

    def at(self, day: float) -> list[float]:
        """The value of each bending column on a day."""
        return [
            float(self.data.frame.loc[self.data.frame["day"] == day, name].iloc[0]) for name in self.bends
        ]


def test_five_days_take_a_spline_that_ends_straight(unfitted):
    """Knots 0, 4, 8 and 12: past the last the cubes and squares cancel; 2/T^2 of the area by quadrature."""
    days = [0, 4, 8, 12, 16]
    table = together(*(curve(f"{arm}{i}", arm, dict.fromkeys(days, 100.0)) for arm in "vA" for i in range(2)))
    given = asked(table, control="v", window=[0, 16], day=16)
    shape = growth_shapes.fit_spline(given.data, given.plan)
    assert (shape.name, list(shape.bends)) == ("M2, spline", ["bend1", "bend2"])
    *inner, late, last = np.quantile(days, [0, 1 / 3, 2 / 3, 1])
    for number, knot in enumerate(inner):

        def column(day: float, knot: float = knot) -> float:
            cubes = [max(day - at, 0.0) ** 3 for at in (knot, late, last)]
            return (
                cubes[0] - cubes[1] * (last - knot) / (last - late) + cubes[2] * (late - knot) / (last - late)
            ) / 256

        assert [shape.at(day)[number] for day in days] == pytest.approx([column(day) for day in days])
        area = integrate.quad(column, 0, 16, points=[knot, late])[0] - 16 * column(0)
        assert shape.bends[f"bend{number + 1}"] == pytest.approx(2 / 16**2 * area)
    short = asked(table[table["day"] < 16], control="v", window=[0, 12], day=12)
    with pytest.raises(AnalysisError, match="4 days in the window, of 5 that a spline takes"):
        growth_shapes.fit_spline(short.data, short.plan)


def test_days_have_means_of_their_own_that_all_arms_were_read_on_up_to_the_day_asked(unfitted, monkeypatch):
    readings = {"v": [0, 2, 5, 9, 12], "A": [0, 3, 5, 9, 12]}
    table = together(*(
        curve(f"{arm}{i}", arm, dict.fromkeys(days, 100.0)) for arm, days in readings.items() for i in range(2)
    ))  # fmt: skip
    given = asked(table, control="v", window=[0, 12], day=9)
    shape = growth_shapes.fit_days(given.data, given.plan)
    assert (shape.name, len(shape.bends)) == ("M3", 1)
    assert [shape.at(day) for day in (2, 5, 9, 12)] == [[0], [0], [4], [7]]
    assert shape.bends["bend1"] == pytest.approx(2 / 9**2 * 4**2 / 2)
    early = asked(table, control="v", window=[0, 12], day=8)
    with pytest.raises(AnalysisError, match="all arms were read on 2 days to day 8: 3 to 30 can have"):
        growth_shapes.fit_days(early.data, early.plan)
    monkeypatch.setattr(growth_shapes, "MOST_COLUMNS", 6)
    assert growth_shapes.fit_days(given.data, given.plan).name == "M3"
    monkeypatch.setattr(growth_shapes, "MOST_COLUMNS", 5)
    with pytest.raises(AnalysisError, match="6 fixed effects, of 5 at most"):
        growth_shapes.fit_days(given.data, given.plan)


def test_lines_through_the_origin_follow_models_and_statuses(unfitted):
    def fit(frame: pd.DataFrame) -> GrowthFit:
        given = asked(frame)
        return growth_shapes.fit_through_origin(given.data, given.plan)

    one = fit(one_model())
    assert one.formula == "log_relative_volume ~ 0 + day + day:arm + (0 + day | mouse)"
    assert (one.df_cap, one.notes) == (None, ())
    frame = one.data.frame
    first = one_model().query("day == 0").set_index("mouse")["volume_mm3"]
    mine = frame[frame["mouse"].str.endswith("PDX-1 A 1")]
    expected = np.log(
        one_model().query("mouse == 'PDX-1 A 1' and 0 < day <= 17")["volume_mm3"] / first["PDX-1 A 1"]
    )
    assert mine["log_relative_volume"].to_numpy() == pytest.approx(expected.to_numpy())
    assert frame["day"].min() > 0
    alike = fit(several_models())
    groups = " + (0 + day | pdx_model) + (0 + day | pdx_model:arm) + (0 + day | mouse)"
    assert alike.formula == f"log_relative_volume ~ 0 + day + day:arm{groups}"
    assert alike.df_cap == 1
    both = fit(pd.read_csv(FOLDER / "study.csv"))
    assert both.formula.startswith(
        "log_relative_volume ~ 0 + day + day:map2k4 + day:arm + day:arm:map2k4 + ("
    )
    table = one_model()
    late = fit(table[(table["mouse"] != "PDX-1 A 1") | (table["day"] > 0)])
    assert late.notes == ("1 mouse without a reading on day 0, or with no other, left out",)
    assert not late.data.frame["mouse"].str.endswith("PDX-1 A 1").any()


@pytest.mark.parametrize(
    ("errors", "limit", "refusal"),
    [
        ({"residual_by": "arm"}, {"MOST_ARMS_APART": 3}, "not fitted above 3 arms"),
        ({"residual_by": "arm"}, {"MOST_READINGS_BY_ARM": 9}, "not fitted above 9 readings"),
        ({"residual_correlation": "day | mouse"}, {"MOST_READINGS_CORRELATED": 9}, "not fitted above 9 readings"),
        ({"residual_by": "arm"}, {"MOST_ARMS_APART": 4}, "residual SD v 2, A 3"),
        ({"residual_correlation": "day | mouse"}, {"MOST_ARMS_APART": 3, "MOST_READINGS_BY_ARM": 9},
         "residuals a day apart correlate by 0.5"),
    ],
)  # fmt: skip
def test_other_errors_are_fitted_to_so_many_arms_and_readings(monkeypatch, errors, limit, refusal):
    rows = pd.DataFrame({"group": "Residual", "term1": ["v", "A"], "value": [4.0, 9.0]})
    fit = SimpleNamespace(residual_correlation=0.5, variance_components=rows)
    monkeypatch.setattr(growth_shapes, "fit_lmm_near", lambda formula, frame, near, **errors: fit)
    for name, value in limit.items():
        monkeypatch.setattr(growth_shapes, name, value)
    primary = GrowthFit(asked(one_model()).data, "", None, "M1")
    if refusal.startswith("not fitted"):
        with pytest.raises(AnalysisError, match=refusal):
            growth_shapes.with_errors(primary, **errors)
    else:
        assert growth_shapes.with_errors(primary, **errors).notes == (refusal,)


def test_lengths_may_differ_from_their_volumes_by_a_tenth_on_the_log_scale(monkeypatch):
    monkeypatch.setattr(growth_shapes, "with_errors", lambda primary, weights: weights)
    table = one_model()
    width = (2 * table["volume_mm3"] / 1.3) ** (1 / 3)
    data = asked(table.assign(length_mm=1.3 * width, width_mm=width)).data

    def weights(shift: float) -> np.ndarray:
        frame = data.frame.copy()
        frame.loc[frame.index[0], "log_volume"] += shift
        return growth_shapes.with_caliper_errors(GrowthFit(replace(data, frame=frame), "", None, "M1"))

    expected = 1 / (1 / data.frame["length_mm"] ** 2 + 4 / data.frame["width_mm"] ** 2)
    assert weights(0.099) == pytest.approx((expected / expected.mean()).to_numpy())
    assert weights(-0.099) == pytest.approx(weights(0.0))
    for shift in (0.101, -0.101):
        with pytest.raises(AnalysisError, match="volumes are not those of the lengths beside them"):
            weights(shift)


def test_mouse_time_unseen_is_that_of_mice_lost_to_something_else_than_their_tumor():
    """Lost on day 7 of 21, 14 of 21 are unseen; mice taken out as planned or for their tumor's size do not count."""

    def until(mouse: str, arm: str, day: float, reason: str) -> pd.DataFrame:
        return curve(mouse, arm, {0: 100, 3: 120, day: 150}, exit_reason=reason)

    table = together(
        until("v1", "vehicle", 21, "scheduled_end"), until("v2", "vehicle", 7, "tumor_size"),
        until("v3", "vehicle", 7, "sampled"), until("t1", "A", 7, "found_dead"), until("t2", "A", 21, "found_dead"),
        until("t3", "A", 14, ""), until("t4", "A", 7, "ulceration"),
    )  # fmt: skip
    data = asked(table, window=[0, 21], day=21).data
    found = early_exits(normalize_table(table).frame, data)
    assert found == {"vehicle": 0, "A": pytest.approx((14 / 21 + 7 / 21) / 4)}


def test_mice_are_exchanged_within_their_study_model_and_the_plan_s_blocks():
    table = one_model().assign(room=lambda mice: mice["mouse"].str[-1])
    rates = sensitivity._rates(asked(table, blocks=["room"]))
    assert list(rates["block"].str.split("/").str[1:]) == [["PDX-1", mouse[-1]] for mouse in rates["mouse"]]
