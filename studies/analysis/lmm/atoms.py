"""The finest level without its rows: mice that share days, cell and parent share every matrix.

A fixed column is a basis column (1, day: what changes within a mouse) times a number that is constant within the
mouse (a product of arm, status...). Mice with the same such numbers form a *cell*. In the coordinates "basis column
within cell" a mouse's X'V^-1 X is its T'V^-1 T = H put at its cell, so that p never multiplies the number of mice.
Mice of one cell and parent with equal T'T have the same H; of such an *atom* only the number of mice, sum T'y and
sum T'y y'T are kept. An evaluation costs as many steps as there are atoms, however many rows there are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.analysis.lmm.elimination import Runs, inverse_and_logdet, symmetric, transpose
from studies.analysis.lmm.jets import Jet, inverse_with_logdet, matmul
from studies.analysis.lmm.structure import Array, compact_codes

HASH_ODDS = np.random.default_rng(20).integers(1, 2**62, 512).astype(np.uint64) * np.uint64(2) + np.uint64(1)


@dataclass(frozen=True)
class Atoms:
    """Sums of the mice of each atom, atoms ordered by pair; a pair is a cell within a parent group.

    counts (A), s (A x r x r) = T'T of one mouse, sy (A x r) and syy (A x r x r) sums over the atom's mice.
    """

    counts: Array
    s: Array
    sy: Array
    syy: Array
    starts: Array
    pair_cell: Array
    pair_parent: Array
    n_cells: int
    n_parents: int
    squares: float


def collect_atoms(
    s: Array, sy: Array, squares: float, cell: Array, n_cells: int, parent: Array | None, n_parents: int
) -> Atoms:
    """Merge mice (one per row of s and sy) that share T'T, cell and parent."""
    above = np.zeros(len(s), dtype=np.int64) if parent is None else parent
    pair = above * n_cells + cell
    order, starts, first = merge_equal(s, pair)
    pair_sorted = pair[first]
    new_pair = np.flatnonzero(np.r_[True, np.diff(pair_sorted) > 0])
    pair_parent, pair_cell = np.divmod(pair_sorted[new_pair], n_cells)
    ordered = sy[order]
    return Atoms(
        counts=np.diff(np.r_[starts, len(s)]).astype(float),
        s=s[first],
        sy=np.add.reduceat(ordered, starts, axis=0),
        syy=np.add.reduceat(ordered[:, :, None] * ordered[:, None, :], starts, axis=0),
        starts=new_pair,
        pair_cell=pair_cell,
        pair_parent=pair_parent,
        n_cells=n_cells,
        n_parents=n_parents,
        squares=squares,
    )


def merge_equal(s: Array, pair: Array) -> tuple[Array, Array, Array]:
    """An order of the mice in which equal ones are neighbors, the start of each run, and a member of each."""
    upper = np.ascontiguousarray(s[:, *np.triu_indices(s.shape[1])] + 0.0)
    bits = upper.view(np.uint64)
    mixed = np.zeros(len(s), dtype=np.uint64)
    for column in range(bits.shape[1]):
        mixed = (mixed ^ (bits[:, column] * HASH_ODDS[column % 512])) * HASH_ODDS[-1]
        mixed ^= mixed >> np.uint64(29)
    order = np.lexsort((mixed, pair))
    same = (np.diff(pair[order]) == 0) & (upper[order[1:]] == upper[order[:-1]]).all(axis=1)
    starts = np.flatnonzero(np.r_[True, ~same])
    return order, starts, order[starts]


@dataclass(frozen=True)
class AtomState:
    a: Array
    e: Array
    n: Array


class AtomBottom:
    """The finest level from atoms. Its fixed columns are "basis column within cell", cell-major; then the response."""

    n_classes = 1

    def __init__(self, atoms: Atoms, basis: Array, has_parent: bool) -> None:
        self.atoms, self.has_parent = atoms, has_parent
        self.eye = np.eye(basis.shape[1])
        self.bs = basis.T @ atoms.s
        self.a = self.bs @ basis
        self.bsy = atoms.sy @ basis
        self.bsyy = basis.T @ atoms.syy @ basis
        self.weighted = atoms.counts[:, None, None]
        self.cell_runs = Runs(atoms.pair_cell, atoms.n_cells)
        self.parent_runs = Runs(atoms.pair_parent, atoms.n_parents)
        self.pair_sizes = np.diff(np.r_[atoms.starts, len(atoms.counts)])

    @property
    def width(self) -> int:
        return self.atoms.n_cells * self.atoms.s.shape[1] + 1

    def forward(self, psi: Array, precision: Array) -> tuple[object, Array, Array, Array, float]:
        """(state, P and Q of each parent, R, log|V|)."""
        del precision  # one residual class
        n, logdets = inverse_and_logdet(self.eye + self.a @ psi)
        e = psi @ n
        p, q, r = self._place(*self._whole(), *self._taken(e))
        return AtomState(self.a, e, n), p, q, r, float(self.atoms.counts @ logdets)

    def _whole(self) -> tuple[Array, Array, float]:
        """Per pair sum T'T and sum T'y, and y'y: what there is without random effects."""
        atoms = self.atoms
        return (
            np.add.reduceat(atoms.s * atoms.counts[:, None, None], atoms.starts, axis=0),
            np.add.reduceat(atoms.sy, atoms.starts, axis=0),
            atoms.squares,
        )

    def _taken(self, e: Array) -> tuple[Array, Array, float]:
        """What random effects with E take from each of these; linear in E."""
        atoms, bs = self.atoms, self.bs
        h = transpose(bs) @ (e @ bs)
        hy = (transpose(bs) @ (e @ self.bsy[:, :, None]))[:, :, 0]
        return (
            np.add.reduceat(h * atoms.counts[:, None, None], atoms.starts, axis=0),
            np.add.reduceat(hy, atoms.starts, axis=0),
            float((e * self.bsyy).sum()),
        )

    def _place(
        self, h: Array, hy: Array, yy: float, less_h: Array, less_hy: Array, less_yy: float
    ) -> tuple[Array, Array, Array]:
        """P and Q of each parent and R from each pair's T'V^-1 T and T'V^-1 y, and y'V^-1 y."""
        return self._spread(h - less_h, hy - less_hy, yy - less_yy)

    def _spread(self, h: Array, hy: Array, yy: float) -> tuple[Array, Array, Array]:
        atoms, r = self.atoms, h.shape[1]
        by_cell, y_by_cell = self.cell_runs.sum(h), self.cell_runs.sum(hy)
        total = np.zeros((atoms.n_cells, r, atoms.n_cells, r))
        cells = np.arange(atoms.n_cells)
        total[cells, :, cells, :] = by_cell
        size = self.width - 1
        result = np.empty((size + 1, size + 1))
        result[:size, :size] = total.reshape(size, size)
        result[:size, size] = result[size, :size] = y_by_cell.ravel()
        result[size, size] = yy
        if not self.has_parent:
            return np.empty((0, r, r)), np.empty((0, r, size + 1)), result
        p = self.parent_runs.sum(h)
        q = np.zeros((atoms.n_parents, r, size + 1))
        q[:, :, :size].reshape(atoms.n_parents, r, atoms.n_cells, r)[
            atoms.pair_parent, :, atoms.pair_cell, :
        ] = h
        q[:, :, size] = self.parent_runs.sum(hy)
        return p, q, result

    def backward(
        self, state: Any, p_bar: Array | None, q_bar: Array | None, r_bar: Array
    ) -> tuple[Array, Array]:
        """d criterion / d Psi."""
        h_bar, hy_bar = self._pair_gradients(p_bar, q_bar, r_bar)
        h_bar, hy_bar = np.repeat(h_bar, self.pair_sizes, axis=0), np.repeat(hy_bar, self.pair_sizes, axis=0)
        bs, counts = self.bs, self.weighted
        along = (bs @ hy_bar[:, :, None]) @ self.bsy[:, None, :]
        e_bar = -counts * (bs @ h_bar @ transpose(bs)) - symmetric(along) - r_bar[-1, -1] * self.bsyy
        n = state.n
        return symmetric((n @ e_bar @ transpose(n) + counts * (n @ self.a)).sum(axis=0)), np.zeros(1)

    def _pair_gradients(self, p_bar: Array | None, q_bar: Array | None, r_bar: Array) -> tuple[Array, Array]:
        atoms, r = self.atoms, self.atoms.s.shape[1]
        size, cells = self.width - 1, np.arange(atoms.n_cells)
        blocks = r_bar[:size, :size].reshape(atoms.n_cells, r, atoms.n_cells, r)[cells, :, cells, :]
        h_bar = blocks[atoms.pair_cell]
        hy_bar = 2 * r_bar[:size, size].reshape(atoms.n_cells, r)[atoms.pair_cell]
        if p_bar is not None and q_bar is not None:
            in_q = q_bar[:, :, :size].reshape(atoms.n_parents, r, atoms.n_cells, r)
            h_bar = (
                h_bar + p_bar[atoms.pair_parent] + symmetric(in_q[atoms.pair_parent, :, atoms.pair_cell, :])
            )
            hy_bar = hy_bar + q_bar[:, :, size][atoms.pair_parent]
        return h_bar, hy_bar

    def jets(self, psi: Jet, precision: Array, residual: list[int]) -> tuple[Jet, Jet, Jet, Jet]:
        """P, Q (for the level above), R and log|V| as jets."""
        del precision, residual
        m = matmul(Jet(self.a), psi)
        m.value = self.eye + m.value
        n, logdet = inverse_with_logdet(m, lambda values: self.atoms.counts @ values)
        e = matmul(psi, n)
        whole = self._spread(*self._whole())
        jets = [Jet(part) for part in whole]
        taken = [
            self._spread(*self._taken(part)) for part in (e.value, *e.first.values(), *e.second.values())
        ]
        firsts = dict(zip(e.first, taken[1:], strict=False))
        seconds = dict(zip(e.second, taken[1 + len(firsts) :], strict=True))
        for index, jet in enumerate(jets):
            jet.value = jet.value - taken[0][index]
            jet.first = {key: -parts[index] for key, parts in firsts.items()}
            jet.second = {key: -parts[index] for key, parts in seconds.items()}
        return jets[0], jets[1], jets[2], logdet


def merge_codes(parts: list[Array]) -> tuple[Array, int]:
    """One code for each combination that occurs of several codes."""
    codes = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:
        codes, present = compact_codes(codes * (int(part.max()) + 1) + part)
    return codes, int(codes.max()) + 1
