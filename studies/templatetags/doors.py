"""Which entries of the main menu lead somewhere for the person signed in."""

from django import template

from studies import access
from studies.models import WelfareAlert
from studies.terms import StudyState

register = template.Library()
SHOWN = 3  # of the alerts that head a page; one more says that there are others


@register.simple_tag
def doors_of(user) -> dict[str, bool]:
    """Whether the person reads the science of any study, and so the registry; whether they dose in any."""
    held = access.roles_held(user)
    return {"science": bool(held & access.SCIENCE_READERS), "doses": bool(held & access.DOSE_SHEET_READERS)}


@register.simple_tag
def open_reds(user) -> list[WelfareAlert]:
    """Red alerts nobody has acknowledged, of running studies whose animals this person answers for or reads of."""
    if not getattr(user, "is_authenticated", False):  # an error page may know nobody
        return []
    studies = access.studies_of(user, access.SCIENCE_READERS).filter(state=StudyState.ACTIVE)
    reds = WelfareAlert.objects.filter(study__in=studies).red().open().select_related("study", "mouse")
    return list(reds[: SHOWN + 1])
