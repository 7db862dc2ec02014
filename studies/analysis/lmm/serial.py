"""Mixed models whose residuals correlate in continuous time: a search over phi, and inference that counts it in."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.assemble import Assembled, assemble, assemble_rows
from studies.analysis.lmm.criterion import Model
from studies.analysis.lmm.derivatives import Derivatives
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.optimum import Optimum, curvature_at, find_optimum

Array = np.ndarray
FIRST_GUESSES = (-3.0, -1.0, 0.5, 2.0)  # logit of the correlation over the median gap
NARROWEST, WIDEST = -14.0, 9.0
FIRST_STEP, NUDGE, CLOSE, MOST_STEPS = 1.0, 1e-3, 1e-5, 60  # of the logit
LEAST_GAIN = 1e-8  # of the deviance
LARGEST_BLOCK = 2000


def fit_serial(design: Design, plain: Assembled, without: Optimum) -> tuple[Assembled, Optimum, float]:
    """The model, its optimum and phi, from the same without correlation. The deviance is profiled over phi; phi = 0
    stays where nothing is gained."""
    series = design.series
    assert series is not None
    middle = float(np.median(series.gaps[np.isfinite(series.gaps)]))
    reml = plain.model.reml
    last = [without]

    def phi_of(logit: float) -> float:
        return float((1 / (1 + np.exp(-logit))) ** (1 / middle))

    def model_at(logit: float) -> Model:
        return assemble_rows(design, plain.plan, reml, phi_of(logit)).model

    def optimum_at(logit: float) -> Optimum:
        """The optimum at one phi, its search begun where the last one ended."""
        last[0] = find_optimum(model_at(logit), last[0].theta, bend)
        return last[0]

    def slope(logit: float) -> tuple[float, float]:
        """How the profiled deviance changes, at its optimum only through phi, and how that does, the optimum moving."""
        here = optimum_at(logit)
        (below, pull), (above, push) = (
            model_at(logit + step).deviance(here.theta) for step in (-NUDGE, NUDGE)
        )
        across = (push - pull) / (2 * NUDGE)
        curve = (above - 2 * here.solution.deviance + below) / NUDGE**2
        return (above - below) / (2 * NUDGE), curve - float(across @ np.linalg.pinv(bend) @ across)

    bend = curvature_at(plain.model, without.theta)
    guess = min(FIRST_GUESSES, key=lambda guess: optimum_at(guess).solution.deviance)
    bend = curvature_at(model_at(guess), optimum_at(guess).theta)
    logit = _lowest(slope, guess)
    assembled = assemble(design, reml, phi_of(logit))
    optimum = find_optimum(assembled.model, last[0].theta, bend)
    if without.solution.deviance - optimum.solution.deviance > LEAST_GAIN:
        return assembled, optimum, phi_of(logit)
    return plain, without, 0.0


def _lowest(slope: Callable[[float], tuple[float, float]], here: float) -> float:
    """Where a slope, given with its own, turns from below to above 0: by Newton's steps between its two sides; a bound
    where it does not."""
    sides = [NARROWEST, WIDEST]
    for _ in range(MOST_STEPS):
        steep, bend = slope(here)
        sides[int(steep > 0)] = here
        step = -steep / bend if bend > 0 else (-1 if steep > 0 else 1) * FIRST_STEP
        if not sides[0] < here + step < sides[1]:
            step = (sides[int(steep < 0)] - here) / 2
        here += step
        if abs(step) < CLOSE:
            break
    return here


@dataclass(frozen=True)
class DenseParameters:
    """Variance parameters as matrices of one block of rows: V and its first derivatives, and the second ones not 0."""

    v: Array
    first: list[Array]
    second: dict[tuple[int, int], Array]


def dense_derivatives(
    design: Design, fixed: Array, psis: list[Array], variances: Array, phi: float
) -> tuple[Derivatives, Derivatives]:
    """(to first order in phi, whole): R and log|V| at V itself, from V written out for each independent block of rows.

    Parameters: each term's variances and covariances in the formula's units, the residual variance of each class, log
    phi. Only phi enters V other than linearly. To first order its second derivative is left out, which makes
    Kenward-Roger the same whatever function of phi is the parameter.
    """
    columns = np.column_stack([fixed, design.response])
    n = sum(len(psi) * (len(psi) + 1) // 2 for psi in psis) + len(variances) + 1
    size = columns.shape[1]
    r, r_first, r_second = np.zeros((size, size)), np.zeros((n, size, size)), np.zeros((n, n, size, size))
    log_first, log_second = np.zeros(n), np.zeros((n, n))
    r_curve, log_curve = np.zeros_like(r_second), np.zeros_like(log_second)
    for rows in independent_blocks(design):
        block = _block_parameters(design, rows, psis, variances, phi)
        inverse = np.linalg.inv(block.v)
        solved = inverse @ columns[rows]
        r += columns[rows].T @ solved
        first = np.array(block.first)
        steps, spreads = first @ solved, inverse @ first
        r_first -= solved.T @ steps
        log_first += np.trace(spreads, axis1=1, axis2=2)
        both = steps.transpose(0, 2, 1)[:, None] @ (inverse @ steps)
        r_second += both + both.transpose(0, 1, 3, 2)
        log_second -= spreads.reshape(n, -1) @ spreads.transpose(0, 2, 1).reshape(n, -1).T
        for (i, j), part in block.second.items():
            r_curve[i, j] -= solved.T @ part @ solved
            log_curve[i, j] += (inverse * part).sum()
    for matrix in (r_curve, log_curve):
        for i in range(n):
            matrix[:i, i] = matrix[i, :i]
    return (Derivatives(r, r_first, r_second, log_first, log_second),
            Derivatives(r, r_first, r_second + r_curve, log_first, log_second + log_curve))  # fmt: skip


def independent_blocks(design: Design) -> list[Array]:
    """Rows that share no random effect and no series with others."""
    series = [] if design.series is None else [design.series.codes]
    codes = [*series, *(term.codes for term in design.random)]
    n_rows, start, links = len(design.response), len(design.response), []
    for code in codes:
        links.append(code + start)
        start += int(code.max()) + 1
    rows = np.tile(np.arange(n_rows), len(codes))
    graph = coo_matrix((np.ones(len(rows)), (rows, np.concatenate(links))), (start, start))
    label = connected_components(graph, directed=False)[1][:n_rows]
    order = np.argsort(label, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    if max(map(len, blocks)) > LARGEST_BLOCK:
        raise AnalysisError(
            f"Degrees of freedom with residuals correlated in time need fewer than {LARGEST_BLOCK} readings that share "
            f"a random effect; here {max(map(len, blocks))} do. Fit PDX models apart, or leave the correlation out."
        )
    return blocks


def _block_parameters(
    design: Design, rows: Array, psis: list[Array], variances: Array, phi: float
) -> DenseParameters:
    v, first = np.zeros((len(rows), len(rows))), []
    for term, psi in zip(design.random, psis, strict=True):
        same = term.codes[rows][:, None] == term.codes[rows][None, :]
        z = term.columns[rows]
        v += same * (z @ psi @ z.T)
        for column in range(len(psi)):
            for row in range(column, len(psi)):
                part = np.outer(z[:, row], z[:, column])
                first.append(same * (part if row == column else part + part.T))
    series, second = design.series, {}
    assert series is not None
    gap = np.abs(series.times[rows][:, None] - series.times[rows][None, :])
    same = series.codes[rows][:, None] == series.codes[rows][None, :]
    root = np.ones(len(rows)) if design.weights is None else 1 / np.sqrt(design.weights[rows])
    correlation = np.where(same, phi**gap, 0.0) * np.outer(root, root)
    codes = (
        np.zeros(len(rows), dtype=np.int64) if design.residual_codes is None else design.residual_codes[rows]
    )
    last = len(first) + len(variances)
    residual = np.zeros_like(v)
    for index, variance in enumerate(variances):
        part = correlation * (codes == index)[:, None]
        first.append(part)
        residual += variance * part
        second[last, last - len(variances) + index] = gap * part
    first.append(gap * residual)
    second[last, last] = gap**2 * residual
    return DenseParameters(v + residual, first, second)
