"""Tumor growth inhibition (TGI) of each arm against its control at one day.

delta  100 (1 - dT/dC), dT and dC the mean changes from V0 over the same mice: above 100 the arm shrank;
ratio  100 (1 - T/C) of mean volumes at the day;
rtv    100 (1 - RTV_T/RTV_C) of mean relative volumes V/V0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studies.analysis.curves import Curves, baselines, curves_of, volumes_at
from studies.analysis.errors import AnalysisError
from studies.analysis.intervals import Sample, fieller
from studies.analysis.tables import NormalizedTable

UNBOUNDED = "too few vehicle mice to bound TGI"
NO_GROWTH = "the vehicle did not grow, so TGI is not defined"


@dataclass(frozen=True)
class Tgi:
    """TGI of one arm in percent with Fieller's interval; `n` of `n_baseline` mice with V0 are known at
    the day too.

    `n_control` and `n_interpolated_control` say the same of the control.
    """

    arm: str
    percent: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_baseline: int
    n_interpolated: int
    note: str | None
    control: str
    day: float
    method: str
    n_control: int
    n_baseline_control: int
    n_interpolated_control: int


@dataclass(frozen=True)
class _Arm:
    values: np.ndarray
    n_baseline: int
    n_interpolated: int
    fallbacks: int


# A method turns V0 and V into one value a mouse and the ratio theta of arm means into TGI = 100 (1 - theta).
METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "delta": lambda v0, v: v - v0,
    "ratio": lambda v0, v: v,
    "rtv": lambda v0, v: v / np.where(v0 > 0, v0, np.nan),
}


def tgi(
    table: pd.DataFrame | NormalizedTable,
    control: str,
    day: float,
    baseline_day: float | None = None,
    method: str = "delta",
    confidence: float = 0.95,
) -> list[Tgi]:
    """TGI of every arm of a table but the control, at `day`, in the table's order.

    Refuses an unknown method and a control the table does not have. Where TGI or its interval is not
    defined they are
    None and the note says why.
    """
    if method not in METHODS:
        raise AnalysisError(f'TGI method "{method}" is not one of {", ".join(METHODS)}')
    curves = curves_of(table)
    arms = list(pd.unique(curves.mice["arm"])) if len(curves) else []
    if control not in arms:
        raise AnalysisError(f'control "{control}" is not an arm with volumes (arms: {", ".join(arms)})')
    return tgi_of_curves(
        curves, {arm: control for arm in arms if arm != control}, day, baseline_day, method, confidence
    )


def tgi_of_curves(
    curves: Curves,
    controls: dict[str, str],
    day: float,
    baseline_day: float | None = None,
    method: str = "delta",
    confidence: float = 0.95,
) -> list[Tgi]:
    """TGI of the arms named in `controls`, each against the control it names."""
    start = baselines(curves, baseline_day)
    volume, interpolated = volumes_at(curves, day)
    volume = np.where(start.day <= day, volume, np.nan)
    codes, names = pd.factorize(curves.mice["arm"])
    values = METHODS[method](start.volume_mm3, volume)
    known = start.known & ~np.isnan(values)
    groups = {
        arm: _Arm(
            values[(mine := codes == code) & known],
            int((mine & start.known).sum()),
            int((mine & known & interpolated).sum()),
            int((mine & known & start.fallback).sum()),
        )
        for code, arm in enumerate(names)
        if arm in controls or arm in controls.values()
    }
    empty = _Arm(np.zeros(0), 0, 0, 0)
    return [
        _compare(arm, control, groups.get(arm, empty), groups.get(control, empty), day, method, confidence)
        for arm, control in controls.items()
    ]


def _compare(
    arm: str, control: str, treated: _Arm, vehicle: _Arm, day: float, method: str, confidence: float
) -> Tgi:
    numerator, denominator = Sample.of(treated.values), Sample.of(vehicle.values)
    percent, low, high, notes = _percent(numerator, denominator, confidence)
    if first := treated.fallbacks + vehicle.fallbacks:
        notes.append(f"{first} mice have no reading in day -3 to 0: their first reading is V0")
    return Tgi(
        arm, percent, low, high, numerator.n, treated.n_baseline, treated.n_interpolated, "; ".join(notes)
        or None,
        control, float(day), method, denominator.n, vehicle.n_baseline, vehicle.n_interpolated,
    )  # fmt: skip


def _percent(
    numerator: Sample, denominator: Sample, confidence: float
) -> tuple[float | None, float | None, float | None, list[str]]:
    if numerator.n == 0 or denominator.n == 0:
        return (
            None,
            None,
            None,
            ["no mouse of the arm or of its control is known at baseline and at this day"],
        )
    if not denominator.mean > 0:
        return None, None, None, [NO_GROWTH]
    percent = 100 * (1 - numerator.mean / denominator.mean)
    if numerator.n == 1 or denominator.n == 1:
        return percent, None, None, ["one mouse in an arm: no interval"]
    interval = fieller(numerator, denominator, confidence)
    if interval is None:
        return percent, None, None, [UNBOUNDED]
    return percent, 100 * (1 - interval[1]), 100 * (1 - interval[0]), []
