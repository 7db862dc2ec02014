"""Figures are read in print: drawn at the width of one column or of the page, with no letter too small or cut off."""

from itertools import product

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from studies.imports import read_measurement_table
from studies.plots.axes import fitted, width_mm, wrapped
from studies.plots.style import COLUMN_MM, MM, PAGE_MM, SMALLEST_PT, TALLEST_MM, fits_a_column
from studies.reports.blocks import Figure
from studies.reports.build import report_sections
from studies.reports.headless import analyze_measurements
from tests.reports.conftest import RATES, study_csv

LONG = "Binimetinib 15 mg/kg twice daily"
FEW = {"Vehicle (0.5 % methylcellulose)": 0.09, LONG: 0.04}
MANY = {"Vehicle": 0.09, **{f"{LONG} + agent {number}": 0.02 + 0.01 * number for number in range(7)}}
IN_COLUMNS = {"tgi", "mice-by-day", "baseline", "mean-growth", "geometric-means", "waterfall", "growth-curves",
              "survival", "tgi-by-day", "body-weight"}  # fmt: skip


def drawn(rates, models, mice):
    content = study_csv("PRINT", models, rates, mice, days=(-2, 0, 4, 8, 12, 16))
    [study] = analyze_measurements(
        read_measurement_table(content, "print.csv"), {"control": next(iter(rates))}
    )
    blocks = [block for section in report_sections(study) for block in section.blocks]
    return {
        f"{block.id} {page}": figure
        for block in blocks
        if isinstance(block, Figure)
        for page, figure in enumerate(block.draw(), start=1)
    }


STUDIES = {
    "one model": (FEW, {"P1": "wt"}, 3),
    "both statuses": (RATES, {"P1": "wt", "P3": "lof"}, 2),
    "many arms": (MANY, {"P1": "wt", "P3": "lof"}, 1),
}


@pytest.fixture(scope="module", params=STUDIES)
def figures(request):
    return request.param, drawn(*STUDIES[request.param])


def shown_texts(figure):
    """Every piece of text that is drawn, with its place in pixels; an axis makes labels of ticks it does not show."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()  # lays it out
    hidden = set()
    for axes in figure.axes:
        for axis, (low, high) in (
            (axes.xaxis, sorted(axes.get_xlim())),
            (axes.yaxis, sorted(axes.get_ylim())),
        ):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high or not axes.get_visible():
                    hidden |= {tick.label1, tick.label2}
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            yield text, text.get_window_extent(renderer)


def test_every_figure_is_as_wide_as_a_column_or_a_page(figures):
    _, pages = figures
    for name, figure in pages.items():
        width, height = figure.get_size_inches() / MM
        assert width == pytest.approx(COLUMN_MM if fits_a_column(figure) else PAGE_MM), name
        assert height <= TALLEST_MM, name


def test_what_is_legible_in_one_column_is_drawn_for_it(figures):
    study, pages = figures
    in_column = {name.split()[0] for name, figure in pages.items() if fits_a_column(figure)}
    if study == "one model":
        assert {name.split()[0] for name in pages} - in_column <= {"diagnostics"}
        assert in_column >= IN_COLUMNS


def test_no_letter_is_too_small_or_cut_off(figures):
    _, pages = figures
    for name, figure in pages.items():
        for text, place in shown_texts(figure):
            assert text.get_fontsize() >= SMALLEST_PT, (name, text.get_text())
            inside = (
                place.x0 > -2
                and place.y0 > -2
                and place.x1 < figure.bbox.x1 + 2
                and place.y1 < figure.bbox.y1 + 2
            )
            assert inside, (name, text.get_text(), place)


def test_names_that_differ_in_their_ends_stay_apart():
    names = [fitted(f"Irinotecan + Rabusertib {number}", 24, 7) for number in range(3)]
    assert len(set(names)) == 3 and all(width_mm(name, 7) <= 24 for name in names)
    assert fitted("Vehicle", 24, 7) == "Vehicle"


@pytest.mark.parametrize(("room", "lines"), [*product((12, 20, 40), (1, 2))])
def test_a_name_is_broken_into_lines_that_fit(room, lines):
    text = wrapped("Irinotecan_Rabusertib + binimetinib", room, 7, lines=lines)
    assert text.count("\n") < lines
    assert all(width_mm(line, 7) <= room for line in text.split("\n"))
