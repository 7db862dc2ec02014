"""Numbers written by people and by spreadsheets: one decimal mark a file, and nothing guessed.

`float()` reads "nan", "1_000", "١٢" and "1e999"; a measurement must be none of these, so the syntax
is decided here and only then handed to it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from studies.imports.errors import RowError

MISSING = frozenset({"", "NA"})

_EXPONENT = r"(?:[eE][+-]?[0-9]{1,3})?"
_WHOLE = re.compile(rf"[+-]?[0-9]+{_EXPONENT}")
_POINT = re.compile(rf"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+){_EXPONENT}")
_COMMA = re.compile(rf"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+){_EXPONENT}")
_MAYBE_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:([.,' \xa0\u202f])[0-9]{3})+(?:[.,][0-9]+)?")
_MARK_NAMES = {".": "point", ",": "comma"}


@dataclass(frozen=True)
class DecimalMark:
    """The file's decimal mark (None where no number has one), with the defects of its use."""

    mark: str | None
    errors: list[RowError]


def decimal_mark(columns: Mapping[str, list[str]], lines: list[int], delimiter: str) -> DecimalMark:
    """The one decimal mark of a file, from its numeric columns (header -> texts) and the lines of their rows.

    A mixture is refused at each cell of the rarer mark. "1,234" is 1.234 or 1234: it is read as a
    decimal only where another number of the file (12,5 or 0,75) settles it. The same holds for
    "1.234" in a file with semicolons, as continental spreadsheets write thousands.
    """
    texts = set().union(*columns.values()) if columns else set()
    points = {text for text in texts if _POINT.fullmatch(text) and "." in text}
    commas = {text for text in texts if _COMMA.fullmatch(text) and "," in text}

    def cells(wanted: set[str]) -> list[tuple[int, str, str]]:
        found = [
            (line, header, text)
            for header, column in columns.items()
            for line, text in zip(lines, column, strict=True)
            if text in wanted
        ]
        return sorted(found)

    if points and commas:
        return _mixture(cells(points), cells(commas))
    mark = "," if commas else "." if points else None
    doubted = mark == "," or (mark == "." and delimiter == ";")
    if doubted and all(map(_MAYBE_THOUSANDS.fullmatch, points | commas)):
        return DecimalMark(mark, [_ambiguous(*cell) for cell in cells(points | commas)])
    return DecimalMark(mark, [])


def _mixture(points: list[tuple[int, str, str]], commas: list[tuple[int, str, str]]) -> DecimalMark:
    mark, usual, rarer = (".", points, commas) if len(points) >= len(commas) else (",", commas, points)
    other = "," if mark == "." else "."
    reason = (
        f"has a decimal {_MARK_NAMES[other]}, while {len(usual)} other number(s) of the file have a decimal "
        f"{_MARK_NAMES[mark]} (the first in line {usual[0][0]}); a file has one decimal mark"
    )
    return DecimalMark(mark, [RowError(*cell, reason) for cell in rarer])


def _ambiguous(line: int, header: str, text: str) -> RowError:
    decimal = text.replace(",", ".")
    thousands = re.sub("[.,]", "", text)
    reason = (
        f"may mean {decimal} or {thousands}, and no number of the file settles which; write a decimal point"
    )
    return RowError(line, header, text, reason)


def read_number(text: str, mark: str | None) -> float | str:
    """The number a text holds under the file's decimal mark, or the reason why it holds none."""
    pattern = _COMMA if mark == "," else _POINT
    if not (_WHOLE.fullmatch(text) or pattern.fullmatch(text)):
        return _why_not(text)
    value = float(text.replace(",", "."))
    if value in (float("inf"), float("-inf")):
        return "is too large to be a measurement"
    return value + 0.0  # -0.0 becomes 0.0


def _why_not(text: str) -> str:
    if _THOUSANDS.fullmatch(text):
        return "has a thousands mark; write the digits without it"
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return "is not a number; leave the cell empty where nothing was measured"
    if any(char.isdigit() and not char.isascii() for char in text):
        return "is not written in the digits 0 to 9"
    return "is not a number"
