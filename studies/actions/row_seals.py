"""Seal every row an act wrote into its audit event, and find the rows that no longer fit their last seal.

The database itself notes which rows a transaction wrote (studies/triggers.py), so no code can write a
sealed table past the audit unseen. A seal is an HMAC under AUDIT_KEY over the row's columns: it tells
nothing of the row to those who read the event, and nobody without the key can make one that fits. The
columns are named beside the seals, so that a later version with more columns still reads them.
"""

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import Model

from studies import triggers
from studies.models import AuditEvent

CHUNK = 500


def seals_of_written_rows() -> dict[str, Any] | None:
    """Table -> its columns and row id -> seal, of the rows this transaction wrote since the last event.

    A row that was deleted has the seal None. None where nothing was written.
    """
    by_table: dict[str, list[int]] = defaultdict(list)
    for table, key in triggers.take_notes(connection):
        by_table[table].append(key)
    return {table: seals(table, keys) for table, keys in sorted(by_table.items())} or None


def seals(table: str, keys: Iterable[int]) -> dict[str, Any]:
    """The seals of a table's rows as they are now."""
    columns = sealed_columns(table)
    rows = dict.fromkeys(keys) | dict(_stored(table, sorted(keys), columns))
    return {
        "columns": columns,
        "seals": {str(key): row and seal_of_row(table, columns, row) for key, row in rows.items()},
    }


def seal_of_row(table: str, columns: Sequence[str], row: Sequence[Any]) -> str:
    text = json.dumps(
        [table, dict(zip(columns, map(_plain, row), strict=True))],
        sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str,
    )  # fmt: skip
    return hmac.new(settings.AUDIT_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def sealed_columns(table: str) -> list[str]:
    fields = model_of(table)._meta.concrete_fields
    return [field.attname for field in fields if field.attname not in triggers.UNSEALED_COLUMNS]


def model_of(table: str) -> type[Model]:
    models = apps.get_app_config("studies").get_models(include_auto_created=True)
    return next(model for model in models if model._meta.db_table == table)


def _stored(table: str, keys: Sequence[int], columns: Sequence[str]) -> Iterator[tuple[int, tuple]]:
    rows = model_of(table)._base_manager
    for start in range(0, len(keys), CHUNK):
        found = rows.filter(pk__in=keys[start : start + CHUNK]).values_list("pk", *columns)
        yield from ((row[0], row[1:]) for row in found)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(value).hexdigest()
    return value.isoformat() if isinstance(value, date) else value


@dataclass(frozen=True)
class LastSeal:
    """The last word of the audit on one row: a seal under these columns, None where it was deleted."""

    chain: str
    sequence: int
    columns: tuple[str, ...]
    seal: str | None


@dataclass(frozen=True)
class UnsealedRow:
    """A row that is not what the audit says last, or of which it says nothing (`chain` and `sequence` None)."""

    chain: str | None
    sequence: int | None
    reason: str


def unsealed_rows() -> Iterator[UnsealedRow]:
    """Rows of sealed tables that were changed, taken away or slipped in beneath the audit."""
    last = _last_seals()
    for table in triggers.SEALED:
        yield from _unsealed_of(table, last.get(table, {}))


def _last_seals() -> dict[str, dict[int, LastSeal]]:
    last: dict[str, dict[int, LastSeal]] = defaultdict(dict)
    told = AuditEvent.objects.filter(rows__isnull=False).order_by("id")
    for chain, sequence, rows in told.values_list("chain", "sequence", "rows").iterator(chunk_size=2000):
        for table, said in rows.items():
            columns = tuple(said["columns"])
            for key, seal in said["seals"].items():
                last[table][int(key)] = LastSeal(chain, sequence, columns, seal)
    return last


def _unsealed_of(table: str, last: dict[int, LastSeal]) -> Iterator[UnsealedRow]:
    name = model_of(table)._meta.verbose_name
    columns = sealed_columns(table)
    present: set[int] = set()
    for row in model_of(table)._base_manager.order_by("pk").values("pk", *columns).iterator(chunk_size=2000):
        key = row["pk"]
        present.add(key)
        said = last.get(key)
        if said is None:
            yield UnsealedRow(None, None, f"{name} {key} has no audit event")
        elif said.seal is None:
            yield UnsealedRow(said.chain, said.sequence, f"{name} {key} was put back beneath the audit")
        elif not _fits(table, row, said):
            yield UnsealedRow(said.chain, said.sequence, f"{name} {key} was changed beneath the audit")
    for key in sorted(last.keys() - present):
        if last[key].seal is not None:
            reason = f"{name} {key} was taken away beneath the audit"
            yield UnsealedRow(last[key].chain, last[key].sequence, reason)


def _fits(table: str, row: dict[str, Any], said: LastSeal) -> bool:
    if not row.keys() >= set(said.columns):
        return False
    seal = seal_of_row(table, said.columns, [row[name] for name in said.columns])
    return hmac.compare_digest(seal, said.seal or "")


def tables_never_sealed() -> list[str]:
    """Sealed tables that hold rows of which no event ever said a word: those of before their seals."""
    told = set(_last_seals())
    return [name for name in triggers.SEALED if name not in told and model_of(name)._base_manager.exists()]
