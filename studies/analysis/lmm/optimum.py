"""The optimum of the deviance, and the certificate that it is one.

At Lambda = 0 the gradient in Lambda is always 0, optimum or not, and an optimizer may stop there. On the
scale of
the covariance Psi the test is honest: at the optimum the gradient matrix of every term has no negative
eigenvalue. Where one is found, the search starts again a step along its eigenvector (Karush-Kuhn-Tucker).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studies.analysis.lmm.criterion import Model, Solution
from studies.analysis.lmm.derivatives import profile_curvature
from studies.analysis.lmm.structure import triangle_of

Array = np.ndarray
MOST_RESTARTS = 12
OTHER_STARTS = (0.1, 10.0)
MOST_STEPS = 200
MOST_NEWTON_STEPS = 8
LEAST_CURVATURE, LEAST_LOWERING = 1e-6, 1e-9  # of the largest; of the deviance


@dataclass(frozen=True)
class Optimum:
    """The best parameters found, with what proves them best: gradient and smallest eigenvalue near 0 or
    above."""

    theta: Array
    solution: Solution
    gradient: float
    smallest_eigenvalue: float
    converged: bool
    evaluations: int


def find_optimum(model: Model, start: Array | None = None, bend: Array | None = None) -> Optimum:
    """Minimize the deviance, restart where the certificate fails, keep the best.

    Without `start` the search begins with random effects as variable as the residuals. A variance that comes
    out as 0 may belong to a lesser optimum, so then it begins again from much smaller and much larger ones.
    `bend` are second derivatives there, as far as they are known.
    """
    search = _Search(model)
    if start is not None:
        return search.descend(start, None if bend is None else _metric(bend))
    found = [search.descend(start_at(model, 1.0))]
    if at_boundary(found[0].solution.state.psis):
        found += [search.descend(start_at(model, scale)) for scale in OTHER_STARTS]
    return min(found, key=lambda optimum: optimum.solution.deviance)


def _metric(bend: Array) -> Array:
    """The inverse of second derivatives, as if positive, and held short where there is next to no curvature."""
    values, vectors = np.linalg.eigh(bend)
    size = np.maximum(np.abs(values), LEAST_CURVATURE * max(1.0, float(np.abs(values).max())))
    return np.asarray((vectors / size) @ vectors.T)


def curvature_at(model: Model, theta: Array) -> Array:
    """Second derivatives of the deviance."""
    return _Search(model).curvature(theta)


def at_boundary(psis: list[Array], tolerance: float = 1e-4) -> bool:
    """Whether a relative covariance (of columns scaled to length 1) is singular."""
    return any(float(np.diag(semidefinite_cholesky(psi)).min()) < tolerance for psi in psis)


def start_at(model: Model, scale: float) -> Array:
    diagonals = [float(row == column) * scale for block in model.blocks for row, column in block.pairs()]
    return np.r_[diagonals, np.zeros(model.bottom.n_classes - 1)]


class _Search:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.evaluations = 0

    def value(self, theta: Array) -> tuple[float, Array]:
        """Deviance and gradient; infinite where the covariance is not positive definite."""
        self.evaluations += 1
        try:
            with np.errstate(all="ignore"):
                deviance, gradient = self.model.deviance(theta)
        except np.linalg.LinAlgError:
            return np.inf, np.full(theta.size, np.nan)
        if not np.isfinite(deviance) or not np.isfinite(gradient).all():
            return np.inf, np.full(theta.size, np.nan)
        return deviance, gradient

    def descend(self, theta: Array, metric: Array | None = None) -> Optimum:
        for _ in range(MOST_RESTARTS):
            theta = self._polish(bfgs(self.value, theta, 1e-3, metric))
            theta, eigenvalue, moved = self._leave_saddle(theta)
            if not moved:
                break
        value, gradient, _, solution = self.model.detailed(theta)
        size = float(np.abs(gradient).max()) if gradient.size else 0.0
        tolerance = 1e-5 * max(1.0, np.sqrt(abs(value)))
        return Optimum(theta, solution, size, eigenvalue, size < tolerance and not moved, self.evaluations)

    def _polish(self, theta: Array) -> Array:
        """Newton steps; from farther away more quasi-Newton steps first."""
        theta, close = newton(self.value, self.curvature, theta)
        if not close:
            theta, _ = newton(self.value, self.curvature, bfgs(self.value, theta, 1e-9))
        return theta

    def curvature(self, theta: Array) -> Array:
        if self.model.bottom.n_classes > 1:
            return difference_hessian(lambda point: self.value(point)[1], theta)
        return profile_curvature(self.model, theta)

    def _leave_saddle(self, theta: Array) -> tuple[Array, float, bool]:
        """A step along the most negative eigenvector of any term's gradient matrix, if it lowers the
        deviance; steps so small that by the slope they could not are not tried."""
        value, _, bars, _ = self.model.detailed(theta)
        factors, precision = self.model.split(theta)
        spectra = [np.linalg.eigh(bar) for bar in bars]
        smallest = min(float(values[0]) for values, _ in spectra)
        for index, (values, vectors) in enumerate(spectra):
            if values[0] >= -1e-9 * self.model.blocks[index].n_groups:
                continue
            steps = 10.0 ** np.arange(1, -9, -1.0)
            for step in steps[-values[0] * steps > LEAST_LOWERING]:
                psi = factors[index] @ factors[index].T + step * np.outer(vectors[:, 0], vectors[:, 0])
                changed = [*factors[:index], semidefinite_cholesky(psi), *factors[index + 1 :]]
                candidate = join(self.model, changed, precision)
                if self.value(candidate)[0] < value - LEAST_LOWERING:
                    return candidate, smallest, True
        return theta, smallest, False


def join(model: Model, factors: list[Array], precision: Array) -> Array:
    parts = [factor[block.places] for factor, block in zip(factors, model.blocks, strict=True)]
    return np.concatenate([*parts, -np.log(precision[1:])])


def semidefinite_cholesky(psi: Array) -> Array:
    """Lower triangle with Lambda Lambda' = Psi and no negative diagonal, also where Psi is singular."""
    values, vectors = np.linalg.eigh(psi)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    lower = triangle_of(root.T).T
    return lower * np.where(np.diag(lower) < 0, -1.0, 1.0)


def bfgs(
    function: Callable[[Array], tuple[float, Array]], theta: Array, enough: float, metric: Array | None = None
) -> Array:
    """Quasi-Newton descent with a backtracking search that also asks for positive curvature (Nocedal &
    Wright ch. 6). It begins with the inverse second derivatives `metric`, where they are known."""
    value, gradient = function(theta)
    inverse = np.eye(theta.size) / max(1.0, float(np.linalg.norm(gradient))) if metric is None else metric
    fresh = metric is None
    for _ in range(MOST_STEPS if np.isfinite(value) else 0):
        step = -inverse @ gradient
        slope = float(step @ gradient)
        if slope >= 0:
            inverse, fresh = np.eye(theta.size) / max(1.0, float(np.linalg.norm(gradient))), True
            step = -inverse @ gradient
            slope = float(step @ gradient)
        if -slope < enough:
            break
        moved = _line_search(function, theta, value, step, slope)
        if moved is None:
            if fresh:
                break
            inverse, fresh = np.eye(theta.size) / max(1.0, float(np.linalg.norm(gradient))), True
            continue
        new_theta, new_value, new_gradient = moved
        inverse = _update(inverse, new_theta - theta, new_gradient - gradient, fresh)
        fresh = False
        theta, value, gradient = new_theta, new_value, new_gradient
    return theta


def _line_search(
    function: Callable[[Array], tuple[float, Array]], theta: Array, value: float, step: Array, slope: float
) -> tuple[Array, float, Array] | None:
    """A step that satisfies the weak Wolfe conditions by bisection; else the best sufficient decrease
    seen."""
    low, high, length = 0.0, np.inf, 1.0
    best: tuple[Array, float, Array] | None = None
    for _ in range(30):
        candidate = theta + length * step
        new_value, new_gradient = function(candidate)
        if not new_value <= value + 1e-4 * length * slope:
            high = length
        else:
            if best is None or new_value < best[1]:
                best = candidate, new_value, new_gradient
            if float(new_gradient @ step) >= 0.9 * slope:
                return candidate, new_value, new_gradient
            low = length
        length = 2 * low if np.isinf(high) else (low + high) / 2
    return best


def _update(inverse: Array, moved: Array, change: Array, fresh: bool) -> Array:
    curvature = float(moved @ change)
    if curvature <= 1e-12 * float(np.linalg.norm(moved) * np.linalg.norm(change)):
        return inverse
    if fresh:
        inverse = np.eye(moved.size) * (curvature / float(change @ change))
    rho = 1.0 / curvature
    left = np.eye(moved.size) - rho * np.outer(moved, change)
    return left @ inverse @ left.T + rho * np.outer(moved, moved)


def newton(
    function: Callable[[Array], tuple[float, Array]], curvature: Callable[[Array], Array], theta: Array
) -> tuple[Array, bool]:
    """Newton steps while they bring the gradient nearer to 0; whether they ended where nothing is to be gained."""
    value, gradient = function(theta)
    for _ in range(MOST_NEWTON_STEPS):
        bend = curvature(theta)
        if not np.isfinite(bend).all():
            return theta, False
        values, vectors = np.linalg.eigh(bend)
        floor = 1e-10 * max(1.0, float(np.abs(values).max()))
        inverse = np.where(values > floor, 1 / np.where(values > floor, values, 1.0), 0.0)
        step = -vectors @ (inverse * (vectors.T @ gradient))
        least = 1e-15 * max(1.0, abs(value))
        promise = abs(float(step @ gradient))
        if promise < least:
            return theta, bool(values[0] > -floor)
        new_value, new_gradient = function(theta + step)
        small = 1e-12 * max(1.0, abs(value))
        if not new_value <= value + small or np.linalg.norm(new_gradient) >= np.linalg.norm(gradient):
            return theta, promise < small
        theta, value, gradient = theta + step, new_value, new_gradient
        if inverse @ (vectors.T @ gradient) ** 2 < least:  # as good as by the curvature here, a step away
            return theta, bool(values[0] > -floor)
    return theta, False


def difference_hessian(gradient: Callable[[Array], Array], theta: Array) -> Array:
    columns = []
    for index in range(theta.size):
        step = np.zeros(theta.size)
        step[index] = 1e-5 * max(0.1, abs(theta[index]))
        columns.append((gradient(theta + step) - gradient(theta - step)) / (2 * step[index]))
    hessian = np.array(columns)
    return (hessian + hessian.T) / 2
