"""Correct or void one reading, with a reason: a further revision, the last one staying on record."""

import re
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone

from studies import access
from studies.actions.revise_measurements import Revised, correct_measurement, void_measurement
from studies.endpoints import endpoint
from studies.entry.mouse_history import session_name
from studies.models import Measurement
from studies.terms import MeasurementStatus
from studies.validation import Row

NUMBERS = {
    "length_mm": "Length (mm)",
    "width_mm": "Width (mm)",
    "height_mm": "Height (mm)",
    "weight_g": "Weight (g)",
}
DONE = (200, 201)


class CorrectionForm(forms.Form):
    """Numbers stay text, so that the rules read them as they would at the cage."""

    status = forms.ChoiceField(choices=MeasurementStatus.choices())
    reason = forms.CharField(label="Why", max_length=2000)
    client_id = forms.UUIDField(widget=forms.HiddenInput)
    asked = forms.CharField(required=False, widget=forms.HiddenInput)
    stands = forms.BooleanField(
        label="These values stand; the reason answers the questions above", required=False
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name, label in NUMBERS.items():
            self.fields[name] = forms.CharField(
                label=label, required=False, max_length=20, widget=forms.TextInput({"inputmode": "decimal"})
            )
        self.order_fields([*NUMBERS, "status", "reason", "stands"])
        if not self.data.get("asked"):
            del self.fields["stands"]


@endpoint(access.ENTRY_ROLES, post=access.ENTRY_ROLES)
def correction(request, measurement_id: int):
    reading = _reading(request.user, measurement_id)
    form, told = CorrectionForm(request.POST or None, initial=_initial(reading)), None
    if request.method == "POST" and form.is_valid():
        told = _revise(request, reading, form.cleaned_data)
        if told.http_status in DONE:
            done = "voided" if told.measurement.is_void else "corrected"
            messages.success(request, f"The reading of {reading.mouse.label} is {done}.")
            return redirect("entry_mouse", reading.mouse_id)
        form = _asked_again(request.POST, told)
    context = {
        "nav": "today",
        "reading": reading,
        "session": session_name(reading),
        "form": form,
        "told": told,
        "stale": told is not None and told.http_status == 409,
    }
    return render(
        request, "studies/entry/correction.html", context, status=422 if told or form.errors else 200
    )


def _reading(user, pk: int) -> Measurement:
    studies = access.studies_of(user, access.ENTRY_ROLES)
    readings = Measurement.objects.filter(session__study__in=studies)
    found = readings.select_related("session__study", "mouse__study", "observer").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _initial(reading: Measurement) -> dict:
    numbers = {name: getattr(reading, name) for name in NUMBERS}
    shown = {name: "" if value is None else f"{value:g}" for name, value in numbers.items()}
    return {**shown, "status": reading.status, "client_id": uuid4()}


def _revise(request, reading: Measurement, told: dict) -> Revised:
    who = {"user": request.user, "at": timezone.now(), "client_id": str(told["client_id"])}
    if request.POST.get("act") == "void":
        return void_measurement(reading.pk, reason=told["reason"], **who)
    rules = re.findall(r"R\d+", told["asked"]) if told.get("stands") else []
    row = Row(
        mouse=reading.mouse.key,
        **{name: told[name] or None for name in NUMBERS},
        status=told["status"],
        signs=tuple(sign for sign in reading.signs.split(",") if sign),
        device=reading.device,
        observed_at=reading.observed_at or reading.recorded_at,
        confirmations=dict.fromkeys(rules, told["reason"]),
    )
    return correct_measurement(reading.pk, row, reason=told["reason"], **who)


def _asked_again(sent, told: Revised) -> CorrectionForm:
    """The form as it was sent; where the rules only ask, with a tick that answers them."""
    data = sent.copy()
    open_ones = [] if any(one.is_hard for one in told.findings) else [one.rule for one in told.findings]
    data["asked"] = ",".join(open_ones)
    return CorrectionForm(data)
