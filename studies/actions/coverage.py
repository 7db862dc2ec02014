"""Whether every row is still what the audit says: each compared with the event that vouches for it.

An import vouches for its rows by one hash, a session recorded as a whole by another; every other
revision has an event of its own that repeats its values. That a sheet was signed vouches for none of its rows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from studies.actions.anchors import broken_anchors
from studies.actions.audit import BrokenLink, broken_link, chains, study_chain
from studies.actions.revisions import HASHED, rows_sha256, stored_sha256
from studies.actions.row_seals import unsealed_rows
from studies.models import AuditEvent, ImportBatch, Measurement

CHUNK = 2000
COLUMNS = {field.attname for field in Measurement._meta.concrete_fields}


def broken_links() -> list[BrokenLink]:
    """Everything that does not hold: of the chains, the readings, the rows of other tables and the anchors."""
    links = [link for chain in chains() if (link := broken_link(chain))]
    return [*links, *uncovered_readings(), *changed_rows(), *broken_anchors()]


def changed_rows() -> Iterator[BrokenLink]:
    """Rows of every other table changed, lost or added beneath the audit."""
    for row in unsealed_rows():
        yield BrokenLink(row.chain, row.sequence, row.reason)


def uncovered_readings() -> Iterator[BrokenLink]:
    """Readings changed, lost or added beneath the audit: of imports, of whole sessions, and one by one."""
    yield from _changed_imports()
    covered: set[int] = set()
    yield from _changed_sessions(covered)
    yield from _changed_rows(covered)
    yield from _unrecorded(covered)


def _changed_imports() -> Iterator[BrokenLink]:
    for batch in ImportBatch.objects.select_related("study").order_by("pk"):
        if stored_sha256(batch) != batch.rows_sha256:
            reason = f"readings imported from {batch.file_name} were changed beneath the audit"
            yield BrokenLink(study_chain(batch.study), _sequence_of_import(batch), reason)


def _sequence_of_import(batch: ImportBatch) -> int | None:
    events = AuditEvent.objects.filter(object_type="importbatch", object_id=str(batch.pk))
    return events.order_by("sequence").values_list("sequence", flat=True).first()


def _changed_sessions(covered: set[int]) -> Iterator[BrokenLink]:
    """Sessions recorded as a whole, and signed sheets: their first `revisions` rows hash to what the event says."""
    for event in AuditEvent.objects.filter(object_type="measurementsession", new__has_key="rows_sha256"):
        stored = Measurement.objects.filter(session_id=int(event.object_id)).order_by("id")
        rows = stored[: event.new["revisions"]]
        # A signature of the sheet tells it, and would hide a row slipped in before.
        if "completed_at" not in event.new:
            covered.update(rows.values_list("id", flat=True))
        if rows_sha256(rows.values_list(*HASHED)) != event.new["rows_sha256"]:
            reason = f"readings of session {event.object_id} were changed beneath the audit"
            yield BrokenLink(event.chain, event.sequence, reason)


def _changed_rows(covered: set[int]) -> Iterator[BrokenLink]:
    """Revisions with an event of their own: every column the event repeats must still say the same."""
    told = AuditEvent.objects.filter(object_type="measurement", new__has_key="revision").order_by("id")
    chunk: list[AuditEvent] = []
    for event in told.iterator(chunk_size=CHUNK):
        chunk.append(event)
        if len(chunk) == CHUNK:
            yield from _compare(chunk, covered)
            chunk = []
    yield from _compare(chunk, covered)


def _compare(events: list[AuditEvent], covered: set[int]) -> Iterator[BrokenLink]:
    keys = [int(event.object_id) for event in events]
    stored = {row["id"]: row for row in Measurement.objects.filter(pk__in=keys).values()}
    covered.update(stored)
    for key, event in zip(keys, events, strict=True):
        row = stored.get(key)
        if row is None:
            yield BrokenLink(event.chain, event.sequence, f"reading {key} was taken away beneath the audit")
            continue
        changed = sorted(
            name for name in COLUMNS & event.new.keys() if _plain(row[name]) != _plain(event.new[name])
        )
        if changed:
            reason = f"reading {key} was changed beneath the audit: {', '.join(changed)}"
            yield BrokenLink(event.chain, event.sequence, reason)


def _unrecorded(covered: set[int]) -> Iterator[BrokenLink]:
    rows = Measurement.objects.filter(import_batch__isnull=True).order_by("pk")
    for key, study in rows.values_list("pk", "session__study_id").iterator(chunk_size=CHUNK):
        if key not in covered:
            yield BrokenLink(f"study:{study}", None, f"reading {key} has no audit event")


def _plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value) if isinstance(value, UUID) else value
