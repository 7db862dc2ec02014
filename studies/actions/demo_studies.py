"""The demo's three studies: drawn from the declared truth, recorded as people would have recorded them."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from studies.actions import demo_design as declared
from studies.actions.demo_mice import BASELINE_DAY, draw_arms, house_mice, record_allocation
from studies.actions.demo_people import ACTIVE, COMPLETED, DRAFT, PEOPLE, DemoRefused
from studies.actions.demo_protocol import create_study, register_models
from studies.actions.demo_sessions import Crew, SessionWriter, choose_slips, record_exits
from studies.actions.demo_setup import LabClock, act, change_state
from studies.analysis.simulation import SimulatedStudy, draw_mice, follow_mice
from studies.analysis.simulation_design import Design
from studies.days import local_date
from studies.models import Cohort, Exclusion, Measurement, Mouse, PdxModel, Study, User
from studies.terms import StudyState

COMPLETED_ZONE = "Europe/Amsterdam"
COMPLETED_DAYS_AGO = 120
SET_UP_DAY, ACTIVATION_DAY = -28, -2
# Places with animal labs, spread so that at any moment it is working time in one of them.
LAB_ZONES = (
    "Europe/Amsterdam", "America/New_York", "America/Los_Angeles", "Asia/Singapore", "Asia/Tokyo",
    "Australia/Melbourne", "Pacific/Auckland", "Pacific/Honolulu", "Asia/Kolkata", "America/Sao_Paulo",
    "Asia/Dubai",
)  # fmt: skip
DAY_BEGINS, DAY_ENDS, MID_MORNING = 9, 16, 11
ACTIVE_MODELS = ("SIM-BRE-01", "SIM-BRE-02")
ACTIVE_MICE_PER_ARM = 3
# Cohort -> who measures it, and the study day it is at when the demo is first loaded.
ACTIVE_COHORTS = {"A": ("tech1", 10), "B": ("tech2", 7)}
SCREENED_OUT = ((4.9, 4.6, "below"), (9.4, 7.1, "above"))
MEASURERS = ("tech1", "tech2")
DRAFTERS = ("director", "statistician")
EVERYONE = tuple(person.username for person in PEOPLE if person.role is not None)


def lab_zone(now: datetime) -> str:
    """The lab whose clock is nearest to mid-morning, so that hours of working time remain."""

    def from_mid_morning(zone: str) -> float:
        local = now.astimezone(ZoneInfo(zone))
        return abs(local.hour + local.minute / 60 - MID_MORNING)

    return min(LAB_ZONES, key=from_mid_morning)


def load_studies(people: dict[str, User], now: datetime) -> None:
    """The three studies and their PDX models, inside the caller's transaction."""
    taken = PdxModel.objects.filter(code__in=list(declared.MODEL_OF)).values_list("code", flat=True)
    if taken:
        raise DemoRefused(f"the registry already has PDX models of the demo's codes: {', '.join(taken)}")
    clock = LabClock(COMPLETED_ZONE, _a_tuesday(local_date(now, COMPLETED_ZONE)))
    models = register_models(people["director"], clock, clock.at(SET_UP_DAY, 9))
    _completed_study(people, models, clock, now)
    _active_study(people, models, now)
    _draft_study(people, now)


def _a_tuesday(today: date) -> date:
    day = today - timedelta(days=COMPLETED_DAYS_AGO)
    return day - timedelta(days=(day.weekday() - 1) % 7)


def _completed_study(
    people: dict[str, User], models: dict[str, PdxModel], clock: LabClock, now: datetime
) -> None:
    title = "Simulated: binimetinib and HRX-0233 in six PDX models by MAP2K4 status"
    study = create_study(COMPLETED, title, people, clock, clock.at(SET_UP_DAY, 10), EVERYONE)
    director, statistician = people["director"], people["statistician"]
    change_state(study, StudyState.ACTIVE, director, clock.at(ACTIVATION_DAY, 10), "activated the study", "")
    half = len(declared.DEMO_MODELS) // 2
    crew_of = {model.code: MEASURERS[place >= half] for place, model in enumerate(declared.DEMO_MODELS)}
    _run_cohort(
        study, "A", declared.declared_design(), people, models, clock, declared.SEED, crew_of, slips=(3, 1, 1)
    )
    locked, unblinded = clock.at(declared.TRUTH_DAY + 1, 10), clock.at(declared.TRUTH_DAY + 2, 10)
    reason = "All visits are recorded and the queries on them are closed."
    change_state(study, StudyState.DATA_LOCKED, director, locked, "locked the data", reason)
    reason = "Final analysis, by the plan locked before day 0."
    change_state(study, StudyState.UNBLINDED, statistician, unblinded, "unblinded the study", reason)
    act(study, "loaded as part of the demo", study, people["director"], now, new={
        "simulated": True, "seed": declared.SEED, "drawn_from": "studies.analysis.simulation",
    })  # fmt: skip


def _active_study(people: dict[str, User], models: dict[str, PdxModel], now: datetime) -> None:
    zone = lab_zone(now)
    today = local_date(now, zone)
    first = LabClock(zone, today - timedelta(days=max(day for _, day in ACTIVE_COHORTS.values())))
    title = "Simulated: binimetinib and HRX-0233 in two breast PDX models (blinded, running)"
    study = create_study(ACTIVE, title, people, first, first.at(SET_UP_DAY, 10), EVERYONE)
    change_state(
        study, StudyState.ACTIVE, people["director"], first.at(ACTIVATION_DAY, 10), "activated the study", ""
    )
    whole = declared.declared_design()
    for place, (name, (observer, day_today)) in enumerate(ACTIVE_COHORTS.items()):
        design = replace(
            whole,
            models=tuple(model for model in whole.models if model.code in ACTIVE_MODELS),
            mice_per_arm=ACTIVE_MICE_PER_ARM,
            days=tuple(day for day in declared.DAYS if day < day_today),
            study=ACTIVE,
            ends=False,
        )
        _run_cohort(
            study,
            name,
            design,
            people,
            models,
            LabClock(zone, today - timedelta(days=day_today)),
            declared.SEED + 1 + place,
            dict.fromkeys(ACTIVE_MODELS, observer),
            slips=(1, 0, 0),
        )
    _screen_out(study, people["tech1"], models[ACTIVE_MODELS[0]])


def _run_cohort(
    study: Study,
    name: str,
    design: Design,
    people: dict[str, User],
    models: dict[str, PdxModel],
    clock: LabClock,
    seed: int,
    crew_of: dict[str, str],
    slips: tuple[int, int, int],
) -> SimulatedStudy:
    """A cohort from enrollment to its last visit; `crew_of` names the technician of each PDX model."""
    rng = np.random.default_rng(seed)
    cohort = Cohort.objects.create(study=study, name=name, day0=clock.day0)
    mice = _numbered(draw_mice(design, rng), study)
    drawn = draw_arms(mice, name, seed)
    simulated = follow_mice(design, mice, [one.arm for one in drawn], rng)
    housed = house_mice(study, cohort, mice, models, clock)
    observers = {user: people[user] for user in MEASURERS}
    crew = Crew(observers, {row.mouse: crew_of[row.pdx_model] for row in mice.itertuples()})
    chosen = choose_slips(simulated.table, rng, *slips)
    writer = SessionWriter(study, cohort, clock, crew, housed, chosen, rng)
    for day in design.days:
        writer.write(day, simulated.table[simulated.table["day"] == day])
        if day == BASELINE_DAY:
            record_allocation(study, cohort, mice, drawn, housed, seed, people["director"], clock)
        gone = simulated.mice[simulated.mice["exit_day"] == day]
        record_exits(study, gone, housed, clock, people["vet"])
    return simulated


def _numbered(mice: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Labels that go on from the mice the study already has."""
    first = study.mice.count() + 1
    return mice.assign(mouse=[f"M{number:03d}" for number in range(first, first + len(mice))])


def _screen_out(study: Study, observer: User, model: PdxModel) -> None:
    """Two mice measured at baseline and not enrolled, as their tumors were outside the window."""
    session = study.sessions.get(cohort__name="A", is_baseline=True)
    like = study.mice.filter(pdx_model=model).first()
    for length, width, side in SCREENED_OUT:
        label = f"M{study.mice.count() + 1:03d}"
        mouse = Mouse.objects.create(
            study=study,
            cohort=session.cohort,
            pdx_model=model,
            label=label,
            sex=like.sex,
            strain=like.strain,
            source=like.source,
            born_on=like.born_on,
        )
        volume = length * width**2 / 2
        at = session.completed_at + timedelta(minutes=5)
        reason = (
            f"Not enrolled: {volume:.0f} mm³ is {side} the window of "
            f"{study.enrollment_min_mm3:g} to {study.enrollment_max_mm3:g} mm³."
        )
        exclusion = Exclusion.objects.create(mouse=mouse, reason=reason, excluded_at=at)
        Measurement.objects.create(
            session=session,
            mouse=mouse,
            length_mm=length,
            width_mm=width,
            volume_method="caliper",
            observer=observer,
            device="caliper 1",
            observed_at=session.completed_at,
            recorded_at=session.completed_at,
        )
        act(study, "excluded a mouse", exclusion, observer, at, reason=reason, new={"mouse": label})


def _draft_study(people: dict[str, User], now: datetime) -> None:
    clock = LabClock(COMPLETED_ZONE, local_date(now, COMPLETED_ZONE) + timedelta(days=25))
    title = "Simulated: HRX-0233 with binimetinib in colon PDX models (draft, no mice yet)"
    create_study(DRAFT, title, people, clock, clock.at(SET_UP_DAY, 10), DRAFTERS, locks_plan=False)
