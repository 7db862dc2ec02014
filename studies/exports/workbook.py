"""Tables as an Excel workbook: a sheet a table, full numbers, text that no spreadsheet runs as a formula."""

import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from studies.formula_safety import guarded

LONGEST_SHEET_NAME = 31
WIDEST_COLUMN = 60
MOST_ROWS = 1_048_575


def workbook(sheets: Mapping[str, Sequence[Mapping[str, Any]]], title: str, made_at: datetime) -> bytes:
    """The bytes of an .xlsx with one sheet a name; its rows are dicts, its columns their keys in order.

    Nested values are left out. Missing values are empty cells. The same input gives the same bytes.
    """
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        book.set_properties(
            {"title": title, "created": made_at.replace(tzinfo=None), "author": "PDX tracker"}
        )
        bold = book.add_format({"bold": True, "bottom": 1})
        for name, rows in sheets.items():
            _fill(book.add_worksheet(name[:LONGEST_SHEET_NAME]), list(rows)[:MOST_ROWS], bold)
    return out.getvalue()


def _fill(sheet: Any, rows: list[Mapping[str, Any]], bold: Any) -> None:
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if _is_plain(value)))
    for place, column in enumerate(columns):
        sheet.write_string(0, place, guarded(column), bold)
    for line, row in enumerate(rows, start=1):
        for place, column in enumerate(columns):
            _write(sheet, line, place, row.get(column))
    for place, column in enumerate(columns):
        longest = max([len(column), *(len(str(row.get(column) or "")) for row in rows[:200])])
        sheet.set_column(place, place, min(longest + 2, WIDEST_COLUMN))
    sheet.freeze_panes(1, 0)
    if columns:
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)


def _is_plain(value: Any) -> bool:
    return not isinstance(value, (list, dict, tuple))


def _write(sheet: Any, line: int, place: int, value: Any) -> None:
    if value is None or not _is_plain(value) or (isinstance(value, float) and not math.isfinite(value)):
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, (int, float)):
        sheet.write_number(line, place, value)
    else:
        sheet.write_string(line, place, guarded(str(value)))
