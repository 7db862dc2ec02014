"""How alike the arms are before the first dose. No p values: balance is no hypothesis.

Graded as the field does: |SMD| up to 0.10 is green (cobalt), up to 0.25 amber; the range of arm means of volume
up to 5 % of the grand mean green, 10 % amber; the variance ratio up to 2 green, 4 amber.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from studies.randomization.roster import COVARIATES, Candidate
from studies.randomization.units import covariate

GREEN, AMBER, RED = "green", "amber", "red"
SMD_LIMITS, RANGE_PERCENT_LIMITS, VARIANCE_RATIO_LIMITS = (0.10, 0.25), (5.0, 10.0), (2.0, 4.0)


@dataclass(frozen=True)
class ArmSummary:
    """One covariate in one arm, in its own unit (volumes in mm³, weights in g, growth per day)."""

    arm: str
    n: int
    mean: float
    sd: float | None
    values: tuple[float, ...]


@dataclass(frozen=True)
class PairDifference:
    """Standardized mean difference of two arms: difference of means over the pooled within-arm SD."""

    first: str
    second: str
    smd: float


@dataclass(frozen=True)
class CovariateBalance:
    """One covariate over all arms. `worst` is the pair furthest apart; None where no SD can be had.

    Volumes are compared as logarithms; `range_percent` is that of the plain means.
    """

    name: str
    arms: tuple[ArmSummary, ...]
    pairs: tuple[PairDifference, ...]
    variance_ratio: float | None
    range_percent: float | None

    @property
    def worst(self) -> PairDifference | None:
        return max(self.pairs, key=lambda pair: abs(pair.smd), default=None)

    @property
    def largest_smd(self) -> float | None:
        return abs(self.worst.smd) if self.worst else None

    @property
    def grade(self) -> str:
        return worst_grade(
            graded(self.largest_smd, SMD_LIMITS),
            graded(self.variance_ratio, VARIANCE_RATIO_LIMITS),
            graded(self.range_percent, RANGE_PERCENT_LIMITS) if self.name == "log_volume" else GREEN,
        )


@dataclass(frozen=True)
class Balance:
    """The balance of an allocation. `counts` are mice, `cages` cages by arm, `factors` mice by level and arm."""

    covariates: tuple[CovariateBalance, ...]
    counts: Mapping[str, int]
    cages: Mapping[str, int]
    factors: Mapping[str, Mapping[str, Mapping[str, int]]]
    left_out: tuple[str, ...]

    @property
    def grade(self) -> str:
        return worst_grade(*(covariate.grade for covariate in self.covariates))

    @property
    def largest_smd(self) -> float | None:
        return max((one.largest_smd for one in self.covariates if one.largest_smd is not None), default=None)


def balance(
    mice: Sequence[Candidate], arms: Sequence[str], order: Sequence[str], factors: Sequence[str] = ()
) -> Balance:
    """The balance of mice over `arms` (one a mouse), arms listed in `order`."""
    present = [arm for arm in order if arm in set(arms)]
    place = np.array([present.index(arm) for arm in arms])
    found, left_out = [], []
    for name in COVARIATES:
        values = covariate(name, mice)
        if np.isnan(values).any():
            if not np.isnan(values).all():
                left_out.append(f"{name.replace('_', ' ')} is not known of every mouse")
            continue
        found.append(_of_covariate(name, values, place, present))
    return Balance(
        covariates=tuple(found),
        counts=_counts(arms, present),
        cages={
            arm: len({mouse.cage for mouse, own in zip(mice, arms, strict=True) if own == arm and mouse.cage})
            for arm in present
        },
        factors={factor: _by_level(factor, mice, arms, present) for factor in factors},
        left_out=tuple(left_out),
    )


def _counts(arms: Sequence[str], present: Sequence[str]) -> dict[str, int]:
    counted = Counter(arms)
    return {arm: counted[arm] for arm in present}


def _by_level(
    factor: str, mice: Sequence[Candidate], arms: Sequence[str], present: Sequence[str]
) -> dict[str, dict[str, int]]:
    levels = sorted({getattr(mouse, factor) for mouse in mice})
    return {
        level: _counts(
            [arm for mouse, arm in zip(mice, arms, strict=True) if getattr(mouse, factor) == level], present
        )
        for level in levels
    }


def _of_covariate(
    name: str, values: NDArray[np.float64], place: NDArray[np.int64], arms: Sequence[str]
) -> CovariateBalance:
    own = [values[place == number] for number in range(len(arms))]
    shown = [np.exp(one) if name == "log_volume" else one for one in own]
    means = [float(one.mean()) for one in own]
    variances = [float(one.var(ddof=1)) for one in own if len(one) > 1]
    freedom = len(values) - len(arms)
    within = sum(float(((one - one.mean()) ** 2).sum()) for one in own)
    deviation = (within / freedom) ** 0.5 if freedom > 0 else 0.0
    plain = [float(one.mean()) for one in shown]
    grand = float(np.concatenate(shown).mean())
    return CovariateBalance(
        name=name,
        arms=tuple(
            ArmSummary(
                arm,
                len(one),
                float(one.mean()),
                float(one.std(ddof=1)) if len(one) > 1 else None,
                tuple(float(value) for value in one),
            )
            for arm, one in zip(arms, shown, strict=True)
        ),
        pairs=tuple(
            PairDifference(arms[a], arms[b], (means[a] - means[b]) / deviation)
            for a, b in combinations(range(len(arms)), 2)
        )
        if deviation > 0
        else (),
        variance_ratio=max(variances) / min(variances)
        if len(variances) == len(arms) and min(variances) > 0
        else None,
        range_percent=100 * (max(plain) - min(plain)) / grand if grand > 0 else None,
    )


def graded(value: float | None, limits: tuple[float, float]) -> str:
    """green, amber or red; nothing measured is nothing wrong, and is said elsewhere."""
    if value is None or value <= limits[0]:
        return GREEN
    return AMBER if value <= limits[1] else RED


def worst_grade(*grades: str) -> str:
    return max(grades, key=(GREEN, AMBER, RED).index, default=GREEN)
