"""Step 7: blinded or open, and who takes part in which role."""

from django import forms
from django.db import transaction

from studies.actions.set_up import SetUpRefused, save_draft_fields, set_members
from studies.desk.set_up.steps import after_saving, by, refused, show, step_view
from studies.models import Study, User
from studies.terms import Role

# What each role may do, in the words of the director who hands it out.
ROLE_WORDS = {
    Role.STUDY_DIRECTOR: "sets up, randomizes, decides",
    Role.TECHNICIAN: "measures; knows neither arms nor biomarker while blinded",
    Role.DOSER: "has the day's dose sheet; sees no outcomes",
    Role.VETERINARIAN: "alerts, weights, signs, exits",
    Role.STATISTICIAN: "analyzes; arms as masks until unblinding",
    Role.QUALITY_ASSURANCE: "reads the trail; changes nothing",
    Role.ALLOCATION_CUSTODIAN: "keeps the sealed allocation list; sees no outcomes",
    Role.REPORT_READER: "released reports",
}


class BlindingForm(forms.Form):
    is_blinded = forms.TypedChoiceField(
        label="Arms are",
        choices=[("yes", "blinded: nobody is shown which mouse is in which arm until the study is unblinded"),
                 ("no", "open: members with the role see arms from the start")],
        coerce=lambda word: word == "yes",
        widget=forms.RadioSelect,
    )  # fmt: skip

    def __init__(self, *args, people, **kwargs):
        super().__init__(*args, **kwargs)
        for role, words in ROLE_WORDS.items():
            self.fields[role] = forms.ModelMultipleChoiceField(
                people, required=False, label=role.label.capitalize(), help_text=words.capitalize() + ".",
                widget=forms.CheckboxSelectMultiple,
            )  # fmt: skip

    def people(self) -> list[tuple[User, Role]]:
        return [(user, role) for role in ROLE_WORDS for user in self.cleaned_data[role]]


@step_view("blinding")
def blinding(request, study: Study):
    people = User.objects.filter(is_active=True).order_by("full_name", "username")
    form = BlindingForm(request.POST or None, people=people, initial=_initial(study))
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                save_draft_fields(study, {"is_blinded": form.cleaned_data["is_blinded"]}, by(request))
                set_members(study, form.people(), by(request))
            return after_saving(request, study, "blinding")
        except SetUpRefused as error:
            refused(form, error)
    return show(request, study, "blinding", form=form)


def _initial(study: Study) -> dict:
    initial: dict = {"is_blinded": "yes" if study.is_blinded else "no"}
    for user, role in study.memberships.filter(is_active=True).values_list("user", "role"):
        initial.setdefault(role, []).append(user)
    return initial
