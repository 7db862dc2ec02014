"""From a design to the model's sums: turn the fixed columns, take the response's fitted part out, sum by
group."""

from dataclasses import dataclass

import numpy as np

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.atoms import AtomBottom, collect_atoms
from studies.analysis.lmm.cells import factor_cells
from studies.analysis.lmm.criterion import Model, RowBottom
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.elimination import sum_by, transpose
from studies.analysis.lmm.structure import (
    FixedTurn,
    Plan,
    common_basis,
    crossed_columns,
    fixed_turn,
    make_blocks,
    orthonormal_basis,
    plan_levels,
    row_sums,
    triangle_of,
)

Array = np.ndarray


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


def assemble(design: Design, reml: bool) -> Assembled:
    """Check that the model can be fitted and form its sums, by the shortest way that is exact for it."""
    check_sizes(design)
    plan = plan_levels(design.random)
    assembled = assemble_atoms(design, plan, reml) or assemble_rows(design, plan, reml)
    check_absorbed(assembled.model)
    return assembled


def assemble_rows(design: Design, plan: Plan, reml: bool) -> Assembled:
    """Sums formed row by row: exact for any fixed columns, crossed terms and residual classes."""
    bases = common_basis(design.random, plan.chain, [])
    blocks, levels = make_blocks(design, plan, bases)
    root = np.ones(len(design.response)) if design.weights is None else np.sqrt(design.weights)
    fixed = design.fixed_matrix()
    upper = triangle_of(fixed * root[:, None])
    turn = fixed_turn(upper)
    orthonormal = fixed[:, turn.kept] @ turn.back
    residual, ordinary = take_out(orthonormal * root[:, None], design.response * root)
    check_residual(design, residual, root)
    crossed = crossed_columns(design, plan, blocks)
    dense = np.column_stack([orthonormal * root[:, None], crossed * root[:, None], residual])
    classes = design.residual_codes
    sums = row_sums(bases.t * root[:, None], dense, plan.codes[0], plan.n_groups[0], classes,
                    max(1, len(design.residual_levels)))  # fmt: skip
    model = Model(blocks, RowBottom(levels[0], sums), levels[1:], crossed.shape[1], len(turn.kept),
                  len(design.response), _constant(design, turn, reml), reml)  # fmt: skip
    return _finish(design, plan, turn, upper, ordinary, model)


MOST_BASIS_COLUMNS = 8


def assemble_atoms(design: Design, plan: Plan, reml: bool) -> Assembled | None:
    """Sums by atom (see `atoms`); None where the model's shape does not allow it or does not gain by it."""
    if plan.crossed or design.residual_codes is not None:
        return None
    cells = factor_cells(design, plan.codes[0], plan.n_groups[0])
    if cells is None:
        return None
    bases = common_basis(design.random, plan.chain, cells.columns)
    width = bases.t.shape[1]
    if width > MOST_BASIS_COLUMNS or cells.n_cells * width > max(64, 2 * len(design.names)):
        return None
    blocks, levels = make_blocks(design, plan, bases)
    in_cell = bases.others[:, cells.basis_of].T[None] * cells.constants[:, :, None]
    stacked = in_cell.transpose(0, 2, 1)
    t, response, root = bases.t, design.response, None
    if design.weights is not None:
        root = np.sqrt(design.weights)
        t, response = t * root[:, None], response * root
    codes, n_groups = plan.codes[0], plan.n_groups[0]
    s = group_products(t, codes, n_groups)
    by_cell = sum_by(s, cells.cell_of_group, cells.n_cells)
    upper = triangle_of((semidefinite_roots(by_cell) @ stacked).reshape(-1, len(design.names)))
    turn = fixed_turn(upper)
    fold = (stacked[:, :, turn.kept] @ turn.back).reshape(-1, len(turn.kept))
    row_cell = cells.cell_of_group[codes]
    residual, ordinary = response, np.zeros(len(turn.kept))
    for _ in range(2):
        sums = np.stack(
            [np.bincount(row_cell, t[:, k] * residual, cells.n_cells) for k in range(width)], axis=1
        )
        step = fold.T @ sums.ravel()
        fitted = (fold @ step).reshape(cells.n_cells, width)
        residual = residual - sum(t[:, k] * fitted[row_cell, k] for k in range(width))
        ordinary = ordinary + step
    check_residual(design, residual, root)
    sy = np.stack([np.bincount(codes, t[:, k] * residual, n_groups) for k in range(width)], axis=1)
    level = levels[0]
    atoms = collect_atoms(s, sy, float(residual @ residual), cells.cell_of_group, cells.n_cells, level.parent,
                          max(level.n_parents, 1))  # fmt: skip
    bottom = AtomBottom(atoms, level.basis, level.parent is not None)
    whole_fold = np.zeros((fold.shape[0] + 1, fold.shape[1] + 1))
    whole_fold[:-1, :-1], whole_fold[-1, -1] = fold, 1.0
    return _finish(design, plan, turn, upper, ordinary,
                   Model(blocks, bottom, levels[1:], 0, len(turn.kept), len(response),
                         _constant(design, turn, reml), reml, whole_fold))  # fmt: skip


def _constant(design: Design, turn: FixedTurn, reml: bool) -> float:
    return turn.logdet * reml - (0.0 if design.weights is None else float(np.log(design.weights).sum()))


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
    """C with C'C = M for positive semidefinite matrices (n x r x r)."""
    values, vectors = np.linalg.eigh(matrices)
    return np.sqrt(np.clip(values, 0.0, None))[:, :, None] * transpose(vectors)


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
        n_groups, width = len(term.levels), term.columns.shape[1]
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
                f"Where every arm (or status) holds a single {block.group}, their difference cannot be told from "
                f"that of two {block.group}s: add more, or leave the random term out and say so."
            )


def check_residual(design: Design, residual: Array, root: Array | None) -> None:
    """Refuse a response that the fixed effects, alone or with each group's own line, reproduce exactly."""
    root = np.ones(len(residual)) if root is None else root
    scale = float(np.linalg.norm((design.response - design.response.mean()) * root))
    if len(design.names) >= len(residual):
        raise AnalysisError(
            f"{len(design.names)} fixed effects cannot be estimated from {len(residual)} readings."
        )
    name = design.formula.spelled(design.formula.response)
    if np.linalg.norm(residual) <= 1e-10 * scale:
        raise AnalysisError(
            f"The fixed effects reproduce {name} exactly: no variation is left to judge them by."
        )
    if within_norm(design, residual, root) <= 1e-10 * scale:
        raise AnalysisError(
            f"Every group's own curve reproduces {name} exactly, so the residual variance is 0 "
            "and no test exists: are these computed instead of measured values?"
        )


def within_norm(design: Design, residual: Array, root: Array) -> float:
    """Length of what is left of the residual after each group of the finest level got its own columns."""
    finest = max(design.random, key=lambda term: len(term.levels))
    columns = [term.columns for term in design.random if term.term.name == finest.term.name]
    basis, _ = orthonormal_basis(np.column_stack(columns) * root[:, None])
    rest = residual.copy()
    for _ in range(2):
        rest = rest - _projected(basis, rest, finest.codes, len(finest.levels))
    return float(np.linalg.norm(rest))


def _projected(basis: Array, rest: Array, codes: Array, n_groups: int) -> Array:
    width = basis.shape[1]
    sums = np.empty((n_groups, width, width))
    right = np.empty((n_groups, width))
    for row in range(width):
        right[:, row] = np.bincount(codes, basis[:, row] * rest, n_groups)
        for column in range(width):
            sums[:, row, column] = np.bincount(codes, basis[:, row] * basis[:, column], n_groups)
    solved = (np.linalg.pinv(sums, rcond=1e-12, hermitian=True) @ right[:, :, None])[:, :, 0]
    return (basis * solved[codes]).sum(axis=1)
