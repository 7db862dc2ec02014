"""Every mouse's time on study as a bar, with its best response and why it left."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from studies.plots.axes import day_limits, fitted, whole_numbers
from studies.plots.growth_curves import EXIT_GLYPHS
from studies.plots.style import (
    COLUMN_MM,
    HAIRLINE,
    INK,
    RESPONSES,
    SMALLEST_PT,
    TEXT_PT,
    in_reading_order,
    marker_style,
    new_figure,
    styled,
)
from studies.terms import ExitReason

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
MICE_A_PAGE = 78
MOST_MICE = 270
MOST_NAMED, NAME_MM, ARM_MM = 45, 24, 56


@styled
def swimmer(
    rows: Sequence[Row], table: pd.DataFrame, arms: Sequence[Row], dosing: Sequence[float] | None = None
) -> list["Figure"]:
    """Figures from the `responses` of the JSON and the long table; none past 270 mice, where no bar could be read.

    Bars run from the first to the last reading, colored by mRECIST category; a dot marks the day of the best
    response, a glyph at the end why the mouse left, an arrow a mouse that stayed to the end. Marks at the left tell
    the biomarker's status; the gray band is dosing.
    """
    mice = _mice(rows, table, [arm["arm"] for arm in in_reading_order(arms)])
    if not mice or len(mice) > MOST_MICE:
        return []
    _, end, _ = day_limits([mouse["last"] for mouse in mice], min(mouse["first"] for mouse in mice))
    pages = -(-len(mice) // MICE_A_PAGE)
    size = -(-len(mice) // pages)
    return [_draw(mice[first : first + size], end, dosing) for first in range(0, len(mice), size)]


def _mice(rows: Sequence[Row], table: pd.DataFrame, order: Sequence[str]) -> list[dict[str, Any]]:
    """The mice by arm, longest on study first."""
    read = table[table["volume_mm3"].notna()]
    spans = read.groupby("mouse")["day"].agg(["min", "max"])
    reasons = table.groupby("mouse")["exit_reason"].last()
    found = [
        {
            **row,
            "first": float(spans.at[row["mouse"], "min"]),
            "last": float(spans.at[row["mouse"], "max"]),
            "exit_reason": str(reasons[row["mouse"]] or ""),
        }
        for row in rows
        if row["mouse"] in spans.index and row["arm"] in order
    ]
    return sorted(found, key=lambda mouse: (order.index(mouse["arm"]), -mouse["last"], str(mouse["mouse"])))


def _draw(mice: Sequence[dict[str, Any]], end: float, dosing: Sequence[float] | None) -> "Figure":
    line_mm = 3.2 if len(mice) <= MOST_NAMED else 2.3
    groups = list(dict.fromkeys(mouse["arm"] for mouse in mice))
    figure = new_figure(COLUMN_MM, line_mm * (len(mice) + 2 * len(groups)) + 30)
    axis = figure.subplots()
    if dosing is not None:
        axis.axvspan(dosing[0], dosing[1], color="#f0f0f0", linewidth=0, zorder=0)
    slot, last_arm = 0.0, None
    for mouse in mice:
        if mouse["arm"] != last_arm:
            slot, last_arm = slot + (1.5 if last_arm is not None else 0.5), mouse["arm"]
            name = fitted(last_arm, ARM_MM, TEXT_PT, bold=True)
            axis.annotate(name, (0, slot - 0.15), xycoords=("axes fraction", "data"), va="center",
                          fontsize=TEXT_PT, fontweight="bold", annotation_clip=False)  # fmt: skip
            slot += 1
        _draw_mouse(axis, mouse, slot, end, name=len(mice) <= MOST_NAMED)
        slot += 1
    axis.set_ylim(slot, -0.6)
    axis.set_xlim(min(0.0, *(mouse["first"] for mouse in mice)), end)
    whole_numbers(axis.xaxis)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_xlabel("Study day")
    _legend(figure, mice)
    return figure


def _draw_mouse(axis: "Axes", mouse: Mapping[str, Any], slot: float, end: float, name: bool) -> None:
    last = min(mouse["last"], end)
    axis.barh(slot, last - mouse["first"], left=mouse["first"], height=0.72, color=RESPONSES[mouse["category"] or "NE"],
              edgecolor=HAIRLINE, linewidth=0.4)  # fmt: skip
    axis.plot(-0.012, slot, transform=axis.get_yaxis_transform(), clip_on=False, linestyle="none",
              **marker_style(mouse["map2k4_status"], INK) | {"markersize": 2.4, "markeredgewidth": 0.6})  # fmt: skip
    best = mouse.get("best_response_day")
    if best is not None and best <= end:
        axis.plot(best, slot, "o", color=INK, markersize=2.4, markeredgewidth=0)
    glyph = ">" if last < mouse["last"] else _glyph(mouse["exit_reason"])
    axis.plot(last, slot, glyph, color=INK, markersize=3, clip_on=False)
    if name:
        told = f"{fitted(str(mouse['mouse']), NAME_MM, SMALLEST_PT)}  {mouse['category'] or 'NE'}"
        axis.annotate(told, (1.02, slot), fontsize=SMALLEST_PT,
                      xycoords=("axes fraction", "data"), va="center", annotation_clip=False)  # fmt: skip


def _glyph(reason: str) -> str:
    return EXIT_GLYPHS.get(reason, ">")


def _legend(figure: "Figure", mice: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    used = {mouse["category"] or "NE" for mouse in mice}
    handles: list[Any] = [
        Patch(facecolor=color, edgecolor=HAIRLINE, linewidth=0.4, label=word)
        for word, color in RESPONSES.items()
        if word in used
    ]

    def marker(glyph: str, label: str, size: float = 3.5) -> Any:
        return Line2D([], [], linestyle="none", marker=glyph, color=INK, markersize=size, label=label)

    handles += [marker("o", "best response", 2.4), marker(">", "to the end")]
    left = {mouse["exit_reason"] for mouse in mice}
    handles += [
        marker(glyph, ExitReason(reason).label) for reason, glyph in EXIT_GLYPHS.items() if reason in left
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=1.4, columnspacing=1.2)
