"""Text to a header and its records, each with the line it starts on."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from studies.columns import canonical_header
from studies.imports.errors import ImportRefused, RowError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
MOST_COLUMNS = 20_000  # a table with a column a gene is read; one with a million is not
HEADER_LOOKED_AT = 20_000  # characters, enough to tell commas from semicolons
_BLANKS = " \t\r\n\xa0\u202f\ufeff"


@dataclass(frozen=True)
class Records:
    """A table of trimmed text cells: `cells[i][j]` under `header[j]`, read from line `lines[i]`."""

    header: list[str]
    cells: list[list[str]]
    lines: list[int]
    header_line: int
    delimiter: str
    blank_lines: int
    ignored: list[str]


def read_records(text: str, most_columns: int = MOST_COLUMNS) -> tuple[Records, list[RowError]]:
    """The records of a delimited text, and the defects of its shape (ragged rows, broken quotes).

    Comma, semicolon or tab: the one that makes most sense of the first line. Quoted fields, any line
    ending and blank lines are read. Refused (ImportRefused): a text without a header, without rows, or
    with more columns than `most_columns`.
    """
    text, delimiter = _excel_hint(text)
    delimiter = delimiter or _delimiter_of(text)
    defects: list[RowError] = []
    records = list(_numbered(text, delimiter, defects))
    filled = [(line, [cell.strip(_BLANKS) for cell in cells]) for line, cells in records]
    filled = [(line, cells) for line, cells in filled if any(cells)]
    if not filled and not defects:
        raise ImportRefused([RowError(None, None, None, "the file is empty")])
    if not filled:
        raise ImportRefused(defects)
    (header_line, header), rows = filled[0], filled[1:]
    if len(header) > most_columns:
        reason = f"the header has {len(header):,} columns; at most {most_columns:,} are read"
        raise ImportRefused([RowError(header_line, None, None, reason)])
    if not rows and not defects:
        raise ImportRefused([RowError(header_line, None, None, "the file holds a header and no rows")])
    fitting = [(line, cells) for line, cells in rows if len(cells) == len(header)]
    defects += [_ragged(line, len(cells), len(header)) for line, cells in rows if len(cells) != len(header)]
    header, cells, ignored = _without_unnamed(header, [row for _, row in fitting], header_line, defects)
    lines = [line for line, _ in fitting]
    found = Records(header, cells, lines, header_line, delimiter, len(records) - len(filled), ignored)
    return found, defects


def _excel_hint(text: str) -> tuple[str, str | None]:
    """Excel's own first line "sep=;" names the delimiter; its line stays, blank, to keep line numbers."""
    for delimiter in DELIMITERS:
        if text.lower().startswith((f"sep={delimiter}\n", f"sep={delimiter}\r")):
            return text[5:], delimiter
    return text, None


def _delimiter_of(text: str) -> str:
    """The delimiter under which the first filled line holds most known headers, then most fields."""
    first = next((line for line in io.StringIO(text, newline="") if line.strip(_BLANKS + ",;")), "")

    def sense(delimiter: str) -> tuple[int, int]:
        fields = next(csv.reader([first[:HEADER_LOOKED_AT]], delimiter=delimiter), [])
        return sum(canonical_header(field) is not None for field in fields), len(fields)

    return max(DELIMITERS, key=sense)


def _numbered(text: str, delimiter: str, defects: list[RowError]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every record; a broken quote ends the reading and is added to `defects`."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        reasons = {
            "unexpected end of data": "a quote opened here is never closed",
            "field larger than field limit": "a field has over 131,072 characters; a quote may be missing",
        }
        reason = next((plain for raw, plain in reasons.items() if str(error).startswith(raw)), None)
        unread = f"the quotes cannot be read ({error}); rows below were not read"
        defects.append(RowError(line, None, None, reason or unread))


def _ragged(line: int, found: int, expected: int) -> RowError:
    hint = " (a decimal comma or an unquoted text holding a delimiter?)" if found > expected else ""
    return RowError(line, None, None, f"{found} fields where the header has {expected}{hint}")


def _without_unnamed(
    header: list[str], cells: list[list[str]], header_line: int, defects: list[RowError]
) -> tuple[list[str], list[list[str]], list[str]]:
    """The table without columns that have no header: empty ones, and a leading row counter."""
    unnamed = [place for place, name in enumerate(header) if not name]
    if not unnamed:
        return header, cells, []
    ignored = []
    for place in unnamed:
        values = [row[place] for row in cells]
        if not any(values):
            ignored.append(f"column {place + 1}, without header and empty")
        elif place == 0 and _counts_rows(values):
            ignored.append("the first column, without header, which only counts the rows")
        else:
            reason = f"column {place + 1} holds values and has no header"
            defects.append(RowError(header_line, None, None, reason))
    kept = [place for place in range(len(header)) if place not in unnamed]
    return [header[place] for place in kept], [[row[place] for place in kept] for row in cells], ignored


def _counts_rows(values: list[str]) -> bool:
    start = values[0] if values else ""
    return start in ("0", "1") and values == [str(number + int(start)) for number in range(len(values))]
