"""Where a tumor is heading: its growth rate, and the day it will have reached a volume, log-linearly.

Exponential growth is a straight line on the log scale (Demidenko 2013, Mixed Models, ch. 10); over the last
few visits it holds well enough to say whom to watch. It is a forecast for the desk, never a result.
"""

from collections.abc import Sequence
from math import log

LAST_VISITS = 4
FEWEST_VISITS = 3


def growth_rate_per_day(days: Sequence[float], volumes_mm3: Sequence[float | None]) -> float | None:
    """Least-squares slope of ln(volume) over days; None below three visits with a tumor or on one day."""
    fitted = _line(*_seen(days, volumes_mm3))
    return fitted[0] if fitted else None


def crossing_day(
    days: Sequence[float], volumes_mm3: Sequence[float | None], volume_mm3: float
) -> float | None:
    """The study day on which the line through the last four visits reaches `volume_mm3`.

    The day it was first measured at or over it, where it was. None where the tumor does not grow or was seen
    fewer than three times; never before the last visit.
    """
    seen_days, seen = _seen(days, volumes_mm3)
    for day, volume in zip(seen_days, seen, strict=True):
        if volume >= volume_mm3:
            return day
    fitted = _line(seen_days[-LAST_VISITS:], seen[-LAST_VISITS:])
    if fitted is None or fitted[0] <= 0:
        return None
    slope, intercept = fitted
    return max((log(volume_mm3) - intercept) / slope, seen_days[-1])


def _seen(days: Sequence[float], volumes_mm3: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """Visits with a tumor to see, in order of days."""
    pairs = sorted((day, volume) for day, volume in zip(days, volumes_mm3, strict=True) if volume)
    return [day for day, _ in pairs], [volume for _, volume in pairs]


def _line(days: Sequence[float], volumes_mm3: Sequence[float]) -> tuple[float, float] | None:
    """Slope and intercept of ln(volume) over days."""
    n = len(days)
    if n < FEWEST_VISITS:
        return None
    logs = [log(volume) for volume in volumes_mm3]
    mean_day, mean_log = sum(days) / n, sum(logs) / n
    spread = sum((day - mean_day) ** 2 for day in days)
    if spread == 0:
        return None
    slope = sum((day - mean_day) * (value - mean_log) for day, value in zip(days, logs, strict=True)) / spread
    return slope, mean_log - slope * mean_day
