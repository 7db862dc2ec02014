"""A study on another gene than MAP2K4: its report and figures bear that gene's name and class, and no other."""

import re

import pytest
from matplotlib.text import Text

from studies.imports import read_measurement_table
from studies.plots.style import STATUS_LOOKS, BiomarkerNames, look_of
from studies.reports.blocks import Figure
from studies.reports.build import report_files, report_sections
from studies.reports.headless import analyze_measurements
from studies.reports.sections.methods import paragraphs
from studies.reports.sheets import sheets_of
from tests.reports.conftest import MADE_AT, study_csv

PLAN = {"control": "vehicle", "biomarker": {"gene": "kras", "altered": ["G12C"]}}


@pytest.fixture(scope="module")
def of_kras():
    text = study_csv().decode().replace("map2k4_status", "kras").replace(",lof,", ",G12C,")
    [study] = analyze_measurements(read_measurement_table(text.encode(), "kras.csv"), PLAN)
    return study


@pytest.fixture(scope="module")
def figures(of_kras):
    blocks = (block for section in report_sections(of_kras) for block in section.blocks)
    return {figure.id: figure for figure in blocks if isinstance(figure, Figure)}


def words_drawn(figure: Figure) -> str:
    return " ".join(text.get_text() for page in figure.draw() for text in page.findobj(Text))


def test_no_figure_names_map2k4_and_those_by_status_name_kras(figures):
    drawn = {name: words_drawn(figure) for name, figure in figures.items()}
    told = {name: figure.caption + figure.alt for name, figure in figures.items()}
    assert [name for name in figures if "MAP2K4" in drawn[name] + told[name]] == []
    assert [name for name in figures if "loss of function" in (drawn[name] + told[name]).lower()] == []
    for name in ("waterfall", "mean-growth", "survival", "map2k4-models"):
        if name in drawn:
            assert "KRAS altered" in drawn[name], name
    assert "KRAS" in drawn["models-by-arm"]


def test_the_pages_speak_of_the_plan_s_gene(of_kras, monkeypatch):
    monkeypatch.setattr("studies.reports.build.draw_figures", lambda *_: ({}, {}))
    monkeypatch.setattr("studies.reports.build.render_pdf", lambda *_: b"")
    monkeypatch.setattr("studies.reports.build._bundle", lambda *_: b"")
    html = report_files(of_kras, MADE_AT)["report.html"].decode()
    text = re.sub(r"<[^>]+>", " ", html)
    assert "MAP2K4" not in text
    assert "loss of function" not in text.replace("loss_of_function", "").lower()
    assert "KRAS status" in text
    assert "differs by KRAS status" in text or "difference by KRAS status" in text
    assert "in altered minus effect in wild type" in text


def test_methods_and_sheets_are_of_that_gene(of_kras):
    methods = " ".join(paragraphs(of_kras.document))
    assert "KRAS. Effects within altered and wild type" in methods
    assert "MAP2K4" not in methods
    assert sheets_of(of_kras.document)["map2k4_interaction"]


def test_the_long_table_is_read_back_to_the_same_study(of_kras):
    from studies.reports.build import _long_table

    [again] = analyze_measurements(read_measurement_table(_long_table(of_kras), "again.csv"), PLAN)
    assert again.document["map2k4"]["interaction"] == of_kras.document["map2k4"]["interaction"]
    assert "map2k4_status" not in of_kras.table or set(again.table["map2k4"]) == {"unknown"}


def test_a_gene_whose_altered_class_is_loss_keeps_those_words():
    assert look_of("loss_of_function", BiomarkerNames("NF1")).label == "NF1 loss of function"
    assert look_of("loss_of_function").label == "MAP2K4 loss of function"
    assert all("{" not in look_of(status).label + look_of(status).short for status in STATUS_LOOKS)


def test_names_of_one_figure_do_not_stay_for_the_next(figures, analyzed):
    figures["waterfall"].draw()
    blocks = (block for section in report_sections(analyzed) for block in section.blocks)
    [ours] = [block for block in blocks if isinstance(block, Figure) and block.id == "waterfall"]
    assert "MAP2K4 loss of function" in words_drawn(ours)
