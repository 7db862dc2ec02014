"""Begin a study: from scratch, from a template, or as a clone of another."""

from django import forms
from django.shortcuts import redirect, render

from studies import access
from studies.actions.protocol_facts import begin_from_template, clone_study
from studies.actions.set_up import SetUpRefused, begin_study
from studies.desk.set_up.steps import by, refused, step_address
from studies.endpoints import SIGNED_IN, endpoint
from studies.models import Study, StudyTemplate

RESERVED_CODES = frozenset({"new"})


class NewStudyForm(forms.Form):
    code = forms.CharField(
        max_length=60, help_text="Short and stable, such as PDX-MEK-02. It stands in addresses and on cards."
    )
    title = forms.CharField(
        max_length=200, help_text="Technicians read it, so it should not name an arm's effect."
    )
    begin = forms.ChoiceField(label="Begin", required=False)

    def __init__(self, *args, user, **kwargs):
        super().__init__(*args, **kwargs)
        clones = access.studies_of(user, access.SET_UP_ROLES).order_by("code")
        self.templates = {f"template-{row.pk}": row for row in StudyTemplate.objects.all()}
        self.clones = {f"clone-{row.pk}": row for row in clones}
        self.fields["begin"].choices = [
            ("", "from scratch"),
            ("From a template", [(key, row.name) for key, row in self.templates.items()]),
            ("As a clone, without its animals", [(key, str(row)) for key, row in self.clones.items()]),
        ]

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        if code.casefold() in RESERVED_CODES or "/" in code:
            raise forms.ValidationError("This code cannot stand in an address; take another.")
        return code

    def save(self, request) -> Study:
        code, title, begin = (self.cleaned_data[name] for name in ("code", "title", "begin"))
        if begin in self.templates:
            return begin_from_template(self.templates[begin], code, title, by(request))
        if begin in self.clones:
            return clone_study(self.clones[begin], code, title, by(request))
        return begin_study(code, title, by(request))


@endpoint(SIGNED_IN, post=SIGNED_IN)
def new_study(request):
    """The form, or for those who may not begin a study, who grants it."""
    if not access.may_begin_studies(request.user):
        return render(request, "studies/desk/set_up/new_study.html", {"nav": "studies"})
    initial = {"begin": request.GET.get("begin", "")}
    form = NewStudyForm(request.POST or None, user=request.user, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(step_address(form.save(request), "protocol"))
        except SetUpRefused as error:
            refused(form, error)
    return render(request, "studies/desk/set_up/new_study.html", {"nav": "studies", "form": form})
