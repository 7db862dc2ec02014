"""Rows that came when their study or session took none: the director stores or discards each, with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from studies import access
from studies.actions.parked_rows import NotSettled, discard_parked, store_parked
from studies.endpoints import endpoint
from studies.models import Measurement, ParkedRow, Study

WAITING = ParkedRow.Outcome.WAITING
NUMBERS = (("length_mm", "mm"), ("width_mm", "mm"), ("height_mm", "mm"), ("weight_g", "g"))


@dataclass(frozen=True)
class Line:
    """A parked row as the page tells it; `there` is the reading that has its place by now."""

    parked: ParkedRow
    values: str
    there: Measurement | None

    @property
    def is_waiting(self) -> bool:
        return self.parked.outcome == WAITING


@endpoint(access.SCIENCE_READERS, post=access.SET_UP_ROLES)
def parked_rows(request, code: str):
    study = access.study_or_404(request.user, code)
    if request.method == "POST":
        _decide(request, study)
        return redirect("parked_rows", study.code)
    lines = list(_lines(study))
    context = {
        "nav": "studies",
        "study": study,
        "waiting": [line for line in lines if line.is_waiting],
        "settled": [line for line in lines if not line.is_waiting],
        "may_decide": bool(access.roles_in(request.user, study) & access.SET_UP_ROLES),
    }
    return render(request, "studies/desk/parked.html", context)


def _decide(request, study: Study) -> None:
    named = request.POST.get("row", "")
    rows = ParkedRow.objects.filter(session__study=study)
    if not named:
        return messages.error(request, "Nothing was decided: no row was named.")
    parked = get_object_or_404(rows, pk=int(named) if named.isdecimal() else 0)
    decide = store_parked if request.POST.get("decision") == "store" else discard_parked
    reason = request.POST.get("reason", "").strip()
    try:
        decide(parked.pk, reason=reason, user=request.user, at=timezone.now())
    except NotSettled as refused:
        messages.error(request, f"{parked.row['mouse']} still waits: {refused}.")
    else:
        done = "stored" if decide is store_parked else "discarded"
        messages.success(request, f"The row of {parked.row['mouse']} is {done}.")


def _lines(study: Study) -> Iterator[Line]:
    rows = ParkedRow.objects.filter(session__study=study).select_related("session", "user", "settled_by")
    for parked in rows:
        parts = [f"{parked.row[name]} {unit}" for name, unit in NUMBERS if parked.row[name] not in (None, "")]
        words = [str(parked.row["status"]).replace("_", " "), *parked.row["signs"]]
        told = [word for word in words if word not in ("", "measured")]
        yield Line(parked, ", ".join([*parts, *told]), _reading_there(study, parked))


def _reading_there(study: Study, parked: ParkedRow) -> Measurement | None:
    label = parked.row["mouse"].removeprefix(f"{study.code}/")
    place = {"tumor_number": parked.row["tumor"], "replicate": parked.row["replicate"]}
    readings = Measurement.objects.valid().exclude(client_id=parked.client_id).select_related("observer")
    return readings.filter(session=parked.session, mouse__study=study, mouse__label=label, **place).first()
