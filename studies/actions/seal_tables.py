"""Seal after a migration what no event has sealed yet: rows of a new table, and columns that came to be sealed.

Once for each, in an event that says so. Rows sealed before over fewer columns are held against that seal in it.
"""

from django.db import connection, transaction
from django.utils import timezone

from studies import triggers
from studies.actions.audit import INSTALLATION, Act, record_events
from studies.actions.row_seals import model_of, rows_to_seal, seals, seals_under
from studies.models import AuditEvent


def seal_tables_of_before(using: str, **kwargs) -> None:
    """After a migration. A record without any event is new: its rows are sealed by the acts that write them."""
    if using != "default" or triggers.missing(connection) or not AuditEvent.objects.exists():
        return
    with transaction.atomic():
        for table, columns, keys in rows_to_seal():
            sealed = seals(table, keys)
            if columns:
                sealed |= {"was_columns": columns, "was": seals_under(table, columns, keys)}
            act = Act(model_of(table)._base_manager.get(pk=keys[0]), new={"table": table, "rows": len(keys)})
            record_events("sealed rows of before", [act], actor=None, at=timezone.now(), chain=INSTALLATION,
                          rows={table: sealed})  # fmt: skip
