"""From a design to the model's sums: turn the fixed columns, take the response's fitted part out, sum by
group."""

from dataclasses import dataclass

import numpy as np

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.criterion import Model, RowBottom
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.structure import (
    FixedTurn,
    Plan,
    crossed_columns,
    fixed_turn,
    make_blocks,
    orthonormal_basis,
    plan_levels,
    random_bases,
    row_sums,
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
    """Check that the model can be fitted and form its sums row by row (exact for any columns)."""
    check_sizes(design)
    plan = plan_levels(design.random)
    bases = random_bases(design.random, plan.chain)
    blocks, levels = make_blocks(design, plan, bases)
    root = np.ones(len(design.response)) if design.weights is None else np.sqrt(design.weights)
    fixed = design.fixed_matrix()
    upper = np.linalg.qr(fixed * root[:, None], mode="r")
    turn = fixed_turn(upper)
    orthonormal = fixed[:, turn.kept] @ turn.back
    residual, ordinary = take_out(orthonormal * root[:, None], design.response * root)
    check_residual(design, residual, root)
    crossed = crossed_columns(design, plan, blocks)
    dense = np.column_stack([orthonormal * root[:, None], crossed * root[:, None], residual])
    classes = design.residual_codes
    sums = row_sums(bases.t * root[:, None], dense, plan.codes[0], plan.n_groups[0], classes,
                    max(1, len(design.residual_levels)))  # fmt: skip
    constant = turn.logdet * reml - (0.0 if design.weights is None else float(np.log(design.weights).sum()))
    model = Model(blocks, RowBottom(levels[0], sums), levels[1:], crossed.shape[1], len(turn.kept),
                  len(design.response), constant, reml)  # fmt: skip
    dropped = [name for index, name in enumerate(design.names) if index not in turn.kept]
    return Assembled(model, turn, ordinary, [design.names[index] for index in turn.kept], dropped, plan,
                     null_rows(upper, turn))  # fmt: skip


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


def check_residual(design: Design, residual: Array, root: Array) -> None:
    """Refuse a response that the fixed effects, alone or with each group's own line, reproduce exactly."""
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
