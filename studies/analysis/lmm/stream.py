"""Columns formed a block of rows at a time: a large table is read a few times and never copied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
BLOCK_ROWS = 1 << 17


def blocks(n_rows: int) -> list[slice]:
    return [slice(start, min(start + BLOCK_ROWS, n_rows)) for start in range(0, n_rows, BLOCK_ROWS)]


@dataclass(frozen=True)
class StreamedBasis:
    """T, orthonormal over the rows (T'T = n I): columns = T upper; t_i begins with the column leading[i]."""

    columns: Sequence[Callable[[slice], Array]]
    upper: Array
    leading: tuple[int, ...]
    n_rows: int

    @property
    def width(self) -> int:
        return len(self.leading)

    def rows(self, block: slice) -> list[Array]:
        """The columns of T at a block of rows."""
        t: list[Array] = []
        for index, column in enumerate(self.leading):
            t.append(_rest(self.columns[column](block), t, self.upper[:, column]) / self.upper[index, column])
        return t


def _rest(column: Array, t: list[Array], along: Array) -> Array:
    for vector, part in zip(t, along, strict=False):
        column = column - part * vector
    return column


def streamed_basis(
    columns: Sequence[Callable[[slice], Array]], n_rows: int, most: int, tolerance: float = 1e-10
) -> StreamedBasis | None:
    """Gram and Schmidt, twice over for the last digits; a column that depends on earlier ones brings none.

    None as soon as more than `most` columns are found: each costs a pass over the rows for every one before it.
    """
    upper, leading = np.zeros((len(columns), len(columns))), tuple[int, ...]()
    for index, column in enumerate(columns):
        known = StreamedBasis(columns, upper, leading, n_rows)
        length = np.sqrt(_squares(StreamedBasis((), upper, (), n_rows), column, upper[:, index]) / n_rows)
        for _ in range(2 * bool(leading)):
            upper[: known.width, index] += _along(known, column, upper[:, index])
        left = np.sqrt(_squares(known, column, upper[:, index]) / n_rows) if leading else length
        if left > tolerance * length:
            upper[known.width, index] = left
            leading = (*leading, index)
        if len(leading) > most:
            return None
    return StreamedBasis(columns, upper[: len(leading)], leading, n_rows)


def _along(known: StreamedBasis, column: Callable[[slice], Array], taken: Array) -> Array:
    total = np.zeros(known.width)
    for block in blocks(known.n_rows):
        t = known.rows(block)
        rest = _rest(column(block), t, taken)
        total += [float(vector @ rest) for vector in t]
    return total / known.n_rows


def _squares(known: StreamedBasis, column: Callable[[slice], Array], taken: Array) -> float:
    rests = (_rest(column(block), known.rows(block), taken) for block in blocks(known.n_rows))
    return sum(float(rest @ rest) for rest in rests)


@dataclass(frozen=True)
class GroupSums:
    """T'WT (groups x r x r), T'Wy (groups x r) and y'Wy."""

    s: Array
    sy: Array
    squares: float


def group_sums(
    basis: StreamedBasis, codes: Array, n_groups: int, response: Array, weights: Array | None
) -> GroupSums:
    """One pass over the rows."""
    width = basis.width
    s, sy, squares = np.zeros((width, width, n_groups)), np.zeros((width, n_groups)), 0.0
    for block in blocks(basis.n_rows):
        t, group, y = basis.rows(block), codes[block].astype(np.intp), response[block]
        weighted = t if weights is None else [vector * weights[block] for vector in t]
        for row in range(width):
            for column in range(row, width):
                s[row, column] += np.bincount(group, weighted[row] * t[column], n_groups)
            sy[row] += np.bincount(group, weighted[row] * y, n_groups)
        squares += float(y @ y) if weights is None else float((y * weights[block]) @ y)
    for row in range(width):
        s[row + 1 :, row] = s[row, row + 1 :]
    return GroupSums(np.ascontiguousarray(s.transpose(2, 0, 1)), np.ascontiguousarray(sy.T), squares)


def residual_sums(
    basis: StreamedBasis,
    codes: Array,
    n_groups: int,
    response: Array,
    weights: Array | None,
    fitted: Array,
    cell_of_group: Array,
) -> tuple[Array, float]:
    """T'We (groups x r) and e'We of e = y - T fitted[cell], in one pass over the rows."""
    sy, squares = np.zeros((basis.width, n_groups)), 0.0
    for block in blocks(basis.n_rows):
        t, group = basis.rows(block), codes[block].astype(np.intp)
        cell = cell_of_group[group]
        rest = response[block] - sum(vector * fitted[cell, k] for k, vector in enumerate(t))
        weighted = rest if weights is None else rest * weights[block]
        for k, vector in enumerate(t):
            sy[k] += np.bincount(group, vector * weighted, n_groups)
        squares += float(rest @ weighted)
    return np.ascontiguousarray(sy.T), squares
