"""The plain methods: simple, permuted block, sorted block; each within strata where the plan names any."""

from collections.abc import Sequence

import numpy as np

from studies.randomization.dealing import Assignment, Labels, deal, shuffled
from studies.randomization.roster import Candidate, Plan


def keys_of(mice: Sequence[Candidate], strata: Sequence[str]) -> list[tuple[str, ...]]:
    """The stratum of each mouse, as the values of the plan's factors."""
    return [tuple(getattr(mouse, factor) for factor in strata) for mouse in mice]


def given_before(earlier: Sequence[Candidate], plan: Plan) -> list[int]:
    """How many mice each arm was given in earlier cohorts."""
    return [sum(mouse.arm == arm for mouse in earlier) for arm in plan.names]


def simple(
    mice: Sequence[Candidate], plan: Plan, rng: np.random.Generator, earlier: Sequence[Candidate] = ()
) -> Assignment:
    """Arms of planned size, otherwise left to chance. Source: NC3Rs Experimental Design Assistant."""
    return Assignment(deal(keys_of(mice, plan.strata), plan.ratios, given_before(earlier, plan), rng))


def permuted_block(
    mice: Sequence[Candidate], plan: Plan, rng: np.random.Generator, earlier: Sequence[Candidate] = ()
) -> Assignment:
    """In the order given (arrival), blocks that hold every arm by its ratio, shuffled in each."""
    return _in_blocks(mice, plan, rng, earlier, list(range(len(mice))))


def sorted_block(
    mice: Sequence[Candidate], plan: Plan, rng: np.random.Generator, earlier: Sequence[Candidate] = ()
) -> Assignment:
    """Blocks of mice alike in volume, largest first: the "matched distribution" of common practice."""
    order = sorted(range(len(mice)), key=lambda mouse: (-mice[mouse].volume_mm3, mice[mouse].mouse))
    return _in_blocks(mice, plan, rng, earlier, order)


def _in_blocks(
    mice: Sequence[Candidate],
    plan: Plan,
    rng: np.random.Generator,
    earlier: Sequence[Candidate],
    order: Sequence[int],
) -> Assignment:
    keys = keys_of(mice, plan.strata)
    labels, blocks = np.empty(len(mice), dtype=np.int64), [""] * len(mice)
    ratios = np.array(plan.ratios)
    whole = np.repeat(np.arange(len(ratios)), ratios * plan.blocks_of)
    given = np.array(given_before(earlier, plan)) / ratios
    for key in sorted(set(keys)):
        members = [mouse for mouse in order if keys[mouse] == key]
        for number, first in enumerate(range(0, len(members), len(whole)), start=1):
            block = members[first : first + len(whole)]
            full = len(block) == len(whole)
            content = whole if full else _furthest_behind(len(block), given, ratios, plan.blocks_of, rng)
            labels[block] = content[shuffled(len(content), rng)]
            given += np.bincount(content, minlength=len(ratios)) / ratios
            for mouse in block:
                blocks[mouse] = "/".join(filter(None, (*key, str(number))))
    return Assignment(labels, blocks)


def _furthest_behind(
    count: int, given: np.ndarray, ratios: np.ndarray, blocks_of: int, rng: np.random.Generator
) -> Labels:
    """Arms for a block that cannot be filled: those furthest behind their share so far, ties at random."""
    slots = [
        (given[arm] + (turn + 0.5) / ratios[arm], tie, arm)
        for arm in range(len(ratios))
        for turn, tie in enumerate(rng.random(ratios[arm] * blocks_of).tolist())
    ]
    return np.array([arm for _, _, arm in sorted(slots)[:count]], dtype=np.int64)
