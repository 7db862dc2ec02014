"""One cohort of a demo study, from enrollment to its last visit so far, as steps that happen in time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from studies.actions.demo_mice import BASELINE_DAY, draw_arms, house_mice, record_allocation
from studies.actions.demo_sessions import Crew, SessionWriter, choose_slips, record_exits
from studies.actions.demo_setup import LabClock
from studies.analysis.simulation import draw_mice, follow_mice
from studies.analysis.simulation_design import Design
from studies.models import Cohort, PdxModel, Study, User

MEASURERS = ("tech1", "tech2")
ALLOCATION_HOUR, EXIT_HOUR = 15, 16


@dataclass(frozen=True)
class CohortPlan:
    """What is simulated and who measures: `crew_of` names the technician of each PDX model.

    `slips` counts the readings first stored wrong: lengths, weights, readings taken twice.
    """

    name: str
    design: Design
    clock: LabClock
    seed: int
    crew_of: dict[str, str]
    slips: tuple[int, int, int]
    first_hour: int = 9
    signs: Mapping[tuple[str, float], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """Something recorded at a moment; steps of several cohorts are taken in the order of their moments."""

    at: datetime
    act: Callable[[], object]


def take(steps: Iterable[Step]) -> None:
    for step in sorted(steps, key=lambda step: step.at):
        step.act()


def enroll_cohort(
    study: Study, plan: CohortPlan, people: dict[str, User], models: dict[str, PdxModel]
) -> list[Step]:
    """House the cohort's mice and return what is to be recorded of them: sessions, allocation, exits."""
    rng, clock = np.random.default_rng(plan.seed), plan.clock
    cohort = Cohort.objects.create(study=study, name=plan.name, day0=clock.day0)
    mice = _numbered(draw_mice(plan.design, rng), study)
    drawn = draw_arms(mice, plan.name, plan.seed)
    simulated = follow_mice(plan.design, mice, [one.arm for one in drawn], rng)
    housed = house_mice(study, cohort, mice, models, clock)
    crew = Crew(
        {name: people[name] for name in MEASURERS},
        {row.mouse: plan.crew_of[row.pdx_model] for row in mice.itertuples()},
    )
    slips = choose_slips(simulated.table, rng, *plan.slips)
    writer = SessionWriter(study, cohort, clock, crew, housed, slips, rng, plan.first_hour, plan.signs)

    def measure(day: int) -> Step:
        rows = simulated.table[simulated.table["day"] == day]
        return Step(clock.at(day, plan.first_hour), lambda: writer.write(day, rows))

    def see_off(day: int) -> Step:
        gone = simulated.mice[simulated.mice["exit_day"] == day]
        at = clock.at(day, EXIT_HOUR)
        return Step(at, lambda: record_exits(study, gone, housed, at, people["vet"]))

    at = clock.at(BASELINE_DAY, ALLOCATION_HOUR)
    director = people["director"]
    allocate = Step(
        at, lambda: record_allocation(study, cohort, mice, drawn, housed, plan.seed, director, at)
    )
    return [allocate, *(step for day in plan.design.days for step in (measure(day), see_off(day)))]


def _numbered(mice: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Labels that go on from the mice the study already has."""
    first = study.mice.count() + 1
    return mice.assign(mouse=[f"M{number:03d}" for number in range(first, first + len(mice))])
