"""Blocks to one HTML page that needs nothing else: style, fonts and figures inside, no script, nothing fetched."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string

from studies.reports import blocks, words

FONTS = Path(__file__).parent.parent / "static" / "studies" / "vendor" / "source-sans-3-5.3.0"
# One file only: WeasyPrint takes two files of one typeface for the same and mixes up their glyphs.
FONT_FILES = {
    "source-sans-3-latin-wght-normal.woff2": "U+0000-00FF, U+0131, U+0152-0153, U+02C6, U+02DC, "
    "U+2000-206F, U+20AC, U+2122, U+2212",
}


@dataclass(frozen=True)
class Drawn:
    """One page of a figure: its file name without suffix, its image as SVG and as PNG, whether it fits one column."""

    name: str
    svg: bytes
    png: bytes
    in_column: bool = False


def render_html(
    title: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[blocks.Section],
    drawn: Mapping[str, Sequence[Drawn]],
    made_at: datetime,
    *,
    largest_svg_bytes: int | None = None,
) -> str:
    """The page. `drawn` holds the pages of each figure block by its id.

    Figures whose SVG is over `largest_svg_bytes` are embedded as PNG, where a renderer is slow at many lines.
    """
    images = {name: [_as_image(page, largest_svg_bytes) for page in pages] for name, pages in drawn.items()}
    columns = {name for name, pages in drawn.items() if all(page.in_column for page in pages)}
    counter = {"table": 0, "figure": 0}
    context = {
        "title": title,
        "facts": facts,
        "made_at": made_at,
        "fonts": embedded_fonts(),
        "sections": [_section(section, images, columns, counter) for section in sections],
    }
    return render_to_string("studies/report/report.html", context)


def embedded_fonts() -> list[dict[str, str]]:
    """The app's own typeface as data; a page without it falls back to the reader's."""
    return [
        {"data": base64.b64encode((FONTS / name).read_bytes()).decode(), "range": characters}
        for name, characters in FONT_FILES.items()
        if (FONTS / name).exists()
    ]


def _section(
    section: blocks.Section, images: Mapping[str, Sequence[str]], columns: set[str], counter: dict[str, int]
) -> dict[str, Any]:
    return {
        "id": section.id,
        "title": section.title,
        "blocks": [_block(block, images, columns, counter) for block in section.blocks],
    }


def _block(
    block: blocks.Block, images: Mapping[str, Sequence[str]], columns: set[str], counter: dict[str, int]
) -> dict[str, Any]:
    kind = type(block).__name__.lower()
    if isinstance(block, blocks.Table):
        counter["table"] += 1
        return {"kind": kind, "number": counter["table"], **_table(block)}
    if isinstance(block, blocks.Figure):
        counter["figure"] += 1
        pages = [_page(page, block.alt, place) for place, page in enumerate(images.get(block.id, ()))]
        width = "column" if block.id in columns else "page"
        return {"kind": kind, "number": counter["figure"], "block": block, "pages": pages, "width": width}
    return {"kind": kind, "block": block}


def _as_image(page: Drawn, largest_svg_bytes: int | None) -> str:
    too_large = largest_svg_bytes is not None and len(page.svg) > largest_svg_bytes
    kind, data = ("png", page.png) if too_large else ("svg+xml", page.svg)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _page(source: str, alt: str, place: int) -> dict[str, str]:
    return {"source": source, "alt": alt if place == 0 else f"{alt} (continued)"}


def _table(table: blocks.Table) -> dict[str, Any]:
    heads = [
        {"title": column.title, "numeric": column.kind in words.NUMERIC_KINDS} for column in table.columns
    ]
    rows = [
        [
            {
                "text": words.cell(column.value(row), column.kind),
                "numeric": column.kind in words.NUMERIC_KINDS,
            }
            for column in table.columns
        ]
        for row in table.rows
    ]
    return {
        "caption": table.caption,
        "heads": heads,
        "rows": rows,
        "note": table.note,
        "wide": len(heads) > 8,
    }
