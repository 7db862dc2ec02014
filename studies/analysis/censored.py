"""Growth with readings below the limit of detection: M1 with those readings left-censored, not left out or made up.

ln V = x'b + z'u + e as in M1; a reading below the limit says only that ln V lies below ln of the limit. The likelihood
of a mouse is that of its readings above the limit times the chance, given those, that the others lie below; the chance
is an integral over the mouse's two random effects, by Gauss-Hermite quadrature about its mode. Maximum likelihood; t
with the degrees of freedom Kenward and Roger give the same readings with the limit put in.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, logsumexp, stdtr, stdtrit

from studies.analysis.errors import AnalysisError
from studies.analysis.growth_models import GrowthData, GrowthFit, fit_m1, growth_data
from studies.analysis.plan import Plan

NODES = 15
NEWTON_STEPS = 8
DAY_SCALE = 10.0
LEAST_SD = 1e-4


@dataclass(frozen=True)
class CensoredFit:
    """Effects of arms by (arm, control), per day on ln V, of a left-censored M1."""

    effects: pd.DataFrame
    loglik: float
    n_censored: int


@dataclass(frozen=True)
class _Problem:
    """Rows sorted by mouse: design, random design, response (ln limit where censored) and which rows are censored."""

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    censored: np.ndarray
    mouse: np.ndarray
    n_mice: int


def fit_censored(frame: pd.DataFrame, plan: Plan, pairs: list[tuple[str, str]]) -> CensoredFit:
    """Fit the left-censored M1 of one PDX model and give the effects of the (arm, control) pairs.

    Refuses several PDX models, blocks, and a study without a reading below the limit of detection.
    """
    limit = float(plan["lod_mm3"])
    if not limit > 0:
        raise AnalysisError("a limit of detection of 0 censors nothing")
    filled = frame.assign(volume_mm3=frame["volume_mm3"].clip(lower=limit))
    data = growth_data(filled, plan)
    if data.mice["pdx_model"].nunique() > 1 or data.frame["source_study"].nunique() > 1 or plan["blocks"]:
        raise AnalysisError("the left-censored model is fitted for one PDX model without blocks only")
    start = fit_m1(data, plan)
    problem = _problem(data, limit, frame)
    if not problem.censored.any():
        raise AnalysisError("no reading lies below the limit of detection")
    parameters, loglik, covariance = _maximize(problem, _start(start, problem))
    effects = _effects(start, plan, pairs, parameters, covariance)
    return CensoredFit(effects, loglik, int(problem.censored.sum()))


def log_likelihood(problem: _Problem, parameters: np.ndarray) -> float:
    """The log-likelihood at (b, Cholesky factor of the random effects' covariance by rows, ln residual SD)."""
    p = problem.x.shape[1]
    factor = np.array([[parameters[p], 0.0], [parameters[p + 1], parameters[p + 2]]])
    sigma = float(np.exp(parameters[p + 3]))
    residual = (problem.y - problem.x @ parameters[:p]) / sigma
    spread = problem.z @ factor / sigma
    seen = ~problem.censored
    precision = np.eye(2) + _sums(problem, spread[:, :, None] * spread[:, None, :], seen)
    pull = _sums(problem, spread * residual[:, None], seen)
    mean = np.linalg.solve(precision, pull[:, :, None])[:, :, 0]
    squares = _sums(problem, residual**2, seen)
    count = int(seen.sum())
    total = -0.5 * (squares.sum() - (pull * mean).sum()) - 0.5 * np.linalg.slogdet(precision)[1].sum()
    total -= count * (0.5 * np.log(2 * np.pi) + parameters[p + 3])
    return float(total + _log_chances(problem, residual, spread, mean, precision))


def _sums(problem: _Problem, values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    total = np.zeros((problem.n_mice, *values.shape[1:]))
    np.add.at(total, problem.mouse[chosen], values[chosen])
    return total


def _log_chances(
    problem: _Problem, residual: np.ndarray, spread: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> float:
    """Sum over mice of ln of the chance that their censored readings lie below the limit, given the others."""
    rows = np.flatnonzero(problem.censored)
    mice, owner = np.unique(problem.mouse[rows], return_inverse=True)
    width = np.bincount(owner).max()
    place = np.arange(len(rows)) - np.searchsorted(owner, owner)
    bound, slope = np.full((len(mice), width), np.inf), np.zeros((len(mice), width, 2))
    bound[owner, place], slope[owner, place] = residual[rows], spread[rows]
    mean, precision = mean[mice], precision[mice]
    mode, curvature = _modes(bound, slope, mean, precision)
    root = np.linalg.cholesky(np.linalg.inv(curvature))
    nodes, weights = np.polynomial.hermite.hermgauss(NODES)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    log_weights = np.log(np.outer(weights, weights)).ravel() + (grid**2).sum(axis=1)
    u = mode[:, None, :] + np.sqrt(2) * np.einsum("mij,kj->mki", root, grid)
    away = u - mean[:, None, :]
    log_density = (
        0.5 * np.linalg.slogdet(precision)[1][:, None] - np.log(2 * np.pi)
        - 0.5 * np.einsum("mki,mij,mkj->mk", away, precision, away)
    )  # fmt: skip
    log_chance = log_ndtr(bound[:, None, :] - np.einsum("mci,mki->mkc", slope, u)).sum(axis=2)
    log_volume = np.log(2) + np.linalg.slogdet(root)[1]
    return float((logsumexp(log_density + log_chance + log_weights, axis=1) + log_volume).sum())


def _modes(
    bound: np.ndarray, slope: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each mouse's integrand is greatest, and minus its second derivatives there; it is log-concave."""
    u = mean.copy()
    for _ in range(NEWTON_STEPS):
        gradient, curvature = _derivatives(u, bound, slope, mean, precision)
        u = u + np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
    return u, _derivatives(u, bound, slope, mean, precision)[1]


def _derivatives(
    u: np.ndarray, bound: np.ndarray, slope: np.ndarray, mean: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    argument = bound - np.einsum("mci,mi->mc", slope, u)
    finite = np.isfinite(argument)
    safe = np.where(finite, argument, 0.0)
    ratio = np.where(finite, np.exp(-0.5 * safe**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(safe)), 0.0)
    gradient = -np.einsum("mij,mj->mi", precision, u - mean) - np.einsum("mc,mci->mi", ratio, slope)
    bend = ratio * (ratio + safe)
    return gradient, precision + np.einsum("mc,mci,mcj->mij", bend, slope, slope)


def _problem(data: GrowthData, limit: float, frame: pd.DataFrame) -> _Problem:
    read = data.frame
    below = frame[frame["volume_mm3"] < limit].set_index(["mouse", "day"]).index
    censored = pd.MultiIndex.from_frame(read[["mouse", "day"]]).isin(below)
    mouse, names = pd.factorize(read["mouse"])
    day = read["day"].to_numpy() / DAY_SCALE
    arms = np.column_stack([(read["arm"] == arm).to_numpy(float) for arm in data.arms])
    return _Problem(
        np.column_stack([arms, arms * day[:, None]]), np.column_stack([np.ones(len(day)), day]),
        read["log_volume"].to_numpy(), censored, mouse, len(names),
    )  # fmt: skip


def _start(fit: GrowthFit, problem: _Problem) -> np.ndarray:
    beta = np.linalg.lstsq(problem.x, fit.fit.fixed_fitted, rcond=None)[0]
    psi = fit.fit.psis[0] * np.outer([1, DAY_SCALE], [1, DAY_SCALE])
    root = np.linalg.cholesky(psi + np.eye(2) * LEAST_SD)
    return np.concatenate([beta, [root[0, 0], root[1, 0], root[1, 1], np.log(fit.fit.sigma)]])


def _maximize(problem: _Problem, start: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """The maximum, its log-likelihood, and the inverse of the observed information."""
    from scipy.optimize import minimize

    def loss(parameters: np.ndarray) -> float:
        return -log_likelihood(problem, parameters)

    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-4, "maxiter": 300})
    if not np.isfinite(found.fun):
        raise AnalysisError("the left-censored model did not converge")
    hessian = _hessian(loss, found.x)
    values, vectors = np.linalg.eigh(hessian)
    if values[0] <= 1e-8 * values[-1]:
        # a variance at 0 leaves its own direction flat; the effects' directions are what is needed
        values = np.where(values <= 1e-8 * values[-1], np.inf, values)
    return found.x, -float(found.fun), (vectors / values) @ vectors.T


def _hessian(loss, at: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    step = 1e-4 * np.maximum(1.0, np.abs(at))
    size = len(at)
    hessian = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            ei, ej = np.eye(size)[i] * step[i], np.eye(size)[j] * step[j]
            corners = loss(at + ei + ej) - loss(at + ei - ej) - loss(at - ei + ej) + loss(at - ei - ej)
            hessian[i, j] = hessian[j, i] = corners / (4 * step[i] * step[j])
    return hessian


def _effects(
    fit: GrowthFit, plan: Plan, pairs: list[tuple[str, str]], parameters: np.ndarray, covariance: np.ndarray
) -> pd.DataFrame:
    arms = fit.data.arms
    df = fit.contrasts(
        {f"{arm} - {control}": fit.effect(arm, control) for arm, control in pairs}, plan, "none"
    )["df"]
    rows = []
    for (arm, control), degrees in zip(pairs, df, strict=True):
        weights = np.zeros(len(parameters))
        weights[len(arms) + arms.index(arm)], weights[len(arms) + arms.index(control)] = 1, -1
        estimate = float(weights @ parameters) / DAY_SCALE
        se = float((weights @ covariance @ weights) ** 0.5) / DAY_SCALE
        p, half = (
            float(2 * stdtr(degrees, -abs(estimate / se))),
            float(stdtrit(degrees, 1 - plan["alpha"] / 2)) * se,
        )
        rows.append({
            "arm": arm, "control": control, "estimate": estimate, "se": se, "df": float(degrees), "p_value": p,
            "p_adjusted": p, "ci_low": estimate - half, "ci_high": estimate + half,
        })  # fmt: skip
    return pd.DataFrame(rows)
