"""Tumor growth inhibition (TGI) of each arm against its control at one day.

delta  100 (1 - dT/dC), dT and dC the mean changes from V0 over the same mice: above 100 the arm shrank;
ratio  100 (1 - T/C) of mean volumes at the day;
rtv    100 (1 - RTV_T/RTV_C) of mean relative volumes V/V0;
auc    100 (1 - A_T/A_C) of mean areas under V - V0 from V0 to the day;
model  100 (1 - exp b), b the arm's coefficient in ln V ~ ln V0 + arm: a ratio of geometric means at equal V0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from studies import wording
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
    mice = mice_at_day(curves, day, baseline_day, method)
    code = {arm: number for number, arm in enumerate(arms)}
    codes = curves.mice["arm"].map(code).to_numpy()
    vehicle = codes == code[control]
    return [
        compare_arms(mice, (arm, codes == code[arm]), (control, vehicle), confidence)
        for arm in arms
        if arm != control
    ]


@dataclass(frozen=True)
class MiceAtDay:
    """What a method makes of every mouse at a day: its value, V0, and whether and how they are known."""

    day: float
    method: str
    values: np.ndarray
    v0: np.ndarray
    has_v0: np.ndarray
    interpolated: np.ndarray
    fallback: np.ndarray
    zero: np.ndarray

    def select(self, chosen: np.ndarray) -> "MiceAtDay":
        arrays = {name: value[chosen] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **arrays)

    @property
    def known(self) -> np.ndarray:
        return self.has_v0 & ~np.isnan(self.values)


def mice_at_day(curves: Curves, day: float, baseline_day: float | None, method: str) -> MiceAtDay:
    """The values of all mice at once, for any number of comparisons among them."""
    start = baselines(curves, baseline_day)
    volume, interpolated = volumes_at(curves, day)
    volume = np.where(start.day <= day, volume, np.nan)
    values = METHODS[method](_AtDay(curves, start, volume, day))
    zero = (volume <= 0) | (start.volume_mm3 <= 0)
    return MiceAtDay(
        float(day), method, values, start.volume_mm3, start.known, interpolated, start.fallback, zero
    )


def compare_arms(
    mice: MiceAtDay, arm: tuple[str, np.ndarray], control: tuple[str, np.ndarray], confidence: float = 0.95
) -> Tgi:
    """TGI of the mice of `arm` (name, which mice) against those of `control`."""
    treated, vehicle = mice.select(arm[1]), mice.select(control[1])
    if mice.method == "model":
        percent, low, high, notes = _model_percent(treated, vehicle, confidence)
    else:
        percent, low, high, notes = _percent(treated, vehicle, confidence)
    if first := int((treated.fallback & treated.known).sum() + (vehicle.fallback & vehicle.known).sum()):
        notes.append(f"{wording.mice(first)} without a reading in day -3 to 0: the first reading is V0")
    return Tgi(
        arm[0], percent, low, high, *_counts(treated), "; ".join(notes) or None, control[0], mice.day,
        mice.method, *_counts(vehicle),
    )  # fmt: skip


def _counts(mice: MiceAtDay) -> tuple[int, int, int]:
    known = mice.known
    return int(known.sum()), int(mice.has_v0.sum()), int((known & mice.interpolated).sum())


def _percent(
    treated: MiceAtDay, vehicle: MiceAtDay, confidence: float
) -> tuple[float | None, float | None, float | None, list[str]]:
    numerator, denominator = (
        Sample.of(treated.values[treated.known]),
        Sample.of(vehicle.values[vehicle.known]),
    )
    if numerator.n == 0 or denominator.n == 0:
        return None, None, None, [ABSENT]
    if not denominator.mean > 0:
        return None, None, None, [NO_GROWTH]
    percent = 100 * (1 - numerator.mean / denominator.mean)
    if numerator.n == 1 or denominator.n == 1:
        return percent, None, None, ["one mouse in an arm: no interval"]
    if numerator.mean == 0 and numerator.sd == 0:
        return percent, None, None, ["every treated mouse has the same value, 0: no interval"]
    interval = fieller(numerator, denominator, confidence)
    if interval is None:
        return percent, None, None, [UNBOUNDED]
    return percent, 100 * (1 - interval[1]), 100 * (1 - interval[0]), []


def _model_percent(
    treated: MiceAtDay, vehicle: MiceAtDay, confidence: float
) -> tuple[float | None, float | None, float | None, list[str]]:
    """Least squares of ln V on ln V0 and arm, t with n - 3 degrees of freedom."""
    if zeros := int(treated.zero.sum() + vehicle.zero.sum()):
        return None, None, None, [f"{wording.mice(zeros)} with a volume of 0, which has no logarithm"]
    treated, vehicle = treated.select(treated.known), vehicle.select(vehicle.known)
    if not len(treated.values) or not len(vehicle.values):
        return None, None, None, [ABSENT]
    y = np.concatenate([treated.values, vehicle.values])
    arm = np.repeat([1.0, 0.0], [len(treated.values), len(vehicle.values)])
    v0 = np.log(np.concatenate([treated.v0, vehicle.v0]))
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
