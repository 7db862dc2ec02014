"""Measurements of a session: send rows, get receipts."""

from collections.abc import Iterable
from datetime import datetime

from ninja import Header, Router

from studies.access import ENTRY_ROLES
from studies.actions.record_measurements import RowResult, SentRow, record_measurements
from studies.api import auth
from studies.api.declared import answers
from studies.api.problems import PROBLEMS
from studies.api.schemas import CorrectionIn, ResultsOut, RowIn, SheetIn
from studies.validation import Finding, Row

YEARS = range(1950, 9000)  # beyond, a change of time zone runs off the calendar

router = Router(tags=["measurements"])


@router.post("/sessions/{int:session_id}/measurements", response={200: ResultsOut, **PROBLEMS},
             operation_id="record_measurements")  # fmt: skip
@answers(ENTRY_ROLES)
def record(
    request,
    session_id: int,
    sheet: SheetIn,
    idempotency_key: str = Header("", alias="Idempotency-Key", max_length=200),
):
    """Store the rows of a sheet that the rules accept, each whole or not at all, and say what became of each."""
    results = record_measurements(
        request.named,
        [sent_row(row) for row in sheet.rows],
        user=request.auth,
        at=auth.now(),
        key=idempotency_key,
        body=[row.model_dump() for row in sheet.rows],
    )
    return {"results": [result_out(result) for result in results]}


def sent_row(row: RowIn) -> SentRow:
    return SentRow(row.client_id, row_of(row), row.observed_at)


def row_of(row: RowIn | CorrectionIn) -> Row:
    """A row for the rules; of a correction, mouse and tumor are those of the reading it corrects."""
    place = {
        name: getattr(row, name)
        for name in ("tumor", "replicate", "scanned", "shortest_interval_ms")
        if getattr(row, name, None) is not None
    }
    return Row(
        mouse=getattr(row, "mouse", ""),
        observed_at=read_moment(row.observed_at),
        length_mm=row.length_mm,
        width_mm=row.width_mm,
        height_mm=row.height_mm,
        weight_g=row.weight_g,
        status=row.status or "",
        signs=tuple(sorted(set(row.signs))),
        device=row.device or "",
        confirmations={one.rule: one.reason for one in row.confirmations},
        **place,
    )


def read_moment(text: str) -> datetime | None:
    """A moment with its time zone, or None: a local time without one could be another day elsewhere."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.year in YEARS else None


def result_out(result: RowResult) -> dict:
    return {
        "client_id": result.client_id,
        "http_status": result.http_status,
        "id": result.id,
        "stored": result.stored,
        "rules": rules_out(result.findings),
        "sent": result.sent,
        "parked": result.is_parked,
    }


def rules_out(findings: Iterable[Finding]) -> list[dict]:
    return [
        {"id": one.rule, "field": one.field, "message": one.message, "severity": str(one.severity)}
        for one in findings
    ]
