import pytest

from studies.templatetags import figures

UNRECORDED = '<span class="unrecorded">not recorded</span>'


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        (figures.mm3, 595.4, "595"),
        (figures.mm3, 12345.6, "12\N{THIN SPACE}346"),
        (figures.mm3, -0.2, "0"),
        (figures.mm, 9.84, "9.8"),
        (figures.grams, 22.06, "22.1"),
        (figures.percent, -14.6, "\N{MINUS SIGN}15"),
        (figures.percent, 0.42, "0.4"),
        (figures.day, 7.0, "7"),
        (figures.day, -3, "\N{MINUS SIGN}3"),
        (figures.p_value, 0.0421, "0.042"),
        (figures.p_value, 0.0004, "< 0.001"),
        (figures.p_value, 0.5, "0.5"),
    ],
)
def test_numbers_are_written_in_the_digits_of_their_unit(written, value, expected):
    assert written(value) == expected


@pytest.mark.parametrize("written", [figures.mm3, figures.mm, figures.grams, figures.percent, figures.day])
def test_what_nobody_recorded_is_said_to_be_not_recorded(written):
    assert written(None) == UNRECORDED


def test_zero_is_a_recorded_value():
    assert figures.recorded(0) == 0
    assert figures.recorded("") == UNRECORDED
    assert figures.recorded([]) == UNRECORDED
