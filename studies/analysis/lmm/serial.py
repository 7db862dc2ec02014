"""Mixed models whose residuals correlate in continuous time: a search over phi, and inference that counts it in."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.assemble import Assembled, assemble
from studies.analysis.lmm.derivatives import Derivatives
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.optimum import Optimum, find_optimum

Array = np.ndarray
FIRST_GUESSES = (-3.0, -1.0, 0.5, 2.0)  # logit of the correlation over the median gap
NARROWEST, WIDEST = -14.0, 9.0
ROUGHLY, LEAST_GAIN = 1e-3, 1e-8  # of the logit, before it is polished; of the deviance
LARGEST_BLOCK = 2000


def fit_serial(design: Design, reml: bool) -> tuple[Assembled, Optimum, float]:
    """The model, its optimum and phi. The deviance is profiled over phi; phi = 0 stays where nothing is gained."""
    series = design.series
    assert series is not None
    middle = float(np.median(series.gaps[np.isfinite(series.gaps)]))
    last: list[Array] = []

    def phi_of(logit: float) -> float:
        return float((1 / (1 + np.exp(-logit))) ** (1 / middle))

    def deviance(logit: float) -> float:
        optimum = find_optimum(assemble(design, reml, phi_of(logit)).model, last[:1] or None)
        last[:] = [optimum.theta]
        return optimum.solution.deviance

    def search(bounds: tuple[float, float], tolerance: float) -> tuple[float, float]:
        found = minimize_scalar(deviance, bounds=bounds, method="bounded", options={"xatol": tolerance})
        return float(found.x), float(found.fun)

    def fit_at(phi: float) -> tuple[Assembled, Optimum, float]:
        assembled = assemble(design, reml, phi)
        return assembled, find_optimum(assembled.model), phi

    guess, without = min(FIRST_GUESSES, key=deviance), fit_at(0.0)
    bounds = (max(NARROWEST, guess - 2.5), min(WIDEST, guess + 2.5))
    logit, reached = search(bounds, ROUGHLY)
    if logit - bounds[0] < 3 * ROUGHLY and reached > without[1].solution.deviance - LEAST_GAIN:
        return without  # the deviance falls all the way to no correlation
    if min(logit - bounds[0], bounds[1] - logit) < 3 * ROUGHLY:
        logit, _ = search((NARROWEST, WIDEST), ROUGHLY)
    logit, _ = search((logit - 20 * ROUGHLY, logit + 20 * ROUGHLY), 1e-7)
    with_phi = fit_at(phi_of(logit))
    gained = without[1].solution.deviance - with_phi[1].solution.deviance
    return with_phi if gained > LEAST_GAIN else without


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
        steps = [part @ solved for part in block.first]
        spreads = [inverse @ part for part in block.first]
        for i in range(n):
            r_first[i] -= solved.T @ steps[i]
            log_first[i] += np.trace(spreads[i])
            for j in range(i + 1):
                both = steps[i].T @ inverse @ steps[j]
                r_second[i, j] += both + both.T
                log_second[i, j] -= (spreads[i] * spreads[j].T).sum()
        for (i, j), part in block.second.items():
            r_curve[i, j] -= solved.T @ part @ solved
            log_curve[i, j] += (inverse * part).sum()
    for matrix in (r_second, log_second, r_curve, log_curve):
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
