"""What several figures need of an axis: where it ends, how it is labeled, how volumes stand on a log scale."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.plots.style import HAIRLINE, LABEL_PT, MM, SMALLEST_PT, SOFT_INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SHARE_OF_CURVES_SHOWN = 0.975


def day_limits(last_days: Sequence[float], first_day: float) -> tuple[float, float, bool]:
    """The days an axis shows, and whether some curves run past it.

    A few mice followed for months would press all others into the margin, so the axis ends where all but
    the longest 2.5 % of curves have ended, if that saves at least a quarter of it. A long run-in before
    day 0 is cut to half the length of the rest.
    """
    longest = float(max(last_days))
    usual = float(np.quantile(last_days, SHARE_OF_CURVES_SHOWN, method="higher"))
    end = usual if usual < 0.75 * longest and usual > 0 else longest
    span = max(end, 1.0)
    start = max(float(first_day), -0.5 * span) if end > 0 else float(first_day)
    pad = 0.03 * (end - start or 1.0)
    return start - pad, end + pad, end < longest or start > first_day


def whole_numbers(axis: "Axis") -> None:
    """Ticks at whole numbers alone: no mouse is halved, and no visit is at day 2.5."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


def log_volume_axis(axis: "Axes", lowest: float, highest: float, has_zeros: bool) -> float:
    """Set up a log axis of volumes and give the height at which a volume of 0 is drawn, below the rest."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    floor = lowest / 2.2 if has_zeros else lowest / 1.15
    axis.set_yscale("log")
    axis.set_ylim(floor / 1.15 if has_zeros else floor, highest * 1.15)
    ticks = volume_ticks(lowest, highest)
    labels = {tick: f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in ticks}
    if has_zeros:
        labels[floor] = "none"
    axis.yaxis.set_major_locator(FixedLocator(list(labels)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _nearest(labels, value)))
    return floor


def volume_ticks(lowest: float, highest: float) -> list[float]:
    """Round volumes across a range: 1, 3, 10, ... or 1, 2, 5, 10, ... where the range is short."""
    steps = (1, 3) if highest / lowest > 60 else (1, 2, 5)
    decades = range(int(np.floor(np.log10(lowest))), int(np.ceil(np.log10(highest))) + 1)
    candidates = [step * 10.0**decade for decade in decades for step in steps]
    return [tick for tick in candidates if lowest * 0.95 <= tick <= highest * 1.1]


def _nearest(labels: dict[float, str], value: float) -> str:
    return next((label for tick, label in labels.items() if abs(tick - value) < 1e-9 * tick), "")


def mark_day(axis: "Axes", day: float | None) -> None:
    """A thin dashed line at the day arms are compared; the caption says which day it is."""
    if day is not None:
        axis.axvline(day, color=HAIRLINE, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)


def head(axis: "Axes", title: str, below: str, room_mm: float) -> None:
    """A panel's title in at most two lines, and what is told of it in small ones between the title and the axis."""
    small = wrapped(below, room_mm, SMALLEST_PT)
    axis.annotate(small, (0, 1), (0, 2), xycoords="axes fraction", textcoords="offset points", fontsize=SMALLEST_PT,
                  va="bottom", color=SOFT_INK, in_layout=False)  # fmt: skip
    lines = small.count("\n") + 1 if small else 0
    axis.set_title(wrapped(title, room_mm, LABEL_PT, bold=True), pad=3 + 8.5 * lines)


def wrapped(text: str, room_mm: float, points: float, *, lines: int = 2, bold: bool = False) -> str:
    """The text in as many lines as it needs, broken after spaces and marks; the last of those allowed is fitted."""
    if "\n" in text:
        return "\n".join(wrapped(part, room_mm, points, lines=1, bold=bold) for part in text.split("\n"))
    parts = re.split(r"(?<=[ _/+])", text)
    done: list[str] = []
    while parts:
        many = len(parts) if len(done) < lines - 1 else 0
        while many > 1 and width_mm("".join(parts[:many]).rstrip(), points, bold) > room_mm:
            many -= 1
        done.append(fitted("".join(parts[: many or None]).rstrip(), room_mm, points, bold=bold))
        parts = parts[many:] if many else []
    return "\n".join(done)


def fitted(text: str, room_mm: float, points: float, *, bold: bool = False) -> str:
    """The text, its middle given up for an ellipsis where it is wider than its room: names differ in their ends."""
    if width_mm(text, points, bold) <= room_mm:
        return text
    for kept in range(len(text) - 1, 1, -1):
        start, end = text[: kept - kept // 3], text[len(text) - kept // 3 :]
        if width_mm(cut := f"{start.rstrip()}…{end.lstrip()}", points, bold) <= room_mm:
            return cut
    return "…"


@lru_cache(maxsize=4096)
def width_mm(text: str, points: float, bold: bool = False) -> float:
    """How wide a line of text is when it is printed."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=points)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72 / MM


def spread_labels(
    heights: Sequence[float], gap: float, highest: float = np.inf, lowest: float = -np.inf
) -> list[float]:
    """Heights moved apart to at least `gap`, keeping their order, for labels at ends of lines: none above `highest`,
    nor below `lowest` as long as there is room.
    """
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    moved: list[Any] = list(heights)
    for _ in range(100):
        overlaps = [(low, high) for low, high in pairwise(order) if moved[high] - moved[low] < gap - 1e-9]
        if not overlaps:
            break
        for low, high in overlaps:
            push = (gap - (moved[high] - moved[low])) / 2
            moved[low] -= push
            moved[high] += push
    for place in order:
        moved[place] = max(moved[place], lowest)
        lowest = moved[place] + gap
    for place in reversed(order):
        moved[place] = min(moved[place], highest)
        highest = moved[place] - gap
    return moved
