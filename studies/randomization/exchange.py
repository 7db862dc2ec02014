"""The default: from random allocations, mice are exchanged in pairs until the arms are alike enough.

Every start is exchanged only until it meets the acceptance limits, not to the optimum: an optimum would be
the same few allocations for every seed, and two mice would be almost sure to meet or never to meet. Where a
cohort is so small that they still do, its limits are widened until no two share an arm too often.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.randomization.blocks import given_before
from studies.randomization.dealing import Assignment, Labels, deal, shuffled
from studies.randomization.roster import Candidate, Plan, RandomizationRefused, as_rows, rows_sha256
from studies.randomization.units import SCALE, Units, units_of

SMD_LIMIT, SMD_LIMIT_BESIDE_VARIANCES = 0.05, 0.08
VARIANCE_RATIO_LIMIT = 2.0
STRATUM_SMD_LIMIT = 0.5
WIDENING, WIDENINGS = 1.2, 32
MEETING_LIMIT = 0.70  # measured on at most 300 allocations, so that 75 % holds over any number of seeds
CALIBRATION_STARTS, LEAST_ACCEPTED = 300, 0.2
MEANS_OVER_SQUARES = 8
PASSES = 3
SHARE = 1 << 14  # an arm's weight is SHARE / its mice, as a whole number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """An allocation is acceptable when no difference is larger. SMDs in standard deviations, `factor` tells
    how far they were widened.
    """

    smd: float
    variance_ratio: float | None
    stratum_smd: float | None
    factor: float = 1.0

    def widened(self, factor: float) -> "Limits":
        """Infinity stands for no limit at all."""
        ratio = None if self.variance_ratio is None else 1 + (self.variance_ratio - 1) * factor
        within = None if self.stratum_smd is None else self.stratum_smd * factor
        return Limits(self.smd * factor, ratio, within, factor)

    def as_record(self) -> dict[str, float]:
        named = {"smd": self.smd, "variance_ratio": self.variance_ratio, "stratum_smd": self.stratum_smd}
        return {"factor": self.factor} | {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Cohort:
    """A cohort ready to be drawn: its units, the plan, and how many mice each arm was given before."""

    units: Units
    plan: Plan
    given: Sequence[int]

    @property
    def arms(self) -> int:
        return len(self.plan.arms)


class _Search:
    """Many allocations exchanged at once; `labels` is starts x units, `sums` starts x arms x columns.

    Numbers are whole and below 2^53 although held as floats, so that every sum and product is exact.
    """

    def __init__(self, cohort: Cohort, labels: Labels):
        units = cohort.units
        self.units, self.labels, self.arms = units, labels, cohort.arms
        self.count = len(units.names)
        self.x = np.hstack([units.z, units.squares - np.rint(units.squares.mean(axis=0))])
        self.weights = np.concatenate([units.weights * MEANS_OVER_SQUARES, units.weights])
        if not cohort.plan.balance_variances:
            self.weights[self.count :] = 0
        one_hot = (labels[:, None, :] == np.arange(cohort.arms)[:, None]).astype(float)
        self.mice = one_hot @ units.size
        self.share = np.floor(SHARE / np.maximum(self.mice, 1))
        self.sums = one_hot @ self.x
        self.squares = one_hot @ units.squares
        self.distance = _squared_distances(self.x, self.weights)
        self.together = units.stratum[:, None] == units.stratum
        self.strata = list(range(int(units.stratum.max()) + 1))
        self.within = self._within(one_hot) if len(self.strata) > 1 else None

    def _within(self, one_hot: Floats) -> Floats:
        """Sums by stratum (starts x strata x arms x columns), each column centered in its stratum."""
        self.x_within, stratum = self.x.copy(), self.units.stratum
        self.stratum_share = np.zeros(len(self.strata))
        sums = np.zeros((len(self.labels), len(self.strata), self.arms, self.x.shape[1]))
        for number in self.strata:
            inside = stratum == number
            self.x_within[inside] -= np.rint(self.x[inside].mean(axis=0))
            self.stratum_share[number] = SHARE * self.arms // int(self.units.size[inside].sum())
            sums[:, number] = one_hot[:, :, inside] @ self.x_within[inside]
        self.stratum_mice = np.stack(
            [
                one_hot[:, :, self.units.stratum == n] @ self.units.size[self.units.stratum == n]
                for n in self.strata
            ],
            axis=1,
        )
        return sums

    def keep(self, rows: NDArray[np.bool_]) -> None:
        held = ["labels", "mice", "share", "sums", "squares"]
        for name in held if self.within is None else [*held, "within", "stratum_mice"]:
            setattr(self, name, getattr(self, name)[rows])

    def exchange(self, unit: Labels) -> None:
        """In every start, exchange its `unit` with the one of another arm that improves balance most."""
        every = np.arange(len(unit))
        mine = self.labels[every, unit]
        change = self._change(self.sums, self.share, self.x, unit, mine)
        if self.within is not None:
            here = self.units.stratum[unit]
            share = np.broadcast_to(self.stratum_share[here][:, None], self.share.shape)
            change += self._change(self.within[every, here], share, self.x_within, unit, mine)
        allowed = self.together[unit] & (self.labels != mine[:, None])
        change = np.where(allowed, change, 0)
        other = np.argmin(change, axis=1)
        better = np.flatnonzero(change[every, other] < 0)
        self._swap(better, unit[better], other[better])

    def _change(self, sums: Floats, share: Floats, x: Floats, unit: Labels, mine: Labels) -> Floats:
        """How exchanging `unit` with each other one changes the sum over arms of (arm sum)² / mice."""
        every = np.arange(len(unit))
        along = (sums * share[:, :, None]) @ (x * self.weights).T  # starts x arms x units
        own = along[every, mine]
        theirs = np.take_along_axis(along, self.labels[:, None, :], axis=1)[:, 0]
        unit_there = np.take_along_axis(along[every, :, unit], self.labels, axis=1)
        both = share[every, mine][:, None] + np.take_along_axis(share, self.labels, axis=1)
        return 2 * (own - own[every, unit][:, None] - theirs + unit_there) + both * self.distance[unit]

    def _swap(self, rows: Labels, one: Labels, other: Labels) -> None:
        first, second = self.labels[rows, one], self.labels[rows, other]
        moved = [(self.sums, self.x), (self.squares, self.units.squares)]
        for sums, values in moved:
            step = values[other] - values[one]
            sums[rows, first] += step
            sums[rows, second] -= step
        if self.within is not None:
            here, step = self.units.stratum[one], self.x_within[other] - self.x_within[one]
            self.within[rows, here, first] += step
            self.within[rows, here, second] -= step
        self.labels[rows, one], self.labels[rows, other] = second, first

    def acceptable(self, limits: Limits) -> NDArray[np.bool_]:
        if limits.factor == np.inf:
            return np.ones(len(self.labels), dtype=bool)
        sums, mice = self.sums[:, :, : self.count], self.mice[:, :, None]
        means = sums / np.maximum(mice, 1)
        spread = self.squares * SCALE - sums * means  # sums of squares about the arm's mean
        freedom = np.maximum(self.mice.sum(axis=1) - self.arms, 1)[:, None]
        good = _range(means) <= limits.smd * np.sqrt(_added(spread) / freedom)
        if limits.variance_ratio is not None:
            variance = np.maximum(spread / np.maximum(mice - 1, 1), 1)
            good &= variance.max(axis=1) <= limits.variance_ratio * variance.min(axis=1)
        if limits.stratum_smd is not None and self.within is not None:
            for number in self.strata:
                inside = self.stratum_mice[:, number, :, None]
                if inside[0].sum() >= 2 * self.arms:
                    means = self.within[:, number, :, : self.count] / np.maximum(inside, 1)
                    good &= _range(means) <= limits.stratum_smd * SCALE
        return good.all(axis=1)


def _squared_distances(x: Floats, weights: Floats) -> Floats:
    step = x[:, None] - x
    return (step * step * weights).sum(axis=2)


def _range(means: Floats) -> Floats:
    return means.max(axis=1) - means.min(axis=1)


def _added(spread: Floats) -> Floats:
    """The sum over arms, one after the other: `sum` may add in another order on another machine."""
    total = spread[:, 0].copy()
    for arm in range(1, spread.shape[1]):
        total += spread[:, arm]
    return total


def search(cohort: Cohort, limits: Limits, starts: int, rng: np.random.Generator) -> Labels:
    """Of `starts` random allocations exchanged, those that came within the limits (accepted x units)."""
    units = cohort.units
    labels = np.array([deal(units.keys, cohort.plan.ratios, cohort.given, rng) for _ in range(starts)])
    # Rounding may have given the extra mice to one arm or another; relabeling comes last (`settle`).
    running, place = _Search(cohort, labels), np.arange(starts)
    found: dict[int, Labels] = {}
    for _ in range(PASSES):
        order = np.array([shuffled(len(units), rng) for _ in range(len(place))]).reshape(-1, len(units))
        for turn in range(len(units) + 1):
            good = running.acceptable(limits)
            found |= {int(start): row for start, row in zip(place[good], running.labels[good], strict=True)}
            running.keep(~good)
            place, order = place[~good], order[~good]
            if not len(place):
                break
            if turn < len(units):
                running.exchange(order[:, turn])
        if not len(place):
            break
    return np.array([found[start] for start in sorted(found)], dtype=np.int64).reshape(-1, len(units))


def first_limits(cohort: Cohort) -> Limits:
    """The limits before any widening: variances only where every arm has three mice."""
    smallest = len(cohort.units.members) * min(cohort.plan.ratios) // sum(cohort.plan.ratios)
    variances = cohort.plan.balance_variances and smallest >= 3
    return Limits(
        SMD_LIMIT_BESIDE_VARIANCES if variances else SMD_LIMIT,
        VARIANCE_RATIO_LIMIT if variances else None,
        STRATUM_SMD_LIMIT if len(set(cohort.units.keys)) > 1 else None,
    )


def meetings(labels: Labels) -> NDArray[np.float64]:
    """The share of allocations in which each two units have the same arm (units x units)."""
    together = np.zeros((labels.shape[1], labels.shape[1]))
    for arm in np.unique(labels):
        inside = (labels == arm).astype(float)
        together += inside.T @ inside
    return together / len(labels)


def calibrate(cohort: Cohort, rng: np.random.Generator) -> Limits:
    """The narrowest limits under which no two units share an arm too often and enough starts succeed.

    They are widened by no step of a fifth, or by two or more: the first is not tried alone, and to begin to would
    make a replay of what was drawn another drawing.
    `rng` must depend on the cohort alone, never on the recorded seed: a test that draws again from the same
    restricted set needs the set to be the same.
    """
    narrow = first_limits(cohort)

    def holds(step: int) -> bool:
        found = search(cohort, narrow.widened(WIDENING**step), CALIBRATION_STARTS, rng)
        enough = len(found) >= LEAST_ACCEPTED * CALIBRATION_STARTS
        return enough and np.triu(meetings(found), k=1).max(initial=0) <= MEETING_LIMIT

    if holds(0):
        return narrow
    high = next((step for step in (2, 4, 8, 16, WIDENINGS) if holds(step)), None)
    if high is None:
        return narrow.widened(np.inf)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return narrow.widened(WIDENING**high)


def balanced_exchange(
    mice: Sequence[Candidate], plan: Plan, rng: np.random.Generator, earlier: Sequence[Candidate] = ()
) -> Assignment:
    """Many acceptable allocations by pairwise exchange, one of them picked at random, arms shuffled over it.

    Source: anticlustering with the k-plus terms (Papenberg 2023) and re-randomization (Morgan and Rubin 2012).
    """
    return _exchanged(mice, plan, rng, earlier, by_cage=False)


def whole_cage(
    mice: Sequence[Candidate], plan: Plan, rng: np.random.Generator, earlier: Sequence[Candidate] = ()
) -> Assignment:
    """The same with cages in place of mice: every mouse of a cage gets the cage's arm."""
    return _exchanged(mice, plan, rng, earlier, by_cage=True)


def _exchanged(
    mice: Sequence[Candidate],
    plan: Plan,
    rng: np.random.Generator,
    earlier: Sequence[Candidate],
    by_cage: bool,
) -> Assignment:
    cohort = Cohort(units_of(mice, plan, by_cage), plan, given_before(earlier, plan))
    limits = calibrate(cohort, cohort_generator(mice, plan))
    found = search(cohort, limits, plan.starts, rng)
    if not len(found):
        raise RandomizationRefused(
            f"none of {plan.starts} allocations came within the limits; allow more starts or fewer strata"
        )
    picked = settle(found[int(rng.random() * len(found))], cohort, rng)
    notes = (*cohort.units.notes, *_said_of(limits, cohort))
    return Assignment(
        picked[cohort.units.members],
        rejected=plan.starts - len(found),
        limits=limits.as_record(),
        notes=notes,
    )


def redraw(
    mice: Sequence[Candidate],
    plan: Plan,
    count: int,
    rng: np.random.Generator,
    earlier: Sequence[Candidate] = (),
) -> Labels:
    """`count` further allocations of the cohort from the same restricted set (count x mice, places in the
    plan): the reference set of a permutation test that respects how the arms were drawn.
    """
    cohort = Cohort(units_of(mice, plan, plan.method == "whole_cage"), plan, given_before(earlier, plan))
    limits = calibrate(cohort, cohort_generator(mice, plan))
    rows: list[Labels] = []
    while len(rows) < count:
        rows += [settle(labels, cohort, rng) for labels in search(cohort, limits, plan.starts, rng)]
    return np.array(rows[:count])[:, cohort.units.members]


def settle(labels: Labels, cohort: Cohort, rng: np.random.Generator) -> Labels:
    """Map groups to arms at random, among arms with the same number of mice."""
    sizes = np.bincount(labels, weights=cohort.units.size, minlength=cohort.arms)
    arm_of = np.arange(cohort.arms)
    for size in np.unique(sizes):
        alike = np.flatnonzero(sizes == size)
        arm_of[alike] = alike[shuffled(len(alike), rng)]
    return arm_of[labels]


def cohort_generator(mice: Sequence[Candidate], plan: Plan) -> np.random.Generator:
    """A generator that depends on who is drawn for, and on nothing else."""
    return np.random.Generator(np.random.PCG64(int(rows_sha256(as_rows(mice)), 16) + plan.starts))


def _said_of(limits: Limits, cohort: Cohort) -> list[str]:
    said = []
    if limits.factor == np.inf:
        said.append("The cohort is too small to be balanced without fixing who meets whom: no limit was set.")
    elif limits.factor > 1:
        said.append(
            f"Acceptance limits were widened {limits.factor:.2g} times, to |SMD| {limits.smd:.2f}, so that no two"
            f" mice share an arm in more than 75 % of seeds."
        )
    if cohort.plan.balance_variances and limits.variance_ratio is None:
        said.append("Variances are not balanced: an arm has fewer than three mice.")
    return said
