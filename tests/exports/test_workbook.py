"""The workbook as a spreadsheet opens it."""

import io
from datetime import UTC, datetime

import openpyxl
import pytest

from studies.exports import workbook
from studies.exports.workbook import MOST_ROWS

MADE_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def opened(**sheets):
    return openpyxl.load_workbook(io.BytesIO(workbook(sheets, "Results", MADE_AT)))


def values(sheet):
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def test_a_sheet_a_table_its_columns_in_the_order_met():
    book = opened(arms=[{"arm": "A", "n": 8}, {"n": 7, "p": 0.25}], mice=[{"mouse": "007"}])
    assert book.sheetnames == ["arms", "mice"]
    assert values(book["arms"]) == [["arm", "n", "p"], ["A", 8, None], [None, 7, 0.25]]
    assert values(book["mice"]) == [["mouse"], ["007"]]
    assert (book.properties.title, book.properties.created) == ("Results", MADE_AT.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("value", "found", "kind"),
    [
        (1 / 3, 1 / 3, "n"),
        (True, True, "b"),
        (False, False, "b"),
        (0, 0, "n"),
        ("=1+1", "'=1+1", "s"),
        ("12", "12", "s"),
        ("https://example.org", "https://example.org", "s"),
        (MADE_AT, str(MADE_AT), "s"),
        (None, None, "n"),
        (float("nan"), None, "n"),
        (float("inf"), None, "n"),
    ],
)
def test_a_cell_holds_the_value_and_never_a_formula_or_a_link(value, found, kind):
    cell = opened(one=[{"x": value}])["one"]["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (found, kind, None)


def test_nested_values_are_left_out_and_a_header_is_guarded():
    assert values(opened(one=[{"=x": 1, "y": [1], "z": {"a": 1}, "t": (1, 2)}])["one"]) == [["'=x"], [1]]
    assert values(opened(one=[{"x": 1}, {"x": [2]}])["one"]) == [["x"], [1]]


def test_the_header_is_bold_stays_in_view_and_filters_every_row():
    sheet = opened(one=[{"x": 1, "y": 2}, {"x": 3, "y": 4}])["one"]
    assert (sheet["A1"].font.b, sheet["A2"].font.b, sheet["A1"].border.bottom.style) == (True, False, "thin")
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:B3")


def test_a_sheet_without_rows_is_there_and_empty():
    sheet = opened(none=[], nested=[{"x": [1]}])
    assert values(sheet["none"]) == [] and sheet["none"].auto_filter.ref is None
    assert values(sheet["nested"]) == [] and sheet["nested"].auto_filter.ref is None


def test_columns_are_as_wide_as_their_longest_text_up_to_a_limit():
    sheet = opened(one=[{"a": "x" * 10, "long_header": None, "b": "x" * 200, "c": 0}] * 2)["one"]
    width = {letter: round(sheet.column_dimensions[letter].width) for letter in "ABCD"}
    assert width == {"A": 13, "B": 14, "C": 61, "D": 4}
    rows = [{"a": "x"}] * 199 + [{"a": "x" * 10}, {"a": "x" * 20}]  # 200 rows are looked at
    assert round(opened(one=rows)["one"].column_dimensions["A"].width) == 13


def test_a_sheet_holds_a_header_and_as_many_rows_as_excel_opens(monkeypatch):
    assert MOST_ROWS + 1 == 2**20
    monkeypatch.setitem(workbook.__globals__, "MOST_ROWS", 2)
    assert values(opened(one=[{"x": n} for n in range(3)])["one"]) == [["x"], [0], [1]]


def test_a_long_name_is_cut_to_what_a_sheet_may_be_called():
    assert opened(**{"x" * 40: [{"a": 1}]}).sheetnames == ["x" * 31]


def test_the_same_input_gives_the_same_bytes():
    sheets = {"one": [{"x": 1, "y": "text"}]}
    assert workbook(sheets, "Results", MADE_AT) == workbook(sheets, "Results", MADE_AT)
