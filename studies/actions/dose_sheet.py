"""The doser's sheet on paper: the doses due today, and why the other mice get none. Recorded before it is read."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from studies import access
from studies.actions.audit import allocation_chain, record_event
from studies.actions.dosing import DueDose, due_by_last_weight
from studies.actions.sealed_papers import PaperRefused, allocated, latest_weights
from studies.days import local_date
from studies.models import Mouse, Study, User

MICROLITERS_PER_ML = 1000.0


@dataclass(frozen=True)
class DoseLine:
    """One dose due today. Its volume rests on the weight of `weighed_on`, perhaps of an earlier day."""

    due: DueDose
    weighed_on: date | None
    weighed_today: bool

    @property
    def stop(self) -> str:
        """Why it is not to be given as it stands; empty where it is."""
        if self.due.holiday:
            return f"dosing holiday: {self.due.holiday}"
        return self.due.refusal if self.due.weight_g is not None else ""

    @property
    def volume_ul(self) -> float | None:
        amount = None if self.stop else self.due.amount
        return amount.ml * MICROLITERS_PER_ML if amount else None


@dataclass(frozen=True)
class DoseSheet:
    """The day's doses in rack order, and the mice without one: reason -> how many."""

    day: date
    lines: tuple[DoseLine, ...]
    not_due: dict[str, int]

    @property
    def stale(self) -> int:
        """Doses that rest on a weight of an earlier day."""
        return sum(not line.weighed_today for line in self.lines)

    @property
    def totals(self) -> dict[str, tuple[int, float]]:
        """Syringe -> doses and µL in all, for whoever draws them up."""
        volumes: dict[str, list[float]] = defaultdict(list)
        for line in self.lines:
            if line.volume_ul:
                volumes[line.due.syringe].append(line.volume_ul)
        return {syringe: (len(found), sum(found)) for syringe, found in sorted(volumes.items())}


def dose_sheet(study: Study, user: User, at: datetime) -> DoseSheet:
    """Today's sheet. Records first that it was made.

    Raises PermissionError for all but dosers, PaperRefused where no mouse is allocated.
    """
    if not access.may_read_dose_sheet(user, study):
        raise PermissionError(f"the dose sheet of study {study.code} is the doser's alone")
    today = local_date(at, study.time_zone)
    with transaction.atomic():
        if not allocated(study).exists():
            raise PaperRefused("No mouse is allocated yet, so there is nothing to dose.")
        due = due_by_last_weight(study, today)
        told = {"day": today.isoformat(), "mice": len({one.mouse_id for one in due}), "doses": len(due)}
        record_event("made a dose sheet", study, actor=user, at=at, chain=allocation_chain(study), study=study,
                     new=told)  # fmt: skip
        return DoseSheet(today, _lines(due, study, today), _not_due(study, due, today))


def _lines(due: Sequence[DueDose], study: Study, today: date) -> tuple[DoseLine, ...]:
    weights = latest_weights(study, today)
    days = [weights[one.mouse_id][0] if one.mouse_id in weights else None for one in due]
    return tuple(DoseLine(one, on, on == today) for one, on in zip(due, days, strict=True))


def _not_due(study: Study, due: Iterable[DueDose], today: date) -> dict[str, int]:
    mice = study.mice.exclude(pk__in={one.mouse_id for one in due})
    beside = ("cohort", "exit", "exclusion", "allocation")
    return dict(Counter(_why(mouse, today) for mouse in mice.select_related(*beside)).most_common())


def _why(mouse: Mouse, today: date) -> str:
    """Why no dose is due to the mouse today; says nothing of its arm."""
    if hasattr(mouse, "exit"):
        return "left the study"
    if hasattr(mouse, "exclusion"):
        return "excluded"
    if not hasattr(mouse, "allocation"):
        return "not randomized"
    if mouse.cohort is None or mouse.cohort.day0 is None:
        return "day 0 of its cohort is not set"
    if mouse.cohort.day0 > today:
        return f"first dose on {mouse.cohort.day0:%d %b %Y}"
    return "no dose due today"
