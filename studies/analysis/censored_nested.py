"""Growth with readings below the limit of detection in several PDX models: M4 with those readings left-censored.

y = x'b + z'u + e with u = sigma Lambda v, v ~ N(0, I), over nested terms (mouse in PDX-by-arm in PDX model). A reading
seen gives its normal density, one below the limit the chance Phi that ln V lies below it. Given b, PDX models are
independent, and the joint log density h of readings and effects is concave in (b, v). Both are integrated out by
Laplace's method:

    l(Lambda, sigma) = h(b, v) + p/2 log(2 pi) - 1/2 log|H|,  H minus the second derivatives of h in (b, v) at its top

which is REML, exactly, where no reading is censored. Source: Tierney & Kadane 1986, J Am Stat Assoc 81:82; Raudenbush,
Yang and Yosef 2000, J Comput Graph Stat 9:141.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import log_ndtr

from studies.analysis.censored import CensoredInference, unbounded
from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.inference import FixedInference
from studies.analysis.lmm.optimum import bfgs
from studies.analysis.lmm.serial import independent_blocks
from studies.analysis.mixed_model import LmmFit, fit_lmm_near
from studies.analysis.tobit import BELOW, SEEN

Array = np.ndarray
MOST_READINGS = 6000
CLIMBS, TOP, LEAST_STEP = 50, 1e-11, 1e-6
DIFFERENCE, ENOUGH, MOST_GRADIENT = 1e-4, 1e-7, 1e-2
FURTHEST = 1e3  # of ln V: a fixed effect that far off has no maximum


@dataclass(frozen=True)
class _Group:
    """The readings of one PDX model: fixed columns, each term's random columns (rows x levels x width), which rows of
    the table they are, and each term's levels."""

    rows: Array
    x: Array
    y: Array
    below: Array
    z: tuple[Array, ...]
    levels: tuple[Array, ...]

    def columns(self, factors: list[Array]) -> Array:
        """Z Lambda, a column an effect in units of its own standard deviation."""
        turned = [z @ factor for z, factor in zip(self.z, factors, strict=True)]
        return np.concatenate([part.reshape(len(self.y), -1) for part in turned], axis=1)


@dataclass(frozen=True)
class _Top:
    """Where h is greatest: b, each group's v, the value of l there, and minus h's second derivative in b (v out)."""

    b: Array
    v: list[Array]
    loglik: float
    schur: Array


@dataclass
class _Likelihood:
    """l of the variance parameters: each term's triangle of Lambda, then log sigma. Remembers the last top, where the
    next search begins."""

    groups: list[_Group]
    widths: list[int]
    b: Array
    v: list[Array]

    def split(self, theta: Array) -> tuple[list[Array], float]:
        factors, start = [], 0
        for width in self.widths:
            rows, columns = np.tril_indices(width)
            factor = np.zeros((width, width))
            factor[rows, columns] = theta[start : start + len(rows)]
            factors.append(factor)
            start += len(rows)
        return factors, float(np.exp(theta[-1]))

    def value(self, theta: Array) -> float:
        """Minus l; infinite where h has no top."""
        try:
            top = self.top(theta)
        except (np.linalg.LinAlgError, FloatingPointError):
            return np.inf
        return -top.loglik if np.isfinite(top.loglik) else np.inf

    def with_gradient(self, theta: Array) -> tuple[float, Array]:
        here, gradient = self.value(theta), np.empty(len(theta))
        for place in range(len(theta)):
            step = np.zeros(len(theta))
            step[place] = DIFFERENCE
            gradient[place] = (self.value(theta + step) - self.value(theta - step)) / (2 * DIFFERENCE)
        return here, gradient

    def top(self, theta: Array) -> _Top:
        """Newton's method on (b, v), PDX models one by one; a step that does not climb is halved."""
        factors, sigma = self.split(theta)
        turned = [sigma * group.columns(factors) for group in self.groups]
        b, v = self.b, self.v
        here = self._joint(b, v, turned, sigma)
        for _ in range(CLIMBS):
            step_b, step_v, gain, logdet, schur = self._step(b, v, turned, sigma)
            if not gain > TOP:
                break
            length = 1.0
            while length > LEAST_STEP:
                tried_b = b + length * step_b
                tried_v = [one + length * step for one, step in zip(v, step_v, strict=True)]
                there = self._joint(tried_b, tried_v, turned, sigma)
                if there >= here:
                    break
                length /= 2
            else:
                break
            b, v, here = tried_b, tried_v, there
        if not np.abs(b).max(initial=0.0) < FURTHEST * np.sqrt(sum(len(group.y) for group in self.groups)):
            raise np.linalg.LinAlgError("the fixed effects run away")
        self.b, self.v = b, v
        loglik = here - 0.5 * logdet + 0.5 * len(b) * np.log(2 * np.pi)
        return _Top(b, v, float(loglik), schur)

    def _joint(self, b: Array, v: list[Array], turned: list[Array], sigma: float) -> float:
        total = 0.0
        for group, columns, effects in zip(self.groups, turned, v, strict=True):
            a = (group.y - group.x @ b - columns @ effects) / sigma
            seen = a[~group.below]
            total += log_ndtr(a[group.below]).sum() - 0.5 * (seen @ seen + effects @ effects)
            total -= len(seen) * np.log(sigma * np.sqrt(2 * np.pi))
        return float(total)

    def _step(
        self, b: Array, v: list[Array], turned: list[Array], sigma: float
    ) -> tuple[Array, list[Array], float, float, Array]:
        """Newton's step, twice the gain it promises, log|H| and its Schur complement in b."""
        p = len(b)
        schur, score, logdet, kept = np.zeros((p, p)), np.zeros(p), 0.0, []
        for group, columns, effects in zip(self.groups, turned, v, strict=True):
            a = (group.y - group.x @ b - columns @ effects) / sigma
            pull, bend = a.copy(), np.ones(len(a))
            hidden = a[group.below]
            ratio = np.exp(-0.5 * hidden**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(hidden))
            pull[group.below], bend[group.below] = -ratio, np.clip(ratio * (ratio + hidden), 0.0, 1.0)
            pull, bend = pull / sigma, bend / sigma**2
            weighed = columns * bend[:, None]
            root = np.linalg.cholesky(columns.T @ weighed + np.eye(columns.shape[1]))
            of_v = np.linalg.solve(root, np.column_stack([columns.T @ pull - effects, weighed.T @ group.x]))
            score += group.x.T @ pull - of_v[:, 1:].T @ of_v[:, 0]
            schur += group.x.T @ (group.x * bend[:, None]) - of_v[:, 1:].T @ of_v[:, 1:]
            logdet += 2 * float(np.log(np.diag(root)).sum())
            kept.append((root, of_v))
        whole = np.linalg.cholesky(schur)
        half = np.linalg.solve(whole, score)
        step = np.linalg.solve(whole.T, half)
        gain = float(half @ half) + sum(float(of_v[:, 0] @ of_v[:, 0]) for _, of_v in kept)
        steps = [np.linalg.solve(root.T, of_v[:, 0] - of_v[:, 1:] @ step) for root, of_v in kept]
        return step, steps, gain, logdet + 2 * float(np.log(np.diag(whole)).sum()), schur


@dataclass(frozen=True)
class NestedCensoredFit(LmmFit):
    """A mixed model over several grouping factors, some of whose rows are censored; every table as `LmmFit` gives it.

    Degrees of freedom, and the factor by which Kenward and Roger widen standard errors, are those of the same design
    with the limit put in.
    """

    top: _Top = field(kw_only=True, repr=False)
    factors: list[Array] = field(kw_only=True, repr=False)
    sd: float = field(kw_only=True)
    kind: Array = field(kw_only=True, repr=False)
    groups: list[_Group] = field(kw_only=True, repr=False)

    @property
    def loglik(self) -> float:
        """Restricted log-likelihood, fixed and random effects integrated out by Laplace's method."""
        return self.top.loglik + float(np.linalg.slogdet(self.assembled.turn.back)[1])

    @property
    def sigma(self) -> float:
        return self.sd

    @cached_property
    def psis(self) -> list[Array]:
        return [self.sd**2 * factor @ factor.T for factor in self.factors]

    @cached_property
    def is_singular(self) -> bool:
        return any(float(np.abs(np.diag(factor)).min()) < 1e-3 for factor in self._scaled)

    @cached_property
    def at_boundary(self) -> bool:
        return self.is_singular

    @cached_property
    def _scaled(self) -> list[Array]:
        """Each Lambda for random columns scaled to length 1."""
        return [
            np.sqrt((term.columns**2).mean(axis=0))[:, None] * factor
            for term, factor in zip(self.design.random, self.factors, strict=True)
        ]

    def variance_is_zero(self, group: str) -> bool:
        del group  # single PDX models' effects leave censored readings out: they may not decide here
        return False

    @cached_property
    def beta(self) -> Array:
        return self.assembled.turn.back @ self.top.b

    @cached_property
    def inference(self) -> FixedInference:
        filled = super().inference
        fitted = np.linalg.inv(self.top.schur)
        widened = np.linalg.cholesky(filled.adjusted) @ np.linalg.inv(np.linalg.cholesky(filled.phi))
        adjusted = widened @ fitted @ widened.T
        return CensoredInference(filled.phi, adjusted, filled.slopes, filled.expected, filled.observed, filled.notes,
                                 fitted=fitted)  # fmt: skip

    @cached_property
    def _modes(self) -> list[Array]:
        found = [np.zeros((len(term.levels), len(factor)))
                 for term, factor in zip(self.design.random, self.factors, strict=True)]  # fmt: skip
        for group, effects in zip(self.groups, self.top.v, strict=True):
            start = 0
            for place, (levels, factor) in enumerate(zip(group.levels, self.factors, strict=True)):
                stop = start + len(levels) * len(factor)
                found[place][levels] = self.sd * effects[start:stop].reshape(len(levels), -1) @ factor.T
                start = stop
        return found

    @cached_property
    def residuals(self) -> Array:
        """As `LmmFit` gives them; NaN for a censored reading, which has none."""
        return np.where(self.kind == SEEN, (self.design.response - self.fitted) / self.sd, np.nan)


def fit_censored_nested(
    formula: str, data: pd.DataFrame, kind: Array, near: LmmFit | None = None
) -> NestedCensoredFit:
    """Fit a mixed model of nested terms, the response of some rows being a limit they lie below (`kind` BELOW).

    Refuses rows above a limit, more than 6,000 readings, and data whose likelihood has no maximum.
    """
    if not np.isin(kind, (BELOW, SEEN)).all() or len(kind) > MOST_READINGS:
        raise AnalysisError(
            f"over several PDX models readings are censored below a limit only, and at most {MOST_READINGS} of them"
        )
    filled = fit_lmm_near(formula, data, near)
    design, turn = filled.design, filled.assembled.turn
    x = design.fixed_matrix()[:, turn.kept] @ turn.back
    groups = [_group(filled, x, np.asarray(rows), kind) for rows in independent_blocks(design)]
    widths = [term.columns.shape[1] for term in design.random]
    b = np.linalg.lstsq(x, filled.fixed_fitted, rcond=None)[0]
    effects = [np.zeros(sum(len(levels) * width for levels, width in zip(group.levels, widths, strict=True)))
               for group in groups]  # fmt: skip
    likelihood = _Likelihood(groups, widths, b, effects)
    scales = [np.sqrt((term.columns**2).mean(axis=0)) for term in design.random]
    unit = np.concatenate([1 / scale[np.tril_indices(len(scale))[0]] for scale in scales] + [np.ones(1)])
    start = _start(filled, scales)

    def function(theta: Array) -> tuple[float, Array]:
        value, gradient = likelihood.with_gradient(theta * unit)
        return 2 * value, 2 * gradient * unit

    theta = bfgs(function, start, ENOUGH)
    value, gradient = function(theta)
    if not np.isfinite(value) or not np.abs(gradient).max() < MOST_GRADIENT * np.sqrt(len(kind)):
        raise AnalysisError(unbounded(data, kind))
    factors, sigma = likelihood.split(theta * unit)
    return NestedCensoredFit(
        formula, design, filled.assembled, filled.optimum, True,
        top=likelihood.top(theta * unit), factors=factors, sd=sigma, kind=np.asarray(kind), groups=groups,
    )  # fmt: skip


def _group(filled: LmmFit, x: Array, rows: Array, kind: Array) -> _Group:
    z, levels = [], []
    for term in filled.design.random:
        present, codes = np.unique(term.codes[rows], return_inverse=True)
        columns = np.zeros((len(rows), len(present), term.columns.shape[1]))
        columns[np.arange(len(rows)), codes] = term.columns[rows]
        z.append(columns)
        levels.append(present)
    return _Group(rows, x[rows], filled.design.response[rows], kind[rows] == BELOW, tuple(z), tuple(levels))


def _start(filled: LmmFit, scales: list[Array]) -> Array:
    """Lambdas of the design with the limit put in, columns scaled to length 1, no variance at 0; log sigma."""
    parts = []
    for psi, scale in zip(filled.psis, scales, strict=True):
        turned = psi / filled.sigma**2 * np.outer(scale, scale)
        root = np.linalg.cholesky(turned + np.eye(len(psi)) * (0.01 + 0.01 * np.trace(turned)))
        parts.append(root[np.tril_indices(len(psi))])
    return np.concatenate([*parts, [np.log(filled.sigma)]])
