"""How well readings of the same tumors, taken again, agree: CV and ICC(1,1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True)
class Agreement:
    """Over `n_mice` tumors read at least twice. `cv_percent` is the root mean square of each tumor's own.

    `icc` is ICC(1,1) of Shrout & Fleiss 1979 (one-way random effects), None below two tumors or where
    all readings are equal.
    """

    n_mice: int
    cv_percent: float | None
    icc: float | None


def cv_percent(values: Sequence[float]) -> float | None:
    """Standard deviation (n - 1) over mean, in percent; None below two readings or at a mean of 0."""
    n = len(values)
    if n < 2 or sum(values) == 0:
        return None
    mean = sum(values) / n
    return 100 * sqrt(sum((value - mean) ** 2 for value in values) / (n - 1)) / mean


def agreement(tumors: Sequence[Sequence[float]]) -> Agreement:
    """Agreement over tumors, each a sequence of its readings in mm3; those read once are left out."""
    read_again = [values for values in tumors if len(values) > 1]
    cvs = [cv for cv in map(cv_percent, read_again) if cv is not None]
    cv = sqrt(sum(one**2 for one in cvs) / len(cvs)) if cvs else None
    return Agreement(len(read_again), cv, _icc(read_again))


def _icc(tumors: Sequence[Sequence[float]]) -> float | None:
    n, total = len(tumors), sum(map(len, tumors))
    if n < 2:
        return None
    grand = sum(map(sum, tumors)) / total
    means = [sum(values) / len(values) for values in tumors]
    between = sum(len(v) * (m - grand) ** 2 for v, m in zip(tumors, means, strict=True)) / (n - 1)
    within = sum((x - m) ** 2 for v, m in zip(tumors, means, strict=True) for x in v) / (total - n)
    # Of unequal numbers of readings, the usual average number.
    k = (total - sum(len(values) ** 2 for values in tumors) / total) / (n - 1)
    spread = between + (k - 1) * within
    return None if spread == 0 else (between - within) / spread
