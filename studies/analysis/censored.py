"""Growth with readings below the limit of detection: the mixed model with those readings left-censored ("MC").

A reading below the limit says only that ln V lies below ln of the limit; no constant is put in its place. Estimates
maximize the restricted likelihood of `studies.analysis.tobit`; without a censored reading they are those of `fit_lmm`.
Degrees of freedom, and the factor by which Kenward and Roger widen standard errors, are those of the same design with
the limit put in. With few mice an arm the p value by parametric bootstrap of the likelihood ratio stands beside.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.inference import FixedInference
from studies.analysis.mixed_model import LmmFit, fit_lmm
from studies.analysis.tobit import (
    BELOW,
    COARSE_NODES,
    SEEN,
    Restricted,
    Units,
    make_units,
    maximize,
    maximize_restricted,
    modes,
)

Array = np.ndarray
LEAST_SD_SHARE = 1e-3
MOST_GRADIENT = 1e-2
LEAST_CURVATURE = 1e-9
BOOTSTRAP_DRAWS, BOOTSTRAP_NODES, BOOTSTRAP_TOLERANCE, BOOTSTRAP_STEPS = 199, 4, 1e-3, 20


@dataclass(frozen=True)
class CensoredInference(FixedInference):
    """`fitted` is the covariance at the censored fit; the rest, and so the degrees of freedom, the filled design's."""

    fitted: Array = field(kw_only=True)

    def covariance(self, method: str) -> Array:
        return self.adjusted if method == "kenward-roger" else self.fitted


@dataclass(frozen=True)
class _Problem:
    """What is maximized: turned fixed columns, scaled random columns, responses, kinds of rows and owners."""

    x: Array
    z: Array
    scale: Array
    y: Array
    kind: Array
    mouse: Array
    n_mice: int

    def units(self, x: Array | None = None, y: Array | None = None, kind: Array | None = None) -> Units:
        x, y, kind = (
            (self.x if x is None else x),
            (self.y if y is None else y),
            (self.kind if kind is None else kind),
        )
        return make_units(x, self.z, np.atleast_2d(y), np.atleast_2d(kind), self.mouse, self.n_mice)


@dataclass(frozen=True)
class CensoredLmmFit(LmmFit):
    """A mixed model some of whose rows are censored; every table as `LmmFit` gives it."""

    problem: _Problem = field(kw_only=True, repr=False)
    found: Restricted = field(kw_only=True, repr=False)

    @property
    def loglik(self) -> float:
        """Restricted log-likelihood, the fixed effects integrated out by Laplace's method."""
        return self.found.loglik + float(np.linalg.slogdet(self.assembled.turn.back)[1])

    @property
    def sigma(self) -> float:
        return float(1 / self.found.parameters[-1])

    @property
    def n_censored(self) -> int:
        return int((self.problem.kind != SEEN).sum())

    @cached_property
    def _factor(self) -> Array:
        """Lambda in the scaled columns."""
        q = self.problem.z.shape[1]
        factor = np.zeros((q, q))
        factor[np.tril_indices(q)] = self.found.parameters[self.problem.x.shape[1] : -1] * self.sigma
        return factor

    @cached_property
    def psis(self) -> list[Array]:
        return [self._factor @ self._factor.T / np.outer(self.problem.scale, self.problem.scale)]

    @cached_property
    def is_singular(self) -> bool:
        return float(np.abs(np.diag(self._factor)).min()) < LEAST_SD_SHARE * self.sigma

    @cached_property
    def at_boundary(self) -> bool:
        return self.is_singular

    @cached_property
    def beta(self) -> Array:
        turned = self.found.parameters[: self.problem.x.shape[1]] * self.sigma
        return self.assembled.turn.back @ turned

    @cached_property
    def inference(self) -> FixedInference:
        filled = super().inference
        widened = np.linalg.cholesky(filled.adjusted) @ np.linalg.inv(np.linalg.cholesky(filled.phi))
        adjusted = widened @ self.found.covariance @ widened.T
        return CensoredInference(filled.phi, adjusted, filled.slopes, filled.expected, filled.observed, filled.notes,
                                 fitted=self.found.covariance)  # fmt: skip

    @cached_property
    def _modes(self) -> list[Array]:
        """Each mouse's random effects where its likelihood is greatest, given the estimates."""
        modal = modes(self.problem.units(), self.found.parameters)
        return [modal @ self._factor.T / self.problem.scale]

    @cached_property
    def residuals(self) -> Array:
        """As `LmmFit` gives them; NaN for a censored reading, which has none."""
        return np.where(self.problem.kind == SEEN, (self.design.response - self.fitted) / self.sigma, np.nan)


def fit_censored(formula: str, data: pd.DataFrame, kind: Array) -> CensoredLmmFit:
    """Fit a mixed model of one random term, the response of some rows being a limit it lies below or above.

    `data` has one row a reading, the limit standing in the response of a censored one; `kind` is BELOW, SEEN or ABOVE.
    Refuses other random parts, and data whose likelihood has no maximum (an arm hardly ever seen above the limit).
    """
    filled = fit_lmm(formula, data)
    design = filled.design
    if len(design.random) != 1 or len(design.response) != len(kind):
        raise AnalysisError("censored readings are fitted with one random term, as (1 + day | mouse)")
    term = design.random[0]
    scale = np.sqrt((term.columns**2).mean(axis=0))
    x = design.fixed_matrix()[:, filled.assembled.turn.kept] @ filled.assembled.turn.back
    problem = _Problem(
        x, term.columns / scale, scale, design.response, np.asarray(kind), term.codes, len(term.levels)
    )
    try:
        found = maximize_restricted(problem.units(), _start(filled, problem))
    except np.linalg.LinAlgError as error:
        raise AnalysisError(_unbounded(data, kind)) from error
    curvature = (
        np.linalg.eigvalsh(np.linalg.inv(found.covariance)) if np.isfinite(found.covariance).all() else [0.0]
    )
    if not (np.isfinite(found.loglik) and found.gradient < MOST_GRADIENT
            and curvature[0] > LEAST_CURVATURE * curvature[-1]):  # fmt: skip
        raise AnalysisError(_unbounded(data, kind))
    return CensoredLmmFit(
        formula, design, filled.assembled, filled.optimum, True, problem=problem, found=found
    )


def _start(filled: LmmFit, problem: _Problem) -> Array:
    """The parameters of the design with the limit put in, no variance at 0."""
    psi = filled.psis[0] * np.outer(problem.scale, problem.scale) / filled.sigma**2
    root = np.linalg.cholesky(psi + np.eye(len(psi)) * (0.01 + 0.01 * np.trace(psi)))
    turned = np.linalg.lstsq(problem.x, filled.fixed_fitted, rcond=None)[0]
    return np.concatenate([turned / filled.sigma, root[np.tril_indices(len(root))], [1 / filled.sigma]])


def _unbounded(data: pd.DataFrame, kind: Array) -> str:
    if "arm" not in data:
        return "the censored likelihood has no maximum: too few readings lie within the limits"
    hidden = pd.Series(kind != SEEN).groupby(data["arm"].to_numpy()).mean()
    arm, share = str(hidden.idxmax()), float(hidden.max())
    return (
        f'the censored likelihood has no maximum; in arm "{arm}" {100 * share:.0f} % of the readings lie beyond the '
        "limit of detection: an earlier end of the window (plan: window) keeps more that were measured"
    )


@dataclass(frozen=True)
class Bootstrap:
    """The likelihood ratio of a contrast being 0, and the share of `draws` simulated under that null as large."""

    ratio: float
    p_value: float
    draws: int


def bootstrap(
    fit: CensoredLmmFit, weights: dict[str, float], seed: int, draws: int = BOOTSTRAP_DRAWS
) -> Bootstrap:
    """Parametric bootstrap of the likelihood-ratio test that a combination of fixed effects is 0.

    Simulates the design of `fit` under the null's own maximum-likelihood estimates, censors by the same limit, and
    fits null and alternative again. p = (1 + as large) / (1 + draws) (Davison & Hinkley 1997, section 4.2.1).
    """
    problem = fit.problem
    contrast = np.array([weights.get(name, 0.0) for name in fit.assembled.names]) @ fit.assembled.turn.back
    free = np.linalg.svd(contrast[None, :])[2][1:].T
    null_x = problem.x @ free
    start = fit.found.parameters
    p = problem.x.shape[1]
    null_start = np.concatenate([free.T @ start[:p], start[p:]])[None, :]
    null, below, _ = maximize(problem.units(null_x), null_start, COARSE_NODES)
    _, above, _ = maximize(problem.units(), start[None, :], COARSE_NODES)
    observed = 2 * float(above[0] - below[0])
    y, kind = _simulated(problem, null_x, null[0], np.random.default_rng(seed), draws)
    lifted = np.concatenate([free @ null[0, : p - 1], null[0, p - 1 :]])
    _, nulls, sound = maximize(
        problem.units(null_x, y, kind),
        np.tile(null, (draws, 1)),
        BOOTSTRAP_NODES,
        BOOTSTRAP_TOLERANCE,
        BOOTSTRAP_STEPS,
    )
    _, fulls, other = maximize(
        problem.units(None, y, kind),
        np.tile(lifted, (draws, 1)),
        BOOTSTRAP_NODES,
        BOOTSTRAP_TOLERANCE,
        BOOTSTRAP_STEPS,
    )
    ratios = 2 * (fulls - nulls)[sound & other]
    return Bootstrap(observed, float((1 + (ratios >= observed).sum()) / (1 + len(ratios))), len(ratios))


def _simulated(problem: _Problem, x: Array, parameters: Array, random: np.random.Generator, draws: int):  # type: ignore[no-untyped-def]
    """Responses and kinds, draws x rows, under (g, D, t); a row below the limit of its own design is censored."""
    p, q, sigma = x.shape[1], problem.z.shape[1], 1 / parameters[-1]
    factor = np.zeros((q, q))
    factor[np.tril_indices(q)] = parameters[p:-1] * sigma
    u = random.standard_normal((draws, problem.n_mice, q)) @ factor.T
    y = (x @ parameters[:p]) * sigma + (problem.z * u[:, problem.mouse]).sum(axis=2)
    y = y + sigma * random.standard_normal(y.shape)
    limit = problem.y[problem.kind == BELOW].max(initial=-np.inf)
    hidden = y < limit
    return np.where(hidden, limit, y), np.where(hidden, BELOW, SEEN)
