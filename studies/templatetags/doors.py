"""Which entries of the main menu lead somewhere for the person signed in."""

from typing import Any

from django import template
from django.db.models import F

from studies import access
from studies.endpoints import roles_held, study_ids
from studies.idle import idle_seconds
from studies.models import WelfareAlert
from studies.terms import StudyState

register = template.Library()
SHOWN = 3  # of the alerts that head a page; one more says that there are others


@register.simple_tag
def doors_of(request) -> dict[str, bool]:
    """Whether the person reads the science of any study, and so the registry; whether they dose in any."""
    held = roles_held(request)
    return {"science": bool(held & access.SCIENCE_READERS), "doses": bool(held & access.DOSE_SHEET_READERS)}


@register.simple_tag(takes_context=True)
def idle_after(context) -> int:
    """After how many seconds alone this screen locks; 0 is never."""
    request = context.get("request")
    return idle_seconds(request) if request else 0


@register.simple_tag(takes_context=True)
def open_reds(context) -> list[dict[str, Any]]:
    """Red alerts nobody has acknowledged, of running studies whose animals this person answers for or reads of."""
    request = context.get("request")
    if not hasattr(request, "user"):  # an error page may know nobody
        return []
    studies = study_ids(request, access.SCIENCE_READERS)
    reds = WelfareAlert.objects.filter(study__in=studies, study__state=StudyState.ACTIVE).red().open()
    told = reds.values("pk", "message", study_code=F("study__code"), label=F("mouse__label"))
    return list(told[: SHOWN + 1])
