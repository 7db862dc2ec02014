"""Many models of one shape evaluated at once: a mixed model for each PDX model of a program, or each simulated study.

The algebra is that of `atoms` and `elimination`; what one model holds as a number or matrix has a leading axis of
models here. Groups, cells and atoms of all models stand one after the other and are summed by model.
"""

from dataclasses import dataclass, replace

import numpy as np

from studies.analysis.lmm.elimination import Level, Runs, Upward, inverse_and_logdet, symmetric, transpose
from studies.analysis.lmm.jets import Jet, eliminate, inverse_with_logdet, matmul
from studies.analysis.lmm.structure import Block

Array = np.ndarray


@dataclass(frozen=True)
class ManySums:
    """Sums by atom, as `atoms.Atoms`, atoms ordered by pair and pairs by model.

    `pair_columns` (pairs x r x p) are each pair's fixed columns over T, orthonormal within its model.
    """

    counts: Array
    s: Array
    sy: Array
    syy: Array
    atom_pair: Array
    pair_columns: Array
    pair_parent: Array
    pair_model: Array
    squares: Array
    n_parents: int

    @property
    def n_models(self) -> int:
        return len(self.squares)

    def take(self, chosen: Array, kept_parents: Array | None) -> "ManySums":
        """The sums of the chosen models (a mask) alone."""
        pairs = chosen[self.pair_model]
        atoms = pairs[self.atom_pair]
        parents = self.pair_parent[pairs]
        model_number = np.cumsum(chosen) - 1
        if kept_parents is None:
            parents, n_parents = model_number[self.pair_model[pairs]], int(chosen.sum())
        else:
            parents, n_parents = (np.cumsum(kept_parents) - 1)[parents], int(kept_parents.sum())
        return ManySums(
            self.counts[atoms], self.s[atoms], self.sy[atoms], self.syy[atoms],
            (np.cumsum(pairs) - 1)[self.atom_pair[atoms]], self.pair_columns[pairs], parents,
            model_number[self.pair_model[pairs]], self.squares[chosen], n_parents,
        )  # fmt: skip


class ManyBottom:
    """The finest level of every model."""

    def __init__(self, sums: ManySums, basis: Array, has_parent: bool) -> None:
        self.sums, self.basis, self.has_parent = sums, basis, has_parent
        self.bs = basis.T @ sums.s
        self.a = self.bs @ basis
        self.bsy = sums.sy @ basis
        self.bsyy = basis.T @ sums.syy @ basis
        self.weighted = sums.counts[:, None, None]
        self.atom_model = sums.pair_model[sums.atom_pair]
        self.pairs = Runs(sums.atom_pair, len(sums.pair_model))
        self.models = Runs(sums.pair_model, sums.n_models)
        self.atom_models = Runs(self.atom_model, sums.n_models)
        self.parents = Runs(sums.pair_parent, sums.n_parents)
        self.whole = self._spread(
            self.pairs.sum(sums.s * self.weighted), self.pairs.sum(sums.sy), sums.squares
        )

    def forward(self, psi: Array) -> tuple[tuple[Array, Array], Array, Array, Array, Array]:
        psi = psi[self.atom_model]
        n, logdets = inverse_and_logdet(np.eye(self.basis.shape[1]) + self.a @ psi)
        e = psi @ n
        taken = self._taken(e)
        p, q, r = (whole - less for whole, less in zip(self.whole, taken, strict=True))
        return (e, n), p, q, r, self.atom_models.sum(self.sums.counts * logdets)

    def _taken(self, e: Array) -> tuple[Array, Array, Array]:
        h = transpose(self.bs) @ (e @ self.bs)
        hy = (transpose(self.bs) @ (e @ self.bsy[:, :, None]))[:, :, 0]
        yy = self.atom_models.sum((e * self.bsyy).sum(axis=(1, 2)))
        return self._spread(self.pairs.sum(h * self.weighted), self.pairs.sum(hy), yy)

    def _spread(self, h: Array, hy: Array, yy: Array) -> tuple[Array, Array, Array]:
        """P and Q of every parent, R of every model."""
        columns, sums = self.sums.pair_columns, self.sums
        p_fixed, width = columns.shape[2], columns.shape[1]
        hk = h @ columns
        r = np.empty((sums.n_models, p_fixed + 1, p_fixed + 1))
        r[:, :p_fixed, :p_fixed] = self.models.sum(transpose(columns) @ hk)
        xy = self.models.sum((transpose(columns) @ hy[:, :, None])[:, :, 0])
        r[:, :p_fixed, p_fixed] = r[:, p_fixed, :p_fixed] = xy
        r[:, p_fixed, p_fixed] = yy
        if not self.has_parent:
            return np.empty((0, width, width)), np.empty((0, width, p_fixed + 1)), r
        q = np.empty((sums.n_parents, width, p_fixed + 1))
        q[:, :, :p_fixed] = self.parents.sum(hk)
        q[:, :, p_fixed] = self.parents.sum(hy)
        return self.parents.sum(h), q, r

    def backward(
        self, state: tuple[Array, Array], p_bar: Array | None, q_bar: Array | None, r_bar: Array
    ) -> Array:
        """d criterion / d Psi of every model."""
        sums, columns = self.sums, self.sums.pair_columns
        of_model = r_bar[sums.pair_model]
        h_bar = columns @ of_model[:, :-1, :-1] @ transpose(columns)
        hy_bar = 2 * (columns @ of_model[:, :-1, -1:])[:, :, 0]
        if p_bar is not None and q_bar is not None:
            above = q_bar[sums.pair_parent]
            h_bar = h_bar + p_bar[sums.pair_parent] + symmetric(above[:, :, :-1] @ transpose(columns))
            hy_bar = hy_bar + above[:, :, -1]
        h_bar, hy_bar = h_bar[sums.atom_pair], hy_bar[sums.atom_pair]
        along = (self.bs @ hy_bar[:, :, None]) @ self.bsy[:, None, :]
        e_bar = -self.weighted * (self.bs @ h_bar @ transpose(self.bs)) - symmetric(along)
        e_bar -= r_bar[self.atom_model, -1, -1][:, None, None] * self.bsyy
        n = state[1]
        return symmetric(self.atom_models.sum(n @ e_bar @ transpose(n) + self.weighted * (n @ self.a)))

    def jets(self, psi: Jet) -> tuple[Jet, Jet, Jet, Jet]:
        psi = psi.map(lambda part: part[self.atom_model])
        m = matmul(Jet(self.a), psi)
        m.value = np.eye(self.basis.shape[1]) + m.value
        n, logdet = inverse_with_logdet(m, lambda values: self.atom_models.sum(self.sums.counts * values))
        e = matmul(psi, n)
        taken = e.map(self._taken)  # type: ignore[arg-type]
        p, q, r = (
            Jet(whole - taken.value[index], {key: -part[index] for key, part in taken.first.items()},
                {key: -part[index] for key, part in taken.second.items()})
            for index, whole in enumerate(self.whole)
        )  # fmt: skip
        return p, q, r, logdet


@dataclass(frozen=True)
class ManySolution:
    """Of each model: fixed effects and their covariance / sigma^2 (turned), sigma^2, deviance, gradients."""

    beta: Array
    phi: Array
    sigma2: Array
    deviance: Array
    psis: list[Array]
    psi_bars: list[Array]
    gradient: Array


@dataclass(frozen=True)
class ManyModels:
    """Models with the same random terms and as many fixed columns. `n_rows` and `constant` are by model."""

    blocks: list[Block]
    bottom: ManyBottom
    uppers: list[Level]
    n_rows: Array
    constant: Array
    reml: bool = True

    @property
    def p_fixed(self) -> int:
        return self.bottom.sums.pair_columns.shape[2]

    @property
    def degrees(self) -> Array:
        return self.n_rows - self.p_fixed if self.reml else self.n_rows

    def take(self, chosen: Array) -> "ManyModels":
        """The chosen models (a mask) alone."""
        kept = [chosen[level.owner] for level in self.uppers]
        uppers = []
        for index, level in enumerate(self.uppers):
            owner = (np.cumsum(chosen) - 1)[level.owner[kept[index]]]  # type: ignore[index]
            parent, n_parents = None, 0
            if level.parent is not None:
                parent = (np.cumsum(kept[index + 1]) - 1)[level.parent[kept[index]]]
                n_parents = int(kept[index + 1].sum())
            uppers.append(Level(level.basis, parent, n_parents, owner, int(chosen.sum())))
        sums = self.bottom.sums.take(chosen, kept[0] if kept else None)
        bottom = ManyBottom(sums, self.bottom.basis, self.bottom.has_parent)
        return replace(
            self, bottom=bottom, uppers=uppers, n_rows=self.n_rows[chosen], constant=self.constant[chosen]
        )

    def factors(self, theta: Array) -> list[Array]:
        """Each term's Lambda of every model."""
        result, start = [], 0
        for block in self.blocks:
            factor = np.zeros((len(theta), block.size, block.size))
            rows, columns = block.places
            factor[:, rows, columns] = theta[:, start : start + len(rows)]
            result.append(factor)
            start += len(rows)
        return result

    def level_psi(self, psis: list[Array], level: int) -> Array:
        members = [(block, psi) for block, psi in zip(self.blocks, psis, strict=True) if block.level == level]
        size = sum(block.size for block, _ in members)
        result = np.zeros((*members[0][1].shape[:-2], size, size))
        for block, psi in members:
            inside = slice(block.offset, block.offset + block.size)
            result[..., inside, inside] = psi
        return result

    def detailed(self, theta: Array) -> ManySolution:
        """Deviance and gradient of every model at its own row of theta."""
        factors = self.factors(theta)
        psis = [factor @ transpose(factor) for factor in factors]
        state, p, q, r, logdet = self.bottom.forward(self.level_psi(psis, 0))
        ups: list[Upward] = []
        for number, level in enumerate(self.uppers, start=1):
            up, taken = level.forward(p, q, self.level_psi(psis, number))
            r, logdet = r - taken, logdet + up.logdet
            if level.parent is not None:
                p, q = level.gather(up.p), level.gather(up.q)
            ups.append(up)
        beta, phi, squares, log_xx = self._solve(r)
        sigma2 = squares / self.degrees
        deviance = (
            logdet + self.degrees * (1 + np.log(2 * np.pi * sigma2)) + self.constant + self.reml * log_xx
        )
        residual = np.concatenate([beta, -np.ones((len(beta), 1))], axis=1)
        r_bar = residual[:, :, None] * residual[:, None, :] / sigma2[:, None, None]
        if self.reml:
            r_bar[:, :-1, :-1] += phi
        bars = self._gradients(state, ups, r_bar)
        gradient = np.concatenate(
            [(2 * bar @ factor)[:, block.places[0], block.places[1]]
             for bar, factor, block in zip(bars, factors, self.blocks, strict=True)], axis=1)  # fmt: skip
        return ManySolution(beta, phi, sigma2, deviance, psis, bars, gradient)

    @staticmethod
    def _solve(r: Array) -> tuple[Array, Array, Array, Array]:
        inverse = np.linalg.inv(_cholesky(r[:, :-1, :-1]))
        half = (inverse @ r[:, :-1, -1:])[:, :, 0]
        beta = (transpose(inverse) @ half[:, :, None])[:, :, 0]
        squares = r[:, -1, -1] - (half**2).sum(axis=1)
        log_xx = -2 * np.log(np.diagonal(inverse, axis1=1, axis2=2)).sum(axis=1)
        return beta, transpose(inverse) @ inverse, squares, log_xx

    def _gradients(self, state: tuple[Array, Array], ups: list[Upward], r_bar: Array) -> list[Array]:
        by_level: dict[int, Array] = {}
        p_bar = q_bar = None
        for number in range(len(self.uppers), 0, -1):
            level = self.uppers[number - 1]
            if p_bar is not None and q_bar is not None:
                p_bar, q_bar = p_bar[level.parent], q_bar[level.parent]
            by_level[number], p_bar, q_bar = level.backward(ups[number - 1], p_bar, q_bar, r_bar)
        by_level[0] = self.bottom.backward(state, p_bar, q_bar, r_bar)
        spans = [slice(block.offset, block.offset + block.size) for block in self.blocks]
        return [by_level[block.level][:, span, span] for block, span in zip(self.blocks, spans, strict=True)]

    def jets(self, psis: list[Array]) -> tuple[Jet, Jet]:
        """R and log|V| of every model as jets in the covariance parameters."""
        jets = [Jet(psi) for psi in psis]
        parameter = 0
        for index, block in enumerate(self.blocks):
            for row, column in block.pairs():
                unit = np.zeros(psis[index].shape)
                unit[:, row, column] = unit[:, column, row] = 1.0
                jets[index].first[parameter] = unit
                parameter += 1
        p, q, r, logdet = self.bottom.jets(self._level_jet(jets, 0))
        for number, level in enumerate(self.uppers, start=1):
            up = eliminate(level, p, q, self._level_jet(jets, number))
            p, q, r, logdet = up.p, up.q, r.minus(up.taken), logdet.plus(up.logdet)
        return r, logdet

    def _level_jet(self, jets: list[Jet], level: int) -> Jet:
        zero = [np.zeros_like(jet.value) for jet in jets]
        result = Jet(self.level_psi([jet.value for jet in jets], level))
        for index, block in enumerate(self.blocks):
            if block.level == level:
                for key, part in jets[index].first.items():
                    result.first[key] = self.level_psi([*zero[:index], part, *zero[index + 1 :]], level)
        return result


def _cholesky(matrices: Array) -> Array:
    """Lower triangles; NaN where a wild step has left a matrix not positive definite, so that one model's
    step is shortened and the others' stand."""
    try:
        return np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        lower = np.full(matrices.shape, np.nan)
        for index, matrix in enumerate(matrices):
            try:
                lower[index] = np.linalg.cholesky(matrix)
            except np.linalg.LinAlgError:
                continue
        return lower
