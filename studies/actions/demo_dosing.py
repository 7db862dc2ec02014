"""The demo's doses: lots and formulations, then every day's doses as the doser says what became of them."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import numpy as np

from studies.actions import demo_design as declared
from studies.actions.audit import allocation_chain, record_event
from studies.actions.demo_cohort import Step
from studies.actions.demo_setup import LabClock
from studies.actions.dosing import DueDose, due_by_last_weight
from studies.actions.formulations import record_formulation
from studies.models import Agent, Dose, Study, User
from studies.terms import DoseOutcome

PREPARED_HOUR, DOSED_HOURS, CLOSED_HOUR = 8, (13, 19), 20
FORMULATION_DAYS, LOT_DAYS = 42, 365
SECONDS_PER_DOSE = 20
PARTIAL, OMITTED = 0.006, 0.004  # of doses, by mishap
RAN_BACK, UNWELL = "Part of the dose ran back.", "Animal unsettled after handling; dose left out."


def dosing_steps(study: Study, clock: LabClock, last_day: int, doser: User, seed: int) -> Iterator[Step]:
    """What is prepared before day 0 of the study's first cohort, and the doses of each day up to `last_day`."""
    rng = np.random.default_rng([seed, 1])
    yield Step(clock.at(0, PREPARED_HOUR), partial(_prepare, study, clock, doser))
    for day in range(last_day + 1):
        yield Step(clock.at(day, CLOSED_HOUR), partial(_dose, study, clock, day, doser, rng))


def _prepare(study: Study, clock: LabClock, doser: User) -> None:
    """One formulation an agent, at the concentration its dose and volume ask for."""
    for place, given in enumerate(declared.AGENTS.values(), start=1):
        told = {
            "code": f"F{place:02d}",
            "concentration_mg_per_ml": given.dose_mg_per_kg / given.volume_ml_per_kg,
            "vehicle": given.vehicle,
            "made_on": clock.date(0),
            "expires_on": clock.date(FORMULATION_DAYS),
            "max_volume_ml_per_kg": given.volume_ml_per_kg,
        }
        lot = {
            "agent": Agent.objects.get(name=given.name),
            "code": f"SIM-{study.code[-2:]}-{place}",
            "expires_on": clock.date(LOT_DAYS),
        }
        record_formulation(study, told, lot, actor=doser, at=clock.at(0, PREPARED_HOUR))


def _dose(study: Study, clock: LabClock, day: int, doser: User, rng: np.random.Generator) -> None:
    """The doses of one day, told in one event of the allocation's chain when the last is given."""
    due = due_by_last_weight(study, clock.date(day))
    doses = Dose.objects.bulk_create(
        _recorded(study, clock, day, place, one, doser, float(rng.random())) for place, one in enumerate(due)
    )
    if not doses:
        return
    said = [dose.outcome for dose in doses]
    record_event(
        "recorded the doses of a day", doses[0], actor=doser, at=clock.at(day, CLOSED_HOUR),
        chain=allocation_chain(study), study=study, new={
            "given_on": clock.date(day).isoformat(), "doses": len(doses),
            **{str(outcome): said.count(outcome) for outcome in DoseOutcome},
        },
    )  # fmt: skip


def _recorded(
    study: Study, clock: LabClock, day: int, place: int, due: DueDose, doser: User, luck: float
) -> Dose:
    """Given in full but for holidays and mishaps; a dose that cannot be given is omitted for that reason."""
    planned = due.amount.ml if due.amount else None
    outcome, given_ml, reason = DoseOutcome.GIVEN, planned, ""
    if planned is None or due.holiday:
        outcome, given_ml = DoseOutcome.OMITTED, 0.0
        reason = f"Dosing holiday: {due.holiday}." if due.holiday else f"{due.refusal}."
    elif luck < OMITTED:
        outcome, given_ml, reason = DoseOutcome.OMITTED, 0.0, UNWELL
    elif luck < OMITTED + PARTIAL:
        outcome, given_ml, reason = DoseOutcome.PARTIAL, round(0.6 * planned, 3), RAN_BACK
    begun = clock.at(day, DOSED_HOURS[due.occasion - 1])
    return Dose(
        study=study, mouse_id=due.mouse_id, given_on=clock.date(day), number=due.number, occasion=due.occasion,
        syringe=due.syringe, outcome=outcome, planned_ml=planned, given_ml=given_ml, weight_g=due.weight_g,
        formulation=due.formulation, reason=reason, doser=doser,
        recorded_at=begun + timedelta(seconds=SECONDS_PER_DOSE * (place // len(DOSED_HOURS))),
    )  # fmt: skip
