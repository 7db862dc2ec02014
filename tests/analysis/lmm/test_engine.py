"""The engine against plain dense algebra: likelihood, gradient, curvature, predictions, certificate."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import fit_lmm
from studies.analysis.lmm.assemble import assemble, assemble_atoms, assemble_rows
from studies.analysis.lmm.atoms import AtomBottom
from studies.analysis.lmm.derivatives import Derivatives, profile_curvature
from studies.analysis.lmm.design import build_design
from studies.analysis.lmm.inference import infer
from studies.analysis.lmm.optimum import difference_hessian, find_optimum, start_at
from studies.analysis.lmm.serial import dense_derivatives
from studies.analysis.lmm.structure import plan_levels

GROWTH = pd.read_csv(Path(__file__).parents[2] / "reference" / "lmm" / "growth.csv")
FORMULAS = [
    "log_volume ~ day * arm + (1 + day | mouse)",
    "log_volume ~ day * arm + (day || mouse)",
    "log_volume ~ 0 + day:arm + (0 + day | mouse)",
    "log_volume ~ day * arm + weight + (1 + day | pdx_model/mouse)",
    "log_volume ~ day * map2k4 + day:arm:map2k4 + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 | mouse)",
    "log_volume ~ day * arm + (1 | cage) + (1 + day | mouse)",
    "log_volume ~ day * arm + (1 + day + I(day^2) | mouse)",
]
CROSSED_OVER_NESTED = "log_volume ~ day * arm + (1 | cage) + (1 | pdx_model/mouse)"


def dense(fit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, X, y) written out in full."""
    design = fit.design
    weights = np.ones(fit.n_rows) if design.weights is None else design.weights
    covariance = np.diag(fit.sigma**2 / weights)
    if design.series is not None:
        series, spread = design.series, fit.sigma / np.sqrt(weights)
        gap = np.abs(series.times[:, None] - series.times[None, :])
        same = series.codes[:, None] == series.codes[None, :]
        covariance = same * fit.residual_correlation**gap * np.outer(spread, spread)
    for term, psi in zip(design.random, fit.psis, strict=True):
        same = term.codes[:, None] == term.codes[None, :]
        covariance += same * (term.columns @ psi @ term.columns.T)
    return covariance, design.fixed_matrix()[:, fit.assembled.turn.kept], design.response


SERIAL = [
    (FORMULAS[0], None, "day | mouse"),
    (FORMULAS[3], "weight", "day | mouse"),
    (FORMULAS[5], None, "day | mouse"),
]


@pytest.mark.parametrize(
    ("formula", "weights", "correlation"),
    [*((formula, weights, None) for formula in FORMULAS for weights in (None, "weight")), *SERIAL],
)
def test_the_log_likelihood_is_that_of_the_written_out_covariance(formula, weights, correlation):
    fit = fit_lmm(formula, GROWTH, weights=weights, residual_correlation=correlation)
    covariance, fixed, response = dense(fit)
    solved = np.linalg.solve(covariance, fixed)
    errors = response - fixed @ fit.beta
    n, p = fixed.shape
    loglik = -0.5 * (
        (n - p) * np.log(2 * np.pi)
        + np.linalg.slogdet(covariance)[1]
        + np.linalg.slogdet(fixed.T @ solved)[1]
        + errors @ np.linalg.solve(covariance, errors)
    )
    assert fit.loglik == pytest.approx(loglik, abs=1e-8)
    assert fit.beta == pytest.approx(
        np.linalg.solve(fixed.T @ solved, solved.T @ response), rel=1e-7, abs=1e-9
    )
    assert fit.vcov("satterthwaite").to_numpy() == pytest.approx(np.linalg.inv(fixed.T @ solved), rel=1e-6)


@pytest.mark.parametrize(
    ("formula", "correlation"),
    [*((formula, None) for formula in [*FORMULAS, CROSSED_OVER_NESTED]), *((s[0], s[2]) for s in SERIAL)],
)
def test_random_effects_are_the_best_linear_predictions(formula, correlation):
    fit = fit_lmm(formula, GROWTH, residual_correlation=correlation)
    covariance, fixed, response = dense(fit)
    solved = np.linalg.solve(covariance, response - fixed @ fit.beta)
    for term, psi, table in zip(fit.design.random, fit.psis, fit.random_effects, strict=True):
        for group in range(len(table)):
            columns = term.columns * (term.codes == group)[:, None]
            assert table.to_numpy()[group] == pytest.approx(psi @ columns.T @ solved, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("formula", FORMULAS)
def test_gradient_and_curvature_are_those_of_differences(formula):
    model = assemble(build_design(formula, GROWTH), True).model
    theta = np.random.default_rng(5).normal(size=model.n_theta)
    differences = [(model.deviance(theta + step)[0] - model.deviance(theta - step)[0]) / 2e-5
                   for step in 1e-5 * np.eye(theta.size)]  # fmt: skip
    assert model.deviance(theta)[1] == pytest.approx(differences, rel=1e-5, abs=1e-5)
    curvature = difference_hessian(lambda point: model.deviance(point)[1], theta)
    assert profile_curvature(model, theta) == pytest.approx(curvature, rel=1e-5, abs=1e-4)


def test_gradient_with_a_residual_variance_for_each_arm():
    model = assemble(build_design(FORMULAS[3], GROWTH, residual_by="arm"), True).model
    theta = np.random.default_rng(5).normal(size=model.n_theta)
    differences = [(model.deviance(theta + step)[0] - model.deviance(theta - step)[0]) / 2e-5
                   for step in 1e-5 * np.eye(theta.size)]  # fmt: skip
    assert model.deviance(theta)[1] == pytest.approx(differences, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("formula", [*FORMULAS[:3], FORMULAS[4]])
def test_sums_by_atom_and_by_row_are_the_same_model(formula):
    design = build_design(formula, GROWTH)
    plan = plan_levels(design.random)
    by_atom, by_row = assemble_atoms(design, plan, True), assemble_rows(design, plan, True)
    assert isinstance(by_atom.model.bottom, AtomBottom)
    theta = np.random.default_rng(6).normal(size=by_row.model.n_theta)
    model, other = by_atom.model, by_row.model
    for block, twin in zip(model.blocks, other.blocks, strict=True):
        assert block.turn == pytest.approx(twin.turn)
    assert model.deviance(theta)[0] == pytest.approx(other.deviance(theta)[0], abs=1e-9)
    assert model.deviance(theta)[1] == pytest.approx(other.deviance(theta)[1], rel=1e-8, abs=1e-8)


def test_a_table_of_many_blocks_gives_what_one_block_gives(monkeypatch):
    whole = fit_lmm(FORMULAS[4], GROWTH, weights="weight")
    monkeypatch.setattr("studies.analysis.lmm.stream.BLOCK_ROWS", 7)
    pieced = fit_lmm(FORMULAS[4], GROWTH, weights="weight")
    assert pieced.loglik == pytest.approx(whole.loglik, abs=1e-9)
    assert pieced.beta == pytest.approx(whole.beta, rel=1e-7)


BASELINE = "log_volume ~ day * arm + first + (1 + day | mouse)"


@pytest.mark.parametrize(
    ("limit", "value"),
    [("cells.MOST_DISTINCT", 3), ("assemble.MOST_BASIS_COLUMNS", 1)],
)
def test_a_value_of_each_mouse_is_fitted_the_same_by_atom_and_by_row(monkeypatch, limit, value):
    """A first volume has as many values as there are mice: beyond a limit the sums are formed row by row."""
    table = GROWTH.assign(first=GROWTH.groupby("mouse")["log_volume"].transform("first").round(2))
    design = build_design(BASELINE, table)
    plan = plan_levels(design.random)
    usual = assemble_rows(design, plan, True).model
    monkeypatch.setattr(f"studies.analysis.lmm.{limit}", value)
    assert assemble_atoms(design, plan, True) is None
    fit = fit_lmm(BASELINE, table)
    assert fit.loglik == pytest.approx(-find_optimum(usual).solution.deviance / 2, abs=1e-8)


def test_many_cells_are_summed_by_row(monkeypatch):
    """Beyond 64 sums by cell, or twice the fixed columns, or as many values, atoms gain nothing."""
    mice = np.repeat(np.arange(40), 3)
    table = pd.DataFrame({"y": np.sin(np.arange(120.0)), "day": np.tile([0.0, 2.0, 5.0], 40), "mouse": mice})

    def by_atom(cells: int) -> bool:
        design = build_design("y ~ day + w + (1 | mouse)", table.assign(w=np.minimum(mice, cells - 1.0)))
        return assemble_atoms(design, plan_levels(design.random), True) is not None

    assert by_atom(32) and not by_atom(33)
    monkeypatch.setattr("studies.analysis.lmm.cells.MOST_DISTINCT", 31)
    assert by_atom(31) and not by_atom(32)


def test_mice_on_the_same_days_share_an_atom():
    days = np.tile([0.0, 3.0, 7.0, 10.0], 30)
    mice, arms = np.repeat(np.arange(30), 4), np.repeat(["V", "T"], 60)
    noise = np.random.default_rng(1).normal(size=(2, 120))
    table = pd.DataFrame({"y": days * 0.1 + noise[0], "day": days, "mouse": mice, "arm": arms})
    assembled = assemble(build_design("y ~ day * arm + (1 + day | mouse)", table), True)
    assert assembled.model.bottom.atoms.counts.tolist() == [15.0, 15.0]


def test_the_search_leaves_a_saddle_at_zero_variance():
    """Where Lambda = 0 every derivative in Lambda is 0: only the eigenvalue test sees that this is no optimum."""
    model = assemble(build_design("log_volume ~ day * arm + (1 + day | mouse)", GROWTH), True).model
    nothing = np.zeros(model.n_theta)
    assert model.deviance(nothing)[1] == pytest.approx(np.zeros(model.n_theta), abs=1e-12)
    from_zero, from_one = (find_optimum(model, start) for start in (nothing, start_at(model, 1.0)))
    assert from_zero.solution.deviance == pytest.approx(from_one.solution.deviance, abs=1e-8)
    assert model.deviance(nothing)[0] > from_zero.solution.deviance + 10


@pytest.mark.parametrize("response", ["log_volume", "flat"])
def test_the_optimum_carries_its_certificate(response):
    fit = fit_lmm(f"{response} ~ day * arm + (1 + day | pdx_model/mouse)", GROWTH)
    assert fit.optimum.converged
    assert fit.optimum.gradient < 1e-4
    assert fit.optimum.smallest_eigenvalue > -1e-4
    assert fit.is_singular == (response == "flat")


def test_no_start_finds_a_better_optimum():
    model = assemble(build_design(FORMULAS[4], GROWTH), True).model
    best = find_optimum(model).solution.deviance
    for scale in (0.03, 0.3, 3.0, 30.0):
        assert find_optimum(model, start_at(model, scale)).solution.deviance >= best - 2e-8


def serial_derivatives(design, values):
    """R and log|V| of a fit with one (1 | mouse), at (variance, covariances..., residual variances, log phi)."""
    fixed = design.fixed_matrix()
    return dense_derivatives(
        design, fixed, [np.array([[values[0]]])], values[1:-1], float(np.exp(values[-1]))
    )


def test_derivatives_with_correlated_residuals_are_those_of_differences():
    design = build_design("log_volume ~ day + (1 | mouse)", GROWTH, None, "arm", "day | mouse")
    at, step = np.array([0.2, 0.05, 0.08, 0.06, np.log(0.7)]), 1e-5
    linear, whole = serial_derivatives(design, at)
    for i, unit in enumerate(np.eye(at.size) * step):
        above, below = (serial_derivatives(design, at + sign * unit)[1] for sign in (1, -1))
        for name, order in (("r", "r_first"), ("r_first", "r_second"), ("logdet_first", "logdet_second")):
            difference = (getattr(above, name) - getattr(below, name)) / (2 * step)
            assert getattr(whole, order)[i] == pytest.approx(difference, rel=1e-5, abs=1e-4)
    assert linear.r_second[0, 1] == pytest.approx(whole.r_second[0, 1])
    assert not np.allclose(linear.r_second[-1, -1], whole.r_second[-1, -1])


@pytest.mark.parametrize(
    ("formula", "by"),
    [
        (FORMULAS[0], None),
        (FORMULAS[0], "arm"),
        (FORMULAS[3], "arm"),
        (FORMULAS[5], "arm"),
        (FORMULAS[5], None),
    ],
)
def test_inference_is_that_of_the_written_out_covariance_and_its_derivatives(formula, by):
    """By way of residuals correlated in time, where phi is next to 0: dense matrices and no elimination."""
    fit = fit_lmm(formula, GROWTH, residual_by=by)
    design = build_design(formula, GROWTH, None, by, "day | mouse")
    fixed = design.fixed_matrix() @ fit.assembled.turn.back
    variances = fit.sigma**2 / fit.optimum.solution.state.precision
    linear, _ = dense_derivatives(design, fixed, fit.psis, variances, 1e-9)
    without = Derivatives(linear.r, linear.r_first[:-1], linear.r_second[:-1, :-1], linear.logdet_first[:-1],
                          linear.logdet_second[:-1, :-1])  # fmt: skip
    dense = infer(without, fixed.shape[1], 1.0, True, np.eye(len(without.r_first)))
    assert dense.adjusted == pytest.approx(fit.inference.adjusted, rel=1e-5, abs=1e-8)
    for row in fit.assembled.turn.back:
        for method in ("kenward-roger", "satterthwaite"):
            assert dense.df(row, method) == pytest.approx(fit.inference.df(row, method), rel=1e-5)
