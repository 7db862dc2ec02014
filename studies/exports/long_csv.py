"""The long table as CSV: one row a mouse and day, exact numbers, text guarded against formulas."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from studies.formula_safety import guarded


def long_csv(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """UTF-8 with a byte order mark, so that Excel reads it, comma-delimited; a missing value is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([guarded(column) for column in columns])
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return out.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str:
    """Numbers as short as they can be read back exactly, without an exponent where none is needed."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
    return guarded(str(value))
