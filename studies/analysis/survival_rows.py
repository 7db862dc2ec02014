"""The rows of a study's JSON on time to event: the plan's endpoint in full, and the other endpoints beside it."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from studies.analysis.errors import AnalysisError
from studies.analysis.interval_censored import interval_log_rank, turnbull
from studies.analysis.plan import Plan
from studies.analysis.scopes import STRATA, Scope, scopes_of
from studies.analysis.survival import (
    SurvivalComparison,
    compare_survival,
    competing_incidence,
    exact_log_rank,
    restricted_means,
    time_to_event,
    time_to_exit,
)

FEWEST_MICE_BY_MODEL, FEWEST_MICE_OF_A_RATIO = 2, 2
MOST_MICE_EXCHANGED = 10
VOLUMES_MM3 = (1000.0, 1500.0)
NOTHING: dict[str, Any] = {
    "logrank": None, "medians": {}, "median_intervals": {}, "median_lower_bounds": {}, "median_lower_bound_mice": {},
    "cox": None, "firth": None, "proportionality": None, "n": {}, "events": {}, "competing": {}, "exact_logrank": [],
    "restricted_means": [], "incidence": [], "efs_ratios": [], "interval_censored": [],
}  # fmt: skip


def survival_rows(frame: pd.DataFrame, plan: Plan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The time of every mouse, and the comparison of arms, stratified by PDX model where there are several."""
    times = time_to_event(frame, **plan["endpoint"])
    rows = [
        _of_scope(scope, times[scope.chosen], plan)
        for scope in scopes_of(times)
        if _comparable(times[scope.chosen], plan, scope)
    ]
    return times.to_dict("records"), [
        {**row, "cox_by_status": _between_statuses(rows, plan) if row["scope"] == "study" else []}
        for row in rows
    ]


def _between_statuses(rows: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """How an arm's log hazard ratio differs between statuses: arm by status in the Cox model stratified by PDX model.

    A stratum has one status, so the partial likelihood falls apart by status, and the interaction is the difference of
    the two fits. Mice are its unit, not PDX models: it describes, and no claim rests on it.
    """
    loss, wild = (
        {one["arm"]: one for row in rows if (row["scope"], row["map2k4_status"]) == ("map2k4", status)
         for one in row["cox"] or [] if one["se"] is not None}
        for status in STRATA
    )  # fmt: skip
    found, z = [], float(ndtri(1 - plan["alpha"] / 2))
    for arm in [arm for arm in loss if arm in wild]:
        estimate = loss[arm]["estimate"] - wild[arm]["estimate"]
        se = float(np.hypot(loss[arm]["se"], wild[arm]["se"]))
        found.append({
            "arm": arm, "estimate": estimate, "se": se, "p_value": float(2 * ndtr(-abs(estimate / se))),
            "hazard_ratio_ratio": float(np.exp(estimate)), "ci_low": float(np.exp(estimate - z * se)),
            "ci_high": float(np.exp(estimate + z * se)), "unit": "mouse",
        })  # fmt: skip
    return found


def endpoint_rows(frame: pd.DataFrame, plan: Plan) -> list[dict[str, Any]]:
    """Doubling, quadrupling, two volumes, humane endpoint and overall survival over the study: medians and log-rank.

    The plan's endpoint is the one to test; these show whether the answer hangs on it. p values are unadjusted.
    """
    endpoints = {
        "doubling": time_to_event(frame, fold=2),
        "quadrupling": time_to_event(frame, fold=4),
        **{f"volume {volume:g} mm3": time_to_event(frame, volume_mm3=volume) for volume in VOLUMES_MM3},
        "humane endpoint": time_to_exit(frame),
        "overall survival": time_to_exit(frame, found_dead=True),
    }
    rows = []
    for name, times in endpoints.items():
        strata = "pdx_model" if times["pdx_model"].nunique() > 1 else None
        row = {"endpoint": name, "control": plan["control"], "strata": strata}
        try:
            result = compare_survival(times, plan["control"], strata, 1 - plan["alpha"], ratios=False)
        except AnalysisError as error:
            rows.append({**row, **_medians(None), "logrank": None, "reason": str(error)})
            continue
        rows.append(
            {**row, **_medians(result), "logrank": vars(result.logrank), "reason": result.logrank.reason}
        )
    return rows


def _comparable(times: pd.DataFrame, plan: Plan, scope: Scope) -> bool:
    fewest = FEWEST_MICE_BY_MODEL if scope.name == "pdx_model" else 1
    mice = times["arm"].value_counts()
    return mice.get(plan["control"], 0) >= fewest and bool((mice.drop(plan["control"]) >= fewest).any())


def _of_scope(scope: Scope, times: pd.DataFrame, plan: Plan) -> dict[str, Any]:
    control, level = plan["control"], 1 - plan["alpha"]
    strata = "pdx_model" if times["pdx_model"].nunique() > 1 else None
    row = {
        **scope.keys, "arm": None, "control": control, "n_mice": len(times),
        "n_models": times["pdx_model"].nunique(), "endpoint": plan["endpoint"], "strata": strata, **NOTHING,
    }  # fmt: skip
    result = compare_survival(times, control, strata, level, ratios=scope.name != "pdx_model")
    competing = times[~times["cause"].isin(["threshold", "size_cull", "censored"])]
    row |= {
        **_medians(result),
        "logrank": vars(result.logrank),
        "cox": _hazard_ratios(result.cox, result.n, control),
        "cox_reason": result.cox_reason,
        "firth": _hazard_ratios(result.firth, result.n, control),
        "proportionality": result.proportionality,
        "competing": competing["arm"].value_counts().to_dict(),
        "efs_ratios": _efs_ratios(result, control),
    }
    if scope.name == "pdx_model":
        return row
    return row | {
        "exact_logrank": _exact(times, result, plan, strata),
        "restricted_means": _records(restricted_means(times, control, level)),
        "incidence": _records(competing_incidence(times, level)),
        "interval_censored": interval_rows(times, plan, strata),
    }


def _medians(result: SurvivalComparison | None) -> dict[str, Any]:
    """Counts and medians by arm; where a median was not reached, the day it lies beyond and the mice followed then."""
    if result is None:
        return {name: {} for name in ("n", "events", "medians", "median_intervals", "median_lower_bounds",
                                      "median_lower_bound_mice")}  # fmt: skip
    beyond = {arm: result.last_days[arm] for arm, median in result.medians.items() if median is None}
    return {
        "n": result.n, "events": result.events, "medians": result.medians,
        "median_intervals": result.median_intervals, "median_lower_bounds": beyond,
        "median_lower_bound_mice": {arm: result.followed[arm] for arm in beyond},
    }  # fmt: skip


def _efs_ratios(result: SurvivalComparison, control: str) -> list[dict[str, Any]]:
    """Each arm's median over the control's (EFS T/C); a lower bound where the arm's median was not reached."""
    below = result.medians[control]
    rows = []
    for arm, median in result.medians.items():
        if arm == control:
            continue
        above = result.last_days[arm] if median is None else median
        ratio = above / below if below else None
        delay = above - below if below is not None else None
        percent = None if ratio is None else 100 * (ratio - 1)
        rows.append(
            {
                "arm": arm,
                "ratio": ratio,
                "delay_days": delay,
                "delay_percent": percent,
                "lower_bound": median is None and ratio is not None,
            }
        )
    return rows


def _exact(
    times: pd.DataFrame, result: SurvivalComparison, plan: Plan, strata: str | None
) -> list[dict[str, Any]]:
    """Each small arm, or one without events, against the control by exchanging labels: no large-sample law is leant
    on."""
    control, rows = plan["control"], []
    for arm, mice in result.n.items():
        small = max(mice, result.n[control]) <= MOST_MICE_EXCHANGED or not result.events[arm]
        if arm == control or not small or mice + result.n[control] > 4 * MOST_MICE_EXCHANGED:
            continue
        test = exact_log_rank(times, arm, control, strata, plan["random_seed"])
        rows.append({"arm": arm, "control": control, **vars(test)})
    return rows


def interval_rows(times: pd.DataFrame, plan: Plan, strata: str | None) -> list[dict[str, Any]]:
    """Each arm with its event known only to lie between two visits: the interval its median lies in, and the score test
    against its control, arms exchanged within strata."""
    after, by = times["after_day"].to_numpy(float), times["by_day"].fillna(np.inf).to_numpy(float)
    arm = times["arm"].to_numpy()
    stratum = np.zeros(len(times)) if strata is None else pd.factorize(times[strata])[0]
    rows = []
    for name in [one for one in plan["roles"] if (arm == one).any()]:
        low, high = turnbull(after[arm == name], by[arm == name]).median
        row = {
            "arm": name,
            "control": None,
            "n": int((arm == name).sum()),
            "median_after": low,
            "median_by": high,
        }
        test: dict[str, Any] = dict.fromkeys(
            ("statistic", "p_value", "arrangements", "exhaustive", "smallest_p")
        )
        control = plan.control_of(name)
        if name != plan["control"] and (arm == control).any():
            pair = np.isin(arm, [name, control])
            row["control"] = control
            test = vars(
                interval_log_rank(
                    after[pair], by[pair], arm[pair] == name, stratum[pair], plan["random_seed"]
                )
            )
        rows.append(row | test)
    return rows


def _hazard_ratios(
    table: pd.DataFrame | None, n: dict[str, int], control: str
) -> list[dict[str, Any]] | None:
    """The rows of a table of hazard ratios, a `note` in place of numbers where the arm or its control is one mouse.

    A likelihood gives such an arm a ratio too, but it tells of that mouse's day and of no other's.
    """
    rows = _records(table)
    for row in rows or []:
        alone = [name for name in (row["arm"], control) if n[name] < FEWEST_MICE_OF_A_RATIO]
        if alone:
            row |= dict.fromkeys([name for name in row if name != "arm"])
        row["note"] = f"no hazard ratio: {alone[0]} is one mouse" if alone else None
    return rows


def _records(table: pd.DataFrame | None) -> list[dict[str, Any]] | None:
    if table is None:
        return None
    named = table.reset_index() if table.index.name else table
    return named.replace({np.nan: None}).to_dict("records")
