"""PDX models by arms: the response of each, beside the genes and tissue of the model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.plots.axes import fitted, width_mm
from studies.plots.style import (
    BIOMARKER,
    COLUMN_MM,
    INK,
    PAGE_MM,
    SMALLEST_PT,
    STATUS_ORDER,
    TEXT_PT,
    in_reading_order,
    marker_style,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
LIMIT_PERCENT = 100.0
MODELS_A_PAGE = 48
NAME_MM, TRACK_MM = 26, 19
CELL_MM, NARROWEST_WITH_VALUE_MM = 9, 6.5
# Shrinking is blue and growing orange, as in the waterfall; no change is white.
SHADES = ((0.0, "#004c7a"), (0.25, "#56B4E9"), (0.5, "#ffffff"), (0.75, "#E69F00"), (1.0, "#7a4a00"))


@styled
def model_heatmap(
    rows: Sequence[Row], arms: Sequence[Row], tracks: Mapping[str, Mapping[str, str]]
) -> list["Figure"]:
    """Figures from the `model_responses` of the JSON: median best average response, a row a PDX model.

    `tracks` are annotations by name and PDX model (genes, tissue) in columns of their own at the left. Models stand by
    status and then by their mean response, colors from -100 to +100 %, beyond which they do not change.
    """
    names = [arm["arm"] for arm in in_reading_order(arms) if any(row["arm"] == arm["arm"] for row in rows)]
    models = _ordered(rows)
    if not models or not names:
        return []
    values = {(row["pdx_model"], row["arm"]): row["median_best_average_response_percent"] for row in rows}
    pages = -(-len(models) // MODELS_A_PAGE)
    size = -(-len(models) // pages)
    return [
        _draw(models[first : first + size], names, values, tracks) for first in range(0, len(models), size)
    ]


def _ordered(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(PDX model, status) by status, the most shrinking first."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        own = found.setdefault((row["pdx_model"], row["map2k4_status"]), [])
        if row["median_best_average_response_percent"] is not None:
            own.append(row["median_best_average_response_percent"])

    def place(model: tuple[str, str]) -> tuple[int, float, str]:
        own = found[model]
        return STATUS_ORDER.index(model[1]), sum(own) / len(own) if own else np.inf, model[0]

    return sorted(found, key=place)


def _draw(
    models: Sequence[tuple[str, str]],
    names: Sequence[str],
    values: Mapping[tuple[str, str], float | None],
    tracks: Mapping[str, Mapping[str, str]],
) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    shades = LinearSegmentedColormap.from_list("response", SHADES).with_extremes(bad="#ededed")
    scale = Normalize(-LIMIT_PERCENT, LIMIT_PERCENT)
    line_mm = 4.6 if len(models) <= 24 else 3.3
    longest = max(width_mm(model, SMALLEST_PT) for model, _ in models)
    beside = min(longest, NAME_MM) + 10 + (TRACK_MM + 2) * len(tracks)
    width = COLUMN_MM if beside + CELL_MM * len(names) <= COLUMN_MM else PAGE_MM
    figure = new_figure(width, line_mm * len(models) + 46)
    axis = figure.subplots()
    grid = np.array([[_number(values.get((model, arm))) for arm in names] for model, _ in models])
    axis.imshow(np.ma.masked_invalid(grid), cmap=shades, norm=scale, aspect="auto", interpolation="none")
    _grid_lines(axis, len(models), len(names))
    if (width - beside) / len(names) >= NARROWEST_WITH_VALUE_MM:
        _values(axis, grid)
    _tracks(axis, models, tracks)
    axis.set_xticks(
        range(len(names)),
        [fitted(name, 32, TEXT_PT) for name in names],
        rotation=40,
        ha="left",
        rotation_mode="anchor",
    )
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.set_yticks(
        range(len(models)),
        [fitted(model, NAME_MM, SMALLEST_PT) for model, _ in models],
        fontsize=SMALLEST_PT,
    )
    bar = figure.colorbar(ScalarMappable(scale, shades), ax=axis, orientation="horizontal", fraction=0.05,
                          pad=0.02, aspect=34, extend="max", shrink=0.7)  # fmt: skip
    bar.set_label("Median best average response (%)")
    bar.outline.set_linewidth(0.4)
    return figure


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _grid_lines(axis: "Axes", rows: int, columns: int) -> None:
    axis.set_xticks(np.arange(-0.5, columns), minor=True)
    axis.set_yticks(np.arange(-0.5, rows), minor=True)
    axis.grid(which="minor", color="white", linewidth=1.2)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _values(axis: "Axes", grid: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(grid):
        if not np.isnan(value):
            text = f"{round(value):+d}".replace("-", "\N{MINUS SIGN}") if round(value) else "0"
            color = "white" if abs(value) > 62 else INK
            axis.text(column, row, text, ha="center", va="center", fontsize=SMALLEST_PT, color=color)


def _tracks(axis: "Axes", models: Sequence[tuple[str, str]], tracks: Mapping[str, Mapping[str, str]]) -> None:
    """The biomarker as its mark, then each track as text, right of the cells."""
    from matplotlib.transforms import offset_copy

    figure = axis.get_figure()
    beside = offset_copy(axis.get_yaxis_transform(), figure, x=12, units="points")
    told: dict[str, Any] = {"annotation_clip": False, "fontsize": SMALLEST_PT, "va": "center"}
    for row, (_, status) in enumerate(models):
        look = marker_style(status, INK) | {"markersize": 3.4}
        axis.plot(1, row, clip_on=False, linestyle="none", transform=beside, **look)
    step = 72 / 25.4 * (TRACK_MM + 2)
    heads = [BIOMARKER.get().gene, *tracks]
    for place, head in enumerate(heads):
        beside_cells = (10 + 24 * bool(place) + step * max(place - 1, 0), 5)
        axis.annotate(
            head,
            (1, 1),
            beside_cells,
            xycoords="axes fraction",
            textcoords="offset points",
            rotation=40,
            fontsize=TEXT_PT,
            annotation_clip=False,
        )
    for place, track in enumerate(tracks.values()):
        for row, (model, _) in enumerate(models):
            call = fitted(str(track.get(model) or "\N{EN DASH}"), TRACK_MM, SMALLEST_PT)
            axis.annotate(call, (1, row), (34 + step * place, 0),
                          xycoords=("axes fraction", "data"), textcoords="offset points", **told)  # fmt: skip
