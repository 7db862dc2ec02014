"""What a mouse's own history lets expect of its next reading: the windows of R8, R9 and R12.

The browser gets the windows of each mouse, compares after entry, and never shows them before.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from studies.validation.limits import Limits
from studies.validation.rows import MouseFacts

Window = tuple[Decimal, Decimal]


@dataclass(frozen=True)
class Windows:
    """Lowest and highest value that asks no question, or None where nothing is known to compare with."""

    volume_mm3: Window | None = None
    length_mm: Window | None = None
    width_mm: Window | None = None
    aspect: Window | None = None
    weight_g: Window | None = None


def windows(mouse: MouseFacts, day: float, limits: Limits) -> Windows:
    """The windows of a mouse for a reading on `day` (on the study's scale of local days)."""
    length, width = dimension_windows(mouse, limits)
    return Windows(
        volume_window(mouse, day, limits),
        length,
        width,
        aspect_window(mouse, limits),
        weight_window(mouse, day, limits),
    )


def volume_window(mouse: MouseFacts, day: float, limits: Limits) -> Window | None:
    """R8: up to 1.5 x 2^(days / 3) times and down to 0.4^(days / 3) (0.4 up to 3 days), both on V + 30 mm3.

    The offset is the caliper's own error on a small tumor, which would otherwise look like growth; a
    treated tumor shrinks faster in a week than in a day (docs/measurement-rules.md tells the figures).
    """
    last = mouse.last
    if last is None or last.volume_mm3 is None:
        return None
    days = Decimal(max(0.0, day - last.day))
    most = limits.growth_factor * _power(Decimal(2), days / limits.growth_doubling_days)
    least = _power(limits.shrink_factor, max(Decimal(1), days / limits.shrink_days))
    before = last.volume_mm3 + limits.growth_offset_mm3
    return max(
        Decimal(0), before * least - limits.growth_offset_mm3
    ), before * most - limits.growth_offset_mm3


@lru_cache(maxsize=128)
def _power(base: Decimal, exponent: Decimal) -> Decimal:
    """Costly in Decimal, and the same for all mice whose last visit is as long ago."""
    return base**exponent


def dimension_windows(mouse: MouseFacts, limits: Limits) -> tuple[Window | None, Window | None]:
    """R9: of the longer and of the shorter diameter."""
    last = mouse.last
    if last is None or last.length_mm is None or last.width_mm is None:
        return None, None
    longer, shorter = max(last.length_mm, last.width_mm), min(last.length_mm, last.width_mm)
    return _jump(longer, limits), _jump(shorter, limits)


def aspect_window(mouse: MouseFacts, limits: Limits) -> Window | None:
    """R9: of the longer over the shorter diameter; when both grew together, no dimension jumped."""
    last = mouse.last
    if last is None or not last.length_mm or not last.width_mm:
        return None
    aspect = max(last.length_mm, last.width_mm) / min(last.length_mm, last.width_mm)
    return max(Decimal(1), aspect / (1 + limits.jump_fraction)), aspect * (1 + limits.jump_fraction)


def _jump(then: Decimal, limits: Limits) -> Window:
    most = max(limits.jump_mm, limits.jump_fraction * then)
    return max(Decimal(0), then - most), then + most


def weight_window(mouse: MouseFacts, day: float, limits: Limits) -> Window | None:
    """R12: 10 % within 3 days around the last weight, or 9 % around the last three's median.

    Beyond 3 days both shares grow with the gap, to 20 % and no further. One weighing of a restless mouse is
    off by some percent; the median keeps it from making the next a jump.
    """
    if not mouse.weights:
        return None
    last_day, last = mouse.weights[-1]
    stretch = max(Decimal(1), Decimal(day - last_day) / limits.weight_change_days)
    share = min(limits.weight_change_fraction * stretch, limits.weight_change_any_fraction)
    low, high = last * (1 - share), last * (1 + share)
    recent = sorted(weight for _, weight in mouse.weights[-3:])
    if len(recent) == 3:
        around = min(limits.weight_median_fraction * stretch, limits.weight_change_any_fraction)
        low, high = min(low, recent[1] * (1 - around)), max(high, recent[1] * (1 + around))
    return low, high
