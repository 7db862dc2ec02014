"""More PDX models or more mice? Power against the mice a study takes, a line a number of mice an arm."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.plots.axes import whole_numbers
from studies.plots.style import COLUMN_MM, HAIRLINE, SINGLE_AGENTS, TEXT_PT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]


@styled
def models_or_mice_curve(rows: Sequence[Row], power: float = 0.8) -> "Figure":
    """A figure from the rows of `power.models_or_mice`; a dot marks the fewest PDX models with the power asked.

    Where a line lies to the left, the same power takes fewer mice.
    """
    figure = new_figure(COLUMN_MM, 92)
    axis = figure.subplots()
    most = max(row["mice"] for row in rows) * 1.12
    for place, row in enumerate(rows):
        color = SINGLE_AGENTS[place % len(SINGLE_AGENTS)]
        seen = [point for point in row["power_curve"] if point["mice"] <= most]
        mice, models = row["mice_per_arm"], row["models_per_status"]
        label = (
            f"{mice} {'mouse' if mice == 1 else 'mice'} an arm: {models} models a status, {row['mice']} mice"
        )
        axis.plot(
            [p["mice"] for p in seen],
            [100 * p["power"] for p in seen],
            color=color,
            linewidth=1.3,
            label=label,
        )
        axis.plot([row["mice"]], [100 * row["power"]], "o", color=color, markersize=4)
    axis.axhline(100 * power, color=HAIRLINE, linewidth=0.5, zorder=0)
    axis.set_xlim(0, most)
    axis.set_ylim(0, 100)
    whole_numbers(axis.xaxis)
    axis.set_xlabel("Mice in all")
    axis.set_ylabel("Power (%)")
    axis.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
        title_fontsize=TEXT_PT,
        title=f"PDX models of each status for {100 * power:g} % power",
    )
    return figure
