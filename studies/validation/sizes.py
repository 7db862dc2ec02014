"""Rules about one tumor's size: R1 to R10."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from studies.terms import MeasurementStatus
from studies.validation.expected import aspect_window, dimension_windows, volume_window
from studies.validation.findings import Finding, hard, notice, soft
from studies.validation.rows import Checked


def of_numbers(rule: str) -> Callable[[Checked], Iterator[Finding]]:
    """The findings of `rule` made while the numbers were read."""

    def check(row: Checked) -> Iterator[Finding]:
        for number in row.reading.numbers.values():
            yield from (finding for finding in number.findings if finding.rule == rule)

    return check


def range_of_lengths(row: Checked) -> Iterator[Finding]:
    """R4"""
    for field in ("length_mm", "width_mm", "height_mm"):
        value = row.reading.numbers[field].value
        if value is None:
            continue
        if value <= 0:
            yield hard("R4", field, "is 0; a tumor that cannot be felt is a status, never 0")
        elif value > row.limits.length_max_mm:
            yield hard("R4", field, f"is above {row.limits.length_max_mm} mm")
        elif value < row.limits.length_low_mm:
            yield soft("R4", field, f"is below {row.limits.length_low_mm} mm")
        elif value > row.limits.length_high_mm:
            yield soft("R4", field, f"is above {row.limits.length_high_mm} mm")


def length_over_width(row: Checked) -> Iterator[Finding]:
    """R5"""
    length, width = row.reading.length_mm, row.reading.width_mm
    if length is not None and width is not None and length < width:
        yield soft("R5", "length_mm", f"length {length} is below width {width}: swap them?")


def aspect(row: Checked) -> Iterator[Finding]:
    """R6"""
    sizes = row.reading.sizes
    if sizes is None or sizes[1] <= 0:
        return
    longer, shorter = sizes
    if longer > row.limits.aspect_max * shorter:
        yield hard("R6", "width_mm", f"the tumor is more than {row.limits.aspect_max} times as long as wide")
    elif longer > row.limits.aspect_high * shorter:
        yield soft("R6", "width_mm", f"the tumor is more than {row.limits.aspect_high} times as long as wide")


def volume(row: Checked) -> Iterator[Finding]:
    """R7"""
    found = row.reading.volume_mm3
    if found is None:
        return
    if found > row.limits.volume_max_mm3:
        yield hard("R7", "length_mm", f"the volume is above {row.limits.volume_max_mm3} mm³")
    elif found > row.limits.volume_high_mm3 and not _was_large(row):
        yield soft("R7", "length_mm", f"the volume is above {row.limits.volume_high_mm3} mm³")


def _was_large(row: Checked) -> bool:
    """Whether the last visit's volume was over half the limit: one growth away, and growth is R8's to judge."""
    last = row.mouse.last
    return bool(last and last.volume_mm3 and last.volume_mm3 * 2 > row.limits.volume_high_mm3)


def growth(row: Checked) -> Iterator[Finding]:
    """R8"""
    last, now, day = row.mouse.last, row.reading.volume_mm3, row.reading.day
    window = None if day is None else volume_window(row.mouse, day, row.limits)
    if last is None or window is None:
        return
    if row.reading.status is MeasurementStatus.NOT_PALPABLE:
        if window[0] > row.limits.palpable_mm3:
            yield soft("R8", "status", f"is not palpable, after {last.volume_mm3:.0f} mm³ at the last visit")
    elif now is None or window[0] <= now <= window[1]:
        return
    elif not last.volume_mm3:
        yield soft("R8", "length_mm", "nothing was palpable at the last visit")
    else:
        ratio = now / last.volume_mm3
        yield soft("R8", "length_mm", f"the volume is {_times(ratio)} that of the last visit{slip(ratio)}")


def slip(ratio: Decimal) -> str:
    """A hint where a misplaced decimal mark would explain a ratio of volumes (10, 100, 1000)."""
    for factor, field in ((10, "length"), (100, "width"), (1000, "length and width")):
        if any(Decimal("0.6") < r / factor < Decimal("1.7") for r in (ratio, 1 / ratio)):
            return f": typo in {field}?"
    return ""


def _times(ratio: Decimal) -> str:
    return f"{ratio:.1f} times" if ratio >= 1 else f"{ratio * 100:.0f} % of"


def jump(row: Checked) -> Iterator[Finding]:
    """R9"""
    sizes, day = row.reading.sizes, row.reading.day
    aspects = aspect_window(row.mouse, row.limits)
    if sizes is None or day is None or aspects is None or sizes[1] <= 0:
        return
    if aspects[0] <= sizes[0] / sizes[1] <= aspects[1]:
        return
    spans = dimension_windows(row.mouse, row.limits)
    for field, now, window in zip(("length_mm", "width_mm"), sizes, spans, strict=True):
        if window is not None and not window[0] <= now <= window[1]:
            yield soft("R9", field, f"{now} mm: this dimension jumped, and the other did not")


def tumor_endpoint(row: Checked) -> Iterator[Finding]:
    """R10"""
    found, sizes = row.reading.volume_mm3, row.reading.sizes
    if found is not None and found >= row.limits.volume_cap_mm3:
        yield notice("R10", "length_mm", f"the volume reached the cap of {row.limits.volume_cap_mm3} mm³")
    if sizes is not None and sizes[0] >= row.limits.diameter_cap_mm:
        yield notice("R10", "length_mm", f"a diameter reached the cap of {row.limits.diameter_cap_mm} mm")
