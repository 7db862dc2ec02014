"""How studies stand today: who is on study, what is late or missing, how far the schedule is. A few queries for all."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Count, Min, QuerySet

from studies import worklist
from studies.days import local_date
from studies.models import Cohort, Measurement, MeasurementSession, Mouse, ParkedRow, Study, WelfareAlert
from studies.terms import AlertLevel


@dataclass(frozen=True)
class Session:
    """A dated session: `missing` of its mice on study have no reading in it."""

    key: int
    due_on: date
    is_completed: bool
    mice: int
    missing: int


@dataclass
class Standing:
    """One study today. `day` counts from the first cohort's day 0, None before it is set; alerts are the open ones."""

    study: Study
    today: date
    on_study: int = 0
    day: int | None = None
    parked: int = 0
    alerts: int = 0
    red_alerts: int = 0
    sessions: list[Session] = field(default_factory=list)

    @property
    def last_day(self) -> int | None:
        return max(self.study.schedule_days, default=None)

    @property
    def done(self) -> int:
        return sum(session.is_completed for session in self.sessions)

    @property
    def late(self) -> list[Session]:
        """Sessions of days before today that nobody completed."""
        return [one for one in self.sessions if one.due_on < self.today and not one.is_completed]

    @property
    def missing(self) -> int:
        """Readings that should be there: of mice on study, in sessions completed or past."""
        return sum(one.missing for one in self.sessions if one.is_completed or one.due_on < self.today)

    @property
    def gaps(self) -> list[Session]:
        return [one for one in self.sessions if one.missing and (one.is_completed or one.due_on < self.today)]

    @property
    def next(self) -> Session | None:
        coming = [one for one in self.sessions if not one.is_completed and one.due_on >= self.today]
        return min(coming, key=lambda one: one.due_on, default=None)

    @property
    def percent(self) -> float | None:
        """How much of the schedule's days have passed."""
        if self.day is None or not self.last_day:
            return None
        return max(0.0, min(100.0, 100 * self.day / self.last_day))


def standings(studies: Sequence[Study], now: datetime) -> list[Standing]:
    """How each study stands, in their order."""
    found = {study.pk: Standing(study, local_date(now, study.time_zone)) for study in studies}
    present = worklist.on_study().filter(study__in=found)
    of_cohort: dict[tuple[int, int | None], int] = defaultdict(int)
    for study, cohort, n in present.order_by().values_list("study", "cohort").annotate(n=Count("pk")):
        of_cohort[study, cohort] = n
        found[study].on_study += n
    starts = Cohort.objects.filter(study__in=found, day0__isnull=False)
    for study, day0 in starts.order_by().values_list("study").annotate(first=Min("day0")):
        found[study].day = (found[study].today - day0).days
    waiting = ParkedRow.objects.filter(session__study__in=found, outcome=ParkedRow.Outcome.WAITING)
    for study, n in waiting.order_by().values_list("session__study").annotate(n=Count("pk")):
        found[study].parked = n
    raised = WelfareAlert.objects.open().filter(study__in=found)
    for study, level, n in raised.order_by().values_list("study", "level").annotate(n=Count("pk")):
        found[study].alerts += n
        found[study].red_alerts += n if level == AlertLevel.RED else 0
    _add_sessions(found, of_cohort, present)
    return list(found.values())


def _add_sessions(
    found: dict[int, Standing], of_cohort: dict[tuple[int, int | None], int], present: QuerySet[Mouse]
) -> None:
    dated = MeasurementSession.objects.filter(study__in=found, due_on__isnull=False)
    read = dict(
        Measurement.objects.valid()
        .filter(session__in=dated, mouse__in=present)
        .order_by()
        .values_list("session")
        .annotate(n=Count("mouse", distinct=True))
    )
    for key, study, cohort, due_on, completed in dated.order_by("due_on", "pk").values_list(
        "pk", "study", "cohort", "due_on", "completed_at"
    ):
        standing = found[study]
        mice = of_cohort[study, cohort] if cohort else standing.on_study
        standing.sessions.append(
            Session(key, due_on, completed is not None, mice, max(0, mice - read.get(key, 0)))
        )
