"""Load the demo: a completed, an active and a draft study, simulated from a declared truth and saying so.

Loading is whole or not at all, and loading again adds nothing but, on a later day, the measurement
session that is due on it. Starting a demo already loaded needs none of the statistics' libraries.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction

from studies.actions.demo_people import ACTIVE, CODES, DemoRefused, ensure_people
from studies.actions.demo_setup import act
from studies.days import local_date
from studies.models import Cohort, MeasurementSession, Study, User
from studies.terms import StudyState


@dataclass(frozen=True)
class LoadedDemo:
    """What a start of the demo did: whether it loaded the studies, and the sessions it added as due today."""

    is_new: bool
    sessions_added: int
    time_zone: str


def load_demo(*, now: datetime, password: str, into_existing: bool = False) -> LoadedDemo:
    """Load the demo where it is not yet, and see that work is due on the day of `now`.

    Raises DemoRefused beside studies that are not the demo's (unless `into_existing`), where somebody
    else's account has a demo user's name, and where only a part of the demo's studies is found.
    """
    try:
        return _load(now, password, into_existing)
    except IntegrityError:  # another start loaded it at this very moment
        return _load(now, password, into_existing)


def _load(now: datetime, password: str, into_existing: bool) -> LoadedDemo:
    with transaction.atomic():
        is_new = demo_is_missing(into_existing)
        people = ensure_people(password, now)
        if is_new:
            from studies.actions.demo_studies import load_studies  # pandas and SciPy take seconds to load

            load_studies(people, now)
        added = _sessions_due_today(people, now)
    zone = Study.objects.get(code=ACTIVE).time_zone
    return LoadedDemo(is_new, 0 if is_new else added, zone)


def demo_is_missing(into_existing: bool = False) -> bool:
    """Whether the demo is still to be loaded; raises DemoRefused where it may not be."""
    found = set(Study.objects.filter(code__in=CODES).values_list("code", flat=True))
    if found == set(CODES):
        return False
    if found:
        raise DemoRefused(
            f"of the demo's studies, only {', '.join(sorted(found))} is found: load it into a new database"
        )
    others = list(Study.objects.values_list("code", flat=True)[:3])
    if others and not into_existing:
        raise DemoRefused(
            f"this database holds other studies ({', '.join(others)}): simulated ones do not belong there. "
            "Use another database (PDX_DATA_DIR or DATABASE_URL), or --into-existing if you mean it"
        )
    return True


def _sessions_due_today(people: dict[str, User], now: datetime) -> int:
    """Add the session of today to each cohort of the active study that has none and still has mice."""
    study = Study.objects.select_for_update().get(code=ACTIVE)
    if study.state != StudyState.ACTIVE:
        return 0
    today = local_date(now, study.time_zone)
    cohorts = study.cohorts.exclude(sessions__due_on=today)
    alive = [cohort for cohort in cohorts if cohort.mice.filter(exit=None, exclusion=None).exists()]
    _add_sessions(study, alive, today, people["director"], now)
    return len(alive)


def _add_sessions(
    study: Study, cohorts: Iterable[Cohort], today: date, director: User, now: datetime
) -> None:
    for cohort in cohorts:
        session = MeasurementSession.objects.create(study=study, cohort=cohort, due_on=today)
        act(study, "scheduled a measurement session", session, director, now, new={
            "cohort": cohort.name, "due_on": today.isoformat(),
        })  # fmt: skip
