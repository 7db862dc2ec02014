"""What a sheet costs before anybody times it: key presses a mouse, and bytes to load."""

import gzip
import re
from datetime import date
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from studies.entry.worker import ASSETS
from studies.models import Cage, MeasurementSession
from tests.bench.keystrokes import table, ways
from tests.factories import make_measurement, make_mouse

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "entry-speed.md"
AT_MOST = 60_000


def test_a_mouse_takes_twelve_presses_and_the_document_tells_the_figures():
    presses = {way.name: way.presses for way in ways()}
    assert presses["this sheet, implied decimals"] == 12
    assert presses["this sheet, caliper and scale buttons"] == 3
    assert "\n".join(table()) in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.django_db
def test_the_sheet_of_60_mice_weighs_less_than_60_kb_compressed_without_fonts(client, study, people):
    before = MeasurementSession.objects.create(study=study, due_on=date(2026, 5, 29))
    session = MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 1))
    cages = [Cage.objects.create(study=study, code=f"C{number:02d}", rack="A") for number in range(12)]
    for place in range(60):
        mouse = make_mouse(study, f"M{place:03d}", cage=cages[place // 5], rfid=f"98514100{place:07d}")
        make_measurement(
            before, mouse, length_mm=8 + place / 20, width_mm=7 + place / 30, weight_g=20 + place / 15
        )
    client.force_login(people.technician)
    page = client.get(f"/entry/sessions/{session.pk}/").content
    loaded = set(re.findall(r"/static/(studies/[^\"?]+\.(?:css|js|svg))", page.decode()))
    names = loaded | {name for name in ASSETS if "/js/entry/" in name}
    weights = {name: len(gzip.compress(Path(finders.find(name)).read_bytes())) for name in sorted(names)}
    weights["the page"] = len(gzip.compress(page))
    assert len(weights) > 10 and sum(weights.values()) < AT_MOST, weights
