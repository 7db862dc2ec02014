"""The REML (or ML) deviance of a linear mixed model and its derivatives, from sums per group.

Parameters: for each random term the lower triangle of Lambda, Psi = Lambda Lambda' being the covariance of
its effects relative to the residual variance; then log residual variance ratios where the variance differs by
class. The residual variance itself and the fixed effects are profiled out (Bates et al. 2015, eq. 41).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from studies.analysis.lmm.elimination import Level, Upward, sum_by
from studies.analysis.lmm.jets import Jet, eliminate
from studies.analysis.lmm.structure import Block, RowSums

Array = np.ndarray


class Bottom(Protocol):
    """The finest level: the only one that knows the rows' sums. Hands up P and Q summed over each parent."""

    @property
    def n_classes(self) -> int: ...

    def forward(self, psi: Array, precision: Array) -> tuple[object, Array, Array, Array, float]: ...

    def backward(
        self, state: Any, p_bar: Array | None, q_bar: Array | None, r_bar: Array
    ) -> tuple[Array, Array]: ...

    def jets(self, psi: Jet, precision: Array, residual: list[int]) -> tuple[Jet, Jet, Jet, Jet]: ...


@dataclass(frozen=True)
class RowBottom:
    """The finest level from P and Q of every group: exact for any fixed columns."""

    level: Level
    sums: RowSums

    @property
    def n_classes(self) -> int:
        return len(self.sums.class_rows)

    def forward(self, psi: Array, precision: Array) -> tuple[object, Array, Array, Array, float]:
        """(state, P and Q for the level above, R, log|V|); `precision` is 1 / residual variance ratio by
        class."""
        p, q = self._scaled(precision)
        r = np.tensordot(precision, self.sums.r, 1)
        up, taken = self.level.forward(p, q, psi)
        logdet = float(up.logdet) - float(self.sums.class_rows @ np.log(precision))
        above = (
            (self.level.gather(up.p), self.level.gather(up.q))
            if self.level.parent is not None
            else (up.p, up.q)
        )
        return (up, precision), *above, r - taken, logdet

    def _scaled(self, precision: Array) -> tuple[Array, Array]:
        if self.n_classes == 1:
            return self.sums.p, self.sums.q
        factor = precision[self.sums.residual_class][:, None, None]
        group, n = self.sums.group, self.sums.n_groups
        return sum_by(self.sums.p * factor, group, n), sum_by(self.sums.q * factor, group, n)

    def backward(
        self, state: Any, p_bar: Array | None, q_bar: Array | None, r_bar: Array
    ) -> tuple[Array, Array]:
        """d criterion / d Psi and / d precision."""
        up, precision = state
        if self.level.parent is not None and p_bar is not None and q_bar is not None:
            p_bar, q_bar = p_bar[self.level.parent], q_bar[self.level.parent]
        if self.n_classes == 1:
            return self.level.psi_gradient(up, p_bar, q_bar, r_bar), np.zeros(1)
        psi_bar, p_bar, q_bar = self.level.backward(up, p_bar, q_bar, r_bar)
        sums = self.sums
        by_item = (sums.p * p_bar[sums.group]).sum((1, 2)) + (sums.q * q_bar[sums.group]).sum((1, 2))
        by_class = np.bincount(sums.residual_class, by_item, self.n_classes)
        return psi_bar, by_class + (sums.r * r_bar).sum((1, 2)) - sums.class_rows / precision

    def jets(self, psi: Jet, precision: Array, residual: list[int]) -> tuple[Jet, Jet, Jet, Jet]:
        """P, Q (for the level above), R and log|V| as jets; `residual` numbers the residual classes'
        parameters."""
        p, q, r, logdet = self._sum_jets(precision, residual)
        up = eliminate(self.level, p, q, psi)
        return up.p, up.q, r.minus(up.taken), logdet.plus(up.logdet)

    def _sum_jets(self, precision: Array, residual: list[int]) -> tuple[Jet, Jet, Jet, Jet]:
        """The sums as jets in the residual variances: rows of class k count 1 / variance_k."""
        p, q = self._scaled(precision)
        r = np.tensordot(precision, self.sums.r, 1)
        jets = Jet(p), Jet(q), Jet(r), Jet(np.asarray(-(self.sums.class_rows @ np.log(precision))))
        for index, parameter in enumerate(residual):
            only = np.zeros(self.n_classes)
            for power, store in ((2, "first"), (3, "second")):
                key = parameter if power == 2 else (parameter, parameter)
                only[index] = (-1 if power == 2 else 2) * precision[index] ** power
                parts = (*self._scaled(only), np.tensordot(only, self.sums.r, 1))
                for jet, part in zip(jets[:3], parts, strict=True):
                    getattr(jet, store)[key] = part
            jets[3].first[parameter] = self.sums.class_rows[index] * precision[index]
            jets[3].second[parameter, parameter] = -self.sums.class_rows[index] * precision[index] ** 2
        return jets


@dataclass(frozen=True)
class State:
    """One evaluation, kept for the way back."""

    psis: list[Array]
    bottom: object
    uppers: list[Upward]
    crossed: Upward | None
    r: Array
    logdet: float
    p_fixed: int
    precision: Array


@dataclass(frozen=True)
class Model:
    """A linear mixed model's sums and structure. `constant` collects terms of the log-likelihood free of
    parameters.
    `fold` takes the bottom's columns to the fixed columns and the response, where they differ.
    """

    blocks: list[Block]
    bottom: Bottom
    uppers: list[Level]
    n_crossed: int
    p_fixed: int
    n_rows: int
    constant: float
    reml: bool = True
    fold: Array | None = None

    @property
    def n_theta(self) -> int:
        return sum(len(block.pairs()) for block in self.blocks) + self.bottom.n_classes - 1

    @property
    def degrees(self) -> int:
        """Rows less fixed columns (REML), or rows (ML): the residual variance's denominator."""
        return self.n_rows - self.p_fixed if self.reml else self.n_rows

    def split(self, theta: Array) -> tuple[list[Array], Array]:
        """Each term's Lambda, and the precision by residual class (the first class is 1)."""
        factors, start = [], 0
        for block in self.blocks:
            factor = np.zeros((block.size, block.size))
            stop = start + len(block.places[0])
            factor[block.places] = theta[start:stop]
            factors.append(factor)
            start = stop
        if self.bottom.n_classes == 1:
            return factors, np.ones(1)
        return factors, np.concatenate([[1.0], np.exp(-theta[start:])])

    def level_psi(self, psis: list[Array], level: int) -> Array:
        """The terms of one nested level as one block-diagonal matrix."""
        members = [(block, psi) for block, psi in zip(self.blocks, psis, strict=True) if block.level == level]
        if len(members) == 1:
            return members[0][1]
        result = np.zeros((sum(block.size for block, _ in members),) * 2)
        for block, psi in members:
            result[block.offset : block.offset + block.size, block.offset : block.offset + block.size] = psi
        return result

    def crossed_psi(self, psis: list[Array]) -> Array:
        """The crossed terms' covariance of all their effects."""
        result = np.zeros((self.n_crossed, self.n_crossed))
        for block, psi in zip(self.blocks, psis, strict=True):
            if block.crossed:
                for start in range(block.offset, block.offset + block.size * block.n_groups, block.size):
                    result[start : start + block.size, start : start + block.size] = psi
        return result

    def evaluate(self, psis: list[Array], precision: Array) -> State:
        """Integrate every random effect out."""
        bottom, p, q, r, logdet = self.bottom.forward(self.level_psi(psis, 0), precision)
        ups: list[Upward] = []
        for number, level in enumerate(self.uppers, start=1):
            up, taken = level.forward(p, q, self.level_psi(psis, number))
            r, logdet = r - taken, logdet + float(up.logdet)
            if level.parent is not None:
                p, q = level.gather(up.p), level.gather(up.q)
            ups.append(up)
        crossed = None
        if self.n_crossed:
            crossed, r = self._eliminate_crossed(psis, r)
            logdet += float(crossed.logdet)
        if self.fold is not None:
            r = self.fold.T @ r @ self.fold
        return State(psis, bottom, ups, crossed, r, logdet, self.p_fixed, precision)

    def _eliminate_crossed(self, psis: list[Array], r: Array) -> tuple[Upward, Array]:
        kept, inside = self.crossed_positions()
        up, taken = Level(np.eye(self.n_crossed)).forward(
            r[np.ix_(inside, inside)][None], r[np.ix_(inside, kept)][None], self.crossed_psi(psis)
        )
        return up, r[np.ix_(kept, kept)] - taken

    def crossed_positions(self) -> tuple[Array, Array]:
        """Positions in R of the fixed columns and response, and of the crossed effects between them."""
        inside = np.arange(self.p_fixed, self.p_fixed + self.n_crossed)
        return np.r_[np.arange(self.p_fixed), self.p_fixed + self.n_crossed], inside

    def gradients(self, state: State, r_bar: Array) -> tuple[list[Array], Array]:
        """d criterion / d Psi of each term, and / d precision, from d criterion / d R; log|V| counts once."""
        by_level: dict[int, Array] = {}
        crossed_bar = None
        if self.fold is not None:
            r_bar = self.fold @ r_bar @ self.fold.T
        if state.crossed is not None:
            crossed_bar, r_bar = self._crossed_backward(state.crossed, r_bar)
        p_bar = q_bar = None
        for number in range(len(self.uppers), 0, -1):
            level, up = self.uppers[number - 1], state.uppers[number - 1]
            if p_bar is not None and q_bar is not None:
                p_bar, q_bar = p_bar[level.parent], q_bar[level.parent]
            by_level[number], p_bar, q_bar = level.backward(up, p_bar, q_bar, r_bar)
        by_level[0], precision_bar = self.bottom.backward(state.bottom, p_bar, q_bar, r_bar)
        return [self._block_gradient(block, by_level, crossed_bar) for block in self.blocks], precision_bar

    def _crossed_backward(self, up: Upward, r_bar: Array) -> tuple[Array, Array]:
        kept, inside = self.crossed_positions()
        psi_bar, p_bar, q_bar = Level(np.eye(self.n_crossed)).backward(up, None, None, r_bar)
        full = np.zeros((len(kept) + len(inside),) * 2)
        full[np.ix_(kept, kept)] = r_bar
        full[np.ix_(inside, inside)] = p_bar[0]
        full[np.ix_(inside, kept)] = q_bar[0] / 2
        full[np.ix_(kept, inside)] = q_bar[0].T / 2
        return psi_bar, full

    @staticmethod
    def _block_gradient(block: Block, by_level: dict[int, Array], crossed: Array | None) -> Array:
        if not block.crossed:
            inside = slice(block.offset, block.offset + block.size)
            return by_level[block.level][inside, inside]
        starts = block.offset + block.size * np.arange(block.n_groups)
        return sum(crossed[start : start + block.size, start : start + block.size] for start in starts)  # type: ignore[index,misc,return-value]

    def solve(self, state: State) -> "Solution":
        """Fixed effects, residual sum of squares and deviance at an evaluation."""
        p = self.p_fixed
        chol = np.linalg.cholesky(state.r[:p, :p])
        inverse = np.linalg.inv(chol)
        half = inverse @ state.r[:p, p]
        beta = inverse.T @ half
        squares = float(state.r[p, p] - half @ half)
        degrees = self.degrees
        deviance = state.logdet + degrees * (1 + np.log(2 * np.pi * squares / degrees)) + self.constant
        if self.reml:
            deviance += 2 * float(np.log(np.diag(chol)).sum())
        return Solution(beta, inverse.T @ inverse, squares / degrees, deviance, state)

    def r_gradient(self, solution: "Solution") -> Array:
        """d deviance / d R."""
        residual = np.append(solution.beta, -1.0)
        r_bar = np.outer(residual, residual) / solution.sigma2
        if self.reml:
            r_bar[: self.p_fixed, : self.p_fixed] += solution.phi
        return r_bar

    def deviance(self, theta: Array) -> tuple[float, Array]:
        """Profiled deviance and its gradient in theta."""
        value, gradient, _, _ = self.detailed(theta)
        return value, gradient

    def detailed(self, theta: Array) -> tuple[float, Array, list[Array], "Solution"]:
        """Deviance, gradient in theta, gradient in each Psi, and the solution."""
        factors, precision = self.split(theta)
        solution = self.solve(self.evaluate([factor @ factor.T for factor in factors], precision))
        psi_bars, precision_bar = self.gradients(solution.state, self.r_gradient(solution))
        parts = [
            (2 * bar @ factor)[block.places]
            for bar, factor, block in zip(psi_bars, factors, self.blocks, strict=True)
        ]
        gradient = np.concatenate([*parts, -(precision_bar * precision)[1:]])
        return solution.deviance, gradient, psi_bars, solution


@dataclass(frozen=True)
class Solution:
    """Generalized least squares at given covariance: beta and phi = (X'V^-1 X)^-1 sigma^-2 in turned
    coordinates."""

    beta: Array
    phi: Array
    sigma2: float
    deviance: float
    state: State
