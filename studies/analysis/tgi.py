"""Tumor growth inhibition (TGI) of each arm against its control at one day.

delta  100 (1 - dT/dC), dT and dC the mean changes from V0 over the same mice: above 100 the arm shrank;
ratio  100 (1 - T/C) of mean volumes at the day;
rtv    100 (1 - RTV_T/RTV_C) of mean relative volumes V/V0;
auc    100 (1 - A_T/A_C) of mean areas under V - V0 from V0 to the day;
model  100 (1 - exp b), b the arm's coefficient in ln V ~ ln V0 + arm: a ratio of geometric means at equal V0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from studies.analysis.curves import Baseline, Curves, areas_to_day, baselines, curves_of, volumes_at
from studies.analysis.errors import AnalysisError
from studies.analysis.intervals import Sample, fieller
from studies.analysis.tables import NormalizedTable

UNBOUNDED = "too few vehicle mice to bound TGI"
NO_GROWTH = "the vehicle did not grow, so TGI is not defined"
ABSENT = "no mouse of the arm or of its control is known at baseline and at this day"


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
    v0: np.ndarray
    n_baseline: int
    n_interpolated: int
    fallbacks: int
    zeros: int


@dataclass(frozen=True)
class _AtDay:
    """V0 and V at the day of every mouse, NaN where not known."""

    curves: Curves
    start: Baseline
    volume: np.ndarray
    day: float

    def areas(self) -> np.ndarray:
        return areas_to_day(self.curves, self.start.position, self.volume, self.day)


# A method turns V0 and V into one value a mouse; arm means of it in the ratio theta give TGI = 100 (1 -
# theta).
METHODS: dict[str, Callable[[_AtDay], np.ndarray]] = {
    "delta": lambda at: at.volume - at.start.volume_mm3,
    "ratio": lambda at: at.volume,
    "rtv": lambda at: at.volume / np.where(at.start.volume_mm3 > 0, at.start.volume_mm3, np.nan),
    "auc": lambda at: at.areas(),
    "model": lambda at: np.log(np.where((at.volume > 0) & (at.start.volume_mm3 > 0), at.volume, np.nan)),
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
    defined they are None and the note says why.
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
    values = METHODS[method](_AtDay(curves, start, volume, day))
    known = start.known & ~np.isnan(values)
    zero = (volume <= 0) | (start.volume_mm3 <= 0)
    groups = {
        arm: _Arm(
            values[(mine := codes == code) & known],
            start.volume_mm3[mine & known],
            int((mine & start.known).sum()),
            int((mine & known & interpolated).sum()),
            int((mine & known & start.fallback).sum()),
            int((mine & zero).sum()),
        )
        for code, arm in enumerate(names)
        if arm in controls or arm in controls.values()
    }
    empty = _Arm(np.zeros(0), np.zeros(0), 0, 0, 0, 0)
    return [
        _compare(arm, control, groups.get(arm, empty), groups.get(control, empty), day, method, confidence)
        for arm, control in controls.items()
    ]


def _compare(
    arm: str, control: str, treated: _Arm, vehicle: _Arm, day: float, method: str, confidence: float
) -> Tgi:
    numerator, denominator = Sample.of(treated.values), Sample.of(vehicle.values)
    if method == "model":
        percent, low, high, notes = _model_percent(treated, vehicle, confidence)
    else:
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
            [ABSENT],
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


def _model_percent(
    treated: _Arm, vehicle: _Arm, confidence: float
) -> tuple[float | None, float | None, float | None, list[str]]:
    """Least squares of ln V on ln V0 and arm, t with n - 3 degrees of freedom."""
    if zeros := treated.zeros + vehicle.zeros:
        return None, None, None, [f"{zeros} mice have a volume of 0, which has no logarithm"]
    y = np.concatenate([treated.values, vehicle.values])
    arm = np.repeat([1.0, 0.0], [len(treated.values), len(vehicle.values)])
    v0 = np.log(np.concatenate([treated.v0, vehicle.v0]))
    if not len(treated.values) or not len(vehicle.values):
        return None, None, None, [ABSENT]
    df = len(y) - 3
    design = np.column_stack([np.ones(len(y)), v0 - v0.mean(), arm])
    if df < 1 or np.linalg.matrix_rank(design) < 3:
        return None, None, None, ["too few mice for ln V ~ ln V0 + arm"]
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    residual = y - design @ beta
    width = float(stdtrit(df, 0.5 + confidence / 2)) * (residual @ residual / df * inverse[2, 2]) ** 0.5
    effects = (beta[2], beta[2] + width, beta[2] - width)
    percent, low, high = (float(100 * -np.expm1(effect)) for effect in effects)
    return percent, low, high, []
