"""Where a study stands between draft and archive, every signature, and the step this person may sign next."""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone

from studies import access
from studies.actions import study_states
from studies.actions.set_up import SetUpRefused
from studies.actions.sign import Signer, SigningRefused, changed_after
from studies.actions.study_states import DIRECTS
from studies.actions.unlocking import (
    ASKS_FOR_UNLOCKING,
    MOST_HOURS,
    approve_unlock,
    next_revisions,
    pending_unlock,
    readings_told,
    request_unlock,
    unlocks_told,
)
from studies.desk.deviations import mice_named
from studies.desk.signing import ReasonedSigningForm, SigningForm
from studies.endpoints import endpoint
from studies.models import MeasurementSession, Mouse, Study
from studies.models.protocol import signatures_of
from studies.terms import Role, SignedAct, StudyState


class UnlockRequestForm(ReasonedSigningForm):
    """Which readings: those of these mice in these sessions."""

    labels = forms.CharField(label="Mice", help_text="Their ids, such as M001, M017.")
    sessions = forms.ModelMultipleChoiceField(MeasurementSession.objects.none(), label="Sessions")
    hours = forms.IntegerField(
        label="For how many hours", min_value=1, max_value=MOST_HOURS, initial=24,
        help_text="Then, and as soon as a reading has its correction, it is locked again by itself.",
    )  # fmt: skip
    field_order = ("labels", "sessions", "hours", "reason", "username", "password")

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        self.study = study
        self.fields["sessions"].queryset = study.sessions.select_related("study", "cohort")
        self.fields["sessions"].label_from_instance = _session_label

    def clean_labels(self) -> list[Mouse]:
        return mice_named(self.study, self.cleaned_data["labels"])


def _session_label(one: MeasurementSession) -> str:
    """Its day, and its cohort where it is one's."""
    return str(one).removeprefix(f"{one.study}, ") + (f", {one.cohort}" if one.cohort else "")


class ApprovalForm(SigningForm):
    """Names the request that was read, so that no other is approved in its place."""

    request = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args, study: Study, **kwargs):
        asked = pending_unlock(study)
        super().__init__(*args, initial={"request": asked and asked.pk}, **kwargs)


def _with_reason(act: Callable) -> Callable:
    return lambda study, signer, told: act(study, signer, told["reason"])


def _ask(study: Study, signer: Signer, told: dict) -> None:
    places = next_revisions(told["sessions"], told["labels"])
    request_unlock(study, signer, told["reason"], places, told["hours"])


def _approve(study: Study, signer: Signer, told: dict) -> None:
    approve_unlock(study, signer, told["request"])


@dataclass(frozen=True)
class Way:
    """A step that can be signed from here: its name in the form, its words, who may, its form and its act."""

    name: str
    title: str
    about: str
    roles: frozenset[Role]
    act: Callable[[Study, Signer, dict], object]
    form_class: type[SigningForm] = ReasonedSigningForm

    def form(self, study: Study, data) -> SigningForm:
        more = {"study": study} if self.form_class in (UnlockRequestForm, ApprovalForm) else {}
        return self.form_class(data, prefix=self.name, **more)


LOCK = Way("lock_data", "Lock the data", "Nothing is written after that: no reading, no import, no "
           "correction. Your signature covers every revision recorded.", DIRECTS,
           _with_reason(study_states.lock_data))  # fmt: skip
REQUEST = Way("request_unlock", "Ask to unlock readings", "Of these mice in these sessions, one correction each. "
              "Another person approves it; until then they stay locked. An earlier request is dropped.",
              ASKS_FOR_UNLOCKING, _ask, UnlockRequestForm)  # fmt: skip
APPROVE = Way("approve_unlock", "Approve the unlocking", "You are the second of two; the reason is theirs.",
              ASKS_FOR_UNLOCKING, _approve, ApprovalForm)  # fmt: skip
UNBLIND = Way("unblind_study", "Unblind the study", "Arms are shown by name to everybody with a role that "
              "reads them. This cannot be taken back.", DIRECTS,
              _with_reason(study_states.unblind_study))  # fmt: skip
ARCHIVE = Way("archive_study", "Archive the study", "The record is closed for good.", DIRECTS,
              _with_reason(study_states.archive_study))  # fmt: skip


def ways(study: Study, user) -> list[Way]:
    """The steps that leave from the study's state and are this person's to sign."""
    asked = pending_unlock(study)
    found = {
        StudyState.ACTIVE: [LOCK],
        StudyState.DATA_LOCKED: [UNBLIND, REQUEST],
        StudyState.UNBLINDED: [ARCHIVE, REQUEST],
    }.get(StudyState(study.state), [])
    if asked and asked.signer_id != user.pk:
        found.insert(0, APPROVE)
    roles = access.roles_in(user, study)
    return [way for way in found if roles & way.roles]


@endpoint(access.SCIENCE_READERS, post=ASKS_FOR_UNLOCKING)
def study_state(request, code: str):
    study = access.study_or_404(request.user, code)
    given = []
    for way in ways(study, request.user):
        form = way.form(study, request.POST if request.POST.get("way") == way.name else None)
        given.append((way, form))
        if form.is_bound and form.is_valid() and _taken(request, study, way, form):
            return redirect("study_state", study.code)
    asked = pending_unlock(study)
    context = {
        "nav": "studies",
        "study": study,
        "states": [(state, state.label, _place(state) <= _place(study.state)) for state in StudyState],
        "forms": given,
        "pending": asked,
        "asked_for": readings_told(asked.record["readings"]) if asked else [],
        "unlocks": unlocks_told(study, timezone.now()),
        "signatures": _signatures(study),
    }
    return render(request, "studies/desk/study_state.html", context)


def _taken(request, study: Study, way: Way, form: SigningForm) -> bool:
    try:
        way.act(study, form.signer(request), form.cleaned_data)
    except (SetUpRefused, SigningRefused) as error:
        form.refuse(error)
        return False
    messages.success(request, f"Signed: {way.title.lower()}.")
    return True


def _place(state: str) -> int:
    return list(StudyState).index(StudyState(state))


def _signatures(study: Study) -> list[tuple]:
    """Each signature under the study, with whether the data it covers are still as signed."""
    over_data = {SignedAct.DATA_LOCK, SignedAct.UNBLINDING, SignedAct.ARCHIVING}
    of_unlocking = {SignedAct.UNLOCK_REQUEST, SignedAct.UNLOCK}  # signed over what was about to change
    rows = list(signatures_of(study))
    data = study_states.data_record(study) if any(row.act in over_data for row in rows) else {}
    protocol = study_states.protocol_record(study)
    return [(row, changed_after(row, data if row.act in over_data else protocol))
            if row.act not in of_unlocking else (row, []) for row in rows]  # fmt: skip
