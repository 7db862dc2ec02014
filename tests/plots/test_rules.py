"""What a reader may rely on in every figure: where a limit lies, what is left out, what is told beside it."""

from io import BytesIO

import pandas as pd
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from studies.plots.axes import (
    day_limits,
    fitted,
    spread_labels,
    volume_ticks,
    whole_numbers,
    width_mm,
    wrapped,
)
from studies.plots.balance import by_arm
from studies.plots.body_weight import body_weight
from studies.plots.diagnostics import diagnostics
from studies.plots.forest import ForestLine, forest
from studies.plots.growth_curves import growth_curves
from studies.plots.mean_growth import mean_growth
from studies.plots.mice_by_day import mice_by_day
from studies.plots.model_heatmap import model_heatmap
from studies.plots.models_or_mice import models_or_mice_curve
from studies.plots.style import (
    COLUMN_MM,
    GHOST,
    MM,
    OTHER_CONTROLS,
    SINGLE_AGENTS,
    VEHICLE,
    BiomarkerNames,
    arm_colors,
    fits_a_column,
    in_reading_order,
    new_figure,
    panel_mm,
    panels,
    styled,
    to_png,
)
from studies.plots.survival_curves import competing_exits, survival_curves
from studies.plots.swimmer import swimmer
from studies.plots.synergy_curve import synergy_curve
from studies.plots.tgi_by_day import tgi_by_day
from studies.plots.waterfall import waterfall
from tests.plots.examples import (
    ARMS,
    LONG,
    LOSS,
    MANY,
    UNCERTAIN,
    UNKNOWN,
    WILD,
    V,
    arm,
    balance,
    cells,
    curve,
    diagnosed,
    followed,
    index,
    means,
    power_rows,
    response,
    swimmers,
    table,
    tgi,
    times,
    waterfall_of,
)


@pytest.mark.parametrize("arms", [ARMS, MANY], ids=["together", "each with its control"])
def test_no_mean_is_cut_off_where_panels_share_a_scale(arms):
    [figure, *_] = mean_growth(means(arms, (LOSS, WILD), (400.0, 900.0)), arms)
    axes = [axis for axis in figure.axes if axis.get_visible()]
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert axes[0].get_ylim()[0] == 0 and axes[0].get_ylim()[1] > 900


def test_a_standard_error_as_large_as_its_mean_reaches_down_to_zero():
    rows = [row | {"mean_mm3": 40.0, "sem_mm3": 40.0} for row in means([V], (None,), (100.0,))]
    [bars] = mean_growth(rows, [V])[0].axes[0].collections
    assert bars.get_segments()[0].tolist() == [[0, 0], [0, 80]]


def test_names_of_lines_stay_between_the_ends_of_their_axis():
    assert spread_labels([0.0, 0.0, 0.0], 2.0, 10.0, 0.0) == [0, 2, 4]
    assert spread_labels([10.0, 9.5, 0.5], 2.0, 10.0, 0.0) == [10, 8, 0.5]
    assert spread_labels([1.0, 1.0], 2.0, 1.0, 0.0) == [-1, 1]  # no room: the upper end counts


def panels_of(figures):
    return [axis for figure in figures for axis in figure.axes if axis.get_visible()]


@pytest.fixture
def undrawn(monkeypatch):
    """Let a module's figures be what its drawing is given, since most of what they cost is their axes."""

    def undraw(module, draw="_draw"):
        monkeypatch.setattr(f"studies.plots.{module}.{draw}", lambda *given: given)

    return undraw


def millimeters(figure):
    return tuple(round(float(inches) / MM, 1) for inches in figure.get_size_inches())


def written(axis):
    return [text.get_text() for text in axis.texts if text.get_text()]


def mice(count, arm="V", volumes=(100.0, 200.0), **told):
    return [curve(arm, volumes, number=number, **told) for number in range(count)]


# Axes


def test_the_axis_of_days_ends_early_only_if_a_quarter_of_it_is_saved():
    assert day_limits([75.0] * 40 + [100.0], 0.0) == (-3.0, 103.0, False)
    assert day_limits([74.0] * 40 + [100.0], 0.0) == (pytest.approx(-2.22), pytest.approx(76.22), True)
    assert day_limits([0.0] * 40 + [100.0], 0.0) == (-3.0, 103.0, False)  # most were read at the start alone


def test_a_run_in_is_shown_up_to_half_of_what_follows_and_whole_where_nothing_does():
    assert day_limits([20.0], -10.0) == (pytest.approx(-10.9), pytest.approx(20.9), False)
    assert day_limits([20.0], -10.5) == (pytest.approx(-10.9), pytest.approx(20.9), True)
    assert day_limits([0.5], -3.0) == (pytest.approx(-0.53), pytest.approx(0.53), True)
    assert day_limits([0.0], -5.0) == (pytest.approx(-5.15), pytest.approx(0.15), False)
    assert day_limits([0.0], 0.0) == (-0.03, 0.03, False)


@pytest.mark.parametrize(("end", "step"), [(2, 1), (9, 2), (13, 5), (35, 10), (65, 20)])
def test_days_and_mice_are_counted_in_whole_round_steps(end, step):
    axis = new_figure(COLUMN_MM, 58).subplots()
    axis.set_xlim(0, end)
    whole_numbers(axis.xaxis)
    assert [day for day in axis.get_xticks() if day <= end] == list(range(0, end + 1, step))


def test_ticks_of_volumes_are_round_and_within_a_twentieth_below_and_a_tenth_above():
    assert volume_ticks(10, 600) == [10, 20, 50, 100, 200, 500]
    assert volume_ticks(10, 601) == [10, 30, 100, 300]
    assert volume_ticks(40, 90) == [50] and volume_ticks(20 / 0.95, 50 / 1.1) == [20, 50]


def test_words_are_broken_only_where_they_are_wider_than_their_room():
    room = width_mm("Irinotecan", 7)
    assert wrapped("Irinotecan", room, 7) == fitted("Irinotecan", room, 7) == "Irinotecan"
    assert wrapped("Irinotecan and more", room, 7) == "Irinotecan\nand more"
    assert wrapped("Irinotecan Irinotecan I", room, 7) == "Irinotecan\nIrinot…n I"
    assert wrapped("Irinotecan\nIrinotecan", room, 7) == "Irinotecan\nIrinotecan"
    assert wrapped("", room, 7) == ""
    assert wrapped("and more", width_mm("and more", 7), 7) == "and more"
    cut = width_mm("Iri…n", 7)
    assert fitted("Irinotecan", cut, 7) == "Iri…n" and fitted("Irinotecan", cut - 0.01, 7) == "Ir…n"
    assert fitted("Irinotecan", 0.1, 7) == "…"
    assert wrapped("Irinotecan A", cut, 7) == "Iri…n\nA"


# Growth and weight


@pytest.mark.parametrize(("count", "width"), [(12, 1.0), (13, 0.7), (40, 0.7), (41, 0.55)])
def test_lines_of_many_mice_are_fainter(count, width):
    [axis, *_] = panels_of(growth_curves(table(*mice(count)), [V]))
    [lines] = [part for part in axis.collections if len(part.get_segments()) == count]
    assert lines.get_linewidths() == [width]
    [axis] = panels_of(body_weight(table(*mice(count)), [V]))
    assert axis.collections[0].get_linewidths() == [0.9 if count == 12 else 0.5]


def test_arms_of_two_statuses_stand_one_above_the_other_if_they_are_the_same(undrawn):
    undrawn("growth_curves")

    def columns(*shown):
        arms = [arm(name, control=None) for name in dict.fromkeys(name for name, _ in shown)]
        [given] = growth_curves(table(*(curve(name, [100.0, 200.0], status) for name, status in shown)), arms)
        return given[1]

    both = [(name, status) for status in (LOSS, WILD) for name in "ABCDE"]
    assert columns(*both) == 5 and columns(*both, ("F", LOSS), ("F", WILD)) == columns(*both[:-1]) == 4
    assert columns(("A", LOSS), ("B", LOSS), ("A", WILD)) == 3
    assert columns(("A", LOSS), ("B", LOSS), ("A", WILD), ("C", WILD), ("D", WILD)) == 4
    assert columns(("A", WILD)) == columns(("A", WILD), ("A", LOSS)) == 2


def test_a_volume_of_zero_has_a_place_of_its_own_and_a_small_one_has_not():
    [figure] = growth_curves(table(curve("V", [1.0, 100.0])), [V])
    [axis] = panels_of([figure])
    assert millimeters(figure) == (85, 54)
    assert "none" not in [label.get_text() for label in axis.get_yticklabels()]
    assert axis.get_ylim() == (pytest.approx(1 / 1.15), pytest.approx(115))
    [axis, *_] = panels_of(growth_curves(table(curve("V", [0.5, 0.2])), [V]))
    assert axis.get_ylim() == (pytest.approx(1 / 1.15), pytest.approx(2.3))
    [axis, *_] = panels_of(growth_curves(table(curve("V", [0.0, 0.0], reason="sampled")), [V]))
    low = axis.collections[1].get_segments()[0][0][1]
    assert low == pytest.approx(1 / 2.2) and axis.lines[0].get_ydata() == [pytest.approx(low)]


def test_the_axis_of_weights_spans_all_arms_and_a_gram_where_nothing_changes():
    rows = table(curve("V", [1.0], weight=20.0), curve("A", [1.0, 1.0], weight=25.0))
    assert [axis.get_ylim() for axis in panels_of(body_weight(rows, [V, arm("A")]))] == [(19.7, 26.3)] * 2
    assert panels_of(body_weight(rows[:1], [V]))[0].get_ylim() == (19.95, 20.05)
    assert [written(axis) for axis in panels_of(body_weight(rows, [V, arm("A"), arm("gone")]))] == [
        ["1 mouse"]
    ] * 2


def test_weights_of_many_arms_run_over_pages_of_five_rows(undrawn):
    undrawn("body_weight")
    arms = [arm(f"arm {number}", control=None) for number in range(21)]
    rows = table(*(curve(one["arm"], [1.0]) for one in arms))
    assert [(len(found), columns) for found, columns, *_ in body_weight(rows, arms)] == [(20, 4), (1, 4)]
    assert [len(found) for found, *_ in body_weight(rows, arms[:20])] == [20]


# Means


def test_six_arms_stand_together_and_seven_each_beside_its_control(undrawn):
    [axis] = panels_of(mean_growth(means(MANY[:6], (None,), (300.0,)), MANY[:6]))
    assert "V" in written(axis)
    undrawn("mean_growth")
    assert len(MANY) == 7
    for arms, count in ((MANY[:6], 1), (MANY, 6)):
        [(groups, *_)] = mean_growth(means(arms, (None,), (300.0,)), arms)
        assert len(groups) == count
    arms = [V, *(arm(f"arm {number}") for number in range(10))]
    pages = mean_growth(means(arms, (None,), (300.0,)), arms)
    assert [(len(groups), columns) for groups, columns, *_ in pages] == [(9, 3), (1, 3)]


def test_each_status_has_a_panel_and_all_models_one_if_some_are_of_neither(undrawn):
    undrawn("mean_growth")

    def titles(*statuses):
        [(groups, columns, *_)] = mean_growth(means([V], statuses, [300.0] * len(statuses)), [V])
        assert columns == (3 if len(groups) == 3 else 1)
        return [title for title, *_ in groups]

    both = ["MAP2K4 loss of function", "MAP2K4 wild type"]
    assert titles(None, LOSS, WILD) == both and titles(LOSS) == both[:1]
    assert titles(None, LOSS, WILD, UNKNOWN) == ["All PDX models", *both]
    assert titles(None, UNKNOWN) == ["All PDX models"]
    assert titles(None, LOSS, UNCERTAIN) == ["All PDX models", both[0]]


def test_panels_have_scales_of_their_own_where_one_would_be_flat():
    for low, shared in ((100.0, True), (99.0, False)):
        rows = [
            row | {"mean_mm3": low if row["map2k4_status"] == LOSS else 500.0, "sem_mm3": 1.0}
            for row in means([V], (LOSS, WILD), (1.0, 1.0))
        ]
        tops = {axis.get_ylim()[1] for axis in panels_of(mean_growth(rows, [V]))}
        assert (len(tops) == 1) is shared


def test_of_many_arms_only_those_with_mice_of_a_status_have_a_panel_in_it(undrawn):
    undrawn("mean_growth")
    rows = [row for row in means(MANY, (LOSS, WILD), (300.0, 300.0))
            if row["map2k4_status"] == WILD or row["arm"] == MANY[3]["arm"]]  # fmt: skip
    [(groups, *_)] = mean_growth(rows, MANY)
    assert [title for title, *_ in groups] == [MANY[3]["arm"], *(one["arm"] for one in MANY[1:])]


@pytest.mark.parametrize(
    ("days", "shown"), [(7, [6, 5, 4, 3, 2, 1, 0]), (8, [7, 5, 3, 1]), (15, [14, 11, 8, 5, 2])]
)
def test_mice_are_counted_on_at_most_seven_days_back_from_the_last(days, shown):
    rows = [{**means([V], (None,), (300.0,))[0], "day": float(day), "n": day} for day in range(days)]
    [axis] = panels_of(mean_growth(rows, [V]))
    assert list(axis.get_xticks()) == shown and written(axis)[1:-1] == [str(day) for day in shown]


# Mice, survival, exits


@pytest.mark.parametrize(("count", "named"), [(8, True), (9, False)])
def test_eight_arms_are_named_at_their_lines_and_more_only_tell_the_control(count, named):
    arms = [V, *(arm(f"arm {number}") for number in range(count - 1))]
    axis = mice_by_day(followed(arms)).axes[0]
    assert written(axis) == ([one["arm"] for one in arms] if named else [])
    colors = [line.get_color() for line in axis.lines]
    assert colors[0] == VEHICLE and (GHOST in colors) is not named


def test_an_arm_is_named_at_the_height_where_its_line_ends():
    counts = {"V": (8, 5, 0), "A": (8, 2, 2), "never dosed": (0, 0, 0)}
    arms = [
        {**arm(name), "n_by_day": [{"day": 7.0 * place, "n": n} for place, n in enumerate(ns)]}
        for name, ns in counts.items()
    ]
    assert [text.xy for text in mice_by_day(arms).axes[0].texts] == [(1, 5), (1, 2), (1, 0)]


@pytest.mark.parametrize(("name", "lines"), [("A", 0.075), (LONG, 0.13)])
def test_names_at_one_height_stand_a_line_apart_and_further_where_one_takes_two(name, lines):
    arms = [{**one, "n_by_day": [{"day": day, "n": 100} for day in (0.0, 7.0)]} for one in (V, arm(name))]
    low, high = (text.xy[1] for text in mice_by_day(arms).axes[0].texts)
    assert abs(high - low) == pytest.approx(lines * 106)


def test_a_line_ends_with_the_last_mouse():
    rows = [{"day": 0.0, "n": 2}, {"day": 7.0, "n": 1}, {"day": 14.0, "n": 0}]
    axis = mice_by_day([{**V, "n_by_day": rows}]).axes[0]
    assert axis.lines[0].get_xdata().tolist() == [0, 7] and axis.get_xlim()[1] == pytest.approx(7.21)


def test_survival_stands_in_a_panel_a_stratum_or_an_arm(undrawn):
    undrawn("survival_curves")

    def titles(rows, arms):
        [(groups, *_)] = survival_curves(rows, arms)
        return [title for title, *_ in groups]

    six = times([one["arm"] for one in MANY[:6]], (LOSS, UNCERTAIN))
    assert titles(six, MANY) == ["All PDX models", "MAP2K4 loss of function"]
    assert titles(times([one["arm"] for one in MANY], (LOSS,)), MANY) == [one["arm"] for one in MANY[1:]]
    without_vehicle = times([*(one["arm"] for one in MANY[1:]), "B"])
    assert titles(without_vehicle, [*MANY, arm("B", control=MANY[1]["arm"])]) == ["B"]
    assert titles(times(["V"], (LOSS,)), ARMS) == ["MAP2K4 loss of function"]
    assert titles(times(["V"], (UNKNOWN,)), ARMS) == ["All PDX models"]
    arms = [V, *(arm(f"arm {number}") for number in range(10))]
    assert [len(groups) for groups, *_ in survival_curves(times([one["arm"] for one in arms]), arms)] == [
        9,
        1,
    ]


def test_the_test_of_a_panel_is_told_in_it():
    notes = {None: "all", LOSS: "loss"}
    [figure] = survival_curves(times(("V", "A"), (LOSS, WILD)), ARMS, notes)
    assert [[note for note in notes.values() if note in written(axis)] for axis in figure.axes] == [
        ["all"],
        ["loss"],
        [],
    ]


def test_mice_at_risk_are_those_with_a_time_of_that_day_or_later():
    rows = [row | {"time": day} for row, day in zip(times(["V"]), (0.0, 2.0, 4.0, 4.0), strict=True)]
    axis = survival_curves(rows, [V])[0].axes[0]
    assert axis.get_xticks().tolist() == [0, 1, 2, 3, 4] and written(axis)[:6] == [
        "4",
        "3",
        "3",
        "2",
        "2",
        "V",
    ]


def test_a_curve_drops_at_an_event_before_a_mouse_censored_that_day_is_marked():
    rows = [row | {"time": 4.0} for row in times(["V"])]
    _, line, marks = survival_curves(rows, [V])[0].axes[0].lines
    assert line.get_xydata().tolist() == [[0, 100], [4, 50], [4, 50]]
    assert marks.get_xydata().tolist() == [[4, 50]]
    _, line, marks = survival_curves(rows[2:], [V])[0].axes[0].lines
    assert line.get_ydata().tolist() == [100, 100] and marks.get_xydata().tolist() == [[4, 100]]


def test_the_axis_of_survival_holds_a_day_at_least():
    rows = [row | {"time": 0.5} for row in times(["V"], causes=("threshold", "toxicity"))]
    assert (
        survival_curves(rows, [V])[0].axes[0].get_xlim()
        == competing_exits(rows, [V])[0].axes[0].get_xlim()
        == (0, 1.02)
    )


def test_competing_exits_of_many_arms_run_over_pages_of_four_rows(undrawn):
    undrawn("survival_curves", "_draw_incidence")
    names = [f"arm {number}" for number in range(17)]
    pages = competing_exits(times(names, causes=("threshold", "toxicity")), [arm(name) for name in names])
    assert [len(found) for _, found in pages] == [16, 1]


# Responses


@pytest.mark.parametrize(
    ("count", "arms", "columns", "width"),
    [(12, 2, 2, 85), (12, 1, 1, 85), (13, 2, 1, 85), (13, 3, 2, 180), (45, 1, 1, 85), (46, 1, 1, 180)],
)
def test_bars_stay_apart_in_print(undrawn, count, arms, columns, width):
    undrawn("waterfall")
    assert [given[1:] for given in waterfall_of(count, arms)] == [(columns, width)]


def test_a_waterfall_runs_over_pages_of_three_rows(undrawn):
    undrawn("waterfall")
    assert [len(found) for found, *_ in waterfall_of(2, 7)] == [6, 1]
    assert [len(found) for found, *_ in waterfall_of(46, 4)] == [3, 1]


@pytest.mark.parametrize(("count", "loss", "named"), [(24, 2, 24), (25, 24, 24), (25, 25, 0), (25, 0, 0)])
def test_at_most_24_bars_are_named_if_need_be_those_with_loss_of_function(count, loss, named):
    [figure] = waterfall_of(count, loss=loss)
    assert len(figure.axes[0].get_xticks()) == named
    assert millimeters(figure)[1] == (88 if count == 24 else 78)


@pytest.mark.parametrize(
    ("count", "edge", "dot", "mark"), [(60, "#1b1b1bff", 2.6, 3.4), (61, "none", 1.6, 2.2)]
)
def test_edges_and_marks_of_many_bars_are_smaller(count, edge, dot, mark):
    [axis] = panels_of(waterfall_of(count))
    known = axis.patches[1]
    assert (known.get_edgecolor()[3] == 0) is (edge == "none")
    assert axis.patches[0].get_edgecolor()[3] == 1  # not evaluable: white, and never without an edge
    assert [line.get_markersize() for line in axis.lines if line.get_marker() == "o"] == [dot, mark, mark]


def test_a_bar_past_the_axis_carries_its_value_or_a_wedge_where_there_is_no_room():
    wide, narrow = (panels_of(waterfall_of(count))[0] for count in (26, 27))  # of 2.42 and 2.33 mm
    wedges = [
        [line.get_xydata()[0].tolist() for line in axis.lines if line.get_marker() == "^"]
        for axis in (wide, narrow)
    ]
    assert wedges == [[], [[place, 156] for place in range(5)]]
    assert written(wide)[:5] == ["200", "188", "177", "165", "154"] and "200" not in written(narrow)


def test_a_waterfall_names_models_only_if_each_has_one_bar():
    rows = [response(10.0 * place, "PD", place) for place in range(3)]
    labels = [label.get_text() for label in panels_of(waterfall(rows, ["A"]))[0].get_xticklabels()]
    assert labels == ["P2", "P1", "P0"]
    rows[0]["pdx_model"] = "P1"
    labels = [label.get_text() for label in panels_of(waterfall(rows, ["A"]))[0].get_xticklabels()]
    assert labels == ["m2", "m1", "m0"]


def test_a_swimmer_begins_at_day_0_or_at_a_reading_before_it():
    for first, start in ((3.0, 0.0), (-3.0, -3.0)):
        read = [{"mouse": "m0", "day": day, "volume_mm3": 100.0, "exit_reason": ""} for day in (first, 14.0)]
        [figure] = swimmer([response(-10.0, "SD", 0)], pd.DataFrame(read), ARMS)
        assert figure.axes[0].get_xlim()[0] == start


def test_45_mice_are_named_at_their_bars():
    [figure] = swimmers(45)
    assert millimeters(figure)[1] == round(3.2 * (45 + 4) + 30, 1)
    assert any(text.startswith("m0 ") for text in written(figure.axes[0]))


def test_a_swimmer_has_at_most_270_mice_on_pages_of_78(undrawn):
    undrawn("swimmer")
    assert [[len(mice) for mice, *_ in swimmers(count)] for count in (78, 79, 271)] == [[78], [40, 39], []]
    assert len(swimmers(270)) == 4


# Models, estimates, indices


def test_a_heatmap_has_at_most_48_models_a_page(undrawn):
    [figure] = model_heatmap(cells(24, [V]), [V], {})
    assert millimeters(figure) == (85, round(4.6 * 24 + 46, 1))
    undrawn("model_heatmap")
    pages = [[len(models) for models, *_ in model_heatmap(cells(count, [V]), [V], {})] for count in (48, 49)]
    assert pages == [[48], [25, 24]]


@pytest.mark.parametrize("tracks", [{}, {"KRAS": {"PDX-000": "G12D"}}])
def test_a_heatmap_takes_the_page_where_a_column_leaves_its_cells_too_little_room(monkeypatch, tracks):
    arms = [arm(f"arm {number}") for number in range(2)]
    room = COLUMN_MM - (width_mm("PDX-000", 6.5) + 10 + 21 * len(tracks))
    for cell_mm, narrowest_mm, width, told in (
        (room / 2, room / 2, 85, True),
        (room / 2, room / 2 + 0.01, 85, False),
        (room / 2 + 0.01, 6.5, 180, True),
    ):
        monkeypatch.setattr("studies.plots.model_heatmap.CELL_MM", cell_mm)
        monkeypatch.setattr("studies.plots.model_heatmap.NARROWEST_WITH_VALUE_MM", narrowest_mm)
        [figure] = model_heatmap(cells(1, arms), arms, tracks)
        assert millimeters(figure)[0] == width and ("0" in written(figure.axes[0])) is told


@pytest.mark.parametrize(("arms", "told"), [(24, True), (25, False)])
def test_a_cell_tells_its_value_where_it_is_6_and_a_half_mm_wide(arms, told):
    names = [arm(f"arm {number}") for number in range(arms)]
    axis = model_heatmap(cells(1, names), names, {})[0].axes[0]
    assert ("0" in written(axis)) is told


def test_a_long_name_of_a_model_is_cut_to_26_mm():
    name = "a pancreatic tumor of 61 years"
    row = cells(1, [V])[0] | {"pdx_model": name}
    [label] = model_heatmap([row], [V], {})[0].axes[0].get_yticklabels()
    assert label.get_text() == fitted(name, 26, 6.5) != fitted(name, 27, 6.5)


def test_a_heatmap_orders_models_by_status_then_response_then_name_and_the_unknown_last():
    percents = {"d": (WILD, 5.0), "c": (WILD, None), "b": (WILD, -5.0), "a": (WILD, 5.0), "z": (LOSS, 90.0)}
    rows = [
        {
            "pdx_model": name,
            "map2k4_status": status,
            "arm": "V",
            "median_best_average_response_percent": percent,
        }
        for name, (status, percent) in percents.items()
    ]
    axis = model_heatmap(rows, [V, arm("A")], {})[0].axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["z", "b", "a", "d", "c"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["V"]


def test_sixteen_estimates_stand_in_a_column_and_36_on_a_page(undrawn):
    undrawn("forest", "_draw_column")
    undrawn("forest", "_draw_page")
    lines = [ForestLine(str(place), 50.0, 40.0, 60.0, "50", "#000000") for place in range(73)]
    assert [len(page) for page, *_ in forest(lines, "TGI (%)", (0,), (-50, 150))] == [36, 36, 1]


@pytest.mark.parametrize(
    ("value", "marks"), [(-50.0, ["s"]), (150.0, ["s"]), (-50.1, ["<"]), (150.1, [">"]), (None, [])]
)
def test_an_estimate_past_the_axis_is_an_arrow_at_its_end(value, marks):
    line = ForestLine("all", value, None, 60.0, "", "#000000")
    axis = forest([line], "TGI (%)", (), (-50, 150))[0].axes[0]
    assert [line.get_marker() for line in axis.lines] == marks
    assert all(abs(line.get_xdata()[0] - 50) == 100 for line in axis.lines)


def test_an_index_of_combination_is_shown_between_a_twentieth_and_twenty():
    def limits(low, high):
        axis = synergy_curve(index("A+B", "bliss", low, high), ARMS)[0].axes[0]
        return axis.get_ylim(), list(axis.get_yticks())

    around = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5]
    assert limits(0.11, None) == ((0.11 / 1.1, pytest.approx(1.375)), around[:6])
    assert limits(0.55, None)[1] == around[3:6]
    assert limits(None, 1.5 / 1.1) == ((pytest.approx(0.8 / 1.1), 1.5), [1, 1.5])
    assert limits(0.0, 90.0) == ((pytest.approx(0.8 / 1.1), 22), [1, 2, 5, 10, 20])
    assert limits(0.01, None)[0][0] == pytest.approx(0.05 / 1.1)
    assert limits(0.2, 5.0)[1] == [0.2, 0.5, 1, 2, 5] and limits(0.21, 5.0)[1] == [0.2, *around[2:]]


def test_many_panels_run_over_pages(undrawn):
    undrawn("synergy_curve")
    undrawn("tgi_by_day")
    arms = [arm(f"arm {number}") for number in range(21)]
    rows = [row for one in arms[:13] for row in index(one["arm"], "hsa", 0.9, 1.1)]
    assert [len(groups) for groups, *_ in synergy_curve(rows, arms)] == [12, 1]
    rows = [row for one in arms for row in tgi(one["arm"], [(2, 2), (2, 2)])]
    assert [len(found) for found, *_ in tgi_by_day(rows, arms)] == [20, 1]


@pytest.mark.parametrize(("effects", "columns", "size"), [(3, 3, (180, 128)), (5, 4, (180, 104))])
def test_five_diagnostics_stand_three_and_seven_four_abreast(effects, columns, size):
    [figure] = diagnosed(effects)
    assert figure.axes[0].get_gridspec().ncols == columns and millimeters(figure) == size


def test_a_random_effect_is_named_in_the_words_of_its_term():
    points = [{"normal": 0.0, "observed": 1.0}]
    effects = [
        {"group": "litter", "term": term, "points": points} for term in ("growth_rate", "day:pdx_model")
    ]
    axes = diagnostics({"random_effect_qq": effects}, ARMS)[0].axes
    titles = [axis.get_title(loc="left") for axis in axes]
    assert titles == ["litter: growth rate", "litter: day by PDX\nmodel"]


def test_quantiles_are_labeled_within_their_panel():
    """Ticks that change while the panel is laid out would push its label over the edge."""
    effects = [
        {
            "group": "mouse",
            "term": term,
            "points": [{"normal": -1.38, "observed": low}, {"normal": 1.38, "observed": high}],
        }
        for term, low, high in (("Intercept", -1.24, 0.9), ("day", -0.93, 1.22))
    ]
    [figure] = diagnostics({"qq": effects[0]["points"], "random_effect_qq": effects}, ARMS)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    labels = [axis.yaxis.label.get_window_extent(canvas.get_renderer()) for axis in panels_of([figure])]
    assert min(label.x0 for label in labels) >= 0


def test_a_line_of_power_ends_an_eighth_past_the_largest_study():
    rows = power_rows()
    [axis] = models_or_mice_curve(rows).axes
    assert axis.get_xlim() == (0, 60 * 1.12)
    assert axis.get_legend().get_title().get_text() == "PDX models of each status for 80 % power"
    rows[0]["power_curve"] = [{"mice": mice, "power": 0.5} for mice in (60, 60 * 1.12, 67.3)]
    assert models_or_mice_curve(rows).axes[0].lines[0].get_xdata().tolist() == [60, 60 * 1.12]


def test_covariates_by_arm_are_told_if_there_is_one_alone():
    [axis] = by_arm(balance()[:1], {}).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["V  n = 5", f"{LONG}  n = 5"]


# What all share


def test_a_negative_number_bears_a_minus_and_no_hyphen():
    [axis] = tgi_by_day(tgi("A", [(2, 2), (2, 2)]), ARMS)[0].axes
    with rc_context({"axes.unicode_minus": False}):
        told = styled(axis.yaxis.get_major_formatter().format_ticks)([-50.0])
    assert told == ["\N{MINUS SIGN}50"]


def test_where_nothing_is_known_nothing_is_drawn():
    assert mean_growth([], ARMS) == []
    alone = [arm(f"arm {number}", control=None) for number in range(7)]
    assert mean_growth(means(alone, (None,), (300.0,)), alone) == []
    assert model_heatmap(cells(1, [V]), [arm("A")], {}) == []


def test_a_heading_is_cut_to_its_room_in_bold_letters():
    heading = "".join("m" for _ in range(int((COLUMN_MM - 8) / width_mm("m" * 100, 7) * 100)))
    assert width_mm(heading, 7) < COLUMN_MM - 8 < width_mm(heading, 7, True)
    axis = forest([ForestLine("all", 1.0, 0.0, 2.0, "", "#000000", heading=heading)], "", (), (0, 2))[0].axes[
        0
    ]
    assert "…" in written(axis)[0]


def test_an_image_has_200_dots_an_inch_unless_others_are_asked_for():
    sizes = [imread(BytesIO(to_png(new_figure(25.4, 12.7), *dots))).shape[:2] for dots in ((), (60,))]
    assert sizes == [(100, 200), (30, 60)]


def test_a_figure_of_two_panels_fits_a_column():
    assert (panel_mm(2), panel_mm(3)) == (33.5, 53) and fits_a_column(new_figure(85.5, 10))
    assert not fits_a_column(new_figure(85.6, 10))


def test_arms_of_a_role_take_their_colors_in_turn_and_an_unknown_role_those_of_single_agents():
    arms = [arm(str(place), "other_control") for place in range(3)] + [arm("odd", "unheard of")]
    assert list(arm_colors(arms).values()) == [*OTHER_CONTROLS, OTHER_CONTROLS[0], SINGLE_AGENTS[0]]
    assert [one["arm"] for one in in_reading_order([arms[3], arms[0], V])] == ["V", "0", "odd"]


def test_labels_of_axes_are_on_the_left_and_at_the_foot_of_a_figure_alone():
    _, axes = panels(5, 3, 30)
    shown = [
        (axis.yaxis.get_tick_params()["labelleft"], axis.xaxis.get_tick_params()["labelbottom"])
        for axis in axes
    ]
    assert shown == [(True, False), (False, False), (False, True), (True, True), (False, True)]


def test_a_gene_of_another_study_is_named_in_its_figures_alone():
    names = BiomarkerNames("KRAS", "G12D")
    rows = means([V], (LOSS,), (300.0,))
    titles = [
        mean_growth(rows, [V], **told)[0].axes[0].get_title(loc="left") for told in ({"biomarker": names}, {})
    ]
    assert titles == ["KRAS G12D", "MAP2K4 loss of function"]
