"""Estimates with their intervals, one a line: TGI of each arm, together and by status of the biomarker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.plots.axes import fitted, width_mm
from studies.plots.style import COLUMN_MM, HAIRLINE, INK, PAGE_MM, TEXT_PT, marker_style, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE_MM = 5.2
LINES_A_PAGE = 36
LINES_IN_A_COLUMN = 16
LABEL_MM = 48


@dataclass(frozen=True)
class ForestLine:
    """One estimate; `text` stands at the right. `heading` opens a group of lines."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    color: str
    status: str | None = None
    heading: str | None = None


@styled
def forest(
    lines: Sequence[ForestLine], axis_label: str, references: Sequence[float], limits: tuple[float, float]
) -> list["Figure"]:
    """Figures of at most 36 lines. Intervals past `limits` end in an arrow; a missing one is left out.

    Up to 16 lines stand in one column, each under its words; more take the page's width, words at both sides.
    """
    draw = _draw_column if len(lines) <= LINES_IN_A_COLUMN else _draw_page
    pages = [lines[first : first + LINES_A_PAGE] for first in range(0, len(lines), LINES_A_PAGE)]
    return [draw(page, axis_label, references, limits) for page in pages]


def _draw_page(
    lines: Sequence[ForestLine], axis_label: str, references: Sequence[float], limits: tuple[float, float]
) -> "Figure":
    slots = _slots(lines, 1.0)
    figure = new_figure(PAGE_MM, (slots[-1] + 1) * LINE_MM + 16)
    axis = figure.subplots()
    for slot, line in zip(slots, lines, strict=True):
        if line.heading:
            _beside(
                axis, -0.02, slot - 1, fitted(line.heading, LABEL_MM, TEXT_PT, bold=True), "right", bold=True
            )
        _beside(axis, -0.02, slot, fitted(line.label, LABEL_MM, TEXT_PT), "right")
        _beside(axis, 1.02, slot, line.text, "left")
        _draw_line(axis, line, slot, limits)
    _frame(axis, slots[-1] + 0.8, axis_label, references, limits)
    return figure


def _draw_column(
    lines: Sequence[ForestLine], axis_label: str, references: Sequence[float], limits: tuple[float, float]
) -> "Figure":
    """Words above each interval, so that the axis has the whole column."""
    slots = _slots(lines, 1.6)
    figure = new_figure(COLUMN_MM, (slots[-1] + 1.5) * LINE_MM + 12)
    axis = figure.subplots()
    room = COLUMN_MM - 8
    for slot, line in zip(slots, lines, strict=True):
        if line.heading:
            _beside(axis, 0, slot - 1.5, fitted(line.heading, room, TEXT_PT, bold=True), "left", bold=True)
        text = fitted(line.text, room, TEXT_PT)
        _beside(axis, 0, slot - 0.7, fitted(line.label, room - width_mm(text, TEXT_PT) - 2, TEXT_PT), "left")
        _beside(axis, 1, slot - 0.7, text, "right")
        _draw_line(axis, line, slot, limits)
    _frame(axis, slots[-1] + 0.7, axis_label, references, limits)
    return figure


def _frame(
    axis: "Axes", bottom: float, axis_label: str, references: Sequence[float], limits: tuple[float, float]
) -> None:
    for reference in references:
        axis.axvline(reference, color=HAIRLINE, linewidth=0.6, zorder=0)
    axis.set_ylim(bottom, -0.8)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_xlim(*limits)
    axis.set_xlabel(axis_label)


def _slots(lines: Sequence[ForestLine], height: float) -> list[float]:
    """Where each estimate stands, lines being `height` high; a heading takes a line of its own."""
    slots, slot = [], height - 1.0
    for line in lines:
        slot += 1.0 if line.heading else 0.0
        slots.append(slot)
        slot += height
    return slots


def _beside(axis: "Axes", place: float, slot: float, text: str, align: str, bold: bool = False) -> None:
    axis.annotate(
        text,
        (place, slot),
        xycoords=("axes fraction", "data"),
        ha=align,
        va="center",
        fontsize=TEXT_PT,
        fontweight="bold" if bold else "normal",
        annotation_clip=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},  # no reference line runs through words
    )


def _draw_line(axis: "Axes", line: ForestLine, slot: float, limits: tuple[float, float]) -> None:
    low_end, high_end = limits
    if line.low is not None and line.high is not None:
        shown = max(line.low, low_end), min(line.high, high_end)
        axis.plot(shown, [slot, slot], color=line.color, linewidth=1.3, solid_capstyle="butt")
        for past, place, glyph in ((line.low < low_end, low_end, "<"), (line.high > high_end, high_end, ">")):
            if past:
                axis.plot(place, slot, glyph, color=line.color, markersize=4, clip_on=False)
    if line.value is not None and low_end <= line.value <= high_end:
        axis.plot(line.value, slot, linestyle="none", **marker_style(line.status, line.color))
    elif line.value is not None:
        place, glyph = (low_end, "<") if line.value < low_end else (high_end, ">")
        axis.plot(place, slot, glyph, color=INK, markersize=5, clip_on=False)
