"""TGI at every visit day, so that the day of comparison is seen among the others."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

from studies.plots.axes import head, mark_day, whole_numbers
from studies.plots.style import HAIRLINE, arm_colors, in_reading_order, panel_mm, panels, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
LIMITS = (-50.0, 150.0)
COLUMNS, ROWS_A_PAGE = 4, 5


@styled
def tgi_by_day(rows: Sequence[Row], arms: Sequence[Row], day: float | None = None) -> list["Figure"]:
    """Figures from the `tgi_by_day` of the JSON, a panel an arm. Values outside -50..150 % are not shown.

    The line is thin on days with fewer than half of the mice, in the arm or in its control.
    """
    arms = in_reading_order(arms)
    colors = arm_colors(arms)
    found = [arm["arm"] for arm in arms if any(row["arm"] == arm["arm"] for row in rows)]
    if not found:
        return []
    size = COLUMNS * ROWS_A_PAGE
    return [_draw(found[first : first + size], rows, colors, day) for first in range(0, len(found), size)]


def _draw(
    found: Sequence[str], rows: Sequence[Row], colors: Mapping[str, str], day: float | None
) -> "Figure":
    columns = min(len(found), COLUMNS)
    figure, axes = panels(len(found), columns, 40 if columns > 2 else 48)
    most = {arm: max(row["n"] for row in rows if row["arm"] == arm) for arm in found}
    for axis, arm in zip(axes, found, strict=True):
        _draw_arm(axis, [row for row in rows if row["arm"] == arm], colors[arm], most[arm])
        head(axis, arm, "", panel_mm(columns))
        mark_day(axis, day)
        whole_numbers(axis.xaxis)
    axes[0].set_ylim(*LIMITS)
    figure.supylabel("TGI (%)")
    figure.supxlabel("Study day")
    return figure


def _draw_arm(axis: "Axes", rows: Sequence[Row], color: str, most: int) -> None:
    most_controls = max(row["n_control"] for row in rows)
    bounded = [row for row in rows if row["ci_low"] is not None and row["ci_high"] is not None]
    axis.fill_between(
        [row["day"] for row in bounded],
        [row["ci_low"] for row in bounded],
        [row["ci_high"] for row in bounded],
        color=color,
        alpha=0.18,
        linewidth=0,
    )
    known = [row for row in rows if row["percent"] is not None]
    firm = [row["n"] >= most / 2 and row["n_control"] >= most_controls / 2 for row in known]
    days, values = [row["day"] for row in known], [row["percent"] for row in known]
    axis.plot(days, [value if holds else nan for value, holds in zip(values, firm, strict=True)], color=color,
              linewidth=1.3)  # fmt: skip
    axis.plot(days, values, color=color, linewidth=0.6)
    for height in (0, 100):
        axis.axhline(height, color=HAIRLINE, linewidth=0.5, zorder=0)
