"""Measurements of a session: send rows, get receipts."""

from datetime import datetime

from ninja import Header, Router

from studies.access import ENTRY_ROLES
from studies.actions.record_measurements import RowResult, SentRow, record_measurements
from studies.api.auth import now
from studies.api.declared import answers
from studies.api.problems import PROBLEMS
from studies.api.schemas import ResultsOut, RowIn, SheetIn
from studies.models import MeasurementSession
from studies.validation import Row

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
    session = MeasurementSession.objects.get(pk=session_id)
    results = record_measurements(
        session,
        [_sent(row) for row in sheet.rows],
        user=request.auth,
        at=now(),
        key=idempotency_key,
        body=[row.model_dump() for row in sheet.rows],
    )
    return {"results": [result_out(result) for result in results]}


def _sent(row: RowIn) -> SentRow:
    return SentRow(
        client_id=row.client_id,
        observed_text=row.observed_at,
        row=Row(
            mouse=row.mouse,
            tumor=row.tumor,
            replicate=row.replicate,
            observed_at=read_moment(row.observed_at),
            length_mm=row.length_mm,
            width_mm=row.width_mm,
            height_mm=row.height_mm,
            weight_g=row.weight_g,
            status=row.status or "",
            device=row.device or "",
            confirmations={one.rule: one.reason for one in row.confirmations},
            scanned=row.scanned or "",
            shortest_interval_ms=row.shortest_interval_ms,
        ),
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
        "rules": [
            {"id": one.rule, "field": one.field, "message": one.message, "severity": str(one.severity)}
            for one in result.findings
        ],
        "sent": result.sent,
        "parked": result.is_parked,
    }
