"""Growth of arms compared by what single mice's curves say: rates, areas, T/C and delay.

A robust check of the mixed model (two stages: a number a mouse, then Welch's t), and the field's own measures beside
it.
"""

from math import log
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from studies.analysis.curves import Curves
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import growth_of_curves
from studies.analysis.intervals import Sample, fieller, ratio_by_bootstrap
from studies.analysis.plan import Plan
from studies.analysis.tgi import compare_arms, mice_at_day

HATHER_HORIZON_DAYS = 21.0
MOST_PAIRS = 4_000_000
RATES = {"growth_rate": "growth_rate_per_day", "egait": "egait_per_day", "edot": "edot_per_day"}


def welch(one: Sample, other: Sample, confidence: float = 0.95) -> dict[str, float | None]:
    """Difference of two means: estimate, se, df (Satterthwaite), p_value, ci_low, ci_high; what is not known is
    None."""
    if min(one.n, other.n) < 1:
        return dict.fromkeys(("estimate", "se", "df", "p_value", "ci_low", "ci_high"))
    estimate = one.mean - other.mean
    a, b = one.variance_of_mean, other.variance_of_mean
    if min(one.n, other.n) < 2 or not a + b > 0:
        return {"estimate": estimate, **dict.fromkeys(("se", "df", "p_value", "ci_low", "ci_high"))}
    df = (a + b) ** 2 / (a**2 / (one.n - 1) + b**2 / (other.n - 1))
    se = (a + b) ** 0.5
    half = float(stdtrit(df, 0.5 + confidence / 2)) * se
    p = float(2 * stdtr(df, -abs(estimate / se)))
    return {
        "estimate": estimate,
        "se": se,
        "df": df,
        "p_value": p,
        "ci_low": estimate - half,
        "ci_high": estimate + half,
    }


def rate_based_tc(difference: float, horizon_days: float = HATHER_HORIZON_DAYS) -> float:
    """T/C in percent by a horizon from a difference of growth rates on ln V (Hather et al. 2014, Cancer Inform 13
    S4:65)."""
    if not horizon_days > 0:
        raise AnalysisError(f"a horizon of {horizon_days:g} days is not above 0")
    return float(100 * np.exp(horizon_days * difference))


def log10_cell_kill(delay_days: float, doubling_time_days: float, dosing_days: float = 0.0) -> float:
    """log10 of cells killed: (T - C - dosing) / (3.32 x doubling time of the control); gross without `dosing_days`.

    Only for cytotoxic agents whose tumors regrow at the control's exponential rate; no report shows it by itself.
    Refuses
    a control that does not grow.
    """
    if not doubling_time_days > 0:
        raise AnalysisError("the control does not grow, so cell kill is not defined")
    return (delay_days - dosing_days) / (log(10) / log(2) * doubling_time_days)


def growth_comparison(curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """Each arm against its control, over the PDX models the arm was given to, mice with equal weight.

    Rows: arm, control, n, n_control; growth_rate, egait and edot, differences by Welch's t; doubling_time_days of the
    arm (from its mean rate); rate_tc_percent with its interval; aauc_ratio with Fieller's and a bootstrap-t interval;
    auc_ratio, the median over pairs of mice of eGaIT_T/eGaIT_C; tc_percent at the plan's day; optimal_tc_percent and
    optimal_tc_day, the least over days, which picks the day and so describes only.
    """
    table, level = growth_of_curves(curves), 1 - plan["alpha"]
    arm_of, model_of = curves.mice["arm"].to_numpy(), curves.mice["pdx_model"].to_numpy()
    rows = []
    for arm in plan.treated_arms:
        control, treated = plan.control_of(arm), arm_of == arm
        vehicle = (arm_of == control) & np.isin(model_of, model_of[treated])
        if not treated.any() or not vehicle.any():
            continue
        row: dict[str, Any] = {
            "arm": arm,
            "control": control,
            "n": int(treated.sum()),
            "n_control": int(vehicle.sum()),
        }
        values = {name: table[column].to_numpy(float) for name, column in RATES.items()}
        for name, value in values.items():
            row[name] = welch(Sample.of(value[treated]), Sample.of(value[vehicle]), level)
        row |= _rate_tc(row["growth_rate"])
        mean = Sample.of(values["growth_rate"][treated]).mean
        row["doubling_time_days"] = log(2) / mean if mean > 0 else None
        row |= _area_ratio(
            table["aauc_percent"].to_numpy(float), treated, vehicle, level, plan["random_seed"]
        )
        row["auc_ratio"] = auc_ratio(values["egait"][treated], values["egait"][vehicle])
        rows.append(row | _tc(curves, arm, control, treated, vehicle, plan))
    return rows


def auc_ratio(treated: np.ndarray, control: np.ndarray) -> float | None:
    """Median over all pairs of a treated and a control mouse of the ratio of their eGaIT (as invivoSyn)."""
    one, other = treated[~np.isnan(treated)], control[~np.isnan(control)]
    if not len(one) or not len(other) or not other.all() or len(one) * len(other) > MOST_PAIRS:
        return None
    return float(np.median(one[:, None] / other[None, :]))


def _rate_tc(rate: dict[str, float | None]) -> dict[str, float | None]:
    names = {"rate_tc_percent": "estimate", "rate_tc_ci_low": "ci_low", "rate_tc_ci_high": "ci_high"}
    found = {name: rate[source] for name, source in names.items()}
    return {name: None if value is None else rate_based_tc(value) for name, value in found.items()}


def _area_ratio(
    area: np.ndarray, treated: np.ndarray, vehicle: np.ndarray, level: float, seed: int
) -> dict[str, float | None]:
    one, other = Sample.of(area[treated]), Sample.of(area[vehicle])
    known = bool(one.n and other.n and other.mean > 0)
    interval = fieller(one, other, level) if known else None
    drawn = ratio_by_bootstrap(area[treated], area[vehicle], level, seed)
    return {
        "aauc_ratio": one.mean / other.mean if known else None,
        "aauc_ratio_ci_low": interval[0] if interval else None,
        "aauc_ratio_ci_high": interval[1] if interval else None,
        "aauc_ratio_bootstrap_low": drawn[0] if drawn else None,
        "aauc_ratio_bootstrap_high": drawn[1] if drawn else None,
    }


def _tc(
    curves: Curves, arm: str, control: str, treated: np.ndarray, vehicle: np.ndarray, plan: Plan
) -> dict[str, float | None]:
    """T/C of mean volumes at the plan's day, and the least of any day up to it on which both arms have mice read."""
    last = plan["day"]
    nothing: dict[str, float | None] = dict.fromkeys(("tc_percent", "optimal_tc_percent", "optimal_tc_day"))
    if last is None:
        return nothing
    days = np.unique(curves.day[(curves.day > 0) & (curves.day <= last) & treated[curves.owner]])
    found = {}
    for day in np.append(days, last):
        result = compare_arms(
            mice_at_day(curves, float(day), None, "ratio"), (arm, treated), (control, vehicle)
        )
        if result.percent is not None:
            found[float(day)] = 100 - result.percent
    if not found:
        return nothing
    best = min(found, key=lambda day: found[day])
    return {"tc_percent": found.get(float(last)), "optimal_tc_percent": found[best], "optimal_tc_day": best}
