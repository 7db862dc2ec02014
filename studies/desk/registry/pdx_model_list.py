"""The PDX models of the registry, searchable; a status is shown, searched and filtered only where it may be seen."""

from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import Count, Max, Q, QuerySet
from django.shortcuts import render

from studies import access
from studies.desk.registry.passage_alerts import passage_alerts
from studies.endpoints import endpoint
from studies.models import PdxModel
from studies.models.pdx_mi import Completeness, pdx_mi
from studies.models.pdx_model import DEFAULT_GENE
from studies.terms import BiomarkerStatus, ModelKind

PAGE_SIZE = 50


@dataclass(frozen=True)
class RegistryRow:
    """A PDX model as the list shows it; `status` is None where it is hidden."""

    pdx_model: PdxModel
    status: BiomarkerStatus | None
    completeness: Completeness
    last_passage: int | None
    mice: int


@endpoint(access.SCIENCE_READERS)
def pdx_model_list(request):
    asked = {name: request.GET.get(name, "").strip() for name in ("q", "tissue", "kind", "status")}
    hidden = access.pdx_models_with_hidden_status(request.user)
    models = found(asked)
    rows = [row for row in described(models, request.user, hidden) if _fits(row, asked["status"])]
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "nav": "registry",
        "page": page,
        "asked": asked,
        "filtered": any(asked.values()),
        "gene": DEFAULT_GENE,
        "tissues": PdxModel.objects.exclude(cancer_type="").order_by("cancer_type")
        .values_list("cancer_type", flat=True).distinct(),
        "kinds": ModelKind.choices(),
        "statuses": BiomarkerStatus.choices(),
        "alerts": passage_alerts(request.user),
    }  # fmt: skip
    return render(request, "studies/desk/registry/pdx_model_list.html", context)


def found(asked: dict[str, str]) -> QuerySet[PdxModel]:
    models = PdxModel.objects.all()
    for word in asked["q"].split():
        models = models.filter(
            Q(code__icontains=word)
            | Q(cancer_type__icontains=word)
            | Q(sample__code__icontains=word)
            | Q(sample__diagnosis__icontains=word)
            | Q(sample__patient__diagnosis__icontains=word)
            | Q(sample__patient__code__icontains=word)
        )
    if asked["tissue"]:
        models = models.filter(cancer_type=asked["tissue"])
    return models.filter(kind=asked["kind"]) if asked["kind"] in ModelKind.values() else models


def described(models: QuerySet[PdxModel], user, hidden: frozenset[int]) -> list[RegistryRow]:
    studies = access.studies_of(user, access.SCIENCE_READERS)
    mice = dict(
        PdxModel.objects.filter(mice__study__in=studies)
        .annotate(n=Count("mice", filter=Q(mice__study__in=studies), distinct=True))
        .values_list("pk", "n")
    )
    rows = models.select_related("sample__patient", "parent").annotate(last=Max("passages__number"))
    return [
        RegistryRow(
            model,
            None if model.pk in hidden else model.biomarker_status(),
            pdx_mi(model),
            model.last,
            mice.get(model.pk, 0),
        )
        for model in rows.prefetch_related("genotype_calls", "status_overrules")
    ]


def _fits(row: RegistryRow, status: str) -> bool:
    """A hidden status fits no filter: what a filter leaves out would tell it."""
    return status not in BiomarkerStatus.values() or row.status == status
