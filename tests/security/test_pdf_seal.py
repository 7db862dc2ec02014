"""The renderer of PDFs is sealed: nothing of network or disk gets into a report, whoever wrote the note."""

import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image
from pypdf import PdfReader

from studies.reports import blocks
from studies.reports.render_html import render_html
from studies.reports.render_pdf import FetchRefused, render_pdf
from tests.desk.test_healthz import NOW


@pytest.fixture
def spy():
    """A server on this machine, and what was asked of it."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="{}/d.png" width="9" height="9"/></svg>'
OUTSIDE = (
    '<img src="{}/a.png" alt="">',
    "<link rel=stylesheet href={}/a.css>",
    "<style>@import url({}/b.css);</style>",
    "<style>@font-face{{font-family:x;src:url({}/f.woff)}} p{{font-family:x}}</style>",
    "<object data={}/o.svg></object>",
    "<p style='background:url({}/c.png)'>x</p>",
    f"<img src='data:image/svg+xml,{SVG}' alt=''>",
    "<embed src={}/e>",
    "<link rel=attachment href={}/attached>",
)


@pytest.mark.parametrize("way", OUTSIDE)
@pytest.mark.parametrize("where", ["network", "disk"])
def test_a_page_that_asks_for_anything_outside_makes_no_pdf(spy, way, where, tmp_path):
    address, asked = spy
    (tmp_path / "secret").write_text("TOPSECRET")
    outside = address if where == "network" else f"file://{tmp_path}/secret?"
    try:
        pdf = render_pdf(f"<html><head><title>t</title></head><body>{way.format(outside)}</body></html>", NOW)
    except FetchRefused as refused:
        assert "outside itself" in str(refused)
    else:
        assert b"TOPSECRET" not in pdf and "TOPSECRET" not in text_of(pdf)
    assert asked == []


def text_of(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_a_hostile_note_of_a_study_is_print_in_its_report(spy):
    address, asked = spy
    note = (
        f"<img src={address}/a><script>alert(1)</script><link rel=attachment href=file:///etc/passwd>"
        "{{7*7}}{% include '/etc/passwd' %}</p></body><style>*{display:none}</style>"
    )
    section = blocks.Section("notes", note, (blocks.Paragraph(note),))
    page = render_html(note, [("Note", note)], [section], {}, NOW)
    told = text_of(render_pdf(page, NOW)).replace("\n", " ")
    assert asked == [] and "<script>alert(1)</script>" in told and "{{7*7}}" in told and "root:" not in told


def test_after_a_pdf_a_picture_cut_short_is_still_refused():
    render_pdf("<html lang='en'><title>One</title><p>Nothing.</p>", NOW)
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    with pytest.raises(OSError), Image.open(io.BytesIO(whole.getvalue()[:2000])) as picture:
        picture.load()
