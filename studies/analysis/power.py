"""How many mice, or how many PDX models, a study needs: by formula, in both directions.

Slopes are per day on ln V. A mouse's slope, read on days t_j, varies with v = sb^2 + s^2 / SS, SS the sum of
(t_j - mean t)^2, sb the spread of mice's own slopes and s that of a reading. Three questions:

`ArmContrast`   an arm's slope less the vehicle's        variance v/n + v/n0     df mice - arms
`BlissExcess`   k_AB - k_A - k_B + k_V                    variance 4v/n           df mice - arms
`Interaction`   effect in loss less effect in wild type   variance 2(tau^2 + 2v/m)/P   df 2P - 2

with n mice an arm (n0 of the vehicle), m mice an arm within a PDX model, P models a status, and tau the spread
of an arm's effect over PDX models. The tests are two-sided t tests, so power is that of the noncentral t; the
mixed models of the analysis give these very tests where every mouse is read on every day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, log, sqrt
from typing import Any, Literal, Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtr, stdtrit

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.multivariate_t import adjusted_p

DAYS = (0.0, 3.0, 7.0, 10.0, 14.0, 17.0, 21.0)
MOST = 10_000
Correction = Literal["dunnett", "bonferroni", "none"]


@dataclass(frozen=True)
class Variability:
    """How much there is to see through, on ln V.

    `mouse_slope_sd` (sb): mice of one arm and PDX model in their slope, per day; `residual_sd` (s): one
    reading; `effect_sd` (tau): PDX models in an arm's effect on the slope, per day.
    """

    mouse_slope_sd: float = 0.02
    residual_sd: float = 0.15
    effect_sd: float = 0.025

    def slope_variance(self, days: Sequence[float]) -> float:
        """Variance of one mouse's fitted slope when it is read on these days."""
        read = np.asarray(days, dtype=float)
        spread = float(((read - read.mean()) ** 2).sum()) if len(read) else 0.0
        if not spread > 0:
            raise AnalysisError("a slope needs readings on at least two days")
        return self.mouse_slope_sd**2 + self.residual_sd**2 / spread


class Question(Protocol):
    """What a study asks of `n` units (mice an arm, or PDX models a status)."""

    unit: str

    def se(self, n: float) -> float: ...

    def df(self, n: float) -> float: ...

    def critical(self, n: float, alpha: float) -> float: ...

    def mice(self, n: int) -> int: ...

    def followed(self, n: float, dropout: float) -> "tuple[Question, float]": ...

    def randomized(self, n: int, dropout: float) -> "tuple[Question, int]": ...


@dataclass(frozen=True)
class _PerArm:
    days: Sequence[float] = DAYS
    variability: Variability = field(default_factory=Variability)

    unit = "mice per arm"

    def followed(self, n: float, dropout: float) -> tuple[Any, float]:
        """The question as asked of the mice that are still there to be analyzed."""
        return self, n * (1 - dropout)

    def randomized(self, n: int, dropout: float) -> tuple[Any, int]:
        """The question as planned, with as many mice as leave `n` to be analyzed."""
        return self, _inflated(n, dropout)


@dataclass(frozen=True)
class ArmContrast(_PerArm):
    """An arm's slope against its vehicle's.

    `treated_arms` are compared with the one vehicle, which holds `vehicle_ratio` times the mice of an arm;
    `correction` for their number: Dunnett's exact critical value (as the analysis does), Bonferroni's, or none.
    """

    treated_arms: int = 1
    correction: Correction = "dunnett"
    vehicle_ratio: float = 1.0

    def se(self, n: float) -> float:
        return sqrt(self.variability.slope_variance(self.days) / n * (1 + 1 / self.vehicle_ratio))

    def df(self, n: float) -> float:
        return n * (self.treated_arms + self.vehicle_ratio) - self.treated_arms - 1

    def critical(self, n: float, alpha: float) -> float:
        if self.correction == "dunnett" and self.treated_arms > 1:
            return dunnett_critical(self.treated_arms, self.df(n), alpha, 1 / (1 + self.vehicle_ratio))
        shared = self.treated_arms if self.correction == "bonferroni" else 1
        return float(stdtrit(self.df(n), 1 - alpha / 2 / shared))

    def mice(self, n: int) -> int:
        return n * self.treated_arms + ceil(n * self.vehicle_ratio - 1e-9)


@dataclass(frozen=True)
class BlissExcess(_PerArm):
    """The excess of a combination over the sum of its parts' effects; `parts` single agents and one vehicle."""

    parts: int = 2

    def se(self, n: float) -> float:
        weights = 1 + self.parts + (self.parts - 1) ** 2
        return sqrt(weights * self.variability.slope_variance(self.days) / n)

    def df(self, n: float) -> float:
        return (self.parts + 2) * (n - 1)

    def critical(self, n: float, alpha: float) -> float:
        return float(stdtrit(self.df(n), 1 - alpha / 2))

    def mice(self, n: int) -> int:
        return (self.parts + 2) * n


@dataclass(frozen=True)
class Interaction:
    """An arm's effect in loss-of-function PDX models less its effect in wild-type ones, the PDX model the unit."""

    mice_per_arm: float = 3
    days: Sequence[float] = DAYS
    variability: Variability = field(default_factory=Variability)

    unit = "PDX models per status"

    def se(self, n: float) -> float:
        own = 2 * self.variability.slope_variance(self.days) / self.mice_per_arm
        return sqrt(2 * (self.variability.effect_sd**2 + own) / n)

    def df(self, n: float) -> float:
        return 2 * n - 2

    def critical(self, n: float, alpha: float) -> float:
        return float(stdtrit(self.df(n), 1 - alpha / 2))

    def mice(self, n: int) -> int:
        return 4 * n * ceil(self.mice_per_arm)

    def followed(self, n: float, dropout: float) -> tuple["Interaction", float]:
        """Mice are lost, PDX models are not."""
        return Interaction(self.mice_per_arm * (1 - dropout), self.days, self.variability), n

    def randomized(self, n: int, dropout: float) -> tuple["Interaction", int]:
        return Interaction(_inflated(ceil(self.mice_per_arm), dropout), self.days, self.variability), n


@dataclass(frozen=True)
class SampleSize:
    """The smallest number of units that gives the power asked for.

    `n_analyzed` units must be there to be analyzed; `n` are to be randomized, the mice inflated by 1 / (1 - dropout)
    and rounded up, which makes `mice` of them in all. `power` is that of `n_analyzed`.
    """

    unit: str
    n_analyzed: int
    n: int
    mice: int
    power: float
    effect_per_day: float
    alpha: float
    critical: float
    df: float


def power_of(
    question: Question, effect_per_day: float, n: float, alpha: float = 0.05, dropout: float = 0.0
) -> float:
    """The probability that the test of an effect of this size (either sign) is significant with `n` units."""
    _check(alpha=alpha, dropout=dropout)
    asked, followed = question.followed(n, dropout)
    df = asked.df(followed)
    if not df > 0:
        return 0.0
    shift, critical = abs(effect_per_day) / asked.se(followed), asked.critical(followed, alpha)
    return float(np.clip(1 - nctdtr(df, shift, critical) + nctdtr(df, shift, -critical), 0.0, 1.0))


def units_needed(
    question: Question, effect_per_day: float, power: float = 0.8, alpha: float = 0.05, dropout: float = 0.0
) -> SampleSize:
    """The fewest units that give this power; refused where 10,000 do not."""
    _check(alpha=alpha, dropout=dropout, power=power)
    if not abs(effect_per_day) > 0:
        raise AnalysisError("no number of mice shows an effect of 0: state the smallest effect that matters")

    def enough(n: int) -> bool:
        return power_of(question, effect_per_day, n, alpha) >= power

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
        if low > MOST:
            raise AnalysisError(
                f"an effect of {effect_per_day:g} per day needs more than {MOST} {question.unit} "
                f"for a power of {power:g}: the effect is too small or the readings too few"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    planned, n = question.randomized(high, dropout)
    return SampleSize(
        question.unit, high, n, planned.mice(n), power_of(question, effect_per_day, high, alpha),
        effect_per_day, alpha, question.critical(high, alpha), question.df(high),
    )  # fmt: skip


def detectable_effect(
    question: Question, n: float, power: float = 0.8, alpha: float = 0.05, dropout: float = 0.0
) -> float:
    """The smallest difference of slopes (per day, without its sign) that `n` units show with this power."""
    _check(alpha=alpha, dropout=dropout, power=power)
    asked, followed = question.followed(n, dropout)
    if not asked.df(followed) > 0:
        raise AnalysisError(f"{n:g} {question.unit} leave no degree of freedom to judge an effect by")
    se = asked.se(followed)

    def lacking(effect: float) -> float:
        return power_of(question, effect, n, alpha, dropout) - power

    high = se
    while lacking(high) < 0:
        high *= 2
    return float(brentq(lacking, 0.0, high, xtol=1e-12, rtol=1e-12))


def mice_per_arm(
    effect_per_day: float,
    variability: Variability | None = None,
    days: Sequence[float] = DAYS,
    *,
    treated_arms: int = 1,
    correction: Correction = "dunnett",
    vehicle_ratio: float = 1.0,
    power: float = 0.8,
    alpha: float = 0.05,
    dropout: float = 0.0,
) -> SampleSize:
    """Mice an arm for the contrast of each treated arm with the vehicle."""
    question = ArmContrast(days, variability or Variability(), treated_arms, correction, vehicle_ratio)
    return units_needed(question, effect_per_day, power, alpha, dropout)


def mice_per_arm_for_bliss(
    excess_per_day: float,
    variability: Variability | None = None,
    days: Sequence[float] = DAYS,
    *,
    parts: int = 2,
    power: float = 0.8,
    alpha: float = 0.05,
    dropout: float = 0.0,
) -> SampleSize:
    """Mice an arm for the excess of a combination over Bliss additivity."""
    question = BlissExcess(days, variability or Variability(), parts)
    return units_needed(question, excess_per_day, power, alpha, dropout)


def models_per_status(
    difference_per_day: float,
    mice_per_arm: int,
    variability: Variability | None = None,
    days: Sequence[float] = DAYS,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    dropout: float = 0.0,
) -> SampleSize:
    """PDX models in each MAP2K4 status, one treated arm and a vehicle in each, for the interaction."""
    question = Interaction(mice_per_arm, days, variability or Variability())
    return units_needed(question, difference_per_day, power, alpha, dropout)


def models_or_mice(
    difference_per_day: float,
    variability: Variability | None = None,
    days: Sequence[float] = DAYS,
    *,
    mice: Sequence[int] = (1, 2, 3, 4, 5, 6, 8, 10),
    power: float = 0.8,
    alpha: float = 0.05,
) -> list[dict[str, Any]]:
    """More PDX models or more mice? A row a number of mice an arm: the models it takes, and the mice in all.

    Beside them `power_curve`, the power at every number of PDX models from 2 a status to beyond the most
    that is needed, each with the mice it takes.
    """
    needed = [
        models_per_status(difference_per_day, count, variability, days, power=power, alpha=alpha)
        for count in mice
    ]
    most = max(size.n for size in needed) + 6
    rows: list[dict[str, Any]] = []
    for count, size in zip(mice, needed, strict=True):
        question = Interaction(count, days, variability or Variability())
        curve = [
            {"models_per_status": n, "mice": question.mice(n),
             "power": power_of(question, difference_per_day, n, alpha)}
            for n in range(2, most + 1)
        ]  # fmt: skip
        rows.append({"mice_per_arm": count, "models_per_status": size.n, "mice": size.mice,
                     "power": size.power, "power_curve": curve})  # fmt: skip
    return rows


def slope_effect(tgi_percent: float, day: float) -> float:
    """The difference of slopes, per day, that makes a ratio TGI of this percent by a day: ln(1 - TGI) / t."""
    if not tgi_percent < 100 or not day > 0:
        raise AnalysisError(
            "a TGI below 100 % by a day after day 0 has a difference of slopes; others have none"
        )
    return log(1 - tgi_percent / 100) / day


@lru_cache(maxsize=4096)
def dunnett_critical(comparisons: int, df: float, alpha: float, correlation: float = 0.5) -> float:
    """The |t| that the largest of several comparisons with one control exceeds with probability alpha.

    Source: Dunnett 1955, J Am Stat Assoc 50:1096.
    """
    shared = np.full((comparisons, comparisons), correlation)
    np.fill_diagonal(shared, 1.0)

    def excess(critical: float) -> float:
        values = np.full(comparisons, np.nan)
        values[0] = critical
        return float(adjusted_p(values, np.full(comparisons, df), shared)[0]) - alpha

    low, high = stdtrit(df, 1 - alpha / 2), stdtrit(df, 1 - alpha / 2 / comparisons)
    return float(brentq(excess, low * (1 - 1e-9), high * (1 + 1e-9), xtol=1e-10))


@dataclass(frozen=True)
class PastStudy:
    """What one analyzed study tells of variability, each with the degrees of freedom behind it.

    `effect_variance` is None where no PDX model and arm held two mice, or where there was one PDX model.
    """

    study: str
    slope_variance: float
    residual_variance: float
    effect_variance: float | None
    n_mice: int
    n_models: int
    n_arms: int


def past_study(result: Mapping[str, Any]) -> PastStudy | None:
    """The variance components of a study's result (a study of the analysis JSON); None without a mixed model.

    In M4 an arm's effect is the difference of two pdx_model:arm slopes, so tau^2 is twice their variance.
    """
    section = result.get("mixed_model")
    if not section or section.get("variance_components") is None:
        return None
    values = {
        (row["group"], row["term1"]): float(row["value"])
        for row in section["variance_components"]
        if row["term2"] is None
    }
    if ("mouse", "day") not in values or ("Residual", None) not in values:
        return None
    own = values.get(("pdx_model:arm", "day"))
    arms = result.get("arms", ())
    return PastStudy(
        str(result.get("study", "")), values["mouse", "day"], values["Residual", None],
        None if own is None else 2 * own, sum(int(arm["n_mice"]) for arm in arms),
        max((int(arm["n_models"]) for arm in arms), default=1), len(arms),
    )  # fmt: skip


def lab_variability(past: Sequence[PastStudy], assumed: Variability | None = None) -> Variability:
    """Variances pooled over past studies, each weighted by its degrees of freedom; `assumed` where none tells.

    Mice weigh in by mice less arms, PDX models by (models - 1) x (arms - 1).
    """
    assumed = assumed or Variability()
    mice = [(study, max(study.n_mice - study.n_arms * study.n_models, 1)) for study in past]
    models = [
        (study.effect_variance, max((study.n_models - 1) * (study.n_arms - 1), 1))
        for study in past if study.effect_variance is not None
    ]  # fmt: skip
    if not mice:
        return assumed
    return Variability(
        sqrt(_pooled([(study.slope_variance, df) for study, df in mice])),
        sqrt(_pooled([(study.residual_variance, df) for study, df in mice])),
        sqrt(_pooled(models)) if models else assumed.effect_sd,
    )


def _pooled(values: Sequence[tuple[float, int]]) -> float:
    return sum(value * df for value, df in values) / sum(df for _, df in values)


def _inflated(n: int, dropout: float) -> int:
    return ceil(n / (1 - dropout) - 1e-9)


def _check(**shares: float) -> None:
    for name, value in shares.items():
        lowest = value >= 0 if name == "dropout" else value > 0
        if not (lowest and value < 1):
            raise AnalysisError(f"{name} is a share between 0 and 1, not {value:g}")
