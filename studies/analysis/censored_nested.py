"""Growth with readings below the limit of detection in several PDX models: M4 with those readings left-censored.

The variances maximize the restricted likelihood of `studies.analysis.laplace`. At its top each censored reading acts
as a reading seen would whose residual variance is larger: its weight is minus the second derivative of log Phi,
between 0 and 1, its value what Newton's next step would take it for. In that linear mixed model the estimates, their
covariance and the predicted effects are the censored fit's, exactly; Kenward and Roger's widening and degrees of
freedom are taken from it, so a reading counts for as much as it tells. Without a censored reading all of this is the
REML fit's. Source of Kenward-Roger on the model linearized at its estimates: Stroup 2012, Generalized Linear Mixed
Models.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from studies.analysis.censored import unbounded
from studies.analysis.errors import AnalysisError
from studies.analysis.laplace import Likelihood, Top, make_curves
from studies.analysis.lmm.assemble import assemble
from studies.analysis.lmm.criterion import Model
from studies.analysis.lmm.design import Design, build_design
from studies.analysis.lmm.optimum import Optimum, bfgs, difference_hessian
from studies.analysis.mixed_model import LmmFit, factors_near, fit_lmm
from studies.analysis.tobit import BELOW, SEEN

Array = np.ndarray
# Of -2 log-likelihood: a search's last step, and the gradient it may leave.
ENOUGH, MOST_GRADIENT = 1e-9, 1e-2
LEAST_WEIGHT = 1e-8
LEAST_KNOWN = 1e-6  # share of the fixed effects' information that censoring may leave
# Of Lambda: taken for 0, tried instead of 0; of -2 log-likelihood: the least loss.
NEARLY_ZERO, LIFTED, LEAST_LOSS = 0.03, 0.1, 1e-6


@dataclass(frozen=True)
class NestedCensoredFit(LmmFit):
    """A mixed model over several grouping factors, some of whose rows are censored; every table as `LmmFit` gives it.

    `design` and `assembled` are those of the linear mixed model that stands for the likelihood at its top.
    """

    restricted: float = field(kw_only=True)
    kind: Array = field(kw_only=True, repr=False)
    theta: Array = field(kw_only=True, repr=False)
    likelihood: Likelihood = field(kw_only=True, repr=False)

    @property
    def loglik(self) -> float:
        """Restricted log-likelihood, fixed and random effects integrated out by Laplace's method."""
        return self.restricted

    @cached_property
    def residuals(self) -> Array:
        """As `LmmFit` gives them; NaN for a censored reading, which has none."""
        return np.where(self.kind == SEEN, super().residuals, np.nan)

    @cached_property
    def metric(self) -> Array:
        """The inverse of the deviance's second derivatives: where a search for a variant begins to turn."""
        bend = difference_hessian(lambda point: self.likelihood.deviance(point)[1], self.theta)
        values, vectors = np.linalg.eigh(bend)
        return (vectors / np.maximum(np.abs(values), 1e-3 * np.abs(values).max())) @ vectors.T


def fit_censored_nested(
    formula: str, data: pd.DataFrame, kind: Array, near: LmmFit | None = None
) -> NestedCensoredFit:
    """Fit a mixed model of groups that each hold whole mice, the response of some rows being a limit they lie below
    (`kind` BELOW). The search begins at the variances of the fit `near`.

    Refuses rows above a limit, and data whose likelihood has no maximum.
    """
    if not np.isin(kind, (BELOW, SEEN)).all():
        raise AnalysisError("over several PDX models readings are censored below a limit only")
    if near is None:
        near = fit_lmm(formula, data)  # with the limit put in
    design = build_design(formula, data)
    assembled = assemble(design, True)
    fixed = design.fixed_matrix()[:, assembled.turn.kept] @ assembled.turn.back
    start = fixed @ (fixed.T @ design.response)
    below = np.asarray(kind) == BELOW
    likelihood = Likelihood.of(make_curves(design, assembled.turn, design.response - start, below))
    try:
        theta = _start(near, assembled.model)
        _require_known(likelihood, theta)
        theta = _search(likelihood, theta, near)
        top = _require_known(likelihood, theta)
        gradient = likelihood.deviance(theta)[1]
        working = _working(design, start, likelihood, top, below)
        standing = assemble(working, True)
        is_maximum = np.abs(gradient).max() < MOST_GRADIENT * np.sqrt(len(kind))
        if not is_maximum or standing.turn.kept != assembled.turn.kept:
            raise np.linalg.LinAlgError("the search did not end at a maximum that holds every fixed effect")
    except (AnalysisError, np.linalg.LinAlgError) as error:
        raise AnalysisError(unbounded(data, kind)) from error
    optimum = _optimum(standing.model, likelihood, theta, top, float(np.abs(gradient).max()))
    return NestedCensoredFit(
        formula, working, standing, optimum, True, restricted=top.loglik - assembled.turn.logdet / 2,
        kind=np.asarray(kind), theta=theta, likelihood=likelihood,
    )  # fmt: skip


def _start(near: LmmFit, model: Model) -> Array:
    """Lambdas of another fit's covariances, no variance at 0, and log sigma."""
    factors = factors_near(model, near)
    parts = [factor[np.tril_indices(len(factor))] for factor in factors]
    return np.concatenate([*parts, [np.log(near.sigma)]])


def _require_known(likelihood: Likelihood, theta: Array) -> Top:
    """The top for given variances; refused where the readings do not hold the fixed effects."""
    with np.errstate(all="ignore"):
        top = likelihood.top(theta)
    if not np.isfinite(top.loglik) or likelihood.least_known(top) < LEAST_KNOWN:
        raise np.linalg.LinAlgError("the fixed effects run away")
    return top


def _search(likelihood: Likelihood, start: Array, near: LmmFit) -> Array:
    """The best theta from `start` on; a Lambda next to 0 is tried above 0, and set to 0 where nothing is lost."""
    known = near.metric if isinstance(near, NestedCensoredFit) and near.theta.size == start.size else None
    theta = bfgs(likelihood.deviance, start, ENOUGH, known)
    sizes = [part.shape[1] for part in likelihood.curves.into]
    diagonal = np.concatenate([np.equal(*np.tril_indices(size)) for size in sizes])
    for place in np.flatnonzero(diagonal & (np.abs(theta[:-1]) < NEARLY_ZERO)):
        lifted, none = theta.copy(), theta.copy()
        lifted[place], none[place] = LIFTED, 0.0
        here = likelihood.deviance(theta)[0]
        if likelihood.deviance(lifted)[0] < here - LEAST_LOSS:
            theta = bfgs(likelihood.deviance, lifted, ENOUGH)
        elif likelihood.deviance(none)[0] < here + LEAST_LOSS:
            theta = none
    return theta


def _working(design: Design, start: Array, likelihood: Likelihood, top: Top, below: Array) -> Design:
    """The linear mixed model that stands for the likelihood at its top."""
    curves, pull = likelihood.curves, top.pull
    lines = likelihood.lines(top.effects, top.turned)
    response, weights = design.response.copy(), np.ones(len(design.response))
    expected = (curves.hidden * lines[curves.owner]).sum(axis=1)
    response[below] = start[below] + (expected - 1 / (pull.ratio + pull.a)) / top.t
    weights[below] = np.maximum(pull.bend, LEAST_WEIGHT)
    return replace(design, response=response, weights=weights)


def _optimum(model: Model, likelihood: Likelihood, theta: Array, top: Top, gradient: float) -> Optimum:
    """The variances found, as an optimum of the linear mixed model."""
    psis = []
    for block, turn, factor in zip(
        model.blocks, likelihood.curves.turns, likelihood.split(theta)[0], strict=True
    ):
        moved = block.turn @ np.linalg.solve(turn, factor)
        psis.append(moved @ moved.T)
    solution = model.solve(model.evaluate(psis, np.ones(1)))
    return Optimum(theta, replace(solution, sigma2=top.t**-2), gradient, 0.0, True, 0)
