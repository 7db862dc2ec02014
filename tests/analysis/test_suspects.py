"""Zeros that fill a table and two animals under one id are said; plausible curves are not."""

import numpy as np
import pytest

from studies.analysis import analyze_study
from studies.analysis.suspects import _named, _padded_from, _zigzag
from tests.analysis.builders import curve, exponential, together

DAYS = [0, 3, 7, 10, 14, 17, 21]


def notes_of(volumes: list[float], **plan: object) -> list[str]:
    """The notes of a study of which one vehicle mouse has these volumes."""
    random = np.random.default_rng(1)
    others = [
        curve(f"{arm}{i}", arm, {
            day: volume * float(np.exp(random.normal(0, 0.1))) for day, volume in exponential(rate, DAYS).items()
        })
        for arm, rate in (("vehicle", 0.08), ("drug", 0.04))
        for i in range(3)
    ]  # fmt: skip
    table = together(curve("odd", "vehicle", dict(zip(DAYS, volumes, strict=True))), *others)
    return analyze_study(table, {"control": "vehicle"}).to_dict()["notes"]


PADDED = [200, 260, 380, 500, 700, 0, 0]
MERGED = [200, 900, 210, 950, 230, 1100, 260]


def said(notes: list[str], words: str) -> bool:
    return any(words in note for note in notes)


def test_zeros_that_fill_the_table_are_said_with_mouse_and_day():
    assert said(notes_of(PADDED), "(odd from day 17)")


def test_two_animals_under_one_id_are_said():
    assert said(notes_of(MERGED), "two animals under one id")


@pytest.mark.parametrize("volumes", [
    [200, 120, 60, 20, 0, 0, 0],  # a tumor that melts
    [200, 260, 380, 500, 700, 900, 0],  # one reading of 0 at the end
    [200, 150, 210, 180, 260, 230, 300],  # caliper noise
    [200, 0, 0, 30, 90, 200, 400],  # gone and grown again
])  # fmt: skip
def test_plausible_curves_are_not(volumes):
    notes = notes_of(volumes)
    assert not said(notes, "fill up the table")
    assert not said(notes, "two animals")


def test_the_zeros_still_count_as_below_detection():
    assert said(notes_of(PADDED), "left-censored")


def test_up_to_five_mice_are_named():
    assert _named(list("abcde")) == "a, b, c, d, e"
    assert _named(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_two_zeros_at_the_end_after_a_tumor_not_yet_half_gone_fill_a_table():
    def place(*volumes: float, largest: float = 1000.0) -> int | None:
        return _padded_from(np.array(volumes), largest)

    assert place(200, 700, 0, 0) == 2
    assert place(200, 700, 0) is None
    assert place(0, 0) is None
    assert place(200, 300, 0, 0) == 2
    assert place(200, 299.9, 0, 0) is None
    assert place(100, 0, 0, largest=200) == 1, "in a study of small tumors half of the largest is large"
    assert place(1000, 500, 0, 0) == 2
    assert place(1000, 499.9, 0, 0) is None


def test_three_turns_by_more_than_twofold_are_two_animals():
    assert _zigzag(np.array([100.0, 300, 100, 300, 100]))
    assert not _zigzag(np.array([100.0, 300, 100, 300]))
    assert not _zigzag(np.array([100.0, 200, 100, 200, 100])), (
        "exactly twofold is what a tumor and calipers can do"
    )
    assert not _zigzag(np.array([100.0, 300, 100, 150, 300, 100, 300]))
