"""Where a tumor is heading: its growth rate, and the day it will have reached a size, log-linearly.

Exponential growth is a straight line on the log scale (Demidenko 2013, Mixed Models, ch. 10); over the last
few visits it holds well enough to say whom to watch. It is a forecast for desk and cage, never a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

LAST_VISITS = 3
FEWEST_VISITS_OF_A_RATE = 3


@dataclass(frozen=True)
class Course:
    """The last visit with something to see, and the rate of growth over the last three."""

    day: float
    value: float
    rate_per_day: float

    def value_on(self, day: float) -> float:
        return self.value * exp(self.rate_per_day * (day - self.day))

    def day_of(self, value: float) -> float | None:
        """When `value` is reached, never before the last visit; None where nothing grows."""
        if self.rate_per_day <= 0:
            return None
        return self.day + max(0.0, log(value / self.value)) / self.rate_per_day


def course(days: Sequence[float], values: Sequence[float | None]) -> Course | None:
    """Where volumes, diameters or shares of body weight are heading; None below two days with a value above 0.

    Of several values of a day the last given counts.
    """
    seen_days, seen = _seen(days, values)
    rate = _slope(seen_days[-LAST_VISITS:], seen[-LAST_VISITS:])
    return None if rate is None else Course(seen_days[-1], seen[-1], rate)


def growth_rate_per_day(days: Sequence[float], volumes_mm3: Sequence[float | None]) -> float | None:
    """Least-squares slope of ln(volume) over days; None below three days with a tumor."""
    seen_days, seen = _seen(days, volumes_mm3)
    return _slope(seen_days, seen) if len(seen) >= FEWEST_VISITS_OF_A_RATE else None


def crossing_day(
    days: Sequence[float], volumes_mm3: Sequence[float | None], volume_mm3: float
) -> float | None:
    """The study day on which the tumor's course reaches `volume_mm3`, or reached it at a visit.

    None where the tumor does not grow or was seen on fewer than two days.
    """
    for day, volume in zip(*_seen(days, volumes_mm3), strict=True):
        if volume >= volume_mm3:
            return day
    heading = course(days, volumes_mm3)
    return heading.day_of(volume_mm3) if heading else None


def _seen(days: Sequence[float], values: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """Days with something to see, in order, and what was seen."""
    by_day = {day: value for day, value in zip(days, values, strict=True) if value}
    return sorted(by_day), [by_day[day] for day in sorted(by_day)]


def _slope(days: Sequence[float], values: Sequence[float]) -> float | None:
    """Least-squares slope of ln(value) over days, all different; None below two."""
    n = len(days)
    if n < 2:
        return None
    logs = [log(value) for value in values]
    mean_day, mean_log = sum(days) / n, sum(logs) / n
    spread = sum((day - mean_day) ** 2 for day in days)
    return sum((day - mean_day) * (value - mean_log) for day, value in zip(days, logs, strict=True)) / spread
