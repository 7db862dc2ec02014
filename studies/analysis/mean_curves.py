"""The mean growth curve of each arm: what a figure draws and the table under it says.

Descriptive only: mice that left make later means those of the survivors, so each point carries the share
still followed, and inference rests on the mixed model.
"""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from studies.analysis.curves import Curves, curves_of, volumes_at
from studies.analysis.tables import NormalizedTable

MOST_POINTS = 16
STEPS = (1, 2, 3, 4, 5, 7, 10, 14, 21, 28, 42, 56, 84, 112, 168, 364)
FIRST_DAY = -3.0
FEWEST_FOLLOWED = 0.2
CONFIDENCE = 0.95


def mean_curves(table: pd.DataFrame | NormalizedTable) -> pd.DataFrame:
    """One row an arm, MAP2K4 status (None: all statuses together) and day.

    - n: mice known that day, read or interpolated between their readings, never extrapolated;
    - n_arm: mice of the row's arm and status with any reading; share_followed: those not yet past their
      last;
    - mean_mm3 and sem_mm3: arithmetic mean over mice of equal weight and its standard error;
    - geometric_mean_mm3, ci_low, ci_high: with the 95 % t interval on the log scale, missing where a
      volume is 0 (and the interval with one mouse).

    Days run from day -3 to the last at which a fifth of some arm's mice are still followed: those of the
    visits where there are few, else evenly spaced (`day_grid`).
    """
    curves = curves_of(table)
    days = day_grid(curves.day[(curves.day >= FIRST_DAY) & (curves.day <= _last_day(curves))])
    volumes, interpolated = (
        zip(*(volumes_at(curves, day) for day in days), strict=True) if len(days) else ((), ())
    )
    rows = []
    for arm, status, chosen in _groups(curves):
        for day, volume, between in zip(days, volumes, interpolated, strict=True):
            known = chosen & ~np.isnan(volume)
            if known.any():
                followed = (curves.last_day[chosen] >= day).mean()
                rows.append(
                    {"arm": arm, "map2k4_status": status, "day": float(day), "n_arm": int(chosen.sum())}
                    | {"share_followed": float(followed), "n_interpolated": int((between & known).sum())}
                    | {**_mean(volume[known])}
                )
    return pd.DataFrame(rows)


def _last_day(curves: Curves) -> float:
    """The day to which a fifth of the mice of at least one arm are followed."""
    ends = pd.Series(curves.last_day).groupby(curves.mice["arm"].to_numpy())
    return float(ends.quantile(1 - FEWEST_FOLLOWED, interpolation="lower").max()) if len(curves) else 0.0


def day_grid(days: np.ndarray) -> np.ndarray:
    """The distinct days, or where these are more than MOST_POINTS, every so many days across their span."""
    distinct = np.unique(days)
    if len(distinct) <= MOST_POINTS:
        return distinct
    first, last = max(distinct[0], 0.0), distinct[-1]
    step = next((step for step in STEPS if (last - first) / step < MOST_POINTS), (last - first) / MOST_POINTS)
    grid = np.arange(np.ceil(first / step), np.floor(last / step) + 1) * step
    return np.union1d(distinct[distinct < 0], grid)


def _groups(curves: Curves) -> list[tuple[str, str | None, np.ndarray]]:
    """(arm, status, mice) for each arm as a whole and for each MAP2K4 status in it, where there are several."""
    arms, statuses = curves.mice["arm"].to_numpy(), curves.mice["map2k4_status"].to_numpy()
    groups: list[tuple[str, str | None, np.ndarray]] = []
    for arm in pd.unique(arms):
        groups.append((arm, None, arms == arm))
        groups += [
            (arm, status, (arms == arm) & (statuses == status)) for status in pd.unique(statuses[arms == arm])
        ]
    return groups


def _mean(volume: np.ndarray) -> dict[str, float | int]:
    n = len(volume)
    logs = np.log(volume) if (volume > 0).all() else np.full(n, np.nan)
    half = np.nan
    if n > 1:
        half = stdtrit(n - 1, 0.5 + CONFIDENCE / 2) * logs.std(ddof=1) / np.sqrt(n)
    return {
        "n": n,
        "mean_mm3": float(volume.mean()),
        "sem_mm3": float(volume.std(ddof=1) / np.sqrt(n)) if n > 1 else np.nan,
        "geometric_mean_mm3": float(np.exp(logs.mean())),
        "ci_low": float(np.exp(logs.mean() - half)),
        "ci_high": float(np.exp(logs.mean() + half)),
    }
