"""Combinations on the other scales in use, beside the test on growth rates: a null that holds on one may fail on
another.

R are mean relative volumes V/V0 at one day, a mean eGaIT. All rows describe: they are not tested, and are shown so that
"additive" is read with its null, its scale and its direction.

relative volume (as CombPDX, Ha et al. 2022, Sci Rep 12:12984), above 0 more than the null:
  Bliss ln prod R_parts - (p - 1) ln R_V - ln R_AB;  HSA ln min R_parts - ln R_AB;
  response additivity ln sum R_parts - ln((p - 1) R_V + R_AB), for p parts
eGaIT: D = a_AB - sum a_parts + (p - 1) a_V (Bliss) or a_AB - min a_parts (HSA), below 0 more than the null
TGI, 100 (1 - R/R_V), of fractional effects: observed less the Bliss, HSA or summed expectation, above 0 more than
the null
"""

from math import log, prod
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtrit

from studies.analysis.curves import Curves, baselines, volumes_at
from studies.analysis.growth import growth_of_curves
from studies.analysis.intervals import Sample
from studies.analysis.plan import Plan

RELATIVE, AREA, INHIBITION = (
    "relative volume, as CombPDX",
    "eGaIT, per day",
    "TGI of relative volumes, percent points",
)
ABOVE, BELOW = "above 0: more than the null", "below 0: more than the null"


def synergy_scale_rows(curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """The other scales' rows of every combination: relative volume on each day with all arms read or interpolated,
    eGaIT
    over all follow-up, and TGI at the plan's day. Arms are taken whole; over several PDX models mice count alike."""
    rows: list[dict[str, Any]] = []
    for combination in plan["combinations"]:
        arm, parts = combination["arm"], list(combination["parts"])
        names = [arm, *parts, plan.control_of(arm)]
        members = [np.flatnonzero((curves.mice["arm"] == name).to_numpy()) for name in names]
        if min(map(len, members)) < 2:
            continue
        days = np.unique(curves.day[np.isin(curves.owner, np.concatenate(members)) & (curves.day > 0)])
        for day in days:
            samples = relative_volumes(curves, members, float(day))
            if samples is None:
                continue
            rows += [
                _row(arm, parts, float(day), row) for row in relative_volume_nulls(samples, 1 - plan["alpha"])
            ]
            if day == plan["day"]:
                rows += [_row(arm, parts, float(day), row) for row in inhibition_nulls(samples)]
        rows += [
            _row(arm, parts, None, row)
            for row in _area_nulls(
                [growth_of_curves(curves)["egait_per_day"].to_numpy()[mice] for mice in members], plan
            )
        ]
    return rows


def relative_volumes(curves: Curves, members: list[np.ndarray], day: float) -> list[Sample] | None:
    """Mean relative volume of each group of mice at a day; None where one has fewer than two mice known or a mean of
    0."""
    start = baselines(curves)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(start.volume_mm3 > 0, volumes_at(curves, day)[0] / start.volume_mm3, np.nan)
    samples = [Sample.of(relative[mice]) for mice in members]
    return samples if all(sample.n >= 2 and sample.mean > 0 for sample in samples) else None


def relative_volume_nulls(samples: list[Sample], confidence: float = 0.95) -> list[dict[str, Any]]:
    """Bliss, HSA and response additivity of mean relative volumes: combination first, then its parts, then the vehicle.

    Above 0: smaller than the null expects. Delta-method standard errors, normal intervals.
    """
    both, *parts, vehicle = samples
    extra = len(parts) - 1
    cv = [sample.variance_of_mean / sample.mean**2 for sample in samples]
    best = int(np.argmin([part.mean for part in parts]))
    expected, observed = sum(part.mean for part in parts), extra * vehicle.mean + both.mean
    bliss = sum(log(part.mean) for part in parts) - extra * log(vehicle.mean) - log(both.mean)
    estimates = {
        "bliss": (bliss, sum(cv[:-1]) + extra**2 * cv[-1]),
        "hsa": (log(parts[best].mean) - log(both.mean), cv[0] + cv[1 + best]),
        "response_additivity": (
            log(expected) - log(observed),
            sum(part.variance_of_mean for part in parts) / expected**2
            + (extra**2 * vehicle.variance_of_mean + both.variance_of_mean) / observed**2,
        ),
    }
    z = float(ndtri(0.5 + confidence / 2))
    return [
        {
            "null": null, "scale": RELATIVE, "estimate": value, "se": variance**0.5, "ci_low": value - z *
            variance**0.5,
            "ci_high": value + z * variance**0.5, "direction": ABOVE, "n_mice": both.n,
        }
        for null, (value, variance) in estimates.items()
    ]  # fmt: skip


def inhibition_nulls(samples: list[Sample]) -> list[dict[str, Any]]:
    """Observed less expected TGI of relative volumes, in percent points; Bliss only where each part's lies in
    0..100."""
    both, *parts, vehicle = samples
    effect = [1 - part.mean / vehicle.mean for part in parts]
    seen = 100 * (1 - both.mean / vehicle.mean)
    fractional = all(0 <= value <= 1 for value in effect)
    expected = {
        "bliss": 100 * (1 - prod(1 - value for value in effect)) if fractional else None,
        "hsa": 100 * max(effect),
        "response_additivity": 100 * sum(effect),
    }
    note = (
        None
        if fractional
        else "a part's effect lies outside 0 to 100 %, where Bliss has no meaning on this scale"
    )
    return [
        {
            "null": null, "scale": INHIBITION, "estimate": None if value is None else seen - value, "se": None,
            "ci_low": None, "ci_high": None, "direction": ABOVE, "n_mice": both.n,
            "note": note if value is None else None,
        }
        for null, value in expected.items()
    ]  # fmt: skip


def _area_nulls(values: list[np.ndarray], plan: Plan) -> list[dict[str, Any]]:
    samples = [Sample.of(value) for value in values]
    if any(sample.n < 2 for sample in samples):
        return []
    return area_nulls(samples, 1 - plan["alpha"])


def area_nulls(samples: list[Sample], confidence: float = 0.95) -> list[dict[str, Any]]:
    """Bliss and HSA of mean eGaIT, Welch's standard error and Satterthwaite's degrees of freedom."""
    both, *parts, vehicle = samples
    best = min(parts, key=lambda part: part.mean)
    sums = {
        "bliss": [(1.0, both), *((-1.0, part) for part in parts), (len(parts) - 1.0, vehicle)],
        "hsa": [(1.0, both), (-1.0, best)],
    }
    rows = []
    for null, terms in sums.items():
        estimate = sum(weight * sample.mean for weight, sample in terms)
        pieces = [(weight**2 * sample.variance_of_mean, sample.n) for weight, sample in terms]
        variance = sum(piece for piece, _ in pieces)
        spread = sum(piece**2 / (n - 1) for piece, n in pieces)
        df = variance**2 / spread if spread > 0 else None
        half = float(stdtrit(df, 0.5 + confidence / 2)) * variance**0.5 if df else None
        rows.append({
            "null": null, "scale": AREA, "estimate": estimate, "se": variance**0.5, "df": df,
            "ci_low": None if half is None else estimate - half, "ci_high": None if half is None else estimate + half,
            "direction": BELOW, "n_mice": both.n,
        })  # fmt: skip
    return rows


def _row(arm: str, parts: list[str], day: float | None, row: dict[str, Any]) -> dict[str, Any]:
    return {"arm": arm, "parts": parts, "day": day, "null_value": 0.0, "df": None, "note": None, **row}
