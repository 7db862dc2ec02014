"""Tests by exchanging the arms of mice within their blocks, as the randomization could have."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

import numpy as np

MOST_EXHAUSTIVE = 2000
DRAWS = 9999
TOLERANCE = 1e-9


@dataclass(frozen=True)
class PermutationTest:
    """Two-sided p; `arrangements` were looked at, all that there are where `exhaustive`.

    `smallest_p` is the least p these numbers of mice could give; None where arrangements were drawn.
    """

    statistic: float
    p_value: float | None
    arrangements: int
    exhaustive: bool
    smallest_p: float | None


def permutation_test(
    treated: np.ndarray,
    block: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    seed: int,
) -> PermutationTest:
    """The share of arrangements whose statistic lies as far from 0 as the one seen.

    `treated` marks the mice of one of two arms, `block` names within what they were randomized; `statistic` takes
    arrangements as rows of 0 and 1 and gives a value each. All arrangements where they are at most 2000, else 9,999
    drawn with the seed, the one seen counted among them.
    """
    blocks = _blocks(treated, block)
    count = prod(comb(len(rows), size) for rows, size in blocks)
    exhaustive = count <= MOST_EXHAUSTIVE
    arrangements = _every(treated, blocks) if exhaustive else _drawn(treated, blocks, seed)
    seen = float(statistic(treated[None, :].astype(float))[0])
    if count == 1 or not np.isfinite(seen):
        return PermutationTest(seen, None, len(arrangements), exhaustive, None)
    values = np.abs(statistic(arrangements))
    values = np.where(np.isfinite(values), values, np.inf)
    extreme = int((values >= abs(seen) * (1 - TOLERANCE) - TOLERANCE).sum())
    if not exhaustive:
        return PermutationTest(seen, (extreme + 1) / (DRAWS + 1), DRAWS, False, None)
    largest = values[np.isfinite(values)].max()
    smallest = float((values >= largest * (1 - TOLERANCE) - TOLERANCE).mean())
    return PermutationTest(seen, extreme / count, count, True, smallest)


def _blocks(treated: np.ndarray, block: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """The mice of each block and how many of them are treated."""
    _, code = np.unique(block, return_inverse=True)
    return [
        (rows := np.flatnonzero(code == level), int(treated[rows].sum())) for level in range(code.max() + 1)
    ]


def _every(treated: np.ndarray, blocks: list[tuple[np.ndarray, int]]) -> np.ndarray:
    choices = [list(combinations(rows, size)) for rows, size in blocks]
    table = np.zeros((prod(len(choice) for choice in choices), len(treated)))
    for row, chosen in enumerate(product(*choices)):
        table[row, [mouse for mice in chosen for mouse in mice]] = 1
    return table


def _drawn(treated: np.ndarray, blocks: list[tuple[np.ndarray, int]], seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    table = np.zeros((DRAWS, len(treated)))
    for rows, size in _splitting(blocks):
        order = draw.random((DRAWS, len(rows))).argsort(axis=1)
        table[:, rows] = order < size
    return table


def _splitting(blocks: list[tuple[np.ndarray, int]]) -> Iterator[tuple[np.ndarray, int]]:
    return ((rows, size) for rows, size in blocks if size)
