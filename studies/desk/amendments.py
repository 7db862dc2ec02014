"""The amendments of a running protocol: what, why, from which day, and the signature under each."""

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render

from studies import access
from studies.actions.amendments import STUDY_FIELDS, Changes, amend_protocol, amendment_record
from studies.actions.set_up import LIMIT_FIELDS, SetUpRefused
from studies.actions.sign import SigningRefused, changed_after
from studies.desk.set_up.fields import DaysField, plain_numbers
from studies.desk.set_up.plan import ESTIMANDS
from studies.desk.signing import SigningForm
from studies.endpoints import endpoint
from studies.models import Study, WelfareLimits
from studies.models.protocol import signatures_of
from studies.terms import StudyState


class AmendmentForm(SigningForm):
    what = forms.CharField(
        label="What is amended", max_length=4000, widget=forms.Textarea({"rows": 3}),
        help_text="In words, as it should stand in the report.",
    )  # fmt: skip
    reason = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea({"rows": 2}))
    in_force_from = forms.DateField(
        label="In force from", widget=forms.DateInput({"type": "date"}), help_text="The first day it holds."
    )
    field_order = ("what", "reason", "in_force_from", "username", "password")


class StudyPartForm(forms.ModelForm):
    schedule_days = DaysField(label="Measurement days", required=False)

    class Meta:
        model = Study
        fields = STUDY_FIELDS

    def clean_schedule_days(self) -> list[int]:
        return list(self.cleaned_data["schedule_days"])


class LimitsPartForm(forms.ModelForm):
    class Meta:
        model = WelfareLimits
        fields = LIMIT_FIELDS


class PlanPartForm(forms.Form):
    """The keys of the plan that name no arm."""

    estimand = forms.ChoiceField(label="Primary outcome", choices=ESTIMANDS)
    day = forms.FloatField(label="Arms are compared on day", min_value=1)
    endpoint_fold = forms.FloatField(label="Endpoint: multiple of baseline", min_value=1.01)
    alpha = forms.FloatField(label="Significance level (two-sided)", min_value=0.001, max_value=0.5)


@endpoint(access.SCIENCE_READERS, post=access.SET_UP_ROLES)
def amendments(request, code: str):
    study = access.study_or_404(request.user, code)
    may_amend = bool(access.roles_in(request.user, study) & access.SET_UP_ROLES)
    may_amend = may_amend and study.state == StudyState.ACTIVE
    parts = _Parts(study, request.POST or None)
    form = AmendmentForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and parts.are_valid():
        try:
            told = form.cleaned_data
            made = amend_protocol(
                study, told["what"], told["reason"], told["in_force_from"], parts.changes(),
                form.signer(request),
            )  # fmt: skip
            messages.success(request, f"Amendment {made.number} is signed and in the record.")
            return redirect("amendments", study.code)
        except (SetUpRefused, SigningRefused) as error:
            form.refuse(error)
    rows = [
        (row, [(s, changed_after(s, amendment_record(row))) for s in signatures_of(row)])
        for row in study.amendments.select_related("made_by")
    ]
    context = {"nav": "studies", "study": study, "rows": rows, "form": form, "parts": parts,
               "may_amend": may_amend, "may_set_up": may_amend}  # fmt: skip
    return render(request, "studies/desk/amendments.html", context)


class _Parts:
    """What may change along, each shown as it stands now; what is left as it is is not part of the amendment."""

    def __init__(self, study: Study, data):
        limits = study.welfare_limits.order_by("-version").first()
        stored = study.analysis_plans.order_by("-version").first()
        self.plan_now = stored.plan if stored else {}
        self.study = StudyPartForm(data, instance=Study.objects.get(pk=study.pk), prefix="study")
        self.limits = LimitsPartForm(data, instance=limits or WelfareLimits(study=study), prefix="limits")
        self.plan = PlanPartForm(data, prefix="plan", initial=_shown(self.plan_now)) if stored else None
        for form in self.all():
            plain_numbers(form)

    def all(self) -> list[forms.BaseForm]:
        return [form for form in (self.study, self.limits, self.plan) if form]

    def titled(self) -> list[tuple[str, forms.BaseForm]]:
        return list(zip(("Protocol", "Humane limits", "Analysis plan"), self.all(), strict=False))

    def are_valid(self) -> bool:
        return not [form for form in self.all() if not form.is_valid()]

    def changes(self) -> Changes:
        plan = self.plan.cleaned_data if self.plan else {}
        changed = set(self.plan.changed_data) if self.plan else set()
        keys = {}
        if "estimand" in changed:
            keys["primary"] = {**self.plan_now.get("primary", {}), "estimand": plan["estimand"]}
        if "day" in changed:
            keys["day"], keys["window"] = plan["day"], [0, plan["day"]]
        if "endpoint_fold" in changed:
            keys["endpoint"] = {"fold": plan["endpoint_fold"]}
        if "alpha" in changed:
            keys["alpha"] = plan["alpha"]
        return Changes(self.study.cleaned_data, self.limits.cleaned_data, keys)


def _shown(plan: dict) -> dict:
    return {
        "estimand": plan.get("primary", {}).get("estimand", "slope"),
        "day": plan.get("day"),
        "endpoint_fold": plan.get("endpoint", {}).get("fold", 4),
        "alpha": plan.get("alpha", 0.05),
    }
