"""Where a study stands between draft and archive, every signature, and the step this person may sign next."""

from dataclasses import dataclass

from django.contrib import messages
from django.shortcuts import redirect, render

from studies import access
from studies.actions import study_states
from studies.actions.set_up import SetUpRefused
from studies.actions.sign import SigningRefused, changed_after
from studies.actions.study_states import APPROVES_UNLOCKING, DIRECTS, pending_unlock
from studies.desk.signing import ReasonedSigningForm, SigningForm
from studies.endpoints import endpoint
from studies.models import Study
from studies.models.protocol import signatures_of
from studies.terms import Role, SignedAct, StudyState


@dataclass(frozen=True)
class Way:
    """A step that can be signed from here: its name in the form, its words, who may."""

    name: str
    title: str
    about: str
    roles: frozenset[Role]
    needs_reason: bool = True


LOCK = Way("lock_data", "Lock the data", "Nothing is written after that: no reading, no import, no "
           "correction. Your signature covers every revision recorded.", DIRECTS)  # fmt: skip
REQUEST = Way("request_unlock", "Ask to unlock the data", "Another person approves it; until then the data "
              "stay locked.", APPROVES_UNLOCKING)  # fmt: skip
APPROVE = Way("approve_unlock", "Approve the unlocking", "You are the second of two; the reason is theirs.",
              APPROVES_UNLOCKING, needs_reason=False)  # fmt: skip
UNBLIND = Way("unblind_study", "Unblind the study", "Arms are shown by name to everybody with a role that "
              "reads them. This cannot be taken back.", DIRECTS)  # fmt: skip
ARCHIVE = Way("archive_study", "Archive the study", "The record is closed for good.", DIRECTS)
ACTS = {
    "lock_data": study_states.lock_data,
    "request_unlock": study_states.request_unlock,
    "approve_unlock": study_states.approve_unlock,
    "unblind_study": study_states.unblind_study,
    "archive_study": study_states.archive_study,
}


def ways(study: Study, user) -> list[Way]:
    """The steps that leave from the study's state and are this person's to sign."""
    request = pending_unlock(study)
    second = [APPROVE] if request and request.signer_id != user.pk else []
    found = {
        StudyState.ACTIVE: [LOCK],
        StudyState.DATA_LOCKED: [UNBLIND, *(second if request else [REQUEST])],
        StudyState.UNBLINDED: [ARCHIVE],
    }.get(StudyState(study.state), [])
    roles = access.roles_in(user, study)
    return [way for way in found if roles & way.roles]


@endpoint(access.SCIENCE_READERS, post=APPROVES_UNLOCKING)
def study_state(request, code: str):
    study = access.study_or_404(request.user, code)
    offered = ways(study, request.user)
    forms = []
    for way in offered:
        form_class = ReasonedSigningForm if way.needs_reason else SigningForm
        form = form_class(request.POST if request.POST.get("way") == way.name else None, prefix=way.name)
        forms.append((way, form))
        if form.is_bound and form.is_valid() and _taken(request, study, way, form):
            return redirect("study_state", study.code)
    context = {
        "nav": "studies",
        "study": study,
        "states": [(state, state.label, _place(state) <= _place(study.state)) for state in StudyState],
        "forms": forms,
        "pending": pending_unlock(study),
        "signatures": _signatures(study),
    }
    return render(request, "studies/desk/study_state.html", context)


def _taken(request, study: Study, way: Way, form: SigningForm) -> bool:
    try:
        signer = form.signer(request)
        reason = (form.cleaned_data["reason"],) if way.needs_reason else ()
        ACTS[way.name](study, signer, *reason)
    except (SetUpRefused, SigningRefused) as error:
        form.refuse(error)
        return False
    messages.success(request, f"Signed: {way.title.lower()}.")
    return True


def _place(state: str) -> int:
    return list(StudyState).index(StudyState(state))


def _signatures(study: Study) -> list[tuple]:
    """Each signature under the study, with whether the data it covers are still as signed."""
    over_data = {SignedAct.DATA_LOCK, SignedAct.UNLOCK_REQUEST, SignedAct.UNBLINDING, SignedAct.ARCHIVING}
    rows = list(signatures_of(study))
    data = study_states.data_record(study) if any(row.act in over_data for row in rows) else {}
    protocol = study_states.protocol_record(study)
    return [(row, changed_after(row, data if row.act in over_data else protocol))
            if row.act != SignedAct.UNLOCK else (row, []) for row in rows]  # fmt: skip
