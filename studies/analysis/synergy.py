"""Does a combination do more than its parts? Excess over additivity on the scale of growth rates, tested
once.

With slopes k of combination AB, parts A and B and vehicle V, per day on ln V:

Bliss  D = k_AB - k_A - k_B + k_V (three parts: less the sum of parts plus twice the vehicle); below 0:
more than additive. exp(D t) is the combination index at day t, below 1 more than additive. HSA    the
combination against the better of its parts by intersection-union: p is the larger of both one-sided p
values.
RA     response additivity of relative volumes at day t: e^(k_AB t) less the sum of e^(k t) over parts plus (parts - 1)
times e^(k_V t); below 0: more than additive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtr

from studies.analysis.growth_models import GrowthFit, Weights, square_of, tgi_day
from studies.analysis.inference import effect_rows, is_below
from studies.analysis.plan import Plan
from studies.analysis.scopes import STRATA

RA_DRAWS = 10_000


def synergy_rows(
    fit: GrowthFit | None, plan: Plan, contrasts: list[dict[str, Any]], notes: list[str]
) -> list[dict[str, Any]]:
    """Bliss and HSA of every combination of the plan over the study, and within MAP2K4 strata where there are two.

    A combination, its parts and its vehicle must have been fitted together; where they were not a note says so.
    """
    gates = {
        row["arm"]: is_below(row["p_adjusted"], plan["alpha"]) for row in contrasts if row["family"] == "F1"
    }
    rows: list[dict[str, Any]] = []
    for combination in plan["combinations"]:
        arm, parts = combination["arm"], list(combination["parts"])
        names = (arm, *parts, plan.control_of(arm))
        missing = [name for name in names if fit is None or name not in fit.data.arms]
        if fit is None or missing:
            notes.append(f"no synergy of {arm}: {', '.join(missing)} could not be fitted")
            continue
        rows += _pair(fit, plan, _Question(arm, parts), gates.get(arm, False))
        rows += [
            row for question in _strata(fit, names, arm, parts) for row in _pair(fit, plan, question, False)
        ]
    return rows


def synergy_of_model(fit: GrowthFit, plan: Plan, pdx_model: str, status: str) -> list[dict[str, Any]]:
    """Bliss and HSA within one PDX model, exploratory beside those of the study."""
    return [
        row
        for combination in plan["combinations"]
        if {combination["arm"], *combination["parts"], plan.control_of(combination["arm"])}
        <= set(fit.data.arms)
        for row in _pair(
            fit,
            plan,
            _Question(combination["arm"], list(combination["parts"]), "pdx_model", pdx_model, status),
            False,
        )
    ]


@dataclass(frozen=True)
class _Question:
    """A combination and where it is asked about; `shares` weigh MAP2K4 statuses (None: by their PDX models)."""

    arm: str
    parts: list[str]
    scope: str = "study"
    pdx_model: str | None = None
    map2k4_status: str | None = None
    shares: dict[str, float] | None = None


def _strata(fit: GrowthFit, names: tuple[str, ...], arm: str, parts: list[str]) -> list[_Question]:
    """Each proven status with a PDX model that holds all the arms, where the fit tells statuses apart."""
    if "map2k4" not in fit.formula:
        return []
    held = fit.shares(*names)
    return [
        _Question(arm, parts, "map2k4", None, status, {status: 1.0}) for status in STRATA if status in held
    ]


def _pair(fit: GrowthFit, plan: Plan, question: _Question, gate_open: bool) -> list[dict[str, Any]]:
    hsa = _hsa(fit, plan, question, gate_open)
    bliss = _bliss(fit, plan, question, hsa)
    if bliss["estimate"] is None or fit.square not in (0.0, square_of("day_difference", tgi_day(plan))):
        return [bliss, hsa]  # an eGaIT says nothing of the volume at one day
    return [bliss, hsa, _response_additivity(fit, plan, question, bliss)]


def bliss_weights(
    fit: GrowthFit, arm: str, parts: list[str], control: str, shares: dict[str, float] | None = None
) -> Weights:
    """Weights of the excess D over Bliss additivity."""
    shares = fit.shares(arm, *parts, control) if shares is None else shares
    total: Weights = {}
    terms = [(arm, 1.0), *((part, -1.0) for part in parts), (control, len(parts) - 1.0)]
    for name, factor in terms:
        for term, weight in fit.slope(name, shares).items():
            total[term] = total.get(term, 0.0) + factor * weight
    return {term: weight for term, weight in total.items() if weight}


def _bliss(fit: GrowthFit, plan: Plan, question: _Question, hsa: dict[str, Any]) -> dict[str, Any]:
    arm, control = question.arm, plan.control_of(question.arm)
    weights = bliss_weights(fit, arm, question.parts, control, question.shares)
    [row] = effect_rows(fit, plan, [(arm, control)], [weights], "none")
    day = tgi_day(plan)
    exploratory = hsa["p_value"] is None or hsa["p_value"] >= plan["alpha"] / 2 or hsa["exploratory"]
    return {
        **_head(fit, question, control, "bliss", day),
        **{name: row[name] for name in ("estimate", "se", "df", "p_value", "ci_low", "ci_high")},
        **_index(row, day),
        "direction": "below 0 (index below 1): more than additive",
        "conclusion": _conclusion(row, plan["alpha"]),
        "family": "F3",
        "exploratory": exploratory,
    }


def _response_additivity(
    fit: GrowthFit, plan: Plan, question: _Question, bliss: dict[str, Any]
) -> dict[str, Any]:
    """The excess over the sum of the parts' relative volumes at the day, by draws of the slopes with the plan's seed.

    Draws are multivariate t at the Bliss excess's degrees of freedom, so that small studies keep their wide tails. The
    index, observed over expected, is missing where the expected volume is not above 0.
    """
    arm, parts, control, day = question.arm, question.parts, plan.control_of(question.arm), tgi_day(plan)
    shares = fit.shares(arm, *parts, control) if question.shares is None else question.shares
    slopes = [fit.slope(name, shares) for name in (arm, *parts, control)]
    mean, covariance = fit.estimates(slopes, plan["df"])
    draws = _draws(mean, covariance, bliss["df"], plan["random_seed"])
    sign = np.array([1.0, *[-1.0] * len(parts), len(parts) - 1.0])
    with np.errstate(over="ignore", invalid="ignore"):
        estimate = float(np.exp(mean * day) @ sign)
        excess = np.exp(draws * day) @ sign
    expected = float(np.exp(mean[0] * day) - estimate)
    low, high = np.quantile(excess, [plan["alpha"] / 2, 1 - plan["alpha"] / 2])
    tail = min(int((excess <= 0).sum()), int((excess >= 0).sum()))
    p = min(1.0, 2 * (tail + 1) / (len(excess) + 1))
    row = {
        "estimate": estimate, "se": float(excess.std(ddof=1)), "df": bliss["df"], "p_value": p,
        "ci_low": float(low), "ci_high": float(high),
    }  # fmt: skip
    return {
        **_head(fit, question, control, "response_additivity", day),
        "scale": "difference of relative volumes V/V0",
        **row,
        "combination_index": float(np.exp(mean[0] * day) / expected) if expected > 0 else None,
        "combination_index_ci_low": None,
        "combination_index_ci_high": None,
        "direction": "below 0 (index below 1): more than additive",
        "conclusion": _conclusion(row, plan["alpha"]),
        "family": None,
        "exploratory": True,
    }


def _draws(mean: np.ndarray, covariance: np.ndarray, df: float | None, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(covariance)
    normal = draw.standard_normal((RA_DRAWS, len(mean))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    scale = np.sqrt(draw.chisquare(df, RA_DRAWS) / df) if df else np.ones(RA_DRAWS)
    return mean + normal / scale[:, None]


def synergy_curve(rows: list[dict[str, Any]], window: tuple[float, float] | None) -> list[dict[str, Any]]:
    """The Bliss index exp(D t) of the study's one test, day by day over the window: a display, no further test."""
    if window is None:
        return []
    days = [
        day for day in np.unique(np.append(np.arange(np.ceil(window[0]), window[1]), window[1])) if day > 0
    ]
    return [
        {
            "arm": row["arm"], "control": row["control"], "null": "bliss", "day": float(day), **_index(row, float(day)),
        }
        for row in rows
        if row["null"] == "bliss" and row["scope"] == "study"
        for day in days
    ]  # fmt: skip


def _conclusion(row: Mapping[str, Any], alpha: float) -> str:
    if row["p_value"] is None:
        return "not estimable"
    if row["p_value"] >= alpha:
        return "additive not excluded"
    return "supra-additive" if row["estimate"] < 0 else "antagonistic"


def _hsa(fit: GrowthFit, plan: Plan, question: _Question, gate_open: bool) -> dict[str, Any]:
    """The comparison with the larger one-sided p decides: the combination must beat each part."""
    arm, parts = question.arm, question.parts
    weights = [fit.effect(arm, part, question.shares) for part in parts]
    rows = effect_rows(fit, plan, [(arm, part) for part in parts], weights, "none")
    one_sided = [
        None if row["p_value"] is None else float(stdtr(row["df"], row["estimate"] / row["se"]))
        for row in rows
    ]
    known = [p for p in one_sided if p is not None]
    worst = rows[one_sided.index(max(known))] if len(known) == len(parts) else None
    day = tgi_day(plan)
    p = max(known) if worst else None
    shown = ("estimate", "se", "df", "ci_low", "ci_high")
    beats = p is not None and p < plan["alpha"] / 2
    return {
        **_head(fit, question, plan.control_of(arm), "hsa", day),
        **{name: worst[name] if worst else None for name in shown},
        "against": worst["control"] if worst else None,
        "p_value": p,
        "one_sided": True,
        **_index(worst or {}, day),
        "direction": "below 0 (index below 1): better than the better part",
        "conclusion": "better than each part" if beats else "not shown to be better than each part",
        "family": "F2",
        "exploratory": not gate_open,
    }


def _index(row: Mapping[str, Any], day: float) -> dict[str, float | None]:
    """The ratio of volumes an excess of growth rates makes by the day, with its interval."""
    names = {
        "combination_index": "estimate",
        "combination_index_ci_low": "ci_low",
        "combination_index_ci_high": "ci_high",
    }
    values = {name: row.get(source) for name, source in names.items()}
    return {name: None if value is None else float(np.exp(value * day)) for name, value in values.items()}


def _head(fit: GrowthFit, question: _Question, control: str, null: str, day: float) -> dict[str, Any]:
    status = question.map2k4_status if question.scope == "map2k4" else None
    return {
        "scope": question.scope, "pdx_model": question.pdx_model, "map2k4_status": question.map2k4_status,
        "arm": question.arm, "control": control, **fit.data.count(question.arm, status), "parts": question.parts,
        "null": null, "scale": "difference of growth rates, ln mm3 per day", "day": day,
    }  # fmt: skip
