"""What a sheet needs before and while it is filled in: sessions due, the sheet, histories, mice to repeat."""

from random import Random
from typing import Any, Literal

from django.http import Http404
from ninja import Query, Router

from studies.access import ENTRY_ROLES, SCIENCE_READERS
from studies.actions.record_measurements import values_of
from studies.actions.revise_measurements import remeasure_list
from studies.actions.sheet_facts import SessionFacts, SheetMouse, StoredReading, closed_because, load_session
from studies.actions.sign import verify_signer
from studies.actions.sign_session import sign_session
from studies.api import auth
from studies.api.declared import answers
from studies.api.problems import PROBLEMS
from studies.api.schemas import HistoryOut, RemeasureOut, SessionsOut, SheetOut, SignatureIn, SignatureOut
from studies.endpoints import SIGNED_IN
from studies.models import Measurement, MeasurementSession, Mouse
from studies.validation import limits_json, windows
from studies.validation.replicates import agreement, cv_percent
from studies.worklist import DueSession, due_sessions

router = Router(tags=["sheets"])


@router.get("/sessions", response={200: SessionsOut, **PROBLEMS}, operation_id="sessions_due")
@answers(SIGNED_IN)
def sessions_due(request):
    """Sessions due or overdue, of every study the caller enters measurements in."""
    now = [due for due in due_sessions(request.auth, auth.now()) if due.urgency == "now"]
    return {"sessions": list(map(_due, now))}


def _due(due: DueSession) -> dict[str, Any]:
    state = "overdue" if due.days_until < 0 else "due"
    if due.measured:
        state = "partly done" if due.missing else "measured"
    return {
        "id": due.session.pk,
        "study": due.study.code,
        "due_on": due.due_on,
        "is_baseline": due.session.is_baseline,
        "state": state,
        "n_mice": due.mice,
        "n_done": due.measured,
        "places": sorted({" / ".join(filter(None, (one.room, one.rack))) for one in due.places} - {""}),
    }


@router.get("/sessions/{int:session_id}/sheet", response={200: SheetOut, **PROBLEMS}, operation_id="sheet")
@answers(ENTRY_ROLES)
def sheet(request, session_id: int, order: Literal["rack", "random"] = "rack"):
    """The session's mice with what is on record and what may be expected; `random` is one order a session."""
    session = MeasurementSession.objects.select_related("study").get(pk=session_id)
    return sheet_out(load_session(session), order)


def sheet_out(facts: SessionFacts, order: str) -> dict[str, Any]:
    session, study = facts.session, facts.study
    mice = list(facts.mice.values())
    if order == "random":
        Random(f"order of session {session.pk}").shuffle(mice)
    return {
        "id": session.pk,
        "study": study.code,
        "due_on": session.due_on,
        "is_baseline": session.is_baseline,
        "time_zone": study.time_zone,
        "volume_formula": study.volume_formula,
        "server_time": auth.now(),
        "closed_because": closed_because(session, study),
        "order": order,
        "limits": limits_json(facts.limits),
        "mice": [_mouse_out(facts, mouse) for mouse in mice],
    }


def _mouse_out(facts: SessionFacts, mouse: SheetMouse) -> dict[str, Any]:
    names = ("label", "room", "rack", "cage", "ear_tag", "rfid", "exited_on")
    return {
        "mouse": mouse.key,
        **{name: getattr(mouse, name) for name in names},
        "tumors": [_tumor_out(facts, mouse, number) for number in mouse.tumors or (1,)],
    }


def _tumor_out(facts: SessionFacts, mouse: SheetMouse, number: int) -> dict[str, Any]:
    known = facts.before(mouse, number)
    here = [one for one in facts.of_mouse(mouse.pk) if one.tumor == number and not one.is_void]
    day = facts.days[facts.session.pk]
    found = windows(known, day, facts.limits)
    volumes = [float(volume) for volume in map(facts.volume, here) if volume is not None]
    last = known.last
    return {
        "number": number,
        "readings": [_stored_out(facts, mouse, one) for one in here],
        "cv_percent": cv_percent(volumes),
        "previous": last and {
            "days_ago": day - last.day,
            **{n: getattr(last, n) for n in ("length_mm", "width_mm", "volume_mm3", "weight_g")},
        },
        "expected": {name: window and tuple(map(str, window)) for name, window in vars(found).items()},
    }  # fmt: skip


def _stored_out(facts: SessionFacts, mouse: SheetMouse, one: StoredReading) -> dict[str, Any]:
    return {**values_of(one, mouse.key), "id": one.pk, "observer": one.observer_name}


@router.get(
    "/sessions/{int:session_id}/history", response={200: HistoryOut, **PROBLEMS}, operation_id="history"
)
@answers(SCIENCE_READERS)
def history(request, session_id: int, mouse: str = Query(..., max_length=300)):
    """Every revision of every reading of a mouse of the session's study, with who, when and why."""
    study = MeasurementSession.objects.select_related("study").get(pk=session_id).study
    code, _, label = mouse.partition(f"{study.code}/")
    found = Mouse.objects.filter(study=study, label=label).first() if label and not code else None
    if found is None:
        raise Http404
    return {"revisions": revisions_of(found)}


def revisions_of(mouse: Mouse) -> list[dict[str, Any]]:
    rows = Measurement.objects.filter(mouse=mouse).select_related("session", "observer")
    rows = sorted(rows, key=lambda one: (one.recorded_at, one.pk), reverse=True)
    highest: dict[tuple, int] = {}
    for one in rows:
        place = (one.session_id, one.tumor_number, one.replicate)
        highest[place] = max(highest.get(place, 0), one.revision)
    return [
        {
            **values_of(one, mouse.key),
            "id": one.pk,
            "session_id": one.session_id,
            "due_on": one.session.due_on,
            "study_day": one.session.study_day,
            "is_void": one.is_void,
            "is_current": highest[one.session_id, one.tumor_number, one.replicate] == one.revision,
            "observer": str(one.observer) if one.observer else one.observer_name,
            "reason": one.reason,
            "confirmations": one.confirmations,
            "limits_version": one.limits_version,
        }
        for one in rows
    ]


@router.get(
    "/sessions/{int:session_id}/remeasures",
    response={200: RemeasureOut, **PROBLEMS},
    operation_id="remeasures",
)
@answers(ENTRY_ROLES)
def remeasures(request, session_id: int):
    """A random tenth of the mice measured, to be measured again blind, and the agreement so far."""
    session = MeasurementSession.objects.select_related("study").get(pk=session_id)
    facts = load_session(session)
    measured, volumes = [], []
    for mouse in facts.mice.values():
        here = [one for one in facts.of_mouse(mouse.pk) if not one.is_void]
        if any(one.replicate == 1 and one.length_mm for one in here):
            measured.append(mouse.key)
        for number in {one.tumor for one in here}:
            found = [facts.volume(one) for one in here if one.tumor == number]
            volumes.append([float(volume) for volume in found if volume])
    so_far = agreement(volumes)
    return {
        "mice": remeasure_list(session, measured),
        "n_agreement": so_far.n_mice,
        "cv_percent": so_far.cv_percent,
        "icc": so_far.icc,
    }


@router.post(
    "/sessions/{int:session_id}/signature",
    response={200: SignatureOut, **PROBLEMS},
    operation_id="sign_session",
)
@answers(ENTRY_ROLES)
def sign(request, session_id: int, signature: SignatureIn):
    """Close the session: a sheet is complete only when it is signed. 422 says what is missing or wrong."""
    now = auth.now()
    signer = verify_signer(request.auth, signature.username, signature.password, now)
    signed = sign_session(session_id, signer, at=now)
    return {
        "id": signed.pk,
        "signer": signed.signer_name,
        "signed_at": signed.signed_at,
        "record_sha256": signed.record_sha256,
    }
