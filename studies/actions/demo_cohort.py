"""One cohort of a demo study, from enrollment to its last visit so far, as steps that happen in time."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

import numpy as np
import pandas as pd

from studies.actions.allocate_mice import Choices, allocate
from studies.actions.demo_mice import BASELINE_DAY, house_mice
from studies.actions.demo_sessions import Crew, SessionWriter, Slips, choose_slips, record_exits
from studies.actions.demo_setup import LabClock
from studies.analysis.simulation import draw_mice, follow_mice
from studies.analysis.simulation_design import Design
from studies.models import Cohort, PdxModel, Study, User
from studies.terms import MeasurementStatus

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
    course, clock = _Course(study, plan, people, models), plan.clock
    later = [day for day in plan.design.days if day > BASELINE_DAY]
    return [
        Step(clock.at(BASELINE_DAY, plan.first_hour), course.measure_baseline),
        Step(clock.at(BASELINE_DAY, ALLOCATION_HOUR), course.randomize),
        *(Step(clock.at(day, plan.first_hour), partial(course.measure, day)) for day in later),
        *(Step(clock.at(day, EXIT_HOUR), partial(course.see_off, day)) for day in later),
    ]


class _Course:
    """A cohort as it goes: its baseline is read, its arms are drawn from that, and only then do arms tell."""

    def __init__(
        self, study: Study, plan: CohortPlan, people: dict[str, User], models: dict[str, PdxModel]
    ) -> None:
        self.study, self.plan, self.people = study, plan, people
        self.rng = np.random.default_rng(plan.seed)
        self.cohort = Cohort.objects.create(study=study, name=plan.name, day0=plan.clock.day0)
        self.mice = _numbered(draw_mice(plan.design, self.rng), study)
        self.housed = house_mice(study, self.cohort, self.mice, models, plan.clock)
        crew = Crew(
            {name: people[name] for name in MEASURERS},
            {row.mouse: plan.crew_of[row.pdx_model] for row in self.mice.itertuples()},
        )
        self.writer = SessionWriter(
            study, self.cohort, plan.clock, crew, self.housed, Slips(), self.rng, plan.first_hour, plan.signs
        )

    def measure_baseline(self) -> None:
        first = {f"first_{name}": name for name in ("length_mm", "width_mm", "weight_g")}
        rows = self.mice.drop(columns="weight_g").rename(columns=first)
        self.writer.write(BASELINE_DAY, rows.assign(status=str(MeasurementStatus.MEASURED)))

    def randomize(self) -> None:
        """By the default method, each PDX model in every arm and cages mixed; who is outside the window is excluded."""
        at = self.plan.clock.at(BASELINE_DAY, ALLOCATION_HOUR)
        drawn = allocate(
            self.study, self.cohort.name, Choices(strata=("pdx_model", "cage")), seed=f"{self.plan.seed:032x}",
            actor=self.people["director"], at=at, exclude_outside=True,
        )  # fmt: skip
        arm_of = dict(drawn.allocations.values_list("mouse__label", "arm__name"))
        arms = [arm_of[mouse] for mouse in self.mice["mouse"]]
        self.simulated = follow_mice(self.plan.design, self.mice, arms, self.rng)
        slips = choose_slips(self.simulated.table, self.rng, *self.plan.slips)
        self.writer = replace(self.writer, slips=slips)

    def measure(self, day: int) -> None:
        table = self.simulated.table
        self.writer.write(day, table[table["day"] == day])

    def see_off(self, day: int) -> None:
        mice, at = self.simulated.mice, self.plan.clock.at(day, EXIT_HOUR)
        record_exits(self.study, mice[mice["exit_day"] == day], self.housed, at, self.people["vet"])


def _numbered(mice: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Labels that go on from the mice the study already has."""
    first = study.mice.count() + 1
    return mice.assign(mouse=[f"M{number:03d}" for number in range(first, first + len(mice))])
