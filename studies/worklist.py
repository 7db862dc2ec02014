"""Measurement sessions that wait for a person: due today, overdue, or next, and how far each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Exists, OuterRef

from studies import access
from studies.days import local_date
from studies.models import Exclusion, Exit, Measurement, MeasurementSession, Mouse, Study
from studies.terms import StudyState


@dataclass(frozen=True, order=True)
class Place:
    """A cage of a session with how many of its mice have a reading."""

    room: str
    rack: str
    cage: str
    mice: int
    measured: int

    @property
    def missing(self) -> int:
        return self.mice - self.measured


@dataclass(frozen=True)
class DueSession:
    """A session not yet completed. `missing` of `mice` on study have no valid reading in it."""

    session: MeasurementSession
    study: Study
    due_on: date
    days_until: int
    places: tuple[Place, ...]  # in the order they stand

    @property
    def mice(self) -> int:
        return sum(place.mice for place in self.places)

    @property
    def missing(self) -> int:
        return sum(place.missing for place in self.places)

    @property
    def measured(self) -> int:
        return self.mice - self.missing

    @property
    def when(self) -> str:
        if self.days_until < 0:
            days = -self.days_until
            return f"overdue by {days} day{'s' if days > 1 else ''}"
        return {0: "due today", 1: "due tomorrow"}.get(self.days_until, f"due in {self.days_until} days")

    @property
    def urgency(self) -> str:
        return "now" if self.days_until <= 0 else "later"


def due_sessions(user, now: datetime) -> list[DueSession]:
    """Open sessions of the user's active studies: those overdue or due, and the next one of each study."""
    studies = access.studies_of(user, access.ENTRY_ROLES).filter(state=StudyState.ACTIVE)
    today = {study.pk: local_date(now, study.time_zone) for study in studies}
    dated = MeasurementSession.objects.filter(study__in=today, completed_at=None, due_on__isnull=False)
    waiting, coming = [], set()
    for session in dated.select_related("study", "cohort").order_by("due_on", "study__code", "pk"):
        is_later = session.due_on > today[session.study_id]
        if not is_later or session.study_id not in coming:
            waiting.append(session)
        if is_later:
            coming.add(session.study_id)
    return _counted(waiting, today)


def next_session(study: Study, now: datetime) -> DueSession | None:
    """The study's first session that is neither completed nor past."""
    today = local_date(now, study.time_zone)
    coming = study.sessions.filter(completed_at__isnull=True, due_on__gte=today).select_related("study")
    found = _counted(coming.order_by("due_on")[:1], {study.pk: today})
    return found[0] if found else None


def mice_on_study(study: Study):
    """Mice that neither left nor were excluded."""
    return on_study().filter(study=study)


def on_study():
    """Mice of all studies that neither left nor were excluded."""
    left, excluded = (Exists(kind.objects.filter(mouse=OuterRef("pk"))) for kind in (Exit, Exclusion))
    return Mouse.objects.filter(~left, ~excluded)


def _counted(sessions: Sequence[MeasurementSession], today: dict[int, date]) -> list[DueSession]:
    """The sessions in their order with their cages counted, in two queries for all of them."""
    mice = list(
        on_study()
        .filter(study__in={one.study_id for one in sessions})
        .values_list("pk", "study", "cohort", "cage__room", "cage__rack", "cage__code")
    )
    read = set(Measurement.objects.valid().filter(session__in=sessions).values_list("session", "mouse"))
    return [
        DueSession(
            session=session,
            study=session.study,
            due_on=session.due_on,
            days_until=(session.due_on - today[session.study_id]).days,
            places=_places(session, mice, read),
        )
        for session in sessions
    ]


def _places(session: MeasurementSession, mice: list[tuple], read: set[tuple]) -> tuple[Place, ...]:
    counts: dict[tuple, list[int]] = {}
    for mouse, study, cohort, *where in mice:
        if study == session.study_id and session.cohort_id in (None, cohort):
            place = counts.setdefault(tuple(name or "" for name in where), [0, 0])
            place[0] += 1
            place[1] += (session.pk, mouse) in read
    return tuple(sorted(Place(*where, *count) for where, count in counts.items()))
