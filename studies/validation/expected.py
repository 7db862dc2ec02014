"""What a mouse's own history lets expect of its next reading: the windows of R8, R9 and R12.

The browser gets the windows of each mouse, compares after entry, and never shows them before.
"""

from dataclasses import dataclass
from decimal import Decimal

from studies.validation.limits import Limits
from studies.validation.rows import MouseFacts

Window = tuple[Decimal, Decimal]


@dataclass(frozen=True)
class Windows:
    """Lowest and highest value that asks no question, or None where nothing is known to compare with."""

    volume_mm3: Window | None = None
    length_mm: Window | None = None
    width_mm: Window | None = None
    weight_g: Window | None = None


def windows(mouse: MouseFacts, day: float, limits: Limits) -> Windows:
    """The windows of a mouse for a reading on `day` (on the study's scale of local days)."""
    length, width = dimension_windows(mouse, day, limits)
    return Windows(volume_window(mouse, day, limits), length, width, weight_window(mouse, day, limits))


def volume_window(mouse: MouseFacts, day: float, limits: Limits) -> Window | None:
    """R8"""
    last = mouse.last
    if last is None or not last.volume_mm3:
        return None
    days = Decimal(max(0.0, day - last.day))
    most = limits.growth_factor * Decimal(2) ** (days / limits.growth_doubling_days)
    return last.volume_mm3 * limits.shrink_factor, last.volume_mm3 * most


def dimension_windows(mouse: MouseFacts, day: float, limits: Limits) -> tuple[Window | None, Window | None]:
    """R9: of the longer and of the shorter diameter."""
    last = mouse.last
    if last is None or last.length_mm is None or last.width_mm is None:
        return None, None
    longer, shorter = max(last.length_mm, last.width_mm), min(last.length_mm, last.width_mm)
    return _jump(longer, limits), _jump(shorter, limits)


def _jump(then: Decimal, limits: Limits) -> Window:
    most = max(limits.jump_mm, limits.jump_fraction * then)
    return max(Decimal(0), then - most), then + most


def weight_window(mouse: MouseFacts, day: float, limits: Limits) -> Window | None:
    """R12"""
    if not mouse.weights:
        return None
    last_day, last = mouse.weights[-1]
    within = day - last_day <= limits.weight_change_days
    share = limits.weight_change_fraction if within else limits.weight_change_any_fraction
    share = min(share, limits.weight_change_any_fraction)
    return last * (1 - share), last * (1 + share)
