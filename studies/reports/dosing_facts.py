"""What the record of doses tells the report: percent of the planned dose given by arm, and whether doser and measurer
were apart.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from studies.actions.dosing import who_dosed_and_measured
from studies.days import local_date
from studies.doses import doses_due
from studies.models import Allocation, Dose, Measurement, Study
from studies.terms import DoseOutcome

Row = dict[str, Any]


def dosing_facts(study: Study, arms: Mapping[int, str], *, masked: bool) -> Row | None:
    """None where no dose is on record. `by_arm` is empty while arms go by letters: a schedule tells an arm."""
    doses = list(Dose.objects.filter(study=study).current())
    if not doses:
        return None
    both = [
        {"person": one.person, "doses": one.doses, "readings": one.readings}
        for one in who_dosed_and_measured(study)
    ]
    return {"did_both": both, "by_arm": [] if masked else list(_by_arm(study, arms, doses))}


def _by_arm(study: Study, arms: Mapping[int, str], doses: list[Dose]) -> Iterator[Row]:
    """Each dose planned until the mouse left or the last day on record counts as one, given as far as it was."""
    by_mouse: dict[int, list[Dose]] = defaultdict(list)
    for dose in doses:
        by_mouse[dose.mouse_id].append(dose)
    end = _last_day(study, doses)
    planned, given = Counter[int](), Counter[int]()
    said: dict[int, Counter[str]] = defaultdict(Counter)
    for one in _allocated(study):
        planned[one.arm_id] += _planned(one, study, end)
        for dose in by_mouse[one.mouse_id]:
            said[one.arm_id][dose.outcome] += 1
            given[one.arm_id] += given_fraction(dose)  # type: ignore[assignment]
    for arm, name in arms.items():
        if planned[arm]:
            yield {
                "arm": name,
                "n_planned": planned[arm],
                **{f"n_{outcome}": said[arm][outcome] for outcome in DoseOutcome.values()},
                "n_not_recorded": max(planned[arm] - sum(said[arm].values()), 0),
                "percent_of_planned": 100 * given[arm] / planned[arm],
            }


def given_fraction(dose: Dose) -> float:
    """How much of one planned dose was given, 0 to 1."""
    if dose.outcome == DoseOutcome.GIVEN:
        return 1.0
    return min(dose.given_ml / dose.planned_ml, 1.0) if dose.planned_ml else 0.0


def _allocated(study: Study):
    rows = Allocation.objects.filter(mouse__study=study, mouse__exclusion=None)
    return rows.select_related("mouse__cohort", "mouse__exit").prefetch_related("arm__arm_agents")


def _last_day(study: Study, doses: list[Dose]) -> date:
    """The last day anything is on record of: a dose or a reading."""
    last = max(dose.given_on for dose in doses)
    read = Measurement.objects.filter(session__study=study, session__due_on__isnull=False)
    session = read.order_by("-session__due_on").values_list("session__due_on", flat=True).first()
    return max(last, session) if session else last


def _planned(one: Allocation, study: Study, end: date) -> int:
    """The doses of a mouse from its day 0 to its exit or `end`, the day it left not counted."""
    mouse = one.mouse
    day0 = mouse.cohort.day0 if mouse.cohort else None
    if day0 is None:
        return 0
    last = (end - day0).days
    left = getattr(mouse, "exit", None)
    if left is not None:
        on = (local_date(left.exited_at, study.time_zone) - day0).days if left.exited_at else left.day
        last = min(last, int(on) - 1) if on is not None else last
    return sum(
        doses_due(day, dose.frequency, dose.dosing_days, dose.first_day, dose.last_day)
        for dose in one.arm.arm_agents.all()
        for day in range(last + 1)
    )
