"""Sign a measurement sheet: it is complete when nothing is left unsaid and its signer's password says so."""

from datetime import datetime

from django.db import transaction

from studies.actions.audit import record_event, study_chain
from studies.actions.revisions import HASHED, rows_sha256
from studies.actions.sheet_facts import SessionFacts, closed_because, load_session
from studies.actions.sign import Signer, sign
from studies.actions.welfare import unanswered_reds
from studies.models import Measurement, MeasurementSession, Signature
from studies.terms import SignatureMeaning, SignedAct
from studies.wording import mice, noun


class NotSignable(ValueError):
    """A sheet that cannot be signed now; the message names what is missing."""


def unmeasured(facts: SessionFacts) -> list[str]:
    """Mice of the sheet, in the study after its day and not excluded, of which a tumor has neither reading nor code."""
    seen = {(one.mouse_id, one.tumor) for one in facts.here if not one.is_void}
    due = facts.session.due_on
    return [
        mouse.key
        for mouse in facts.mice.values()
        if not mouse.is_excluded
        if not mouse.has_left or (mouse.exited_on and due and mouse.exited_on > due)
        if any((mouse.pk, number) not in seen for number in mouse.tumors or (1,))
    ]


def session_record(session: MeasurementSession) -> dict:
    """What a signature of the sheet binds: its readings, one hash over every revision of them."""
    rows = Measurement.objects.filter(session=session).order_by("id").values_list(*HASHED)
    return {
        "session": session.pk,
        "due_on": session.due_on.isoformat() if session.due_on else None,
        "revisions": len(rows),
        "rows_sha256": rows_sha256(rows),
    }


def sign_session(session_id: int, signer: Signer, *, at: datetime) -> Signature:
    """Close the session under the signer's name. Raises NotSignable, naming mice without a reading and
    red alerts nobody has answered (R10 and R13 want an action code)."""
    with transaction.atomic():
        locked = MeasurementSession.objects.select_for_update(of=("self",)).select_related("study")
        session = locked.get(pk=session_id)
        study = session.study
        if because := closed_because(session, study):
            raise NotSignable(because)
        if missing := unmeasured(load_session(session)):
            raise NotSignable(f"{mice(len(missing))} without a reading or a code: {', '.join(missing[:10])}")
        if reds := unanswered_reds(session):
            named = "; ".join(str(alert) for alert in reds[:10])
            raise NotSignable(
                f"say first what is done about {len(reds)} {noun(len(reds), 'red alert')}: {named}"
            )
        session.completed_at = at
        session.save(update_fields=["completed_at"])
        record = session_record(session)
        record_event(
            "completed a measurement session",
            session,
            actor=signer.user,
            at=at,
            chain=study_chain(study),
            study=study,
            new={"completed_at": at.isoformat(), **record},
        )
        return sign(
            session, record, signer, act=SignedAct.SHEET, meaning=SignatureMeaning.ENTERED, study=study
        )
