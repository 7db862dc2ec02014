"""Reports of studies no textbook has: each is drawn and set, whatever its analysis could not give.

All of them, with their PDF: `make pathological-reports`.
"""

import re

import pytest

from studies.reports import build
from studies.reports.build import draw_figures, report_sections
from studies.reports.render_html import render_html
from studies.reports.sheets import sheets_of
from tests.reports.pathological import MADE_AT, analyzed, names

FEW = (
    "all zero",
    "one mouse an arm",
    "only days before dosing",
    "one day only",
    "one reading a mouse",
    "arms named None, NaN and by marks",
    "control only",
    "every mouse found dead at once",
)


@pytest.mark.parametrize("name", FEW)
def test_the_report_of_an_odd_study_is_drawn_and_set(name, monkeypatch):
    monkeypatch.setattr(
        build, "to_png", lambda figure: b""
    )  # the SVG lays the figure out; PNG is the same drawing
    study = analyzed(name)
    sections = report_sections(study)
    pages, files = draw_figures(sections)
    html = re.sub(r"data:[^\"]*", "", render_html("odd", [], sections, pages, MADE_AT))
    assert len(files) >= 4 and "NaN" not in html and ">nan<" not in html
    assert sheets_of(study.document)["contents"]
    assert [section.id for section in sections][:4] == ["summary", "identity", "design", "flow"]


def test_few_are_among_all():
    assert set(FEW) < set(names())
