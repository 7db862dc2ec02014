"""Volumes from lengths: by hand, by law, by refusal."""

from math import pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.volumes import DEFAULT_FORMULA, FORMULAS, volume_mm3

lengths = st.floats(0.5, 50)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("half_lw2", 10 * 36 / 2),
        ("pi6_lw2", pi / 6 * 10 * 36),
        ("pi6_lwh", pi / 6 * 10 * 6 * 5),
        ("half_lwh", 10 * 6 * 5 / 2),
        ("pi6_mean", pi / 6 * 10 * 6 * 8),
        ("feldman", pi / 6 * 1.58 * 60**1.5),
    ],
)
def test_by_hand(formula, expected):
    assert volume_mm3(10, 6, 5, formula=formula) == pytest.approx(expected)


def test_the_default_is_the_formula_published_limits_are_quoted_on():
    assert DEFAULT_FORMULA == "half_lw2"
    assert volume_mm3(3, 3) == 13.5


def test_the_prolate_ellipsoid_is_4_7_percent_above_the_default():
    assert volume_mm3(9, 7, formula="pi6_lw2") / volume_mm3(9, 7) == pytest.approx(1.0472, abs=1e-4)


@given(lengths, lengths, lengths)
def test_which_reading_is_called_length_does_not_matter(length, width, height):
    for formula in FORMULAS:
        assert volume_mm3(length, width, height, formula) == volume_mm3(width, length, height, formula)


@given(lengths, lengths, lengths, st.floats(0.1, 10))
def test_volume_scales_with_the_cube_of_length(length, width, height, factor):
    for formula in FORMULAS:
        scaled = volume_mm3(length * factor, width * factor, height * factor, formula)
        assert scaled == pytest.approx(volume_mm3(length, width, height, formula) * factor**3)


@pytest.mark.parametrize("lengths", [(0, 5), (5, -1), (float("nan"), 5)])
def test_a_length_not_above_0_is_refused(lengths):
    with pytest.raises(ValueError, match="not above 0"):
        volume_mm3(*lengths)


def test_the_formulas_that_need_a_height():
    assert {name for name, formula in FORMULAS.items() if formula.needs_height} == {"pi6_lwh", "half_lwh"}


def test_a_missing_height_is_refused_where_it_is_needed():
    with pytest.raises(ValueError, match="needs a height"):
        volume_mm3(10, 6, formula="pi6_lwh")


def test_an_unknown_formula_is_refused():
    with pytest.raises(KeyError):
        volume_mm3(10, 6, formula="sphere")
