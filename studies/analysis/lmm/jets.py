"""Exact first and second derivatives in the variance parameters, by carrying them along (forward
differentiation).

Kenward-Roger and Satterthwaite need, of R(gamma) = [X y]'V^-1 [X y] and log|V(gamma)|, every derivative up
to the
second. A Jet is a value with these; the steps of `elimination` are repeated on Jets. Derivatives that are 0
are not stored, so the sums over rows, which no parameter touches, cost nothing extra.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from studies.analysis.lmm.elimination import Level, inverse_and_logdet, transpose

Array = np.ndarray
Pair = tuple[int, int]


@dataclass
class Jet:
    """A value, its first derivatives by parameter and its second by pair of parameters (i <= j)."""

    value: Array
    first: dict[int, Array] = field(default_factory=dict)
    second: dict[Pair, Array] = field(default_factory=dict)

    def map(self, function: Callable[[Array], Array]) -> "Jet":
        """A linear function of the jet."""
        return Jet(
            function(self.value),
            {key: function(part) for key, part in self.first.items()},
            {key: function(part) for key, part in self.second.items()},
        )

    def plus(self, other: "Jet", sign: float = 1.0) -> "Jet":
        return Jet(
            self.value + sign * other.value,
            _merge(self.first, other.first, sign),
            _merge(self.second, other.second, sign),
        )

    def minus(self, other: "Jet") -> "Jet":
        return self.plus(other, -1.0)


def _merge(left: dict, right: dict, sign: float) -> dict:
    merged = dict(left)
    for key, part in right.items():
        merged[key] = merged[key] + sign * part if key in merged else sign * part
    return merged


def bilinear(operation: Callable[[Array, Array], Array], left: Jet, right: Jet) -> Jet:
    """A bilinear operation, such as a matrix product, by the product rule."""
    first: dict[int, Array] = {}
    second: dict[Pair, Array] = {}

    def add(store: dict, key: object, part: Array) -> None:
        store[key] = store[key] + part if key in store else part

    for key, part in left.first.items():
        add(first, key, operation(part, right.value))
    for key, part in right.first.items():
        add(first, key, operation(left.value, part))
    for pair, part in left.second.items():
        add(second, pair, operation(part, right.value))
    for pair, part in right.second.items():
        add(second, pair, operation(left.value, part))
    for i, left_part in left.first.items():
        for j, right_part in right.first.items():
            part = operation(left_part, right_part)
            add(second, (min(i, j), max(i, j)), 2 * part if i == j else part)
    return Jet(operation(left.value, right.value), first, second)


def matmul(left: Jet, right: Jet) -> Jet:
    return bilinear(np.matmul, left, right)


def inverse_with_logdet(matrix: Jet, summed: Callable[[Array], Array]) -> tuple[Jet, Jet]:
    """Inverse of a jet of matrices (n x q x q), and the jet of their log determinants, `summed` over them."""

    def total(matrices: Array) -> Array:
        return np.asarray(summed(np.trace(matrices, axis1=-2, axis2=-1)))

    shape = matrix.value.shape
    inverse, logdets = inverse_and_logdet(matrix.value.reshape(-1, *shape[-2:]))
    inverse = inverse.reshape(shape)
    steps = {key: inverse @ part for key, part in matrix.first.items()}
    second: dict[Pair, Array] = {pair: inverse @ part for pair, part in matrix.second.items()}
    traces = {pair: total(part) for pair, part in second.items()}
    result: dict[Pair, Array] = {pair: -part @ inverse for pair, part in second.items()}
    for i, left in steps.items():
        for j, right in steps.items():
            if i > j:
                continue
            product = left @ right
            traces[i, j] = traces.get((i, j), 0.0) - total(product)
            both = product + (right @ left) if i != j else 2 * product
            result[i, j] = result[i, j] + both @ inverse if (i, j) in result else both @ inverse
    first = {key: -step @ inverse for key, step in steps.items()}
    logdet = Jet(np.asarray(summed(logdets)), {key: total(step) for key, step in steps.items()}, traces)
    return Jet(inverse, first, result), logdet


@dataclass(frozen=True)
class JetUpward:
    p: Jet
    q: Jet
    taken: Jet
    logdet: Jet


def eliminate(level: Level, p: Jet, q: Jet, psi: Jet) -> JetUpward:
    """The forward step of `elimination.Level` on jets; P and Q come back summed over each parent."""
    basis = level.basis
    bp, bq = p.map(lambda part: basis.T @ part), q.map(lambda part: basis.T @ part)
    a = bp.map(lambda part: part @ basis)
    psi = psi.map(level.spread)
    m = matmul(a, psi)
    m.value = np.eye(basis.shape[1]) + m.value
    n, logdet = inverse_with_logdet(m, level.total)
    e = matmul(psi, n)
    ebq = matmul(e, bq)
    taken = bilinear(level.total_cross, bq, ebq)
    if level.parent is None:
        return JetUpward(p, q, taken, logdet)
    pb = bp.map(transpose)
    above_p = p.map(level.gather).minus(matmul(pb, matmul(e, bp)).map(level.gather))
    above_q = q.map(level.gather).minus(matmul(pb, ebq).map(level.gather))
    return JetUpward(above_p, above_q, taken, logdet)
