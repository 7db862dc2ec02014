"""The likelihood of growth curves some of whose readings say only "below" (or "above") a limit.

y = x'b + z'u + e with u ~ N(0, Lambda Lambda'), e ~ N(0, sigma^2). A reading seen gives its density, a censored one
the chance of lying beyond its limit. With Olsen's parameters (1978, Econometrica 46:1211), g = b / sigma,
D = Lambda / sigma and t = 1 / sigma, every row enters through one linear form a = t y - x'g - z'D u:
log t - a^2 / 2 where seen, log Phi(a) where below a limit (-a above one). A mouse's likelihood is the integral over
its u, by Gauss-Hermite quadrature about the mode; gradient and information come with it (Louis 1982, J R Stat Soc B
44:226). For a mouse without a censored reading the integrand is Gaussian and three nodes are exact.

A mouse's readings lie on few of the fixed columns' combinations, as many as it has days at most, however many columns
a study has. So its part of the likelihood is taken in those, and mice with the same columns are summed before they are
turned back into b. What b's integral adds to the gradient needs third derivatives; they come from the same nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from scipy.optimize import linprog
from scipy.special import log_ndtr

from studies.analysis.lmm.elimination import sum_by

Array = np.ndarray
NODES, COARSE_NODES, EXACT_NODES = 13, 7, 3
MODE_STEPS, MODE_TOLERANCE = 40, 1e-9
BELOW, SEEN, ABOVE = -1, 0, 1
MOST_NUMBERS = 2_000_000
MOST_CLIMBS, LEAST_STEP = 60, 1e-6
FAR_FROM_TOP, AT_TOP, FALLEN = 1e-3, 1e-9, 1e-6
# Of the log-likelihood: what b may leave to climb, and where it must be known.
NEAR_PROFILE, NEAR_ENOUGH = 1e-10, 0.1
FAR_BELOW = -1e4
# Of the largest eigenvalue; of a censored reading, columns of length 1.
FREE_SHARE, LEAST_FURTHER = 1e-12, 1e-7
# Of the largest number of x, and singular value of a mouse's part of it.
ALIKE_DIGITS, LEAST_SHARE = 11, 1e-10


@dataclass(frozen=True)
class Units:
    """Mice ready for the likelihood; `replicate` tells which parameters each goes by.

    With base vectors m = (-w, -z, y): `cross` sums m m' over the mouse's readings seen, `n_seen` counts them;
    `rows` holds m of those below a limit and -m of those above one, padded where `real` is false. The w are columns of
    the mouse's own: its rows of x are w times `into` (classes x columns w x columns x) of its class. `pairs` are the
    rows and columns of D that are free, by rows.
    """

    cross: Array
    n_seen: Array
    rows: Array
    real: Array
    replicate: Array
    n_replicates: int
    into: Array
    class_of: Array
    pairs: tuple[Array, Array]

    @property
    def p(self) -> int:
        return int(self.into.shape[2])

    @property
    def width(self) -> int:
        """Columns of a mouse's own."""
        return int(self.into.shape[1])

    @property
    def q(self) -> int:
        return int(self.cross.shape[1]) - self.width - 1

    @cached_property
    def place(self) -> Array:
        """Which entry of the base vector each parameter of a mouse, (of its columns, D, t), multiplies."""
        return np.concatenate([np.arange(self.width), self.width + self.pairs[0], [self.width + self.q]])

    @cached_property
    def partner(self) -> Array:
        """Which of (1, u) its entry of the base vector is multiplied with besides."""
        return np.concatenate([np.zeros(self.width, dtype=int), 1 + self.pairs[1], [0]])

    @property
    def n_parameters(self) -> int:
        return self.p + len(self.pairs[0]) + 1

    @cached_property
    def turn(self) -> Array:
        """From (g, D, t) to a mouse's parameters, for each class."""
        n_other = len(self.pairs[0]) + 1
        turn = np.zeros((len(self.into), self.width + n_other, self.p + n_other))
        turn[:, : self.width, : self.p] = self.into
        turn[:, self.width :, self.p :] = np.eye(n_other)
        return turn

    def of_mice(self, parameters: Array) -> Array:
        """Each mouse's own parameters, from those of its replicate."""
        own = (self.into[self.class_of] @ parameters[self.replicate, : self.p, None])[:, :, 0]
        return np.column_stack([own, parameters[self.replicate, self.p :]])

    @cached_property
    def parts(self) -> list[tuple["Units", int]]:
        """The mice without and with censored readings, each with the nodes they need."""
        hidden = np.asarray(self.real.any(axis=1))
        width = int(self.real.sum(axis=1).max(initial=0))
        parts = []
        if not hidden.all():
            parts.append((self._only(~hidden, 0), EXACT_NODES))
        if hidden.any():
            parts.append((self._only(hidden, width), NODES))
        return parts

    def _only(self, chosen: Array, width: int) -> "Units":
        part = self._where(chosen)
        return replace(part, rows=part.rows[:, :width], real=part.real[:, :width])

    def _where(self, chosen: Array | slice) -> "Units":
        by_mouse = ("cross", "n_seen", "rows", "real", "replicate", "class_of")
        return replace(self, **{name: getattr(self, name)[chosen] for name in by_mouse})

    def slices(self, nodes: int) -> Iterator["Units"]:
        """The mice in portions whose quadrature fits into little memory."""
        hidden, moments = self.rows.shape[1], (1 + self.q) ** 2
        own = len(self.place)
        size = nodes**self.q * (2 * own + 3 * hidden + moments) + hidden * own**2
        most = max(1, MOST_NUMBERS // size)
        for first in range(0, len(self.n_seen), most):
            yield self._where(slice(first, first + most))

    def of(self, replicates: Array) -> "Units":
        """The mice of some replicates only."""
        chosen = np.isin(self.replicate, replicates)
        again = np.searchsorted(replicates, self.replicate[chosen])
        return replace(self._where(chosen), replicate=again, n_replicates=len(replicates))


def make_units(
    x: Array,
    z: Array,
    y: Array,
    kind: Array,
    mouse: Array,
    n_mice: int,
    pairs: tuple[Array, Array] | None = None,
) -> Units:
    """Units of one or more replicates: `y` and `kind` (BELOW, SEEN, ABOVE) are replicates x rows.

    `pairs` are the free entries of D, its lower triangle unless told otherwise.
    """
    pairs = np.tril_indices(z.shape[1]) if pairs is None else pairs
    replicates, n = y.shape
    own, into, class_of = _columns_of_mice(x, mouse, n_mice)
    base = np.concatenate([np.broadcast_to(np.column_stack([-own, -z]), (replicates, n, own.shape[1] + z.shape[1])),
                           y[:, :, None]], axis=2)  # fmt: skip
    owner = (mouse + n_mice * np.arange(replicates)[:, None]).ravel()
    flat, kinds = base.reshape(-1, base.shape[2]), kind.ravel()
    size = base.shape[2]
    units = n_mice * replicates
    seen = kinds == SEEN
    cross = np.zeros((units, size, size))
    rows_seen = flat[seen][np.argsort(owner[seen], kind="stable")]
    owners, starts = np.unique(np.sort(owner[seen]), return_index=True)
    cross[owners] = np.add.reduceat(rows_seen[:, :, None] * rows_seen[:, None, :], starts, axis=0)
    hidden = np.flatnonzero(~seen)
    hidden = hidden[np.argsort(owner[hidden], kind="stable")]
    width = int(np.bincount(owner[hidden], minlength=units).max(initial=0))
    rows, real = np.zeros((units, width, size)), np.zeros((units, width), dtype=bool)
    place = np.arange(len(hidden)) - np.searchsorted(owner[hidden], owner[hidden])
    rows[owner[hidden], place] = flat[hidden] * -kinds[hidden, None]
    real[owner[hidden], place] = True
    n_seen = np.bincount(owner[seen], minlength=units).astype(float)
    replicate, classes = np.repeat(np.arange(replicates), n_mice), np.tile(class_of, replicates)
    return Units(cross, n_seen, rows, real, replicate, replicates, into, classes, pairs)


def _columns_of_mice(x: Array, mouse: Array, n_mice: int) -> tuple[Array, Array, Array]:
    """Columns of each mouse's own for its rows of x, what turns x's parameters into theirs for each class of mice with
    the same rows, and the class of each mouse."""
    order = np.argsort(mouse, kind="stable")
    place = np.empty(len(mouse), dtype=np.int64)
    place[order] = np.arange(len(mouse)) - np.searchsorted(mouse[order], mouse[order])
    rows = np.zeros((n_mice, int(place.max()) + 1, x.shape[1]))
    rows[mouse, place] = x
    alike = np.round(rows / np.abs(x).max(), ALIKE_DIGITS) + 0.0
    _, first, class_of = np.unique(alike.reshape(n_mice, -1), axis=0, return_index=True, return_inverse=True)
    class_of = class_of.ravel()
    left, size, right = np.linalg.svd(rows[first], full_matrices=False)
    width = int((size > LEAST_SHARE * size.max()).sum(axis=1).max())
    return left[class_of[mouse], place, :width], size[:, :width, None] * right[:, :width], class_of


def fixed_effects_run_away(x: Array, kind: Array) -> bool:
    """Whether some change of the fixed effects alters no reading seen and takes censored ones further beyond their
    limits, none nearer: then no likelihood of these readings has a maximum, whatever the random effects.

    Albert & Anderson 1984, Biometrika 71:1, of which this is the case with readings that are seen. `x` has independent
    columns; the change is sought by linear programming among those that leave the readings seen.
    """
    seen = kind == SEEN
    size = np.linalg.norm(x, axis=0)
    left = x[seen] / size
    values, vectors = np.linalg.eigh(left.T @ left)
    free = vectors[:, values < FREE_SHARE * values[-1]]
    further = (x[~seen] / size) @ free * kind[~seen, None]
    further = np.where(np.abs(further) > LEAST_FURTHER, further, 0.0)
    further = further[further.any(axis=1)]
    if not further.size:
        return False
    bounds = [(None, None)] * free.shape[1]
    both = np.concatenate([-further, further])
    at_most = np.repeat([0.0, 1.0], len(further))
    best = linprog(-further.sum(axis=0), both, at_most, bounds=bounds)
    return bool(best.status == 0 and -best.fun > LEAST_FURTHER)


@dataclass(frozen=True)
class Evaluated:
    """Log-likelihood, its gradient and minus its second derivatives, one of each a replicate."""

    loglik: Array
    score: Array
    information: Array


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def evaluate(units: Units, parameters: Array, nodes: int | None = None) -> Evaluated:
    """The likelihood at `parameters` (replicates x (g, lower triangle of D by rows, t))."""
    count, size = units.n_replicates, units.n_parameters
    loglik, score, information = np.zeros(count), np.zeros((count, size)), np.zeros((count, size, size))
    turn = units.turn
    for mice, nodes_each in _portions(units, nodes):
        values = _of_mice(mice, parameters, nodes_each)
        np.add.at(loglik, mice.replicate, values[0])
        scores, informations = (_by_class(mice, value) for value in values[1:])
        score += (scores[:, :, None] @ turn)[:, :, 0].sum(axis=1)
        information += (turn.transpose(0, 2, 1) @ informations @ turn).sum(axis=1)
    return Evaluated(loglik, score, information)


def _portions(units: Units, nodes: int | None) -> Iterator[tuple[Units, int]]:
    """Mice in portions, and the nodes that each needs."""
    for part, needed in units.parts:
        count = nodes if nodes and part.real.size else needed
        for mice in part.slices(count):
            yield mice, count


def _by_class(units: Units, values: Array) -> Array:
    """Sums over mice: replicates x classes x values."""
    n = len(units.into)
    sums = sum_by(values, units.replicate * n + units.class_of, units.n_replicates * n)
    return sums.reshape(units.n_replicates, n, *values.shape[1:])


@dataclass(frozen=True)
class _Nodes:
    """The mice's quadrature: at each node the effects (1, u), its share of the integral, the derivative of the log
    density by the base vector's factors (1 / t of each reading left out), and by hidden reading a, Phi'(a) / Phi(a) and
    minus its derivative."""

    loglik: Array
    effects: Array
    share: Array
    gradient: Array
    a: Array
    ratio: Array

    @cached_property
    def bend(self) -> Array:
        return _bend(self.ratio, self.a)

    @cached_property
    def products(self) -> Array:
        pairs = self.effects[:, :, :, None] * self.effects[:, :, None, :]
        return pairs.reshape(*self.share.shape, -1)


def _nodes(units: Units, parameters: Array, nodes: int) -> _Nodes:
    """`parameters` are each mouse's own."""
    q, t = units.q, parameters[:, -1]
    factor = _factor(units, parameters)
    mode, root = _modes(units, parameters, factor)
    grid, log_weights = _grid(nodes, q)
    u = mode[:, None, :] + grid @ root.transpose(0, 2, 1)
    base = _base(units, parameters, u @ factor.transpose(0, 2, 1))
    gradient = -base @ units.cross
    squares = -(gradient * base).sum(axis=2)
    log_density = units.n_seen[:, None] * (np.log(t) - 0.5 * np.log(2 * np.pi))[:, None] - 0.5 * squares
    log_density += log_weights - 0.5 * (u**2).sum(axis=2)
    a = base @ units.rows.transpose(0, 2, 1)
    ratio, log_chance = _mills(a, units.real[:, None, :])
    log_density += log_chance.sum(axis=2)
    gradient += ratio @ units.rows
    top = log_density.max(axis=1, keepdims=True)
    share = np.exp(log_density - top)
    total = share.sum(axis=1, keepdims=True)
    share /= total
    loglik = (top + np.log(total))[:, 0] + np.linalg.slogdet(root)[1] - 0.5 * q * np.log(2 * np.pi)
    effects = np.concatenate([np.ones((*u.shape[:2], 1)), u], axis=2)
    return _Nodes(loglik, effects, share, gradient, a, ratio)


def _of_mice(units: Units, parameters: Array, nodes: int) -> tuple[Array, Array, Array]:
    """Log-likelihood, score and information of each mouse in its own parameters."""
    own = units.of_mice(parameters)
    at, t = _nodes(units, own, nodes), own[:, -1]
    place, partner = units.place, units.partner
    scores = at.gradient[:, :, place] * at.effects[:, :, partner]
    scores[:, :, -1] += (units.n_seen / t)[:, None]
    mean = (at.share[:, None, :] @ scores)[:, 0]
    centered = np.sqrt(at.share)[:, :, None] * (scores - mean[:, None, :])
    both = partner[:, None] * at.effects.shape[2] + partner
    moments = (at.share[:, None, :] @ at.products)[:, 0]
    information = units.cross[:, place][:, :, place] * moments[:, both]
    information[:, -1, -1] += units.n_seen / t**2
    information -= centered.transpose(0, 2, 1) @ centered
    if units.rows.shape[1]:
        moments = (at.bend * at.share[:, :, None]).transpose(0, 2, 1) @ at.products
        rows = units.rows[..., place]
        information += (moments[..., both] * rows[..., :, None] * rows[..., None, :]).sum(axis=1)
    return at.loglik, mean, information


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def gradient_of_logdet(units: Units, parameters: Array, inverse: Array, nodes: int) -> Array:
    """d log|I(g)| / d parameters of one replicate, `inverse` being I(g)^-1, the fixed effects' part of the information.

    A mouse adds E[h] with h = -tr(W F) - c'W c to tr(I^-1 I(g)): F and c are second and centered first derivatives of
    the log density at a node, W is I^-1 in the mouse's columns. Its derivative is E[h'] + Cov(h, c).
    """
    total = np.zeros((1, len(units.into), len(units.place)))
    weights = units.into @ inverse @ units.into.transpose(0, 2, 1)
    width = units.width
    for mice, nodes_each in _portions(units, nodes):
        at = _nodes(mice, mice.of_mice(parameters[None, :]), nodes_each)
        weight, rows = weights[mice.class_of], mice.rows[:, :, :width]
        inner = at.gradient[:, :, :width]
        centered = inner - at.share[:, None, :] @ inner
        turned = centered @ weight
        leverage = ((rows @ weight) * rows).sum(axis=2)[:, None, :]
        h = (at.bend * leverage).sum(axis=2) - (centered * turned).sum(axis=2)
        h -= (at.share * h).sum(axis=1, keepdims=True)
        hidden = 2 * at.bend * (turned @ rows.transpose(0, 2, 1)) + _curl(at.ratio, at.a) * leverage
        pull = h[:, :, None] * at.gradient + 2 * turned @ mice.cross[:, :width] + hidden @ mice.rows
        moved = pull[:, :, units.place] * at.effects[:, :, units.partner]
        total += _by_class(mice, (at.share[:, None, :] @ moved)[:, 0])
    return np.asarray((total[0][:, None, :] @ units.turn)[:, 0].sum(axis=0))


def _factor(units: Units, parameters: Array) -> Array:
    factor = np.zeros((len(parameters), units.q, units.q))
    factor[:, units.pairs[0], units.pairs[1]] = parameters[:, units.width : -1]
    return factor


def _base(units: Units, parameters: Array, effects: Array) -> Array:
    """(g of the mouse's columns, D u, t), what a base vector is multiplied with: mice x nodes x entries."""
    shape = (*effects.shape[:2], units.width)
    fixed = np.broadcast_to(parameters[:, None, : units.width], shape)
    return np.concatenate(
        [fixed, effects, np.broadcast_to(parameters[:, None, -1:], (*shape[:2], 1))], axis=2
    )


def _modes(units: Units, parameters: Array, factor: Array) -> tuple[Array, Array]:
    """Where each mouse's integrand is greatest (it is log-concave), and a root of its inverse curvature there."""
    p, q = units.width, units.q
    u = np.zeros((len(parameters), q))
    turned = factor.transpose(0, 2, 1)
    flat = turned @ units.cross[:, p : p + q, p : p + q] @ factor + np.eye(q)
    along = units.rows[:, :, p : p + q] @ factor
    for _ in range(MODE_STEPS):
        base = _base(units, parameters, (factor @ u[:, :, None]).transpose(0, 2, 1))[:, 0]
        a = (units.rows @ base[:, :, None])[:, :, 0]
        ratio, _ = _mills(a, units.real)
        pull = -(units.cross[:, p : p + q] @ base[:, :, None])
        gradient = (turned @ pull)[:, :, 0] + (ratio[:, None, :] @ along)[:, 0] - u
        curvature = flat + (along * _bend(ratio, a)[:, :, None]).transpose(0, 2, 1) @ along
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        u = u + step
        if not units.rows.shape[1] or np.abs(step).max(initial=0.0) < MODE_TOLERANCE:
            break
    return u, np.linalg.inv(np.linalg.cholesky(curvature)).transpose(0, 2, 1)


def modes(units: Units, parameters: Array) -> Array:
    """Each mouse's most likely random effects, in units of their standard deviations (mice x effects)."""
    own = units.of_mice(parameters[None, :])
    return _modes(units, own, _factor(units, own))[0]


def _mills(a: Array, real: Array) -> tuple[Array, Array]:
    """Phi'(a) / Phi(a) and log Phi(a), 0 where there is no row."""
    log_chance = np.where(real, log_ndtr(a), 0.0)
    with np.errstate(over="ignore"):
        ratio = np.where(real, np.exp(-0.5 * a**2 - 0.5 * np.log(2 * np.pi) - log_chance), 0.0)
    return ratio, log_chance


def _bend(ratio: Array, a: Array) -> Array:
    """Minus the second derivative of log Phi: between 0 and 1, and 1 far below 0, where its formula cancels."""
    return np.where(a < FAR_BELOW, np.sign(ratio), np.clip(ratio * (ratio + a), 0.0, 1.0))


def _curl(ratio: Array, a: Array) -> Array:
    """The derivative of `_bend`; 0 where that is constant."""
    bend = _bend(ratio, a)
    return np.where((bend > 0) & (bend < 1), ratio * (1 - bend) - bend * (ratio + a), 0.0)


@cache
def _grid(nodes: int, q: int) -> tuple[Array, Array]:
    """Nodes and log weights with which the sum over exp(log density) is the integral, but for |root|."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(*[points] * q, indexing="ij"), axis=-1).reshape(-1, q)
    log_weights = np.log(weights)[np.indices([nodes] * q).reshape(q, -1)].sum(axis=0)
    return grid, log_weights + 0.5 * (grid**2).sum(axis=1)


def maximize(
    units: Units, start: Array, nodes: int | None = None, tolerance: float = 1e-9, steps: int = 60
) -> tuple[Array, Array, Array]:
    """Maximum likelihood of every replicate side by side: parameters, log-likelihood, whether each converged.

    Newton's method; where the information is not positive, or a step does not climb, the step is damped. A replicate is
    done where its next step would gain less than the tolerance.
    """
    parameters, loglik = start.copy(), np.empty(len(start))
    done, open_ = np.zeros(len(start), dtype=bool), np.arange(len(start))
    left, damping = units, np.full(len(start), 1e-6)
    at = evaluate(left, start, nodes)
    for _ in range(steps):
        step = _damped(at, damping)
        tried = parameters[open_] + step
        tried[:, -1] = np.maximum(tried[:, -1], parameters[open_, -1] / 2)
        there = evaluate(left, tried, nodes)
        better = there.loglik >= at.loglik - 1e-10
        finished = better & ((at.score * step).sum(axis=1) < 2 * tolerance)
        damping = np.where(better, np.maximum(damping / 10, 1e-9), damping * 10)
        parameters[open_[better]] = tried[better]
        at = Evaluated(np.where(better, there.loglik, at.loglik), np.where(better[:, None], there.score, at.score),
                       np.where(better[:, None, None], there.information, at.information))  # fmt: skip
        loglik[open_], done[open_[finished]] = at.loglik, True
        if finished.all():
            break
        if finished.any():
            going = np.flatnonzero(~finished)
            open_, left, damping = open_[going], left.of(going), damping[going]
            at = Evaluated(at.loglik[going], at.score[going], at.information[going])
    return parameters, loglik, done


def _damped(at: Evaluated, damping: Array) -> Array:
    scale = np.sqrt(np.abs(np.diagonal(at.information, axis1=1, axis2=2)) + 1e-12)
    scaled = at.information / (scale[:, :, None] * scale[:, None, :])
    values, vectors = np.linalg.eigh(scaled)
    values = np.maximum(np.abs(values), 1e-6) + damping[:, None]
    along = (vectors.transpose(0, 2, 1) @ (at.score / scale)[:, :, None])[:, :, 0]
    return (vectors @ (along / values)[:, :, None])[:, :, 0] / scale


@dataclass(frozen=True)
class Restricted:
    """The maximum of the restricted likelihood: parameters, its value, covariance of b, and the last gradient."""

    parameters: Array
    loglik: float
    covariance: Array
    gradient: float


def maximize_restricted(units: Units, start: Array) -> Restricted:
    """The variance parameters that maximize the likelihood with b integrated out (Laplace), and b at them.

    Without a censored reading this is REML, exactly. Newton's steps on the information of the profile, what b's
    integral adds to it learned on the way (a structured secant); first on few nodes, then on all.
    """
    search = _Search(units, start[: units.p].copy(), np.zeros((len(start) - units.p,) * 2))
    point = search.climb(start[units.p :], COARSE_NODES, FAR_FROM_TOP)
    point = search.climb(point.parameters[units.p :], NODES, AT_TOP)
    covariance = np.linalg.inv(point.fixed) / float(point.parameters[-1]) ** 2
    return Restricted(point.parameters, point.value, covariance, float(np.sqrt(max(search.gain, 0.0))))


@dataclass(frozen=True)
class _Point:
    """The restricted log-likelihood at its best g for given variance parameters, and its gradient in these."""

    parameters: Array
    value: float
    gradient: Array
    fixed: Array
    follow: Array
    information: Array


@dataclass
class _Search:
    """`learned` is what the information of the profile lacks of the restricted likelihood's; `gain` what the last step
    promised, twice the climb left."""

    units: Units
    fixed: Array
    learned: Array
    gain: float = np.inf

    def climb(self, variances: Array, nodes: int, enough: float) -> _Point:
        here = self.at(variances, nodes)
        for _ in range(MOST_CLIMBS):
            step = _upward(here.information + self.learned, here.gradient)
            self.gain = float(here.gradient @ step)
            if not self.gain > enough:
                break
            there = self._along(here, step, nodes)
            if there is None:
                break
            self._learn(here, there)
            here = there
        return here

    def _along(self, here: _Point, step: Array, nodes: int) -> _Point | None:
        """The point a step away, the step halved until it climbs."""
        p, length = self.units.p, 1.0
        start = here.parameters[p:]
        while length > LEAST_STEP:
            self.fixed = here.parameters[:p] - here.follow @ (length * step)
            moved = start + length * step
            if moved[-1] > 0:
                there = self.at(moved, nodes)
                if there.value >= here.value + 1e-4 * length * self.gain or self.gain < 1e-8:
                    return there
            length /= 2 if length > 0.1 else 10
        return None

    def _learn(self, here: _Point, there: _Point) -> None:
        moved = there.parameters[self.units.p :] - here.parameters[self.units.p :]
        missing = here.gradient - there.gradient - (there.information + self.learned) @ moved
        along = float(missing @ moved)
        if abs(along) > 1e-6 * np.linalg.norm(missing) * np.linalg.norm(moved):
            self.learned = self.learned + np.outer(missing, missing) / along

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def at(self, variances: Array, nodes: int) -> _Point:
        p, t = self.units.p, float(variances[-1])
        g, step, highest = self.fixed, np.zeros(p), -np.inf
        for _ in range(MOST_CLIMBS):
            parameters = np.concatenate([g + step, variances])
            here = evaluate(self.units, parameters[None, :], nodes)
            if here.loglik[0] < highest - FALLEN:
                step = step / 2
                continue
            g, highest = g + step, float(here.loglik[0])
            information, score = here.information[0], here.score[0]
            step = np.linalg.solve(information[:p, :p], score[:p])
            ahead = float(score[:p] @ step)
            if not ahead > NEAR_PROFILE:
                break
        self.fixed = g + step
        follow = np.linalg.solve(information[:p, :p], information[:p, p:])
        schur = information[p:, p:] - information[p:, :p] @ follow
        logdet = gradient_of_logdet(self.units, parameters, np.linalg.inv(information[:p, :p]), nodes)
        value = (
            float(here.loglik[0])
            + ahead / 2
            - 0.5 * (np.linalg.slogdet(information[:p, :p])[1] + logdet[:p] @ step)
            - p * np.log(t)
        )
        gradient = score[p:] - information[p:, :p] @ step - 0.5 * (logdet[p:] - logdet[:p] @ follow)
        gradient[-1] -= p / t
        schur[-1, -1] -= p / t**2
        value += 0.5 * p * np.log(2 * np.pi) if ahead < NEAR_ENOUGH else -np.inf
        return _Point(
            np.concatenate([self.fixed, variances]),
            float(value),
            gradient,
            information[:p, :p],
            follow,
            schur,
        )


def _upward(information: Array, gradient: Array) -> Array:
    """The Newton step, along directions of no or negative curvature as if it were positive."""
    if not (np.isfinite(information).all() and np.isfinite(gradient).all()):
        return np.full(len(gradient), np.nan)
    scale = np.sqrt(np.abs(np.diag(information)) + 1e-12)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    return (vectors @ ((vectors.T @ (gradient / scale)) / np.maximum(np.abs(values), 1e-3))) / scale
