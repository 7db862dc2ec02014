"""A study's audit trail: who did what when, old, new, why; as a page, CSV and JSON. No arm while it is hidden."""

from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.text import slugify

from studies import access
from studies.endpoints import endpoint
from studies.models import AuditEvent, Study
from studies.wording import in_words

A_PAGE = 50
COLUMNS = [
    "sequence", "when_utc", "who", "role", "action", "object", "object_id", "old", "new", "why", "hash",
]  # fmt: skip
JSON = {"ensure_ascii": False, "indent": 1}


@endpoint(access.SCIENCE_READERS)
def audit_trail(request, code: str):
    study = access.study_or_404(request.user, code)
    events = _asked_for(request, study)
    kinds = (
        access.events_of(request.user, study).order_by("object_type").values_list("object_type", flat=True)
    )
    asked = request.GET.copy()
    asked.pop("page", None)
    context = {
        "nav": "studies",
        "study": study,
        "page": Paginator(events.order_by("-happened_at", "-pk"), A_PAGE).get_page(request.GET.get("page")),
        "kinds": list(kinds.distinct()),
        "asked": {name: request.GET.get(name, "") for name in ("object", "id")},
        "query": asked.urlencode(),
    }
    return render(request, "studies/desk/audit_trail.html", context)


@endpoint(access.SCIENCE_READERS)
def audit_csv(request, code: str):
    from studies.exports import long_csv

    study = access.study_or_404(request.user, code)
    rows = ({**row, **{name: _words(row[name]) for name in ("old", "new")}} for row in _rows(request, study))
    return HttpResponse(
        long_csv(COLUMNS, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{slugify(study.code)}-audit.csv"'},
    )


@endpoint(access.SCIENCE_READERS)
def audit_json(request, code: str):
    study = access.study_or_404(request.user, code)
    answer = JsonResponse(list(_rows(request, study)), safe=False, json_dumps_params=JSON)
    answer.headers["Content-Disposition"] = f'attachment; filename="{slugify(study.code)}-audit.json"'
    return answer


def _asked_for(request, study: Study) -> QuerySet[AuditEvent]:
    """The events this person may see, those of one kind of object or of one object where that is asked for."""
    events = access.events_of(request.user, study)
    if kind := request.GET.get("object"):
        events = events.filter(object_type=kind)
    if key := request.GET.get("id"):
        events = events.filter(object_id=key)
    return events


def _rows(request, study: Study) -> Iterator[dict[str, Any]]:
    events = _asked_for(request, study).order_by("chain", "sequence")
    for event in events.iterator(chunk_size=2000):
        yield {
            "sequence": event.sequence, "when_utc": f"{event.happened_at:%Y-%m-%d %H:%M:%S}",
            "who": event.actor_name, "role": event.actor_role, "action": event.action,
            "object": event.object_type, "object_id": event.object_id, "old": event.old, "new": event.new,
            "why": event.reason, "hash": event.hash,
        }  # fmt: skip


def _words(facts: dict[str, Any] | None) -> str:
    return in_words(facts) if facts else ""
