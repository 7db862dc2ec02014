"""Fixed columns as a product of what changes within a mouse and what does not."""

from dataclasses import dataclass

import numpy as np

from studies.analysis.lmm.atoms import merge_codes
from studies.analysis.lmm.design import ColumnMaker, Design, Factor, Piece, columns_of, product
from studies.analysis.lmm.stream import blocks

Array = np.ndarray
MOST_DISTINCT = 4096


@dataclass(frozen=True)
class Cells:
    """Fixed column j is `columns[basis_of[j]]` times `constants[cell, j]`."""

    columns: list[ColumnMaker]
    basis_of: list[int]
    constants: Array
    cell_of_group: Array
    n_cells: int


def factor_cells(design: Design, codes: Array, n_groups: int) -> Cells | None:
    """Split every fixed column; None where the groups fall into too many cells to gain by it."""
    n = len(codes)
    first = np.empty(n_groups, dtype=np.int64)
    for block in reversed(blocks(n)):
        first[codes[block][::-1]] = np.arange(block.stop - 1, block.start - 1, -1)
    factors = {id(factor): factor for piece in design.pieces for factor in piece.factors}
    constant = {key for key, factor in factors.items() if _is_constant(factor, first, codes)}
    parts = [_as_codes(factors[key], first) for key in constant]
    if any(part is None for part in parts):
        return None
    cell_of_group, n_cells = merge_codes([part for part in parts if part is not None]) if parts else (
        np.zeros(n_groups, dtype=np.int64), 1)  # fmt: skip
    member = np.empty(n_cells, dtype=np.int64)
    member[cell_of_group[::-1]] = first[::-1]
    columns: list[ColumnMaker] = []
    where: dict[tuple, int] = {}
    basis_of, constants = [], []
    for piece, combination in columns_of(design.pieces):
        held = [position for position, factor in enumerate(piece.factors) if id(factor) in constant]
        moving = [position for position in range(len(piece.factors)) if position not in held]
        key = tuple(sorted(_key(piece, position, combination[position]) for position in moving))
        if key not in where:
            where[key] = len(columns)
            columns.append(ColumnMaker(piece, combination, moving, n))
        basis_of.append(where[key])
        constants.append(product(piece, combination, held, n_cells, member))
    return Cells(columns, basis_of, np.column_stack(constants), cell_of_group, n_cells)


def _is_constant(factor: Factor, first: Array, codes: Array) -> bool:
    """Whether the factor has one value within each group."""
    of_group = factor.values[first]
    return all((of_group[codes[block]] == factor.values[block]).all() for block in blocks(len(codes)))


def _as_codes(factor: Factor, first: Array) -> Array | None:
    values = factor.values[first]
    if values.ndim == 1:
        return values.astype(np.int64)
    distinct, codes = np.unique(values, axis=0, return_inverse=True)
    return codes.ravel().astype(np.int64) if len(distinct) <= MOST_DISTINCT else None


def _key(piece: Piece, position: int, which: int) -> tuple[int, int, bytes]:
    contrast = piece.contrasts[position]
    return id(piece.factors[position]), which, b"" if contrast is None else contrast[:, which].tobytes()
