"""Growth with readings below the limit of detection: the mixed model with those readings left-censored ("MC").

A reading below the limit says only that ln V lies below ln of the limit; no constant is put in its place. Estimates
maximize the restricted likelihood of `studies.analysis.tobit`; without a censored reading they are those of `fit_lmm`.
Degrees of freedom, and the factor by which Kenward and Roger widen standard errors, are those of the same design with
the limit put in. With few mice an arm the p value by parametric bootstrap of the likelihood ratio stands beside.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.inference import FixedInference
from studies.analysis.mixed_model import LmmFit, fit_lmm_near
from studies.analysis.tobit import (
    BELOW,
    COARSE_NODES,
    SEEN,
    Restricted,
    Units,
    fixed_effects_run_away,
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
    """What is maximized: turned fixed columns, scaled random columns, responses, kinds of rows and owners.

    The random columns of a term stand in `order`, the most variable first: where a variance comes out as 0 it is then
    the last row of Lambda that vanishes, not the first, which would leave the others free to turn.
    """

    x: Array
    z: Array
    scale: Array
    order: Array
    y: Array
    kind: Array
    mouse: Array
    n_mice: int
    widths: tuple[int, ...] = (2,)

    @property
    def pairs(self) -> tuple[Array, Array]:
        """The free entries of Lambda: the lower triangle of each random term's block."""
        rows, columns = np.tril_indices(sum(self.widths))
        term = np.repeat(np.arange(len(self.widths)), self.widths)
        free = term[rows] == term[columns]
        return rows[free], columns[free]

    def units(self, x: Array | None = None, y: Array | None = None, kind: Array | None = None) -> Units:
        x, y, kind = (
            (self.x if x is None else x),
            (self.y if y is None else y),
            (self.kind if kind is None else kind),
        )
        return make_units(
            x, self.z, np.atleast_2d(y), np.atleast_2d(kind), self.mouse, self.n_mice, self.pairs
        )


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

    @cached_property
    def _factor(self) -> Array:
        """Lambda in the scaled columns."""
        q = self.problem.z.shape[1]
        factor = np.zeros((q, q))
        factor[self.problem.pairs] = self.found.parameters[self.problem.x.shape[1] : -1] * self.sigma
        return factor

    @cached_property
    def psis(self) -> list[Array]:
        back = np.argsort(self.problem.order)
        factor = self._factor / self.problem.scale[:, None]
        whole = (factor @ factor.T)[np.ix_(back, back)]
        ends = np.cumsum(self.problem.widths)
        return [whole[end - width : end, end - width : end]
                for end, width in zip(ends, self.problem.widths, strict=True)]  # fmt: skip

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
        effects = (modal @ self._factor.T / self.problem.scale)[:, np.argsort(self.problem.order)]
        return np.split(effects, np.cumsum(self.problem.widths)[:-1], axis=1)

    @cached_property
    def residuals(self) -> Array:
        """As `LmmFit` gives them; NaN for a censored reading, which has none."""
        return np.where(self.problem.kind == SEEN, (self.design.response - self.fitted) / self.sigma, np.nan)


def fit_censored(formula: str, data: pd.DataFrame, kind: Array, near: LmmFit | None = None) -> CensoredLmmFit:
    """Fit a mixed model, the response of some rows being a limit it lies below or above; its random terms share one
    grouping factor, as (1 + day | mouse) or (1 + day || mouse).

    `data` has one row a reading, the limit standing in the response of a censored one; `kind` is BELOW, SEEN or ABOVE.
    The search begins at the variances of the fit `near` where its random part is the same.
    Refuses other random parts, and data whose likelihood has no maximum (an arm hardly ever seen above the limit).
    """
    filled = fit_lmm_near(formula, data, near)
    design = filled.design
    if len({term.term.name for term in design.random}) != 1 or len(design.response) != len(kind):
        raise AnalysisError(
            "censored readings are fitted with random effects of one factor, as (1 + day | mouse)"
        )
    term, columns = design.random[0], np.hstack([term.columns for term in design.random])
    widths = tuple(term.columns.shape[1] for term in design.random)
    scale = np.sqrt((columns**2).mean(axis=0))
    spread = np.diag(block_diag(*filled.psis)) * scale**2
    order = np.lexsort((-spread, np.repeat(np.arange(len(widths)), widths)))
    x = design.fixed_matrix()[:, filled.assembled.turn.kept] @ filled.assembled.turn.back
    if fixed_effects_run_away(x, np.asarray(kind)):
        raise AnalysisError(unbounded(data, kind))
    problem = _Problem(
        x, (columns / scale)[:, order], scale[order], order, design.response, np.asarray(kind), term.codes,
        len(term.levels), widths,
    )  # fmt: skip
    found = None
    with suppress(np.linalg.LinAlgError):  # from numbers beyond all bounds
        found = maximize_restricted(problem.units(), _start(filled, problem, near))
    if found is None or not _is_maximum(found):
        raise AnalysisError(unbounded(data, kind))
    return CensoredLmmFit(
        formula, design, filled.assembled, filled.optimum, True, problem=problem, found=found
    )


def _is_maximum(found: Restricted) -> bool:
    """Whether the search ended, where the fixed effects are known in every direction."""
    known = np.isfinite([found.loglik, found.gradient, *found.covariance.ravel()]).all()
    curvature = np.linalg.eigvalsh(np.linalg.inv(found.covariance)) if known else np.zeros(1)
    return bool(found.gradient < MOST_GRADIENT and curvature[0] > LEAST_CURVATURE * curvature[-1])


def _start(filled: LmmFit, problem: _Problem, near: LmmFit | None) -> Array:
    """The parameters of the design with the limit put in, or variances of a fit alike, no variance at 0."""
    alike = near is not None and [psi.shape for psi in near.psis] == [psi.shape for psi in filled.psis]
    sound = near if near is not None and alike and isinstance(near, CensoredLmmFit) else filled
    psi = block_diag(*sound.psis)[np.ix_(problem.order, problem.order)] / sound.sigma**2
    psi = psi * np.outer(problem.scale, problem.scale)
    root = np.linalg.cholesky(psi + np.eye(len(psi)) * (0.01 + 0.01 * np.trace(psi)))
    turned = np.linalg.lstsq(problem.x, filled.fixed_fitted, rcond=None)[0]
    return np.concatenate([turned / sound.sigma, root[problem.pairs], [1 / sound.sigma]])


def unbounded(data: pd.DataFrame, kind: Array) -> str:
    """Why no maximum was found, naming the arm with most readings beyond the limit."""
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
    factor[problem.pairs] = parameters[p:-1] * sigma
    u = random.standard_normal((draws, problem.n_mice, q)) @ factor.T
    y = (x @ parameters[:p]) * sigma + (problem.z * u[:, problem.mouse]).sum(axis=2)
    y = y + sigma * random.standard_normal(y.shape)
    limit = problem.y[problem.kind == BELOW].max(initial=-np.inf)
    hidden = y < limit
    return np.where(hidden, limit, y), np.where(hidden, BELOW, SEEN)
