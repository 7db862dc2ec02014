"""Step 4: mice and cages, with generated ids, pasted, or from a file. Open while the study takes mice."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.shortcuts import redirect

from studies.actions.mice import Batch, Housing, add_mice, generated_rows, set_cohort_kind
from studies.actions.set_up import SetUpRefused
from studies.desk.set_up.steps import by, refused, show, step_address, step_view
from studies.imports import DEFECTS_SHOWN, ImportRefused
from studies.imports.mice import COLUMNS, read_mice
from studies.models import Study
from studies.terms import CohortKind, Sex

MOST_MICE = 2000
LARGEST_LIST_BYTES = 2_000_000
COMMON_STRAINS = (
    "NOD.Cg-Prkdc<scid> Il2rg<tm1Wjl>/SzJ (NSG)",
    "NOD.CB17-Prkdc<scid>/J (NOD-SCID)",
    "CB17-Prkdc<scid> (SCID)",
    "Foxn1<nu> (nude)",
)


class GenerateForm(forms.Form):
    """Ids, cages and ear tags for animals that have none yet; one row a PDX model."""

    cohort = forms.CharField(max_length=60, initial="A", help_text="Mice that are randomized together.")
    kind = forms.ChoiceField(label="Cohort for", choices=CohortKind.choices())
    mice_per_cage = forms.IntegerField(min_value=1, max_value=20, initial=5)
    born_on = forms.DateField(label="Birth date", required=False, widget=forms.DateInput({"type": "date"}))
    implanted_on = forms.DateField(
        label="Implanted on", required=False, widget=forms.DateInput({"type": "date"})
    )
    strain = forms.CharField(
        max_length=100, required=False, initial=COMMON_STRAINS[0],
        widget=forms.TextInput({"list": "strains"}),
    )  # fmt: skip
    source = forms.CharField(label="Supplier", max_length=100, required=False)
    site = forms.CharField(label="Implantation site", max_length=100, required=False, initial="right flank")
    room = forms.CharField(max_length=40, required=False)
    rack = forms.CharField(max_length=40, required=False)

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        self.rows = []
        planned = study.planned_pdx_models.filter(is_withdrawn=False).select_related(
            "pdx_model__sample__patient"
        )
        rows = list(planned)
        arms = study.arms.values_list("planned_mice", flat=True)
        share = sum(mice or 0 for mice in arms) // len(rows) if rows else 0
        left = 0 if study.mice.exists() else share
        for row in rows:
            self._add_row(row.pdx_model, left)

    def _add_row(self, model, mice: int) -> None:
        names = (f"mice-{model.pk}", f"sex-{model.pk}")
        self.fields[names[0]] = forms.IntegerField(
            label=f"Mice with {model.code}", min_value=0, max_value=MOST_MICE, required=False, initial=mice
        )
        self.fields[names[1]] = forms.ChoiceField(
            label=f"Sex of the mice with {model.code}", choices=Sex.choices(), initial=_host_sex(model)
        )
        self.rows.append((model, *(self[name] for name in names)))

    def clean(self):
        told = super().clean()
        if not any(told.get(f"mice-{model.pk}") for model, *_ in self.rows):
            self.add_error(None, "Say how many mice there are of at least one PDX model.")
        return told

    def batches(self) -> list[Batch]:
        told = self.cleaned_data
        return [
            Batch(model.code, told[f"mice-{model.pk}"], told[f"sex-{model.pk}"])
            for model, *_ in self.rows
            if told[f"mice-{model.pk}"]
        ]

    def housing(self) -> Housing:
        names = Housing.__dataclass_fields__
        return Housing(**{name: self.cleaned_data[name] for name in names})


def _host_sex(model) -> str:
    """The patient's sex, which hosts of hormone-dependent tumors share; female where it is not known."""
    patient = model.sample.patient if model.sample else None
    return patient.sex if patient and patient.sex else Sex.FEMALE


class ListForm(forms.Form):
    table = forms.CharField(label="Paste from a spreadsheet", required=False, strip=False,
                            widget=forms.Textarea({"rows": 8, "spellcheck": "false", "wrap": "off"}))  # fmt: skip
    file = forms.FileField(label="or choose a CSV file", required=False)

    def clean_file(self):
        file = self.cleaned_data["file"]
        if file and file.size > LARGEST_LIST_BYTES:
            raise forms.ValidationError("This file is over 2 MB; a list of mice is smaller.")
        return file

    def clean(self):
        told = super().clean()
        if not told.get("file") and not (told.get("table") or "").strip():
            raise forms.ValidationError("Paste a list or choose a file.")
        return told


@step_view("mice")
def mice(request, study: Study):
    way = request.POST.get("way", "")
    generate = GenerateForm(request.POST if way == "generate" else None, study=study)
    listed = ListForm(*((request.POST, request.FILES) if way == "list" else ()))
    defects = []
    if way in ("generate", "list"):
        form = generate if way == "generate" else listed
        if form.is_valid():
            try:
                found = _add(request, study, way, form)
                messages.success(request, f"{len(found)} mice were added.")
                return redirect(step_address(study, "mice"))
            except SetUpRefused as error:
                refused(form, error)
            except ImportRefused as error:
                defects = error.errors
    return show(request, study, "mice", generate=generate, listed=listed, defects=defects[:DEFECTS_SHOWN],
                defects_count=len(defects), way=way,
                columns=COLUMNS, strains=COMMON_STRAINS, **_housed(study))  # fmt: skip


def _add(request, study: Study, way: str, form):
    if way == "generate":
        rows, origin = generated_rows(study, form.batches(), form.housing()), "generated ids"
    else:
        file = form.cleaned_data["file"]
        rows = read_mice(file.read() if file else form.cleaned_data["table"])
        origin = f"file {file.name}" if file else "pasted list"
    if len(rows) > MOST_MICE:
        raise SetUpRefused(f"{len(rows)} mice at once; at most {MOST_MICE} are added in one go.")
    with transaction.atomic():
        found = add_mice(study, rows, by(request), origin)
        if way == "generate":
            told = form.cleaned_data
            set_cohort_kind(study, told["cohort"], CohortKind(told["kind"]), by(request))
    return found


def _housed(study: Study) -> dict:
    counted = study.mice.order_by("cohort__name", "pdx_model__code").values(
        "cohort__name", "cohort__kind", "pdx_model__code"
    )
    return {
        "summary": counted.annotate(mice=Count("pk"), cages=Count("cage", distinct=True)),
        "mice_count": study.mice.count(),
        "mice": study.mice.select_related("pdx_model", "cage", "cohort")[:MOST_MICE],
    }
