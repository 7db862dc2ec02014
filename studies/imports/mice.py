"""A pasted or uploaded list of mice to rows, with every defect named by line and column."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from studies.columns import fold
from studies.imports.decoding import decode
from studies.imports.delimited import Records, read_records
from studies.imports.errors import ImportRefused, RowError
from studies.terms import Sex

# Column -> other spellings, folded. `mouse` and `pdx_model` must be there.
ALIASES: dict[str, tuple[str, ...]] = {
    "mouse": ("mouse_id", "animal", "animal_id", "id", "label"),
    "pdx_model": ("model", "pdx", "pdx_id", "tumor_line"),
    "sex": (),
    "born_on": ("birth_date", "born", "dob", "date_of_birth"),
    "strain": (),
    "source": ("supplier",),
    "cage": ("cage_id",),
    "ear_tag": ("ear", "ear_mark", "tag"),
    "rfid": ("transponder", "chip"),
    "cohort": ("batch",),
    "passage": ("passage_number",),
    "site": ("implantation_site",),
    "implanted_on": ("implanted", "implantation_date"),
    "room": (),
    "rack": (),
}
REQUIRED = ("mouse", "pdx_model")
DATES = ("born_on", "implanted_on")
SEX_WORDS = {"f": Sex.FEMALE, "m": Sex.MALE, "female": Sex.FEMALE, "male": Sex.MALE, "other": Sex.OTHER}
LONGEST = {"mouse": 120, "pdx_model": 60, "strain": 100, "source": 100, "site": 100, "cohort": 60}
LONGEST_OTHER = 40
MOST_COLUMNS = 200
MOST_LINES = 20_000
LARGEST_PASSAGE = 32_767
_BY_SPELLING = {spelling: name for name, more in ALIASES.items() for spelling in (name, *more)}


@dataclass(frozen=True)
class MouseRow:
    """One mouse as a list tells it; `line` is where. What is not told is blank or None."""

    line: int
    mouse: str
    pdx_model: str
    sex: str = ""
    born_on: date | None = None
    strain: str = ""
    source: str = ""
    cage: str = ""
    ear_tag: str = ""
    rfid: str = ""
    cohort: str = ""
    passage: int | None = None
    site: str = ""
    implanted_on: date | None = None
    room: str = ""
    rack: str = ""


def read_mice(content: bytes | str) -> list[MouseRow]:
    """The mice of a CSV, TSV or pasted table with a header line.

    Raises ImportRefused with every defect: unknown or doubled headers, ragged rows, dates, sexes,
    a mouse listed twice, two mice of one ear tag in a cage, an RFID twice.
    """
    text = decode(content)[0] if isinstance(content, bytes) else content
    lines = text.count("\n") + text.count("\r")
    if lines > MOST_LINES:
        reason = f"has {lines:,} lines; at most {MOST_LINES:,} are read at once"
        raise ImportRefused([RowError(None, None, None, reason)])
    records, defects = read_records(text, MOST_COLUMNS)
    names = dict(_header(records, defects))
    rows = [_row(records, place, names, defects) for place in range(len(records.cells))]
    found = [row for row in rows if row is not None]
    defects += _repeated(found)
    if defects:
        raise ImportRefused(defects)
    return found


def _header(records: Records, defects: list[RowError]) -> Iterator[tuple[int, str]]:
    told: dict[str, str] = {}
    for place, header in enumerate(records.header):
        name = _BY_SPELLING.get(fold(header))
        if name is None:
            known = ", ".join(ALIASES)
            defects.append(RowError(records.header_line, header, None, f"is no column here; known: {known}"))
        elif name in told:
            reason = f'means {name}, as does the header "{told[name]}"'
            defects.append(RowError(records.header_line, header, None, reason))
        else:
            told[name] = header
            yield place, name
    for name in REQUIRED:
        if name not in told:
            defects.append(RowError(records.header_line, name, None, "this column is missing"))


def _row(records: Records, place: int, names: dict[int, str], defects: list[RowError]) -> MouseRow | None:
    line = records.lines[place]
    values: dict[str, Any] = {}
    before = len(defects)
    for column, name in names.items():
        text = records.cells[place][column]
        try:
            values[name] = _value(name, text)
        except ValueError as error:
            defects.append(RowError(line, records.header[column], text, str(error)))
    for name in REQUIRED:
        if name in names.values() and not values.get(name):
            defects.append(RowError(line, name, None, "is empty"))
    complete = len(defects) == before and all(name in values for name in REQUIRED)
    return MouseRow(line, **values) if complete else None


def _value(name: str, text: str) -> str | int | date | None:
    if name in DATES:
        return read_date(text) if text else None
    if name == "passage":
        return _passage(text) if text else None
    if name == "sex":
        if text and text.lower() not in SEX_WORDS:
            raise ValueError("is not female, male or other")
        return str(SEX_WORDS[text.lower()]) if text else ""
    if len(text) > (longest := LONGEST.get(name, LONGEST_OTHER)):
        raise ValueError(f"is longer than {longest} characters")
    return text


def read_date(text: str) -> date:
    """A date as 2026-03-01 or 1 Mar 2026; 01/02/2026 is refused, as it may be either of two days."""
    for pattern in ("%Y-%m-%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y"):
        try:
            return datetime.strptime(text, pattern).date()
        except ValueError:
            continue
    raise ValueError("is not a date; write it as 2026-03-01")


def _passage(text: str) -> int:
    found = re.fullmatch(r"[Pp]?([0-9]{1,5})", text)
    if not found or int(found[1]) > LARGEST_PASSAGE:
        raise ValueError("is not a passage; write it as 4 or P4")
    return int(found[1])


def _repeated(rows: list[MouseRow]) -> Iterator[RowError]:
    keys = {
        "mouse": lambda row: row.mouse,
        "ear_tag": lambda row: (row.cage, row.ear_tag) if row.cage and row.ear_tag else None,
        "rfid": lambda row: row.rfid or None,
    }
    for column, key in keys.items():
        first: dict[object, int] = {}
        for row in rows:
            told = key(row)
            if told is None:
                continue
            if told in first:
                where = f" in cage {row.cage}" if column == "ear_tag" else ""
                reason = f"stands in line {first[told]} too{where}"
                yield RowError(row.line, column, getattr(row, column), reason)
            first.setdefault(told, row.line)


COLUMNS = tuple(field.name for field in fields(MouseRow) if field.name != "line")
