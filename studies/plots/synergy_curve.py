"""The combination index over time, with its interval: it describes, and no day of it is tested."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.plots.axes import head, mark_day
from studies.plots.style import HAIRLINE, arm_colors, in_reading_order, panel_mm, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
COLUMNS, ROWS_A_PAGE = 3, 4
LOWEST, HIGHEST = 0.05, 20.0
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)
WIDE = 25  # from this ratio of the ends on there are fewer ticks, lest they touch
FEWER_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
NULLS = {"bliss": "Bliss", "hsa": "highest single agent"}


@styled
def synergy_curve(rows: Sequence[Row], arms: Sequence[Row], day: float | None = None) -> list["Figure"]:
    """Figures from the `synergy_curve` of the JSON, a panel a combination and null; 1 is what the null says."""
    colors = arm_colors(in_reading_order(arms))
    groups = list(dict.fromkeys((row["arm"], row["null"]) for row in rows))
    size = COLUMNS * ROWS_A_PAGE
    return [_draw(groups[first : first + size], rows, colors, day) for first in range(0, len(groups), size)]


def _draw(
    groups: Sequence[tuple[str, str]], rows: Sequence[Row], colors: Mapping[str, str], day: float | None
) -> "Figure":
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    columns = min(len(groups), COLUMNS)
    figure, axes = panels(len(groups), columns, 46)
    for axis, (arm, null) in zip(axes, groups, strict=True):
        _draw_panel(axis, [row for row in rows if (row["arm"], row["null"]) == (arm, null)], colors[arm])
        head(axis, arm, f"null: {NULLS.get(null, null)}", panel_mm(columns))
        mark_day(axis, day)
    ends = [
        row[key]
        for row in rows
        for key in ("combination_index_ci_low", "combination_index_ci_high")
        if row[key]
    ]
    low, high = max(min([*ends, 0.8]), LOWEST), min(max([*ends, 1.25]), HIGHEST)
    axes[0].set_yscale("log")
    axes[0].set_ylim(low / 1.1, high * 1.1)
    known = TICKS if high / low < WIDE else FEWER_TICKS
    ticks = [tick for tick in known if low / 1.1 <= tick <= high * 1.1]
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.yaxis.set_major_locator(FixedLocator(ticks))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    figure.supylabel("Combination index (log scale)")
    figure.supxlabel("Study day")
    return figure


def _draw_panel(axis: "Axes", rows: Sequence[Row], color: str) -> None:
    days = [row["day"] for row in rows]
    # As numbers: where no end is known there is no band.
    low, high = (
        np.array([row[f"combination_index_ci_{end}"] for row in rows], dtype=float) for end in ("low", "high")
    )
    axis.axhline(1, color=HAIRLINE, linewidth=0.7, zorder=0)
    axis.fill_between(days, low, high, color=color, alpha=0.15, linewidth=0)
    axis.plot(days, [row["combination_index"] for row in rows], color=color, linewidth=1.3)
