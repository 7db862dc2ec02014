"""Time to a multiple of V0 or to a volume, and its comparison between arms.

Time is in days from the first dose. An exit for tumor size or ulceration is an event; scheduled end,
accident and sampling censor; toxicity, weight loss and death compete: they censor the cause-specific
comparison made here, and their cause is named beside the time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, chdtri, ndtr, ndtri

from studies.analysis.curves import baselines, curves_of
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import times_to_volume
from studies.analysis.hazards import (
    CoxFit,
    RiskTable,
    chisq_p,
    cox,
    log_rank,
    penalized_gain,
    profile_interval,
    proportional_hazards,
)
from studies.analysis.kaplan_meier import (
    cumulative_incidence,
    kaplan_meier,
    restricted_mean,
    restricted_mean_difference,
)
from studies.analysis.permutation import PermutationTest, permutation_test
from studies.analysis.tables import NormalizedTable
from studies.terms import ExitReason, SurvivalCoding, YesNoUnknown

DEFAULT_FOLD = 4.0
HUMANE_EXITS = {
    str(reason)
    for reason in (
        ExitReason.TUMOR_SIZE, ExitReason.ULCERATION, ExitReason.BODY_WEIGHT, ExitReason.CLINICAL_SIGNS,
        ExitReason.TREATMENT_TOXICITY,
    )
}  # fmt: skip


@dataclass(frozen=True)
class LogRank:
    """The log-rank test over all arms: chi-square, its degrees of freedom (arms at risk less one), p; or why not."""

    chisq: float | None
    df: int
    p_value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class SurvivalComparison:
    """`medians` holds None where an arm's curve stays above one half; `cox` is None with `cox_reason`.

    `median_intervals` are on the log-log scale; `last_days` is how long each arm was followed, the lower bound of a
    median that was not reached, and `followed` how many of its mice still were on that day. `firth` has a hazard ratio
    for every arm with a finite one, also where `cox` has none; `proportionality` the check that hazard ratios do not
    change with time.
    """

    logrank: LogRank
    medians: dict[str, float | None]
    cox: pd.DataFrame | None
    cox_reason: str | None
    n: dict[str, int]
    events: dict[str, int]
    median_intervals: dict[str, tuple[float | None, float | None]]
    last_days: dict[str, float]
    followed: dict[str, int]
    firth: pd.DataFrame | None
    proportionality: dict[str, float | int] | None


def time_to_event(
    table: pd.DataFrame | NormalizedTable, fold: float | None = None, volume_mm3: float | None = None
) -> pd.DataFrame:
    """One row a mouse: mouse, pdx_model, map2k4_status, arm, time (days), event (1 or 0), cause, after_day, by_day.

    The event is reaching `fold` times V0 (4 where neither is given) or `volume_mm3`, interpolated on the
    log scale between visits, or leaving for tumor size or ulceration (size_cull) before that. Causes:
    threshold, size_cull, censored, toxicity, found_dead, other. A mouse whose V0 is not above 0 has no
    multiple and is left out of `fold`; one that starts at or above `volume_mm3` has its event at V0. `after_day` and
    `by_day` are the visits around an event that was interpolated, the day itself where it is known; without an event
    there is no `by_day`.
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
    time, event = np.where(reached, day, curves.last_day), np.isin(cause, ["threshold", "size_cull"])
    between = reached & (day > start.day)
    late = np.minimum.reduceat(np.where(curves.day >= time[curves.owner], curves.day, np.inf), curves.starts)
    early = np.maximum.reduceat(np.where(curves.day < time[curves.owner], curves.day, -np.inf), curves.starts)
    return facts.assign(
        time=time,
        event=event.astype(int),
        cause=cause,
        after_day=np.where(between, early, time),
        by_day=np.where(between, late, np.where(event, time, np.nan)),
    )


def time_to_exit(table: pd.DataFrame | NormalizedTable, found_dead: bool = False) -> pd.DataFrame:
    """Time to the humane endpoint, a row a mouse with the columns of `time_to_event`.

    The event is leaving for tumor size, ulceration, body weight, clinical signs or toxicity; `found_dead` counts that
    too, which makes it overall survival. Time is the mouse's last day with a volume.
    """
    curves = curves_of(table)
    reasons = HUMANE_EXITS | ({str(ExitReason.FOUND_DEAD)} if found_dead else set())
    cause = curves.mice["exit_reason"].where(curves.mice["exit_reason"].isin(reasons), "censored")
    facts = curves.mice[["mouse", "pdx_model", "map2k4_status", "arm", "source_study"]]
    return facts.assign(time=curves.last_day, event=(cause != "censored").astype(int), cause=cause)


def compare_survival(
    times: pd.DataFrame,
    control: str,
    strata: str | list[str] | None = None,
    confidence: float = 0.95,
    ratios: bool = True,
) -> SurvivalComparison:
    """Compare the times of arms (columns arm, time, event 1/0), within the `strata` columns where given.

    Log-rank over all arms (its variance for tied times, as R's survdiff); Kaplan-Meier medians, the
    midpoint where a curve rests on one half, as R's survfit; Cox hazard ratios of each arm against the
    control (Efron's ties). Where an arm has no event or arms are separated a hazard ratio is not estimable:
    `cox` is None, `cox_reason` says so, and Firth's penalized ratios stand in `firth`. Without `ratios`
    only the plain hazard ratios are made, neither `firth` nor `proportionality`.
    """
    times = times.assign(arm=times["arm"].astype(str), time=times["time"].astype(float))
    _refuse_bad_times(times, control)
    arms = [control, *sorted(set(times["arm"]) - {control})]
    table = _risks(times, arms, strata)
    fit, reason = _cox_fit(times, table, arms)
    curves = {arm: kaplan_meier(*_of(times, arm), confidence) for arm in arms}
    last_days = times.groupby("arm")["time"].max()
    is_last = times["time"] == times["arm"].map(last_days)
    return SurvivalComparison(
        logrank=_log_rank(table, len(arms)),
        medians={arm: curve.median for arm, curve in curves.items()},
        cox=None if fit is None else _ratios(fit, arms, confidence),
        cox_reason=reason,
        n={arm: int((times["arm"] == arm).sum()) for arm in arms},
        events={arm: int(times.loc[times["arm"] == arm, "event"].sum()) for arm in arms},
        median_intervals={arm: curve.median_interval for arm, curve in curves.items()},
        last_days={arm: float(last_days[arm]) for arm in arms},
        followed={arm: int((is_last & (times["arm"] == arm)).sum()) for arm in arms},
        firth=_firth(table, arms, confidence) if ratios else None,
        proportionality=_proportionality(table, fit) if fit is not None and ratios else None,
    )


def exact_log_rank(
    times: pd.DataFrame, arm: str, control: str, strata: str | list[str] | None = None, seed: int = 0
) -> PermutationTest:
    """The log-rank test of one arm against the control by exchanging their labels within strata.

    The statistic is the arm's events less those expected; each mouse's share of it, its event less the hazard it lived
    through in its stratum, does not hang on labels. All arrangements where they are at most 2000, else 9,999 drawn.
    """
    pair = times[times["arm"].isin([arm, control])]
    _refuse_bad_times(pair, control)
    stratum = _strata(pair, strata)
    score = np.zeros(len(pair))
    time, event = pair["time"].to_numpy(float), pair["event"].to_numpy(int)
    for level in np.unique(stratum):
        mine = stratum == level
        days, hazard = _hazard(time[mine], event[mine])
        lived = np.append(0.0, np.cumsum(hazard))[np.searchsorted(days, time[mine], side="right")]
        score[mine] = event[mine] - lived
    return permutation_test((pair["arm"] == arm).to_numpy(), stratum, lambda labels: labels @ score, seed)


def restricted_means(times: pd.DataFrame, control: str, confidence: float = 0.95) -> pd.DataFrame:
    """Mean days free of the event to the day the first arm was followed to, and each arm's gain over its control's.

    One row an arm: arm, tau, rmst_days, se, gain (days), gain_se, p_value, ci_low, ci_high. With strata it is still the
    comparison of whole arms, so it is meant for one PDX model or evenly filled ones. One mouse has no
    spread, and how an arm without an event might have varied is not known: the gain then has no p and no interval.
    """
    _refuse_bad_times(times, control)
    arms = [control, *sorted(set(times["arm"]) - {control})]
    tau = float(times.groupby("arm")["time"].max().min())
    means = {arm: restricted_mean(*_of(times, arm), tau) for arm in arms}
    is_one_mouse = (times["arm"].value_counts() < 2).to_dict()
    rows = []
    for arm in arms:
        gain: dict[str, float | None] = {}
        if arm != control:
            gain = restricted_mean_difference(means[arm], means[control], confidence)
            if not min(means[arm].se, means[control].se) > 0:
                gain = {"estimate": gain["estimate"]}
        names = {
            "gain": "estimate",
            "gain_se": "se",
            "p_value": "p_value",
            "ci_low": "ci_low",
            "ci_high": "ci_high",
        }
        se = None if is_one_mouse[arm] else means[arm].se
        row = {"arm": arm, "tau": tau, "rmst_days": means[arm].days, "se": se}
        rows.append(row | {name: gain.get(source) for name, source in names.items()})
    return pd.DataFrame(rows)


def competing_incidence(times: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """By each arm's last day, the share of its mice that had each cause of leaving (Aalen & Johansen 1978, Scand J Stat
    5:141).

    One row an arm and cause (threshold and size_cull count as event): arm, cause, day, percent, se_percent, ci_low,
    ci_high, the last three None for one mouse. One less the Kaplan-Meier share overstates the event's incidence where
    other causes compete.
    """
    merged = times["cause"].replace({"threshold": "event", "size_cull": "event"})
    z, rows = float(ndtri(0.5 + confidence / 2)), []
    for arm in pd.unique(times["arm"]):
        mine = (times["arm"] == arm).to_numpy()
        found = cumulative_incidence(times["time"].to_numpy(float)[mine], merged.to_numpy(str)[mine])
        for cause, share in found.share.items():
            percent = 100 * float(share[-1])
            se = None if found.se is None or mine.sum() < 2 else 100 * float(found.se[cause][-1])
            row = {
                "arm": arm,
                "cause": cause,
                "day": float(times.loc[mine, "time"].max()),
                "percent": percent,
            }
            limits = (
                (None, None) if se is None else (max(0.0, percent - z * se), min(100.0, percent + z * se))
            )
            rows.append(row | {"se_percent": se, "ci_low": limits[0], "ci_high": limits[1]})
    return pd.DataFrame(rows, columns=["arm", "cause", "day", "percent", "se_percent", "ci_low", "ci_high"])


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


def _of(times: pd.DataFrame, arm: str) -> tuple[np.ndarray, np.ndarray]:
    mine = times["arm"] == arm
    return times.loc[mine, "time"].to_numpy(float), times.loc[mine, "event"].to_numpy(int)


def _strata(times: pd.DataFrame, strata: str | list[str] | None) -> np.ndarray:
    names = [strata] if isinstance(strata, str) else list(strata or [])
    if not names:
        return np.zeros(len(times), dtype=int)
    return times.groupby(names, sort=False).ngroup().to_numpy()


def _risks(times: pd.DataFrame, arms: list[str], strata: str | list[str] | None) -> RiskTable:
    code = pd.Categorical(times["arm"], categories=arms).codes
    return RiskTable.of(
        times["time"].to_numpy(float), times["event"].to_numpy(int), code, len(arms), _strata(times, strata)
    )


def _log_rank(table: RiskTable, arms: int) -> LogRank:
    if not len(table.events):
        return LogRank(None, arms - 1, None, "no mouse had the event")
    chisq, df = log_rank(table)
    if chisq is None:
        together = ((table.at_risk > 0).sum(axis=1) > 1).any()
        reason = "on each day with an event every mouse still at risk had it, so no arm came first"
        return LogRank(
            None, 0, None, reason if together else "no two arms were at risk on a day with an event"
        )
    return LogRank(chisq, df, chisq_p(chisq, df))


def _cox_fit(times: pd.DataFrame, table: RiskTable, arms: list[str]) -> tuple[CoxFit | None, str | None]:
    event = times["event"].to_numpy(int)
    eventless = [arm for arm in arms if not event[(times["arm"] == arm).to_numpy()].sum()]
    if len(arms) < 2:
        return None, "there is only one arm"
    if eventless:
        return None, f"no event in {', '.join(eventless)}: a hazard ratio is not estimable"
    if (fit := cox(table)) is None:
        return None, "the arms' times do not overlap (complete separation): a hazard ratio is not estimable"
    return fit, None


def _ratios(fit: CoxFit, arms: list[str], confidence: float) -> pd.DataFrame:
    z, width = fit.beta / fit.se, float(ndtri(0.5 + confidence / 2)) * fit.se
    return pd.DataFrame(
        {
            "estimate": fit.beta, "se": fit.se, "statistic": z, "p_value": 2 * ndtr(-np.abs(z)),
            "hazard_ratio": np.exp(fit.beta), "ci_low": np.exp(fit.beta - width),
            "ci_high": np.exp(fit.beta + width),
        },
        index=pd.Index(arms[1:], name="arm"),
    )  # fmt: skip


def _firth(table: RiskTable, arms: list[str], confidence: float) -> pd.DataFrame | None:
    """Penalized hazard ratios; p and intervals by the penalized likelihood ratio, which separation does not harm."""
    if not len(table.events) or len(arms) < 2 or (fit := cox(table, penalized=True)) is None:
        return None
    groups, allowed = range(1, len(arms)), float(chdtri(1, 1 - confidence))
    gains = [penalized_gain(table, fit, group) for group in groups]
    ends = np.exp([profile_interval(table, fit, group, allowed) for group in groups])
    return _ratios(fit, arms, confidence).assign(
        statistic=gains, p_value=chdtrc(1, np.array(gains)), ci_low=ends[:, 0], ci_high=ends[:, 1]
    )


def _proportionality(table: RiskTable, fit: CoxFit) -> dict[str, float | int]:
    chisq, df, p = proportional_hazards(table, fit)
    return {"chisq": chisq, "df": df, "p_value": p}


def _hazard(time: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Days with events and the share of the mice at risk that had it."""
    days, events = np.unique(time[event == 1], return_counts=True)
    at_risk = len(time) - np.searchsorted(np.sort(time), days, side="left")
    return days, events / at_risk
