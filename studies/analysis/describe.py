"""The descriptive rows of a study's JSON: TGI, responses, growth, time to event, weight."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis import endpoint_tests
from studies.analysis.curve_distance import distance_rows
from studies.analysis.curves import Curves
from studies.analysis.growth import growth_of_curves
from studies.analysis.growth_arms import growth_comparison
from studies.analysis.plan import Plan
from studies.analysis.response import IMPLEMENTATION, response_rates, responses
from studies.analysis.response_criteria import response_criteria, response_discordance
from studies.analysis.response_tests import compare_responses, model_rates, model_responses
from studies.analysis.scopes import Scope, scopes_of
from studies.analysis.survival_rows import endpoint_rows, survival_rows
from studies.analysis.tgi import METHODS, MiceAtDay, compare_arms, mice_at_day
from studies.analysis.weight import weight_summary
from studies.analysis.weight_inference import weight_model, weight_time_rows

SHOWN_BY_DAY = ("arm", "control", "day", "percent", "ci_low", "ci_high", "n", "n_interpolated", "n_control",
                "n_interpolated_control")  # fmt: skip
MODEL_SCOPE_METHODS = ("delta", "ratio", "rtv")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dicts."""
    return table.to_dict("records")


def tgi_rows(curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """TGI at the plan's day by every method: over all mice, within MAP2K4 strata, and within each PDX model."""
    if plan["day"] is None:
        return []
    by_method = {method: mice_at_day(curves, plan["day"], None, method) for method in METHODS}
    members = _Members(curves.mice)
    return [
        row
        for scope in scopes_of(curves.mice)
        for method in (MODEL_SCOPE_METHODS if scope.name == "pdx_model" else METHODS)
        for row in _tgi_of_scope(scope, members, by_method[method], by_method["ratio"], plan)
    ]


class _Members:
    """Which mice belong to an arm and to its control, like for like, by codes instead of names."""

    def __init__(self, mice: pd.DataFrame):
        self.model, _ = pd.factorize(mice["pdx_model"])
        self.arm_code, self.arms = pd.factorize(mice["arm"])

    def of(self, arm: str) -> np.ndarray:
        found = np.flatnonzero(self.arms == arm)
        return self.arm_code == found[0] if len(found) else np.zeros(len(self.arm_code), dtype=bool)

    def pair(self, arm: str, control: str, within: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The arm's mice, and the control's mice in the PDX models the arm was given to."""
        treated = self.of(arm) & within
        shared = np.zeros(self.model.max(initial=0) + 1, dtype=bool)
        shared[self.model[treated]] = True
        return treated, self.of(control) & within & shared[self.model]


def _tgi_of_scope(
    scope: Scope, members: _Members, mice: MiceAtDay, volumes: MiceAtDay, plan: Plan
) -> list[dict[str, Any]]:
    rows = []
    for arm in plan.treated_arms:
        control = plan.control_of(arm)
        treated, vehicle = members.pair(arm, control, scope.chosen)
        if not treated.any():
            continue
        result = compare_arms(mice, (arm, treated), (control, vehicle), 1 - plan["alpha"])
        counts = {"n_mice": int(treated.sum()), "n_models": len(np.unique(members.model[treated]))}
        regression = _regression(volumes.select(treated))
        rows.append({**scope.keys, **counts, **vars(result), "regression_percent": regression})
    return rows


def _regression(mice: MiceAtDay) -> float | None:
    """How far the arm's mean volume lies below its mean V0, in percent, where it does."""
    known = mice.known
    if not known.any():
        return None
    before, after = mice.v0[known].mean(), mice.values[known].mean()
    return float(100 * (before - after) / before) if before > after else None


def tgi_by_day_rows(curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """TGI (delta) of each arm on every day on which one of its mice was read, so that no day is picked unseen."""
    members, rows = _Members(curves.mice), []
    everyone = np.ones(len(curves), dtype=bool)
    pairs = {arm: members.pair(arm, plan.control_of(arm), everyone) for arm in plan.treated_arms}
    days = {
        arm: set(curves.day[(curves.day > 0) & (treated | vehicle)[curves.owner]])
        for arm, (treated, vehicle) in pairs.items()
    }
    for day in np.unique(curves.day[curves.day > 0]):
        mice = mice_at_day(curves, day, None, "delta")
        for arm, (treated, vehicle) in pairs.items():
            if day not in days[arm]:
                continue
            result = compare_arms(mice, (arm, treated), (plan.control_of(arm), vehicle), 1 - plan["alpha"])
            rows.append({name: getattr(result, name) for name in SHOWN_BY_DAY})
    return rows


def response_sections(frame: pd.DataFrame, plan: Plan) -> dict[str, Any]:
    """Every mouse by each rule of response; rates by arm over all mice and within MAP2K4 strata, compared with the
    control's; the calls of PDX models; and where the rules disagree."""
    mice = responses(frame, plan["lod_mm3"])
    controls = {arm: plan.control_of(arm) for arm in plan.treated_arms}
    criteria = response_criteria(frame, plan["day"], controls, plan["lod_mm3"])
    rates, tests = [], []
    for scope in scopes_of(mice):
        if scope.name == "pdx_model":
            continue
        part = mice[scope.chosen]
        models = part.groupby("arm")["pdx_model"].nunique()
        free = criteria[scope.chosen].groupby("arm")["tumor_free_survivor"].sum()
        for row in records(response_rates(part, 1 - plan["alpha"])):
            control = controls.get(row["arm"])
            counts = {
                "n_mice": row["n"],
                "n_models": int(models[row["arm"]]),
                "n_tumor_free": int(free[row["arm"]]),
            }
            rates.append(
                {**scope.keys, "control": control, **counts, **row, "implementation": IMPLEMENTATION}
            )
            if control is not None and control in models.index:
                shared = part[part["pdx_model"].isin(part.loc[part["arm"] == row["arm"], "pdx_model"])]
                if (shared["arm"] == control).any():
                    tests.append({**scope.keys, **counts, **compare_responses(shared, row["arm"], control)})
    calls = model_responses(mice)
    shown = [
        name for name in criteria if name not in ("mouse", "pdx_model", "map2k4_status", "arm", "mrecist")
    ]
    return {
        "responses": records(pd.concat([mice, criteria[shown]], axis=1)),
        "response_rates": rates,
        "response_tests": tests,
        "response_discordance": response_discordance(criteria),
        "model_responses": records(calls),
        "model_response_rates": model_rates(calls, 1 - plan["alpha"]),
    }


def growth_rows(curves: Curves) -> list[dict[str, Any]]:
    return records(growth_of_curves(curves))


def weight_rows(frame: pd.DataFrame, plan: Plan) -> list[dict[str, Any]]:
    """Weight loss by arm over the study and within MAP2K4 strata; none where no weight was taken."""
    mice = frame[["pdx_model", "map2k4_status"]]
    rows = []
    for scope in scopes_of(mice):
        part = frame[scope.chosen]
        if scope.name == "pdx_model" or part["weight_g"].notna().sum() == 0:
            continue
        for row in records(weight_summary(part)):
            control = plan.control_of(row["arm"]) if row["arm"] != plan["control"] else None
            models = part.loc[part["arm"] == row["arm"], "pdx_model"].nunique()
            rows.append({**scope.keys, "control": control, "n_models": models, **row})
    return rows


def sections_of(frame: pd.DataFrame, curves: Curves, plan: Plan) -> Mapping[str, Any]:
    """Every descriptive section of the JSON."""
    times, survival = survival_rows(frame, plan)
    return {
        "tgi": tgi_rows(curves, plan),
        "tgi_by_day": tgi_by_day_rows(curves, plan),
        "growth": growth_rows(curves),
        **response_sections(frame, plan),
        "times_to_event": times,
        "growth_comparison": growth_comparison(curves, plan),
        "curve_distances": distance_rows(curves, plan),
        "endpoint_tests": endpoint_tests.endpoint_rows(curves, plan),
        "permutation_tests": endpoint_tests.curve_rows(frame, plan),
        "survival": survival,
        "survival_endpoints": endpoint_rows(frame, plan),
        "weight": weight_rows(frame, plan),
        "weight_model": weight_model(frame, plan),
        "weight_times": weight_time_rows(frame, plan),
    }
