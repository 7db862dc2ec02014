"""Quasi-Newton descent of many deviances side by side, each with its own curvature and step."""

import numpy as np

from studies.analysis.lmm.many import ManyModels, ManySolution
from studies.analysis.lmm.optimum import OTHER_STARTS

Array = np.ndarray
MOST_STEPS = 60
ENOUGH = 1e-11
MOST_SHORTENINGS = 12


def optimize_many(models: ManyModels) -> tuple[Array, Array]:
    """(theta, settled) of every model; what is not settled needs the single search with its certificate."""
    theta, value = descend_many(models, _start(models, 1.0))
    lowest = _smallest_diagonal(models, theta) < 1e-4
    if lowest.any():
        some = models.take(lowest)
        for scale in OTHER_STARTS:
            again, found = descend_many(some, _start(some, scale))
            better = found < value[lowest] - 1e-9
            chosen = np.flatnonzero(lowest)[better]
            theta[chosen], value[chosen] = again[better], found[better]
    return theta, _settled(models.detailed(theta))


def _start(models: ManyModels, scale: float) -> Array:
    diagonal = [float(row == column) * scale for block in models.blocks for row, column in block.pairs()]
    return np.tile(diagonal, (len(models.n_rows), 1))


def _smallest_diagonal(models: ManyModels, theta: Array) -> Array:
    """The smallest Cholesky diagonal of any term, by model, whichever way the factor came out."""
    smallest = np.full(len(theta), np.inf)
    for factor in models.factors(theta):
        values = np.linalg.eigvalsh(factor @ np.swapaxes(factor, 1, 2))
        np.minimum(smallest, np.sqrt(np.clip(values[:, 0], 0, None)), out=smallest)
    return smallest


def _settled(solution: ManySolution) -> Array:
    """Gradient near 0 and no covariance that would gain by a negative eigenvalue's direction."""
    settled = np.abs(solution.gradient).max(axis=1) < 1e-3
    for bar in solution.psi_bars:
        values = np.linalg.eigvalsh(bar)
        settled &= values[:, 0] > -3e-4  # worth less than 1e-8 of log-likelihood
    return settled & np.isfinite(solution.deviance)


def descend_many(models: ManyModels, theta: Array) -> tuple[Array, Array]:
    """BFGS with backtracking; models that have arrived leave the loop."""
    final_theta, final_value = theta.copy(), np.full(len(theta), np.inf)
    active = np.arange(len(theta))
    solution = models.detailed(theta)
    value, gradient = solution.deviance, solution.gradient
    size = theta.shape[1]
    scale = np.maximum(1.0, np.linalg.norm(gradient, axis=1))
    inverse = np.eye(size) / scale[:, None, None]
    for iteration in range(MOST_STEPS):
        step = -(inverse @ gradient[:, :, None])[:, :, 0]
        slope = (step * gradient).sum(axis=1)
        uphill = ~(slope < 0)
        step[uphill], slope[uphill] = -gradient[uphill], -(gradient[uphill] ** 2).sum(axis=1)
        final_theta[active], final_value[active] = theta, value
        going = -slope > ENOUGH
        if not going.any():
            break
        if going.mean() < 0.85:
            models, active = models.take(going), active[going]
            theta, value, gradient, inverse = theta[going], value[going], gradient[going], inverse[going]
            step, slope = step[going], slope[going]
        theta, value, gradient, inverse = _advance(
            models, theta, value, gradient, inverse, step, slope, iteration == 0
        )
    return final_theta, final_value


def _advance(
    models: ManyModels,
    theta: Array,
    value: Array,
    gradient: Array,
    inverse: Array,
    step: Array,
    slope: Array,
    fresh: bool,
) -> tuple[Array, Array, Array, Array]:
    """One step of every model: shortened for those alone whose deviance it would raise."""
    length = np.zeros(len(theta))
    new_value, new_gradient = value.copy(), gradient.copy()
    left, trial, some = np.arange(len(theta)), 1.0, models
    for _ in range(MOST_SHORTENINGS):
        with np.errstate(all="ignore"):
            solution = some.detailed(theta[left] + trial * step[left])
        allowed = value[left] + 1e-4 * trial * slope[left] + 1e-13 * np.abs(value[left])
        good = solution.deviance <= allowed
        arrived = left[good]
        length[arrived], new_value[arrived] = trial, solution.deviance[good]
        new_gradient[arrived] = solution.gradient[good]
        if good.all():
            break
        left, trial = left[~good], trial / 3
        some = some.take(~good) if good.any() else some
    moved = length[:, None] * step
    inverse = _updated(inverse, moved, new_gradient - gradient, fresh)
    return theta + moved, new_value, new_gradient, inverse


def _updated(inverse: Array, moved: Array, change: Array, fresh: bool) -> Array:
    curvature = (moved * change).sum(axis=1)
    usable = curvature > 1e-12 * np.linalg.norm(moved, axis=1) * np.linalg.norm(change, axis=1)
    rho = 1 / np.where(usable, curvature, 1.0)
    eye = np.eye(moved.shape[1])
    if fresh:
        scale = curvature / np.maximum((change**2).sum(axis=1), 1e-300)
        inverse = np.where(usable[:, None, None], eye * scale[:, None, None], inverse)
    left = eye - rho[:, None, None] * moved[:, :, None] * change[:, None, :]
    updated = (
        left @ inverse @ np.swapaxes(left, 1, 2) + rho[:, None, None] * moved[:, :, None] * moved[:, None, :]
    )
    return np.where(usable[:, None, None], updated, inverse)
