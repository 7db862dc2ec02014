"""Two-sided p values adjusted by the multivariate t distribution (Dunnett 1955 and its generalization).

p_j = P(max_i |T_i| > |t_j|), T multivariate t with the contrasts' correlation. Write T = L W / S with W
standard normal of dimension m = rank of the correlation. Two exact routes, both without random numbers and
both accurate for small p in the relative sense:

- one common factor, corr_ij = a_i a_j (comparisons with one control): two nested one-dimensional integrals;
- otherwise by direction: for a unit vector w let h(w) = max_i |L_i w|; then p = E_w[P(F > (t / h(w))^2 / m)]
  with F on (m, df) degrees of freedom, over the circle (m = 2), the sphere (m = 3) or a lattice (m > 3).

A small p with m > 3 comes from few directions. There p = sum_i P(|T_i| > |t|) E[1 / N given |T_i| > |t|], N being how
many of the |T| exceed |t|: an average between 1 / number and 1, so that its relative error does not grow as p falls.
"""

import numpy as np
from scipy import special

Array = np.ndarray
Reach = tuple[Array, Array, int]
LATTICE_POINTS = 1 << 17
UNION_POINTS = 1 << 13
SMALL = 1e-2


def adjusted_p(statistics: Array, dfs: Array, correlation: Array) -> Array:
    """Single-step adjusted p of each statistic at its own degrees of freedom (infinite allowed); NaN stays
    NaN."""
    statistics, dfs = np.abs(np.asarray(statistics, dtype=float)), np.asarray(dfs, dtype=float)
    single = 2 * special.stdtr(dfs, -statistics)
    distinct = _distinct(np.asarray(correlation, dtype=float))
    if len(distinct) == 1:
        return single
    reduced = correlation[np.ix_(distinct, distinct)]
    loadings = one_factor(reduced)
    reach = _reach(reduced) if loadings is None else None
    results = np.full(statistics.size, np.nan)
    for index, (statistic, df) in enumerate(zip(statistics, dfs, strict=True)):
        if np.isfinite(statistic) and df > 0:
            if loadings is not None:
                p = _by_factor(statistic, df, loadings)
            else:
                p = _by_direction(statistic, df, reduced, reach)
                if p < SMALL and reach is not None and reach[2] > 3:
                    p = _by_union(statistic, df, reduced)
            results[index] = np.clip(p, single[index], min(1.0, len(distinct) * single[index]))
    return results


def _distinct(correlation: Array) -> list[int]:
    """Contrasts that are not copies (or mirror images) of earlier ones."""
    kept: list[int] = []
    for index in range(len(correlation)):
        if not any(abs(correlation[index, other]) > 1 - 1e-12 for other in kept):
            kept.append(index)
    return kept


def one_factor(correlation: Array) -> Array | None:
    """a with corr_ij = a_i a_j off the diagonal and |a| <= 1, if there is one."""
    size = len(correlation)
    if size == 2:
        root = np.sqrt(abs(correlation[0, 1]))
        return np.array([root, np.copysign(root, correlation[0, 1])])
    logs = np.abs(correlation)
    if (logs[~np.eye(size, dtype=bool)] < 1e-14).all():
        return np.zeros(size)
    loadings = np.zeros(size)
    for i in range(size):
        best = 0.0
        for j in range(size):
            for k in range(j + 1, size):
                if i not in (j, k) and abs(correlation[j, k]) > best:
                    best = abs(correlation[j, k])
                    loadings[i] = np.sqrt(abs(correlation[i, j] * correlation[i, k] / correlation[j, k]))
    anchor = int(np.argmax(loadings))
    signs = np.sign(correlation[anchor])
    signs[signs == 0] = 1.0
    loadings = loadings * signs
    product = np.outer(loadings, loadings)
    np.fill_diagonal(product, 1.0)
    fits = np.abs(product - correlation).max() < 1e-9 and np.abs(loadings).max() <= 1 - 1e-6
    return loadings if fits else None


def _by_factor(statistic: float, df: float, loadings: Array) -> float:
    """1 - integral over the common factor u and the scale s of prod_i P(|a_i u + sqrt(1 - a_i^2) e| <= t
    s)."""
    spread = np.sqrt(1 - loadings**2)
    n_factor = int(np.clip(40 / spread.min() ** 1.2, 200, 20000))
    share = np.sqrt(df / (statistic**2 + df)) if np.isfinite(df) else 1.0
    usual = statistic * share  # where a small p comes from
    furthest = 9.0 + min(np.abs(loadings).max() * (usual + 9.0) if usual > 3 else 0.0, 30.0)
    u = np.linspace(-furthest, furthest, int(n_factor * furthest / 9.0) + 1)
    weight = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi) * (u[1] - u[0])
    scales, masses = _scale_nodes(df, 2 * float(special.stdtr(df, -statistic)))
    exceed = np.empty(scales.size)
    for index, scale in enumerate(scales):
        bound = statistic * scale
        log_inside = np.zeros(u.size)
        for a, sd in zip(loadings, spread, strict=True):
            outside = special.ndtr((-bound - a * u) / sd) + special.ndtr((-bound + a * u) / sd)
            with np.errstate(divide="ignore"):
                log_inside += np.log1p(-np.minimum(outside, 1.0))
        exceed[index] = weight @ -np.expm1(log_inside)
    return float(masses @ exceed)


def _scale_nodes(df: float, single: float) -> tuple[Array, Array]:
    """Nodes and masses for S = sqrt(chi2_df / df), evenly spaced in log S, where the trapezoid rule is
    spectral.

    A small p comes from small S, so the lower end leaves out no more than 1e-16 of the single contrast's p.
    """
    if not np.isfinite(df) or df > 1e7:
        return np.array([1.0]), np.array([1.0])
    left_out = max(1e-16 * single, 1e-290)
    low = special.gammaincinv(df / 2, left_out)
    if df <= 2 or low <= 0:  # the leading term of the incomplete gamma function near 0
        low = np.exp((np.log(left_out) + special.gammaln(df / 2 + 1)) * 2 / df)
    high = special.gammainccinv(df / 2, 1e-17)
    start, end = 0.5 * np.log(max(low, 1e-300) * 2 / df), 0.5 * np.log(high * 2 / df)
    deviation = 1 / np.sqrt(2 * df)  # of log S; four nodes to each keep the trapezoid rule exact
    x = np.linspace(start, end, max(121, int(4 * (end - start) / deviation)))
    log_density = (
        df / 2 * (2 * x + np.log(df / 2)) - df / 2 * np.exp(2 * x) - special.gammaln(df / 2) + np.log(2)
    )
    masses = np.exp(log_density) * (x[1] - x[0])
    return np.exp(x), masses / masses.sum()


def _reach(correlation: Array) -> Reach:
    """h(w) of every direction w, the directions' weights, and the rank: the same for every statistic."""
    values, vectors = np.linalg.eigh(correlation)
    large = values > 1e-10 * values[-1]
    factor = vectors[:, large] * np.sqrt(values[large])
    rank = factor.shape[1]
    directions, weights = _directions(rank)
    reach = np.zeros(len(directions))
    for row in factor:
        np.maximum(reach, np.abs(directions @ row), out=reach)
    return reach, weights, rank


def _by_direction(statistic: float, df: float, correlation: Array, known: Reach | None = None) -> float:
    reach, weights, rank = _reach(correlation) if known is None else known
    radius = (statistic / reach) ** 2
    if not np.isfinite(df):
        return float(weights @ special.gammaincc(rank / 2, radius / 2))
    return float(weights @ special.betainc(df / 2, rank / 2, df / (df + radius)))


def _directions(rank: int) -> tuple[Array, Array]:
    """Unit vectors of half a sphere (h is even) and their weights."""
    if rank == 1:
        return np.ones((1, 1)), np.ones(1)
    if rank == 2:
        angle = (np.arange(16384) + 0.5) * np.pi / 16384
        return np.column_stack([np.cos(angle), np.sin(angle)]), np.full(angle.size, 1 / angle.size)
    if rank == 3:
        nodes, node_weights = np.polynomial.legendre.leggauss(300)
        angle = (np.arange(600) + 0.5) * np.pi / 600
        z, a = np.repeat(nodes, angle.size), np.tile(angle, nodes.size)
        ring = np.sqrt(1 - z**2)
        return np.column_stack([ring * np.cos(a), ring * np.sin(a), z]), np.repeat(node_weights, 600) / 1200
    return _lattice_directions(rank)


def _lattice_directions(rank: int) -> tuple[Array, Array]:
    """A Kronecker lattice with square roots of primes, folded, through the normal quantile to directions."""
    points = _lattice(rank, LATTICE_POINTS)
    normals = special.ndtri(points)
    lengths = np.linalg.norm(normals, axis=1)
    return normals / lengths[:, None], np.full(LATTICE_POINTS, 1 / LATTICE_POINTS)


def _lattice(dimensions: int, count: int) -> Array:
    """Evenly spread points of the open unit cube: multiples of square roots of primes, folded."""
    primes = [n for n in range(2, 12 * dimensions + 20) if all(n % k for k in range(2, int(n**0.5) + 1))]
    points = (np.arange(1, count + 1)[:, None] * np.sqrt(primes[:dimensions])) % 1.0
    return np.clip(np.abs(2 * points - 1), 1e-12, 1 - 1e-12)


def _by_union(statistic: float, df: float, correlation: Array) -> float:
    """Given T_i = x, the others are multivariate t on df + 1: mean rho x, scale sqrt((df + x^2) / (df + 1))."""
    size = len(correlation)
    points = _lattice(size + 2, UNION_POINTS)
    normals = special.ndtri(points[:, 2:])
    single = float(special.stdtr(df, -statistic))
    if np.isfinite(df):
        beta = special.betaincinv(df / 2, 0.5, 2 * single * points[:, 0])
        exceeding = np.sqrt(df * (1 - beta) / beta)
        spread = np.sqrt((df + exceeding**2) / (2 * special.gammaincinv((df + 1) / 2, points[:, 1])))
    else:
        exceeding, spread = -special.ndtri(single * points[:, 0]), np.ones(len(points))
    total = 0.0
    for row in correlation:
        values, vectors = np.linalg.eigh(correlation - np.outer(row, row))
        factor = vectors * np.sqrt(np.clip(values, 0.0, None))
        others = exceeding[:, None] * row + spread[:, None] * (normals @ factor.T)
        count = (np.abs(others) > statistic * (1 - 1e-9)).sum(axis=1)
        total += 2 * single * float((1 / np.maximum(count, 1)).mean())
    return total
