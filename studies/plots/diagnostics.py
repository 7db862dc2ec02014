"""Whether the mixed model may be trusted: residuals and random effects on normal scales, observed on predicted."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.plots.axes import head
from studies.plots.style import (
    HAIRLINE,
    INK,
    arm_colors,
    figure_mm,
    in_reading_order,
    new_figure,
    panel_mm,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
MOST_IN_A_COLUMN = 4
TICKS = 4  # intervals between them: were their number the panel's to choose, its layout would be settled too early
ROW_MM = {2: 48, 3: 62, 4: 50}  # by panels abreast, each nearly square


@styled
def diagnostics(found: Mapping[str, Any], arms: Sequence[Row]) -> list["Figure"]:
    """Figures from the `diagnostics` of the JSON's mixed model; none where it holds no quantiles."""
    drawings: list[partial] = []
    if found.get("qq"):
        drawings.append(partial(_quantiles, found["qq"], "Residuals", "Scaled residual (SD)"))
    for effect in found.get("random_effect_qq") or []:
        title = f"{_spoken(effect['group'])}: {_spoken(effect['term'])}"
        drawings.append(partial(_quantiles, effect["points"], title, "Random effect (SD)"))
    if found.get("observed_predicted"):
        drawings.append(partial(_observed, found["observed_predicted"], arms))
    if not drawings:
        return []
    columns = 2 if len(drawings) <= MOST_IN_A_COLUMN else 3 if len(drawings) <= 6 else 4
    rows = -(-len(drawings) // columns)
    figure = new_figure(figure_mm(columns), ROW_MM[columns] * rows + 4)
    axes = list(figure.subplots(rows, columns).flat)
    for spare in axes[len(drawings) :]:
        spare.set_visible(False)
    for axis, draw in zip(axes, drawings, strict=False):
        draw(axis, panel_mm(columns) - 4)
    return [figure]


def _spoken(word: str) -> str:
    parts = [{"Intercept": "intercept", "pdx_model": "PDX model"}.get(part, part) for part in word.split(":")]
    return " by ".join(part.replace("_", " ") for part in parts)


def _quantiles(points: Sequence[Row], title: str, label: str, axis: "Axes", room_mm: float) -> None:
    normal = np.array([point["normal"] for point in points])
    observed = np.array([point["observed"] for point in points])
    reach = 1.08 * max(np.abs(normal).max(), np.abs(observed).max())
    axis.plot([-reach, reach], [-reach, reach], color=HAIRLINE, linewidth=0.7, zorder=0)
    axis.plot(normal, observed, "o", color=INK, markersize=2.4, markeredgewidth=0)
    axis.set_xlim(-reach, reach)
    axis.set_ylim(-reach, reach)
    axis.set_aspect("equal")
    axis.locator_params(nbins=TICKS)
    head(axis, title, "", room_mm)
    axis.set_xlabel("Normal quantile")
    axis.set_ylabel(label)


def _observed(found: Mapping[str, Any], arms: Sequence[Row], axis: "Axes", room_mm: float) -> None:
    colors = arm_colors(in_reading_order(arms))
    predicted, observed = np.array(found["predicted"]), np.array(found["observed"])
    shown = [colors.get(arm, INK) for arm in found["arm"]]
    low, high = min(predicted.min(), observed.min()), max(predicted.max(), observed.max())
    axis.plot([low, high], [low, high], color=HAIRLINE, linewidth=0.7, zorder=0)
    axis.scatter(predicted, observed, c=shown, s=5, alpha=0.7, linewidths=0)
    axis.set_xlabel("Predicted ln mm³")
    axis.set_ylabel("Observed ln mm³")
    text = (
        f"{len(predicted)} of {found['n']} readings"
        if len(predicted) < found["n"]
        else f"{found['n']} readings"
    )
    head(axis, "Observed on predicted", text, room_mm)
