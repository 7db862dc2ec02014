"""Time to a multiple of V0 or to a volume, and its comparison between arms.

Time is in days from the first dose. An exit for tumor size or ulceration is an event; scheduled end,
accident and sampling censor; toxicity, weight loss and death compete: they censor the cause-specific
comparison made here, and their cause is named beside the time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaincc

from studies.analysis.curves import baselines, curves_of
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import times_to_volume
from studies.analysis.tables import NormalizedTable
from studies.terms import ExitReason, SurvivalCoding, YesNoUnknown

DEFAULT_FOLD = 4.0


@dataclass(frozen=True)
class LogRank:
    """The log-rank test over all arms: chi-square, its degrees of freedom (arms at risk less one), p."""

    chisq: float | None
    df: int
    p_value: float | None


@dataclass(frozen=True)
class SurvivalComparison:
    """`medians` holds None where an arm's curve stays above one half; `cox` is None with `cox_reason`."""

    logrank: LogRank
    medians: dict[str, float | None]
    cox: pd.DataFrame | None
    cox_reason: str | None
    n: dict[str, int]
    events: dict[str, int]


def time_to_event(
    table: pd.DataFrame | NormalizedTable, fold: float | None = None, volume_mm3: float | None = None
) -> pd.DataFrame:
    """One row a mouse: mouse, pdx_model, map2k4_status, arm, time (days), event (1 or 0), cause.

    The event is reaching `fold` times V0 (4 where neither is given) or `volume_mm3`, interpolated on the
    log scale between visits, or leaving for tumor size or ulceration (size_cull) before that. Causes:
    threshold, size_cull, censored, toxicity, found_dead, other. A mouse whose V0 is not above 0 has no
    multiple and is left out of `fold`; one that starts at or above `volume_mm3` has its event at V0.
    """
    if fold is not None and volume_mm3 is not None:
        raise AnalysisError("name either a fold of V0 or a volume as the endpoint, not both")
    if fold is None and volume_mm3 is None:
        fold = DEFAULT_FOLD
    if fold is not None and not fold > 1:
        raise AnalysisError(f"a fold of {fold:g} is reached at the start: it must be above 1")
    if volume_mm3 is not None and not volume_mm3 > 0:
        raise AnalysisError(f"an endpoint volume of {volume_mm3:g} mm3 is not above 0")
    curves = curves_of(table)
    start = baselines(curves)
    if fold is not None:
        curves = curves.subset(start.volume_mm3 > 0)
        start = baselines(curves)
        threshold = fold * start.volume_mm3
    else:
        threshold = np.full(len(curves), float(volume_mm3 or 0))
    day = times_to_volume(curves, threshold, start.position)
    reached = ~np.isnan(day)
    cause = np.array([_cause(mouse) for mouse in curves.mice.itertuples()], dtype=object)
    cause[reached] = "threshold"
    facts = curves.mice[["mouse", "pdx_model", "map2k4_status", "arm", "source_study"]]
    return facts.assign(
        time=np.where(reached, day, curves.last_day),
        event=np.isin(cause, ["threshold", "size_cull"]).astype(int),
        cause=cause,
    )


def compare_survival(
    times: pd.DataFrame, control: str, strata: str | list[str] | None = None, confidence: float = 0.95
) -> SurvivalComparison:
    """Compare the times of arms (columns arm, time, event 1/0), within the `strata` columns where given.

    Log-rank over all arms (its variance for tied times, as R's survdiff); Kaplan-Meier medians, the
    midpoint where a curve rests on one half, as R's survfit; Cox hazard ratios of each arm against the
    control (Efron's ties). Where an arm has no event a hazard ratio is not estimable: `cox` is None and
    `cox_reason` says so.
    """
    times = times.assign(arm=times["arm"].astype(str), time=times["time"].astype(float))
    _refuse_bad_times(times, control)
    names = [strata] if isinstance(strata, str) else list(strata or [])
    stratum = (
        times.groupby(names, sort=False).ngroup().to_numpy() if names else np.zeros(len(times), dtype=int)
    )
    arms = [control, *sorted(set(times["arm"]) - {control})]
    event = times["event"].to_numpy(int)
    code = pd.Categorical(times["arm"], categories=arms).codes
    cox, reason = _cox(times, arms, stratum, confidence)
    return SurvivalComparison(
        logrank=_log_rank(times["time"].to_numpy(), event, code, len(arms), stratum),
        medians={
            arm: km_median(times["time"].to_numpy()[code == i], event[code == i])
            for i, arm in enumerate(arms)
        },
        cox=cox,
        cox_reason=reason,
        n={arm: int((code == i).sum()) for i, arm in enumerate(arms)},
        events={arm: int(event[code == i].sum()) for i, arm in enumerate(arms)},
    )


def km_median(time: np.ndarray, event: np.ndarray) -> float | None:
    """The Kaplan-Meier median in days: where the curve first falls below one half, or the middle of a
    rest on it.
    """
    days, survival = kaplan_meier(time, event)
    below = np.flatnonzero(survival < 0.5 - 1e-9)
    rests = np.flatnonzero(np.abs(survival - 0.5) <= 1e-9)
    if len(rests):
        end = days[below[0]] if len(below) else np.nan
        return float((days[rests[0]] + end) / 2) if len(below) else float(days[rests[0]])
    return float(days[below[0]]) if len(below) else None


def kaplan_meier(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Days with events and the Kaplan-Meier share still free of the event after each."""
    days = np.unique(time[event == 1])
    at_risk = (time[None, :] >= days[:, None]).sum(axis=1)
    events = ((time[None, :] == days[:, None]) & (event == 1)[None, :]).sum(axis=1)
    return days, np.cumprod(1 - events / np.maximum(at_risk, 1))


def _cause(mouse: Any) -> str:
    reason = mouse.exit_reason
    if not reason:
        return "censored"
    coding = ExitReason(reason).survival_coding
    if coding is SurvivalCoding.EVENT:
        return "size_cull"
    if coding is SurvivalCoding.CENSORED:
        return "censored"
    if reason == ExitReason.FOUND_DEAD and mouse.treatment_related != YesNoUnknown.YES:
        return "found_dead"
    unrelated = mouse.treatment_related == YesNoUnknown.NO and reason != ExitReason.TREATMENT_TOXICITY
    return "other" if unrelated else "toxicity"


def _refuse_bad_times(times: pd.DataFrame, control: str) -> None:
    if not len(times):
        raise AnalysisError("no times to compare")
    if control not in set(times["arm"]):
        raise AnalysisError(
            f'control "{control}" is not among the arms ({", ".join(sorted(set(times["arm"])))})'
        )
    bad = ~np.isfinite(times["time"].to_numpy(float)) | ~times["event"].isin([0, 1]).to_numpy()
    if bad.any():
        row = times[bad].iloc[0]
        raise AnalysisError(
            f"time {row['time']} with event {row['event']} in arm {row['arm']} is not a time to event"
        )


def _log_rank(
    time: np.ndarray, event: np.ndarray, code: np.ndarray, arms: int, stratum: np.ndarray
) -> LogRank:
    """Observed less expected events by arm and their hypergeometric covariance, summed over strata and
    event days.
    """
    excess, variance = np.zeros(arms), np.zeros((arms, arms))
    at_some_risk = np.zeros(arms, dtype=bool)
    for level in np.unique(stratum):
        mine = stratum == level
        excess, variance, exposed = _add_stratum(time[mine], event[mine], code[mine], excess, variance)
        at_some_risk |= exposed
    if not event.sum():
        return LogRank(0.0, len(np.unique(code)) - 1, None)
    kept = np.flatnonzero(at_some_risk)[1:]
    df = len(kept)
    if df == 0:
        return LogRank(None, 0, None)
    chisq = float(excess[kept] @ np.linalg.pinv(variance[np.ix_(kept, kept)]) @ excess[kept])
    return LogRank(chisq, df, float(gammaincc(df / 2, chisq / 2)))


def _add_stratum(
    time: np.ndarray, event: np.ndarray, code: np.ndarray, excess: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    exposed = np.zeros(len(excess), dtype=bool)
    for day in np.unique(time[event == 1]):
        at_risk = np.bincount(code[time >= day], minlength=len(excess)).astype(float)
        died = np.bincount(code[(time == day) & (event == 1)], minlength=len(excess))
        n, d = at_risk.sum(), died.sum()
        share = at_risk / n
        excess = excess + died - d * share
        exposed |= at_risk > 0
        if n > 1:
            variance = variance + d * (n - d) / (n - 1) * (np.diag(share) - np.outer(share, share))
    return excess, variance, exposed


def _cox(
    times: pd.DataFrame, arms: list[str], stratum: np.ndarray, confidence: float
) -> tuple[pd.DataFrame | None, str | None]:
    """Cox's model of arm against the control by Newton's method, within strata, ties by Efron."""
    event = times["event"].to_numpy(int)
    eventless = [arm for arm in arms if not event[(times["arm"] == arm).to_numpy()].sum()]
    if len(arms) < 2:
        return None, "there is only one arm"
    if eventless:
        return None, f"no event in {', '.join(eventless)}: a hazard ratio is not estimable"
    design = np.column_stack([(times["arm"] == arm).to_numpy(float) for arm in arms[1:]])
    fit = _newton(times["time"].to_numpy(float), event, design, stratum)
    if fit is None:
        return None, "the arms' times do not overlap (complete separation): a hazard ratio is not estimable"
    beta, information = fit
    se = np.sqrt(np.diag(np.linalg.inv(information)))
    from scipy.special import ndtr, ndtri

    z, width = beta / se, float(ndtri(0.5 + confidence / 2))
    table = pd.DataFrame(
        {
            "estimate": beta, "se": se, "statistic": z, "p_value": 2 * ndtr(-np.abs(z)),
            "hazard_ratio": np.exp(beta), "ci_low": np.exp(beta - width * se), "ci_high": np.exp(beta +
            width * se),
        },
        index=pd.Index(arms[1:], name="arm"),
    )  # fmt: skip
    return table, None


def _newton(
    time: np.ndarray, event: np.ndarray, design: np.ndarray, stratum: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The maximum of Efron's partial likelihood and its information; None where it has none (separation)."""
    beta = np.zeros(design.shape[1])
    loglik, gradient, information = _efron(beta, time, event, design, stratum)
    for _ in range(50):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        for _ in range(30):
            tried = _efron(beta + step, time, event, design, stratum)
            if tried[0] >= loglik - 1e-12:
                break
            step = step / 2
        beta = beta + step
        loglik, gradient, information = tried
        if np.abs(beta).max() > 15 or not np.isfinite(loglik):
            return None
        if np.abs(step).max() < 1e-10:
            return beta, information
    return None


def _efron(
    beta: np.ndarray, time: np.ndarray, event: np.ndarray, design: np.ndarray, stratum: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log partial likelihood, its gradient and information (Efron 1977, J Am Stat Assoc 72:557)."""
    loglik, gradient, information = 0.0, np.zeros(len(beta)), np.zeros((len(beta), len(beta)))
    risk = np.exp(design @ beta)
    for level in np.unique(stratum):
        for day in np.unique(time[(event == 1) & (stratum == level)]):
            exposed = (time >= day) & (stratum == level)
            died = (time == day) & (event == 1) & (stratum == level)
            ties = int(died.sum())
            s0, s1 = risk[exposed].sum(), risk[exposed] @ design[exposed]
            s2 = (design[exposed] * risk[exposed, None]).T @ design[exposed]
            d0, d1 = risk[died].sum(), risk[died] @ design[died]
            d2 = (design[died] * risk[died, None]).T @ design[died]
            loglik += float((design[died] @ beta).sum())
            gradient = gradient + design[died].sum(axis=0)
            for tie in range(ties):
                share = tie / ties
                total, mean = s0 - share * d0, (s1 - share * d1) / (s0 - share * d0)
                loglik -= float(np.log(total))
                gradient = gradient - mean
                information = information + (s2 - share * d2) / total - np.outer(mean, mean)
    return loglik, gradient, information
