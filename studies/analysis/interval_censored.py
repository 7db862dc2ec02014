"""Time to an event of which only the two visits around it are known: curves, medians, and a test between two arms.

Interpolating between visits makes up a day; here the event is only taken to have happened after one visit and by the
next.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, xlogy

from studies.analysis.permutation import PermutationTest, permutation_test

TOLERANCE, MOST_STEPS = 1e-9, 20_000
MOST_MICE_EXCHANGED = 400


@dataclass(frozen=True)
class TurnbullCurve:
    """Where the event's chance lies: `mass` in each innermost interval (`after`, `by`], the last perhaps to infinity.

    Within an interval nothing is known, so the share still free steps at its end. `first` and `last` number, for each
    mouse, the innermost intervals within its own.
    """

    after: np.ndarray
    by: np.ndarray
    mass: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @cached_property
    def free(self) -> np.ndarray:
        """The share free of the event after each innermost interval."""
        return np.maximum(1 - np.cumsum(self.mass), 0.0)

    @property
    def median(self) -> tuple[float | None, float | None]:
        """The interval in which the curve falls to one half; (None, None) where it does not before the last visit."""
        below = np.flatnonzero(self.free <= 0.5 + TOLERANCE)
        if not len(below) or not np.isfinite(self.by[below[0]]):
            return None, None
        return float(self.after[below[0]]), float(self.by[below[0]])


def turnbull(after: np.ndarray, by: np.ndarray) -> TurnbullCurve:
    """The nonparametric maximum likelihood estimate (Turnbull 1976, J R Stat Soc B 38:290) by self-consistency.

    A mouse's event lies in (after, by]; by is infinite where it was not seen, and equals after where its day is known.
    Iterated until no interval's gradient exceeds 1 by more than 1e-9 (Gentleman & Geyer 1994, Biometrika 81:618).
    """
    exact = after == by
    # an event on a known day begins with that day; one after a visit begins just past it; both end with their last day
    begins = np.column_stack([after, np.where(exact, 0, 2)])
    ends = np.column_stack([by, np.ones(len(by))])
    left, right = _innermost(begins, ends)
    first = _rank(left, begins, "left")
    last = _rank(right, ends, "right") - 1
    bounds, count = np.unique(np.column_stack([first, last]), axis=0, return_counts=True)
    mass = np.full(len(left), 1 / len(left))
    for _ in range(MOST_STEPS):
        total = np.append(0.0, np.cumsum(mass))
        pull = count / len(after) / (total[bounds[:, 1] + 1] - total[bounds[:, 0]])
        steps = np.zeros(len(left) + 1)
        np.add.at(steps, bounds[:, 0], pull)
        np.add.at(steps, bounds[:, 1] + 1, -pull)
        gradient = np.cumsum(steps)[:-1]
        mass = mass * gradient
        if gradient.max() < 1 + TOLERANCE:
            break
    return TurnbullCurve(left[:, 0], right[:, 0], mass / mass.sum(), first, last)


def scores(curve: TurnbullCurve) -> np.ndarray:
    """Each mouse's part in the score of a hazard ratio at 1 (Finkelstein 1986, Biometrics 42:845); they sum to 0.

    With S and s the shares free before and after a mouse's interval: (S ln S - s ln s) / (S - s). Above 0 its event
    came early.
    """
    free = np.append(1.0, curve.free)
    before, behind = free[curve.first], free[curve.last + 1]
    return (xlogy(before, before) - xlogy(behind, behind)) / (before - behind)


def interval_log_rank(
    after: np.ndarray, by: np.ndarray, treated: np.ndarray, stratum: np.ndarray, seed: int
) -> PermutationTest:
    """The score test of one arm against another, its arms exchanged within strata: no large-sample law is leant on.

    The curve under no difference is each stratum's own. Above 400 mice p is the normal one with the variance of the
    exchange.
    """
    score = np.zeros(len(after))
    for level in np.unique(stratum):
        mine = stratum == level
        score[mine] = scores(turnbull(after[mine], by[mine]))
    if len(after) <= MOST_MICE_EXCHANGED:
        return permutation_test(treated, stratum, lambda labels: labels @ score, seed)
    statistic, variance = float(treated @ score), 0.0
    for level in np.unique(stratum):
        mine = stratum == level
        n, n1 = int(mine.sum()), int(treated[mine].sum())
        variance += n1 * (n - n1) / n * float(np.var(score[mine], ddof=1)) if n > 1 else 0.0
    p = float(2 * ndtr(-abs(statistic) / np.sqrt(variance))) if variance > 0 else None
    return PermutationTest(statistic, p, 0, False, None)


def _innermost(begins: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each beginning that is followed at once by an end: all the chance lies between such two."""
    marks = np.unique(np.vstack([np.column_stack([begins, np.zeros(len(begins))]),
                                 np.column_stack([ends, np.ones(len(ends))])]), axis=0)  # fmt: skip
    turns = np.flatnonzero((marks[:-1, 2] == 0) & (marks[1:, 2] == 1))
    return marks[turns, :2], marks[turns + 1, :2]


def _rank(sorted_marks: np.ndarray, marks: np.ndarray, side: str) -> np.ndarray:
    """Where marks (day, order within the day) belong among sorted ones."""
    ordered = sorted_marks[:, 0] + 1j * sorted_marks[:, 1]  # complex numbers sort by day, then by order
    return np.searchsorted(
        ordered, marks[:, 0] + 1j * marks[:, 1], side="left" if side == "left" else "right"
    )
