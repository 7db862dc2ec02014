"""Other shapes of growth, and other errors about it, than straight lines with errors all alike: the alternatives a plan
may have named beforehand. Each gives the same effect per day on ln V."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from studies import wording
from studies.analysis.errors import AnalysisError
from studies.analysis.growth_models import GrowthData, GrowthFit, fit_m1, fit_m4, tgi_day
from studies.analysis.mixed_model import fit_lmm, fit_lmm_near
from studies.analysis.plan import Plan
from studies.analysis.tables import LENGTHS

INNER_KNOTS = 2
FEWEST_DAYS_FOR_SPLINE, FEWEST_DAYS_OF_OWN, MOST_DAYS_OF_OWN = 5, 3, 30
MOST_COLUMNS = 120
MOST_READINGS_BY_ARM, MOST_READINGS_CORRELATED = 20_000, 5_000
LARGEST_MISFIT, MOST_ARMS_APART = 0.1, 12


def fit_spline(data: GrowthData, plan: Plan) -> GrowthFit:
    """M2 with a natural cubic spline an arm, its knots at the first and last day and evenly among the days between.

    Harrell 2015, Regression Modeling Strategies, section 2.4.5: cubes past each knot, straight before and beyond.
    """
    days = np.unique(data.frame["day"])
    if len(days) < FEWEST_DAYS_FOR_SPLINE:
        raise AnalysisError(
            f"{len(days)} days in the window, of {FEWEST_DAYS_FOR_SPLINE} that a spline takes"
        )
    *inner, late, last = np.quantile(days, np.linspace(0, 1, INNER_KNOTS + 2))

    def bend(knot: float) -> dict[float, float]:
        return {knot: 1.0, late: -(last - knot) / (last - late), last: (late - knot) / (last - late)}

    return _fit_bent(data, plan, [bend(knot) for knot in inner], 3, "M2, spline")


def fit_days(data: GrowthData, plan: Plan) -> GrowthFit:
    """M3: on every day on which all arms were read each arm has a mean of its own, joined by straight lines: no shape
    is assumed, and the eGaIT is that of the trapezoids."""
    arms = data.frame.groupby("day")["arm"].nunique()
    days = arms.index[(arms == len(data.arms)) & (arms.index <= tgi_day(plan))].to_numpy(float)
    if not FEWEST_DAYS_OF_OWN <= len(days) <= MOST_DAYS_OF_OWN:
        raise AnalysisError(
            f"all arms were read on {len(days)} days to day {tgi_day(plan):g}: {FEWEST_DAYS_OF_OWN} to "
            f"{MOST_DAYS_OF_OWN} can have means of their own"
        )
    return _fit_bent(data, plan, [{day: 1.0} for day in days[1:-1]], 1, "M3")


def fit_through_origin(data: GrowthData, plan: Plan) -> GrowthFit:
    """M1c: ln of volumes relative to the mouse's own first day, whose readings are left out; every line begins at 0, as
    SynergyLMM has it (Nat Commun 2025, s41467-025-65218-9). It trusts one reading for the level of a whole curve."""
    frame = data.seen().frame if data.n_censored else data.frame
    first = frame["day"].min()
    start = frame[frame["day"] == first].set_index("mouse")["log_volume"]
    later = frame[(frame["day"] > first) & frame["mouse"].isin(start.index)]
    later = later.assign(
        log_relative_volume=later["log_volume"] - later["mouse"].map(start).to_numpy(float),
        day=later["day"] - first,
    )
    several, gene = data.mice["pdx_model"].nunique() > 1, data.gene
    statuses = data.mice["map2k4"].nunique() > 1
    fixed = f"day + day:{gene} + day:arm + day:arm:{gene}" if several and statuses else "day + day:arm"
    replicated = data.mice.groupby(["pdx_model", "arm"], observed=True).size().max() > 1
    groups = [
        *(["pdx_model"] if several else []),
        *(["pdx_model:arm"] if several and replicated else []),
        "mouse",
    ]
    formula = f"log_relative_volume ~ 0 + {fixed}" + "".join(f" + (0 + day | {group})" for group in groups)
    kept = replace(data, frame=later.reset_index(drop=True))
    lost = len(set(data.mice["mouse"]) - set(later["mouse"]))
    notes = (
        (f"{wording.mice(lost)} without a reading on day {first:g}, or with no other, left out",)
        if lost
        else ()
    )
    cap = float(max(data.mice["pdx_model"].nunique() - data.mice["map2k4"].nunique(), 1)) if several else None
    return GrowthFit(kept, formula, fit_lmm(formula, kept.frame), "M1c", cap, notes)


def with_errors(primary: GrowthFit, **errors: Any) -> GrowthFit:
    """The primary formula with other residuals: `residual_by`, `residual_correlation` or `weights` as `fit_lmm` has
    them."""
    data = primary.data.seen() if primary.data.n_censored else primary.data
    most = MOST_READINGS_CORRELATED if "residual_correlation" in errors else MOST_READINGS_BY_ARM
    if len(data.frame) > most:
        raise AnalysisError(f"not fitted above {most} readings")
    if "residual_by" in errors and len(data.arms) > MOST_ARMS_APART:
        raise AnalysisError(f"not fitted above {MOST_ARMS_APART} arms")
    fit = fit_lmm_near(primary.formula, data.frame, primary.fit, **errors)
    notes = (
        [f"{wording.readings(primary.data.n_censored)} below detection left out"]
        if primary.data.n_censored
        else []
    )
    return replace(primary, data=data, fit=fit, notes=(*notes, *_errors_found(fit, errors)))


def with_caliper_errors(primary: GrowthFit) -> GrowthFit:
    """The primary formula with readings weighted by how little calipers err on ln V at their size.

    A length read with the same error at every size gives ln(L W^2) the variance s^2 (1/L^2 + 4/W^2), by the delta
    method: small tumors are read less surely.
    """
    data = primary.data.seen() if primary.data.n_censored else primary.data
    if not set(LENGTHS) <= set(data.frame) or data.frame[[*LENGTHS]].isna().any(axis=None):
        raise AnalysisError("not every reading in the window has its two lengths")
    length, width = (data.frame[name].to_numpy(float) for name in LENGTHS)
    shape = data.frame["log_volume"].to_numpy() - np.log(length * width**2)
    if np.abs(shape - np.median(shape)).max() > LARGEST_MISFIT:
        raise AnalysisError(
            "volumes are not those of the lengths beside them: several tumors, or another formula"
        )
    weight = 1 / (1 / length**2 + 4 / width**2)
    return with_errors(primary, weights=weight / weight.mean())


def _errors_found(fit: Any, errors: Mapping[str, Any]) -> list[str]:
    if "weights" in errors:
        return []
    if "residual_correlation" in errors:
        return [f"residuals a day apart correlate by {fit.residual_correlation:.2g}"]
    rows = fit.variance_components
    spread = rows[rows["group"] == "Residual"].set_index("term1")["value"] ** 0.5
    return ["residual SD " + ", ".join(f"{arm} {sd:.3g}" for arm, sd in spread.items())]


def _fit_bent(
    data: GrowthData, plan: Plan, bends: list[dict[float, float]], power: int, name: str
) -> GrowthFit:
    """A fit whose curves bend by columns each of which sums (day - knot)+ ** power by the weights of its knots."""
    day, end = data.frame["day"].to_numpy(float), tgi_day(plan)
    span = np.ptp(day) ** (power - 1)
    columns, weights = {}, {}
    for number, bend in enumerate(bends, 1):
        parts = [(weight / span, knot) for knot, weight in bend.items()]
        columns[f"bend{number}"] = sum(
            weight * np.maximum(day - knot, 0.0) ** power for weight, knot in parts
        )
        weights[f"bend{number}"] = sum(weight * _egait(knot, power, end) for weight, knot in parts)
    several, statuses = data.mice["pdx_model"].nunique() > 1, data.mice["map2k4"].nunique()
    count = (2 + len(bends)) * len(data.arms) * (statuses if several else 1)
    if count > MOST_COLUMNS:
        raise AnalysisError(f"{count} fixed effects, of {MOST_COLUMNS} at most")
    curved = replace(data, frame=data.frame.assign(**columns))
    fit = fit_m4(curved, plan, bends=weights) if several else fit_m1(curved, plan, bends=weights)
    return replace(fit, name=name)


def _egait(knot: float, power: int, day: float) -> float:
    """2/T^2 times the area of (t - knot)+ ** power over its value at 0, from 0 to T = `day`."""
    late, early = max(day - knot, 0.0), max(-knot, 0.0)
    area = (late ** (power + 1) - early ** (power + 1)) / (power + 1)
    return 2 / day**2 * (area - day * early**power)
