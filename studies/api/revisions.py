"""Change what is on record: corrections, voids, and the choice between two people's readings."""

from typing import Any

from ninja import Router

from studies.access import ENTRY_ROLES
from studies.actions.record_measurements import record_measurements
from studies.actions.revise_measurements import (
    Revised,
    correct_measurement,
    keep_stored,
    void_measurement,
)
from studies.api import auth
from studies.api.declared import answers
from studies.api.measurements import result_out, row_of, rules_out, sent_row
from studies.api.problems import PROBLEMS
from studies.api.schemas import ChoiceIn, CorrectionIn, ResultOut, VoidIn
from studies.models import Measurement

router = Router(tags=["revisions"])
PLACE = "/measurements/{int:measurement_id}"


@router.post(f"{PLACE}/correction", response={200: ResultOut, **PROBLEMS}, operation_id="correct_measurement")
@answers(ENTRY_ROLES)
def correct(request, measurement_id: int, correction: CorrectionIn):
    """Put other values in place of a reading, with a reason; the reading must still be the current one."""
    revised = correct_measurement(
        measurement_id,
        row_of(correction),
        reason=correction.reason,
        client_id=correction.client_id,
        user=request.auth,
        at=auth.now(),
    )
    return _result(str(correction.client_id), revised)


@router.post(f"{PLACE}/void", response={200: ResultOut, **PROBLEMS}, operation_id="void_measurement")
@answers(ENTRY_ROLES)
def void(request, measurement_id: int, void: VoidIn):
    """Take a reading away, with a reason: undo. The place is then free for another reading."""
    revised = void_measurement(
        measurement_id, reason=void.reason, client_id=void.client_id, user=request.auth, at=auth.now()
    )
    return _result(str(void.client_id), revised)


@router.post(f"{PLACE}/choice", response={200: ResultOut, **PROBLEMS}, operation_id="choose_reading")
@answers(ENTRY_ROLES)
def choose(request, measurement_id: int, choice: ChoiceIn):
    """Settle a conflict: keep the stored reading, put the sent one in its place, or keep both as replicates."""
    sent = sent_row(choice.row)
    if choice.choice == "stored":
        kept = keep_stored(
            measurement_id,
            choice.row.model_dump(mode="json"),
            reason=choice.reason,
            user=request.auth,
            at=auth.now(),
        )
        return _result(sent.client_id, kept)
    if choice.choice == "sent":
        revised = correct_measurement(
            measurement_id,
            sent.row,
            reason=choice.reason,
            client_id=sent.client_id,
            user=request.auth,
            at=auth.now(),
        )
        return _result(sent.client_id, revised)
    stored = Measurement.objects.select_related("session__study").get(pk=measurement_id)
    (result,) = record_measurements(
        stored.session, [sent], user=request.auth, at=auth.now(), beside=stored, reason=choice.reason
    )
    return result_out(result)


def _result(client_id: str, revised: Revised) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "http_status": revised.http_status,
        "id": revised.measurement.pk,
        "stored": revised.stored,
        "rules": rules_out(revised.findings),
        "sent": None,
        "parked": False,
    }
