"""The report of one study as a folder: pages, numbers, figures, methods, and a manifest of it all.

report.html, report.pdf, analysis.json, tables.xlsx, data_long.csv, methods.txt, figures/*.svg and *.png,
manifest.json (SHA-256 of every file before it), bundle.zip (all of these).
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path

from studies.analysis.study import Tell, unheard
from studies.exports import long_csv, workbook
from studies.plots.style import fits_a_column, to_png, to_svg
from studies.reports.blocks import Figure, Section
from studies.reports.headless import SCHEMA, AnalyzedStudy, json_document
from studies.reports.json_text import dumps
from studies.reports.render_html import Drawn, render_html
from studies.reports.render_pdf import render_pdf
from studies.reports.sections import sections_for
from studies.reports.sections.methods import paragraphs
from studies.reports.sections.study import is_pooled
from studies.reports.sheets import sheets_of

LARGEST_SVG_IN_PDF = 120_000
FIGURES = 0.5  # the share of a build's time that drawing takes


def build_report(analyzed: AnalyzedStudy, folder: Path, made_at: datetime) -> None:
    """Write the whole folder; the same study, time and versions give the same bytes."""
    for name, content in report_files(analyzed, made_at).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def report_files(analyzed: AnalyzedStudy, made_at: datetime, tell: Tell = unheard) -> dict[str, bytes]:
    """File name -> content of everything in the folder; `tell` hears of each figure and file as it is begun."""
    study = analyzed.document
    kind = "Pooled report, arms closed" if is_pooled(study) else "Efficacy report"
    title = f"{kind}: {analyzed.name}"
    sections = report_sections(analyzed)
    pages, figures = draw_figures(sections, lambda part, share: tell(part, FIGURES * share))
    facts = _facts(study, made_at)
    tell("Setting the HTML page", FIGURES)
    html = render_html(title, facts, sections, pages, made_at)
    for_print = render_html(title, facts, sections, pages, made_at, largest_svg_bytes=LARGEST_SVG_IN_PDF)
    tell("Setting the PDF", FIGURES + 0.05)
    pdf = render_pdf(for_print, made_at)
    tell("Writing the workbook", 0.9)
    files = {
        "report.html": html.encode(),
        "report.pdf": pdf,
        "analysis.json": dumps(json_document([analyzed])).encode(),
        "tables.xlsx": workbook(sheets_of(study), title, made_at),
        "data_long.csv": _long_table(analyzed),
        "methods.txt": ("\n\n".join(paragraphs(study)) + "\n").encode(),
        **figures,
    }
    tell("Packing the bundle", 0.95)
    files["manifest.json"] = _manifest(study, files, made_at)
    files["bundle.zip"] = _bundle(files, made_at)
    return files


def _long_table(analyzed: AnalyzedStudy) -> bytes:
    """The table the numbers rest on, under headers the importer reads back to the same study."""
    table = analyzed.table
    if "map2k4" in table:  # of a study on another gene, whose statuses stood in this one's place
        table = table.drop(columns="map2k4_status").rename(columns={"map2k4": "map2k4_status"})
    table = table.rename(columns={"mouse_id": "mouse_as_recorded"})
    return long_csv(list(table.columns), table.to_dict("records"))


def report_sections(analyzed: AnalyzedStudy) -> list[Section]:
    """The sections that have something to say of this study."""
    found = (module.section(analyzed.document, analyzed.table) for module in sections_for(analyzed.document))
    return [section for section in found if section is not None]


def draw_figures(
    sections: Sequence[Section], tell: Tell = unheard
) -> tuple[dict[str, list[Drawn]], dict[str, bytes]]:
    """The pages of each figure for the HTML, and the files of all of them."""
    pages: dict[str, list[Drawn]] = {}
    files: dict[str, bytes] = {}
    figures = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    for place, figure in enumerate(figures):
        tell(f"Drawing {figure.id.replace('-', ' ')} ({place + 1} of {len(figures)})", place / len(figures))
        drawings = figure.draw()
        for number, drawing in enumerate(drawings, start=1):
            name = figure.id if len(drawings) == 1 else f"{figure.id}-{number}"
            page = Drawn(name, to_svg(drawing), to_png(drawing), fits_a_column(drawing))
            pages.setdefault(figure.id, []).append(page)
            files[f"figures/{name}.svg"], files[f"figures/{name}.png"] = page.svg, page.png
    return pages, files


def _facts(study: Mapping, made_at: datetime) -> list[tuple[str, str]]:
    """What identifies the report: input and its hash, the day of making, versions."""
    versions = ", ".join(f"{name} {version}" for name, version in study["versions"].items())
    return [
        ("As of", f"{made_at:%Y-%m-%d %H:%M} UTC"),
        ("Input", str(study["input"].get("file", "record of the study"))),
        ("Input SHA-256", study["input"]["sha256"]),
        ("Computed with", versions),
    ]


def _manifest(study: Mapping, files: Mapping[str, bytes], made_at: datetime) -> bytes:
    listed = [
        {"file": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    manifest = {
        "study": study["study"],
        "schema": SCHEMA,
        "made_at": made_at.isoformat(),
        "input_sha256": study["input"]["sha256"],
        "versions": study["versions"],
        "files": listed,
    }
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()


def _bundle(files: Mapping[str, bytes], made_at: datetime) -> bytes:
    """A zip of all files, stamped with the time of making so that its bytes repeat."""
    out = BytesIO()
    stamp = max(made_at.timetuple()[:6], (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, stamp)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            bundle.writestr(entry, content)
    return out.getvalue()
