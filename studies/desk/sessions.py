"""The sessions of a study: when each cohort is measured, how far each is, and planning the next."""

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.shortcuts import redirect, render
from django.utils import timezone

from studies import access
from studies.actions.schedule import ScheduleRefused, plan_session, set_first_dose
from studies.days import local_date
from studies.endpoints import endpoint
from studies.models import Cohort, MeasurementSession, Study
from studies.terms import CohortKind, StudyState


class SessionForm(forms.Form):
    cohort = forms.ModelChoiceField(Cohort.objects.none(), required=False, empty_label="all mice on study")
    due_on = forms.DateField(label="Day", widget=forms.DateInput({"type": "date"}))
    is_baseline = forms.BooleanField(
        label="Baseline", required=False, help_text="Before the first dose; mice are randomized on it."
    )

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["cohort"].queryset = study.cohorts.order_by("name")


class FirstDoseForm(forms.Form):
    cohort = forms.ModelChoiceField(Cohort.objects.none())
    day0 = forms.DateField(
        label="First dose (day 0)",
        widget=forms.DateInput({"type": "date"}),
        help_text="Plans the sessions of the protocol's schedule, or moves those nobody began.",
    )
    reason = forms.CharField(
        label="Why it moves", required=False, max_length=2000, help_text="Needed where day 0 was set before."
    )

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        cohorts = study.cohorts.exclude(kind=CohortKind.EXPANSION).order_by("name")
        self.fields["cohort"].queryset = cohorts
        if not self.is_bound:
            self.initial["cohort"] = cohorts.filter(day0=None).first()


@dataclass(frozen=True)
class Line:
    """One session; `mice` have a reading in it."""

    session: MeasurementSession
    day: int | None
    mice: int

    @property
    def standing(self) -> str:
        if self.session.completed_at:
            return "done"
        return "under way" if self.mice else "planned"


@endpoint(access.SCIENCE_READERS, post=access.ENTRY_ROLES)
def sessions(request, code: str):
    study = access.study_or_404(request.user, code)
    today = local_date(timezone.now(), study.time_zone)
    act = request.POST.get("act")
    no_baseline = not study.sessions.filter(is_baseline=True).exists()
    planning = SessionForm(
        request.POST if act == "session" else None,
        study=study,
        initial={"due_on": today, "is_baseline": no_baseline},
    )
    dosing = FirstDoseForm(
        request.POST if act == "day0" else None, study=study, prefix="dose", initial={"day0": today}
    )
    if done := _plan(request, study, planning) or _set_first_dose(request, study, dosing):
        messages.success(request, done)
        return redirect("sessions", study.code)
    active = study.state == StudyState.ACTIVE
    context = {
        "nav": "studies",
        "study": study,
        "rows": _lines(study),
        "cohorts": study.cohorts.order_by("name"),
        "planning": planning,
        "dosing": dosing,
        "may_enter": access.may_enter_measurements(request.user, study),
        "may_plan": active and access.may_enter_measurements(request.user, study),
        "may_set_day0": active and access.may_randomize(request.user, study) and study.cohorts.exists(),
    }
    return render(request, "studies/desk/sessions.html", context, status=422 if act else 200)


def _plan(request, study: Study, form: SessionForm) -> str:
    if not form.is_valid():
        return ""
    told = form.cleaned_data
    try:
        made = plan_session(
            study, told["cohort"], told["due_on"], is_baseline=told["is_baseline"], actor=request.user,
            at=timezone.now(),
        )  # fmt: skip
    except ScheduleRefused as refused:
        form.add_error(None, str(refused))
        return ""
    return f"A session on {made.due_on:%-d %B %Y} is planned."


def _set_first_dose(request, study: Study, form: FirstDoseForm) -> str:
    if not form.is_valid():
        return ""
    told = form.cleaned_data
    try:
        planned = set_first_dose(
            told["cohort"], told["day0"], reason=told["reason"], actor=request.user, at=timezone.now()
        )
    except ScheduleRefused as refused:
        form.add_error(None, str(refused))
        return ""
    day = f"{told['day0']:%-d %B %Y}"
    return f"Cohort {told['cohort']} is first dosed on {day}; {planned} further sessions are planned."


def _lines(study: Study) -> list[Line]:
    found = study.sessions.select_related("cohort").annotate(
        mice=Count("measurements__mouse", distinct=True, filter=Q(measurements__isnull=False))
    )
    return [Line(one, _study_day(one), one.mice) for one in found.order_by("due_on", "study_day", "id")]


def _study_day(session: MeasurementSession) -> int | None:
    if session.study_day is not None:
        return int(session.study_day)
    day0 = session.cohort.day0 if session.cohort else None
    return (session.due_on - day0).days if day0 and session.due_on else None
