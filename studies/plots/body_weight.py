"""Body weight of every mouse, one panel an arm."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from studies.plots.axes import day_limits, head, mark_day, whole_numbers
from studies.plots.style import HAIRLINE, arm_colors, in_reading_order, panel_mm, panels, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS_A_PAGE = 5
COLUMNS = 4


@styled
def body_weight(
    table: pd.DataFrame, arms: Sequence[Mapping[str, Any]], day: float | None = None, *, blinded: bool = False
) -> list["Figure"]:
    """Figures of each mouse's weight in g as it was read; none where no weight was recorded."""
    arms = in_reading_order(arms)
    known = table[table["weight_g"].notna()]
    found = [arm["arm"] for arm in arms if (known["arm"] == arm["arm"]).any()]
    if not found:
        return []
    colors = arm_colors(arms, blinded=blinded)
    columns = min(COLUMNS, max(len(found), 2))
    size = columns * ROWS_A_PAGE
    pages = [found[first : first + size] for first in range(0, len(found), size)]
    return [_draw(page, columns, known, colors, day) for page in pages]


def _draw(
    found: Sequence[str], columns: int, known: pd.DataFrame, colors: Mapping[str, str], day: float | None
) -> "Figure":
    from matplotlib.collections import LineCollection

    figure, axes = panels(len(found), columns, 38 if columns > 2 else 46)
    start, end, _ = day_limits(known.groupby("mouse")["day"].max().to_numpy(), known["day"].min())
    low, high = known["weight_g"].min(), known["weight_g"].max()
    for axis, arm in zip(axes, found, strict=True):
        rows = known[known["arm"] == arm]
        lines = [curve[["day", "weight_g"]].to_numpy() for _, curve in rows.groupby("mouse", sort=False)]
        crowd = 0.9 if len(lines) <= 12 else 0.5
        axis.add_collection(
            LineCollection(lines, colors=colors[arm], linewidths=crowd, alpha=0.7), autolim=False
        )
        single = [line for line in lines if len(line) == 1]
        if single:
            axis.plot(*np.vstack(single).T, ".", color=colors[arm], markersize=3)
        axis.set_xlim(start, end)
        axis.set_ylim(low - 0.05 * (high - low or 1), high + 0.05 * (high - low or 1))
        axis.grid(axis="y", color=HAIRLINE, linewidth=0.3, alpha=0.35)
        head(axis, arm, f"{len(lines)} {'mouse' if len(lines) == 1 else 'mice'}", panel_mm(columns))
        mark_day(axis, day)
        whole_numbers(axis.xaxis)
    figure.supylabel("Body weight (g)")
    figure.supxlabel("Study day")
    return figure
