"""Seal what stood on record before its table was sealed: once a table, in an event that says so."""

from django.db import connection, transaction
from django.utils import timezone

from studies import triggers
from studies.actions.audit import INSTALLATION, Act, record_events
from studies.actions.row_seals import model_of, seals, tables_never_sealed
from studies.models import AuditEvent


def seal_tables_of_before(using: str, **kwargs) -> None:
    """After a migration. A record without any event is new: its rows are sealed by the acts that write them."""
    if using != "default" or triggers.missing(connection) or not AuditEvent.objects.exists():
        return
    with transaction.atomic():
        for table in tables_never_sealed():
            rows = model_of(table)._base_manager.order_by("pk")
            sealed = seals(table, rows.values_list("pk", flat=True))
            act = Act(rows.first(), new={"table": table, "rows": len(sealed["seals"])})
            record_events("sealed rows of before", [act], actor=None, at=timezone.now(), chain=INSTALLATION,
                          rows={table: sealed})  # fmt: skip
