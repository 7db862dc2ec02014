"""The inferential rows of a study's JSON: the primary mixed model, M1 of every PDX model, and the
sensitivity of both.

Families of tests, in order: F1 each arm against its control (adjusted together), F2 a combination against
each of its parts, F3 synergy, F4 the MAP2K4 interaction. A later family of an arm is exploratory unless
the gate before it opened.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from studies import wording
from studies.analysis.censored import CensoredLmmFit, bootstrap
from studies.analysis.diagnostics import diagnostics
from studies.analysis.errors import AnalysisError
from studies.analysis.growth_models import (
    GrowthData,
    GrowthFit,
    Weights,
    fit_censoring,
    fit_m1,
    fit_primary,
    growth_data,
    square_of,
    tgi_day,
    tgi_percent,
)
from studies.analysis.mixed_model import Adjust
from studies.analysis.plan import Plan

ESTIMATES = ("estimate", "se", "df", "p_value", "p_adjusted", "ci_low", "ci_high")
CURVATURE_ALPHA = 0.05
MOST_MICE_FOR_BOOTSTRAP = 5
MOST_MODELS_AT_LENGTH = 12


def mixed_model(
    frame: pd.DataFrame, plan: Plan, notes: list[str]
) -> tuple[dict[str, Any] | None, GrowthFit | None]:
    """The primary fit as a dict, and the fit; None with the reason in `notes` where there is none."""
    try:
        fit = fit_primary(growth_data(frame, plan), plan)
    except AnalysisError as error:
        notes.append(f"mixed_model is null: {error}")
        return None, None
    scope = {"scope": "study", "pdx_model": None, "map2k4_status": None}
    section = describe_fit(fit, plan, scope)
    notes.extend(note for note in section["notes"] if note not in notes)
    return section, fit


def is_below(p: float | None, alpha: float) -> bool:
    """Whether a p is known and below a level; 0 is what a p too small for a number reads."""
    return p is not None and p < alpha


def fits_by_model(
    frame: pd.DataFrame, plan: Plan, primary: GrowthFit | None
) -> list[tuple[dict[str, Any], GrowthFit | str]]:
    """M1 of each PDX model with at least two mice in its control and in another arm, or why it could not be fitted.

    Where the study has one PDX model, the primary fit is that model's.
    """
    fits: list[tuple[dict[str, Any], GrowthFit | str]] = []
    square = square_of(plan["primary"].get("estimand", "slope"), tgi_day(plan)) if plan["window"] else 0.0
    for model, part in frame.groupby("pdx_model", sort=False):
        if part.groupby("arm")["mouse"].nunique().ge(2).sum() < 2:
            continue
        scope = {
            "scope": "pdx_model",
            "pdx_model": str(model),
            "map2k4_status": str(part["map2k4_status"].iloc[0]),
        }
        if primary is not None and len(part) == len(frame) and plan["model"] == "auto":
            fits.append((scope, primary))
            continue
        try:
            fits.append((scope, fit_censoring(growth_data(part, plan), plan, square)))
        except AnalysisError as error:
            fits.append((scope, str(error)))
    return fits


def mixed_models_by_model(
    fits: list[tuple[dict[str, Any], GrowthFit | str]],
    plan: Plan,
    primary: GrowthFit | None,
    section: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """Each PDX model's own fit as a dict; one that could not be fitted has no formula and says why."""
    rows: list[dict[str, Any]] = []
    for scope, fit in fits:
        if isinstance(fit, str):
            rows.append({**scope, "formula": None, "contrasts": [], "notes": [fit]})
        elif fit is primary and section is not None:
            rows.append({**scope, **section, "contrasts": [{**row, **scope} for row in section["contrasts"]]})
        else:
            rows.append({**scope, **describe_fit(fit, plan, scope, len(fits) <= MOST_MODELS_AT_LENGTH)})
    return rows


def describe_fit(fit: GrowthFit, plan: Plan, scope: Mapping[str, Any], whole: bool = True) -> dict[str, Any]:
    """Everything the JSON tells of one fit; not `whole`: its diagnostics without points and mice."""
    coefficients = fit.fit.coefficients(df=plan["df"], level=1 - plan["alpha"])
    notes = [*fit.notes, *fit.fit.notes, *_left_out_notes(fit.data)]
    return {
        "model": fit.name,
        "estimand": plan["primary"].get("estimand", "slope"),
        "formula": fit.formula,
        "df_method": plan["df"],
        "window": list(fit.data.window),
        "coefficients": [{"term": term, **row} for term, row in coefficients.to_dict("index").items()],
        "variance_components": fit.fit.variance_components.to_dict("records"),
        "slopes": _slopes(fit, plan),
        "contrasts": contrast_rows(fit, plan, scope),
        "curvature": curvature(fit, plan),
        "diagnostics": diagnostics(fit, whole),
        "notes": notes,
    }


def contrast_rows(fit: GrowthFit, plan: Plan, scope: Mapping[str, Any]) -> list[dict[str, Any]]:
    """F1 and F2: differences of slopes, with the TGI they make by the plan's day."""
    pairs = f1_pairs(fit.data, plan)
    rows = _with_bootstrap(fit, plan, _family(fit, plan, pairs, "F1", plan["adjust"], scope))
    opened = {row["arm"]: is_below(row["p_adjusted"], plan["alpha"]) for row in rows}
    parts = [
        (row["arm"], part) for row in plan["combinations"] for part in row["parts"]
        if row["arm"] in fit.data.arms and part in fit.data.arms
    ]  # fmt: skip
    for row in _family(fit, plan, parts, "F2", "none", scope) if parts else []:
        rows.append({**row, "exploratory": not opened.get(row["arm"], False)})
    return rows


def _with_bootstrap(fit: GrowthFit, plan: Plan, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where readings of a study of one PDX model are censored and an arm has few mice, the bootstrap's p value beside
    the t test's; the fits of single models among several are exploratory, and go without."""
    if not isinstance(fit.fit, CensoredLmmFit) or any(row["scope"] != "study" for row in rows):
        return rows
    found = []
    for row in rows:
        fewest = min(fit.data.count(row[name])["n_mice"] for name in ("arm", "control"))
        if fewest > MOST_MICE_FOR_BOOTSTRAP or row["estimate"] is None:
            found.append(row)
            continue
        try:
            result = bootstrap(fit.fit, fit.effect(row["arm"], row["control"]), plan["random_seed"])
        except np.linalg.LinAlgError:  # simulated studies whose likelihood has no maximum
            found.append({**row, "bootstrap_p_value": None, "bootstrap_draws": 0, "likelihood_ratio": None})
            continue
        found.append({**row, "bootstrap_p_value": result.p_value, "bootstrap_draws": result.draws,
                      "likelihood_ratio": result.ratio})  # fmt: skip
    return found


def f1_pairs(data: GrowthData, plan: Plan) -> list[tuple[str, str]]:
    """Each fitted arm and the control it is compared with."""
    return [(arm, plan.control_of(arm)) for arm in data.arms[1:] if plan.control_of(arm) in data.arms]


def effect_rows(
    fit: GrowthFit, plan: Plan, pairs: list[tuple[str, str]], weights: list[Weights], adjust: Adjust
) -> list[dict[str, Any]]:
    """Estimates of effects named by (arm, control), with counts and the TGI they make; not estimable: None."""
    labels = [f"{arm} - {control}" for arm, control in pairs]
    table = fit.contrasts(dict(zip(labels, weights, strict=True)), plan, adjust)
    day = tgi_day(plan)
    rows = []
    # an eGaIT is the slope of a line of equal area: it says nothing of the volume at one day
    readable = fit.square in (0.0, square_of("day_difference", day)) and not fit.bends
    for (arm, control), (_, estimates) in zip(pairs, table.iterrows(), strict=True):
        row: dict[str, Any] = {"arm": arm, "control": control}
        row |= {name: number(estimates[name]) for name in ESTIMATES}
        row |= {
            "tgi_percent": tgi_percent(row["estimate"], day) if readable else None,
            "tgi_ci_low": tgi_percent(row["ci_high"], day) if readable else None,
            "tgi_ci_high": tgi_percent(row["ci_low"], day) if readable else None,
            "tgi_day": day,
        }
        rows.append(row)
    return rows


def curvature(fit: GrowthFit, plan: Plan) -> dict[str, Any] | None:
    """Do the curves bend within the window? F test of the squared-day terms, with the eGaIT effects of that fit.

    The estimand stays the plan's; where curves bend, the eGaIT effect (M2) is the one to read the slope with.
    """
    if fit.name not in ("M1", "MC"):
        return None
    try:
        bent = fit_m1(fit.data, plan, square=square_of("egait", tgi_day(plan)))
        squares = [name for name in bent.fit.design.names if "day2" in name.split(":")]
        test = bent.fit.joint_test({name: {name: 1.0} for name in squares})
    except (AnalysisError, np.linalg.LinAlgError, ArithmeticError, KeyError, ValueError):
        return None
    pairs = f1_pairs(fit.data, plan)
    weights = [bent.effect(arm, control) for arm, control in pairs]
    rows = effect_rows(bent, plan, pairs, weights, plan["adjust"])
    effects = [{name: row[name] for name in ("arm", "control", *ESTIMATES)} for row in rows]
    return {**test, "bends": bool(test["p_value"] < CURVATURE_ALPHA), "estimand": "egait", "effects": effects}


def _family(
    fit: GrowthFit,
    plan: Plan,
    pairs: list[tuple[str, str]],
    family: str,
    adjust: Adjust,
    scope: Mapping[str, Any],
) -> list[dict[str, Any]]:
    if not pairs:
        return []
    rows = effect_rows(fit, plan, pairs, [fit.effect(arm, control) for arm, control in pairs], adjust)
    return [
        {**scope, **row, **fit.data.count(row["arm"]), "family": family, "exploratory": False} for row in rows
    ]


def _slopes(fit: GrowthFit, plan: Plan) -> list[dict[str, Any]]:
    """Growth rate of each arm and the doubling time it means."""
    weights = {arm: fit.slope(arm, fit.shares(arm)) for arm in fit.data.arms}
    table = fit.contrasts(weights, plan, "none")
    rows = []
    for arm, row in table.iterrows():
        rate = number(row["estimate"])
        doubling = float(np.log(2) / rate) if rate is not None and rate > 0 else None
        values = {name: number(row[name]) for name in ("se", "df", "ci_low", "ci_high")}
        rows.append({"arm": arm, "growth_rate_per_day": rate, **values, "doubling_time_days": doubling})
    return rows


def _left_out_notes(data: GrowthData) -> list[str]:
    zeros = data.left_out.get("volume of 0", 0)
    if data.n_censored:
        return [
            f"{wording.readings(data.n_censored)} below {data.limit_mm3:g} mm3 taken into the likelihood as below "
            "that limit (left-censored); no constant was put in their place"
        ]
    if not zeros:
        return []
    return [
        f"{wording.readings(zeros)} of 0 mm3 in the window left out of the mixed model, for 0 has no logarithm and a "
        "formula of the plan's own is fitted without censoring; zeros are the strongest responses, so effects are "
        "understated rather than overstated, and no constant was put in their place"
    ]


def number(value: Any) -> float | None:
    """A finite number, else None."""
    return float(value) if np.isfinite(value) else None
