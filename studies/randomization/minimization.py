"""Minimization for mice that arrive one by one (Pocock and Simon 1975), with a biased coin and any ratio."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from studies.randomization.dealing import Assignment
from studies.randomization.roster import Candidate, Plan


def minimization(
    mice: Sequence[Candidate], plan: Plan, rng: np.random.Generator, earlier: Sequence[Candidate] = ()
) -> Assignment:
    """Each mouse in turn goes, by a biased coin, to the arm that leaves the least imbalance.

    Counts are compared, never means, so that an arm still empty counts as what it is: furthest behind. Counts
    are divided by the arm's ratio; the coin is that of Han, Enas and McEntegart (2009), which keeps unequal
    ratios right on average. Volume and weight count by the levels `plan.cuts` part them into.
    """
    ratios = np.array(plan.ratios, dtype=float)
    counts: dict[tuple[str, str], np.ndarray] = {}
    place = {arm: number for number, arm in enumerate(plan.names)}
    for mouse in earlier:
        for level in levels(mouse, plan):
            counts.setdefault(level, np.zeros(len(ratios)))[place[mouse.arm]] += 1
    labels = np.empty(len(mice), dtype=np.int64)
    for number, mouse in enumerate(mice):
        tables = [counts.setdefault(level, np.zeros(len(ratios))) for level in levels(mouse, plan)]
        imbalance = np.array([_imbalance_with(arm, tables, ratios) for arm in range(len(ratios))])
        arm = _toss(imbalance, ratios, plan.coin, rng)
        labels[number] = arm
        for table in tables:
            table[arm] += 1
    return Assignment(labels)


def levels(mouse: Candidate, plan: Plan) -> list[tuple[str, str]]:
    """What the mouse counts under: the cohort as a whole, its strata, and its band of volume and weight."""
    bands = {"log_volume": mouse.volume_mm3, "weight": mouse.weight_g}
    return [
        ("all", ""),
        *((factor, getattr(mouse, factor)) for factor in plan.strata),
        *(
            (name, str(bisect_right(plan.cuts[name], value)))
            for name, value in bands.items()
            if value is not None and name in plan.cuts
        ),
    ]


def _imbalance_with(arm: int, tables: Sequence[np.ndarray], ratios: np.ndarray) -> float:
    """The sum over the mouse's levels of the range of counts per share, were it given this arm."""
    joined = np.eye(len(ratios))[arm]
    return float(sum(np.ptp((table + joined) / ratios) for table in tables))


def _toss(imbalance: np.ndarray, ratios: np.ndarray, coin: float, rng: np.random.Generator) -> int:
    best = np.flatnonzero(imbalance <= imbalance.min() + 1e-9)
    if len(best) == len(ratios):
        chances = ratios / ratios.sum()
    else:
        among = ratios[best] / ratios[best].sum()
        favored = best[int(np.searchsorted(np.cumsum(among), rng.random()))] if len(best) > 1 else best[0]
        others = ratios.sum() - ratios
        favor = 1 - (1 - coin) * others[favored] / others[int(np.argmin(ratios))]
        chances = (1 - favor) * ratios / others[favored]
        chances[favored] = favor
    return min(int(np.searchsorted(np.cumsum(chances), rng.random(), side="right")), len(ratios) - 1)
