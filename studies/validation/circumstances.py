"""Rules about who, when and with what: R15, R17 to R22, R24 to R28, R30."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

from studies.terms import MeasurementStatus, Sign
from studies.validation.findings import Finding, hard, soft
from studies.validation.rows import Checked, local_time

# A status beside which lengths would contradict it.
WITHOUT_SIZE = frozenset(
    {MeasurementStatus.NOT_PALPABLE, MeasurementStatus.TOO_SMALL, MeasurementStatus.NOT_DONE}
)
REPLICATES = 100
RULE_ID = re.compile(r"R([1-9]|[12][0-9]|30)")
FORMULA_STARTS = ("=", "+", "-", "@")


def right_mouse(row: Checked) -> Iterator[Finding]:
    """R15"""
    if row.row.mouse not in row.sheet.mice:
        yield hard("R15", "mouse", f"mouse {row.row.mouse} is not on this sheet")
    elif row.row.tumor not in row.mouse.tumors:
        yield hard("R15", "tumor", f"mouse {row.row.mouse} has no tumor {row.row.tumor} on record")
    elif row.row.scanned and row.row.scanned != row.row.mouse:
        yield soft("R15", "mouse", f"the scanned tag belongs to {row.row.scanned}")


def after_exit(row: Checked) -> Iterator[Finding]:
    """R17"""
    left, seen = row.mouse.exited_on, row.row.observed_at
    if left is None or seen is None or row.reading.status is MeasurementStatus.DEAD:
        return
    day = local_time(seen, row.sheet.time_zone).date()
    if day > left:
        yield hard("R17", "observed_at", f"the mouse left the study on {left}")
    elif day == left:
        yield soft("R17", "observed_at", "the mouse left the study on this day")


def before_events(row: Checked) -> Iterator[Finding]:
    """R18"""
    seen = row.row.observed_at
    if seen is None:
        return
    day = local_time(seen, row.sheet.time_zone).date()
    if row.mouse.born_on and day < row.mouse.born_on:
        yield hard("R18", "observed_at", f"the mouse was born on {row.mouse.born_on}")
    if row.mouse.implanted_on and day < row.mouse.implanted_on and row.reading.has_size_text:
        yield hard("R18", "observed_at", f"the tumor was implanted on {row.mouse.implanted_on}")
    if row.mouse.randomized_at and seen < row.mouse.randomized_at:
        yield soft("R18", "observed_at", "is before randomization, whose baseline is locked")


def future(row: Checked) -> Iterator[Finding]:
    """R19"""
    seen = row.row.observed_at
    if seen is None:
        yield hard("R19", "observed_at", "is no moment with a time zone, such as 2026-03-02T09:30:00Z")
    elif seen > row.now + timedelta(minutes=row.limits.future_minutes):
        yield hard("R19", "observed_at", f"is more than {row.limits.future_minutes} min in the future")
    elif seen > row.now + timedelta(minutes=row.limits.clock_minutes):
        yield soft("R19", "observed_at", "is in the future: does this device's clock run ahead?")


def late(row: Checked) -> Iterator[Finding]:
    """R20"""
    seen = row.row.observed_at
    if seen is not None and row.now - seen > timedelta(hours=row.limits.late_hours):
        yield soft("R20", "observed_at", f"is entered more than {row.limits.late_hours} h after it was taken")


def which_day(row: Checked) -> Iterator[Finding]:
    """R21"""
    seen = row.row.observed_at
    if seen is not None and local_time(seen, row.sheet.time_zone).hour < row.limits.night_until_hour:
        day = local_time(seen, row.sheet.time_zone).date()
        yield soft("R21", "observed_at", f"was taken at night: does it belong to {day}?")


def second_session(row: Checked) -> Iterator[Finding]:
    """R22, its soft half; client ids and places taken are settled where they are stored."""
    if not 1 <= row.row.replicate <= REPLICATES:
        yield hard("R22", "replicate", f"is not between 1 and {REPLICATES}")
    if row.mouse.was_seen_today_elsewhere:
        yield soft("R22", "mouse", "was measured in another session of this day")


def burst(row: Checked) -> Iterator[Finding]:
    """R24"""
    gap = row.row.shortest_interval_ms
    if gap is not None and gap < row.limits.burst_ms:
        yield soft("R24", "device", f"two readings came within {gap} ms: was one pressed twice?")


def missing(row: Checked) -> Iterator[Finding]:
    """R25, its hard half: a blank needs a code, and a code that says "no size" has none."""
    if row.reading.status is None:
        yield hard("R25", "status", f"is none of {', '.join(MeasurementStatus.values())}")
        return
    for sign in row.row.signs:
        if sign not in Sign.values():
            yield hard("R25", "signs", f"{sign!r} is none of {', '.join(Sign.values())}")
    blank = [name for name in ("length_mm", "width_mm") if row.reading.numbers[name].is_blank]
    if row.reading.status is MeasurementStatus.MEASURED or len(blank) == 1:
        for name in blank:
            yield hard("R25", name, "is blank without a code, such as not done or not palpable")
    elif row.reading.status in WITHOUT_SIZE and row.reading.has_size_text:
        yield hard("R25", "status", f"says {row.reading.status.label}, beside a length or width")


def device(row: Checked) -> Iterator[Finding]:
    """R26"""
    name, known = row.row.device, row.sheet.devices.get(row.row.device)
    if known and known.is_retired:
        yield hard("R26", "device", f"{name} is retired")
    elif known and _is_overdue(known.calibration_due_on, row):
        yield soft("R26", "device", f"the calibration of {name} was due on {known.calibration_due_on}")
    last = row.mouse.last.device if row.mouse.last else ""
    if name and last and name != last:
        yield soft("R26", "device", f"the last visit was measured with {last}")


def _is_overdue(due: date | None, row: Checked) -> bool:
    seen = row.row.observed_at
    return due is not None and seen is not None and local_time(seen, row.sheet.time_zone).date() > due


def observer(row: Checked) -> Iterator[Finding]:
    """R27"""
    baseline = row.mouse.baseline_observer
    if baseline and row.sheet.observer and baseline != row.sheet.observer:
        yield soft("R27", "observer", f"{baseline} measured this mouse at baseline")


def state(row: Checked) -> Iterator[Finding]:
    """R28"""
    if row.sheet.closed_because:
        yield hard("R28", "session", row.sheet.closed_because)


def texts(row: Checked) -> Iterator[Finding]:
    """R30"""
    yield from text("device", row.row.device, row.limits.text_max)
    for rule, reason in row.row.confirmations.items():
        field = f"confirmations.{rule}" if RULE_ID.fullmatch(rule) else "confirmations"
        if field == "confirmations":
            yield hard("R30", field, "names no rule from R1 to R30")
        yield from text(field, reason, row.limits.text_max)


def text(field: str, value: str, longest: int = 2000) -> Iterator[Finding]:
    """R30 for one text: too long or with control characters (line breaks included), or like a formula."""
    if len(value) > longest:
        yield hard("R30", field, f"has more than {longest} characters")
    if any(not char.isprintable() and char not in "\u00a0\u202f" for char in value):
        yield hard("R30", field, "holds a control character or a line break")
    if value.startswith(FORMULA_STARTS):
        yield soft("R30", field, f"starts with {value[0]}, as a formula does; it is kept, escaped on export")
