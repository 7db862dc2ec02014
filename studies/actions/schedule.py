"""When mice are measured: a session planned by hand, or all of a cohort's from the day of its first dose."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from studies import access
from studies.actions.audit import record_event, study_chain
from studies.days import local_date
from studies.models import Cohort, Dose, MeasurementSession, Study, User
from studies.terms import CohortKind, StudyState

LONGEST_LATE, LONGEST_AHEAD = timedelta(days=14), timedelta(days=730)


class ScheduleRefused(Exception):
    """Nothing was planned; the message says why."""


def plan_session(
    study: Study, cohort: Cohort | None, due_on: date, *, is_baseline: bool, actor: User, at: datetime
) -> MeasurementSession:
    """A session of one cohort, of all mice on study without one. A day just gone by may still be entered late.

    Raises ScheduleRefused: a role that may not, a study not running, a day too far off, a session there
    already, a baseline of mice that are randomized.
    """
    with transaction.atomic():
        study = _running(study, actor, access.may_enter_measurements(actor, study))
        today = local_date(at, study.time_zone)
        if not today - LONGEST_LATE <= due_on <= today + LONGEST_AHEAD:
            raise ScheduleRefused(f"{_day(due_on)} is not within two weeks back and two years ahead.")
        if cohort is not None and cohort.study_id != study.pk:
            raise ScheduleRefused(f"{study.code} has no such cohort.")
        same_day = study.sessions.filter(due_on=due_on).select_related("cohort")
        if taken := next((one for one in same_day if _overlap(one.cohort, cohort)), None):
            whose = f"cohort {taken.cohort}" if taken.cohort else "all mice"
            raise ScheduleRefused(f"A session of {whose} on {_day(due_on)} is planned already.")
        if is_baseline and cohort is not None and study.randomizations.filter(cohort=cohort).exists():
            raise ScheduleRefused(f"Cohort {cohort} is randomized: its baseline is past.")
        session = MeasurementSession.objects.create(
            study=study, cohort=cohort, due_on=due_on, is_baseline=is_baseline
        )
        record_event(
            "scheduled a measurement session", session, actor=actor, at=at, chain=study_chain(study), study=study,
            new={"cohort": cohort.name if cohort else None, "due_on": due_on.isoformat(), "is_baseline": is_baseline},
        )  # fmt: skip
        return session


def set_first_dose(cohort: Cohort, day0: date, *, reason: str = "", actor: User, at: datetime) -> int:
    """Set or move a cohort's day 0, and with it the sessions of the schedule; how many are planned from now on.

    Sessions begun keep their day. Raises ScheduleRefused: a role that may not, a study not running, an
    expansion cohort, a day before the baseline or, for a cohort not randomized, before today, doses on record,
    and a move without a reason.
    """
    reason = reason.strip()
    with transaction.atomic():
        study = _running(cohort.study, actor, access.may_randomize(actor, cohort.study))
        cohort = study.cohorts.get(pk=cohort.pk)
        before = cohort.day0
        if before == day0:
            return 0
        if refusal := next(_refusals(cohort, day0, reason, local_date(at, study.time_zone)), None):
            raise ScheduleRefused(refusal)
        cohort.day0 = day0
        cohort.save(update_fields=["day0"])
        days = [day for day in study.schedule_days if day >= 0]
        _move(cohort, before, day0, days)
        planned = _plan_missing(cohort, day0, days)
        record_event(
            "set the first dose of a cohort", cohort, actor=actor, at=at, chain=study_chain(study), study=study,
            reason=reason, old={"day0": before.isoformat()} if before else None,
            new={"cohort": cohort.name, "day0": day0.isoformat(), "sessions": [one.isoformat() for one in planned]},
        )  # fmt: skip
        return len(planned)


def _running(study: Study, actor: User, may: bool) -> Study:
    if not may:
        raise ScheduleRefused(f"Your role in {study.code} plans nothing of the kind.")
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != StudyState.ACTIVE:
        raise ScheduleRefused(f"Study {study.code} is {study.get_state_display()}; nothing is planned in it.")
    return study


def _overlap(one: Cohort | None, other: Cohort | None) -> bool:
    """Whether sessions of the two measure a mouse twice a day; None is all mice."""
    return one is None or other is None or one.pk == other.pk


def _refusals(cohort: Cohort, day0: date, reason: str, today: date) -> Iterator[str]:
    if cohort.kind == CohortKind.EXPANSION:
        yield f"Cohort {cohort} grows tumor to pass on; it is not dosed."
    if cohort.day0 and not reason:
        yield f"Day 0 of cohort {cohort} is {_day(cohort.day0)}; say why it moves."
    if Dose.objects.filter(mouse__cohort=cohort).exists():
        yield f"Doses of cohort {cohort} are on record; its first dose stays where it is."
    baselines = cohort.study.sessions.filter(is_baseline=True, due_on__gt=day0)
    if late := next((one for one in baselines if _overlap(one.cohort, cohort) and one.started_at), None):
        yield f"{_day(day0)} is before the baseline of {_day(late.due_on)}."
    if day0 < today and not cohort.study.randomizations.filter(cohort=cohort).exists():
        yield f"Cohort {cohort} is not randomized, and {_day(day0)} is past: mice are randomized before the first dose."


def _move(cohort: Cohort, before: date | None, day0: date, days: list[int]) -> None:
    """Sessions of the old schedule that nobody began, each by as much as day 0 moved."""
    if before is None:
        return
    planned = [before + timedelta(days=day) for day in days]
    waiting = cohort.sessions.filter(
        due_on__in=planned, is_baseline=False, started_at=None, measurements=None
    )
    # Latest first when they move on, earliest first when they move back: never two on one day.
    for session in waiting.order_by("-due_on" if day0 > before else "due_on"):
        to = session.due_on + (day0 - before)
        if _days_taken(cohort, [to]):
            raise ScheduleRefused(f"Cohort {cohort} has a session on {_day(to)} already.")
        session.due_on = to
        session.save(update_fields=["due_on"])


def _plan_missing(cohort: Cohort, day0: date, days: list[int]) -> list[date]:
    due = [day0 + timedelta(days=day) for day in days]
    taken = _days_taken(cohort, due)
    missing = [on for on in due if on not in taken]
    for on in missing:
        MeasurementSession.objects.create(study=cohort.study, cohort=cohort, due_on=on)
    return missing


def _days_taken(cohort: Cohort, days: list[date]) -> set[date]:
    """Those of `days` on which the cohort's mice are measured already, in a session of all mice too."""
    sessions = cohort.study.sessions.filter(Q(cohort=cohort) | Q(cohort=None), due_on__in=days)
    return set(sessions.values_list("due_on", flat=True))


def _day(day: date) -> str:
    return f"{day:%-d %b %Y}"
