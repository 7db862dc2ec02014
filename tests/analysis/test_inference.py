"""The primary mixed model of a study: against lme4 and pbkrtest, by law, by refusal."""

import json
from dataclasses import replace
from functools import cache
from math import exp
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import stdtr

from studies.analysis import (
    AnalysisError,
    analyze_study,
    growth_models,
    inference,
    normalize_table,
    pool_studies,
)
from studies.analysis.growth_models import (
    GrowthData,
    _add,
    _capped,
    detection_limit,
    difference,
    fit_m1,
    fit_m4,
    fit_primary,
    growth_data,
    tgi_percent,
)
from studies.analysis.inference import contrast_rows, curvature, describe_fit, fits_by_model
from studies.analysis.plan import Plan, resolve_plan
from studies.analysis.synergy import bliss_weights
from tests.analysis.builders import curve, exponential, together, two_arms

FOLDER = Path(__file__).parent.parent / "reference" / "inference"
REFERENCE = json.loads((FOLDER / "study.json").read_text())
PLAN = {"control": "vehicle", "window": [0, 17], "day": 17}
LOSS, WILD = {"loss_of_function": 1.0}, {"wild_type": 1.0}


def study() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "study.csv")


def one_model() -> pd.DataFrame:
    return study().query("pdx_model == 'PDX-1'")


@cache
def fitted(several: bool):
    table = normalize_table(study() if several else one_model())
    plan = resolve_plan(table, PLAN)
    data = growth_data(table.frame, plan)
    return (fit_m4 if several else fit_m1)(data, plan), plan


def agrees(row: pd.Series, expected: dict[str, float]) -> None:
    assert row["estimate"] == pytest.approx(expected["estimate"], rel=1e-5, abs=1e-8)
    assert row["se"] == pytest.approx(expected["se"], rel=2e-5)
    assert row["df"] == pytest.approx(expected["df"], rel=1e-3)
    assert row["p_value"] == pytest.approx(expected["p"], rel=1e-3)


# Against lme4 and pbkrtest


@pytest.mark.parametrize("several", [False, True], ids=["m1", "m4"])
def test_log_likelihood(several):
    fit, _ = fitted(several)
    assert fit.fit.loglik == pytest.approx(REFERENCE["m4" if several else "m1"]["logLik"], abs=1e-6)


@pytest.mark.parametrize("arm", ["A", "B", "A+B"])
def test_m1_effects(arm):
    fit, plan = fitted(False)
    agrees(
        fit.contrasts({"x": fit.effect(arm, "vehicle")}, plan, "none").loc["x"],
        REFERENCE["m1"]["effects"][arm],
    )


@pytest.mark.parametrize("arm", ["A", "B", "A+B"])
def test_m4_effects_strata_and_interaction(arm):
    fit, _ = fitted(True)
    loss, wild = fit.effect(arm, "vehicle", LOSS), fit.effect(arm, "vehicle", WILD)
    weights = {
        "overall": fit.effect(arm, "vehicle"),
        "wild_type": wild,
        "loss_of_function": loss,
        "interaction": difference(loss, wild),
    }
    table = fit.fit.contrasts(weights)
    for name, expected in REFERENCE["m4"]["effects"][arm].items():
        agrees(table.loc[name], expected)


@pytest.mark.parametrize("several", [False, True], ids=["m1", "m4"])
def test_bliss_excess(several):
    fit, _ = fitted(several)
    weights = {"bliss": bliss_weights(fit, "A+B", ["A", "B"], "vehicle")}
    agrees(fit.fit.contrasts(weights).loc["bliss"], REFERENCE["m4" if several else "m1"]["bliss"])


def test_curvature():
    fit, plan = fitted(False)
    expected, found = REFERENCE["curvature"], curvature(fit, plan)
    assert found["statistic"] == pytest.approx(expected["Fstat"], rel=1e-4)
    assert found["df2"] == pytest.approx(expected["ddf"], rel=1e-3)
    assert found["p_value"] == pytest.approx(expected["p.value"], rel=1e-3)
    assert found["bends"] is False


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path):
    import shutil
    import subprocess

    for name in ("study.R", "study.csv"):
        shutil.copy(FOLDER / name, tmp_path)
    subprocess.run([rscript, "study.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh = json.loads((tmp_path / "study.json").read_text())
    assert fresh["m4"]["effects"]["A"]["interaction"] == pytest.approx(
        REFERENCE["m4"]["effects"]["A"]["interaction"], rel=1e-4
    )


# What the study prints


@cache
def analyzed() -> dict:
    return analyze_study(study(), PLAN).to_dict()


def test_degrees_of_freedom_never_exceed_models_less_statuses():
    """Six PDX models of two statuses leave 4, whatever the number of mice and readings."""
    section = analyzed()["mixed_model"]
    assert section["formula"].startswith("log_volume ~ day * map2k4 + day:arm + day:arm:map2k4")
    assert "(0 + day | pdx_model:arm)" in section["formula"]
    for row in section["contrasts"]:
        assert row["df"] == pytest.approx(4)
        assert row["p_value"] == pytest.approx(2 * stdtr(4, -abs(row["estimate"] / row["se"])))


def test_adjusted_p_is_never_below_the_single_one():
    for row in analyzed()["mixed_model"]["contrasts"]:
        assert row["p_adjusted"] >= row["p_value"] * (1 - 1e-9)


def test_model_based_tgi_follows_from_the_effect():
    for row in analyzed()["mixed_model"]["contrasts"]:
        assert row["tgi_percent"] == pytest.approx(100 * (1 - exp(row["estimate"] * 17)))
        assert row["tgi_ci_low"] <= row["tgi_percent"] <= row["tgi_ci_high"]


def test_tgi_is_never_given_past_the_window():
    section = analyze_study(one_model(), {**PLAN, "window": [0, 14], "day": 21}).to_dict()["mixed_model"]
    assert {row["tgi_day"] for row in section["contrasts"]} == {14}


def test_every_model_has_its_own_fit():
    rows = analyzed()["mixed_models_by_model"]
    assert [row["pdx_model"] for row in rows] == [f"PDX-{number}" for number in range(1, 7)]
    agrees(
        next(pd.Series(row) for row in rows[0]["contrasts"] if row["arm"] == "A"),
        REFERENCE["m1"]["effects"]["A"],
    )


def test_a_combination_is_compared_with_each_part():
    pairs = [
        (row["arm"], row["control"])
        for row in analyzed()["mixed_model"]["contrasts"]
        if row["family"] == "F2"
    ]
    assert pairs == [("A+B", "A"), ("A+B", "B")]


# By law


def test_swapping_control_and_arm_turns_the_sign():
    table = one_model().query("arm in ['vehicle', 'A']")
    one = analyze_study(table, PLAN).to_dict()["mixed_model"]["contrasts"][0]
    other = analyze_study(table, {**PLAN, "control": "A"}).to_dict()["mixed_model"]["contrasts"][0]
    assert one["estimate"] == pytest.approx(-other["estimate"], rel=1e-6)
    assert (one["se"], one["df"]) == pytest.approx((other["se"], other["df"]), rel=1e-5)


def test_the_unit_of_volume_cancels():
    scaled = study().assign(volume_mm3=lambda table: table["volume_mm3"] * 1000)
    section = analyze_study(scaled, PLAN).to_dict()["mixed_model"]
    for row, other in zip(section["contrasts"], analyzed()["mixed_model"]["contrasts"], strict=True):
        assert (row["estimate"], row["se"]) == pytest.approx((other["estimate"], other["se"]), rel=1e-6)


def test_row_order_does_not_matter():
    shuffled = analyze_study(study().sample(frac=1, random_state=4), PLAN).to_dict()
    assert shuffled == analyzed()


def test_readings_outside_the_window_have_no_say():
    late = one_model()
    late.loc[late["day"] > 17, "volume_mm3"] *= 50
    rows = analyze_study(late, PLAN).to_dict()["mixed_model"]["contrasts"]
    agrees(next(pd.Series(row) for row in rows if row["arm"] == "A"), REFERENCE["m1"]["effects"]["A"])


# By refusal


def only_note(table: pd.DataFrame, **plan: object) -> str:
    result = analyze_study(table, {**PLAN, **plan}).to_dict()
    assert result["mixed_model"] is None
    return next(note for note in result["notes"] if note.startswith("mixed_model is null"))


def test_one_mouse_an_arm_of_one_model_has_no_inference():
    table = together(
        curve("v", "vehicle", {0: 100, 7: 200, 14: 400}), curve("t", "A", {0: 100, 7: 120, 14: 150})
    )
    assert "has 1 mouse with two readings" in only_note(table)


def test_a_single_visit_has_no_slope():
    assert "has 0 mice with two readings" in only_note(one_model().query("day == 0"), day=17)


def test_constant_volumes_are_refused_not_fitted():
    days = {0: 100, 7: 100, 14: 100}
    table = together(*(curve(f"{arm}{i}", arm, days) for arm in ("vehicle", "A") for i in range(3)))
    assert only_note(table)


def test_zeros_of_several_models_are_censored_and_told():
    table = study()
    table.loc[(table["mouse"] == "PDX-1 A 1") & (table["day"] == 14), "volume_mm3"] = 0
    result = analyze_study(table, PLAN).to_dict()
    assert result["mixed_model"]["model"] == "M4, censored"
    assert result["mixed_model"]["diagnostics"]["left_out"] == {"outside the window": 45}
    assert any("1 reading below 13.5 mm3" in note and "left-censored" in note for note in result["notes"])


def test_a_model_given_by_the_plan_is_fitted_as_it_stands():
    formula = "log_volume ~ day * arm + (1 | mouse)"
    assert (
        analyze_study(one_model(), {**PLAN, "model": formula}).to_dict()["mixed_model"]["formula"] == formula
    )


def test_zeros_that_a_formula_of_the_plan_leaves_out_are_told():
    table = one_model()
    table.loc[table.index[table["day"] == 14][:2], "volume_mm3"] = 0
    result = analyze_study(table, {**PLAN, "model": "log_volume ~ day * arm + (1 | mouse)"}).to_dict()
    [note] = [note for note in result["notes"] if "left out of the mixed model" in note]
    assert note.startswith("2 readings of 0 mm3 in the window") and "understated rather than" in note


def test_a_formula_that_names_no_column_says_so():
    assert "weight" in only_note(one_model(), model="log_volume ~ day * weight + (1 | mouse)")


def test_blocks_enter_the_model():
    table = one_model()
    table["block"] = table["mouse"].str[-1]
    assert "+ block +" in analyze_study(table, PLAN).to_dict()["mixed_model"]["formula"]


def test_two_mice_an_arm_read_twice_are_enough():
    rows = two_arms().assign(volume_mm3=lambda table: table["volume_mm3"] * np.linspace(0.9, 1.1, len(table)))
    result = analyze_study(rows, {"control": "V"}).to_dict()
    assert result["mixed_model"] is None or result["mixed_model"]["contrasts"]


def test_an_unknown_block_is_refused():
    assert 'no column "rack"' in only_note(one_model(), blocks=["rack"])


def test_refusals_are_analysis_errors():
    table = normalize_table(one_model())
    with pytest.raises(AnalysisError):
        growth_data(table.frame, resolve_plan(table, {**PLAN, "window": [30, 40]}))


def test_curves_without_error_are_refused_not_tested_against_nothing():
    table = together(*(
        curve(f"{study} {arm} {i}", arm, exponential(rate + 0.004 * i, [0, 7, 14], 150 + 7 * i), study=study)
        for study in ("S1", "S2") for arm, rate in (("vehicle", 0.09), ("A", 0.03)) for i in range(2)
    ))  # fmt: skip
    result = analyze_study(pool_studies(table, "both"), {"control": "vehicle"}).to_dict()
    assert result["mixed_model"] is None
    assert any(note.startswith("mixed_model is null") for note in result["notes"])


def growth_of(table: pd.DataFrame, **plan: object) -> tuple[GrowthData, Plan]:
    normalized = normalize_table(table)
    resolved = resolve_plan(normalized, {**PLAN, **plan})
    return growth_data(normalized.frame, resolved), resolved


def test_a_block_that_is_a_column_of_the_fit_already_enters_it_too():
    table = one_model().assign(cage=lambda rows: rows["mouse"].str[-1])
    assert "+ cage +" in fit_primary(*growth_of(table, blocks=["cage"])).formula


def test_numbers_no_fit_can_be_computed_from_are_a_refusal_with_the_formula(monkeypatch):
    def fails(*_) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr("studies.analysis.growth_models.fit_lmm_near", fails)
    with pytest.raises(AnalysisError, match=r"\(1 \+ day \| mouse\) could not be fitted: Singular matrix"):
        fit_primary(*growth_of(one_model()))


SCOPE = {"scope": "study", "pdx_model": None, "map2k4_status": None}


def test_an_arm_whose_own_control_is_not_fitted_has_no_contrast():
    table = one_model().query("arm != 'A+B' and (arm != 'B' or day == 0)")  # B without a slope
    data, plan = growth_of(table, controls={"A": "B"})
    assert contrast_rows(fit_primary(data, plan), plan, SCOPE) == []


def test_where_no_simulated_study_has_a_maximum_there_is_no_bootstrap_p(monkeypatch):
    """The t test's row stands, and the bootstrap's p is said to be missing."""

    def fails(*_) -> None:
        raise np.linalg.LinAlgError("no maximum")

    table = one_model().query("arm in ['vehicle', 'A']")
    table.loc[(table["mouse"] == table["mouse"].iloc[-1]) & (table["day"] == 14), "volume_mm3"] = 0
    data, plan = growth_of(table)
    monkeypatch.setattr("studies.analysis.inference.bootstrap", fails)
    (row,) = contrast_rows(fit_primary(data, plan), plan, SCOPE)
    assert (row["bootstrap_p_value"], row["bootstrap_draws"], row["likelihood_ratio"]) == (None, 0, None)
    assert 0 < row["p_value"] < 1 and row["family"] == "F1"


def test_the_fit_of_a_single_model_is_the_study_s_and_of_several_each_has_its_own(monkeypatch):
    def found(frame: pd.DataFrame, primary: object, **plan: object) -> list[tuple[str, object]]:
        table = normalize_table(frame)
        given = resolve_plan(table, {**PLAN, **plan})
        return [(scope["pdx_model"], fit) for scope, fit in fits_by_model(table.frame, given, primary)]

    monkeypatch.setattr(inference, "fit_censoring", lambda data, plan, square: "its own")
    two = study().query("pdx_model in ['PDX-1', 'PDX-2']")
    assert found(one_model(), "primary") == [("PDX-1", "primary")]
    assert found(one_model(), None) == [("PDX-1", "its own")]
    assert found(one_model(), "primary", model="log_volume ~ day * arm + (1 | mouse)") == [
        ("PDX-1", "its own")
    ]
    assert found(two, "primary") == [("PDX-1", "its own"), ("PDX-2", "its own")]
    lone = two[(two["pdx_model"] == "PDX-1") | two["mouse"].str.endswith("1") | (two["arm"] == "vehicle")]
    assert found(lone, "primary") == [("PDX-1", "its own")], "one mouse an arm but in the control's"


def test_only_what_grows_doubles():
    rates = pd.DataFrame(
        {"estimate": [0.1, 0.0, -0.1, np.nan], "se": 0.01, "df": 9.0, "ci_low": 0.0, "ci_high": 0.2},
        index=list("VABC"),
    )
    fit = SimpleNamespace(
        data=SimpleNamespace(arms=list("VABC")), shares=lambda arm: {}, slope=lambda arm, shares: {},
        contrasts=lambda weights, plan, adjust: rates,
    )  # fmt: skip
    rows = inference._slopes(fit, {})
    assert [row["growth_rate_per_day"] for row in rows] == [0.1, 0, -0.1, None]
    assert [row["doubling_time_days"] for row in rows] == [pytest.approx(np.log(2) / 0.1), None, None, None]


# The parts of a growth fit, by hand


def test_a_reading_of_0_does_not_make_a_table_one_of_other_units():
    plan = fitted(False)[1]
    assert detection_limit(np.array([0.0, 0, 0, 14, 20]), plan) == 13.5
    assert detection_limit(np.array([0.0, 1, 2, 3]), plan) == 1, (
        "not in mm3: only 0 lies below what was measured"
    )
    assert detection_limit(np.array([13.5, 20]), plan) is None
    assert detection_limit(np.array([13.4, 20]), plan) == 13.5
    assert detection_limit(np.array([1.0, 2]), plan) is None


def test_a_difference_of_weights_holds_both_sides():
    assert difference({"a": 2.0, "b": 1.0}, {"b": 1.0, "c": 3.0}) == {"a": 2.0, "c": -3.0}


def test_an_effect_by_a_day_is_a_tgi_where_it_is_a_number():
    assert tgi_percent(-0.05, 20) == pytest.approx(100 * (1 - np.exp(-1)))
    assert tgi_percent(None, 20) is None
    assert tgi_percent(float("nan"), 20) is None
    assert tgi_percent(1e3, 20) is None, "beyond every number"


def test_weights_of_one_coefficient_add_up():
    weights: dict[str, float] = {}
    for _ in range(2):
        _add(weights, {"arm[T.A]:day", "day"}, ("day", "arm[T.A]"), 0.25)
        _add(weights, {"day"}, ("day", "arm[T.B]"), 0.25)
    assert weights == {"arm[T.A]:day": 0.5}


def test_degrees_of_freedom_are_capped_in_p_and_interval():
    table = pd.DataFrame(
        {"estimate": [0.3, 0.3], "se": [0.1, 0.1], "df": [9.0, 2.0], "statistic": [3.0, 3.0]}
    )
    found = _capped(table, 4, 0.1)
    assert list(found["df"]) == [4, 2]
    half = stats.t.ppf(0.95, [4, 2]) * 0.1
    assert found["ci_low"].to_numpy() == pytest.approx(0.3 - half)
    assert found["ci_high"].to_numpy() == pytest.approx(0.3 + half)
    assert found["p_value"].to_numpy() == pytest.approx(2 * stats.t.sf(3, [4, 2]))


@pytest.mark.parametrize(
    ("sigma", "variances", "is_sound"),
    [(1e-5, [1.0, 1.0], True), (0.9e-5, [1.0, 1.0], False), (0.1, [1.0, 0.0], False)],
)
def test_a_fit_that_leaves_no_error_is_refused(monkeypatch, sigma, variances, is_sound):
    fit = SimpleNamespace(sigma=sigma, vcov=lambda df: np.diag(variances))
    monkeypatch.setattr(growth_models, "fit_lmm_near", lambda formula, frame, near: fit)
    frame = fitted(False)[0].data.frame
    if is_sound:
        assert growth_models._fit_anew("", frame, None) is fit
    else:
        with pytest.raises(AnalysisError, match="the curves are reproduced without error"):
            growth_models._fit_anew("", frame, None)


def test_coefficients_have_intervals_of_the_plan_s_level():
    fit, plan = fitted(False)
    scope = {"scope": "study", "pdx_model": None, "map2k4_status": None}
    told = describe_fit(fit, replace(plan, values={**plan.values, "alpha": 0.1}), scope, whole=False)
    for row in told["coefficients"]:
        half = stats.t.ppf(0.95, row["df"]) * row["se"]
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(
            (row["estimate"] - half, row["estimate"] + half)
        )


@pytest.mark.parametrize(("models", "is_whole"), [(12, True), (13, False)])
def test_up_to_twelve_models_are_told_at_length(monkeypatch, models, is_whole):
    told: list[bool] = []
    monkeypatch.setattr(inference, "describe_fit", lambda fit, plan, scope, whole: told.append(whole) or {})
    fits = [({"pdx_model": f"P{number}"}, SimpleNamespace()) for number in range(models)]
    inference.mixed_models_by_model(fits, fitted(False)[1], None, None)
    assert told == [is_whole] * models
