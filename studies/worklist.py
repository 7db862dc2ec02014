"""Measurement sessions that wait for a person: due today, overdue, or next."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Exists, OuterRef

from studies import access
from studies.days import local_date
from studies.models import Measurement, MeasurementSession, Mouse, Study
from studies.terms import Role, StudyState

MEASURES = frozenset({Role.TECHNICIAN, Role.STUDY_DIRECTOR})


@dataclass(frozen=True)
class DueSession:
    """A session not yet completed. `missing` of `mice` on study have no reading in it."""

    session: MeasurementSession
    study: Study
    due_on: date
    days_until: int
    mice: int
    missing: int

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
    found = []
    for study in access.studies_of(user, MEASURES).filter(state=StudyState.ACTIVE):
        today = local_date(now, study.time_zone)
        sessions = study.sessions.select_related("cohort")
        open_sessions = sessions.filter(completed_at__isnull=True, due_on__isnull=False)
        found += [_due(session, study, today) for session in open_sessions.filter(due_on__lte=today)]
        upcoming = open_sessions.filter(due_on__gt=today).order_by("due_on").first()
        if upcoming:
            found.append(_due(upcoming, study, today))
    return sorted(found, key=lambda due: (due.due_on, due.study.code))


def next_session(study: Study, now: datetime) -> DueSession | None:
    """The study's first session that is neither completed nor past."""
    today = local_date(now, study.time_zone)
    session = study.sessions.filter(completed_at__isnull=True, due_on__gte=today).order_by("due_on").first()
    return _due(session, study, today) if session else None


def mice_on_study(study: Study):
    """Mice that neither left nor were excluded."""
    return Mouse.objects.filter(study=study, exit__isnull=True, exclusion__isnull=True)


def mice_of(session: MeasurementSession):
    """The mice a session is for: those on study, of its cohort where it has one."""
    mice = mice_on_study(session.study)
    return mice.filter(cohort=session.cohort_id) if session.cohort_id else mice


def _due(session: MeasurementSession, study: Study, today: date) -> DueSession:
    mice = mice_of(session)
    read = Measurement.objects.filter(session=session, mouse=OuterRef("pk"))
    return DueSession(
        session=session,
        study=study,
        due_on=session.due_on,
        days_until=(session.due_on - today).days,
        mice=mice.count(),
        missing=mice.filter(~Exists(read)).count(),
    )
