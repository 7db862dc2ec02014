"""Growth curves of many mice in two flat arrays, and the few things every statistic asks of them.

The arrays are sorted by mouse and day, so that one pass answers for all mice at once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from studies.analysis.tables import COLUMNS, NormalizedTable, normalize_table

BASELINE_FIRST_DAY, BASELINE_LAST_DAY = -3.0, 0.0
MOUSE_FACTS = (
    "mouse", "mouse_id", "source_study", "pdx_model", "map2k4_status", "arm", "exit_reason",
    "treatment_related",
)  # fmt: skip


@dataclass(frozen=True)
class Curves:
    """Known volumes only: mouse i owns `day[starts[i]:ends[i]]`, at least one reading, in order of day.

    `mice` has one row a mouse, in the same order, with the facts of the mouse.
    """

    mice: pd.DataFrame
    starts: np.ndarray
    day: np.ndarray
    volume_mm3: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def ends(self) -> np.ndarray:
        return np.append(self.starts[1:], len(self.day))[: len(self)].astype(np.int64)

    @cached_property
    def owner(self) -> np.ndarray:
        """The mouse each reading belongs to."""
        return np.repeat(np.arange(len(self)), self.ends - self.starts)

    @cached_property
    def last_day(self) -> np.ndarray:
        return self.day[self.ends - 1]

    def count(self, chosen: np.ndarray) -> np.ndarray:
        """How many readings of each mouse are chosen."""
        return np.add.reduceat(chosen, self.starts, dtype=np.int64) if len(self) else np.zeros(0, np.int64)

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum of a value over each mouse's readings."""
        return np.add.reduceat(values, self.starts) if len(self) else np.zeros(0)

    def subset(self, chosen: np.ndarray) -> "Curves":
        """The curves of some mice only."""
        readings = chosen[self.owner]
        lengths = (self.ends - self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(lengths) else lengths
        mice = self.mice[chosen].reset_index(drop=True)
        return Curves(mice, starts, self.day[readings], self.volume_mm3[readings])


@dataclass(frozen=True)
class Baseline:
    """V0 of each mouse. `position` is its reading's place, -1 where there is none; `fallback` marks a
    first reading taken for want of one in day -3..0."""

    position: np.ndarray
    volume_mm3: np.ndarray
    day: np.ndarray
    fallback: np.ndarray

    @property
    def known(self) -> np.ndarray:
        return self.position >= 0


def curves_of(table: pd.DataFrame | NormalizedTable) -> Curves:
    """The curves of a table; mice without a single known volume have none and are left out."""
    frame = table.frame if isinstance(table, NormalizedTable) else table
    if not set(COLUMNS) <= set(frame.columns):
        frame = normalize_table(frame).frame
    volume = frame["volume_mm3"].to_numpy(float)
    known = ~np.isnan(volume)
    mouse = frame["mouse"].to_numpy()
    if not known.all():
        mouse, volume = mouse[known], volume[known]
    day = frame["day"].to_numpy(float)[known]
    starts = (
        np.flatnonzero(np.concatenate([[True], mouse[1:] != mouse[:-1]])) if len(mouse) else np.zeros(0, int)
    )
    rows = np.flatnonzero(known)[starts]
    facts = [name for name in MOUSE_FACTS if name in frame]
    return Curves(frame[facts].iloc[rows].reset_index(drop=True), starts, day, volume)


def baselines(curves: Curves, baseline_day: float | None = None) -> Baseline:
    """V0 of each mouse.

    With `baseline_day=None` its last reading in day -3..0, else its first reading (marked as fallback);
    with a number the reading of exactly that day, and no V0 without one.
    """
    last_day = BASELINE_LAST_DAY if baseline_day is None else float(baseline_day)
    count = curves.count(curves.day <= last_day)
    position = curves.starts + count - 1
    held = count > 0
    reached = np.where(held, curves.day[np.where(held, position, curves.starts)], np.nan)
    if baseline_day is None:
        fallback = ~(held & (reached >= BASELINE_FIRST_DAY))
        position = np.where(fallback, curves.starts, position)
    else:
        fallback = np.zeros(len(curves), dtype=bool)
        position = np.where(held & (reached == last_day), position, -1)
    volume = np.where(position >= 0, curves.volume_mm3[position], np.nan) if len(curves) else np.zeros(0)
    day = np.where(position >= 0, curves.day[position], np.nan) if len(curves) else np.zeros(0)
    return Baseline(position, volume, day, fallback)


def volumes_at(curves: Curves, day: float) -> tuple[np.ndarray, np.ndarray]:
    """The volume of each mouse at a day, and whether it was interpolated.

    The reading of that day, else log-linear between the readings around it (linear where one of them is
    0); NaN before the first reading and after the last: nothing is extrapolated.
    """
    count = curves.count(curves.day <= day)
    left = np.where(count > 0, curves.starts + count - 1, curves.starts)
    exact = (count > 0) & (curves.day[left] == day)
    between = (count > 0) & ~exact & (left + 1 < curves.ends)
    right = np.where(between, left + 1, left)
    volume = np.where(exact, curves.volume_mm3[left], np.nan)
    early, late = curves.volume_mm3[left[between]], curves.volume_mm3[right[between]]
    gap = curves.day[right[between]] - curves.day[left[between]]
    volume[between] = interpolate(early, late, (day - curves.day[left[between]]) / gap)
    return volume, between


def interpolate(early: np.ndarray, late: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The volume at `share` of the way between two readings, on the log scale unless one of them is 0."""
    linear = early + share * (late - early)
    positive = (early > 0) & (late > 0)
    safe_early, safe_late = np.where(positive, early, 1.0), np.where(positive, late, 1.0)
    return np.where(positive, safe_early * (safe_late / safe_early) ** share, linear)


def areas_to_day(curves: Curves, position: np.ndarray, volume: np.ndarray, day: float) -> np.ndarray:
    """The area under V - V0 from each mouse's reading at `position` to `day`, where its volume is
    `volume`.

    Trapezoids between readings; NaN where V0 or the volume at the day is not known.
    """
    place = np.arange(len(curves.day))
    owner, first = curves.owner, np.where(position >= 0, position, curves.starts)
    height = curves.volume_mm3 - curves.volume_mm3[first][owner]
    inside = (
        (place >= first[owner])
        & (np.append(curves.day[1:], np.inf) <= day)
        & (place + 1 < curves.ends[owner])
    )
    step = np.diff(curves.day, append=curves.day[-1:])
    area = curves.total(np.where(inside, step * (height + np.append(height[1:], 0.0)) / 2, 0.0))
    last = curves.starts + np.maximum(curves.count(curves.day <= day) - 1, 0)
    rest = (day - curves.day[last]) * (height[last] + volume - curves.volume_mm3[first]) / 2
    return np.where(position >= 0, area + rest, np.nan)
