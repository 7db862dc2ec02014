"""What the rules look at: a row as typed, the mouse and sheet it belongs to, and what was read before.

Days are counted on one scale for rows and visits of a study (local calendar days), so that only
differences matter. Everything is given; nothing here reads a clock or a database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from studies.terms import MeasurementStatus
from studies.validation.limits import Limits
from studies.validation.numbers import BLANK, UNITS, Number, read_number
from studies.volumes import DEFAULT_FORMULA, FORMULAS

HALF = Decimal("0.5")


def volume_of(
    length: Decimal, width: Decimal, formula: str = DEFAULT_FORMULA, height: Decimal | None = None
) -> Decimal:
    """Volume in mm3, exact for L x W² / 2; a formula whose height was not taken falls back to that."""
    longer, shorter = max(length, width), min(length, width)
    chosen = FORMULAS[formula]
    if formula == DEFAULT_FORMULA or (chosen.needs_height and height is None):
        return longer * shorter * shorter * HALF
    return Decimal(repr(chosen.compute(float(longer), float(shorter), float(height or 0))))


@dataclass(frozen=True)
class Row:
    """One row of a sheet as it was sent: numbers still as text or JSON numbers."""

    mouse: str
    tumor: int = 1
    replicate: int = 1
    observed_at: datetime | None = None
    length_mm: Any = None
    width_mm: Any = None
    height_mm: Any = None
    weight_g: Any = None
    status: str = ""
    signs: tuple[str, ...] = ()
    device: str = ""
    confirmations: Mapping[str, str] = field(default_factory=dict)
    scanned: str = ""
    shortest_interval_ms: int | None = None


@dataclass(frozen=True)
class Visit:
    """One tumor of one mouse at an earlier visit; `day` on the study's scale of local days."""

    day: float
    length_mm: Decimal | None = None
    width_mm: Decimal | None = None
    volume_mm3: Decimal | None = None
    weight_g: Decimal | None = None
    device: str = ""
    observer: str = ""


@dataclass(frozen=True)
class MouseFacts:
    """What is on record of a mouse (and the tumor of the row) when the row arrives."""

    key: str
    tumors: tuple[int, ...] = (1,)
    strain: str = ""
    sex: str = ""
    born_on: date | None = None
    implanted_on: date | None = None
    exited_on: date | None = None
    randomized_at: datetime | None = None
    visits: tuple[Visit, ...] = ()  # this tumor's earlier visits, the oldest first
    weights: tuple[tuple[float, Decimal], ...] = ()  # the mouse's earlier (day, g), the oldest first
    baseline_weight_g: Decimal | None = None
    baseline_observer: str = ""
    other_tumors_mm3: Decimal = Decimal(0)  # the mouse's other tumors at this visit
    weight_today_g: Decimal | None = None  # told beside another tumor of the mouse
    was_seen_today_elsewhere: bool = False  # in another session of the same local day

    @property
    def last(self) -> Visit | None:
        return self.visits[-1] if self.visits else None


@dataclass(frozen=True)
class DeviceFacts:
    """A caliper or balance as registered."""

    is_retired: bool = False
    calibration_due_on: date | None = None


@dataclass(frozen=True)
class SheetFacts:
    """The session a row is for: its mice in the order of the sheet, the study's state and limits."""

    mice: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    formula: str = DEFAULT_FORMULA
    time_zone: str = "UTC"
    closed_because: str = ""  # why nothing may be written, in words; empty where it may
    observer: str = ""
    devices: Mapping[str, DeviceFacts] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """A row with its numbers read: values in mm, mm3 and g, or None where blank or refused."""

    row: Row
    numbers: Mapping[str, Number]
    status: MeasurementStatus | None
    day: float | None
    volume_mm3: Decimal | None

    @property
    def length_mm(self) -> Decimal | None:
        return self.numbers["length_mm"].value

    @property
    def width_mm(self) -> Decimal | None:
        return self.numbers["width_mm"].value

    @property
    def weight_g(self) -> Decimal | None:
        return self.numbers["weight_g"].value

    @property
    def sizes(self) -> tuple[Decimal, Decimal] | None:
        """The longer and the shorter diameter, where both were read."""
        if self.length_mm is None or self.width_mm is None:
            return None
        return max(self.length_mm, self.width_mm), min(self.length_mm, self.width_mm)

    @property
    def has_size_text(self) -> bool:
        return any(not self.numbers[name].is_blank for name in ("length_mm", "width_mm"))


@dataclass(frozen=True)
class Checked:
    """One row in its context, as a rule sees it. `now` is the server's time."""

    reading: Reading
    mouse: MouseFacts
    sheet: SheetFacts
    now: datetime

    @property
    def row(self) -> Row:
        return self.reading.row

    @property
    def limits(self) -> Limits:
        return self.sheet.limits


def local_time(moment: datetime, time_zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(time_zone))


def day_number(moment: datetime, time_zone: str) -> float:
    """The local calendar day of an aware moment, as a number whose differences are days."""
    return float(local_time(moment, time_zone).toordinal())


def read_row(row: Row, sheet: SheetFacts) -> Reading:
    """The row's numbers and status; what cannot be read stays None and is told by R1 to R3 and R25."""
    names = ("length_mm", "width_mm", "height_mm", "weight_g")
    numbers = {name: read_number(name, getattr(row, name), sheet.limits.decimals) for name in names}
    length, width = numbers["length_mm"].value, numbers["width_mm"].value
    volume = None
    if length and width:
        volume = volume_of(length, width, sheet.formula, numbers["height_mm"].value)
    day = None if row.observed_at is None else day_number(row.observed_at, sheet.time_zone)
    return Reading(row, numbers, _status(row.status), day, volume)


def stored_reading(mouse: str, tumor: int, status: str, **values: Decimal | None) -> Reading:
    """A reading on record, as far as the rules of the whole sheet look at it: `values` in mm and g, by field."""
    numbers = {name: BLANK if (value := values.get(name)) is None else Number(value) for name in UNITS}
    return Reading(Row(mouse, tumor), numbers, MeasurementStatus(status), None, None)


def _status(text: str) -> MeasurementStatus | None:
    """`measured` where nothing is said; None for a word that is no status."""
    if not text:
        return MeasurementStatus.MEASURED
    return MeasurementStatus(text) if text in MeasurementStatus.values() else None
