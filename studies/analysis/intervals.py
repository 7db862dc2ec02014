"""Intervals that several statistics share: Fieller's (ratio of means), Welch's (difference), Wilson's and the
exact one (share)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri, stdtr, stdtrit

FEWEST_TO_DRAW = 4


@dataclass(frozen=True)
class Sample:
    """Mean, standard deviation and number of independent values, one a mouse."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: np.ndarray) -> "Sample":
        values = values[~np.isnan(values)]
        mean = float(values.mean()) if len(values) else float("nan")
        return cls(mean, float(values.std(ddof=1)) if len(values) > 1 else float("nan"), len(values))

    @property
    def variance_of_mean(self) -> float:
        return self.sd**2 / self.n if self.n else float("nan")


def fieller(numerator: Sample, denominator: Sample, confidence: float = 0.95) -> tuple[float, float] | None:
    """The interval of the ratio of two independent means, or None where the data do not bound it.

    The ratios theta with (a - theta b)^2 <= t^2 (var a + theta^2 var b), t at n_a + n_b - 2 degrees of
    freedom (Fieller 1954, J R Stat Soc B 16:175). They form an interval only where b differs from 0 at
    that level.
    """
    df = numerator.n + denominator.n - 2
    if numerator.n < 2 or denominator.n < 2:
        return None
    t2 = float(stdtrit(df, 0.5 + confidence / 2)) ** 2
    a = denominator.mean**2 - t2 * denominator.variance_of_mean
    if not a > 0:
        return None
    b = numerator.mean * denominator.mean
    c = numerator.mean**2 - t2 * numerator.variance_of_mean
    half = max(b * b - a * c, 0.0) ** 0.5
    return (b - half) / a, (b + half) / a


def ratio_by_bootstrap(
    numerator: np.ndarray, denominator: np.ndarray, confidence: float, seed: int, draws: int = 1999
) -> tuple[float, float] | None:
    """The bootstrap-t interval of a ratio of two independent means (Wu & Houghton 2010, Pharm Stat 9:46).

    Values are drawn again within each sample; the ratio's distance from the one observed, in its standard error by the
    delta method, gives the quantiles. None below 4 values a sample or where the denominator's mean is not above 0.
    Draws whose denominator is not, or without spread, are left out.
    """
    samples = [values[~np.isnan(values)] for values in (numerator, denominator)]
    if min(map(len, samples)) < FEWEST_TO_DRAW or not samples[1].mean() > 0:
        return None
    random = np.random.default_rng(seed)
    drawn = [values[random.integers(0, len(values), (draws, len(values)))] for values in samples]
    ratio, se = _ratio_and_se(*(values[None, :] for values in samples))
    ratios, errors = _ratio_and_se(*drawn)
    sound = (drawn[1].mean(axis=1) > 0) & (errors > 0)
    if not se[0] > 0 or sound.sum() < draws / 2:
        return None
    distance = (ratios[sound] - ratio[0]) / errors[sound]
    low, high = np.quantile(distance, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(ratio[0] - high * se[0]), float(ratio[0] - low * se[0])


def _ratio_and_se(numerator: np.ndarray, denominator: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ratios of row means, and their standard errors by the delta method."""
    (a, b), (va, vb) = (
        [part.mean(axis=1) for part in (numerator, denominator)],
        [part.var(axis=1, ddof=1) / part.shape[1] for part in (numerator, denominator)],
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = a / b
        return ratio, np.sqrt(va + ratio**2 * vb) / np.abs(b)


def welch(one: np.ndarray, other: np.ndarray, confidence: float = 0.95) -> dict[str, float] | None:
    """The difference of two means with unequal variances: estimate, se, df, p_value, ci_low, ci_high.

    None below two values a group, or where all of them are alike (Welch 1947, Biometrika 34:28).
    """
    if min(len(one), len(other)) < 2:
        return None
    a, b = one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)
    if not a + b > 0:
        return None
    estimate, se = float(one.mean() - other.mean()), float((a + b) ** 0.5)
    df = float((a + b) ** 2 / (a**2 / (len(one) - 1) + b**2 / (len(other) - 1)))
    p_value, half = float(2 * stdtr(df, -abs(estimate / se))), float(stdtrit(df, 0.5 + confidence / 2)) * se
    return {"estimate": estimate, "se": se, "df": df, "p_value": p_value,
            "ci_low": estimate - half, "ci_high": estimate + half}  # fmt: skip


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Wilson's score interval of a share, in percent (Wilson 1927, J Am Stat Assoc 22:209); None without
    trials.
    """
    if n == 0:
        return None, None
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    low, high = max(0.0, center - half), min(1.0, center + half)
    return (0.0 if successes == 0 else 100 * low), (100.0 if successes == n else 100 * high)


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """The exact interval of a share, in percent (Clopper & Pearson 1934, Biometrika 26:404); None without trials."""
    if n == 0:
        return None, None
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return 100 * low, 100 * high
