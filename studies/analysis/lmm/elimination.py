"""Integrating out one level of random effects: values forward, derivatives backward.

Write T for the few columns that random effects use (1 and day, say), D for the fixed columns and the
response.
A level with groups g adds T_g B Psi B' T_g' to the covariance V. What the next level needs of each group is
P = T'V^-1 T and Q = T'V^-1 D, and of all rows R = D'V^-1 D. With A = B'PB and E = Psi (I + A Psi)^-1
(Woodbury)

    P - P B E B' P,    Q - P B E B' Q,    R - sum_g Q' B E B' Q,    log|V| + sum_g log|I + A Psi|

so levels nest: a group's P and Q are the sums over its subgroups. The backward pass carries the
derivatives of a
scalar criterion through the same steps (reverse-mode differentiation), at the cost of one forward pass.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray


def inverse_and_logdet(matrices: Array) -> tuple[Array, Array]:
    """Inverse and log determinant of many small matrices (groups x q x q), in closed form up to 2 x 2.

    The log determinant is NaN where rounding leaves no positive one, as with variances 10^16 times the residual's:
    searches that step that far turn back.
    """
    size = matrices.shape[-1]
    if size == 1:
        return 1.0 / matrices, np.log(matrices[:, 0, 0])
    if size == 2:
        a, b, c, d = matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 0], matrices[:, 1, 1]
        determinant = a * d - b * c
        inverse = np.empty_like(matrices)
        inverse[:, 0, 0], inverse[:, 0, 1] = d, -b
        inverse[:, 1, 0], inverse[:, 1, 1] = -c, a
        inverse /= determinant[:, None, None]
        return inverse, np.log(np.where(determinant > 0, determinant, np.nan))
    sign, logdet = np.linalg.slogdet(matrices)
    return np.linalg.inv(matrices), np.where(sign > 0, logdet, np.nan)


def transpose(matrices: Array) -> Array:
    return np.swapaxes(matrices, -1, -2)


def symmetric(matrices: Array) -> Array:
    return (matrices + transpose(matrices)) / 2


def cross(left: Array, right: Array) -> Array:
    """sum_g left_g' right_g as one matrix product."""
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


@dataclass(frozen=True)
class Upward:
    """What one level leaves for the level above (P, Q per group) and what the way back needs."""

    p: Array
    q: Array
    bp: Array
    bq: Array
    a: Array
    e: Array
    n: Array
    logdet: Array


@dataclass(frozen=True)
class Level:
    """One grouping factor. `basis` is B (columns of T x effects); `parent` the group above each, if any.

    Where many models of one shape are fitted at once, `owner` is each group's model: Psi, R and log|V| then
    have a leading axis of models.
    """

    basis: Array
    parent: Array | None = None
    n_parents: int = 0
    owner: Array | None = None
    n_owners: int = 1

    @cached_property
    def _owner_runs(self) -> "Runs":
        return Runs(self.owner, self.n_owners)  # type: ignore[arg-type]

    def total(self, values: Array) -> Array:
        """Sum over all groups, or over the groups of each model."""
        return values.sum(axis=0) if self.owner is None else self._owner_runs.sum(values)

    def total_cross(self, left: Array, right: Array) -> Array:
        """sum_g left_g' right_g, for each model where there are several."""
        return cross(left, right) if self.owner is None else self.total(transpose(left) @ right)

    def spread(self, values: Array) -> Array:
        """A model's matrix for each of its groups."""
        return values if self.owner is None else values[self.owner]

    def forward(self, p: Array, q: Array, psi: Array) -> tuple[Upward, Array]:
        """Integrate the level out; also returns what is taken from R."""
        psi = self.spread(psi)
        bp, bq = self.basis.T @ p, self.basis.T @ q
        a = bp @ self.basis
        n, logdets = inverse_and_logdet(np.eye(psi.shape[-1]) + a @ psi)
        e = psi @ n
        ebq = e @ bq
        taken = self.total_cross(bq, ebq)
        if self.parent is not None:
            p = p - transpose(bp) @ (e @ bp)
            q = q - transpose(bp) @ ebq
        return Upward(p, q, bp, bq, a, e, n, self.total(logdets)), taken

    @cached_property
    def _runs(self) -> "Runs":
        return Runs(self.parent, self.n_parents)  # type: ignore[arg-type]

    def gather(self, values: Array) -> Array:
        """Sum what belongs to the same parent."""
        return self._runs.sum(values)

    def psi_gradient(self, up: Upward, p_bar: Array | None, q_bar: Array | None, r_bar: Array) -> Array:
        """d criterion / d Psi."""
        e_bar = self._e_gradient(up, p_bar, q_bar, r_bar)
        return symmetric(self.total(up.n @ e_bar @ transpose(up.n) + up.n @ up.a))

    def backward(
        self, up: Upward, p_bar: Array | None, q_bar: Array | None, r_bar: Array
    ) -> tuple[Array, Array, Array]:
        """d criterion / d Psi, dP, dQ, given the derivatives with respect to what was handed up."""
        basis = self.basis
        e_bar = self._e_gradient(up, p_bar, q_bar, r_bar)
        psi_bar = symmetric(self.total(up.n @ e_bar @ transpose(up.n) + up.n @ up.a))
        below_p = basis @ (up.e - up.e @ e_bar @ up.e) @ basis.T
        bq_bar = -2 * (up.e @ (up.bq @ self.spread(r_bar)))
        if p_bar is None or q_bar is None:
            return psi_bar, below_p, basis @ bq_bar
        bp_bar = -up.e @ (2 * up.bp @ p_bar + up.bq @ transpose(q_bar))
        bq_bar = bq_bar - up.e @ (up.bp @ q_bar)
        return psi_bar, p_bar + below_p + symmetric(basis @ bp_bar), q_bar + basis @ bq_bar

    def _e_gradient(self, up: Upward, p_bar: Array | None, q_bar: Array | None, r_bar: Array) -> Array:
        e_bar = -(up.bq @ self.spread(r_bar)) @ transpose(up.bq)
        if p_bar is not None and q_bar is not None:
            e_bar = e_bar - up.bp @ p_bar @ transpose(up.bp) - symmetric(up.bp @ q_bar @ transpose(up.bq))
        return e_bar


class Runs:
    """Sums over the items of each group, with the grouping worked out once."""

    def __init__(self, groups: Array, n_groups: int) -> None:
        ascending = bool((np.diff(groups) >= 0).all())
        self.order = None if ascending else np.argsort(groups, kind="stable")
        ordered = groups if self.order is None else groups[self.order]
        self.starts = (
            np.flatnonzero(np.r_[True, np.diff(ordered) > 0]) if len(groups) else np.zeros(0, dtype=int)
        )
        self.present = ordered[self.starts]
        self.n_groups = n_groups

    def sum(self, values: Array) -> Array:
        """Sums of values (items x ...), 0 for a group without items."""
        ordered = values if self.order is None else values[self.order]
        sums = np.add.reduceat(ordered, self.starts, axis=0) if len(self.starts) else ordered[:0]
        if len(self.present) == self.n_groups:
            return sums
        result = np.zeros((self.n_groups, *values.shape[1:]), dtype=values.dtype)
        result[self.present] = sums
        return result


def sum_by(values: Array, groups: Array, n_groups: int) -> Array:
    """Sums of values (items x ...) over the items of each group."""
    return Runs(groups, n_groups).sum(values)
