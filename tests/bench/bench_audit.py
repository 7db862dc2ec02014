"""Verifying a chain of 100,000 events, against reading their values and hashing them once."""

import hashlib
import json
import os

from tests.bench.ratio import Ratio, processor_seconds

EVENTS = 100_000
A_SHEET = 1_000


def main() -> list[Ratio]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        return [_verifying(connection.vendor)]
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)


def _verifying(vendor: str) -> Ratio:
    from django.db import transaction
    from django.utils import timezone

    from studies.actions.audit import Act, broken_link, record_events, study_chain
    from studies.models import AuditEvent, Study

    study = Study.objects.create(code="BENCH", title="Bench")
    chain, values = study_chain(study), {"length_mm": 10.2, "width_mm": 8.1, "weight_g": 22.4, "revision": 1}
    for start in range(0, EVENTS, A_SHEET):
        acts = [Act(study, new={**values, "place": start + place}) for place in range(A_SHEET)]
        with transaction.atomic():
            record_events("tested", acts, actor=None, at=timezone.now(), chain=chain, study=study)

    def read_and_hash() -> None:
        for row in AuditEvent.objects.order_by("sequence").values().iterator(chunk_size=2000):
            hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).digest()

    def verify() -> None:
        assert broken_link(chain) is None

    what = f"verifying {EVENTS:,} events on {vendor}"
    yardstick = processor_seconds(read_and_hash, 1)
    return Ratio(what, "reading and hashing them once", processor_seconds(verify, 1), yardstick, at_most=2)
