"""The doser's day: every dose due, from today's weight, and what became of it. No outcome; while blinded, no arm."""

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from studies import access
from studies.actions.dosing import DoseRefused, DueDose, due_doses, record_dose
from studies.actions.formulations import FormulationRefused, formulations_of, record_formulation
from studies.days import local_date
from studies.endpoints import endpoint
from studies.models import Agent, Formulation, Study
from studies.terms import DoseOutcome, StudyState

MAX_ML = 5


@dataclass(frozen=True)
class Sheet:
    """One study's doses of the day."""

    study: Study
    day: object
    lines: list[DueDose]

    @property
    def done(self) -> int:
        return sum(1 for line in self.lines if line.recorded)


class DoseForm(forms.Form):
    mouse = forms.IntegerField(min_value=1)
    number = forms.IntegerField(min_value=1, max_value=20)
    occasion = forms.IntegerField(min_value=1, max_value=4)
    outcome = forms.ChoiceField(choices=DoseOutcome.choices())
    given_ml = forms.FloatField(required=False, min_value=0, max_value=MAX_ML)
    reason = forms.CharField(required=False, max_length=2000)


class FormulationForm(forms.ModelForm):
    agent = forms.ModelChoiceField(Agent.objects.none())
    lot_code = forms.CharField(label="Lot", max_length=60)
    lot_expires_on = forms.DateField(label="Lot expires on", widget=forms.DateInput({"type": "date"}))
    field_order = ("agent", "lot_code", "lot_expires_on")

    class Meta:
        model = Formulation
        fields = (
            "code",
            "concentration_mg_per_ml",
            "vehicle",
            "made_on",
            "expires_on",
            "max_volume_ml_per_kg",
        )
        widgets = {name: forms.DateInput({"type": "date"}) for name in ("made_on", "expires_on")}

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["agent"].queryset = Agent.objects.filter(arm_agents__arm__study=study).distinct()

    def _post_clean(self) -> None:
        """The row is written and checked by its action."""


@endpoint(access.DOSE_SHEET_READERS, post=access.DOSE_SHEET_READERS, blinded_safe=False)
def doses(request):
    """The day's doses of every running study this person doses in; a POST says what became of one."""
    now = timezone.now()
    studies = access.studies_of(request.user, access.DOSE_SHEET_READERS).filter(state=StudyState.ACTIVE)
    refused: tuple[tuple[int, int, int], str] | None = None
    if request.method == "POST":
        form = DoseForm(request.POST)
        if form.is_valid():
            told = form.cleaned_data
            key = told["mouse"], told["number"], told["occasion"]
            study = studies.filter(mice=told["mouse"]).first()
            if study is None:
                raise Http404
            try:
                dose = record_dose(
                    study, key, told["outcome"], given_ml=told["given_ml"], reason=told["reason"],
                    actor=request.user, at=now,
                )  # fmt: skip
                messages.success(request, f"{dose.mouse.label}: {dose.get_outcome_display()}.")
                return redirect(f"{request.path}#dose-{told['mouse']}-{told['number']}-{told['occasion']}")
            except DoseRefused as error:
                refused = key, str(error)
        else:
            refused = (
                (0, 0, 0),
                "The dose could not be read: "
                + " ".join(message for found in form.errors.values() for message in found),
            )
    sheets = [
        Sheet(study, local_date(now, study.time_zone), due_doses(study, request.user, now))
        for study in studies
    ]
    context = {"nav": "doses", "sheets": sheets, "refused": refused, "outcomes": DoseOutcome.choices()}
    return render(request, "studies/entry/doses.html", context, status=422 if refused else 200)


@endpoint(access.DOSE_SHEET_READERS, post=access.DOSE_SHEET_READERS, blinded_safe=False)
def formulations(request, study_id: int):
    """What was prepared for a study, for those who fill syringes: it names agents, so nobody else reads it."""
    study = get_object_or_404(access.studies_of(request.user, access.DOSE_SHEET_READERS), pk=study_id)
    form = FormulationForm(request.POST or None, study=study)
    if request.method == "POST" and form.is_valid():
        told = dict(form.cleaned_data)
        lot = {
            "agent": told.pop("agent"),
            "code": told.pop("lot_code"),
            "expires_on": told.pop("lot_expires_on"),
        }
        try:
            made = record_formulation(study, told, lot, actor=request.user, at=timezone.now())
            messages.success(request, f"Formulation {made.code} is on record.")
            return redirect("formulations", study.pk)
        except FormulationRefused as error:
            form.add_error(None, str(error))
    context = {
        "nav": "doses",
        "study": study,
        "rows": formulations_of(study),
        "today": local_date(timezone.now(), study.time_zone),
        "form": form,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "studies/entry/formulations.html", context, status=status)
