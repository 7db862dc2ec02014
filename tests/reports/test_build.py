"""The report folder: complete, self-contained, repeatable, and with one set of numbers in all of its files."""

import hashlib
import json
import re
import zipfile
from html.parser import HTMLParser
from io import BytesIO
from xml.etree import ElementTree

import openpyxl
import pypdf
import pytest

from studies.imports import read_measurement_table
from studies.reports import build, words
from studies.reports.build import build_report, report_files, report_sections
from studies.reports.headless import analyze_measurements
from studies.reports.render_pdf import FetchRefused, render_pdf
from tests.reports.conftest import MADE_AT, study_csv

OUTSIDE = '<img src="http://127.0.0.1:9/x.png"> <link href="file:///etc/hostname">'
NAMED = {
    "report.html",
    "report.pdf",
    "analysis.json",
    "tables.xlsx",
    "data_long.csv",
    "methods.txt",
    "manifest.json",
    "bundle.zip",
}


class Page(HTMLParser):
    """What the tests ask of a page: its tables as text, its images and links."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.tables, self.cell = [], [], None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.tables[-1][-1].append(self.cell)
            self.cell = None

    def attributes(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def table(self, *headers):
        """The first table whose header row starts so, as dicts by header (the first of equal headers)."""
        for head, *rows in self.tables:
            if tuple(head[: len(headers)]) == headers:
                return [dict(zip(reversed(head), reversed(row), strict=True)) for row in rows]
        raise AssertionError(f"no table starts with {headers}")


@pytest.fixture(scope="module")
def report_page(files):
    return Page(files["report.html"].decode())


@pytest.fixture(scope="module")
def study(files):
    document = json.loads(files["analysis.json"], parse_constant=lambda name: pytest.fail(name))
    assert document["schema"] == "pdx-tracker/analysis/1"
    [study] = document["studies"]
    return study


def sheet(files, name):
    rows = openpyxl.load_workbook(BytesIO(files["tables.xlsx"]))[name].iter_rows(values_only=True)
    header = next(rows)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_folder_holds_every_file(files, analyzed, tmp_path, monkeypatch):
    """That they are built alike each time is test_same_bytes's."""
    monkeypatch.setattr(build, "report_files", lambda study, made_at: files)
    build_report(analyzed, tmp_path, MADE_AT)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written >= NAMED
    figures = {name for name in written if name.startswith("figures/")}
    assert {name[:-4] for name in figures if name.endswith(".svg")} == {
        name[:-4] for name in figures if name.endswith(".png")
    }
    assert len(figures) >= 14
    assert {name: (tmp_path / name).read_bytes() for name in written} == files


def test_the_manifest_tells_the_hash_of_every_file(files):
    listed = {entry["file"]: entry["sha256"] for entry in json.loads(files["manifest.json"])["files"]}
    assert listed == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name not in ("manifest.json", "bundle.zip")
    }


def test_the_bundle_holds_every_other_file(files):
    with zipfile.ZipFile(BytesIO(files["bundle.zip"])) as bundle:
        assert {name: bundle.read(name) for name in bundle.namelist()} == {
            name: content for name, content in files.items() if name != "bundle.zip"
        }


def test_the_page_needs_nothing_outside_itself(files, report_page):
    assert not report_page.attributes("script") and not report_page.attributes("link")
    assert all(image["src"].startswith("data:image/") for image in report_page.attributes("img"))
    assert all(link["href"].startswith("#") for link in report_page.attributes("a"))
    style = re.search(r"<style>(.*?)</style>", files["report.html"].decode(), re.S).group(1)
    assert "@import" not in style
    assert all(url.startswith('"data:') for url in re.findall(r"url\(([^)]*)", style))


def test_the_page_embeds_one_font_file(files):
    """With two files of one typeface WeasyPrint draws the glyphs of one for the letters of the other."""
    assert files["report.html"].decode().count("@font-face") == 1


def test_the_page_can_be_heard(report_page):
    assert report_page.attributes("html") == [{"lang": "en"}]
    assert all(len(image["alt"]) > 20 for image in report_page.attributes("img"))
    assert len(report_page.attributes("caption")) == len(report_page.attributes("table"))
    assert all(head["scope"] in ("col", "row") for head in report_page.attributes("th"))
    ids = [attributes["id"] for _, attributes in report_page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in report_page.attributes("a")} <= set(ids)
    assert len(report_page.attributes("h1")) == 1


def test_page_json_and_workbook_tell_the_same_tgi(files, report_page, study):
    shown = {row["Arm"]: row for row in report_page.table("Arm", "Mice", "PDX models")}
    stored = {(row["arm"], row["method"]): row for row in sheet(files, "tgi") if row["scope"] == "study"}
    compared = 0
    for row in study["tgi"]:
        if row["scope"] != "study":
            continue
        for key in ("percent", "ci_low", "ci_high"):  # Excel's own writer keeps 16 digits
            assert stored[row["arm"], row["method"]][key] == pytest.approx(row[key], rel=1e-14)
        if row["method"] == "delta":
            compared += 1
            assert shown[row["arm"]]["TGI %"] == words.percent(row["percent"])
            assert shown[row["arm"]]["95 % interval"] == words.cell(
                (row["ci_low"], row["ci_high"]), "percent"
            )
    assert compared == 3


def test_page_json_and_workbook_tell_the_same_responses(files, report_page, study):
    shown = {(row["Arm"], row["MAP2K4"]): row for row in report_page.table("Arm", "MAP2K4", "Mice", "CR")}
    for row in study["response_rates"]:
        if row["scope"] in ("study", "map2k4"):
            line = shown[row["arm"], words.STATUS_WORDS.get(row["map2k4_status"], "all")]
            assert [line[word] for word in ("CR", "PR", "SD", "PD", "NE")] == [
                str(row[word]) for word in ("CR", "PR", "SD", "PD", "NE")
            ]
    best = {row["mouse"]: row["best_response_percent"] for row in sheet(files, "responses")}
    assert best == pytest.approx(
        {row["mouse"]: row["best_response_percent"] for row in study["responses"]}, rel=1e-14
    )


def test_page_and_json_tell_the_same_mixed_model(report_page, study):
    shown = {
        (row["Arm"], row["Control"]): row for row in report_page.table("Arm", "Control", "Estimate", "SE")
    }
    for row in study["mixed_model"]["contrasts"]:
        line = shown[row["arm"], row["control"]]
        assert line["Estimate"] == words.significant(row["estimate"])
        assert line["p"] == words.p_value(row["p_value"])
        assert line["TGI %"] == words.percent(row["tgi_percent"])


def test_the_long_table_reads_back_to_the_same_numbers(files, analyzed, measurements):
    again = read_measurement_table(files["data_long.csv"], "data_long.csv")
    assert len(again) == len(measurements)
    [second] = analyze_measurements(again, {"control": "vehicle"})
    for part in ("tgi", "responses", "growth", "mixed_model"):
        assert second.document[part] == analyzed.document[part]


def test_the_pdf_is_tagged_titled_and_claims_pdf_ua(files):
    pdf = pypdf.PdfReader(BytesIO(files["report.pdf"]))
    assert pdf.metadata.title == "Efficacy report: PILOT-1"
    catalog = pdf.trailer["/Root"]
    assert catalog["/MarkInfo"]["/Marked"] and catalog["/Lang"] == "en"
    assert b"pdfuaid" in catalog["/Metadata"].get_object().get_data()
    text = " ".join(page.extract_text() for page in pdf.pages)
    assert "Mixed model" in text and "Methods" in text


def test_page_json_and_pdf_tell_the_same_headline(files, study):
    """The PDF's own text has each arm's line of the headline table, as the JSON's numbers are written."""
    pdf = pypdf.PdfReader(BytesIO(files["report.pdf"]))
    text = " ".join(" ".join(page.extract_text().split()) for page in pdf.pages[:2])
    rates = {row["arm"]: row for row in study["response_rates"] if row["scope"] == "study"}
    compared = 0
    for row in study["tgi"]:
        if (row["scope"], row["method"]) == ("study", "delta"):
            told = f"{words.percent(row['percent'])} {words.cell((row['ci_low'], row['ci_high']), 'percent')}"
            assert f"{row['arm']} {rates[row['arm']]['n']} 4 {row['n']} {told}" in text
            compared += 1
    assert compared == 3


def test_every_list_of_results_is_a_sheet_with_all_of_its_rows(files, study):
    book = openpyxl.load_workbook(BytesIO(files["tables.xlsx"]), read_only=True)
    for name in (
        "families",
        "survival_endpoints",
        "response_tests",
        "synergy",
        "sensitivity",
        "mean_curves",
        "flow",
    ):
        rows = sum(1 for _ in book[name].iter_rows()) - 1
        assert rows == len(study[name]), name
    stored = {(row["arm"], row["covariate"]): row for row in sheet(files, "baseline")}
    for covariate in study["baseline"]:
        for arm in covariate["arms"]:
            assert stored[arm["arm"], covariate["covariate"]]["mean"] == pytest.approx(arm["mean"], rel=1e-14)


def test_figures_are_vector_and_raster_of_one_drawing(files):
    for name, content in files.items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(content)
            width, height = (float(root.get(side).removesuffix("pt")) for side in ("width", "height"))
            assert 80 < width * 25.4 / 72 < 181, f"{name} fits neither column nor page"
            raster = files[name.removesuffix("svg") + "png"]
            wide, high = (int.from_bytes(raster[at : at + 4], "big") for at in (16, 20))
            assert wide / high == pytest.approx(width / height, rel=0.01)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x.png", "file:///etc/hostname", "https://example.org/x.png"]
)
def test_the_pdf_renderer_fetches_nothing(address):
    with pytest.raises(FetchRefused, match="outside itself"):
        render_pdf(f'<html lang="en"><title>x</title><img alt="x" src="{address}"></html>', MADE_AT)


def test_text_of_a_file_stays_text():
    """Names that look like markup or formulas are shown as they are and run nowhere."""
    hostile = {"<script>alert(1)</script>": "wt", "=cmd|' /C calc'!A0": "lof", OUTSIDE: "lof"}
    content = study_csv(
        study="@SUM(A1)", models=hostile, rates={"vehicle": 0.09, "-2+3": 0.03}, days=(0, 8, 16)
    )
    [analyzed] = analyze_measurements(read_measurement_table(content, "hostile.csv"), {"control": "vehicle"})
    found = report_files(analyzed, MADE_AT)
    html = found["report.html"].decode()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert (
        'src="http' not in html and "&lt;img src=" in html
    )  # the PDF, which refuses to fetch, was made all the same
    for line in found["data_long.csv"].decode("utf-8-sig").splitlines():
        assert not any(cell.startswith(("=", "@", "-2+3")) for cell in line.split(","))
    book = openpyxl.load_workbook(BytesIO(found["tables.xlsx"]))
    for cell in (cell for page in book for row in page.iter_rows() for cell in row):
        assert cell.data_type != "f"
        assert not (isinstance(cell.value, str) and cell.value.startswith(("=", "+", "-", "@")))


def test_every_section_has_a_title_and_its_own_id(analyzed):
    sections = report_sections(analyzed)
    assert len({section.id for section in sections}) == len(sections)
    assert [section.id for section in sections][:4] == ["summary", "identity", "design", "flow"]
    assert {"combination", "weight", "map2k4", "mixed-model", "survival"} <= {
        section.id for section in sections
    }
