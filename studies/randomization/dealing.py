"""Shuffling and dealing: how labels are spread over mice and strata as evenly as whole mice allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Assignment:
    """What a method returns: the arm of each mouse as its place in the plan, and what there is to say of it."""

    labels: Labels
    blocks: Sequence[str] = ()
    rejected: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def generator(seed: str) -> np.random.Generator:
    """The generator a recorded seed (hexadecimal) stands for."""
    return np.random.Generator(np.random.PCG64(int(seed, 16)))


def shuffled(count: int, rng: np.random.Generator) -> Labels:
    """0 to count-1 in random order, by sorting uniform numbers.

    NumPy keeps the stream of `random` across versions, but not that of `permutation`; a replay in ten years
    needs the same order.
    """
    return np.argsort(rng.random(count), kind="stable")


def even_word(ratios: Sequence[int], given: Sequence[int], rng: np.random.Generator) -> Labels:
    """Sum-of-ratios labels, each as often as its ratio, spread evenly.

    Of equals, arms that were given fewer mice of their share before stand first, the rest in random order.
    """
    places = [
        ((turn + 0.5) / ratio, given[label] / ratio, tie, label)
        for label, (ratio, tie) in enumerate(zip(ratios, rng.random(len(ratios)).tolist(), strict=True))
        for turn in range(ratio)
    ]
    return np.array([place[-1] for place in sorted(places)], dtype=np.int64)


def strata_of(keys: Sequence[tuple[str, ...]]) -> Labels:
    """The stratum of each mouse as a number, in order of the keys."""
    number = {key: place for place, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], dtype=np.int64)


def line_up(keys: Sequence[tuple[str, ...]], rng: np.random.Generator) -> Labels:
    """The mice in an order that keeps each stratum together, and inner strata together within outer ones;
    otherwise random.
    """
    tie = rng.random(len(keys))
    if not keys[0]:
        return np.argsort(tie, kind="stable")
    ranks: dict[tuple[str, ...], float] = {}
    for depth in range(1, len(keys[0]) + 1):
        heads = sorted({key[:depth] for key in keys})
        ranks |= dict(zip(heads, rng.random(len(heads)).tolist(), strict=True))
    order = sorted(
        range(len(keys)),
        key=lambda mouse: (
            *(ranks[keys[mouse][:depth]] for depth in range(1, len(keys[mouse]) + 1)),
            tie[mouse],
        ),
    )
    return np.array(order, dtype=np.int64)


def deal(
    keys: Sequence[tuple[str, ...]], ratios: Sequence[int], given: Sequence[int], rng: np.random.Generator
) -> Labels:
    """A label for every mouse: totals by the ratios, and every stratum's share of each arm within one mouse.

    Mice lined up by stratum are dealt one evenly spread word again and again, so that any run of neighbors,
    a stratum among them, holds each arm as often as its ratio says, rounded down or up.
    """
    labels = np.empty(len(keys), dtype=np.int64)
    order = line_up(keys, rng)
    labels[order] = np.resize(even_word(ratios, given, rng), len(keys))
    return labels
