"""Step 1: title, protocol number, biomarker, time zone."""

from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError

from studies.actions.set_up import SetUpRefused, save_draft_fields
from studies.desk.set_up.steps import after_saving, by, refused, show, step_view
from studies.models import Study, User


class ProtocolForm(forms.ModelForm):
    class Meta:
        model = Study
        fields = ("title", "protocol_number", "director", "biomarker", "time_zone")
        widgets = {"time_zone": forms.TextInput(attrs={"list": "time-zones"})}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["protocol_number"].help_text = "The number under which the animal work is approved."
        self.fields["time_zone"].help_text = "Where the animals are: decides which day a visit belongs to."
        people = User.objects.filter(is_active=True, memberships__study=self.instance.pk)
        self.fields["director"].queryset = people.distinct().order_by("full_name", "username")


@step_view("protocol")
def protocol(request, study: Study):
    # The form's instance is a copy: what is written goes through the action.
    form = ProtocolForm(request.POST or None, instance=Study.objects.get(pk=study.pk))
    if request.method == "POST" and form.is_valid():
        try:
            save_draft_fields(study, form.cleaned_data, by(request))
            return after_saving(request, study, "protocol")
        except (SetUpRefused, ValidationError) as error:
            refused(form, error)
    return show(request, study, "protocol", form=form, time_zones=sorted(available_timezones()))
