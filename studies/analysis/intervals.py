"""Intervals that several statistics share: Fieller's for a ratio of means, Wilson's and the exact one
for a share."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit


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
