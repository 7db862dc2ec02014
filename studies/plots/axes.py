"""What several figures need of an axis: where it ends, how it is labeled, how volumes stand on a log scale."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.plots.style import HAIRLINE, SOFT_INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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


def subtitle(axis: "Axes", text: str) -> None:
    """A small line between a panel's title and its axis, which may run on past the panel's edge."""
    axis.text(
        0, 1.02, text, transform=axis.transAxes, fontsize=6, va="bottom", color=SOFT_INK, in_layout=False
    )


def shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved apart to at least `gap`, keeping their order: for labels at the ends of lines."""
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
    return moved
