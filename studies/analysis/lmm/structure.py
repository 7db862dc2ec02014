"""Which random terms nest, in which coordinates they are fitted, and the sums the fit needs of the rows."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.design import ColumnMaker, Design, RandomDesign, compact_codes
from studies.analysis.lmm.elimination import Level, sum_by

Array = np.ndarray
LARGEST_CROSSED = 4000
RANK_TOLERANCE = 1e-7  # R's qr(): a column this much shorter after projection adds nothing


@dataclass(frozen=True)
class Block:
    """A random term's place: its level (the crossed ones share the last), and its effects' coordinates there.

    The fit works with effects C u instead of u, so that their columns are orthonormal over the readings:
    covariance C Psi C'. Any unstructured covariance may be turned this way, so the answer is the same.
    """

    names: tuple[str, ...]
    group: str
    n_groups: int
    turn: Array
    level: int
    offset: int
    crossed: bool = False

    @property
    def size(self) -> int:
        return len(self.names)

    def pairs(self) -> list[tuple[int, int]]:
        """The covariance parameters as (row, column) of the lower triangle, in lme4's order of columns."""
        return [(row, column) for column in range(self.size) for row in range(column, self.size)]

    @cached_property
    def places(self) -> tuple[Array, Array]:
        """`pairs` as an index."""
        rows, columns = np.array(self.pairs()).T
        return rows, columns


@dataclass(frozen=True)
class Plan:
    """Random terms sorted into nested levels (finest first) and crossed terms."""

    chain: tuple[tuple[int, ...], ...]
    codes: tuple[Array, ...]
    n_groups: tuple[int, ...]
    parents: tuple[Array | None, ...]
    crossed: tuple[int, ...]


def plan_levels(random: tuple[RandomDesign, ...]) -> Plan:
    """The chain of nested grouping factors that leaves the fewest crossed effects."""
    groups: dict[str, list[int]] = {}
    for index, term in enumerate(random):
        groups.setdefault(term.term.name, []).append(index)
    names = sorted(groups, key=lambda name: -random[groups[name][0]].n_groups)
    effects = {name: sum(random[i].width * random[i].n_groups for i in groups[name]) for name in names}
    nested = {(a, b): _parent(random[groups[a][0]], random[groups[b][0]])
              for a, b in itertools.combinations(names, 2)}  # fmt: skip
    chains = [chain for size in range(1, len(names) + 1) for chain in itertools.combinations(names, size)
              if all(nested[pair] is not None for pair in itertools.pairwise(chain))]  # fmt: skip
    chain = max(chains, key=lambda chain: sum(effects[name] for name in chain))
    crossed = tuple(i for name in names if name not in chain for i in groups[name])
    if sum(random[i].width * random[i].n_groups for i in crossed) > LARGEST_CROSSED:
        raise AnalysisError(
            f"The groups {', '.join(names)} are not nested and have too many members to be fitted as crossed "
            f"(more than {LARGEST_CROSSED}). Check that group ids are unique within their parents."
        )
    firsts = [random[groups[name][0]] for name in chain]
    parents = [nested[pair] for pair in itertools.pairwise(chain)]
    return Plan(
        chain=tuple(tuple(groups[name]) for name in chain),
        codes=tuple(term.codes for term in firsts),
        n_groups=tuple(term.n_groups for term in firsts),
        parents=(*parents, None),
        crossed=crossed,
    )


def _parent(fine: RandomDesign, coarse: RandomDesign) -> Array | None:
    """For each fine group the coarse group that holds it; None where one is spread over several."""
    parent = np.zeros(fine.n_groups, dtype=np.int64)
    parent[fine.codes] = coarse.codes
    return parent if (parent[fine.codes] == coarse.codes).all() else None


@dataclass(frozen=True)
class Bases:
    """T, orthonormal over the rows, and each term's columns in it: columns = T @ into[term]; so for other columns."""

    t: Array
    into: dict[int, Array]
    others: Array


def orthonormal_basis(columns: Array, tolerance: float = 1e-10) -> tuple[Array, Array]:
    """Q (rows x r) with Q'Q/n = I and U with columns = Q U; columns that depend on earlier ones bring
    none."""
    basis: list[Array] = []
    upper = np.zeros((columns.shape[1], columns.shape[1]))
    n = len(columns)
    for index in range(columns.shape[1]):
        rest = columns[:, index].astype(float)
        length = np.sqrt(rest @ rest / n)
        for _ in range(2):
            for position, vector in enumerate(basis):
                along = vector @ rest / n
                upper[position, index] += along
                rest = rest - along * vector
        left = np.sqrt(rest @ rest / n)
        if left > tolerance * length:
            upper[len(basis), index] = left
            basis.append(rest / left)
    return np.column_stack(basis) if basis else np.empty((n, 0)), upper[: len(basis)]


def nested_columns(random: tuple[RandomDesign, ...], plan: Plan) -> list[ColumnMaker]:
    """The nested terms' columns, finest level first."""
    return [maker for level in plan.chain for index in level for maker in random[index].column_makers()]


def split_basis(random: tuple[RandomDesign, ...], plan: Plan, t: Array, upper: Array) -> Bases:
    """The nested terms' and the other columns' parts of `upper`."""
    into, start = {}, 0
    for level in plan.chain:
        for index in level:
            into[index] = upper[:, start : start + random[index].width]
            start += random[index].width
    return Bases(t, into, upper[:, start:])


def common_basis(random: tuple[RandomDesign, ...], plan: Plan, others: Sequence[ColumnMaker]) -> Bases:
    """T for the nested terms' columns and for some others."""
    makers = [*nested_columns(random, plan), *others]
    return split_basis(
        random, plan, *orthonormal_basis(np.column_stack([make(slice(None)) for make in makers]))
    )


def turned(into: Array, term: RandomDesign) -> tuple[Array, Array]:
    """(B, C) with into = B C and orthonormal columns of B: the coordinates a term is fitted in."""
    basis, turn = np.linalg.qr(into)
    diagonal = np.diag(turn)
    if turn.shape[0] < turn.shape[1] or np.abs(diagonal).min() <= 1e-10 * np.abs(turn).max():
        raise AnalysisError(
            f"The random columns {', '.join(term.names)} of {term.term.name} are linearly dependent "
            "(all readings on one day?): leave one out."
        )
    signs = np.where(diagonal < 0, -1.0, 1.0)
    return basis * signs, turn * signs[:, None]


def make_blocks(design: Design, plan: Plan, bases: Bases) -> tuple[list[Block], list[Level]]:
    """Blocks in the formula's order, and the nested levels."""
    blocks: dict[int, Block] = {}
    levels = []
    for number, members in enumerate(plan.chain):
        columns, offset = [], 0
        for index in members:
            basis, turn = turned(bases.into[index], design.random[index])
            blocks[index] = _block(design.random[index], turn, number, offset)
            columns.append(basis)
            offset += basis.shape[1]
        parent = plan.parents[number]
        levels.append(
            Level(np.column_stack(columns), parent, plan.n_groups[number + 1] if parent is not None else 0)
        )
    offset = 0
    for index in plan.crossed:
        term = design.random[index]
        _, turn = turned(term.columns / np.sqrt(len(term.columns)), term)
        blocks[index] = _block(term, turn, len(plan.chain), offset, crossed=True)
        offset += term.width * term.n_groups
    return [blocks[index] for index in range(len(design.random))], levels


def _block(term: RandomDesign, turn: Array, level: int, offset: int, crossed: bool = False) -> Block:
    return Block(term.names, term.term.name, term.n_groups, turn, level, offset, crossed)


def crossed_columns(design: Design, plan: Plan, blocks: list[Block]) -> csr_matrix:
    """The crossed terms' effects as dummy columns, rows x effects: as many entries a row as it has effects."""
    n = len(design.response)
    width = sum(blocks[index].size * blocks[index].n_groups for index in plan.crossed)
    result = csr_matrix((n, width))
    for index in plan.crossed:
        block, term = blocks[index], design.random[index]
        values = np.linalg.solve(block.turn.T, term.columns.T)
        for effect in range(block.size):
            place = (np.arange(n), block.offset + term.codes * block.size + effect)
            result = result + csr_matrix((values[effect], place), (n, width))
    return result


def independent_columns(
    upper: Array, tolerance: float = RANK_TOLERANCE, lengths: Array | None = None
) -> list[int]:
    """Columns that add something to those before them, as R's qr() decides, from any R with R'R = X'X.

    Where columns of R were made by subtraction, `lengths` are those of their parts: what is next to nothing of these
    is rounding.
    """
    kept: list[int] = []
    basis: list[Array] = []
    for index in range(upper.shape[1]):
        rest = upper[:, index].copy()
        length = np.linalg.norm(rest)
        for _ in range(2):
            for vector in basis:
                rest -= (vector @ rest) * vector
        left = np.linalg.norm(rest)
        whole = length if lengths is None else max(length, lengths[index])
        if length > 0 and left > tolerance * whole:
            kept.append(index)
            basis.append(rest / left)
    return kept


@dataclass(frozen=True)
class FixedTurn:
    """The kept fixed columns and the triangle that makes them orthonormal: X[:, kept] = Xo upper."""

    kept: list[int]
    upper: Array

    @property
    def logdet(self) -> float:
        return float(2 * np.log(np.abs(np.diag(self.upper))).sum())

    @property
    def back(self) -> Array:
        """beta = back @ beta of the orthonormal columns."""
        return np.linalg.inv(self.upper)


def triangle_of(matrix: Array) -> Array:
    """R of the matrix's QR decomposition (NumPy's own types do not tell R from the pair Q, R)."""
    return np.asarray(np.linalg.qr(matrix, mode="r"))


def fixed_turn(upper: Array, lengths: Array | None = None) -> FixedTurn:
    kept = independent_columns(upper, lengths=lengths)
    triangle = triangle_of(upper[:, kept]) if kept else np.zeros((0, 0))
    return FixedTurn(kept, triangle)


@dataclass(frozen=True)
class RowSums:
    """Sums over the rows of each finest group (times residual class): P = T'T, Q = T'[X D y], and R = [X D
    y]'[X D y]."""

    p: Array
    q: Array
    r: Array
    group: Array
    n_groups: int
    residual_class: Array
    class_rows: Array


def row_sums(
    t: Array,
    dense: Array,
    crossed: csr_matrix,
    codes: Array,
    n_groups: int,
    classes: Array | None,
    n_classes: int,
) -> RowSums:
    """Sum products of rows by group. `dense` are fixed columns and response; crossed columns go between them."""
    classes = np.zeros(len(t), dtype=np.int64) if classes is None else classes
    items, present = compact_codes(codes * n_classes + classes)
    order = np.argsort(items, kind="stable") if (np.diff(items) < 0).any() else slice(None)
    t, dense, items, classes = t[order], dense[order], items[order], classes[order]
    crossed = crossed[order] if crossed.shape[1] and not isinstance(order, slice) else crossed
    q = np.stack([_sums_between(column, dense, crossed, items, len(present)) for column in t.T], axis=1)
    p = np.stack([sum_by(column[:, None] * t, items, len(present)) for column in t.T], axis=1)
    r = np.stack([_products(dense[classes == k], crossed[classes == k]) for k in range(n_classes)])
    group, item_class = np.divmod(present, n_classes)
    return RowSums(p, q, r, group, n_groups, item_class, np.bincount(classes, minlength=n_classes))


def _sums_between(column: Array, dense: Array, crossed: csr_matrix, items: Array, n_items: int) -> Array:
    """One column of T times [X D y], summed by item."""
    sums = sum_by(column[:, None] * dense, items, n_items)
    if not crossed.shape[1]:
        return sums
    place = (items, np.arange(len(items)))
    inside = (csr_matrix((column, place), (n_items, len(items))) @ crossed).toarray()
    return np.concatenate([sums[:, :-1], inside, sums[:, -1:]], axis=1)


def _products(dense: Array, crossed: csr_matrix) -> Array:
    """[X D y]'[X D y]."""
    outside = dense.T @ dense
    width, inside = crossed.shape[1], slice(dense.shape[1] - 1, dense.shape[1] - 1 + crossed.shape[1])
    if not width:
        return outside
    kept = np.r_[np.arange(dense.shape[1] - 1), dense.shape[1] - 1 + width]
    result = np.empty((dense.shape[1] + width,) * 2)
    result[np.ix_(kept, kept)] = outside
    result[inside, inside] = (crossed.T @ crossed).toarray()
    across = crossed.T @ dense
    result[inside, kept], result[kept, inside] = across, across.T
    return result
