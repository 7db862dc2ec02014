"""The long table to the byte: exact numbers, empty cells, and text no spreadsheet runs."""

import pytest

from studies.exports import FORMATS, long_csv
from studies.formula_safety import guarded, unguarded


def cell(value) -> str:
    return long_csv(["x"], [{"x": value}]).decode("utf-8-sig").split("\r\n")[1]


def test_to_the_byte():
    rows = [{"mouse": "007", "day": 3.0, "volume_mm3": 100.5}, {"mouse": "a, b", "volume_mm3": None}]
    assert long_csv(["mouse", "day", "volume_mm3"], rows) == (
        b'\xef\xbb\xbfmouse,day,volume_mm3\r\n007,3,100.5\r\n"a, b",,\r\n'
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, '""'),
        (float("nan"), '""'),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (-3, "-3"),
        (1 / 3, "0.3333333333333333"),
        (-0.5, "-0.5"),
        (1e14, "100000000000000"),
        (1e15, "1000000000000000.0"),
        ("=1+1", "'=1+1"),
        ("Träger", "Träger"),
    ],
)
def test_a_cell_is_what_it_was_and_reads_back_exactly(value, written):
    assert cell(value) == written


def test_a_header_is_guarded_like_a_cell():
    assert long_csv(["=1+1"], []).decode("utf-8-sig") == "'=1+1\r\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_starts_a_formula_is_guarded_and_the_guard_comes_off_once(start):
    assert guarded(f"{start}1") == f"'{start}1" and unguarded(f"'{start}1") == f"{start}1"
    assert guarded(f"'{start}1") == f"''{start}1" and unguarded(f"''{start}1") == f"'{start}1"


@pytest.mark.parametrize("text", ["'", "'a", "a=1", "", "5 mg"])
def test_other_text_is_left_as_it_is(text):
    assert guarded(text) == text == unguarded(text)


def test_the_formats_are_named_for_people():
    assert {name: words for name, (words, _) in FORMATS.items()} == {
        "long_csv": "long table of measurements (CSV)",
        "workbook": "tables of results (Excel)",
    }
    assert FORMATS["long_csv"][1](["x"], []) == long_csv(["x"], [])
