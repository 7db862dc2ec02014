"""Step 5: who is enrolled, when mice are measured, how volumes are taken, and the humane limits."""

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction

from studies.actions.set_up import CRITERIA_FIELDS, LIMIT_FIELDS, SetUpRefused, save_draft_fields, save_limits
from studies.desk.set_up.fields import DaysField, plain_numbers
from studies.desk.set_up.steps import after_saving, by, refused, show, step_view
from studies.models import Study, WelfareLimits

DEFAULT_DAYS = (0, 3, 7, 10, 14, 17, 21)


class CriteriaForm(forms.ModelForm):
    schedule_days = DaysField(
        label="Measurement days",
        help_text="Study days on which every mouse is measured; day 0 is the first dose.",
    )

    class Meta:
        model = Study
        fields = CRITERIA_FIELDS

    def clean_schedule_days(self) -> list[int]:
        return list(self.cleaned_data["schedule_days"])


class LimitsForm(forms.ModelForm):
    class Meta:
        model = WelfareLimits
        fields = LIMIT_FIELDS


@step_view("criteria")
def criteria(request, study: Study):
    limits = study.welfare_limits.order_by("-version").first()
    data = request.POST or None
    start = {} if study.schedule_days else {"schedule_days": DEFAULT_DAYS}
    form = CriteriaForm(data, instance=Study.objects.get(pk=study.pk), initial=start)
    limits_form = LimitsForm(data, instance=limits or WelfareLimits(study=study), prefix="limits")
    plain_numbers(form)
    plain_numbers(limits_form)
    if request.method == "POST" and form.is_valid() and limits_form.is_valid():
        try:
            with transaction.atomic():
                save_draft_fields(study, form.cleaned_data, by(request))
                save_limits(study, limits_form.cleaned_data, "Humane limits of the protocol.", by(request))
            return after_saving(request, study, "criteria")
        except (SetUpRefused, ValidationError) as error:
            refused(form, error)
    return show(request, study, "criteria", form=form, limits_form=limits_form)
