"""The figures of the report beyond growth: each shows what its rows hold, and odd studies are drawn too."""

import numpy as np
import pandas as pd
import pytest

from studies.plots.balance import love_plot
from studies.plots.diagnostics import diagnostics
from studies.plots.mean_growth import geometric_growth
from studies.plots.model_heatmap import model_heatmap
from studies.plots.style import to_png, to_svg
from studies.plots.survival_curves import competing_exits, survival_curves
from studies.plots.swimmer import MOST_MICE, swimmer
from studies.plots.synergy_curve import synergy_curve
from studies.plots.tgi_by_day import tgi_by_day
from studies.randomization.balance import CovariateBalance, PairDifference

ARMS = [
    {"arm": "V", "role": "vehicle", "control": None},
    {"arm": "A", "role": "single_agent", "control": "V"},
]


def time(arm, day, event, cause="threshold", status="wild_type"):
    cause = cause if event or cause != "threshold" else "censored"
    return {"arm": arm, "time": float(day), "event": event, "cause": cause, "map2k4_status": status}


def drawn_texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_a_survival_curve_steps_at_events_and_counts_mice_at_risk():
    times = [time("V", 10, 1), time("V", 10, 1), time("V", 20, 0), time("V", 20, 0), time("A", 20, 0)]
    [figure] = survival_curves(times, ARMS, {"wild_type": "log-rank p = 0.2"})
    [axis] = figure.axes
    assert list(axis.get_yticks()) == [0, 25, 50, 75, 100]
    curve = axis.lines[1]
    assert list(curve.get_xdata()) == [0, 10, 20] and list(curve.get_ydata()) == [100, 50, 50]
    counts = [text for text in drawn_texts(figure) if text.isdigit()]
    days = list(axis.get_xticks())
    assert counts[: len(days)] == ["4" if day <= 10 else "2" for day in days]
    assert "log-rank p = 0.2" in drawn_texts(figure)
    assert to_svg(figure)


def test_survival_is_drawn_for_all_and_for_each_status():
    times = [time(arm, 9, 1, status=status) for arm in "VA" for status in ("loss_of_function", "wild_type")]
    [figure] = survival_curves(times, ARMS)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "All PDX models", "MAP2K4 loss of function", "MAP2K4 wild type"]  # fmt: skip
    dashes = [axis.lines[1].get_linestyle() for axis in figure.axes]
    assert dashes[1] == "-" and dashes[2] == "--"


def test_competing_exits_are_drawn_only_where_there_are_some():
    times = [time("V", 10, 1), time("V", 20, 0)]
    assert competing_exits(times, ARMS) == []
    [figure] = competing_exits([*times, time("V", 15, 0, cause="found_dead")], ARMS)
    heights = {line.get_linestyle(): max(line.get_ydata()) for line in figure.axes[0].lines}
    assert max(heights.values()) == pytest.approx(100 / 3)


def mice(count, arm="A"):
    rows = [
        {"mouse": f"m{n}", "arm": arm, "pdx_model": "P", "map2k4_status": "wild_type", "category": None if n else "PR",
         "best_response_day": 10.0 if n else None}
        for n in range(count)
    ]  # fmt: skip
    table = pd.DataFrame(
        [
            {
                "mouse": f"m{n}",
                "day": float(day),
                "volume_mm3": 100.0,
                "exit_reason": "tumor_size" if n else "",
            }
            for n in range(count)
            for day in (0, 14)
        ]
    )
    return rows, table


def test_a_swimmer_has_a_bar_a_mouse_and_gives_up_where_none_could_be_read():
    rows, table = mice(3)
    [figure] = swimmer(rows, table, ARMS, [0, 10])
    bars = [patch for patch in figure.axes[0].patches if patch.get_width() == 14]
    assert len(bars) == 3
    assert {line.get_marker() for line in figure.axes[0].lines} >= {">", "^"}
    assert len(swimmer(*mice(100), ARMS)) == 2
    assert swimmer(*mice(MOST_MICE + 1), ARMS) == []


def test_a_heatmap_orders_models_by_status_and_response_and_names_their_genes():
    rows = [
        {"pdx_model": model, "arm": "A", "map2k4_status": status, "median_best_average_response_percent": percent}
        for model, status, percent in (
            ("P1", "wild_type", 20.0), ("P2", "wild_type", -60.0), ("P3", "loss_of_function", None))
    ]  # fmt: skip
    [figure] = model_heatmap(rows, ARMS, {"KRAS": {"P1": "G12D"}})
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["P3", "P2", "P1"]
    texts = drawn_texts(figure)
    assert {"G12D", "+20", "\N{MINUS SIGN}60"} <= set(texts)
    assert model_heatmap([], ARMS, {}) == []


def test_diagnostics_draw_quantiles_and_observed_on_predicted():
    points = [{"normal": value, "observed": value} for value in (-1.0, 0.0, 1.0)]
    found = {
        "qq": points,
        "random_effect_qq": [{"group": "mouse", "term": "day", "points": points}],
        "observed_predicted": {"n": 9, "arm": ["V", "A"], "observed": [5.0, 6.0], "predicted": [5.1, 5.9]},
    }
    [figure] = diagnostics(found, ARMS)
    titles = [axis.get_title(loc="left").replace("\n", " ") for axis in figure.axes if axis.get_visible()]
    assert titles == ["Residuals", "mouse: day", "Observed on predicted"]
    assert "2 of 9 readings" in drawn_texts(figure)
    found["observed_predicted"]["n"] = 2
    assert "2 readings" in drawn_texts(diagnostics(found, ARMS)[0])
    assert diagnostics({"qq": []}, ARMS) == []


def test_the_combination_index_stands_on_a_log_axis_around_its_null():
    rows = [
        {"arm": "A", "null": "bliss", "day": float(day), "combination_index": 0.9, "combination_index_ci_low": 0.0001,
         "combination_index_ci_high": 1.4}
        for day in (1, 2)
    ]  # fmt: skip
    [figure] = synergy_curve(rows, ARMS, 2.0)
    low, high = figure.axes[0].get_ylim()
    assert figure.axes[0].get_yscale() == "log" and 0.01 < low < 1 < high
    assert synergy_curve([], ARMS) == []
    [figure] = synergy_curve([*rows, rows[0] | {"null": "hsa", "combination_index": 0.5}], ARMS)
    drawn = [[list(line.get_ydata()) for line in axis.lines] for axis in figure.axes if axis.get_visible()]
    assert [0.9, 0.9] in drawn[0] and [0.5] in drawn[1]


def test_geometric_means_stop_where_there_is_none():
    def row(day, mean):
        return {"arm": "V", "map2k4_status": None, "day": day, "n": 3, "geometric_mean_mm3": mean, "ci_low": mean,
                "ci_high": mean, "share_followed": 1.0}  # fmt: skip

    [figure] = geometric_growth([row(0.0, 100.0), row(7.0, None)], ARMS)
    solid = next(line for line in figure.axes[0].lines if line.get_linewidth() == 1.3)
    assert np.isnan(solid.get_ydata()[1]) and solid.get_ydata()[0] == 100
    assert to_png(figure, 40)
    assert geometric_growth([row(0.0, None)], ARMS) == []


def covariate(name: str, *smds: float) -> CovariateBalance:
    pairs = tuple(PairDifference("V", f"A{n}", smd) for n, smd in enumerate(smds))
    return CovariateBalance(name, (), pairs, None, None)


def test_a_love_plot_names_the_worst_pair_and_reaches_past_it():
    [axis] = love_plot([covariate("log_volume", -0.5, 0.2), covariate("weight")]).axes
    assert axis.get_xlim() == (0, pytest.approx(1.15 * 0.5)) and "V and A0" in [
        t.get_text() for t in axis.texts
    ]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["tumor volume (log)", "body weight"]
    [axis] = love_plot([covariate("weight", 0.1)]).axes
    assert axis.get_xlim() == (0, 0.3) == love_plot([]).axes[0].get_xlim()


def test_tgi_is_drawn_firm_on_days_with_half_of_the_mice_and_thin_on_others():
    row = {"arm": "A", "control": "V", "percent": 50.0, "ci_low": 40.0, "ci_high": None}
    rows = [
        row | {"day": day, "n": n, "n_control": c}
        for day, n, c in ((0, 8, 8), (7, 4, 4), (14, 3, 8), (21, 8, 3), (28, 4, 8), (35, 8, 4))
    ]
    [axis] = tgi_by_day(rows, ARMS)[0].axes
    drawn = {line.get_linewidth(): line.get_xydata() for line in axis.lines[:2]}
    assert [day for day, percent in drawn[1.3] if percent == 50] == [0, 7, 28, 35]
    assert [day for day, percent in drawn[0.6] if percent == 50] == [0, 7, 14, 21, 28, 35]
