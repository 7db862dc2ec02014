"""Tests across arms on one day, on ln V: Welch's analysis of variance, Games and Howell, Dunnett, and ranks; and the
comparison of whole curves by exchanging the arms of mice.

One day's test throws the other days away and sees only the mice still there; it stands beside the mixed model. A test a
visit is not offered: that more than doubles the chance of a false finding.
"""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import betainc, chdtrc, fdtrc, gammaincinv, ndtr, stdtr

from studies import wording
from studies.analysis.curves import Curves, curves_of, volumes_at
from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.adjust import adjust_p, holm
from studies.analysis.permutation import PermutationTest, permutation_test
from studies.analysis.plan import Plan
from studies.terms import ExitReason

FEWEST_MICE = 2
MOST_SECANTS = 25
MOST_MODELS, MOST_MICE_EXCHANGED = 12, 200
FOR_THE_TUMOR = (str(ExitReason.TUMOR_SIZE), str(ExitReason.ULCERATION))


def welch_anova(samples: Sequence[np.ndarray]) -> dict[str, float]:
    """Welch's F test that means are equal, variances unequal (1951, Biometrika 38:330): statistic, df1, df2, p_value.

    Refuses fewer than two samples, a sample of fewer than two values, and one without spread.
    """
    n, mean, variance = _moments(samples)
    weight = n / variance
    total, k = weight.sum(), len(n)
    center = (weight * mean).sum() / total
    lack = ((1 - weight / total) ** 2 / (n - 1)).sum()
    between = (weight * (mean - center) ** 2).sum() / (k - 1)
    statistic = between / (1 + 2 * (k - 2) / (k**2 - 1) * lack)
    df2 = (k**2 - 1) / (3 * lack)
    p = float(fdtrc(k - 1, df2, statistic))
    return {"statistic": float(statistic), "df1": float(k - 1), "df2": float(df2), "p_value": p}


def games_howell(samples: dict[str, np.ndarray], confidence: float = 0.95) -> list[dict[str, Any]]:
    """Every pair's difference of means, variances unequal, p and interval from the studentized range (Games & Howell
    1976, J Educ Stat 1:113), the intervals of all pairs holding together.

    Rows: arm, control (the earlier of the two), estimate, se, df, p_adjusted, ci_low, ci_high."""
    from scipy.stats import studentized_range

    names = list(samples)
    n, mean, variance = _moments(list(samples.values()))
    rows: list[dict[str, Any]] = []
    for i, j in combinations(range(len(names)), 2):
        a, b = variance[i] / n[i], variance[j] / n[j]
        df = (a + b) ** 2 / (a**2 / (n[i] - 1) + b**2 / (n[j] - 1))
        se, estimate = float(np.sqrt(a + b)), float(mean[j] - mean[i])
        p = float(studentized_range.sf(abs(estimate) / se * np.sqrt(2), len(names), df))
        rows.append(
            {
                "arm": names[j],
                "control": names[i],
                "estimate": estimate,
                "se": se,
                "df": float(df),
                "p_adjusted": p,
            }
        )
    widths = range_quantiles(confidence, len(names), np.array([row["df"] for row in rows])) / np.sqrt(2)
    for row, width in zip(rows, widths, strict=True):
        half = float(width) * row["se"]
        row |= {"ci_low": row["estimate"] - half, "ci_high": row["estimate"] + half}
    return rows


def range_quantiles(level: float, k: int, df: np.ndarray) -> np.ndarray:
    """Quantiles of the studentized range of k means, one for each df (R's qtukey), to 1e-6 up to a level of 0.9999.

    The range's distribution function, k int phi(z) (Phi(z) - Phi(z - w))^(k - 1) dz, averaged over the quantiles of the
    standard deviation; solved by secants of the logarithms, which are nearly straight. Refuses where these do not end.
    """
    points, weights = np.polynomial.legendre.leggauss(96)
    z, step = 8 * points, 8 * weights * np.exp(-32 * points**2) / np.sqrt(2 * np.pi)
    share = (1 + points) / 2
    # Points crowd at both ends, where few mice have their tails.
    closer = weights / 2 * 140 * (share * (1 - share)) ** 3
    sd = np.sqrt(2 * gammaincinv(df[:, None] / 2, betainc(4, 4, share)) / df[:, None])

    def log_tail(log_q: np.ndarray) -> np.ndarray:
        width = np.exp(log_q)[:, None, None] * sd[:, :, None]
        inside = k * ((ndtr(z) - ndtr(z - width)) ** (k - 1) * step).sum(axis=2)
        return np.log(np.maximum(1 - (inside * closer).sum(axis=1), 1e-300))

    one, other = np.full(len(df), np.log(3.0)), np.full(len(df), np.log(4.5))
    before, here = log_tail(one), log_tail(other)
    for _ in range(MOST_SECANTS):
        moving = here != before
        slope = np.where(moving, (here - before) / np.where(moving, other - one, 1.0), -1.0)
        one, before = other, here
        other = other + np.where(moving, np.clip((np.log(1 - level) - here) / slope, -1.0, 1.0), 0.0)
        here = log_tail(other)
        if np.abs(here - np.log(1 - level)).max() < 1e-9:
            return np.exp(other)
    raise AnalysisError(
        f"no interval of {k} arms compared pair by pair was found at {100 * level:g} % confidence"
    )


def dunnett(samples: dict[str, np.ndarray], control: str) -> list[dict[str, Any]]:
    """Every arm's mean less the control's, variances equal, p by the exact multivariate t (Dunnett 1955, J Am Stat
    Assoc
    50:1096). Rows: arm, control, estimate, se, df, p_value, p_adjusted."""
    if control not in samples:
        raise AnalysisError(f'the control "{control}" has fewer than {FEWEST_MICE} mice on this day')
    names = [control, *(name for name in samples if name != control)]
    n, mean, variance = _moments([samples[name] for name in names])
    df = float(n.sum() - len(n))
    pooled = float(((n - 1) * variance).sum() / df)
    covariance = pooled * (np.full((len(n) - 1, len(n) - 1), 1 / n[0]) + np.diag(1 / n[1:]))
    se, estimate = np.sqrt(np.diag(covariance)), mean[1:] - mean[0]
    p = 2 * stdtr(df, -np.abs(estimate / se))
    adjusted = adjust_p(p, estimate / se, np.full(len(se), df), covariance, "mvt")
    return [
        {"arm": arm, "control": control, "estimate": float(e), "se": float(s), "df": df, "p_value": float(raw),
         "p_adjusted": float(a)}
        for arm, e, s, raw, a in zip(names[1:], estimate, se, p, adjusted, strict=True)
    ]  # fmt: skip


def kruskal_wallis(samples: Sequence[np.ndarray]) -> dict[str, float]:
    """Kruskal and Wallis's H with its correction for ties (1952, J Am Stat Assoc 47:583): statistic, df, p_value."""
    n, ranks, ties, _ = _ranks(samples)
    total = n.sum()
    if not ties > 0:
        raise AnalysisError("every mouse has the same value: ranks say nothing")
    h = (12 / (total * (total + 1)) * (n * ranks**2).sum() - 3 * (total + 1)) / ties
    return {"statistic": float(h), "df": float(len(n) - 1), "p_value": float(chdtrc(len(n) - 1, h))}


def dunn(samples: dict[str, np.ndarray], control: str) -> list[dict[str, Any]]:
    """Mean ranks of each arm less the control's (Dunn 1964, Technometrics 6:241), p adjusted by Holm.

    Rows: arm, control, estimate (of mean ranks), se, p_value, p_adjusted.
    """
    names = [control, *(name for name in samples if name != control)]
    n, ranks, ties, total = _ranks([samples[name] for name in names])
    se = np.sqrt(total * (total + 1) / 12 * ties * (1 / n[1:] + 1 / n[0]))
    estimate = ranks[1:] - ranks[0]
    p = 2 * ndtr(-np.abs(estimate / se))
    adjusted = holm(p)
    return [
        {"arm": arm, "control": control, "estimate": float(e), "se": float(s), "p_value": float(raw),
         "p_adjusted": float(a)}
        for arm, e, s, raw, a in zip(names[1:], estimate, se, p, adjusted, strict=True)
    ]  # fmt: skip


def compare_curves(
    log_volume: np.ndarray, treated: np.ndarray, block: np.ndarray, seed: int
) -> PermutationTest:
    """Whole curves of two arms: the mean over days of Student's t, each day weighted by (n - 2)/n, with the arms of
    mice
    exchanged within blocks (after compareGrowthCurves; Elso et al. 2004, Immunity 20:631).

    `log_volume` has a row a mouse and a column a day, NaN where not known. A day counts where both arms have a mouse.
    Mice that leave take their missing days along, so arms must not differ in why they leave. Below 0: smaller tumors.
    """
    known = ~np.isnan(log_volume)
    value = np.where(known, log_volume - np.nanmean(np.where(known.any(axis=0), log_volume, 0.0)), 0.0)
    total, n = value.sum(axis=0), known.sum(axis=0).astype(float)
    square = (value**2).sum(axis=0)
    weight = np.where(n > 2, (n - 2) / np.maximum(n, 1), 0.0)

    def statistic(arrangements: np.ndarray) -> np.ndarray:
        n1, sum1 = arrangements @ known, arrangements @ value
        n2, sum2 = n - n1, total - sum1
        usable = (n1 > 0) & (n2 > 0) & (weight > 0)
        n1, n2 = np.where(usable, n1, 1.0), np.where(usable, n2, 1.0)
        within = square - sum1**2 / n1 - sum2**2 / n2
        pooled = np.maximum(within, 0.0) / np.maximum(n - 2, 1)
        difference = sum1 / n1 - sum2 / n2
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(usable & (pooled > 0), difference / np.sqrt(pooled * (1 / n1 + 1 / n2)), 0.0)
        used = np.where(usable, weight, 0.0)
        return (t * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1e-300)

    return permutation_test(treated, block, statistic, seed)


def endpoint_rows(curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """The tests on the plan's day within each PDX model (up to 12 of them), whose mice alone are independent.

    One row a PDX model: pdx_model, day, n by arm, geometric_means, welch, games_howell, dunnett, kruskal, dunn,
    worst_rank, reason.
    """
    models = list(dict.fromkeys(curves.mice["pdx_model"]))
    if plan["day"] is None or len(models) > MOST_MODELS:
        return []
    return [
        _of_model(model, curves.subset((curves.mice["pdx_model"] == model).to_numpy()), plan)
        for model in models
    ]


def _of_model(model: str, curves: Curves, plan: Plan) -> dict[str, Any]:
    volume, _ = volumes_at(curves, plan["day"])
    arm = curves.mice["arm"].to_numpy()
    found = {name: volume[(arm == name) & ~np.isnan(volume)] for name in plan["roles"]}
    held = {name: values for name, values in found.items() if len(values) >= FEWEST_MICE}
    row: dict[str, Any] = {
        "pdx_model": model, "day": plan["day"], "n": {name: len(values) for name, values in found.items() if
        len(values)},
        "geometric_means": {}, "welch": None, "games_howell": [], "dunnett": [], "kruskal": None, "dunn": [],
        "worst_rank": worst_rank_rows(volume, curves, plan),
    }  # fmt: skip
    control = plan["control"]
    try:
        if control not in held or len(held) < 2:
            raise AnalysisError("fewer than two arms, the control among them, have two mice on this day")
        row |= {"kruskal": kruskal_wallis(list(held.values())), "dunn": dunn(held, control)}
        if zeros := sum(int((values <= 0).sum()) for values in held.values()):
            raise AnalysisError(
                f"{wording.mice(zeros)} with a volume of 0, which has no logarithm: read the ranks"
            )
        logs = {name: np.log(values) for name, values in held.items()}
        row["geometric_means"] = {name: float(np.exp(values.mean())) for name, values in logs.items()}
        row |= {
            "welch": welch_anova(list(logs.values())),
            "games_howell": games_howell(logs, 1 - plan["alpha"]),
            "dunnett": dunnett(logs, control),
        }
    except AnalysisError as error:
        return {**row, "reason": str(error)}
    return {**row, "reason": None}


def worst_rank_rows(volume: np.ndarray, curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """Ranks of volumes on the plan's day in which mice culled for their tumor before it count as worse than any, the
    sooner the worse (Lachin 1999, Control Clin Trials 20:408); each arm against its control, arms exchanged.

    Rows: arm, control, n, n_culled, n_control, n_culled_control, better (the share of pairs in which the arm's mouse is
    better, ties half), p_value, p_adjusted (Holm), arrangements, smallest_p. Mice that left otherwise take no part.
    """
    culled = np.isnan(volume) & curves.mice["exit_reason"].isin(FOR_THE_TUMOR).to_numpy()
    worst = np.nanmax(volume, initial=0.0) + 1
    badness = np.where(culled, worst + np.maximum(plan["day"] - curves.last_day, 0.0), volume)
    arms, known = curves.mice["arm"].to_numpy(), ~np.isnan(badness)
    rows: list[dict[str, Any]] = []
    for arm in plan.treated_arms:
        control = plan.control_of(arm)
        mine, others = known & (arms == arm), known & (arms == control)
        if min(mine.sum(), others.sum()) < FEWEST_MICE or (mine | others).sum() > MOST_MICE_EXCHANGED:
            continue
        apart = np.sign(badness[others][None, :] - badness[mine][:, None])
        pair = mine | others
        rank, _ = _mid_ranks(badness[pair])
        summed = partial(_summed, rank - rank.mean())
        test = permutation_test(mine[pair], np.zeros(pair.sum()), summed, plan["random_seed"])
        rows.append({
            "arm": arm, "control": control, "n": int(mine.sum()), "n_culled": int((mine & culled).sum()),
            "n_control": int(others.sum()), "n_culled_control": int((others & culled).sum()),
            "better": float((apart.mean() + 1) / 2), "p_value": test.p_value, "p_adjusted": None,
            "arrangements": test.arrangements, "smallest_p": test.smallest_p,
        })  # fmt: skip
    tested = [row for row in rows if row["p_value"] is not None]
    for row, adjusted in zip(tested, holm(np.array([row["p_value"] for row in tested])), strict=True):
        row["p_adjusted"] = float(adjusted)
    return rows


def curve_rows(frame: Any, plan: Plan) -> list[dict[str, Any]]:
    """Whole curves of each arm against its control within the window, arms exchanged within PDX models and the plan's
    blocks: arm, control, n, statistic, p_value, p_adjusted (Holm), arrangements, exhaustive, smallest_p."""
    if plan["window"] is None:
        return []
    first, last = plan["window"]
    read = frame[frame["day"].between(max(first, np.nextafter(0, 1)), last)]
    rows = []
    for arm in plan.treated_arms:
        control = plan.control_of(arm)
        pair = curves_of(read[read["arm"].isin([arm, control])])
        shared = set(pair.mice.loc[pair.mice["arm"] == arm, "pdx_model"]) if len(pair) else set()
        pair = pair.subset(pair.mice["pdx_model"].isin(shared).to_numpy()) if len(pair) else pair
        treated = (pair.mice["arm"] == arm).to_numpy()
        if not treated.any() or treated.all() or len(pair) > MOST_MICE_EXCHANGED:
            continue
        test = compare_curves(_grid(pair), treated, _block(read, pair, plan), plan["random_seed"])
        rows.append(
            {
                "arm": arm,
                "control": control,
                "n": int(treated.sum()),
                "n_control": int((~treated).sum()),
                **vars(test),
            }
        )
    known = [row for row in rows if row["p_value"] is not None]
    p = np.array([row["p_value"] for row in known])
    for row, adjusted in zip(known, holm(p), strict=True):
        row["p_adjusted"] = float(adjusted)
    return [{"p_adjusted": None, **row} for row in rows]


def _grid(curves: Curves) -> np.ndarray:
    """ln V by mouse and day, NaN where not read or 0."""
    days, column = np.unique(curves.day, return_inverse=True)
    grid = np.full((len(curves), len(days)), np.nan)
    positive = curves.volume_mm3 > 0
    grid[curves.owner[positive], column[positive]] = np.log(curves.volume_mm3[positive])
    return grid


def _block(frame: Any, curves: Curves, plan: Plan) -> np.ndarray:
    names = ["pdx_model", *(name for name in plan["blocks"] if name in frame and name != "pdx_model")]
    told = frame.drop_duplicates("mouse").set_index("mouse")[names].astype(str).agg("/".join, axis=1)
    return told.reindex(curves.mice["mouse"]).to_numpy(str)


def _moments(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = np.array([len(values) for values in samples], dtype=float)
    if len(n) < 2 or (n < FEWEST_MICE).any():
        raise AnalysisError(f"each of at least two arms needs {FEWEST_MICE} mice")
    variance = np.array([values.var(ddof=1) for values in samples])
    if not (variance > 0).all():
        raise AnalysisError("an arm's mice all have the same value: its variance is not known")
    return n, np.array([values.mean() for values in samples]), variance


def _summed(values: np.ndarray, arrangements: np.ndarray) -> np.ndarray:
    return arrangements @ values


def _mid_ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks from 1, ties sharing their mean, and how many values share each."""
    _, code, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[code], count


def _ranks(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Sizes, mean ranks (mid-ranks for ties), the correction for ties, and the number of values."""
    n = np.array([len(values) for values in samples], dtype=float)
    if len(n) < 2 or (n < 1).any():
        raise AnalysisError("ranks need at least two arms, each with a mouse")
    pooled = np.concatenate(list(samples))
    rank, count = _mid_ranks(pooled)
    total = float(len(pooled))
    mean = np.array([part.mean() for part in np.split(rank, np.cumsum(n)[:-1].astype(int))])
    return n, mean, float(1 - (count**3 - count).sum() / max(total**3 - total, 1.0)), total
