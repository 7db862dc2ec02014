"""A file of tumor measurements to a table in canonical columns, or all of its defects at once.

Nothing here knows the database or the analysis. Every cell is read as text first, so that the mouse
"007" and the arm "None" stay what they are.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from studies.columns import ROLE_WORDS, fold
from studies.imports.cells import QUANTITIES, Reading, arm_is_a_role, arm_names
from studies.imports.decoding import decode
from studies.imports.delimited import DELIMITERS, Records, read_records
from studies.imports.errors import ImportRefused, RowError
from studies.imports.headers import canonical_headers

if TYPE_CHECKING:
    import pandas

DEFAULT_MAX_BYTES = 500_000_000


@dataclass(frozen=True)
class MeasurementTable:
    """One row a reading, in the order of the file.

    `columns` holds each column's values under its canonical name (other columns, such as genes, under
    their own), `lines` the line each row starts on, `headers` how the file spells each column.
    `assumptions` says in plain words how the file was read; `set_aside` names single cells that were
    read as missing although something stood there.
    """

    columns: dict[str, list[Any]]
    lines: list[int]
    headers: dict[str, str]
    filename: str
    sha256: str
    assumptions: tuple[str, ...]
    set_aside: tuple[RowError, ...]

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A dict a row, missing values None."""
        names = list(self.columns)
        return [dict(zip(names, values, strict=True)) for values in zip(*self.columns.values(), strict=True)]

    @cached_property
    def frame(self) -> "pandas.DataFrame":
        """The rows as a pandas table: text as objects (missing None), quantities as floats (missing NaN)."""
        import pandas

        return pandas.DataFrame(
            {
                name: pandas.Series(values, dtype="float64" if name in QUANTITIES else "object")
                for name, values in self.columns.items()
            }
        )

    @cached_property
    def arm_names(self) -> list[str]:
        """The arm of every row: its treatment, where `arm` only says control or treated."""
        return arm_names(self.columns)

    @cached_property
    def marked_controls(self) -> dict[str, tuple[str, ...]]:
        """study -> the arms its file marks as control by a control/treated column, in order of appearance."""
        if not arm_is_a_role(self.columns):
            return {}
        found: dict[str, dict[str, None]] = {}
        roles = self.columns["arm"]
        for study, arm, role in zip(self.columns["study"], self.arm_names, roles, strict=True):
            if ROLE_WORDS[fold(role)]:
                found.setdefault(study, {})[arm] = None
        return {study: tuple(arms) for study, arms in found.items()}


def read_measurement_table(
    content: bytes, filename: str, *, max_bytes: int = DEFAULT_MAX_BYTES
) -> MeasurementTable:
    """The measurements in a delimited text file.

    Needs mouse, day, an arm (or treatment), and volume_mm3 or length_mm with width_mm; a file without
    study or pdx_model is one study of one PDX model. Empty volumes and negative days are kept.
    Refused (ImportRefused, with every defect): a file over `max_bytes`, binary or empty; missing or
    doubled columns; ragged rows; unreadable or mixed numbers; negative volumes and lengths; unknown
    status words; a PDX model with two MAP2K4 statuses; two readings of a mouse on one day.
    """
    refuse_oversize(len(content), max_bytes)
    text, encoding = decode(content)
    records, defects = read_records(text)
    headers, header_defects = canonical_headers(records)
    if header_defects:
        raise ImportRefused([*defects, *header_defects])
    reading = Reading(records, headers)
    reading.read(PurePath(filename).stem or "study")
    defects += [*reading.defects, *_duplicates(reading)]
    if defects:
        raise ImportRefused(defects)
    return MeasurementTable(
        columns=reading.columns,
        lines=records.lines,
        headers={name: header for header, name in headers.items()},
        filename=filename,
        sha256=hashlib.sha256(content).hexdigest(),
        assumptions=tuple(_how_it_was_read(records, encoding) + reading.assumptions),
        set_aside=tuple(reading.set_aside),
    )


def refuse_oversize(size_bytes: int, max_bytes: int) -> None:
    """Raise ImportRefused where a file is over its limit; callers ask before they read the file."""
    if size_bytes > max_bytes:
        reason = f"the file has {_size(size_bytes)}, over the limit of {_size(max_bytes)}"
        raise ImportRefused([RowError(None, None, None, reason)])


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 100_000 else f"{n_bytes:,} bytes"


def _duplicates(reading: Reading) -> Iterator[RowError]:
    """Second readings of a mouse on one day; tumor and replicate tell readings apart where present."""
    columns = reading.columns
    parts = [columns["study"], columns["pdx_model"], arm_names(columns), columns["mouse"], columns["day"]]
    parts += [columns[name] for name in ("tumor", "replicate") if name in columns]
    first: dict[tuple, int] = {}
    for row, key in enumerate(zip(*parts, strict=True)):
        line = first.setdefault(key, reading.lines[row])
        if line != reading.lines[row] and None not in key[:5]:
            _, model, arm, mouse, day = key[:5]
            who = f"mouse {mouse} (arm {arm}, PDX model {model})"
            reason = f"{who} already has a reading on day {day:g}, in line {line}"
            yield RowError(reading.lines[row], reading.spelling["day"], reading.texts["day"][row], reason)


def _how_it_was_read(records: Records, encoding: str) -> list[str]:
    separated = f"fields separated by {DELIMITERS[records.delimiter]}s"
    return [f"The file was read as {encoding} text with {separated}."] + [
        f"Ignored: {what}." for what in records.ignored
    ]


MeasurementReader = Callable[..., MeasurementTable]
