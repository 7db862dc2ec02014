"""Every mouse's growth curve, in small multiples of arm by status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from studies.plots.axes import day_limits, head, log_volume_axis, mark_day, whole_numbers
from studies.plots.style import (
    GHOST,
    HAIRLINE,
    STATUS_ORDER,
    arm_colors,
    in_reading_order,
    look_of,
    panel_mm,
    panels,
    styled,
)
from studies.terms import BiomarkerStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS_A_PAGE = 5
PANEL_MM = 38
EXIT_GLYPHS = {
    "tumor_size": "^",
    "ulceration": "P",
    "body_weight": "v",
    "clinical_signs": "s",
    "found_dead": "X",
    "accident": "d",
    "treatment_toxicity": "X",
    "sampled": "|",
}


@dataclass(frozen=True)
class Panel:
    """The mice of one arm and status."""

    arm: str
    status: str
    rows: pd.DataFrame
    control: pd.DataFrame


@styled
def growth_curves(
    table: pd.DataFrame, arms: Sequence[Mapping[str, Any]], day: float | None = None, *, blinded: bool = False
) -> list["Figure"]:
    """Figures of at most five rows of panels, one a mouse a line, log scale; the control's mice behind in gray.

    `table` is the analysis's long table, `arms` the arms of its JSON, `day` the day arms are compared.
    A volume of 0 is drawn below the axis as "none". Marks at the end of a line tell why a mouse left.
    """
    known = table[table["volume_mm3"].notna()]
    arms = in_reading_order(arms)
    found = _panels(known, arms)
    columns = _columns(found)
    size = columns * ROWS_A_PAGE
    colors = arm_colors(arms, blinded=blinded)
    frame = _Frame.around(known)
    return [
        _draw(found[first : first + size], columns, colors, frame, day)
        for first in range(0, len(found), size)
    ]


def runs_past_axis(table: pd.DataFrame) -> bool:
    """Whether some curves go on beyond the days shown, which a caption must say."""
    return _Frame.around(table[table["volume_mm3"].notna()]).cut


@dataclass(frozen=True)
class _Frame:
    """The days and volumes all panels share."""

    start: float
    end: float
    cut: bool
    lowest: float
    highest: float
    has_zeros: bool
    tell_status: bool

    @classmethod
    def around(cls, known: pd.DataFrame) -> "_Frame":
        start, end, cut = day_limits(known.groupby("mouse")["day"].max().to_numpy(), known["day"].min())
        shown = known.loc[known["day"].between(start, end), "volume_mm3"]
        positive = shown[shown > 0]
        lowest, highest = (positive.min(), positive.max()) if len(positive) else (1.0, 10.0)
        return cls(
            start,
            end,
            cut,
            max(float(lowest), 1.0),
            max(float(highest), 2.0),
            bool((shown <= 0).any()),
            bool((known["map2k4_status"] != BiomarkerStatus.UNKNOWN).any()),
        )


def _panels(known: pd.DataFrame, arms: Sequence[Mapping[str, Any]]) -> list[Panel]:
    found = []
    for status in STATUS_ORDER:
        of_status = known[known["map2k4_status"] == status]
        for arm in arms:
            rows = of_status[of_status["arm"] == arm["arm"]]
            if len(rows):
                control = of_status[of_status["arm"] == arm["control"]] if arm["control"] else rows.iloc[:0]
                found.append(Panel(arm["arm"], status, rows, control))
    return found


def _columns(found: Sequence[Panel]) -> int:
    """One row a status where the arms fit beside one another; else rows of four."""
    by_status = [sum(panel.status == status for panel in found) for status in STATUS_ORDER]
    widest = max(by_status)
    if widest <= 5 and all(count in (0, widest) for count in by_status):
        return max(widest, 2)
    return 4 if len(found) > 3 else max(len(found), 2)


def _draw(
    found: Sequence[Panel], columns: int, colors: Mapping[str, str], frame: _Frame, day: float | None
) -> "Figure":
    figure, axes = panels(len(found), columns, PANEL_MM if columns > 2 else 46)
    for axis, panel in zip(axes, found, strict=True):
        floor = log_volume_axis(axis, frame.lowest, frame.highest, frame.has_zeros)
        _draw_mice(axis, panel.control, GHOST, floor, 0.5, 1.0)
        _draw_mice(axis, panel.rows, colors[panel.arm], floor, *_ink_for(panel.rows["mouse"].nunique()))
        _draw_ends(axis, panel.rows, colors[panel.arm], floor)
        mark_day(axis, day)
        whole_numbers(axis.xaxis)
        axis.set_xlim(frame.start, frame.end)
        _title(axis, panel, panel_mm(columns), frame.tell_status)
    figure.supylabel("Tumor volume (mm³, log)")
    figure.supxlabel("Study day")
    return figure


def _ink_for(mice: int) -> tuple[float, float]:
    """Line width and opacity: fainter where many lines lie over one another."""
    return (1.0, 0.85) if mice <= 12 else (0.7, 0.6) if mice <= 40 else (0.55, 0.4)


def _draw_mice(
    axis: "Axes", rows: pd.DataFrame, color: str, floor: float, width: float, opacity: float
) -> None:
    from matplotlib.collections import LineCollection

    lines: list[np.ndarray] = []
    dots: list[np.ndarray] = []
    for _, curve in rows.groupby("mouse", sort=False):
        points = np.column_stack(
            [curve["day"], np.where(curve["volume_mm3"] > 0, curve["volume_mm3"], floor)]
        )
        (lines if len(points) > 1 else dots).append(points)
    axis.add_collection(LineCollection(lines, colors=color, linewidths=width, alpha=opacity), autolim=False)
    if dots:
        axis.plot(*np.vstack(dots).T, ".", color=color, markersize=3, alpha=opacity)


def _draw_ends(axis: "Axes", rows: pd.DataFrame, color: str, floor: float) -> None:
    last = rows.groupby("mouse", sort=False).tail(1)
    for reason, glyph in EXIT_GLYPHS.items():
        ends = last[last["exit_reason"] == reason]
        if len(ends):
            heights = np.where(ends["volume_mm3"] > 0, ends["volume_mm3"], floor)
            axis.plot(
                ends["day"], heights, glyph, color=color, markersize=4, markeredgecolor="white", mew=0.4
            )


def _title(axis: "Axes", panel: Panel, room_mm: float, tell_status: bool) -> None:
    mice, models = panel.rows["mouse"].nunique(), panel.rows["pdx_model"].nunique()
    status = f"{look_of(panel.status).short}\n" if tell_status else ""
    counts = f"{mice} {'mouse' if mice == 1 else 'mice'}, {models} {'model' if models == 1 else 'models'}"
    head(axis, panel.arm, status + counts, room_mm)
    axis.grid(axis="y", color=HAIRLINE, linewidth=0.3, alpha=0.35)
    axis.set_axisbelow(True)
