"""The likelihood of growth curves some of whose readings lie below a limit, over nested groups, by Laplace's method.

y = x'b + z'u + e with u = sigma Lambda v, v ~ N(0, I), over any groups that hold whole mice (PDX model, arm within it,
cage) and the mouse itself. With Olsen's parameters (1978, Econometrica 46:1211), g = b / sigma and t = 1 / sigma, every
reading enters through a = t y - x'g - z'Lambda v: log t - a^2 / 2 where seen, log Phi(a) where below the limit. The
joint log density h is concave in (g, v), and both are integrated out by Laplace's method:

    l(Lambda, t) = h + p/2 log(2 pi) - p log t - 1/2 log|H|,  H minus the second derivatives of h in (g, v) at its top

which is REML, exactly, where no reading is censored. The gradient is exact. Every column is a combination of few
columns of time T whose weights are a mouse's own, so a mouse enters by sums over T, and mice of one class (PDX model,
arm, status) by their sum. Sources: Tierney & Kadane 1986, J Am Stat Assoc 81:82; Raudenbush, Yang and Yosef 2000,
J Comput Graph Stat 9:141.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import log_ndtr

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.atoms import merge_codes
from studies.analysis.lmm.cells import factor_cells
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.elimination import Runs, sum_by
from studies.analysis.lmm.structure import FixedTurn, orthonormal_basis, plan_levels, turned

Array = np.ndarray
CLIMBS, TOP, LEAST_STEP = 60, 1e-12, 1e-7
FURTHEST = 1e3  # of ln V: a fixed effect that far off has no maximum


@dataclass(frozen=True)
class Curves:
    """What the likelihood needs of the readings. A class is the mice that share every column and group but their own.

    `cross` and `sums` are T'T and T'y of each mouse's readings seen; `hidden`, `limits` and `owner` are T, y and the
    mouse of each reading below the limit. `fixed` (classes x T x p) and `into` (T x effects, a term each) give columns
    by T. Of the terms `own` are the mouse's; for the others `places` tells where a class finds their effects among
    those of its block, and blocks share nothing but g. `turns` take effects in the formula's units to those of `into`.
    """

    cross: Array
    sums: Array
    squares: float
    n_seen: int
    hidden: Array
    limits: Array
    owner: Array
    fixed: Array
    into: tuple[Array, ...]
    turns: tuple[Array, ...]
    own: tuple[int, ...]
    levels: tuple[Array, ...]
    class_of: Array
    block_of: Array
    places: dict[int, Array]
    n_blocks: int
    n_shared: int

    @property
    def p(self) -> int:
        return int(self.fixed.shape[2])

    @cached_property
    def by_mouse(self) -> Runs:
        """Sums readings below the limit."""
        return Runs(self.owner, len(self.cross))

    @cached_property
    def by_class(self) -> Runs:
        """Sums mice."""
        return Runs(self.class_of, len(self.fixed))

    @cached_property
    def by_block(self) -> Runs:
        """Sums classes."""
        return Runs(self.block_of, self.n_blocks)

    def own_columns(self, factors: list[Array]) -> Array:
        """Z Lambda of the mouse's own effects, in T."""
        return np.column_stack([self.into[index] @ factors[index] for index in self.own])

    def shared_columns(self, factors: list[Array]) -> Array:
        """Z Lambda of the block's effects and X, in T, for each class."""
        n = len(self.fixed)
        whole = np.zeros((n, self.fixed.shape[1], self.n_shared + self.p))
        for index, places in self.places.items():
            whole[np.arange(n)[:, None], :, places] = (self.into[index] @ factors[index]).T
        whole[:, :, self.n_shared :] = self.fixed
        return whole


def make_curves(design: Design, turn: FixedTurn, response: Array, below: Array) -> Curves:
    """Curves of a design whose groups each hold whole mice; `response` replaces the design's.

    Refuses a group that a mouse leaves for another (a cage, say).
    """
    plan = plan_levels(design.random)
    mouse, n_mice = plan.codes[0], plan.n_groups[0]
    first = np.zeros(n_mice, dtype=np.int64)
    first[mouse[::-1]] = np.arange(len(mouse))[::-1]
    for term in design.random:
        if (term.codes[first][mouse] != term.codes).any():
            raise AnalysisError(f"a mouse changes its {term.term.name} while its readings are censored")
    cells = factor_cells(design, mouse, n_mice)
    if cells is None:
        raise AnalysisError(
            "fixed effects that change from mouse to mouse are not fitted to censored readings"
        )
    columns = [term.columns for term in design.random] + [
        make(slice(None))[:, None] for make in cells.columns
    ]
    t, upper = orthonormal_basis(np.column_stack(columns))
    into, turns, start = [], [], 0
    for term in design.random:
        basis, back = turned(upper[:, start : start + term.width], term)
        into.append(basis)
        turns.append(back)
        start += term.width
    own = tuple(plan.chain[0])
    levels = tuple(term.codes[first] for term in design.random)
    shared = [index for index in range(len(design.random)) if index not in own]
    class_of, n_classes = merge_codes([cells.cell_of_group, *(levels[index] for index in shared)])
    member = np.zeros(n_classes, dtype=np.int64)
    member[class_of[::-1]] = np.arange(n_mice)[::-1]
    held = [levels[index][member] for index in shared]
    block_of, places, n_shared = _blocks(held, [design.random[index].width for index in shared])
    fixed = upper[:, start:][:, cells.basis_of].T[None] * cells.constants[:, :, None]
    fixed = fixed.transpose(0, 2, 1)[cells.cell_of_group[member]][:, :, turn.kept] @ turn.back
    seen = ~below
    weighed = t[seen]
    return Curves(
        sum_by(weighed[:, :, None] * weighed[:, None, :], mouse[seen], n_mice),
        sum_by(weighed * response[seen, None], mouse[seen], n_mice),
        float(response[seen] @ response[seen]), int(seen.sum()), t[below], response[below], mouse[below], fixed,
        tuple(into), tuple(turns), own, levels, class_of, block_of, dict(zip(shared, places, strict=True)),
        int(block_of.max()) + 1, n_shared,
    )  # fmt: skip


def _blocks(held: list[Array], widths: list[int]) -> tuple[Array, list[Array], int]:
    """Each class's block, where it finds each term's effects there, and the most effects of a block."""
    n = len(held[0])
    links, start = [], n
    for codes in held:
        links.append(codes + start)
        start += int(codes.max()) + 1
    rows = np.tile(np.arange(n), len(held))
    graph = coo_matrix((np.ones(len(rows)), (rows, np.concatenate(links))), (start, start))
    block = connected_components(graph, directed=False)[1][:n]
    block = np.unique(block, return_inverse=True)[1]
    filled, places = np.zeros(int(block.max()) + 1, dtype=np.int64), []
    for codes, width in zip(held, widths, strict=True):
        present, member, inverse = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(block[member], kind="stable")
        rank = np.empty(len(present), dtype=np.int64)
        sizes = np.bincount(block[member], minlength=len(filled))
        rank[order] = np.arange(len(present)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        offset = filled[block[member]] + rank * width
        places.append(offset[inverse][:, None] + np.arange(width))
        filled = filled + sizes * width
    return block, places, int(filled.max())


@dataclass(frozen=True)
class Effects:
    """(g, v): g, the blocks' effects and the mice's own."""

    g: Array
    shared: Array
    own: Array

    def plus(self, step: "Effects", length: float) -> "Effects":
        return Effects(
            self.g + length * step.g, self.shared + length * step.shared, self.own + length * step.own
        )


@dataclass(frozen=True)
class Turned:
    """The columns in T at given Lambdas: the mouse's own, and those of its class's block and the fixed effects."""

    own: Array
    shared: Array


@dataclass(frozen=True)
class Pull:
    """At some effects: h; each mouse's T' times the derivative of h in its line, and T' W T; by hidden reading a,
    Phi'(a) / Phi(a) and its weight."""

    h: float
    score: Array
    weight: Array
    a: Array
    ratio: Array
    bend: Array


@dataclass(frozen=True)
class Factored:
    """H, factored from the mice up: for each mouse A^-1 and L'W; for each class G; for each block the root of its own
    part and what it shares with g; and the inverse of what is left for g."""

    inverse: Array
    across: Array
    left: Array
    block: Array
    coupled: Array
    fixed: Array
    logdet: float


@dataclass(frozen=True)
class Top:
    """Where h is greatest for given variance parameters, and the restricted log-likelihood there."""

    loglik: float
    effects: Effects
    pull: Pull
    factored: Factored
    turned: Turned
    t: float


@dataclass
class Likelihood:
    """l of the variance parameters: each term's triangle of Lambda (columns of length 1), then log sigma. Remembers the
    last effects, where the next search begins."""

    curves: Curves
    effects: Effects

    @classmethod
    def of(cls, curves: Curves) -> "Likelihood":
        own = sum(curves.into[index].shape[1] for index in curves.own)
        return cls(curves, Effects(np.zeros(curves.p), np.zeros((curves.n_blocks, curves.n_shared)),
                                   np.zeros((len(curves.cross), own))))  # fmt: skip

    def split(self, theta: Array) -> tuple[list[Array], float]:
        """Each term's Lambda, and t."""
        factors, start = [], 0
        for part in self.curves.into:
            rows, columns = np.tril_indices(part.shape[1])
            factor = np.zeros((part.shape[1],) * 2)
            factor[rows, columns] = theta[start : start + len(rows)]
            factors.append(factor)
            start += len(rows)
        return factors, float(np.exp(-theta[-1]))

    def deviance(self, theta: Array) -> tuple[float, Array]:
        """-2 l and its gradient; infinite where h has no top."""
        try:
            with np.errstate(all="ignore"):
                top = self.top(theta)
                gradient = self.gradient(top, theta)
        except (np.linalg.LinAlgError, FloatingPointError):
            return np.inf, np.full(len(theta), np.nan)
        if not (np.isfinite(top.loglik) and np.isfinite(gradient).all()):
            return np.inf, np.full(len(theta), np.nan)
        return -2 * top.loglik, -2 * gradient

    def top(self, theta: Array) -> Top:
        """Newton's method on (g, v); a step that does not climb is halved."""
        factors, t = self.split(theta)
        columns = Turned(self.curves.own_columns(factors), self.curves.shared_columns(factors))
        here, pull = self.effects, self._pull(self.effects, columns, t)
        for _ in range(CLIMBS):
            factored = self._factor(pull, columns)
            step, gain = self._solve(factored, columns, pull.score, here)
            if not gain > TOP:
                break
            moved = self._climb(here, pull.h, step, columns, t)
            if moved is None:
                break
            here, pull = moved
        if not np.abs(here.g).max(initial=0.0) < t * FURTHEST * np.sqrt(len(pull.a) + self.curves.n_seen):
            raise np.linalg.LinAlgError("the fixed effects run away")
        self.effects, p = here, self.curves.p
        loglik = pull.h - 0.5 * factored.logdet + p * (0.5 * np.log(2 * np.pi) - np.log(t))
        return Top(float(loglik), here, pull, factored, columns, t)

    def least_known(self, top: Top) -> float:
        """Of the information about the fixed effects that every reading seen would give, the share that is left in the
        direction that loses most; next to nothing where they run away."""
        curves = self.curves
        hidden = curves.by_mouse.sum(curves.hidden[:, :, None] * curves.hidden[:, None, :])
        seen = self._factor(replace(top.pull, weight=curves.cross + hidden), top.turned)
        root = np.linalg.cholesky(seen.fixed)
        return float(
            1 / np.linalg.eigvalsh(np.linalg.inv(root) @ top.factored.fixed @ np.linalg.inv(root).T)[-1]
        )

    def _climb(
        self, here: Effects, h: float, step: Effects, columns: Turned, t: float
    ) -> tuple[Effects, Pull] | None:
        length = 1.0
        while length > LEAST_STEP:
            there = here.plus(step, length)
            pull = self._pull(there, columns, t)
            if pull.h >= h - 1e-13 * abs(h):
                return there, pull
            length /= 2
        return None

    def lines(self, effects: Effects, columns: Turned) -> Array:
        """Each mouse's line, by T."""
        curves = self.curves
        both = np.column_stack([effects.shared[curves.block_of],
                                np.broadcast_to(effects.g, (len(curves.block_of), curves.p))])  # fmt: skip
        shared = (columns.shared @ both[:, :, None])[:, :, 0]
        return shared[curves.class_of] + effects.own @ columns.own.T

    def _pull(self, effects: Effects, columns: Turned, t: float) -> Pull:
        curves = self.curves
        lines = self.lines(effects, columns)
        turned = (curves.cross @ lines[:, :, None])[:, :, 0]
        squares = t * t * curves.squares + float((lines * (turned - 2 * t * curves.sums)).sum())
        a = t * curves.limits - (curves.hidden * lines[curves.owner]).sum(axis=1)
        chance = log_ndtr(a)
        ratio = np.exp(-0.5 * a * a - 0.5 * np.log(2 * np.pi) - chance)
        bend = np.clip(ratio * (ratio + a), 0.0, 1.0)
        score = t * curves.sums - turned - curves.by_mouse.sum(curves.hidden * ratio[:, None])
        bent = curves.hidden * bend[:, None]
        weight = curves.cross + curves.by_mouse.sum(bent[:, :, None] * curves.hidden[:, None, :])
        h = curves.n_seen * (np.log(t) - 0.5 * np.log(2 * np.pi)) - 0.5 * squares + float(chance.sum())
        h -= 0.5 * float((effects.shared**2).sum() + (effects.own**2).sum())
        return Pull(h, score, weight, a, ratio, bend)

    def _factor(self, pull: Pull, columns: Turned) -> Factored:
        curves, own = self.curves, columns.own
        across = own.T @ pull.weight
        root = np.linalg.cholesky(across @ own + np.eye(own.shape[1]))
        half = np.linalg.inv(root)
        inverse = half.transpose(0, 2, 1) @ half
        left = pull.weight - across.transpose(0, 2, 1) @ inverse @ across
        left = curves.by_class.sum(left)
        whole = curves.by_block.sum(columns.shared.transpose(0, 2, 1) @ left @ columns.shared)
        q = curves.n_shared
        block = np.linalg.cholesky(whole[:, :q, :q] + np.eye(q))
        logdet = 2 * float(np.log(np.diagonal(root, axis1=1, axis2=2)).sum()
                           + np.log(np.diagonal(block, axis1=1, axis2=2)).sum())  # fmt: skip
        block = np.linalg.inv(block)
        coupled = block @ whole[:, :q, q:]
        rest = whole[:, q:, q:].sum(axis=0) - (coupled.transpose(0, 2, 1) @ coupled).sum(axis=0)
        last = np.linalg.cholesky(rest)
        logdet += 2 * float(np.log(np.diag(last)).sum())
        last = np.linalg.inv(last)
        return Factored(inverse, across, left, block, coupled, last.T @ last, logdet)

    def _solve(
        self, factored: Factored, columns: Turned, score: Array, at: Effects | None = None
    ) -> tuple[Effects, float]:
        """H^-1 times the derivative that `score` on the lines, less the effects `at`, amounts to; and its product with
        that derivative, twice the gain of a Newton step."""
        curves, q = self.curves, self.curves.n_shared
        own = score @ columns.own - (0.0 if at is None else at.own)
        eased = (factored.inverse @ own[:, :, None])[:, :, 0]
        passed = score - (factored.across.transpose(0, 2, 1) @ eased[:, :, None])[:, :, 0]
        passed = curves.by_class.sum(passed)
        up = curves.by_block.sum((columns.shared.transpose(0, 2, 1) @ passed[:, :, None])[:, :, 0])
        shared = up[:, :q] - (0.0 if at is None else at.shared)
        half = (factored.block @ shared[:, :, None])[:, :, 0]
        rest = up[:, q:].sum(axis=0) - np.tensordot(half, factored.coupled, 2)
        g = factored.fixed @ rest
        effects = (factored.block.transpose(0, 2, 1) @ (half - factored.coupled @ g)[:, :, None])[:, :, 0]
        bare = Effects(g, effects, np.zeros_like(own))
        moved = (factored.across @ self.lines(bare, columns)[:, :, None])[:, :, 0]
        gain = float((own * eased).sum() + (half**2).sum() + g @ rest)
        return Effects(g, effects, eased - (factored.inverse @ moved[:, :, None])[:, :, 0]), gain

    def gradient(self, top: Top, theta: Array) -> Array:
        """dl / d theta: through h, through H, and through H by how the top moves (by its adjoint)."""
        curves, columns, pull, factored = self.curves, top.turned, top.pull, top.factored
        own, q = columns.own, curves.n_shared
        joint = self._joint(factored)
        spread = columns.shared @ joint[curves.block_of]  # classes x T x (effects, g)
        of_class = spread @ columns.shared.transpose(0, 2, 1)
        eased = own @ factored.inverse  # mice x T x effects: L A^-1
        down = -factored.inverse @ factored.across  # what a mouse's effects take from its line
        whole = np.eye(own.shape[0]) + own @ down
        around = whole @ of_class[curves.class_of]
        lines = eased @ own.T + around @ whole.transpose(0, 2, 1)
        leverage = ((lines[curves.owner] @ curves.hidden[:, :, None])[:, :, 0] * curves.hidden).sum(axis=1)
        curl = pull.ratio * (1 - pull.bend) - pull.bend * (pull.ratio + pull.a)
        push = 0.5 * curl * leverage
        pushed = curves.by_mouse.sum(curves.hidden * push[:, None])
        answer, _ = self._solve(factored, columns, pushed)
        answers = self.lines(answer, columns)
        turned = (pull.weight @ answers[:, :, None])[:, :, 0]
        other = pushed - turned
        parts: list[Array] = [np.empty(0)] * len(curves.into)
        at, moved = top.effects.own, answer.own
        of_own = pull.score.T @ (at + moved) + other.T @ at - (
            pull.weight @ (eased + around @ down.transpose(0, 2, 1))).sum(axis=0)  # fmt: skip
        start = 0
        for index in curves.own:
            width = curves.into[index].shape[1]
            parts[index] = curves.into[index].T @ of_own[:, start : start + width]
            start += width
        n = len(curves.fixed)
        score, other = map(curves.by_class.sum, (pull.score, other))
        held = factored.left @ spread[:, :, :q]
        for index, places in curves.places.items():
            rows = np.arange(n)[:, None]
            v, more = (part.shared[curves.block_of[:, None], places] for part in (top.effects, answer))
            by_h = held[rows, :, places].transpose(0, 2, 1)
            total = score.T @ (v + more) + other.T @ v - by_h.sum(axis=0)
            parts[index] = curves.into[index].T @ total
        flat = [part[np.tril_indices(len(part))] for part in parts]
        return np.append(np.concatenate(flat), -top.t * self._by_t(top, answers, push))

    def _joint(self, factored: Factored) -> Array:
        """The posterior covariance of each block's effects and g."""
        q = self.curves.n_shared
        back = factored.block.transpose(0, 2, 1)
        follow = -(back @ factored.coupled)
        joint = np.empty((len(back), q + self.curves.p, q + self.curves.p))
        joint[:, q:, q:] = factored.fixed
        joint[:, :q, q:] = follow @ factored.fixed
        joint[:, q:, :q] = joint[:, :q, q:].transpose(0, 2, 1)
        joint[:, :q, :q] = back @ factored.block + joint[:, :q, q:] @ follow.transpose(0, 2, 1)
        return joint

    def _by_t(self, top: Top, answers: Array, push: Array) -> float:
        curves, pull = self.curves, top.pull
        lines = self.lines(top.effects, top.turned)
        of_seen = top.t * curves.squares - float((lines * curves.sums).sum())
        total = (curves.n_seen - curves.p) / top.t - of_seen + float((pull.ratio - push) @ curves.limits)
        along = (curves.hidden * answers[curves.owner]).sum(axis=1)
        return total + float((answers * curves.sums).sum() + (along * pull.bend) @ curves.limits)
