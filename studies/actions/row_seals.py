"""Seal every row an act wrote into its audit event, and find the rows that no longer fit their last seal.

The database itself notes which rows a transaction wrote (studies/triggers.py), so no code can write a
sealed table past the audit unseen. A seal is an HMAC under AUDIT_KEY over the row's columns: it tells
nothing of the row to those who read the event, and nobody without the key can make one that fits. The
columns are named beside the seals, so that a later version with more columns still reads them.

Of a row that was written anew the event also seals what it was before ("was"). Where that is not what the
audit had said last, somebody had changed it by hand: the act goes through, and its event tells for good.
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

    A row that was deleted has the seal None; "was" has the seals of before, of rows there were. None
    where nothing was written.
    """
    by_table: dict[str, dict[int, Any]] = defaultdict(dict)
    for (table, key), before in triggers.take_notes(connection).items():
        by_table[table][key] = before
    return {
        table: seals(table, notes) | {"was": _seals_of_before(table, notes)}
        for table, notes in sorted(by_table.items())
    } or None


def seals(table: str, keys: Iterable[int]) -> dict[str, Any]:
    """The seals of a table's rows as they are now."""
    columns = sealed_columns(table)
    return {"columns": columns, "seals": seals_under(table, columns, keys)}


def seals_under(table: str, columns: Sequence[str], keys: Iterable[int]) -> dict[str, str | None]:
    """Row id -> seal over these columns, as the rows are now."""
    rows = dict.fromkeys(keys) | dict(_stored(table, sorted(keys), columns))
    return {str(key): row and seal_of_row(table, columns, row) for key, row in rows.items()}


def _seals_of_before(table: str, notes: dict[int, Any]) -> dict[str, str]:
    """Row id -> seal of what a note says the row was; nothing of rows that were not there."""
    columns, told = sealed_columns(table), {key: before for key, before in notes.items() if before}
    if not told:
        return {}  # without a query
    rows = triggers.rows_before(connection, table, columns, told.values())
    model = model_of(table)
    compiler = model._base_manager.all().query.get_compiler(connection=connection)
    fields = [model._meta.get_field(name).get_col(table) for name in columns]
    typed = compiler.apply_converters(rows, compiler.get_converters(fields))
    return {str(key): seal_of_row(table, columns, row) for key, row in zip(told, typed, strict=True)}


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
    models = apps.get_models(include_auto_created=True)
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


LastSeals = dict[str, dict[int, LastSeal]]


def unsealed_rows() -> Iterator[UnsealedRow]:
    """Rows of sealed tables that were changed, taken away or slipped in beneath the audit.

    Those of which an act has since written anew what it found are among them.
    """
    last: LastSeals = defaultdict(dict)
    yield from _read_seals(last)
    for table in triggers.SEALED:
        yield from _unsealed_of(table, last.get(table, {}))


def last_seals() -> LastSeals:
    """The last word on every row there is or was, by table and id."""
    last: LastSeals = defaultdict(dict)
    for _ in _read_seals(last):
        pass
    return last


def _read_seals(last: LastSeals) -> Iterator[UnsealedRow]:
    """Fill `last` event by event; tells of acts that found a row other than the event before had left it."""
    told = AuditEvent.objects.filter(rows__isnull=False).order_by("id")
    for chain, sequence, rows in told.values_list("chain", "sequence", "rows").iterator(chunk_size=2000):
        for table, said in rows.items():
            columns = tuple(said["columns"])
            for key, seal in said["seals"].items():
                if found := _found_changed(last[table].get(int(key)), said, key):
                    name = model_of(table)._meta.verbose_name
                    yield UnsealedRow(
                        chain, sequence, f"{name} {key} {found} beneath the audit before this event"
                    )
                last[table][int(key)] = LastSeal(chain, sequence, columns, seal)


def _found_changed(before: LastSeal | None, said: dict[str, Any], key: str) -> str | None:
    """What had been done by hand to a row that an event seals anew; None where nothing, or where it cannot be told.

    It cannot of events of before there was a "was", nor of seals over other columns.
    """
    if "was" not in said:
        return None
    was = said["was"].get(key)
    if before is None or before.seal is None:
        return was and ("was put back" if before else "was slipped in")
    if was is None:
        return "was taken away"
    is_comparable = tuple(said.get("was_columns", said["columns"])) == before.columns
    return "was changed" if is_comparable and was != before.seal else None


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


def rows_to_seal() -> Iterator[tuple[str, tuple[str, ...], list[int]]]:
    """Table, columns and keys of rows that are to be sealed after a migration.

    All rows of a table of which no event ever said a word (no columns), and those sealed last over fewer
    columns than the table has by now.
    """
    last = last_seals()
    for table in triggers.SEALED:
        keys = list(model_of(table)._base_manager.order_by("pk").values_list("pk", flat=True))
        if keys and table not in last:
            yield table, (), keys
        said, columns = last[table], set(sealed_columns(table))
        behind = [key for key in keys if key in said and set(said[key].columns) < columns]
        for older in sorted({said[key].columns for key in behind}):
            yield table, older, [key for key in behind if said[key].columns == older]
