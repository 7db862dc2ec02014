"""Readings below detection over several PDX models: against R's exact probabilities, REML, by law, truth, refusal."""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, censored_nested, fit_lmm, normalize_table
from studies.analysis.censored_nested import _search, fit_censored_nested
from studies.analysis.effects_of_models import slopes_of_cells
from studies.analysis.growth_models import fit_primary, growth_data
from studies.analysis.laplace import Likelihood, make_curves
from studies.analysis.lmm import cells
from studies.analysis.lmm.structure import FixedTurn
from studies.analysis.plan import resolve_plan
from studies.analysis.tobit import ABOVE, BELOW, SEEN

FOLDER = Path(__file__).parent.parent / "reference" / "inference"
LIMIT = float(np.log(13.5))
PLAN = {"control": "vehicle", "window": [0, 20], "day": 20}
FORMULA = "log_volume ~ day * arm + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 + day | mouse)"


def reference() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "censored_models.csv")
    table["arm"] = pd.Categorical(table["arm"], categories=["vehicle", "drug"])
    return censored(table.assign(log_volume=np.log(table["volume_mm3"].clip(lower=13.5))))


def censored(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        kind=np.where(table["log_volume"] <= LIMIT, BELOW, SEEN),
        log_volume=table["log_volume"].clip(lower=LIMIT),
    )


def fitted(table: pd.DataFrame, formula: str = FORMULA):
    return fit_censored_nested(formula, table, table["kind"].to_numpy())


def simulated(seed: int, drug: float = -0.12, models: int = 6, mice: int = 3) -> pd.DataFrame:
    """ln V of every reading in `log_volume`, below the limit or not."""
    random, rows = np.random.default_rng(seed), []
    for model in range(models):
        level, growth = 5.1 + random.normal(0, 0.15), random.normal(0, 0.015)
        for arm, rate in (("vehicle", 0.07), ("drug", drug)):
            own = rate + growth + random.normal(0, 0.01)
            for mouse in range(mice):
                start, slope = level + random.normal(0, 0.2), own + random.normal(0, 0.02)
                rows += [(f"P{model}", arm, f"P{model} {arm} {mouse}", float(day),
                          start + slope * day + random.normal(0, 0.15)) for day in (0, 4, 8, 12, 16, 20)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["pdx_model", "arm", "mouse", "day", "log_volume"])
    return table.assign(arm=pd.Categorical(table["arm"], categories=["vehicle", "drug"]))


@cache
def one() -> tuple[pd.DataFrame, object]:
    table = censored(simulated(1))
    return table, fitted(table)


def test_the_likelihood_is_that_of_the_joint_normal_but_for_laplace():
    """R's exact log-likelihood at three parameters; fixed effects held, so b has no columns here."""
    expected = json.loads((FOLDER / "censored_models.json").read_text())
    table = reference()
    assert (table["kind"] == BELOW).sum() == expected["below"] > 5
    fit = fit_lmm(FORMULA, table)
    turns = [block.turn for block in fit.assembled.model.blocks]
    x = np.column_stack([np.ones(len(table)), table["day"], table["day"] * (table["arm"] == "drug")])
    errors = []
    for point in expected["points"]:
        rest = table["log_volume"].to_numpy() - x @ np.array(point["b"])
        none = FixedTurn([], np.zeros((0, 0)))
        curves = make_curves(fit.design, none, rest, (table["kind"] == BELOW).to_numpy())
        roots = [np.linalg.cholesky(turn @ np.atleast_2d(point[name]) @ turn.T) / point["sigma"]
                 for turn, name in zip(turns, ("model", "response", "mouse"), strict=True)]  # fmt: skip
        theta = np.concatenate(
            [*(root[np.tril_indices(len(root))] for root in roots), [np.log(point["sigma"])]]
        )
        errors.append(Likelihood.of(curves).top(theta).loglik - point["loglik"])
    assert errors == pytest.approx([0.0] * 3, abs=0.1)
    assert np.ptp(errors) < 0.05  # what moves estimates is how the error changes


def test_its_gradient_is_exact():
    """Against central differences, at variances far from the maximum."""
    _, fit = one()
    theta, step = fit.theta + np.array([0.3, 0.1, -0.2, 0.4, 0.3, -0.1, 0.2, 0.1]), 1e-5
    _, gradient = fit.likelihood.deviance(theta)
    moves = step * np.eye(len(theta))
    found = [(fit.likelihood.deviance(theta + move)[0] - fit.likelihood.deviance(theta - move)[0]) / (2 * step)
             for move in moves]  # fmt: skip
    assert gradient == pytest.approx(np.array(found), rel=1e-5, abs=1e-5)


def test_variances_beyond_every_number_have_no_likelihood_and_stop_no_search():
    """A residual standard deviation of exp(20) leaves nothing to hold the fixed effects."""
    _, fit = one()
    deviance, gradient = fit.likelihood.deviance(np.append(fit.theta[:-1], 20.0))
    assert deviance == np.inf and np.isnan(gradient).all()


def test_a_search_begun_without_a_variance_finds_the_one_that_is_there():
    """At 0 a variance has no slope, so that a search alone would stay."""
    table, fit = one()
    start = fit.theta.copy()
    start[6] = 0.0  # the mice's growth
    found = _search(fit.likelihood, start, fit_lmm(FORMULA, table))
    assert found == pytest.approx(fit.theta, abs=1e-4) and found[6] > 0.7


def test_covariates_of_too_many_values_are_refused_while_readings_are_censored(monkeypatch):
    table = one()[0]
    table = table.assign(size=table["mouse"].astype("category").cat.codes / 7)
    monkeypatch.setattr(cells, "MOST_DISTINCT", 35)
    with pytest.raises(AnalysisError, match="change from mouse to mouse are not fitted to censored readings"):
        fitted(table, f"{FORMULA} + size")


def test_without_censored_readings_it_is_reml():
    table = simulated(2)
    fit, expected = fitted(table.assign(kind=SEEN)), fit_lmm(FORMULA, table)
    assert fit.loglik == pytest.approx(expected.loglik, abs=1e-5)
    assert fit.coefficients()["estimate"].to_numpy() == pytest.approx(
        expected.coefficients()["estimate"].to_numpy(), abs=1e-4
    )
    assert fit.coefficients()["se"].to_numpy() == pytest.approx(
        expected.coefficients()["se"].to_numpy(), rel=5e-3
    )


def test_order_of_rows_does_not_matter():
    table, fit = one()
    again = fitted(table.sample(frac=1, random_state=3).reset_index(drop=True))
    assert again.loglik == pytest.approx(fit.loglik, abs=1e-5)
    assert again.coefficients().loc["day:arm[T.drug]", "estimate"] == pytest.approx(
        fit.coefficients().loc["day:arm[T.drug]", "estimate"], abs=1e-4
    )


def test_the_effect_comes_nearer_to_that_of_every_reading_than_with_zeros_left_out():
    """Mean over studies against the fit that knows every reading."""
    name, far, near = "day:arm[T.drug]", [], []
    for seed in (1, 5):
        whole = simulated(seed)
        table = censored(whole)
        truth = fit_lmm(FORMULA, whole).coefficients().loc[name, "estimate"]
        fit = one()[1] if seed == 1 else fitted(table)
        near.append(fit.coefficients().loc[name, "estimate"] - truth)
        far.append(
            fit_lmm(FORMULA, table[table["kind"] == SEEN]).coefficients().loc[name, "estimate"] - truth
        )
    assert abs(np.mean(near)) < abs(np.mean(far)) / 2
    assert np.mean(far) > 0  # zeros left out: the effect is understated


def test_effects_and_residuals_are_of_the_rows_seen():
    table, fit = one()
    assert np.isnan(fit.residuals).sum() == (table["kind"] == BELOW).sum()
    assert np.nanstd(fit.residuals) == pytest.approx(1, abs=0.25)
    seen = table["kind"].to_numpy() == SEEN
    assert np.corrcoef(fit.fitted[seen], table["log_volume"][seen])[0, 1] > 0.97


def test_an_arm_never_seen_again_is_refused():
    table = simulated(4)
    gone = (table["arm"] == "drug") & (table["day"] > 0)
    table.loc[gone, "log_volume"] = LIMIT - 3
    with pytest.raises(AnalysisError, match='in arm "drug"'):
        fitted(censored(table))


def test_a_search_that_ends_before_a_maximum_is_refused(monkeypatch):
    monkeypatch.setattr(censored_nested, "MOST_GRADIENT", 0.0)
    with pytest.raises(AnalysisError, match="no maximum"):
        fitted(one()[0])


def test_readings_above_a_limit_are_refused():
    table = censored(simulated(1))
    with pytest.raises(AnalysisError, match="below a limit only"):
        fit_censored_nested(FORMULA, table, np.full(len(table), ABOVE))


@pytest.mark.parametrize("group", ["cage", "pdx_model:cage"])
def test_a_group_that_a_mouse_leaves_while_readings_are_censored_is_refused(group):
    table = one()[0]
    moved = table["mouse"].str.endswith("1") | (group == "cage")
    table = table.assign(cage=np.where(moved & (table["day"] > 10), "east", "west"))
    with pytest.raises(AnalysisError, match=f"a mouse changes its {group} while its readings are censored"):
        fitted(table, f"{FORMULA} + (1 | {group})")


def as_read(table: pd.DataFrame, altered: list[str]) -> pd.DataFrame:
    """The table as a technician has it: what lies below the limit reads 0."""
    volume = np.exp(table["log_volume"])
    status = np.where(table["pdx_model"].isin(altered), "LoF", "WT")
    table = table.assign(volume_mm3=volume.where(volume >= 13.5, 0.0), map2k4_status=status)
    return table.drop(columns="log_volume")


@cache
def study() -> dict:
    """The analysis of a study whose tumors fall below detection, half of its PDX models altered."""
    return analyze_study(as_read(simulated(1), ["P0", "P2", "P4"]), PLAN).to_dict()


def primary_of(table: pd.DataFrame):
    normalized = normalize_table(table)
    plan = resolve_plan(normalized, PLAN)
    return fit_primary(growth_data(normalized.frame, plan), plan)


def test_where_it_has_no_maximum_the_readings_are_left_out_and_said():
    """In loss-of-function models the drug's tumors are never seen again: no slope of theirs is too steep."""
    table = as_read(simulated(1, drug=-0.02), ["P0", "P2", "P4"])
    gone = (table["arm"] == "drug") & (table["day"] > 0) & (table["map2k4_status"] == "LoF")
    fit = primary_of(table.assign(volume_mm3=table["volume_mm3"].mask(gone, 0.0)))
    assert (fit.name, fit.data.n_censored) == ("M4", 0)
    assert any("could not be censored and were left out" in note for note in fit.notes)


def test_the_primary_of_several_models_is_censored_and_the_readings_left_out_are_a_row():
    result = study()
    rows = {row["variant"]: row for row in result["sensitivity"]}
    primary = next(one for one in result["mixed_model"]["contrasts"] if one["family"] == "F1")
    assert result["mixed_model"]["model"] == "M4, censored"
    assert any("no constant was put in their place" in note for note in result["mixed_model"]["notes"])
    left_out = rows["readings below detection left out"]
    assert primary["estimate"] < left_out["estimate"] < primary["ci_high"]
    assert rows["primary"]["estimate"] == primary["estimate"]
    assert rows["readings below 13.5 mm3 left-censored"]["note"] == "the primary is this fit"
    assert rows["without PDX model P3"]["df"] <= 3 < primary["df"] <= 4


def test_strata_interaction_and_forest_rest_on_the_censored_fit():
    """The interaction is the difference of the strata; every PDX model's own effect counts its censored readings."""
    result = study()
    strata = {row["map2k4_status"]: row["estimate"] for row in result["map2k4"]["strata"]}
    [row] = result["map2k4"]["interaction"]
    assert row["mixed_model"]["estimate"] == pytest.approx(strata["loss_of_function"] - strata["wild_type"])
    assert row["df"] <= 4
    [forest] = result["map2k4"]["model_level"]
    effects = {one["pdx_model"]: one["effect"] for one in forest["effects"]}
    whole = simulated(1)
    slopes = whole.groupby(["pdx_model", "arm", "mouse"], observed=True)[["day", "log_volume"]].apply(
        lambda part: np.polyfit(part["day"], part["log_volume"], 1)[0]
    )
    known = slopes.groupby(level=[0, 1], observed=True).mean().unstack()
    far = known["drug"] - known["vehicle"] - pd.Series(effects)
    assert np.abs(far).max() < 0.005
    assert all(one["se"] > 0 for one in forest["effects"])


def test_where_every_reading_is_seen_a_cell_s_line_is_the_mean_of_its_mice():
    """Read on the same days, mice weigh alike; a mean errs by their slopes' variance and the readings' over 280."""
    table = simulated(1).assign(kind=SEEN, map2k4="wild_type")
    fit = fit_lmm(FORMULA, table)
    found = slopes_of_cells(SimpleNamespace(data=SimpleNamespace(frame=table), fit=fit))
    assert set(found.columns) == {"pdx_model", "map2k4_status", "arm", "slope", "variance", "n"}
    cells = table.groupby(["pdx_model", "arm"], observed=True)[["day", "log_volume"]]
    expected = cells.apply(lambda part: np.polyfit(part["day"], part["log_volume"], 1)[0])
    mine = found.set_index(["pdx_model", "arm"])
    assert mine["slope"].to_dict() == pytest.approx(expected.to_dict())
    rows = fit.variance_components.set_index(["group", "term1"])
    of_mice = float(rows[rows["term2"].isna()].loc[("mouse", "day"), "value"])
    assert mine["variance"].to_numpy() == pytest.approx((of_mice + fit.sigma**2 / 280) / 3, rel=1e-5)
    assert (mine["n"] == 3).all()


def test_a_gradient_may_be_left_that_grows_with_the_root_of_the_number_of_readings(monkeypatch):
    table, fit = one()
    least = fit.optimum.gradient / len(table) ** 0.5
    monkeypatch.setattr(censored_nested, "MOST_GRADIENT", 1.001 * least)
    assert fitted(table).optimum.gradient == fit.optimum.gradient
    monkeypatch.setattr(censored_nested, "MOST_GRADIENT", 0.999 * least)
    with pytest.raises(AnalysisError, match="no maximum"):
        fitted(table)
