"""R and log|V| of a fitted model as jets in the variance parameters."""

from dataclasses import dataclass

import numpy as np

from studies.analysis.lmm.criterion import Model
from studies.analysis.lmm.elimination import Level
from studies.analysis.lmm.jets import Jet, eliminate
from studies.analysis.lmm.many import ManyModels

Array = np.ndarray


@dataclass(frozen=True)
class Derivatives:
    """At V / sigma^2: R, its derivatives R_i and R_ij, and those of log|V|.

    Parameters are each term's variances and covariances (Block.pairs), then the residual variance of each
    class.
    """

    r: Array
    r_first: Array
    r_second: Array
    logdet_first: Array
    logdet_second: Array


def differentiate(model: Model, psis: list[Array], precision: Array) -> Derivatives:
    """Derivatives at relative covariances `psis` (turned coordinates) and residual precisions."""
    jets, n_random = _psi_jets(model, psis)
    n_classes = model.bottom.n_classes
    residual = [n_random + index for index in range(n_classes)] if n_classes > 1 else []
    p, q, r, logdet = model.bottom.jets(_level_jet(model, jets, 0), precision, residual)
    for number, level in enumerate(model.uppers, start=1):
        up = eliminate(level, p, q, _level_jet(model, jets, number))
        p, q, r, logdet = up.p, up.q, r.minus(up.taken), logdet.plus(up.logdet)
    if model.n_crossed:
        kept, inside = model.crossed_positions()
        up = eliminate(
            Level(np.eye(model.n_crossed)),
            r.map(lambda part: part[np.ix_(inside, inside)][None]),
            r.map(lambda part: part[np.ix_(inside, kept)][None]),
            _crossed_jet(model, jets),
        )
        r, logdet = r.map(lambda part: part[np.ix_(kept, kept)]).minus(up.taken), logdet.plus(up.logdet)
    if model.fold is not None:
        fold = model.fold
        r = r.map(lambda part: fold.T @ part @ fold)
    n_parameters = n_random + n_classes
    result = _dense(r, logdet, n_parameters)
    return result if residual else _with_residual(result, model, psis)


@dataclass(frozen=True)
class FixedParts:
    """What the restricted likelihood's curvature needs: phi = (X'V^-1 X)^-1, its halves, log|X'V^-1 X|'s second
    derivatives, and the first and second derivatives of the residual sum of squares y'Py."""

    phi: Array
    half: Array
    log_second: Array
    squares: float
    squares_first: Array
    squares_second: Array


def fixed_parts(derivatives: Derivatives, p: int) -> FixedParts:
    """Derivatives of what remains once `p` fixed effects are taken out."""
    phi = np.linalg.inv(derivatives.r[:p, :p])
    phi = (phi + phi.T) / 2
    first, second = derivatives.r_first, derivatives.r_second
    half = phi @ first[:, :p, :p]
    n = len(first)
    flat = half.reshape(n, -1)
    crossed = flat @ half.transpose(0, 2, 1).reshape(n, -1).T
    log_second = second[:, :, :p, :p].reshape(n, n, -1) @ phi.ravel() - crossed
    direction = np.append(-phi @ derivatives.r[:p, p], 1.0)
    along = first @ direction
    squares_second = (second @ direction) @ direction - 2 * along[:, :p] @ phi @ along[:, :p].T
    return FixedParts(phi, half, log_second, float(direction @ derivatives.r @ direction), along @ direction,
                      squares_second)  # fmt: skip


def profile_curvature(model: Model, theta: Array) -> Array:
    """Second derivatives of the profiled deviance in theta (one residual class), exact."""
    factors, precision = model.split(theta)
    derivatives = differentiate(model, [factor @ factor.T for factor in factors], precision)
    parts = fixed_parts(derivatives, model.p_fixed)
    first = derivatives.logdet_first + model.degrees * parts.squares_first / parts.squares
    if model.reml:
        first = first + np.trace(parts.half, axis1=1, axis2=2)
    slope = parts.squares_first / parts.squares
    second = derivatives.logdet_second + model.reml * parts.log_second
    second = second + model.degrees * (parts.squares_second / parts.squares - np.outer(slope, slope))
    return _in_theta(model, factors, first[:-1], second[:-1, :-1])


def _in_theta(model: Model, factors: list[Array], first: Array, second: Array) -> Array:
    """Chain rule from Psi to its Cholesky factor."""
    jacobian, curve = np.zeros_like(second), np.zeros_like(second)
    start = 0
    for block, factor in zip(model.blocks, factors, strict=True):
        rows, columns = block.places
        size = len(rows)
        gradient = np.zeros((block.size, block.size))
        gradient[rows, columns] = first[start : start + size]
        gamma = (gradient + gradient.T) / 2
        for offset, (row, column) in enumerate(zip(rows, columns, strict=True)):
            change = np.zeros((block.size, block.size))
            change[row] = factor[:, column]
            jacobian[start : start + size, start + offset] = (change + change.T)[rows, columns]
            same = columns == column
            curve[start : start + size, start + offset][same] = 2 * gamma[rows[same], row]
        start += size
    return jacobian.T @ second @ jacobian + curve


def directions(model: Model) -> list[tuple[int, Array]]:
    """For each covariance parameter its term and the matrix it adds to the term's Psi."""
    result = []
    for index, block in enumerate(model.blocks):
        for row, column in block.pairs():
            unit = np.zeros((block.size, block.size))
            unit[row, column] = unit[column, row] = 1.0
            result.append((index, unit))
    return result


def from_natural_units(model: Model | ManyModels) -> Array:
    """The matrix that takes parameters in the formula's units to those of the fit: Psi in turned coordinates."""
    n_classes = getattr(model.bottom, "n_classes", 1)
    size = sum(len(block.pairs()) for block in model.blocks) + n_classes
    result = np.eye(size)
    start = 0
    for block in model.blocks:
        pairs = block.pairs()
        for offset, (row, column) in enumerate(pairs):
            unit = np.zeros((block.size, block.size))
            unit[row, column] = unit[column, row] = 1.0
            turned = block.turn @ unit @ block.turn.T
            result[start : start + len(pairs), start + offset] = turned[block.places]
        start += len(pairs)
    return result


def _psi_jets(model: Model, psis: list[Array]) -> tuple[list[Jet], int]:
    jets = [Jet(psi) for psi in psis]
    found = directions(model)
    for parameter, (index, direction) in enumerate(found):
        jets[index].first[parameter] = direction
    return jets, len(found)


def _level_jet(model: Model, jets: list[Jet], level: int) -> Jet:
    zero = [np.zeros((block.size, block.size)) for block in model.blocks]
    members = [index for index, block in enumerate(model.blocks) if block.level == level]

    def place(index: int, part: Array) -> Array:
        return model.level_psi([*zero[:index], part, *zero[index + 1 :]], level)

    value = model.level_psi([jet.value for jet in jets], level)
    return Jet(
        value, {key: place(index, part) for index in members for key, part in jets[index].first.items()}
    )


def _crossed_jet(model: Model, jets: list[Jet]) -> Jet:
    zero = [np.zeros((block.size, block.size)) for block in model.blocks]
    members = [index for index, block in enumerate(model.blocks) if block.crossed]
    first = {
        key: model.crossed_psi([*zero[:index], part, *zero[index + 1 :]])
        for index in members
        for key, part in jets[index].first.items()
    }
    return Jet(model.crossed_psi([jet.value for jet in jets]), first)


def _dense(r: Jet, logdet: Jet, n: int) -> Derivatives:
    size = r.value.shape[0]
    r_first, r_second = np.zeros((n, size, size)), np.zeros((n, n, size, size))
    log_first, log_second = np.zeros(n), np.zeros((n, n))
    for key, part in r.first.items():
        r_first[key] = part
    for (i, j), part in r.second.items():
        r_second[i, j] = r_second[j, i] = (part + part.T) / 2
    for key, part in logdet.first.items():
        log_first[key] = part
    for (i, j), part in logdet.second.items():
        log_second[i, j] = log_second[j, i] = part
    return Derivatives(r.value, r_first, r_second, log_first, log_second)


def _with_residual(result: Derivatives, model: Model, psis: list[Array]) -> Derivatives:
    values = [psi[block.places] for block, psi in zip(model.blocks, psis, strict=True)]
    complete_with_residual(result, model.n_rows, np.concatenate(values))
    return result


def complete_with_residual(result: Derivatives, n_rows: int, values: Array) -> None:
    """Fill in the residual variance, the last parameter, by Euler's rule.

    In all parameters together R has degree -1, and log|V| grows by n times their log. `values` are the others.
    """
    last = len(values)
    first, second = result.r_first, result.r_second
    first[last] = -result.r - np.tensordot(values, first[:last], 1)
    for j in range(last):
        second[last, j] = second[j, last] = -2 * first[j] - np.tensordot(values, second[:last, j], 1)
    second[last, last] = -2 * first[last] - np.tensordot(values, second[:last, last], 1)
    log_first, log_second = result.logdet_first, result.logdet_second
    log_first[last] = n_rows - values @ log_first[:last]
    for j in range(last):
        log_second[last, j] = log_second[j, last] = -log_first[j] - values @ log_second[:last, j]
    log_second[last, last] = -log_first[last] - values @ log_second[:last, last]
