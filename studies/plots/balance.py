"""Balance before the first dose: a love plot of standardized differences, and each covariate by arm."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from studies.plots.axes import fitted, width_mm
from studies.plots.style import (
    COLUMN_MM,
    HAIRLINE,
    INK,
    PAGE_MM,
    SMALLEST_PT,
    SOFT_INK,
    TEXT_PT,
    new_figure,
    styled,
)
from studies.randomization.balance import SMD_LIMITS, ArmSummary, CovariateBalance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = {"log_volume": "tumor volume (log)", "weight": "body weight", "growth_rate": "growth rate"}
AXIS_MM, NAME_MM = 48, 45
UNITS = {
    "log_volume": "Tumor volume (mm³)",
    "weight": "Body weight (g)",
    "growth_rate": "Growth rate (per day)",
}


@styled
def love_plot(covariates: Sequence[CovariateBalance]) -> "Figure":
    """|SMD| of every pair of arms, a line a covariate; the worst pair is named."""
    figure = new_figure(COLUMN_MM, 20 + 11 * max(len(covariates), 1))
    axis = figure.subplots()
    worst = max((abs(one.worst.smd) for one in covariates if one.worst), default=0.0)
    reach = max(1.15 * worst, 0.3)
    for limit in SMD_LIMITS:
        axis.axvline(limit, color=HAIRLINE, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
        axis.annotate(f"{limit:.2f}", (limit, 1.01), xycoords=("data", "axes fraction"), ha="center",
                      fontsize=SMALLEST_PT, color=SOFT_INK)  # fmt: skip
    for line, one in enumerate(covariates):
        axis.axhline(line, color=HAIRLINE, linewidth=0.4, zorder=0)
        axis.plot([abs(pair.smd) for pair in one.pairs], [line] * len(one.pairs), "o", markersize=4.5,
                  markerfacecolor="none", markeredgecolor=INK, markeredgewidth=0.8, clip_on=False)  # fmt: skip
        if one.worst:
            axis.plot(abs(one.worst.smd), line, "o", color=INK, markersize=4.5)
            pair = fitted(f"{one.worst.first} and {one.worst.second}", AXIS_MM, SMALLEST_PT)
            half = 0.5 * reach * width_mm(pair, SMALLEST_PT) / AXIS_MM
            # Within the axis, at the dot as far as it goes.
            place = min(max(abs(one.worst.smd), half), reach - half)
            axis.annotate(pair, (place, line), (0, 5), textcoords="offset points", fontsize=SMALLEST_PT,
                          color=SOFT_INK, ha="center")  # fmt: skip
    axis.set_yticks(range(len(covariates)), [LABELS[one.name] for one in covariates])
    axis.set_ylim(len(covariates) - 0.5, -0.6)
    axis.set_xlim(0, reach)
    axis.set_xlabel("|standardized mean difference| of two arms", x=1, ha="right")
    axis.tick_params(left=False)
    axis.spines["left"].set_visible(False)
    return figure


@styled
def by_arm(covariates: Sequence[CovariateBalance], colors: Mapping[str, str]) -> "Figure":
    """Each covariate by arm: mice as dots where they may be shown, mean and standard deviation beside them."""
    arms = max((len(one.arms) for one in covariates), default=1)
    figure = new_figure(PAGE_MM, 22 + 6.5 * arms)
    axes = figure.subplots(1, max(len(covariates), 1), sharey=True, squeeze=False)[0]
    for axis, one in zip(axes, covariates, strict=False):
        for line, arm in enumerate(one.arms):
            _strip(axis, line, arm, colors.get(arm.arm, INK))
        axis.set_xlabel(UNITS[one.name])
        axis.tick_params(left=False)
        axis.spines["left"].set_visible(False)
    if covariates:
        names = [f"{fitted(arm.arm, NAME_MM, TEXT_PT)}  n = {arm.n}" for arm in covariates[0].arms]
        axes[0].set_yticks(range(len(names)), names, fontsize=TEXT_PT)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _strip(axis: "Axes", line: int, arm: ArmSummary, color: str) -> None:
    spread = np.resize((-0.16, 0.0, 0.16), len(arm.values))
    axis.plot(
        np.sort(arm.values), line + spread, "o", color=color, markersize=3, alpha=0.6, markeredgewidth=0
    )
    if arm.sd is not None:
        axis.plot([arm.mean - arm.sd, arm.mean + arm.sd], [line, line], color=INK, linewidth=0.9)
    axis.plot(arm.mean, line, "D", color=INK, markersize=4)
