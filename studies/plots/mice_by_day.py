"""How many mice of each arm are still followed on each day."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.plots.axes import day_limits, mark_day, spread_labels, whole_numbers, wrapped
from studies.plots.style import COLUMN_MM, GHOST, TEXT_PT, arm_colors, in_reading_order, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELED = 8
LABEL_MM = 26


@styled
def mice_by_day(
    arms: Sequence[Mapping[str, Any]], day: float | None = None, *, blinded: bool = False
) -> "Figure":
    """Steps from the `n_by_day` of the JSON's arms: mice not yet past their last reading.

    Past eight arms only the control is colored and none is labeled: the table has the numbers.
    """
    arms = in_reading_order(arms)
    colors = arm_colors(arms, blinded=blinded)
    figure = new_figure(COLUMN_MM, 58)
    axis = figure.subplots()
    counts = {arm["arm"]: arm["n_by_day"] for arm in arms}
    last_days = [_last_day(rows) for rows in counts.values()]
    first = min(row["day"] for rows in counts.values() for row in rows)
    start, end, _ = day_limits(last_days, first)
    crowded = len(arms) > MOST_LABELED
    for arm, rows in counts.items():
        rows = [row for row in rows if row["n"] > 0]
        days, mice = [row["day"] for row in rows], [row["n"] for row in rows]
        width = 1.4 if not crowded or arm == arms[0]["arm"] else 0.7
        color = colors[arm] if not crowded or arm == arms[0]["arm"] else GHOST
        axis.step(days, mice, where="post", color=color, linewidth=width, zorder=1 + width)
    axis.set_ylim(0, max(row["n"] for rows in counts.values() for row in rows) * 1.06)
    axis.set_xlim(start, end)
    whole_numbers(axis.xaxis)
    whole_numbers(axis.yaxis)
    mark_day(axis, day)
    axis.set_xlabel("Study day")
    axis.set_ylabel("Mice followed")
    if not crowded:
        _label(axis, counts, colors)
    return figure


def _last_day(rows: Sequence[Mapping[str, Any]]) -> float:
    return max((row["day"] for row in rows if row["n"] > 0), default=0.0)


def _label(
    axis: "Axes", counts: Mapping[str, Sequence[Mapping[str, Any]]], colors: Mapping[str, str]
) -> None:
    """Names at the right edge, at the height where each arm's line ends."""
    top = axis.get_ylim()[1]
    at_end = [[0, *(row["n"] for row in rows if row["n"] > 0)][-1] for rows in counts.values()]
    names = [wrapped(arm, LABEL_MM, TEXT_PT) for arm in counts]
    gap = 0.13 if any("\n" in name for name in names) else 0.075
    heights = spread_labels([float(count) for count in at_end], gap * top, top, 0.0)
    for arm, name, height in zip(counts, names, heights, strict=True):
        axis.annotate(
            name,
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            color=colors[arm],
            fontsize=TEXT_PT,
            linespacing=0.95,
            va="center",
            annotation_clip=False,
        )
