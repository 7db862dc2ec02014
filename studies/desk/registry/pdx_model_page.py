"""One PDX model: lineage, completeness, genotype calls with their evidence, the next passage."""

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from studies import access
from studies.actions.passages import overrule_status, record_passage
from studies.actions.set_up import By, SetUpRefused
from studies.desk.registry.lineage import lineage
from studies.desk.registry.passage_alerts import passage_alerts
from studies.endpoints import endpoint
from studies.models import Mouse, PdxModel, Study
from studies.models.pdx_mi import pdx_mi
from studies.models.pdx_model import DEFAULT_GENE
from studies.terms import BiomarkerStatus, CohortKind, StudyState


class OverruleForm(forms.Form):
    gene = forms.CharField(max_length=30, initial=DEFAULT_GENE)
    status = forms.ChoiceField(choices=BiomarkerStatus.choices())
    reason = forms.CharField(
        max_length=2000, widget=forms.Textarea({"rows": 2}),
        help_text="Which evidence outweighs the calls. Kept with the status and in the audit trail.",
    )  # fmt: skip


class PassageForm(forms.Form):
    donor = forms.ModelChoiceField(Mouse.objects.none(), label="Donor mouse")
    passaged_on = forms.DateField(widget=forms.DateInput({"type": "date"}))
    fragment = forms.CharField(max_length=100, required=False, initial="2 x 2 x 2 mm")
    label = forms.CharField(
        max_length=40, required=False, help_text="Where one passage is made several times."
    )

    def __init__(self, *args, donors, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["donor"].queryset = donors
        self.fields["donor"].label_from_instance = lambda mouse: f"{mouse.label} in {mouse.study.code}"


@endpoint(access.SCIENCE_READERS, post=access.SET_UP_ROLES, shared=True)
def pdx_model_page(request, pdx_model: str):
    rows = PdxModel.objects.select_related("sample__patient", "parent")
    model = get_object_or_404(rows.prefetch_related("genotype_calls", "status_overrules"), code=pdx_model)
    donors = _donors(request.user, model)
    way = request.POST.get("way", "")
    passage = PassageForm(request.POST if way == "passage" else None, donors=donors, prefix="passage")
    overrule = OverruleForm(request.POST if way == "overrule" else None, prefix="overrule")
    for name, form, act in (("passage", passage, _passage), ("overrule", overrule, _overrule)):
        if way == name and form.is_valid():
            try:
                messages.success(request, act(model, form, By(request.user, timezone.now())))
                return redirect("pdx_model", model.code)
            except SetUpRefused as error:
                for reason in error.reasons:
                    form.add_error(None, reason)
    return render(request, "studies/desk/registry/pdx_model_page.html", {
        **_context(request.user, model), "passage_form": passage, "overrule_form": overrule,
        "donors": donors,
    })  # fmt: skip


def _context(user, model: PdxModel) -> dict:
    shows_status = model.pk not in access.pdx_models_with_hidden_status(user)
    calls = model.genotype_calls.select_related("passage_tested").order_by("gene", "pk")
    genes = list(dict.fromkeys([DEFAULT_GENE, *(call.gene for call in calls)]))
    return {
        "nav": "registry",
        "pdx_model": model,
        "lineage": lineage(model, user),
        "completeness": pdx_mi(model),
        "shows_status": shows_status,
        "statuses": [(gene, model.biomarker_status(gene)) for gene in genes] if shows_status else [],
        "calls": calls if shows_status else [],
        "overrules": model.status_overrules.all() if shows_status else [],
        "gene": DEFAULT_GENE,
        "alerts": [alert for alert in passage_alerts(user) if alert.pdx_model == model.code],
        "may_overrule": access.may_overrule_status(user, model),
        "studies": _studies(user, model),
    }


def _studies(user, model: PdxModel):
    """The viewer's studies that use the PDX model, by its mice or its plan."""
    mice = Mouse.objects.filter(study=OuterRef("pk"), pdx_model=model)
    planned = model.planned_studies.filter(study=OuterRef("pk"), is_withdrawn=False)
    science = access.studies_of(user, access.SCIENCE_READERS)
    return science.filter(Exists(mice) | Exists(planned)).order_by("code")


def _donors(user, model: PdxModel):
    """Mice of expansion cohorts in studies this person directs."""
    open_states = (StudyState.DRAFT, StudyState.ACTIVE)
    studies = access.studies_of(user, access.SET_UP_ROLES).filter(state__in=open_states)
    return Mouse.objects.filter(
        pdx_model=model, cohort__kind=CohortKind.EXPANSION, study__in=Study.objects.filter(pk__in=studies)
    ).select_related("study")


def _passage(model: PdxModel, form: PassageForm, by: By) -> str:
    told = form.cleaned_data
    return f"{record_passage(told['donor'], told['passaged_on'], told['fragment'], told['label'], by)} is on record."


def _overrule(model: PdxModel, form: OverruleForm, by: By) -> str:
    told = form.cleaned_data
    made = overrule_status(model, told["gene"], BiomarkerStatus(told["status"]), told["reason"], by)
    return f"{made.gene} status of {model.code} is {made.get_status_display()} by overrule."
