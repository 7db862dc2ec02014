"""Readings below the limit of detection as left-censored: against R, by brute force, by law, by truth, by refusal."""

import json
from functools import cache
from math import exp, log
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from studies.analysis import AnalysisError, analyze_study, censored, fit_lmm, normalize_table, tobit
from studies.analysis.censored import bootstrap, fit_censored
from studies.analysis.growth_models import fit_m1, fit_primary, growth_data
from studies.analysis.plan import resolve_plan
from studies.analysis.tobit import (
    ABOVE,
    BELOW,
    NODES,
    SEEN,
    Evaluated,
    Restricted,
    Units,
    _Search,
    evaluate,
    fixed_effects_run_away,
    gradient_of_logdet,
    make_units,
    maximize,
    maximize_restricted,
)
from tests.analysis.builders import curve, together

DAYS = [0, 3, 7, 10, 14, 17, 21]
LIMIT = 13.5
FOLDER = Path(__file__).parent.parent / "reference" / "inference"
PLAN = {"control": "vehicle", "window": [0, 21], "day": 21}
FORMULA = "log_volume ~ day * arm + (1 + day | mouse)"


def simulated(rate: float, seed: int, mice: int = 6) -> pd.DataFrame:
    """Vehicle grows at 0.07 a day; the drug's tumors shrink at `rate` and read 0 below the limit."""
    random = np.random.default_rng(seed)
    curves = []
    for arm, slope in (("vehicle", 0.07), ("drug", rate)):
        for i in range(mice):
            own, start = slope + random.normal(0, 0.02), np.log(200) + random.normal(0, 0.2)
            volumes = {day: float(np.exp(start + own * day + random.normal(0, 0.15))) for day in DAYS}
            curves.append(
                curve(f"{arm} {i}", arm, {day: v if v >= LIMIT else 0.0 for day, v in volumes.items()})
            )
    return together(*curves)


def data_of(table: pd.DataFrame, **plan: object):
    normalized = normalize_table(table)
    resolved = resolve_plan(normalized, {**PLAN, **plan})
    return growth_data(normalized.frame, resolved), resolved


def two_mice(hidden: list[int], kind: int = BELOW) -> tuple[Units, np.ndarray]:
    """Two mice of five readings, some censored, with the parameters they were drawn by."""
    random = np.random.default_rng(3)
    mouse, day = np.repeat([0, 1], 5), np.tile([0.0, 0.5, 1.0, 1.5, 2.0], 2)
    z = np.column_stack([np.ones(10), day])
    y = 5 - 1.2 * day + random.normal(0, 0.3, 10)
    kinds = np.where(np.isin(np.arange(10), hidden), kind, SEEN)
    sigma = 0.25
    parameters = np.array([5.0, -1.1, 0.4, 0.1, 0.3, 1.0]) / sigma
    return make_units(z, z, y[None], kinds[None], mouse, 2), parameters


def by_distribution_function(hidden: list[int]) -> float:
    """Density of the readings seen times the chance of the others, each from the joint normal of a mouse."""
    random = np.random.default_rng(3)
    z = np.column_stack([np.ones(5), [0.0, 0.5, 1.0, 1.5, 2.0]])
    y = 5 - 1.2 * np.tile(z[:, 1], 2) + random.normal(0, 0.3, 10)
    factor = np.array([[0.4, 0], [0.1, 0.3]])
    total = 0.0
    for mouse in range(2):
        mine, unseen = y[5 * mouse : 5 * mouse + 5], np.isin(np.arange(5) + 5 * mouse, hidden)
        mean, cov = z @ [5.0, -1.1], z @ factor @ factor.T @ z.T + 0.25**2 * np.eye(5)
        seen = ~unseen
        total += multivariate_normal(mean[seen], cov[np.ix_(seen, seen)]).logpdf(mine[seen])
        if unseen.any():
            regression = cov[np.ix_(unseen, seen)] @ np.linalg.inv(cov[np.ix_(seen, seen)])
            given = mean[unseen] + regression @ (mine[seen] - mean[seen])
            spread = cov[np.ix_(unseen, unseen)] - regression @ cov[np.ix_(seen, unseen)]
            total += float(np.log(multivariate_normal(given, spread).cdf(mine[unseen])))
    return total


def by_grid(hidden: list[int], kind: int) -> float:
    """The same integral over both random effects by brute force: a grid of 601 x 601 points."""
    random = np.random.default_rng(3)
    day = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    y = 5 - 1.2 * np.tile(day, 2) + random.normal(0, 0.3, 10)
    points = np.linspace(-7, 7, 601)
    one, two = np.meshgrid(points, points, indexing="ij")
    weight = norm.pdf(one) * norm.pdf(two) * (points[1] - points[0]) ** 2
    total = 0.0
    for mouse in range(2):
        log_density = np.zeros_like(one)
        for place, t in enumerate(day):
            row = 5 * mouse + place
            a = (y[row] - (5 - 1.1 * t) - 0.4 * one - t * (0.1 * one + 0.3 * two)) / 0.25
            log_density += norm.logcdf(-kind * a) if row in hidden else norm.logpdf(a) - log(0.25)
        total += log((weight * np.exp(log_density)).sum())
    return total


# By brute force and against R


@pytest.mark.parametrize("hidden", [[4], [3, 4], [4, 9], [2, 3, 4, 8, 9]])
def test_likelihood_is_that_of_the_joint_normal(hidden):
    units, parameters = two_mice(hidden)
    found = float(evaluate(units, parameters[None]).loglik[0])
    assert found == pytest.approx(by_distribution_function(hidden), abs=2e-4)


@pytest.mark.parametrize("kind", [BELOW, ABOVE])
def test_likelihood_is_the_integral_over_a_fine_grid(kind):
    units, parameters = two_mice([2, 3, 4, 8, 9], kind)
    for nodes, tolerance in ((None, 2e-4), (25, 1e-6)):
        found = float(evaluate(units, parameters[None], nodes).loglik[0])
        assert found == pytest.approx(by_grid([2, 3, 4, 8, 9], kind), abs=tolerance)


def test_gradient_and_information_are_its_derivatives():
    units, parameters = two_mice([3, 4, 9])
    at = evaluate(units, parameters[None], 25)
    steps = 1e-5 * np.eye(len(parameters))
    above, below = (
        [evaluate(units, parameters[None] + sign * step, 25) for step in steps] for sign in (1, -1)
    )
    slope = [(up.loglik[0] - down.loglik[0]) / 2e-5 for up, down in zip(above, below, strict=True)]
    bend = np.array([(down.score[0] - up.score[0]) / 2e-5 for up, down in zip(above, below, strict=True)])
    assert at.score[0] == pytest.approx(slope, abs=1e-5)
    assert at.information[0] == pytest.approx(bend, abs=2e-4)


@pytest.mark.parametrize("kind", [BELOW, ABOVE])
def test_what_integrating_fixed_effects_out_adds_to_the_gradient_is_its_derivative(kind):
    units, parameters = two_mice([2, 3, 4, 9], kind)

    def logdet(at: np.ndarray) -> float:
        return float(np.linalg.slogdet(evaluate(units, at[None], 25).information[0, :2, :2])[1])

    fixed = evaluate(units, parameters[None], 25).information[0, :2, :2]
    found = gradient_of_logdet(units, parameters, np.linalg.inv(fixed), 25)
    moves = 1e-5 * np.eye(len(parameters))
    expected = [(logdet(parameters + move) - logdet(parameters - move)) / 2e-5 for move in moves]
    assert found == pytest.approx(np.array(expected), abs=1e-4)


def unbalanced(seed: int, share: float) -> tuple[Units, np.ndarray]:
    """Eight mice of two arms, three to seven readings each, `share` of all readings below their limit; and a start."""
    random = np.random.default_rng(seed)
    mouse = np.repeat(np.arange(8), random.integers(3, 8, 8))
    day = random.choice(np.arange(0, 2, 0.1), len(mouse))
    z = np.column_stack([np.ones(len(mouse)), day])
    x = np.column_stack([z, z * (mouse % 2)[:, None]])
    own = random.normal(0, [0.3, 0.2], (8, 2))
    y = 5 - 0.5 * day - 0.4 * x[:, 3] + (z * own[mouse]).sum(axis=1) + random.normal(0, 0.2, len(mouse))
    limit = np.quantile(y, share)
    units = make_units(x, z, np.maximum(y, limit)[None], np.where(y < limit, BELOW, SEEN)[None], mouse, 8)
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    return units, np.concatenate([b / 0.2, [1.0, 0.0, 0.5], [1 / 0.2]])


@pytest.mark.parametrize(
    ("seed", "share", "by_differences"),
    [(1, 0.05, -3.3595913), (3, 0.2, -13.8109547), (8, 0.2, -7.927888), (6, 0.5, -3.1317656), (10, 0.5, -4.5899901)],
)  # fmt: skip
def test_the_maximum_found_is_one_and_the_same_from_everywhere(seed, share, by_differences):
    """No variance nearby is more likely; searches from far smaller and larger ones end no higher, nor did the best of
    three whose gradient came by differences of log|I|."""
    units, start = unbalanced(seed, share)
    best = maximize_restricted(units, start)
    search = _Search(units, best.parameters[:4], np.zeros((4, 4)))
    for step in 0.02 * np.concatenate([np.eye(4), -np.eye(4)]):
        assert search.at(best.parameters[4:] * (1 + step), NODES).value <= best.loglik + 1e-9
    assert best.loglik >= by_differences - 1e-7
    for factor in (0.2, 3.0):
        other = maximize_restricted(units, np.concatenate([start[:4], factor * start[4:7], start[7:]]))
        assert other.loglik <= best.loglik + (2e-5 if seed == 3 else 1e-7)  # of 3 the nodes tell no more


def test_fixed_effects_run_away_where_nothing_holds_a_censored_reading_back():
    """Columns: an arm's level, and its rise on a later day; the drug's tumors are never seen on that day."""
    drug, late = np.repeat([0.0, 1.0], 4), np.tile([0.0, 1.0], 4)
    x = np.column_stack([np.ones(8), drug, late, drug * late])
    hidden = (drug * late) > 0
    assert fixed_effects_run_away(x, np.where(hidden, BELOW, SEEN))
    assert fixed_effects_run_away(x, np.where(hidden, ABOVE, SEEN))
    assert not fixed_effects_run_away(x, np.full(8, SEEN))
    assert not fixed_effects_run_away(x[:, :3], np.where(hidden, BELOW, SEEN))
    one_each = np.where(hidden, BELOW, SEEN)
    one_each[5] = ABOVE
    assert not fixed_effects_run_away(x, one_each)


def test_fixed_effects_run_away_along_a_combination_of_two_free_ones():
    """Of two free columns each alone brings one censored reading back; both together take both further off."""
    x = np.array([[1.0, 0, 0], [1.0, 0, 0], [0, 1.0, -0.5], [0, -0.5, 1.0]])
    kind = np.array([SEEN, SEEN, BELOW, BELOW])
    assert fixed_effects_run_away(x, kind)
    assert not fixed_effects_run_away(np.vstack([x, [0, -1.0, -1.0]]), np.append(kind, BELOW))


def test_without_random_effects_it_is_survreg():
    expected = json.loads((FOLDER / "censored.json").read_text())
    table = pd.read_csv(FOLDER / "censored.csv")
    drug, day = (table["arm"] == "drug").to_numpy(float), table["day"].to_numpy(float)
    x = np.column_stack([np.ones(len(table)), day, drug, day * drug])
    volume = table["volume_mm3"].to_numpy()
    y, kind = np.log(np.maximum(volume, LIMIT)), np.where(volume < LIMIT, BELOW, SEEN)
    mouse, names = pd.factorize(table["mouse"])
    units = make_units(x, np.zeros((len(table), 1)), y[None], kind[None], mouse, len(names))
    names = ["(Intercept)", "day", "armdrug", "day:armdrug"]
    beta = np.array([expected["coefficients"][name] for name in names])
    parameters = np.concatenate([beta, [0.0, 1.0]]) / expected["sigma"]
    at = evaluate(units, parameters[None])
    assert at.loglik[0] == pytest.approx(expected["loglik"], abs=1e-8)
    assert np.delete(at.score[0], 4) == pytest.approx(0, abs=1e-3)


# By law


@cache
def primary():
    data, plan = data_of(simulated(-0.25, 1))
    return fit_primary(data, plan), plan


def effect(fit, plan) -> pd.Series:
    return fit.contrasts({"x": fit.effect("drug", "vehicle")}, plan, "none").iloc[0]


def test_it_is_the_primary_as_soon_as_one_reading_lies_below():
    fit, _ = primary()
    assert (fit.name, fit.data.n_censored) == ("MC", 21)


def test_without_censored_readings_it_is_the_mixed_model():
    data, plan = data_of(simulated(-0.02, 1))
    plain = fit_m1(data, plan)
    other = fit_censored(FORMULA, data.frame, np.zeros(len(data.frame), int))
    assert other.loglik == pytest.approx(plain.fit.loglik, abs=1e-7)
    pd.testing.assert_frame_equal(other.coefficients(), plain.fit.coefficients(), rtol=1e-5)
    expected = plain.fit.variance_components["value"].to_numpy()
    assert other.variance_components["value"].to_numpy() == pytest.approx(expected, rel=1e-4)
    assert other.residuals == pytest.approx(plain.fit.residuals, abs=1e-4)


def test_order_of_rows_does_not_matter():
    fit, plan = primary()
    shuffled, _ = data_of(simulated(-0.25, 1).sample(frac=1, random_state=2))
    frame = shuffled.frame.sample(frac=1, random_state=3)
    other = fit_censored(FORMULA, frame, frame["kind"].to_numpy())
    assert other.loglik == pytest.approx(fit.fit.loglik, abs=1e-7)
    assert other.coefficients()["estimate"].to_numpy() == pytest.approx(
        fit.fit.coefficients()["estimate"], rel=1e-5
    )


def test_units_of_volume_and_days_cancel():
    fit, plan = primary()
    table = simulated(-0.25, 1).assign(volume_mm3=lambda t: t["volume_mm3"] / 1000)
    data, smaller = data_of(table, lod_mm3=LIMIT / 1000)
    other = effect(fit_primary(data, smaller), smaller)
    assert (other["estimate"], other["se"]) == pytest.approx(
        tuple(effect(fit, plan)[["estimate", "se"]]), rel=1e-5
    )
    weekly = fit.data.frame.assign(day=fit.data.frame["day"] / 7)
    again = fit_censored(FORMULA, weekly, weekly["kind"].to_numpy()).coefficients()
    assert again.loc["day:arm[T.drug]", "estimate"] == pytest.approx(
        7 * effect(fit, plan)["estimate"], rel=1e-4
    )


def test_volumes_plainly_in_another_unit_are_not_censored_by_a_limit_in_mm3():
    table = simulated(-0.02, 1).assign(volume_mm3=lambda t: t["volume_mm3"] / 1000)
    data, _ = data_of(table)
    assert (data.n_censored, data.limit_mm3) == (0, None)


def test_swapping_arms_turns_the_sign():
    fit, plan = primary()
    table = simulated(-0.25, 1)
    swapped, turned = data_of(table, control="drug")
    other = fit_primary(swapped, turned)
    there = other.contrasts({"x": other.effect("vehicle", "drug")}, turned, "none").iloc[0]
    assert there["estimate"] == pytest.approx(-effect(fit, plan)["estimate"], rel=1e-5)


def test_a_tumor_seen_just_above_the_limit_is_like_one_just_below():
    """One reading barely censored moves the effect little."""
    table = simulated(-0.02, seed=1)
    limit = float(table["volume_mm3"].min()) * 1.001
    data, plan = data_of(table, lod_mm3=limit)
    plain = fit_lmm(FORMULA, data_of(table)[0].frame).coefficients()
    assert data.n_censored == 1
    assert effect(fit_primary(data, plan), plan)["estimate"] == pytest.approx(
        plain.loc["day:arm[T.drug]", "estimate"], abs=0.01
    )


def test_the_limit_itself_is_never_a_reading():
    """A lower limit for the same zeros means smaller tumors, so a steeper fall; no volume is made up."""
    effects = []
    for limit in (13.5, 5.0):
        data, plan = data_of(simulated(-0.25, 1), lod_mm3=limit)
        effects.append(effect(fit_primary(data, plan), plan)["estimate"])
    assert effects[1] < effects[0]


# By truth


def test_the_true_effect_is_found_and_its_error_is_honest():
    truth, found = -0.32, []
    for seed in range(9):
        data, plan = data_of(simulated(-0.25, seed, mice=4))
        row = effect(fit_primary(data, plan), plan)
        found.append((row["estimate"], row["se"], row["ci_low"] < truth < row["ci_high"]))
    estimate, se, covered = (np.array(column) for column in zip(*found, strict=True))
    assert abs(estimate.mean() - truth) < 3 * estimate.std(ddof=1) / 3
    assert se.mean() == pytest.approx(estimate.std(ddof=1), rel=0.5)
    assert covered.sum() >= 7


def test_few_mice_have_a_bootstrap_p_beside_the_t_test():
    data, plan = data_of(simulated(-0.25, 1, mice=3))
    fit = fit_primary(data, plan)
    weights = fit.effect("drug", "vehicle")
    one, again = (bootstrap(fit.fit, weights, seed=7, draws=29) for _ in range(2))
    assert one == again
    assert one.p_value == pytest.approx(1 / (1 + one.draws))
    nothing = bootstrap(fit.fit, {"arm[T.drug]": 1.0}, seed=7, draws=29)
    assert nothing.p_value > 0.05


def test_the_study_tells_of_it():
    result = analyze_study(simulated(-0.25, 1, mice=3), PLAN).to_dict()
    assert result["mixed_model"]["model"] == "MC"
    [row] = result["mixed_model"]["contrasts"]
    assert row["bootstrap_draws"] > 150
    assert any("left-censored" in note for note in result["notes"])
    left_out = next(r for r in result["sensitivity"] if r["variant"] == "readings below detection left out")
    assert left_out["estimate"] != row["estimate"]


# By refusal


def test_another_random_part_is_refused():
    data, _ = data_of(simulated(-0.25, 1))
    with pytest.raises(AnalysisError, match="random effects of one factor"):
        fit_censored(
            "log_volume ~ day * arm + (1 | mouse) + (0 + day | arm:mouse)",
            data.frame,
            data.frame["kind"].to_numpy(),
        )


def test_uncorrelated_effects_without_a_censored_reading_are_those_of_reml():
    formula = "log_volume ~ day * arm + (1 + day || mouse)"
    data, _ = data_of(simulated(-0.02, 1))
    seen = data.frame[data.frame["kind"] == SEEN]
    censored, plain = fit_censored(formula, seen, seen["kind"].to_numpy()), fit_lmm(formula, seen)
    assert censored.loglik == pytest.approx(plain.loglik, abs=1e-7)
    assert censored.beta == pytest.approx(plain.beta, rel=1e-5)
    assert np.concatenate(censored.psis) == pytest.approx(np.concatenate(plain.psis), rel=1e-3, abs=1e-9)


def test_uncorrelated_effects_are_a_correlated_fit_held_at_no_correlation():
    data, _ = data_of(simulated(-0.25, 1))
    kind = data.frame["kind"].to_numpy()
    free = fit_censored(FORMULA, data.frame, kind)
    held = fit_censored("log_volume ~ day * arm + (1 + day || mouse)", data.frame, kind)
    assert held.loglik <= free.loglik + 1e-8
    assert [psi.shape for psi in held.psis] == [(1, 1), (1, 1)]
    assert held.beta == pytest.approx(free.beta, rel=0.1)


def test_an_arm_never_seen_again_leaves_the_likelihood_without_a_maximum():
    table = simulated(-0.02, 1)
    data, _ = data_of(table)
    gone = (data.frame["arm"] == "drug") & (data.frame["day"] > 0)
    with pytest.raises(AnalysisError, match='arm "drug" 86 % of the readings lie beyond'):
        fit_censored(FORMULA, data.frame.assign(log_volume=data.frame["log_volume"].mask(gone, log(LIMIT))),
                     np.where(gone, BELOW, SEEN))  # fmt: skip


def test_readings_on_lines_of_their_own_leave_no_error_to_find_a_maximum_by():
    random, rows = np.random.default_rng(2), []
    for mouse in range(6):
        start, slope = 5 + random.normal(0, 0.3), -0.5 + random.normal(0, 0.05)
        random.normal(0, 1, 8)
        rows += [("AB"[mouse % 2], f"M{mouse}", float(day), start + slope * day) for day in range(8)]
    table = pd.DataFrame(rows, columns=["arm", "mouse", "day", "log_volume"])
    seen = table["day"] < 4
    limit = table["log_volume"][seen].min() - 0.01
    table["log_volume"] = table["log_volume"].where(seen, limit)
    with pytest.raises(AnalysisError, match='no maximum; in arm "A" 50 %'):
        fit_censored(FORMULA, table, np.where(seen, SEEN, BELOW))


def test_a_search_of_the_fixed_effects_cut_short_knows_what_is_left_to_climb(monkeypatch):
    units, start = unbalanced(3, 0.2)
    best = maximize_restricted(units, start)
    monkeypatch.setattr(tobit, "MOST_CLIMBS", 1)
    here = _Search(units, best.parameters[:4] * 1.002, np.zeros((4, 4))).at(best.parameters[4:], NODES)
    assert here.value == pytest.approx(best.loglik, abs=1e-4)
    assert here.parameters == pytest.approx(best.parameters, rel=1e-3)


def test_a_step_that_falls_is_halved_until_it_climbs(monkeypatch):
    """Up -ln cosh: from 2 on every whole step of Newton's goes further astray than the last."""

    def bell(units: object, parameters: np.ndarray, nodes: int) -> Evaluated:
        at = parameters[0, 0]
        information = np.diag([1 / np.cosh(at) ** 2, 1.0])
        return Evaluated(np.array([-np.log(np.cosh(at))]), np.array([[-np.tanh(at), 0.0]]), information[None])

    monkeypatch.setattr(tobit, "evaluate", bell)
    monkeypatch.setattr(tobit, "gradient_of_logdet", lambda units, parameters, inverse, nodes: np.zeros(2))
    search = _Search(SimpleNamespace(p=1), np.array([2.0]), np.zeros((1, 1)))
    assert search.at(np.ones(1), NODES).parameters == pytest.approx([0, 1], abs=1e-6)
    monkeypatch.setattr(tobit, "MOST_CLIMBS", 1)
    values = [
        _Search(search.units, np.array([at]), search.learned).at(np.ones(1), NODES).value for at in (0.3, 0.5)
    ]
    assert np.isfinite(values).tolist() == [True, False], "what is left to climb is sinh^2, at most a tenth"


def test_a_step_to_nowhere_teaches_a_search_nothing_and_one_beyond_every_number_ends_it():
    units, start = unbalanced(3, 0.2)
    search = _Search(units, start[:4], np.zeros((4, 4)))
    here = search.at(start[4:], NODES)
    search._learn(here, here)
    assert not search.learned.any()
    assert np.isnan(tobit._upward(np.full((2, 2), np.inf), np.ones(2))).all()


def test_effects_looked_for_in_one_step_cost_the_likelihood_little(monkeypatch):
    """They place the nodes of the integral, which is right wherever these lie near the top."""
    units, start = unbalanced(3, 0.2)
    whole = evaluate(units, start[None], 25).loglik[0]
    monkeypatch.setattr(tobit, "MODE_STEPS", 1)
    assert evaluate(units, start[None], 25).loglik[0] == pytest.approx(whole, abs=1e-3)


def test_a_table_without_arms_is_refused_without_naming_one():
    table = pd.DataFrame(
        {"y": [5.0, 5.1, 2, 2, 5.2, 5.3, 2, 2], "mouse": list("aabbccdd"), "late": [0, 0, 1, 1] * 2}
    )
    kind = np.where(table["late"] == 1, BELOW, SEEN)
    with pytest.raises(AnalysisError, match="no maximum: too few readings lie within the limits"):
        fit_censored("y ~ late + (1 | mouse)", table, kind)


def test_maximum_likelihood_side_by_side_is_that_of_each_alone():
    units, parameters = two_mice([4])
    random = np.random.default_rng(1)
    day = np.tile(np.arange(5.0), 12)
    x = np.column_stack([np.ones(60), day])
    y = 5 - 0.4 * day + np.repeat(random.normal(0, 0.3, (2, 12)), 5, axis=1) + random.normal(0, 0.2, (2, 60))
    kind = np.where(y < 3.6, BELOW, SEEN)
    mouse = np.repeat(np.arange(12), 5)
    start = np.array([25.0, -2.0, 1.5, 5.0])
    z = np.ones((60, 1))
    _, both, done = maximize(make_units(x, z, np.maximum(y, 3.6), kind, mouse, 12), np.tile(start, (2, 1)))
    alone = [
        maximize(make_units(x, z, np.maximum(y[i : i + 1], 3.6), kind[i : i + 1], mouse, 12), start[None])[1][
            0
        ]
        for i in range(2)
    ]
    assert done.all()
    assert both == pytest.approx(alone, abs=1e-9)
    assert exp(both[0]) > 0


@pytest.mark.parametrize("gradient", [None, 1e9])
def test_a_search_without_an_end_is_refused(monkeypatch, gradient):
    """One that breaks off among numbers beyond all bounds, and one that stops on a slope."""

    def search(units: object, start: np.ndarray) -> Restricted:
        if gradient is None:
            raise np.linalg.LinAlgError
        return Restricted(start, 0.0, np.eye(2), gradient)

    monkeypatch.setattr(censored, "maximize_restricted", search)
    table = pd.DataFrame(
        {"y": [5.0, 5.1, 4.0, 5.3, 5.5, 4.0], "mouse": list("aaabbb"), "day": [0.0, 1, 2] * 2}
    )
    with pytest.raises(AnalysisError, match="no maximum"):
        fit_censored("y ~ day + (1 | mouse)", table, np.where(table["y"] == 4, BELOW, SEEN))


def test_what_is_drawn_below_the_limit_of_the_study_is_censored_at_it():
    table = pd.DataFrame({
        "y": [5.0, 5.2, 4.6, 5.1, 4.9, 4.5, 5.3, 5.6, 4.5, 5.2, 5.3, 5.1], "mouse": list("aaabbbcccddd"),
        "day": [0.0, 1, 2] * 4,
    })  # fmt: skip
    fit = fit_censored("y ~ day + (1 | mouse)", table, np.where(table["y"] == 4.5, BELOW, SEEN))
    y, kind = censored._simulated(
        fit.problem, fit.problem.x, fit.found.parameters, np.random.default_rng(1), 20
    )
    assert y.shape == kind.shape == (20, 12)
    assert y.min() == 4.5 and y.max() > 5.5
    assert ((kind == BELOW) == (y == 4.5)).all()
