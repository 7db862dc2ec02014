"""Step 2: the study's PDX models and the passage implanted of each."""

from dataclasses import dataclass

from django import forms

from studies import access
from studies.actions.set_up import SetUpRefused, set_pdx_models
from studies.desk.set_up.steps import after_saving, by, refused, show, step_view
from studies.models import Passage, PdxModel, Study


@dataclass(frozen=True)
class ModelChoice:
    """A PDX model of the registry as the step offers it; `status` is "" where it is hidden."""

    pdx_model: PdxModel
    passages: list[Passage]
    passage_id: int | None
    is_chosen: bool
    status: str
    status_label: str


@step_view("pdx-models")
def pdx_models(request, study: Study):
    form = forms.Form(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_pdx_models(study, _chosen(request), by(request))
            return after_saving(request, study, "pdx-models")
        except SetUpRefused as error:
            refused(form, error)
    return show(request, study, "pdx-models", form=form, choices=choices(request.user, study))


def choices(user, study: Study) -> list[ModelChoice]:
    """The registry, the study's own models first; the latest passage is offered."""
    planned = {row.pdx_model_id: row for row in study.planned_pdx_models.filter(is_withdrawn=False)}
    hidden = access.pdx_models_with_hidden_status(user)
    rows = PdxModel.objects.prefetch_related("passages", "genotype_calls", "status_overrules")
    found = [_choice(model, planned.get(model.pk), study.biomarker, model.pk in hidden) for model in rows]
    return sorted(found, key=lambda choice: (not choice.is_chosen, choice.pdx_model.code))


def _choice(model: PdxModel, row, gene: str, is_hidden: bool) -> ModelChoice:
    passages = sorted(model.passages.all(), key=lambda passage: (-passage.number, passage.label))
    latest = passages[0].pk if passages else None
    status = None if is_hidden else model.biomarker_status(gene)
    return ModelChoice(
        model,
        passages,
        row.passage_id if row else latest,
        row is not None,
        str(status or ""),
        status.label if status else "hidden",
    )


def _chosen(request) -> list[tuple[PdxModel, Passage | None]]:
    keys = [key for key in request.POST.getlist("pdx_model") if key.isdigit()]
    chosen = []
    for model in PdxModel.objects.filter(pk__in=keys):
        key = request.POST.get(f"passage-{model.pk}", "")
        chosen.append((model, Passage.objects.filter(pk=key).first() if key.isdigit() else None))
    return chosen
