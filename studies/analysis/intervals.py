"""Intervals that several statistics share: Fieller's (ratio of means), Welch's (difference), Wilson's and the
exact one (share)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, ndtri, stdtr, stdtrit


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
