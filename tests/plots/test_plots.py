"""Figures: the look is decided once, the bytes repeat, and no study is too odd to draw."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis.power import models_or_mice
from studies.plots.axes import day_limits, spread_labels, volume_ticks
from studies.plots.body_weight import body_weight
from studies.plots.forest import ForestLine, forest
from studies.plots.growth_curves import growth_curves, runs_past_axis
from studies.plots.mean_growth import geometric_growth, mean_growth
from studies.plots.mice_by_day import mice_by_day
from studies.plots.models_or_mice import models_or_mice_curve
from studies.plots.style import (
    BLINDED,
    COMBINATIONS,
    SINGLE_AGENTS,
    VEHICLE,
    arm_colors,
    in_reading_order,
    marker_style,
    to_png,
    to_svg,
)
from studies.plots.tgi_by_day import tgi_by_day
from studies.plots.waterfall import waterfall

ARMS = [
    {"arm": "A", "role": "single_agent", "control": "V"},
    {"arm": "A+B", "role": "combination", "control": "V"},
    {"arm": "V", "role": "vehicle", "control": None},
    {"arm": "B", "role": "single_agent", "control": "V"},
]


def long_table(volumes, arms=("V", "A"), days=(0, 7, 14), status="wild_type"):
    rows = [
        {
            "mouse": f"{arm}{number}",
            "pdx_model": "P1",
            "map2k4_status": status,
            "arm": arm,
            "day": float(day),
            "volume_mm3": float(volume),
            "weight_g": 20.0,
            "exit_reason": "tumor_size" if number == 0 else "",
        }
        for arm in arms
        for number, curve in enumerate(volumes)
        for day, volume in zip(days, curve, strict=False)
    ]
    return pd.DataFrame(rows)


def arms_of(table):
    days = sorted(set(table["day"]))
    return [
        {
            "arm": arm,
            "role": "vehicle" if arm == "V" else "single_agent",
            "control": None if arm == "V" else "V",
            "n_by_day": [{"day": day, "n": 1} for day in days],
        }
        for arm in table["arm"].unique()
    ]


def test_color_follows_the_role():
    colors = arm_colors(ARMS)
    assert colors == {"A": SINGLE_AGENTS[0], "A+B": COMBINATIONS[0], "V": VEHICLE, "B": SINGLE_AGENTS[1]}


def test_blinded_arms_share_one_color():
    assert set(arm_colors(ARMS, blinded=True).values()) == {BLINDED}


def test_arms_are_read_from_the_control_to_the_combination():
    assert [arm["arm"] for arm in in_reading_order(ARMS)] == ["V", "A", "B", "A+B"]


def test_loss_of_function_is_filled_and_wild_type_open():
    assert marker_style("loss_of_function", "#000000")["markerfacecolor"] == "#000000"
    assert marker_style("wild_type", "#000000")["markerfacecolor"] == "white"


@pytest.mark.parametrize(
    "volumes",
    [
        [[100, 200, 400], [120, 180, 390]],
        [[0, 0, 0]],
        [[100]],
        [[100, np.nan, 0]],
        [[1e6, 1e6, 1e6]],
        [[0.001, 0.001, 0.001]],
    ],
    ids=["two mice", "all zero", "one reading", "gone", "huge", "tiny"],
)
def test_any_study_can_be_drawn(volumes):
    table = long_table(volumes)
    arms = arms_of(table)
    for figure in [*growth_curves(table, arms, 7.0), *body_weight(table, arms, 7.0), mice_by_day(arms, 7.0)]:
        assert to_png(figure, 40).startswith(b"\x89PNG")


def test_many_panels_run_over_several_figures_and_every_mouse_is_drawn():
    table = long_table([[100, 200, 400]] * 3, arms=["V", *(f"arm {number}" for number in range(25))])
    figures = growth_curves(table, arms_of(table))
    assert len(figures) == 2
    panels = [axis for figure in figures for axis in figure.axes if axis.get_visible()]
    assert len(panels) == 26
    assert sum(len(axis.collections[-1].get_segments()) for axis in panels) == 26 * 3


def test_the_same_figure_has_the_same_bytes():
    table = long_table([[100, 200, 400], [0, 5, 10]])
    first, second = (growth_curves(table, arms_of(table), 7.0)[0] for _ in range(2))
    assert to_svg(first) == to_svg(second)
    assert to_png(first, 60) == to_png(second, 60)


def test_our_settings_stay_ours():
    import matplotlib

    before = dict(matplotlib.rcParams)
    table = long_table([[100, 200, 400]])
    to_svg(growth_curves(table, arms_of(table))[0])
    assert dict(matplotlib.rcParams) == before


def response(percent, category="PD", arm="A", status="wild_type", best=None):
    return {
        "arm": arm,
        "mouse": f"m{percent}",
        "pdx_model": f"P{percent}",
        "map2k4_status": status,
        "category": category,
        "best_average_response_percent": percent,
        "best_response_percent": best,
    }


def test_a_waterfall_runs_from_worst_to_best_and_leaves_out_what_has_no_value():
    rows = [response(-50.0, "PR"), response(400.0), response(20.0, "SD", status="loss_of_function")]
    [figure] = waterfall([*rows, {**response(1.0), "best_average_response_percent": None}], ["A", "none"])
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == [150.0, 20.0, -50.0]
    assert to_svg(figure)


def test_a_waterfall_of_nothing_is_no_figure():
    assert waterfall([], ["A"]) == []


def mean_row(arm, day, mean, status=None, share=1.0):
    return {
        "arm": arm,
        "map2k4_status": status,
        "day": day,
        "n": 5,
        "mean_mm3": mean,
        "sem_mm3": None if day == 0 else 10.0,
        "share_followed": share,
    }


def test_means_have_n_under_each_day_and_break_where_mice_are_gone():
    rows = [
        mean_row(arm, day, 100.0 + day, share=0.5 if day > 7 else 1.0)
        for arm in "VA"
        for day in (0.0, 7.0, 14.0)
    ]
    table = long_table([[1, 2, 3]])
    [figure] = mean_growth(rows, arms_of(table))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("5") == 6
    solid = next(line for line in figure.axes[0].lines if line.get_linewidth() == 1.3)
    dotted = next(line for line in figure.axes[0].lines if line.get_linewidth() == 0.8)
    assert list(solid.get_xdata()) == [0.0, 7.0] and list(dotted.get_xdata()) == [7.0, 14.0]


def test_many_arms_are_drawn_each_with_its_control():
    arms = [{"arm": f"a{number}", "role": "single_agent", "control": "V"} for number in range(8)]
    arms.append({"arm": "V", "role": "vehicle", "control": None})
    rows = [mean_row(arm["arm"], day, 100.0) for arm in arms for day in (0.0, 7.0)]
    [figure] = mean_growth(rows, arms)
    assert len([axis for axis in figure.axes if axis.get_visible()]) == 8


def test_forest_lines_past_the_axis_end_in_arrows_and_missing_intervals_are_left_out():
    lines = [
        ForestLine("far", 500.0, -900.0, 900.0, "text", "#000000"),
        ForestLine("none", None, None, None, "not defined", "#000000", heading="Group"),
        ForestLine("point", 50.0, None, None, "50", "#000000", "loss_of_function"),
    ]
    [figure] = forest(lines, "TGI (%)", (0, 100), (-50, 150))
    assert {line.get_marker() for line in figure.axes[0].lines} >= {"<", ">", "o"}
    assert len(forest(lines * 30, "TGI (%)", (0,), (-50, 150))) == 3
    assert to_svg(figure)


def test_tgi_by_day_draws_each_arm_and_nothing_without_rows():
    row = {"arm": "A", "day": 7.0, "percent": 50.0, "ci_low": None, "ci_high": None, "n": 3, "n_control": 3}
    assert to_svg(tgi_by_day([row, {**row, "day": 14.0, "percent": None}], ARMS)[0])
    assert tgi_by_day([], ARMS) == []


def test_a_few_long_curves_do_not_set_the_axis():
    start, end, cut = day_limits([20.0] * 99 + [300.0], 0.0)
    assert end < 25 and cut
    assert day_limits([20.0, 25.0], 0.0)[2] is False
    assert day_limits([0.0], 0.0)[0] < 0 < day_limits([0.0], 0.0)[1]


def test_the_caption_is_told_of_curves_past_the_axis():
    table = long_table([[100, 200, 400]], days=(-300, 0, 14))
    assert runs_past_axis(table)


def test_labels_are_moved_apart_in_order():
    moved = spread_labels([10.0, 10.5, 30.0], 2.0)
    assert moved[0] < moved[1] < moved[2] and moved[1] - moved[0] == pytest.approx(2.0)


@pytest.mark.parametrize(("low", "high"), [(1, 3000), (100, 110), (0.9, 1.1), (13, 90_000)])
def test_a_log_axis_has_ticks_within_its_range(low, high):
    assert all(low * 0.95 <= tick <= high * 1.1 for tick in volume_ticks(low, high))


def test_models_or_mice_has_a_line_and_a_dot_for_each_number_of_mice():
    rows = models_or_mice(0.04, mice=(1, 3))
    [axis] = models_or_mice_curve(rows).axes
    dots = [line.get_xydata()[0] for line in axis.lines if line.get_marker() == "o"]
    assert [tuple(dot) for dot in dots] == [(row["mice"], 100 * row["power"]) for row in rows]
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == [
        "1 mouse an arm: 17 models a status, 68 mice",
        "3 mice an arm: 11 models a status, 132 mice",
    ]


@pytest.mark.filterwarnings("error")
def test_a_line_far_below_the_axis_is_named_at_its_edge():
    """A label that far outside would leave the axes no room at all."""
    rows = [
        {"arm": "A", "map2k4_status": None, "day": day, "n": 3, "mean_mm3": 1e-6, "geometric_mean_mm3": 1e-6,
         "ci_low": 1e-7, "ci_high": 1e-5, "share_followed": 1.0}
        for day in (0.0, 7.0)
    ]  # fmt: skip
    [figure] = geometric_growth(rows, [{"arm": "A", "role": "vehicle", "control": None}])
    assert b"<svg" in to_svg(figure)
