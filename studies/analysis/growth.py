"""What one mouse's growth curve says on its own: rate, doubling time, areas, time to a multiple of V0.

Time counts from V0, the last reading in day -3..0, else the first. Rates are on the natural log of
volume, per day.
"""

from math import log

import numpy as np
import pandas as pd

from studies.analysis.curves import Curves, baselines, curves_of
from studies.analysis.tables import NormalizedTable

FEWEST_READINGS = 3
FACTS = ["mouse", "pdx_model", "map2k4_status", "arm"]


def growth(table: pd.DataFrame | NormalizedTable) -> pd.DataFrame:
    """One row a mouse:

    - growth_rate_per_day: least-squares slope of ln V on day over readings above 0, at least three;
    - doubling_time_days: ln 2 / rate where the rate is above 0, else missing;
    - egait_per_day: 2/T^2 times the area of ln V - ln V0, the slope of a straight line of equal area;
    - edot_per_day: (ln V_T - ln V0) / T;
    - auc_mm3_days: trapezoids of V; aauc_percent: mean percent change from V0, its area divided by T;
    - baseline_day, baseline_mm3, last_day, last_mm3, n_readings, n_zero (readings of 0).

    The log measures of a curve that touches 0 (egait, edot) are missing: a 0 has no logarithm, and none
    is made up.
    """
    return growth_of_curves(curves_of(table))


def growth_of_curves(curves: Curves) -> pd.DataFrame:
    start = baselines(curves)
    after = _from_baseline(curves, start.position)
    rate = growth_rates(after)
    span = after.last_day - after.day[after.starts]
    v0, last = after.volume_mm3[after.starts], after.volume_mm3[after.ends - 1]
    zeros = after.count(after.volume_mm3 <= 0)
    area = _area(after, after.volume_mm3)
    relative = _area(after, after.volume_mm3 - v0[after.owner])
    log_area = _area(after, _log(after.volume_mm3) - _log(v0)[after.owner])
    with np.errstate(divide="ignore", invalid="ignore"):
        whole_log = (zeros == 0) & (span > 0)
        frame = curves.mice[FACTS].assign(
            growth_rate_per_day=rate,
            doubling_time_days=np.where(rate > 0, log(2) / rate, np.nan),
            egait_per_day=np.where(whole_log, 2 * log_area / span**2, np.nan),
            edot_per_day=np.where(whole_log, (_log(last) - _log(v0)) / span, np.nan),
            auc_mm3_days=np.where(span > 0, area, np.nan),
            aauc_percent=np.where((span > 0) & (v0 > 0), 100 * relative / (v0 * span), np.nan),
        )
    return frame.assign(
        baseline_day=start.day, baseline_mm3=v0, last_day=after.last_day, last_mm3=last,
        n_readings=after.ends - after.starts, n_zero=zeros,
    )  # fmt: skip


def growth_rates(curves: Curves) -> np.ndarray:
    """Least-squares slope of ln V on day for each mouse; NaN under three readings above 0 or without a
    spread of days.
    """
    positive = curves.volume_mm3 > 0
    weight = positive.astype(float)
    n = curves.total(weight)
    day_mean = curves.total(weight * curves.day) / np.maximum(n, 1)
    day = weight * (curves.day - day_mean[curves.owner])
    y = _log(curves.volume_mm3)
    y_mean = curves.total(weight * y) / np.maximum(n, 1)
    spread = curves.total(day * day)
    enough = (n >= FEWEST_READINGS) & (spread > 0)
    slope = curves.total(day * (y - y_mean[curves.owner])) / np.where(enough, spread, 1.0)
    return np.where(enough, slope, np.nan)


def times_to_volume(curves: Curves, threshold_mm3: np.ndarray, from_position: np.ndarray) -> np.ndarray:
    """The study day each mouse's curve first reaches its threshold at or after a reading; NaN where it
    never does.

    Between visits the crossing is interpolated on the log scale (linear from a volume of 0).
    """
    place = np.arange(len(curves.day))
    reached = (curves.volume_mm3 >= threshold_mm3[curves.owner]) & (place >= from_position[curves.owner])
    first = np.minimum.reduceat(np.where(reached, place, len(place)), curves.starts) if len(curves) else place
    found = first < len(place)
    at = np.where(found, first, 0)
    before = np.maximum(at - 1, 0)
    crossing = found & (at > from_position)
    early, late = curves.volume_mm3[before], curves.volume_mm3[at]
    share = np.ones(len(curves))
    with np.errstate(divide="ignore", invalid="ignore"):
        on_log = np.log(threshold_mm3 / early) / np.log(late / early)
        on_line = (threshold_mm3 - early) / (late - early)
    share[crossing] = np.where(early > 0, on_log, on_line)[crossing]
    day = curves.day[before] + share * (curves.day[at] - curves.day[before])
    return np.where(crossing, day, np.where(found, curves.day[at], np.nan))


def _from_baseline(curves: Curves, position: np.ndarray) -> Curves:
    """The curves without what was read before V0."""
    kept = np.arange(len(curves.day)) >= position[curves.owner]
    dropped = position - curves.starts
    starts = curves.starts - np.concatenate([[0], np.cumsum(dropped)[:-1]]) if len(curves) else curves.starts
    return Curves(curves.mice, starts.astype(np.int64), curves.day[kept], curves.volume_mm3[kept])


def _area(curves: Curves, height: np.ndarray) -> np.ndarray:
    """Trapezoid area over each mouse's days."""
    step = np.diff(curves.day, append=curves.day[-1:])
    mean = (height + np.append(height[1:], height[-1:])) / 2
    inside = np.ones(len(height), dtype=bool)
    inside[curves.ends - 1] = False
    return curves.total(np.where(inside, step * mean, 0.0))


def _log(volume: np.ndarray) -> np.ndarray:
    """Natural log, 0 in place of the logarithm of 0 so that sums stay finite; callers leave such curves
    out.
    """
    return np.log(np.where(volume > 0, volume, 1.0))
