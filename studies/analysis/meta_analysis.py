"""Effects of single PDX models put together: random effects by REML, Hartung and Knapp's interval,
prediction interval.

Sources: Viechtbauer 2005, J Educ Behav Stat 30:261 (REML); Hartung & Knapp 2001, Stat Med 20:3875;
Higgins et al. 2009, J R Stat Soc A 172:137 (prediction interval, t with k - 2 degrees of freedom).
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from scipy.special import stdtr, stdtrit

from studies import wording

FEWEST_MODELS = 3
MOST_STEPS = 500
ROUNDING = 1e-12  # of the largest effect: a spread below is none
MOST_ARRANGEMENTS = 20_000


@dataclass(frozen=True)
class Pooled:
    """The mean effect of k models with its interval; tau2, I2 and the interval a next model's effect is
    predicted in.

    Without standard errors of the single effects (one mouse an arm) tau2 and I2 are None, the interval is
    that of the plain mean, and the prediction interval that of single-mouse effects.
    """

    k: int
    estimate: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None
    tau2: float | None
    i2_percent: float | None
    prediction_low: float | None
    prediction_high: float | None
    note: str | None = None


def pool(effects: np.ndarray, standard_errors: np.ndarray | None, confidence: float = 0.95) -> Pooled:
    """Pool the effects of at least three models; fewer are not pooled and the note says so."""
    k = len(effects)
    if k < FEWEST_MODELS:
        note = f"{k} PDX {wording.noun(k, 'model')}: fewer than {FEWEST_MODELS} are not pooled"
        return Pooled(k, None, None, None, None, None, None, None, None, note)
    if standard_errors is None:
        return _plain_mean(effects, confidence)
    variances = standard_errors**2
    tau2 = reml_tau2(effects, variances)
    weights = 1 / (variances + tau2)
    mean = float(weights @ effects / weights.sum())
    knapp = float((weights * (effects - mean) ** 2).sum() / ((k - 1) * weights.sum()))
    # never narrower than the fixed-effect interval: a chance agreement of few models is no precision
    fixed = 1 / (1 / variances).sum()
    se = max(knapp, float(fixed)) ** 0.5
    half = float(stdtrit(k - 1, 0.5 + confidence / 2)) * se
    reach = float(stdtrit(k - 2, 0.5 + confidence / 2)) * (tau2 + se**2) ** 0.5
    fixed_weights = 1 / variances
    center = fixed_weights @ effects / fixed_weights.sum()
    q = float((fixed_weights * (effects - center) ** 2).sum())
    i2 = max(0.0, 100 * (q - (k - 1)) / q) if q > 0 else 0.0
    return Pooled(k, mean, se, mean - half, mean + half, tau2, i2, mean - reach, mean + reach)


def reml_tau2(effects: np.ndarray, variances: np.ndarray) -> float:
    """The between-model variance by REML: Fisher scoring from the moment estimate; 0 at the boundary."""
    # 1 - w_i / sum w as a sum of the others' weights: a difference would cancel.
    others = 1 - np.eye(len(effects))
    fixed = 1 / variances
    mean = fixed @ effects / fixed.sum()
    q = (fixed * (effects - mean) ** 2).sum()
    tau2 = max(0.0, float((q - len(effects) + 1) / (fixed @ (others @ fixed) / fixed.sum())))
    for _ in range(MOST_STEPS):
        weights = 1 / (variances + tau2)
        mean = weights @ effects / weights.sum()
        left = others @ weights / weights.sum()
        score = (weights**2 * (effects - mean) ** 2).sum() - weights @ left
        information = (weights**2) @ left**2 + (weights**2) @ others @ (weights**2) / weights.sum() ** 2
        before, tau2 = tau2, max(0.0, tau2 + float(score / information))
        if abs(tau2 - before) < 1e-14 + 1e-12 * before:
            break
    return tau2


@dataclass(frozen=True)
class TwoGroups:
    """Model effects of two statuses compared: pooled-variance t, Welch's t, and exact permutation."""

    difference: float
    se: float | None
    df: int
    p_value: float | None
    ci_low: float | None
    ci_high: float | None
    welch_p_value: float | None
    permutation_p_value: float | None
    smallest_permutation_p_value: float | None


def compare_groups(one: np.ndarray, other: np.ndarray, confidence: float = 0.95) -> TwoGroups:
    """Mean of one group's effects less the other's; tests are None below two models in a group.

    Welch's is below three: two that happen to lie together would pass for a group without spread.
    """
    difference, df = float(one.mean() - other.mean()), len(one) + len(other) - 2
    if len(one) < 2 or len(other) < 2:
        return TwoGroups(difference, None, df, None, None, None, None, None, None)
    v1, v2 = one.var(ddof=1), other.var(ddof=1)
    pooled = ((len(one) - 1) * v1 + (len(other) - 1) * v2) / df
    se = float((pooled * (1 / len(one) + 1 / len(other))) ** 0.5)
    if se <= ROUNDING * max(np.abs(one).max(), np.abs(other).max()):
        return TwoGroups(difference, se, df, None, None, None, None, None, None)
    half = float(stdtrit(df, 0.5 + confidence / 2)) * se
    a, b = v1 / len(one), v2 / len(other)
    welch_df = (a + b) ** 2 / (a**2 / (len(one) - 1) + b**2 / (len(other) - 1))
    by_welch = _two_sided(difference / (a + b) ** 0.5, welch_df)
    permutation, smallest = _permutation_p(one, other)
    return TwoGroups(
        difference, se, df, _two_sided(difference / se, df), difference - half, difference + half,
        by_welch if min(len(one), len(other)) >= FEWEST_MODELS else None, permutation, smallest,
    )  # fmt: skip


def _two_sided(t: float, df: float) -> float:
    return float(2 * stdtr(df, -abs(t)))


def _permutation_p(one: np.ndarray, other: np.ndarray) -> tuple[float | None, float | None]:
    """Share of all arrangements of the statuses whose difference is at least as large; None where they are too many."""
    values = np.concatenate([one, other])
    count = comb(len(values), len(one))
    if count > MOST_ARRANGEMENTS:
        return None, None
    total, observed = values.sum(), abs(one.mean() - other.mean())
    sums = np.array([values[list(chosen)].sum() for chosen in combinations(range(len(values)), len(one))])
    differences = np.abs(sums / len(one) - (total - sums) / len(other))
    symmetric = 2 if len(one) == len(other) else 1
    return float((differences >= observed - 1e-12 * (1 + observed)).mean()), symmetric / count


def _plain_mean(effects: np.ndarray, confidence: float) -> Pooled:
    k, mean, sd = len(effects), float(effects.mean()), float(effects.std(ddof=1))
    t = float(stdtrit(k - 1, 0.5 + confidence / 2))
    se, reach = sd / k**0.5, t * sd * (1 + 1 / k) ** 0.5
    note = (
        "one mouse a model and arm: the spread is that of single-mouse effects, tau2 cannot be told from it"
    )
    return Pooled(k, mean, se, mean - t * se, mean + t * se, None, None, mean - reach, mean + reach, note)
