"""Tables that say something other than what was measured: zeros that fill a column, two animals under one id.

Nothing is changed or left out; the notes say which mice to look at and what would mend the table.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from studies import wording

FEWEST_PADDED = 2
LARGE_MM3, FALL = 300.0, 0.5
FEWEST_TURNS, TURN = 4, np.log(2.0)
MOST_NAMED = 5


def suspicions(frame: pd.DataFrame) -> list[str]:
    """Notes on a normalized table (columns mouse, arm, day, volume_mm3), sorted by mouse and day."""
    known = frame[frame["volume_mm3"].notna()].sort_values(["mouse", "day"], kind="stable")
    padded, merged = [], []
    volumes, days, mice = known["volume_mm3"].to_numpy(), known["day"].to_numpy(), known["mouse"].to_numpy()
    bounds = np.flatnonzero(np.r_[True, mice[1:] != mice[:-1], True]) if len(mice) else np.zeros(0, dtype=int)
    largest = float(volumes.max(initial=0.0))
    for first, end in pairwise(bounds):
        curve = volumes[first:end]
        if (place := _padded_from(curve, largest)) is not None:
            padded.append(f"{mice[first]} from day {days[first + place]:g}")
        if _zigzag(curve):
            merged.append(str(mice[first]))
    notes = []
    if padded:
        notes.append(
            f"{wording.mice(len(padded))} with a fall from a large tumor to 0 in one visit, and 0 ever after "
            f"({_named(padded)}): zeros "
            "that fill up the table after a mouse left look like this, and count as tumors not palpable; if so, leave "
            "these cells empty and give the exit reason"
        )
    if merged:
        notes.append(
            f"{wording.mice(len(merged))} with swings between two sizes from visit to visit "
            f"({_named(merged)}): two animals under "
            "one id look like this; if so, give each its own id"
        )
    return notes


def _padded_from(volumes: np.ndarray, largest: float) -> int | None:
    """Where trailing zeros begin that no tumor shrinks to: after a large volume that had not begun to fall."""
    above = np.flatnonzero(volumes > 0)
    if not len(above) or len(volumes) - above[-1] - 1 < FEWEST_PADDED:
        return None
    last = volumes[above[-1]]
    large = last >= min(LARGE_MM3, FALL * largest)
    return int(above[-1]) + 1 if large and last >= FALL * volumes.max() else None


def _zigzag(volumes: np.ndarray) -> bool:
    """Doubling and halving by turns, at least four times in succession."""
    above = volumes[volumes > 0]
    steps = np.diff(np.log(above))
    turns = (np.abs(steps[1:]) > TURN) & (np.abs(steps[:-1]) > TURN) & (steps[1:] * steps[:-1] < 0)
    run = longest = 0
    for turn in turns:
        run = run + 1 if turn else 0
        longest = max(longest, run)
    return longest >= FEWEST_TURNS - 1


def _named(mice: list[str]) -> str:
    more = f" and {len(mice) - MOST_NAMED} more" if len(mice) > MOST_NAMED else ""
    return ", ".join(mice[:MOST_NAMED]) + more
