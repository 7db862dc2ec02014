"""Mean growth of each arm with its standard error, and the number of mice under each day."""

from collections.abc import Mapping, Sequence
from math import exp, isfinite, log, nan
from typing import TYPE_CHECKING, Any

from studies.plots.axes import head, log_volume_axis, mark_day, spread_labels, wrapped
from studies.plots.style import (
    HAIRLINE,
    SMALLEST_PT,
    SOFT_INK,
    STATUS_ORDER,
    TEXT_PT,
    arm_colors,
    in_reading_order,
    look_of,
    marker_style,
    panel_mm,
    panels,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
MOST_ARMS_TOGETHER = 6
FEWEST_FOLLOWED = 0.8
COLUMNS, ROWS_A_PAGE = 3, 3
DAYS_WITH_N = 7
OWN_LABELS_MM = 8  # each panel has its own, panels being far apart
LABEL_SHARE = 0.38  # of a panel, for the names at the ends of its lines
LABEL = "Mean tumor volume (mm³) ± SEM"
LOG_LABEL = "Geometric mean (mm³), 95 % interval"


@styled
def geometric_growth(rows: Sequence[Row], arms: Sequence[Row], day: float | None = None) -> list["Figure"]:
    """As `mean_growth`, with geometric means and their 95 % intervals on a log axis; none where no mean is known.

    Where a volume is 0 there is no geometric mean, and the line stops.
    """
    if not any(row["geometric_mean_mm3"] for row in rows):
        return []
    means = [
        {**row, "mean_mm3": row["geometric_mean_mm3"] or nan, "low": row["ci_low"], "high": row["ci_high"]}
        for row in rows
    ]
    return _figures(means, arms, day, LOG_LABEL)


@styled
def mean_growth(
    rows: Sequence[Row], arms: Sequence[Row], day: float | None = None, *, blinded: bool = False
) -> list["Figure"]:
    """Figures from the rows of `studies.analysis.mean_curves`: a panel a status with the arms together,
    or, past six arms, a panel an arm with its control.

    Points are arithmetic means, bars their standard error; the line is thin and dotted once fewer than 80 %
    of the arm's mice are followed. Numbers under each axis are mice with a known volume.
    """
    bars = [
        {
            **row,
            "low": row["mean_mm3"] - (row["sem_mm3"] or 0),
            "high": row["mean_mm3"] + (row["sem_mm3"] or 0),
        }
        for row in rows
    ]
    return _figures(bars, arms, day, LABEL, blinded)


def _figures(
    rows: Sequence[Row], arms: Sequence[Row], day: float | None, label: str, blinded: bool = False
) -> list["Figure"]:
    arms = in_reading_order(arms)
    colors = arm_colors(arms, blinded=blinded)
    groups = _panels(rows, arms)
    if not rows or not groups:
        return []
    columns = COLUMNS if len(groups) >= COLUMNS else 1
    size = columns * ROWS_A_PAGE
    pages = [groups[first : first + size] for first in range(0, len(groups), size)]
    return [_draw(page, columns, rows, colors, day, label) for page in pages]


def _panels(rows: Sequence[Row], arms: Sequence[Row]) -> list[tuple[str, str | None, list[str]]]:
    """(title, status, arms drawn) of each panel."""
    names = [arm["arm"] for arm in arms]
    statuses = [status for status in STATUS_ORDER if any(row["map2k4_status"] == status for row in rows)]
    strata: list[str | None] = [status for status in statuses if status in STATUS_ORDER[:2]] or [None]
    if len(names) <= MOST_ARMS_TOGETHER:
        if strata == [None] or len(statuses) > len(strata):
            strata = [None, *(status for status in strata if status)]
        return [(look_of(status).label, status, names) for status in strata]
    pairs = [(arm["arm"], arm["control"]) for arm in arms if arm["control"]]
    return [
        (arm, status, [control, arm])
        for status in strata
        for arm, control in pairs
        if _curve(rows, [arm], status)
    ]


def _draw(
    groups: Sequence[tuple[str, str | None, list[str]]],
    columns: int,
    rows: Sequence[Row],
    colors: Mapping[str, str],
    day: float | None,
    label: str,
) -> "Figure":
    many = len(colors) > MOST_ARMS_TOGETHER
    counts_mm = 3.2 * max(len(names) for *_, names in groups) + 4
    height = (46 if many else 50 if columns < len(groups) else 62) + counts_mm
    figure, axes = panels(
        len(groups), columns, height, share_y=label == LOG_LABEL or not _differs_widely(groups, rows)
    )
    curves = [{arm: _curve(rows, [arm], status) for arm in names} for _, status, names in groups]
    for axis, (_, status, _), drawn in zip(axes, groups, curves, strict=True):
        _scale(axis, rows, is_log=label == LOG_LABEL)
        _draw_curves(axis, drawn, status, colors)
    # Only now: an axis whose bottom is set would not follow the taller curves of panels that share its scale.
    for axis, (title, status, _), drawn in zip(axes, groups, curves, strict=True):
        _frame(axis, drawn, colors, label_mm=0 if many else LABEL_SHARE * panel_mm(columns))
        below = look_of(status).short if many and status is not None else ""
        head(axis, title, below, panel_mm(columns) - OWN_LABELS_MM)
        mark_day(axis, day)
    figure.supylabel(label)
    figure.supxlabel("Study day, and mice with a known volume")
    return figure


def _scale(axis: "Axes", rows: Sequence[Row], *, is_log: bool) -> None:
    """A log axis over all means and the ends of their bars; a linear one sets itself."""
    if is_log:  # the means set the axis: an interval of two mice may span decades
        means = [row["mean_mm3"] for row in rows if isfinite(row["mean_mm3"])]
        log_volume_axis(axis, max(min(means) / 3, 1.0), max(*means, 2.0) * 3, has_zeros=False)


def _differs_widely(groups: Sequence[tuple[str, str | None, list[str]]], rows: Sequence[Row]) -> bool:
    """Panels keep one scale unless one of them would then be a flat line."""
    tops = [max(row["mean_mm3"] for row in _curve(rows, names, status)) for _, status, names in groups]
    return min(tops) < 0.2 * max(tops)


def _curve(rows: Sequence[Row], names: Sequence[str], status: str | None) -> list[Row]:
    return [row for row in rows if row["arm"] in names and row["map2k4_status"] == status]


def _draw_curves(
    axis: "Axes", curves: Mapping[str, Sequence[Row]], status: str | None, colors: Mapping[str, str]
) -> None:
    for arm, curve in curves.items():
        if curve:
            _draw_curve(axis, curve, colors[arm], look_of(status).dash, marker_style(status, colors[arm]))


def _frame(
    axis: "Axes", curves: Mapping[str, Sequence[Row]], colors: Mapping[str, str], label_mm: float
) -> None:
    """The axis around curves that are drawn, with their names where there is room for them."""
    if axis.get_yscale() == "linear":
        axis.set_ylim(bottom=0)
    axis.margins(x=0.03)
    axis.grid(axis="y", color=HAIRLINE, linewidth=0.3, alpha=0.35)
    axis.tick_params(labelleft=True, labelbottom=True)
    if label_mm:
        known = {arm: [row for row in curve if isfinite(row["mean_mm3"])] for arm, curve in curves.items()}
        ends = [(arm, rows[-1]["day"], rows[-1]["mean_mm3"]) for arm, rows in known.items() if rows]
        _label_ends(axis, ends, colors, label_mm)
    _count_mice(axis, curves, colors)


def _draw_curve(axis: "Axes", curve: Sequence[Row], color: str, dash: Any, marker: Mapping[str, Any]) -> None:
    days = [row["day"] for row in curve]
    means = [row["mean_mm3"] for row in curve]
    low, high = (
        [0.0 if row[end] is None else abs(row[end] - mean) for row, mean in zip(curve, means, strict=True)]
        for end in ("low", "high")
    )
    whole = sum(row["share_followed"] >= FEWEST_FOLLOWED for row in curve)
    axis.errorbar(
        days, means, [low, high], fmt="none", ecolor=color, elinewidth=0.7, capsize=1.5, capthick=0.7
    )
    axis.plot(days[:whole], means[:whole], color=color, linewidth=1.3, linestyle=dash)
    start = max(whole - 1, 0)
    axis.plot(days[start:], means[start:], color=color, linewidth=0.8, linestyle=(0, (1, 2)))
    axis.plot(days, means, linestyle="none", color=color, **marker)


def _label_ends(
    axis: "Axes", ends: Sequence[tuple[str, float, float]], colors: Mapping[str, str], room_mm: float
) -> None:
    names = [wrapped(arm, room_mm, TEXT_PT) for arm, *_ in ends]
    gap = 0.11 if any("\n" in name for name in names) else 0.065
    bottom, top = axis.get_ylim()  # a line that leaves the axis is named where it leaves
    ends = [(arm, day, min(max(height, bottom), top)) for arm, day, height in ends]
    if axis.get_yscale() == "log":
        logs = spread_labels(
            [log(height) for *_, height in ends], gap * log(top / bottom), log(top), log(bottom)
        )
        heights = [exp(height) for height in logs]
    else:
        heights = spread_labels([height for *_, height in ends], gap * top, top, 0.0)
    for (arm, last, _), name, height in zip(ends, names, heights, strict=True):
        axis.annotate(
            name,
            (last, height),
            xytext=(5, 0),
            textcoords="offset points",
            color=colors[arm],
            fontsize=TEXT_PT,
            linespacing=0.95,
            va="center",
            annotation_clip=False,
        )


def _count_mice(axis: "Axes", curves: Mapping[str, Sequence[Row]], colors: Mapping[str, str]) -> None:
    """A line of n an arm under the day labels."""
    days = sorted({row["day"] for curve in curves.values() for row in curve})
    shown = days[:: -len(days) // DAYS_WITH_N]  # from the last day back
    axis.set_xticks(shown, [f"{day:g}".replace("-", "\u2212") for day in shown])
    for line, (arm, curve) in enumerate(curves.items()):
        known = {row["day"]: row["n"] for row in curve}
        place = -20 - 9 * line
        for day in shown:
            axis.annotate(
                str(known.get(day, 0)),
                (day, 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, place),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=SMALLEST_PT,
                color=colors[arm],
                annotation_clip=False,
            )
    axis.annotate(
        "n",
        (0, 0),
        xycoords="axes fraction",
        xytext=(-8, -20),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=SMALLEST_PT,
        color=SOFT_INK,
        annotation_clip=False,
    )
