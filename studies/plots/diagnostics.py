"""Whether the mixed model may be trusted: residuals and random effects on normal scales, observed on predicted."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.plots.style import (
    HAIRLINE,
    INK,
    PAGE_MM,
    SOFT_INK,
    arm_colors,
    in_reading_order,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
COLUMNS = 3


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
    rows = -(-len(drawings) // COLUMNS)
    figure = new_figure(PAGE_MM, 56 * rows + 6)
    axes = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for spare in axes[len(drawings) :]:
        spare.set_visible(False)
    for axis, draw in zip(axes, drawings, strict=False):
        draw(axis)
    return [figure]


def _spoken(word: str) -> str:
    return {"Intercept": "intercept", "pdx_model": "PDX model"}.get(word, word.replace("_", " "))


def _quantiles(points: Sequence[Row], title: str, label: str, axis: "Axes") -> None:
    normal = np.array([point["normal"] for point in points])
    observed = np.array([point["observed"] for point in points])
    reach = 1.08 * max(np.abs(normal).max(), np.abs(observed).max())
    axis.plot([-reach, reach], [-reach, reach], color=HAIRLINE, linewidth=0.7, zorder=0)
    axis.plot(normal, observed, "o", color=INK, markersize=2.4, markeredgewidth=0)
    axis.set_xlim(-reach, reach)
    axis.set_ylim(-reach, reach)
    axis.set_aspect("equal")
    axis.set_title(title)
    axis.set_xlabel("Normal quantile")
    axis.set_ylabel(label)


def _observed(found: Mapping[str, Any], arms: Sequence[Row], axis: "Axes") -> None:
    colors = arm_colors(in_reading_order(arms))
    predicted, observed = np.array(found["predicted"]), np.array(found["observed"])
    shown = [colors.get(arm, INK) for arm in found["arm"]]
    low, high = min(predicted.min(), observed.min()), max(predicted.max(), observed.max())
    axis.plot([low, high], [low, high], color=HAIRLINE, linewidth=0.7, zorder=0)
    axis.scatter(predicted, observed, c=shown, s=5, alpha=0.7, linewidths=0)
    axis.set_title("Observed on predicted")
    axis.set_xlabel("Predicted ln volume (mm³)")
    axis.set_ylabel("Observed ln volume (mm³)")
    text = (
        f"{len(predicted)} of {found['n']} readings"
        if len(predicted) < found["n"]
        else f"{found['n']} readings"
    )
    axis.text(0.03, 0.97, text, transform=axis.transAxes, fontsize=6, va="top", color=SOFT_INK)
