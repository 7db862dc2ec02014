"""The list of studies a person has a part in, searchable."""

from dataclasses import dataclass
from datetime import date

from django.core.paginator import Paginator
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.shortcuts import render

from studies import access
from studies.endpoints import SIGNED_IN, endpoint
from studies.models import Measurement, MeasurementSession, Mouse, Study, User
from studies.terms import StudyState

PAGE_SIZE = 50


@dataclass(frozen=True)
class StudyRow:
    """A study with what the list says of it; counts are None where the person may not see its science."""

    study: Study
    mice: int | None = None
    pdx_models: int | None = None
    last_visit_day: float | None = None
    last_visit_on: date | None = None


@endpoint(SIGNED_IN)
def study_list(request):
    query = request.GET.get("q", "").strip()
    state = request.GET.get("state", "")
    studies = found(request.user, query, state)
    page = Paginator(studies, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "nav": "studies",
        "page": page,
        "rows": rows(request.user, list(page.object_list)),
        "query": query,
        "state": state,
        "states": StudyState.choices(),
        "filtered": bool(query or state),
        "may_begin": access.may_begin_studies(request.user),
    }
    return render(request, "studies/desk/study_list.html", context)


def found(user: User, query: str, state: str) -> QuerySet[Study]:
    """The person's studies in `state` whose code, title or protocol hold every word of `query`.

    PDX models are searched too, where the person may see them: a hit would tell that a model is there.
    """
    studies = access.studies_of(user)
    science = access.studies_of(user, access.SCIENCE_READERS).values("pk")
    for word in query.split():
        of_model = Mouse.objects.filter(study=OuterRef("pk"), study__in=science).filter(
            Q(pdx_model__code__icontains=word) | Q(pdx_model__cancer_type__icontains=word)
        )
        studies = studies.filter(
            Q(code__icontains=word)
            | Q(title__icontains=word)
            | Q(protocol_number__icontains=word)
            | Exists(of_model)
        )
    return studies.filter(state=state) if state in StudyState.values() else studies


def described(user) -> list[StudyRow]:
    return rows(user, list(access.studies_of(user)))


def rows(user, studies: list[Study]) -> list[StudyRow]:
    """One row a study, counted in two queries for all of them together."""
    readable = access.studies_of(user, access.SCIENCE_READERS).filter(pk__in=[s.pk for s in studies])
    mice = {
        row["study"]: row
        for row in Mouse.objects.filter(study__in=readable)
        .order_by()
        .values("study")
        .annotate(mice=Count("pk"), pdx_models=Count("pdx_model", distinct=True))
    }
    visits = {
        row["study"]: row
        for row in MeasurementSession.objects.filter(study__in=readable)
        .filter(Exists(Measurement.objects.filter(session=OuterRef("pk"))))
        .order_by()
        .values("study")
        .annotate(day=Max("study_day"), on=Max("due_on"))
    }
    may_read = set(readable.values_list("pk", flat=True))
    return [
        _row(study, mice.get(study.pk), visits.get(study.pk)) if study.pk in may_read else StudyRow(study)
        for study in studies
    ]


def _row(study: Study, mice: dict | None, visit: dict | None) -> StudyRow:
    mice, visit = mice or {}, visit or {}
    return StudyRow(study, mice.get("mice", 0), mice.get("pdx_models", 0), visit.get("day"), visit.get("on"))
