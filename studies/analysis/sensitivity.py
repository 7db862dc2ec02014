"""The same effects by other defensible ways, beside the primary one: does the answer depend on a choice?

Each row is an arm's effect against its control, per day on ln V, by a named variant. No row replaces the primary.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from studies.analysis.censored import fit_censored
from studies.analysis.curves import curves_of
from studies.analysis.diagnostics import without_far_off
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import growth_rates
from studies.analysis.growth_models import (
    GrowthFit,
    fit_m1,
    fit_m4,
    fit_primary,
    growth_data,
    square_of,
    tgi_day,
)
from studies.analysis.inference import ESTIMATES, effect_rows, f1_pairs
from studies.analysis.plan import Plan, day_rule

MOST_MODELS_LEFT_OUT = 12
Variant = tuple[str, Callable[[], GrowthFit]]


def sensitivity_rows(
    frame: pd.DataFrame, everyone: pd.DataFrame, plan: Plan, primary: GrowthFit | None
) -> list[dict[str, Any]]:
    """Every variant that applies; `everyone` is the table with the mice the plan excludes. A variant that cannot be
    fitted has a row with the reason in place of numbers."""
    if primary is None or plan["window"] is None:
        return []
    rows = _rows("primary", lambda: primary, plan)
    for name, fit in _variants(frame, everyone, plan, primary):
        rows += _rows(name, fit, plan)
    return rows + _censored(frame, plan, primary) + _two_stage(frame, plan, primary)


def _variants(
    frame: pd.DataFrame, everyone: pd.DataFrame, plan: Plan, primary: GrowthFit
) -> Iterator[Variant]:
    if primary.name == "M1":
        yield from _of_m1(primary, plan)
    if primary.name == "M4":
        yield from _of_m4(primary, plan)
    last = float(frame["day"].max())
    if last > plan["window"][1]:
        yield (
            f"all readings to day {last:g}",
            lambda: fit_primary(
                growth_data(frame, with_values(plan, window=[plan["window"][0], last])), plan
            ),
        )
    half = day_rule(frame, plan["control"], fallback=True)
    if half is not None and half not in (plan["window"][1], last):
        yield (
            f"window to day {half:g}, where half of every arm is followed",
            lambda: fit_primary(
                growth_data(frame, with_values(plan, window=[plan["window"][0], half])), plan
            ),
        )
    if (rest := without_far_off(primary)) is not None and primary.name in ("M1", "M4"):
        count = rest.left_out["far off"]
        yield f"without {count} readings beyond 3 residual SD", partial(fit_primary, rest, plan)
    if primary.data.left_out.get("volume of 0"):
        yield from _of_zeros(frame, plan)
    if plan["exclusions"]:
        yield "excluded mice included", lambda: fit_primary(growth_data(everyone, plan), plan)


def _of_m1(primary: GrowthFit, plan: Plan) -> Iterator[Variant]:
    data = primary.data
    yield "common intercept of all arms (M1a)", lambda: fit_m1(data, plan, fixed="day + day:arm")
    yield (
        "intercept and slope of a mouse uncorrelated",
        lambda: fit_m1(data, plan, random="(1 + day || mouse)"),
    )
    yield "random intercept only", lambda: fit_m1(data, plan, random="(1 | mouse)")
    yield "curved growth, eGaIT (M2)", lambda: fit_m1(data, plan, square=square_of("egait", tgi_day(plan)))
    cages = data.frame[data.frame["cage"] != ""].groupby("arm", observed=True)["cage"].nunique()
    if len(cages) == len(data.arms) and (cages >= 2).all():
        yield "cages as a random effect", lambda: fit_m1(data, plan, random="(1 + day | mouse) + (1 | cage)")


def _of_m4(primary: GrowthFit, plan: Plan) -> Iterator[Variant]:
    data = primary.data
    if "map2k4" in primary.formula:
        yield "without MAP2K4 terms", lambda: fit_m4(data, plan, by_status=False)
    yield "curved growth, eGaIT (M2)", lambda: fit_m4(data, plan, square_of("egait", tgi_day(plan)))
    models = sorted(set(data.mice["pdx_model"]))
    if 3 <= len(models) <= MOST_MODELS_LEFT_OUT:
        for model in models:
            rest = replace(data, frame=data.frame[data.frame["pdx_model"] != model])
            yield f"without PDX model {model}", partial(fit_m4, rest, plan)


def _of_zeros(frame: pd.DataFrame, plan: Plan) -> Iterator[Variant]:
    """What putting a number in place of 0 would do: shown since others do it, biased since the number is made up."""
    half = plan["lod_mm3"] / 2
    zero = frame["volume_mm3"] == 0
    filled = frame.assign(volume_mm3=frame["volume_mm3"].mask(zero, half))
    yield (
        f"0 read as half the limit of detection ({half:g} mm3)",
        lambda: fit_primary(growth_data(filled, plan), plan),
    )
    shifted = frame.assign(volume_mm3=frame["volume_mm3"] + 1)
    yield "1 mm3 added to every volume", lambda: fit_primary(growth_data(shifted, plan), plan)


def _rows(name: str, fit: Callable[[], GrowthFit], plan: Plan) -> list[dict[str, Any]]:
    try:
        fitted = fit()
        pairs = f1_pairs(fitted.data, plan)
        weights = [fitted.effect(arm, control) for arm, control in pairs]
        effects = effect_rows(fitted, plan, pairs, weights, "none")
    except (AnalysisError, np.linalg.LinAlgError, ArithmeticError) as error:
        return [
            {"variant": name, "arm": None, "control": None, **dict.fromkeys(ESTIMATES), "note": str(error)}
        ]
    return [
        {"variant": name, **{key: row[key] for key in ("arm", "control", *ESTIMATES)},
         "formula": fitted.formula, "window": list(fitted.data.window), "note": None}
        for row in effects
    ]  # fmt: skip


def _censored(frame: pd.DataFrame, plan: Plan, primary: GrowthFit) -> list[dict[str, Any]]:
    """The row that takes readings of 0 for what they are: below the limit of detection, no more."""
    name = f"readings below {plan['lod_mm3']:g} mm3 left-censored (maximum likelihood)"
    if primary.name != "M1" or not primary.data.left_out.get("volume of 0"):
        return []
    try:
        fit = fit_censored(frame, plan, f1_pairs(primary.data, plan))
    except (AnalysisError, np.linalg.LinAlgError, ArithmeticError) as error:
        return [
            {"variant": name, "arm": None, "control": None, **dict.fromkeys(ESTIMATES), "note": str(error)}
        ]
    note = (
        f"{fit.n_censored} readings censored; degrees of freedom of the same readings with the limit put in"
    )
    common = {"formula": primary.formula, "window": list(primary.data.window), "note": note}
    return [{"variant": name, **row, **common} for row in fit.effects.to_dict("records")]


def _two_stage(frame: pd.DataFrame, plan: Plan, primary: GrowthFit) -> list[dict[str, Any]]:
    """Welch's t on the growth rates of single mice, one PDX model only: mice of several are not independent."""
    if primary.data.mice["pdx_model"].nunique() > 1:
        return []
    first, last = plan["window"]
    curves = curves_of(frame[frame["day"].between(first, last)])
    rates = pd.Series(growth_rates(curves)).groupby(curves.mice["arm"].to_numpy())
    by_arm = {arm: values.dropna().to_numpy() for arm, values in rates}
    rows = []
    for arm, control in f1_pairs(primary.data, plan):
        treated, vehicle = by_arm.get(arm, np.zeros(0)), by_arm.get(control, np.zeros(0))
        if min(len(treated), len(vehicle)) < 2:
            continue
        estimate = float(treated.mean() - vehicle.mean())
        a, b = treated.var(ddof=1) / len(treated), vehicle.var(ddof=1) / len(vehicle)
        se = float((a + b) ** 0.5)
        if not se > 0:
            continue
        df = float((a + b) ** 2 / (a**2 / (len(treated) - 1) + b**2 / (len(vehicle) - 1)))
        p, half = float(2 * stdtr(df, -abs(estimate / se))), float(stdtrit(df, 1 - plan["alpha"] / 2)) * se
        rows.append({
            "variant": "growth rates of single mice, Welch's t", "arm": arm, "control": control, "estimate": estimate,
            "se": se, "df": df, "p_value": p, "p_adjusted": p, "ci_low": estimate - half, "ci_high": estimate + half,
            "formula": None, "window": list(primary.data.window), "note": None,
        })  # fmt: skip
    return rows


def with_values(plan: Plan, **values: Any) -> Plan:
    """The plan with some values in place of its own."""
    return replace(plan, values={**plan.values, **values})
