"""The deviation log of a study: what did not go by the protocol, and what was done about it."""

import re

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone

from studies import access
from studies.actions.amendments import RECORDS_DEVIATIONS, record_deviation
from studies.actions.set_up import By, SetUpRefused
from studies.actions.unlocking import unlocks_told
from studies.endpoints import endpoint
from studies.models import Deviation, Mouse, Study


def mice_named(study: Study, text: str) -> list[Mouse]:
    """The study's mice by their ids in a line of text. Raises ValidationError, naming those there are not."""
    told = [word for word in re.split(r"[,;\s]+", text) if word]
    found = {mouse.label: mouse for mouse in study.mice.filter(label__in=told)}
    if unknown := [label for label in told if label not in found]:
        raise forms.ValidationError(f"No mouse of this study: {', '.join(unknown)}.")
    return list(found.values())


class DeviationForm(forms.ModelForm):
    labels = forms.CharField(
        label="Mice concerned", required=False, help_text="Their ids, such as M001, M017; blank for none."
    )

    class Meta:
        model = Deviation
        fields = ("happened_on", "what", "impact", "measure", "corrects")
        widgets = {
            "happened_on": forms.DateInput({"type": "date"}),
            "what": forms.Textarea({"rows": 3}),
            "measure": forms.Textarea({"rows": 2}),
        }

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        self.study = study
        self.fields["corrects"].queryset = study.deviations.all()
        self.fields["corrects"].label_from_instance = lambda row: f"{row.number}: {row.what[:60]}"
        self.fields["corrects"].empty_label = "none, this is a new one"
        self.fields["corrects"].label = "Corrects the entry"
        self.order_fields(["happened_on", "what", "labels", "impact", "measure", "corrects"])

    def clean_labels(self) -> list[Mouse]:
        return mice_named(self.study, self.cleaned_data["labels"])

    def _post_clean(self) -> None:
        """The row is written and checked by its action."""


@endpoint(access.SCIENCE_READERS, post=RECORDS_DEVIATIONS)
def deviations(request, code: str):
    study = access.study_or_404(request.user, code)
    form = DeviationForm(request.POST or None, study=study)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            made = record_deviation(
                study, told["happened_on"], told["what"], told["impact"], told["measure"], told["labels"],
                By(request.user, timezone.now()), told["corrects"],
            )  # fmt: skip
            messages.success(request, f"Deviation {made.number} is on record.")
            return redirect("deviations", study.code)
        except SetUpRefused as error:
            for reason in error.reasons:
                form.add_error(None, reason)
    context = {
        "nav": "studies",
        "study": study,
        "unlocks": unlocks_told(study, timezone.now()),
        "rows": study.deviations.select_related("recorded_by", "corrects").prefetch_related("mice"),
        "form": form,
        "may_record": study.accepts_data and bool(access.roles_in(request.user, study) & RECORDS_DEVIATIONS),
    }
    return render(request, "studies/desk/deviations.html", context)
