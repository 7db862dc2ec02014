"""Print the current revision of every reading, in one order and one spelling, to compare with what was entered."""

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from django.core.management.base import BaseCommand

from studies.models import Measurement

ORDER = ("session__study__code", "session_id", "mouse__label", "tumor_number", "replicate")


class Command(BaseCommand):
    help = "Print every reading's current revision."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON; there is no other form")

    def handle(self, *args, **options) -> None:
        rows = ",\n ".join(json.dumps(row) for row in _rows())
        self.stdout.write(f"[{rows}]")


def _rows() -> Iterator[dict[str, Any]]:
    current = Measurement.objects.current().select_related("mouse__study").order_by(*ORDER)
    for one in current.iterator(chunk_size=2000):
        yield {
            "study": one.mouse.study.code,
            "session": one.session_id,
            "mouse": one.mouse.key,
            # A void is a revision without values: nothing of it counts.
            "length_mm": None if one.is_void else one.length_mm,
            "width_mm": None if one.is_void else one.width_mm,
            "weight_g": None if one.is_void else one.weight_g,
            "client_id": str(one.client_id) if one.client_id else None,
            "revision": one.revision,
            "observed_at": one.observed_at.astimezone(UTC).isoformat() if one.observed_at else None,
        }
