"""Store measurement revisions in bulk, and hash them so that one audit event can vouch for all.

A batch's hash runs over its rows in the order of their ids, each as one line of canonical JSON of
`HASHED`, so that it can be computed again from the database alone.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connections

from studies.actions.bulk import bulk_insert
from studies.models import ImportBatch, Measurement

HASHED = (
    "session_id",
    "mouse_id",
    "tumor_number",
    "replicate",
    "revision",
    "status",
    "length_mm",
    "width_mm",
    "height_mm",
    "reported_volume_mm3",
    "volume_method",
    "weight_g",
    "signs",
    "is_void",
    "observer_id",
    "observer_name",
    "device",
    "observed_at",
    "recorded_at",
    "client_id",
    "reason",
)
STORED = (*HASHED, "confirmations", "limits_version", "import_batch_id")
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str).encode


def rows_sha256(rows: Iterable[Sequence[Any]]) -> str:
    """SHA-256 over rows of values in the order of `HASHED`."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(_encode([_canonical(value) for value in row]).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def stored_sha256(batch: ImportBatch) -> str:
    """The hash of a batch's rows as the database holds them now: `batch.rows_sha256` if untouched."""
    rows = Measurement.objects.filter(import_batch=batch).order_by("id").values_list(*HASHED)
    return rows_sha256(rows.iterator(chunk_size=5000))


def insert_revisions(batch: ImportBatch, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of values in the order of `HASHED` as revisions of an import batch."""
    adapt = connections["default"].ops.adapt_datetimefield_value
    times = {name: place for place, name in enumerate(HASHED) if name in ("observed_at", "recorded_at")}

    def stored() -> Iterator[list[Any]]:
        for row in rows:
            values = [*row, "[]", "", batch.pk]
            for place in times.values():
                values[place] = adapt(values[place])
            yield values

    bulk_insert(Measurement, STORED, stored())


def _canonical(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
