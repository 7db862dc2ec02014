"""From a design to the model's sums: turn the fixed columns, take the response's fitted part out, sum by
group."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack
from scipy.sparse.linalg import lsmr

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.atoms import AtomBottom, collect_atoms
from studies.analysis.lmm.cells import factor_cells
from studies.analysis.lmm.criterion import Model, RowBottom
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.elimination import sum_by, transpose
from studies.analysis.lmm.stream import group_sums, residual_sums, streamed_basis
from studies.analysis.lmm.structure import (
    FixedTurn,
    Plan,
    common_basis,
    crossed_columns,
    fixed_turn,
    make_blocks,
    nested_columns,
    plan_levels,
    row_sums,
    split_basis,
    triangle_of,
)
from studies.analysis.lmm.white import Whitening

Array = np.ndarray
MOST_BASIS_COLUMNS = 8
EXACT = 1e-20  # of the response's sum of squares: as much as rounding leaves
ROUNDING = 1e-14  # of a cell's largest sum of squares
SUSPECT = 1e-5
NEARLY_FREE = (
    1e6  # relative variance of random effects; more, and fixed effects they hold would be lost in rounding
)


@dataclass(frozen=True)
class Assembled:
    """A model ready to be fitted, and the way back to the formula's coefficients."""

    model: Model
    turn: FixedTurn
    ordinary: Array
    names: list[str]
    dropped: list[str]
    plan: Plan
    estimability: Array
    notes: tuple[str, ...] = ()


def assemble(design: Design, reml: bool, phi: float = 0.0) -> Assembled:
    """Check that the model can be fitted and form its sums, by the shortest way that is exact for it.

    `phi` is the correlation of residuals one unit of time apart, where the design has a series.
    """
    check_sizes(design)
    plan = plan_levels(design.random)
    assembled = (assemble_atoms(design, plan, reml) if phi == 0 else None) or assemble_rows(
        design, plan, reml, phi
    )
    check_absorbed(assembled.model)
    check_residual_variance(design, assembled.model)
    if design.residual_name is not None:
        check_residual_classes(design, design.residual_name)
    return assembled


def whitening(design: Design, phi: float = 0.0) -> Whitening:
    return Whitening(None if design.weights is None else np.sqrt(design.weights), design.series, phi)


def assemble_rows(design: Design, plan: Plan, reml: bool, phi: float = 0.0) -> Assembled:
    """Sums formed row by row: exact for any fixed columns, crossed terms and residual classes."""
    bases = common_basis(design.random, plan, [])
    blocks, levels = make_blocks(design, plan, bases)
    white = whitening(design, phi)
    fixed = white(design.fixed_matrix())
    upper = triangle_of(fixed)
    turn = fixed_turn(upper)
    orthonormal = fixed[:, turn.kept] @ turn.back
    residual, ordinary = take_out(orthonormal, white(design.response))
    check_unexplained(design, float(residual @ residual))
    crossed = white.sparse(crossed_columns(design, plan, blocks))
    dense = np.column_stack([orthonormal, residual])
    classes = design.residual_codes
    sums = row_sums(
        white(bases.t),
        dense,
        crossed,
        plan.codes[0],
        plan.n_groups[0],
        classes,
        max(1, len(design.residual_levels)),
    )
    model = Model(blocks, RowBottom(levels[0], sums), levels[1:], crossed.shape[1], len(turn.kept),
                  len(design.response), _constant(turn, reml, white), reml)  # fmt: skip
    return _finish(design, plan, turn, upper, ordinary, model)


def assemble_atoms(design: Design, plan: Plan, reml: bool) -> Assembled | None:
    """Sums by atom (see `atoms`); None where the model's shape does not allow it or does not gain by it."""
    if plan.crossed or design.residual_codes is not None:
        return None
    cells = factor_cells(design, plan.codes[0], plan.n_groups[0])
    if cells is None:
        return None
    columns = [*nested_columns(design.random, plan), *cells.columns]
    basis = streamed_basis(columns, len(design.response), MOST_BASIS_COLUMNS)
    if basis is None or cells.n_cells * basis.width > max(64, 2 * len(design.names)):
        return None
    width = basis.width
    bases = split_basis(design.random, plan, np.empty((0, width)), basis.upper)
    blocks, levels = make_blocks(design, plan, bases)
    stacked = (bases.others[:, cells.basis_of].T[None] * cells.constants[:, :, None]).transpose(0, 2, 1)
    rows = (basis, plan.codes[0], plan.n_groups[0], design.response, design.weights)
    raw = group_sums(*rows)
    by_cell = sum_by(raw.s, cells.cell_of_group, cells.n_cells)
    upper = triangle_of((semidefinite_roots(by_cell) @ stacked).reshape(-1, len(design.names)))
    parts = (stacked**2).sum(axis=1) * np.trace(by_cell, axis1=1, axis2=2)[:, None]
    turn = fixed_turn(upper, np.sqrt(parts.sum(axis=0)))
    fold = (stacked[:, :, turn.kept] @ turn.back).reshape(-1, len(turn.kept))
    ordinary = fold.T @ sum_by(raw.sy, cells.cell_of_group, cells.n_cells).ravel()
    sy, squares = residual_sums(*rows, (fold @ ordinary).reshape(cells.n_cells, width), cells.cell_of_group)
    step = fold.T @ sum_by(sy, cells.cell_of_group, cells.n_cells).ravel()  # the last digits
    fitted = (fold @ step).reshape(cells.n_cells, width)[cells.cell_of_group]
    sy, squares = sy - (raw.s @ fitted[:, :, None])[:, :, 0], squares - float(step @ step)
    check_unexplained(design, squares)
    level = levels[0]
    atoms = collect_atoms(
        raw.s, sy, squares, cells.cell_of_group, cells.n_cells, level.parent, max(level.n_parents, 1)
    )
    bottom = AtomBottom(atoms, level.basis, level.parent is not None)
    whole_fold = np.zeros((fold.shape[0] + 1, fold.shape[1] + 1))
    whole_fold[:-1, :-1], whole_fold[-1, -1] = fold, 1.0
    return _finish(design, plan, turn, upper, ordinary + step,
                   Model(blocks, bottom, levels[1:], 0, len(turn.kept), len(design.response),
                         _constant(turn, reml, whitening(design)), reml, whole_fold))  # fmt: skip


def _constant(turn: FixedTurn, reml: bool, white: Whitening) -> float:
    return turn.logdet * reml + white.logdet


def _finish(
    design: Design, plan: Plan, turn: FixedTurn, upper: Array, ordinary: Array, model: Model
) -> Assembled:
    dropped = [name for index, name in enumerate(design.names) if index not in turn.kept]
    kept = [design.names[index] for index in turn.kept]
    return Assembled(model, turn, ordinary, kept, dropped, plan, null_rows(upper, turn))


def group_products(t: Array, codes: Array, n_groups: int) -> Array:
    """T'T of each group."""
    width = t.shape[1]
    result = np.empty((n_groups, width, width))
    for row in range(width):
        for column in range(row, width):
            sums = np.bincount(codes, t[:, row] * t[:, column], n_groups)
            result[:, row, column] = result[:, column, row] = sums
    return result


def semidefinite_roots(matrices: Array) -> Array:
    """C with C'C = M for positive semidefinite matrices (n x r x r), what rounding leaves of a direction set to 0."""
    values, vectors = np.linalg.eigh(matrices)
    return np.sqrt(np.where(values > ROUNDING * values[:, -1:], values, 0.0))[:, :, None] * transpose(vectors)


def null_rows(upper: Array, turn: FixedTurn) -> Array:
    """Directions of the coefficients that the data say nothing about: a contrast must be orthogonal to
    each."""
    dropped = [index for index in range(upper.shape[1]) if index not in turn.kept]
    rows = np.zeros((len(dropped), upper.shape[1]))
    for position, index in enumerate(dropped):
        rows[position, index] = -1.0
        rows[position, turn.kept] = np.linalg.lstsq(upper[:, turn.kept], upper[:, index], rcond=None)[0]
    return rows


def take_out(orthonormal: Array, response: Array) -> tuple[Array, Array]:
    """Least-squares residuals, twice over for the last digits, and the coefficients taken out."""
    first = orthonormal.T @ response
    residual = response - orthonormal @ first
    second = orthonormal.T @ residual
    return residual - orthonormal @ second, first + second


def check_sizes(design: Design) -> None:
    """lme4's conditions: more rows than effects in each term, more than one group, rows left over."""
    n = len(design.response)
    for term in design.random:
        n_groups, width = term.n_groups, term.width
        if n_groups < 2:
            raise AnalysisError(
                f"The group {term.term.name} has a single member: its variance cannot be estimated."
            )
        if n_groups * width >= n:
            raise AnalysisError(
                f"{n} readings cannot tell {width} random effect{'s' * (width > 1)} of each of {n_groups} "
                f"{term.term.name} groups from the residual variation: "
                "too few readings a mouse; take a simpler random term or compare one value a mouse."
            )
    if np.ptp(design.response) == 0:
        raise AnalysisError(
            f"The response {design.formula.spelled(design.formula.response)} is constant: nothing varies."
        )


def check_absorbed(model: Model) -> None:
    """Refuse a random column that the fixed effects swallow: its variance leaves no trace in the data."""
    zero = [np.zeros((block.size, block.size)) for block in model.blocks]
    solution = model.solve(model.evaluate(zero, np.ones(model.bottom.n_classes)))
    gradients, _ = model.gradients(solution.state, model.r_gradient(solution))
    for block, gradient in zip(model.blocks, gradients, strict=True):
        left = np.abs(np.diag(block.turn.T @ gradient @ block.turn))
        absorbed = left <= 1e-9 * model.n_rows * np.diag(block.turn.T @ block.turn)
        if model.reml and absorbed.any():
            names = ", ".join(name for name, gone in zip(block.names, absorbed, strict=True) if gone)
            raise AnalysisError(
                f"The fixed effects leave nothing to estimate the variance of {names} between {block.group} from. "
                f"Where every arm (or status) holds a single {block.group}, the arms' difference cannot be told from "
                "that of two of these: add more, or leave the random term out and say so."
            )


def check_unexplained(design: Design, squares: float) -> None:
    """Refuse a response that the fixed effects alone reproduce; `squares` is what they leave of it, weighted."""
    if len(design.names) >= len(design.response):
        raise AnalysisError(
            f"{len(design.names)} fixed effects cannot be estimated from {len(design.response)} readings."
        )
    if squares <= EXACT * _scale(design):
        raise AnalysisError(
            f"The fixed effects reproduce {_response_name(design)} exactly: no variation is left to judge them by."
        )


def check_residual_variance(design: Design, model: Model) -> None:
    """Refuse a response that fixed and random effects together reproduce exactly, as computed values are.

    With random effects all but free, what is left is close to the residual sum of squares of fixed and random columns
    together. Where that is next to nothing, least squares over the rows decides.
    """
    free = [np.eye(block.size) * NEARLY_FREE for block in model.blocks]
    precision = np.ones(model.bottom.n_classes)
    left = model.solve(model.evaluate(free, precision)).sigma2 * model.degrees
    if left > SUSPECT * _scale(design):
        return
    if reproduced(design, np.arange(len(design.response))):
        raise AnalysisError(
            f"Fixed effects and every group's own curve reproduce {_response_name(design)} exactly, so the residual "
            "variance is 0 and no test exists: are these computed instead of measured values?"
        )


def check_residual_classes(design: Design, name: str) -> None:
    """The same for the readings of each level of `residual_by`."""
    for index, level in enumerate(design.residual_levels):
        if reproduced(design, np.flatnonzero(design.residual_codes == index)):
            raise AnalysisError(
                f"Fixed effects and every group's own curve reproduce {_response_name(design)} of {name} {level} "
                "exactly, so its residual variance is 0: are these computed instead of measured values?"
            )


def reproduced(design: Design, rows: Array) -> bool:
    """Whether fixed and random columns together leave nothing of these rows that they could have left."""
    columns = sparse_columns(design, rows)
    used = columns.getnnz(axis=0) > 0
    if used.sum() >= len(rows):
        return False
    root = np.ones(len(rows)) if design.weights is None else np.sqrt(design.weights[rows])
    response = (design.response[rows] - design.response.mean()) * root
    rest = (
        response - columns @ lsmr(columns, response, atol=1e-15, btol=1e-15, maxiter=20 * columns.shape[1])[0]
    )
    return bool(rest @ rest <= EXACT * _scale(design))


def sparse_columns(design: Design, rows: Array) -> csr_matrix:
    """All fixed and random columns of these rows, weighted and scaled to length 1; random effects group by group."""
    parts = [csr_matrix(design.fixed_matrix()[rows])]
    for term in design.random:
        for column in term.columns[rows].T:
            place = (np.arange(len(rows)), term.codes[rows])
            parts.append(csr_matrix((column, place), (len(rows), term.n_groups)))
    columns = hstack(parts).tocsc()
    if design.weights is not None:
        columns = diags(np.sqrt(design.weights[rows])) @ columns
    lengths = np.sqrt(np.asarray(columns.multiply(columns).sum(axis=0)).ravel())
    return (columns @ diags(1 / np.where(lengths > 0, lengths, 1.0))).tocsr()


def _scale(design: Design) -> float:
    centered = design.response - design.response.mean()
    return float((centered * (1.0 if design.weights is None else design.weights)) @ centered)


def _response_name(design: Design) -> str:
    return design.formula.spelled(design.formula.response)
