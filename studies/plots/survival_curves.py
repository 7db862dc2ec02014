"""Time to the endpoint: Kaplan-Meier curves over a table of mice at risk, and the incidence of competing exits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.analysis.kaplan_meier import cumulative_incidence, kaplan_meier
from studies.plots.axes import fitted, head, whole_numbers
from studies.plots.style import (
    HAIRLINE,
    INK,
    SMALLEST_PT,
    SOFT_INK,
    STATUS_ORDER,
    arm_colors,
    in_reading_order,
    look_of,
    panel_mm,
    panels,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
MOST_ARMS_TOGETHER = 6
COLUMNS, ROWS_A_PAGE = 3, 3
INCIDENCE_COLUMNS = 4
DAYS_WITH_COUNTS = 6
NAME_MM, SHORT_NAME_MM, OWN_LABELS_MM = 31, 15, 6
# Causes of leaving in the order they are stacked in the legend, and how each is drawn.
CAUSES: dict[str, tuple[str, str, Any]] = {
    "event": ("endpoint", INK, "-"),
    "toxicity": ("toxicity or weight", "#D55E00", (0, (4, 1.5))),
    "found_dead": ("found dead", "#0072B2", (0, (1, 1.2))),
    "other": ("other", "#009E73", (0, (3, 1.2, 1, 1.2))),
}


@styled
def survival_curves(
    times: Sequence[Row], arms: Sequence[Row], notes: Mapping[str | None, str] | None = None
) -> list["Figure"]:
    """Figures from the `times_to_event` of the JSON: all PDX models, then each stratum of the biomarker.

    Past six arms a panel an arm with its control. Ticks on a curve are mice censored there; the numbers under the
    axis are mice at risk. `notes` by status (None for all) stand under a panel's title.
    """
    arms = in_reading_order(arms)
    colors = arm_colors(arms)
    groups = _groups(times, arms)
    size = COLUMNS * ROWS_A_PAGE
    return [
        _draw(groups[first : first + size], times, colors, notes or {})
        for first in range(0, len(groups), size)
    ]


def _groups(times: Sequence[Row], arms: Sequence[Row]) -> list[tuple[str, str | None, list[str]]]:
    """(title, status, arms drawn) of each panel."""
    names = [arm["arm"] for arm in arms if any(row["arm"] == arm["arm"] for row in times)]
    known = {row["map2k4_status"] for row in times}
    strata = [status for status in STATUS_ORDER[:2] if status in known]
    if len(names) > MOST_ARMS_TOGETHER:
        return [(arm["arm"], None, [arm["control"], arm["arm"]]) for arm in arms if arm["control"] in names]
    if len(strata) == 1 and known == set(strata):
        return [(look_of(strata[0]).label, strata[0], names)]
    return [(look_of(status).label, status, names) for status in (None, *strata)]


def _draw(
    groups: Sequence[tuple[str, str | None, list[str]]],
    times: Sequence[Row],
    colors: Mapping[str, str],
    notes: Mapping[str | None, str],
) -> "Figure":
    columns = COLUMNS if len(groups) >= COLUMNS else 1
    lines = max(len(names) for *_, names in groups)
    figure, axes = panels(len(groups), columns, 54 + 3.2 * lines)
    last = max(row["time"] for row in times)
    for place, (axis, (title, status, names)) in enumerate(zip(axes, groups, strict=True)):
        rows = [row for row in times if status is None or row["map2k4_status"] == status]
        pair = title in names  # an arm with its control: the test over all arms is not its own
        name_mm = SHORT_NAME_MM if pair else NAME_MM if place % columns == 0 else 0
        _draw_panel(axis, rows, names, colors, last, look_of(status).dash, name_mm)
        room = panel_mm(columns) - OWN_LABELS_MM - SHORT_NAME_MM * pair
        head(axis, title, "" if pair else notes.get(status, ""), room)
    figure.supylabel("Mice without an event (%)")
    figure.supxlabel("Study day, and mice at risk")
    return figure


def _draw_panel(
    axis: "Axes",
    rows: Sequence[Row],
    names: Sequence[str],
    colors: Mapping[str, str],
    last: float,
    dash: Any,
    name_mm: float,
) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_xlim(0, max(last, 1.0) * 1.02)
    axis.set_yticks([0, 25, 50, 75, 100])
    axis.set_ylim(0, 104)
    axis.axhline(50, color=HAIRLINE, linewidth=0.5, linestyle=(0, (2, 2)), zorder=0)
    axis.xaxis.set_major_locator(MaxNLocator(DAYS_WITH_COUNTS, integer=True))
    axis.tick_params(labelleft=True, labelbottom=True)
    days = [day for day in axis.get_xticks() if 0 <= day <= last]
    axis.set_xticks(days)
    for line, arm in enumerate(names):
        own = [row for row in rows if row["arm"] == arm]
        if own:
            _draw_arm(axis, own, colors[arm], dash)
        _risk_line(
            axis,
            fitted(arm, name_mm, SMALLEST_PT) if name_mm else "",
            [row["time"] for row in own],
            days,
            line,
            colors[arm],
        )


def _draw_arm(axis: "Axes", rows: Sequence[Row], color: str, dash: Any) -> None:
    time = np.array([row["time"] for row in rows], dtype=float)
    event = np.array([row["event"] for row in rows], dtype=int)
    curve = kaplan_meier(time, event)
    day = np.concatenate([[0.0], curve.day, [time.max()]])
    free = 100 * np.concatenate([[1.0], curve.free, [curve.free[-1] if len(curve.free) else 1.0]])
    axis.step(day, free, where="post", color=color, linestyle=dash, linewidth=1.3)
    gone = np.unique(time[event == 0])
    heights = free[np.searchsorted(day[:-1], gone, side="right") - 1]
    axis.plot(gone, heights, "|", color=color, markersize=5, markeredgewidth=0.9)


def _risk_line(
    axis: "Axes", name: str, times: Sequence[float], days: Sequence[float], line: int, color: str
) -> None:
    """One arm's name and its mice at risk under the day labels."""
    told = {"textcoords": "offset points", "fontsize": SMALLEST_PT, "color": color, "annotation_clip": False}
    place = -21 - 9 * line
    for day in days:
        at_risk = sum(time >= day for time in times)
        axis.annotate(
            str(at_risk), (day, 0), (0, place), xycoords=("data", "axes fraction"), ha="center", va="center", **told
        )  # fmt: skip
    axis.annotate(name, (0, 0), (-12, place), xycoords="axes fraction", ha="right", va="center", **told)


@styled
def competing_exits(times: Sequence[Row], arms: Sequence[Row]) -> list["Figure"]:
    """The share of each arm's mice that left by each cause, after Aalen and Johansen; none where no cause competes."""
    found = {_merged(row["cause"]) for row in times} - {"censored", "event"}
    names = [arm["arm"] for arm in in_reading_order(arms) if any(row["arm"] == arm["arm"] for row in times)]
    if not found or not names:
        return []
    size = INCIDENCE_COLUMNS * 4
    return [_draw_incidence(times, names[first : first + size]) for first in range(0, len(names), size)]


def _merged(cause: str) -> str:
    return "event" if cause in ("threshold", "size_cull") else cause


def _draw_incidence(times: Sequence[Row], names: Sequence[str]) -> "Figure":
    columns = min(len(names), INCIDENCE_COLUMNS)
    figure, axes = panels(len(names), columns, 42, extra_mm=6 if columns > 2 else 9)
    last = max(row["time"] for row in times)
    drawn: dict[str, Any] = {}
    for axis, arm in zip(axes, names, strict=True):
        own = [row for row in times if row["arm"] == arm]
        cause = np.array([_merged(row["cause"]) for row in own])
        found = cumulative_incidence(np.array([row["time"] for row in own], dtype=float), cause)
        for name in (name for name in CAUSES if name in found.share):
            label, color, dash = CAUSES[name]
            day, share = np.append([0.0], [*found.day, last]), 100 * found.share[name]
            heights = np.concatenate([[0.0], share, share[-1:]])
            [drawn[label]] = axis.step(day, heights, where="post", color=color, linestyle=dash, linewidth=1.2)
        axis.set_ylim(0, 104)
        axis.set_xlim(0, max(last, 1.0) * 1.02)
        whole_numbers(axis.xaxis)
        head(axis, arm, f"{len(own)} {'mouse' if len(own) == 1 else 'mice'}", panel_mm(columns))
    figure.supylabel("Mice (%)")
    figure.supxlabel("Study day")
    figure.legend(list(drawn.values()), list(drawn), loc="outside upper left", ncols=4 if columns > 2 else 2,
                  labelcolor=SOFT_INK)  # fmt: skip
    return figure
