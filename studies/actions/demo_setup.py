"""What the writers of the demo share: the lab's clock, and acts with their events."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from studies.actions.audit import record_event, study_chain
from studies.models import Study, User
from studies.terms import StudyState


@dataclass(frozen=True)
class LabClock:
    """Moments at the study's place: day 0 is the local date of the first dose."""

    time_zone: str
    day0: date

    def date(self, day: float) -> date:
        return self.day0 + timedelta(days=int(day))

    def at(self, day: float, hour: int, minute: int = 0) -> datetime:
        return datetime.combine(self.date(day), time(hour, minute), tzinfo=ZoneInfo(self.time_zone))


def act(study: Study, action: str, subject, actor: User, at: datetime, **what) -> None:
    """An event in the study's own chain; `what` is old, new and reason."""
    record_event(action, subject, actor=actor, at=at, chain=study_chain(study), study=study, **what)


def change_state(
    study: Study, state: StudyState, actor: User, at: datetime, action: str, reason: str
) -> None:
    old = study.state
    study.state = state
    study.save(update_fields=["state"])
    act(study, action, study, actor, at, old={"state": str(old)}, new={"state": str(state)}, reason=reason)
