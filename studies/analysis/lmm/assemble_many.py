"""The sums of many models at once, from one design over the whole table."""

from dataclasses import dataclass, replace

import numpy as np

from studies.analysis.lmm.assemble import MOST_BASIS_COLUMNS, group_products
from studies.analysis.lmm.atoms import merge_equal
from studies.analysis.lmm.cells import Cells, factor_cells
from studies.analysis.lmm.design import Design, RandomDesign, compact_codes
from studies.analysis.lmm.elimination import Level, Runs, transpose
from studies.analysis.lmm.many import ManyBottom, ManyModels, ManySums
from studies.analysis.lmm.structure import Plan, common_basis, make_blocks, plan_levels

Array = np.ndarray
WELL_CONDITIONED = 1e-9


@dataclass(frozen=True)
class AssembledMany:
    """Models ready to be fitted side by side, and the way back to each one's coefficients.

    `members` are the models (positions in the list of keys) that fit the common shape; the others, with a rank
    deficiency or too few readings, must be fitted alone.
    """

    models: ManyModels
    members: Array
    back: Array
    ordinary: Array


def assemble_many(design: Design, owner: Array, n_owners: int, reml: bool) -> AssembledMany | None:
    """`owner` is each row's model. None where this formula's models cannot be fitted side by side."""
    random = tuple(_within(term, owner) for term in design.random)
    design = replace(design, random=random)
    plan = plan_levels(random)
    if plan.crossed or design.residual_codes is not None or design.weights is not None:
        return None
    cells = factor_cells(design, plan.codes[0], plan.n_groups[0])
    if cells is None:
        return None
    bases = common_basis(random, plan, cells.columns)
    if bases.t.shape[1] > MOST_BASIS_COLUMNS:
        return None
    blocks, levels = make_blocks(design, plan, bases)
    columns = (bases.others[:, cells.basis_of].T[None] * cells.constants[:, :, None]).transpose(0, 2, 1)
    return _Sums(design, plan, cells, bases.t, columns, owner, n_owners).finish(blocks, levels, reml)


def _within(term: RandomDesign, owner: Array) -> RandomDesign:
    codes, present = compact_codes(owner * term.n_groups + term.codes)
    return replace(term, codes=codes, n_groups=len(present))


class _Sums:
    def __init__(
        self, design: Design, plan: Plan, cells: Cells, t: Array, columns: Array, owner: Array, n_owners: int
    ) -> None:
        self.design, self.plan, self.t, self.n_owners, self.owner = design, plan, t, n_owners, owner
        self.group_owner = [
            _of_group(codes, owner, n) for codes, n in zip(plan.codes, plan.n_groups, strict=True)
        ]
        parent = self.group_owner[0] if plan.parents[0] is None else plan.parents[0]
        upper_owner = np.arange(n_owners) if plan.parents[0] is None else self.group_owner[1]
        pair = (upper_owner[parent] * len(upper_owner) + parent) * cells.n_cells + cells.cell_of_group
        self.pair_of_group, present = compact_codes(pair)
        above, self.pair_cell = np.divmod(present, cells.n_cells)
        self.pair_parent = above % len(upper_owner)
        self.pair_model = above // len(upper_owner)
        self.n_parents = len(upper_owner)
        self.columns = columns[self.pair_cell]
        self.s = group_products(t, plan.codes[0], plan.n_groups[0])
        self.by_pair = Runs(self.pair_of_group, len(present)).sum(self.s)
        self.models = Runs(self.pair_model, n_owners)

    def finish(self, blocks: list, levels: list[Level], reml: bool) -> AssembledMany | None:
        gram = self.models.sum(transpose(self.columns) @ self.by_pair @ self.columns)
        suitable = self._enough_readings() & _full_rank(gram)
        if not suitable.any():
            return None
        gram[~suitable] = np.eye(gram.shape[1])
        lower = np.linalg.cholesky(gram)
        back = transpose(np.linalg.inv(lower))
        turned = self.columns @ back[self.pair_model]
        residual, sy, ordinary = self._take_out(turned)
        squares = np.bincount(self.owner, residual**2, self.n_owners)
        scale = np.bincount(
            self.owner, (self.design.response - self.design.response.mean()) ** 2, self.n_owners
        )
        suitable &= (squares > 1e-18 * scale) & (self._within_squares(residual) > 1e-18 * scale)
        order, starts, first = merge_equal(self.s, self.pair_of_group)
        ordered = sy[order]
        sums = ManySums(
            np.diff(np.append(starts, len(order))).astype(float), self.s[first],
            np.add.reduceat(ordered, starts, axis=0),
            np.add.reduceat(ordered[:, :, None] * ordered[:, None, :], starts, axis=0),
            self.pair_of_group[first], turned, self.pair_parent, self.pair_model, squares, self.n_parents,
        )  # fmt: skip
        bottom = ManyBottom(sums, levels[0].basis, levels[0].parent is not None)
        uppers = [
            Level(level.basis, level.parent, level.n_parents, self.group_owner[number], self.n_owners)
            for number, level in enumerate(levels[1:], start=1)
        ]
        constant = 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1) * reml
        models = ManyModels(
            blocks, bottom, uppers, np.bincount(self.owner, minlength=self.n_owners), constant, reml
        )
        members = np.flatnonzero(suitable)
        return AssembledMany(models.take(suitable), members, back[suitable], ordinary[suitable])

    def _enough_readings(self) -> Array:
        """lme4's conditions, model by model."""
        rows = np.bincount(self.owner, minlength=self.n_owners)
        enough = rows > self.columns.shape[2]
        for term in self.design.random:
            groups = np.bincount(_of_group(term.codes, self.owner, term.n_groups), minlength=self.n_owners)
            enough &= (groups > 1) & (groups * term.width < rows)
        return enough

    def _take_out(self, turned: Array) -> tuple[Array, Array, Array]:
        """Residuals of each model's least squares, T'residual of each group, and the coefficients taken out."""
        codes, n_groups = self.plan.codes[0], self.plan.n_groups[0]
        row_pair = self.pair_of_group[codes]
        residual = self.design.response
        ordinary = np.zeros((self.n_owners, turned.shape[2]))
        n_pairs, width = turned.shape[:2]
        for _ in range(2):
            sums = np.stack(
                [np.bincount(row_pair, self.t[:, k] * residual, n_pairs) for k in range(width)], axis=1
            )
            step = self.models.sum((transpose(turned) @ sums[:, :, None])[:, :, 0])
            fitted = (turned @ step[self.pair_model][:, :, None])[:, :, 0]
            residual = residual - (self.t * fitted[row_pair]).sum(axis=1)
            ordinary = ordinary + step
        sy = np.stack([np.bincount(codes, self.t[:, k] * residual, n_groups) for k in range(width)], axis=1)
        return residual, sy, ordinary

    def _within_squares(self, residual: Array) -> Array:
        """What each group's own curve (all of T) leaves of the residual, summed by model; 0 where nothing is left."""
        codes, n_groups = self.plan.codes[0], self.plan.n_groups[0]
        width = self.t.shape[1]
        sy = np.stack([np.bincount(codes, self.t[:, k] * residual, n_groups) for k in range(width)], axis=1)
        solved = (np.linalg.pinv(self.s, rcond=1e-12, hermitian=True) @ sy[:, :, None])[:, :, 0]
        return np.bincount(self.owner, (residual - (self.t * solved[codes]).sum(axis=1)) ** 2, self.n_owners)


def _of_group(codes: Array, owner: Array, n_groups: int) -> Array:
    result = np.zeros(n_groups, dtype=np.int64)
    result[codes] = owner
    return result


def _full_rank(gram: Array) -> Array:
    """Whether the fixed columns of each model are independent beyond doubt."""
    length = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    present = (length > 0).all(axis=1)
    length = np.where(length > 0, length, 1.0)
    values = np.linalg.eigvalsh(gram / (length[:, :, None] * length[:, None, :]))
    return present & (values[:, 0] > WELL_CONDITIONED)
