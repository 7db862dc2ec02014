"""Best response of every mouse, from worst to best: one panel an arm."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.plots.axes import fitted, head
from studies.plots.style import (
    COLUMN_MM,
    HAIRLINE,
    INK,
    PAGE_MM,
    RESPONSES,
    SMALLEST_PT,
    SOFT_INK,
    look_of,
    marker_style,
    new_figure,
    styled,
)
from studies.terms import BiomarkerStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
HIGHEST_PERCENT, LOWEST_PERCENT = 150.0, -110.0
# mRECIST after Gao et al. 2015: a category needs both its best response and its best average below a line.
AVERAGE_LINES = {"PD/SD": 30, "SD/PR": -20, "PR/CR": -40}
BEST_LINES = {"PD/SD": 35, "SD/PR": -50, "PR/CR": -95}
MOST_NAMED, NAME_MM = 24, 24
NARROWEST_MM = 2.4  # of a bar, where something is written at it
ROWS_A_PAGE = 3
MOST_ABREAST, MOST_IN_A_COLUMN = 12, 45
STATUSES_MARKED = (str(BiomarkerStatus.LOSS_OF_FUNCTION), str(BiomarkerStatus.WILD_TYPE))


@styled
def waterfall(rows: Sequence[Row], arms: Sequence[str]) -> list["Figure"]:
    """Figures from the `responses` of the JSON, for the arms named.

    Bars are the best average response, colored by mRECIST category; small dots the best response. Lines
    are the limits of the categories: dashed for the average, dotted for the best response. Bars past
    +150 % are cut and carry their value, or a wedge where that finds no room. Marks below tell the biomarker's status.
    """
    found = [(arm, _ranked(rows, arm)) for arm in arms]
    found = [(arm, bars) for arm, bars in found if bars]
    most = max((len(bars) for _, bars in found), default=0)
    columns, width = _room_for(most, len(found))
    size = columns * ROWS_A_PAGE
    return [_draw(found[first : first + size], columns, width) for first in range(0, len(found), size)]


def _room_for(bars: int, arms: int) -> tuple[int, float]:
    """How many panels stand abreast in how wide a figure, in mm, so that the bars stay apart in print."""
    if bars <= MOST_ABREAST and arms > 1:
        return 2, COLUMN_MM
    if bars <= MOST_IN_A_COLUMN:
        return (1, COLUMN_MM) if arms <= 2 else (2, PAGE_MM)
    return 1, PAGE_MM


def _ranked(rows: Sequence[Row], arm: str) -> list[Row]:
    known = [row for row in rows if row["arm"] == arm and row["best_average_response_percent"] is not None]
    return sorted(
        known, key=lambda row: (-row["best_average_response_percent"], row["pdx_model"], row["mouse"])
    )


def _draw(found: Sequence[tuple[str, list[Row]]], columns: int, width_mm: float) -> "Figure":
    lines = -(-len(found) // columns)
    most = max(len(bars) for _, bars in found)
    figure = new_figure(
        width_mm, lines * (64 if most <= MOST_NAMED else 54) + (12 if width_mm == PAGE_MM else 24)
    )
    room = (width_mm - 16) / columns - 6
    grid = list(figure.subplots(lines, columns, squeeze=False).flat)
    for spare in grid[len(found) :]:
        spare.set_visible(False)
    for place, (axis, (arm, bars)) in enumerate(zip(grid, found, strict=False)):
        _draw_bars(axis, bars, room / most)
        _draw_limits(axis, len(bars), tell=place % columns == columns - 1 or place == len(found) - 1)
        _mark_statuses(axis, bars)
        _name_bars(axis, bars)
        head(axis, arm, _counts(bars), room)
        axis.tick_params(labelleft=place % columns == 0)
    figure.supylabel("Change from baseline (%)")
    _legend(figure, found, 5 if width_mm == PAGE_MM else 2)
    return figure


def _draw_bars(axis: "Axes", bars: Sequence[Row], bar_mm: float) -> None:
    places = range(len(bars))
    heights = [min(row["best_average_response_percent"], HIGHEST_PERCENT) for row in bars]
    colors = [RESPONSES[row["category"] or "NE"] for row in bars]
    edges = [INK if len(bars) <= 60 or not row["category"] else "none" for row in bars]
    axis.bar(places, heights, width=0.82, color=colors, edgecolor=edges, linewidth=0.3)
    best = [(place, row["best_response_percent"]) for place, row in enumerate(bars)]
    shown = [(place, value) for place, value in best if value is not None and value <= HIGHEST_PERCENT]
    if shown:
        size = 2.6 if len(bars) <= 60 else 1.6
        axis.plot(
            *zip(*shown, strict=True),
            linestyle="none",
            marker="o",
            markersize=size,
            color=INK,
            markeredgewidth=0,
        )
    for place, row in enumerate(bars):
        if row["best_average_response_percent"] <= HIGHEST_PERCENT:
            continue
        if bar_mm < NARROWEST_MM:
            axis.plot(place, HIGHEST_PERCENT + 6, "^", color=INK, markersize=2.4, markeredgewidth=0)
        else:
            value = f"{row['best_average_response_percent']:.0f}"
            axis.text(
                place, HIGHEST_PERCENT + 3, value, rotation=90, fontsize=SMALLEST_PT, ha="center", va="bottom"
            )
    axis.axhline(0, color=INK, linewidth=0.6)
    axis.set_xlim(-0.8, len(bars) - 0.2)
    axis.set_ylim(LOWEST_PERCENT - 12, HIGHEST_PERCENT + 35)
    axis.set_yticks([-100, -50, 0, 50, 100, 150], ["\u2212100", "\u221250", "0", "+50", "+100", "+150"])
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)


def _draw_limits(axis: "Axes", count: int, tell: bool) -> None:
    for limits, dash in ((AVERAGE_LINES, (0, (5, 2))), (BEST_LINES, (0, (1, 1.6)))):
        for value in limits.values():
            axis.axhline(value, color=HAIRLINE, linewidth=0.6, linestyle=dash, zorder=0)
            if tell:
                text = f"{value:+d}".replace("-", "\u2212")
                nudge = {35: 6, 30: -5, -40: 4, -50: -6}.get(value, 0)
                axis.annotate(
                    text,
                    (1, value + nudge),
                    xycoords=("axes fraction", "data"),
                    xytext=(2, 0),
                    textcoords="offset points",
                    fontsize=SMALLEST_PT,
                    va="center",
                    color=SOFT_INK,
                    annotation_clip=False,
                )


def _mark_statuses(axis: "Axes", bars: Sequence[Row]) -> None:
    """A strip of status marks under the bars; loss of function filled, wild type open, unknown left out."""
    for status in STATUSES_MARKED:
        places = [place for place, row in enumerate(bars) if row["map2k4_status"] == status]
        style = marker_style(status, INK) | {
            "markersize": 3.4 if len(bars) <= 60 else 2.2,
            "markeredgewidth": 0.6,
        }
        axis.plot(places, [LOWEST_PERCENT - 6] * len(places), linestyle="none", **style)


def _name_bars(axis: "Axes", bars: Sequence[Row]) -> None:
    """Names under the bars where they can be read, else only those with loss of function."""
    loss = str(BiomarkerStatus.LOSS_OF_FUNCTION)
    models = {row["pdx_model"] for row in bars}
    one_each = len(models) == len(bars)
    chosen = [
        (place, row["pdx_model"] if one_each else row["mouse"])
        for place, row in enumerate(bars)
        if len(bars) <= MOST_NAMED or row["map2k4_status"] == loss
    ]
    if len(chosen) <= MOST_NAMED and chosen:
        places, names = zip(*chosen, strict=True)
        axis.set_xticks(
            places,
            [fitted(str(name), NAME_MM, SMALLEST_PT) for name in names],
            rotation=90,
            fontsize=SMALLEST_PT,
        )
        axis.tick_params(axis="x", length=0, pad=3)  # clear of the marks


def _counts(bars: Sequence[Row]) -> str:
    counted = {word: sum((row["category"] or "NE") == word for row in bars) for word in RESPONSES}
    return "  ".join(f"{word} {count}" for word, count in counted.items() if count) + f"  of {len(bars)}"


def _legend(figure: "Figure", found: Sequence[tuple[str, list[Row]]], columns: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    used = {row["category"] or "NE" for _, bars in found for row in bars}
    handles: list[Any] = [
        Patch(facecolor=color, edgecolor=INK, linewidth=0.3, label=word)
        for word, color in RESPONSES.items()
        if word in used
    ]
    handles += [
        Line2D([], [], linestyle="none", marker="o", markersize=2.6, color=INK, label="best response"),
        Line2D([], [], color=HAIRLINE, linewidth=0.8, linestyle=(0, (5, 2)), label="limits, average"),
        Line2D([], [], color=HAIRLINE, linewidth=0.8, linestyle=(0, (1, 1.6)), label="limits, best"),
    ]
    statuses = {row["map2k4_status"] for _, bars in found for row in bars}
    handles += [
        Line2D([], [], linestyle="none", label=look_of(status).label, **marker_style(status, INK))
        for status in STATUSES_MARKED
        if status in statuses
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6, columnspacing=1.2
    )
