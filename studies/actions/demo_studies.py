"""The demo's three studies: drawn from the declared truth, recorded as people would have recorded them."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from studies.actions import demo_design as declared
from studies.actions.demo_cohort import MEASURERS, CohortPlan, Step, enroll_cohort, take
from studies.actions.demo_dosing import dosing_steps
from studies.actions.demo_mice import BASELINE_DAY
from studies.actions.demo_people import ACTIVE, COMPLETED, DRAFT, PEOPLE, DemoRefused
from studies.actions.demo_protocol import create_study, register_models
from studies.actions.demo_setup import LabClock, act, change_state
from studies.actions.record_measurements import audited
from studies.actions.sheet_facts import load_session
from studies.actions.welfare import raise_alerts
from studies.days import local_date
from studies.models import Measurement, Mouse, PdxModel, Study, User
from studies.terms import Sign, StudyState

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
SCREENED_HOUR = 12
# A red alert that waits in the running study.
SICK_MOUSE, SICK_SIGNS = "M003", f"{Sign.HUNCHED},{Sign.LETHARGIC}"
SCREENED_OUT = ((4.9, 4.6), (9.4, 7.1))  # mm: too small, too large to enroll
DRAFTERS = ("director", "statistician")
EVERYONE = tuple(person.username for person in PEOPLE if person.role is not None)


@dataclass(frozen=True)
class RunningCohort:
    """A cohort of the active study: its technician, and the study day it is at when the demo is loaded."""

    name: str
    observer: str
    day_today: int
    first_hour: int


ACTIVE_COHORTS = (RunningCohort("A", "tech1", 10, 9), RunningCohort("B", "tech2", 7, 10))


def lab_zone(now: datetime) -> str:
    """A lab where it is working time, as near to mid-morning as any, so that hours of it remain."""

    def hour(zone: str) -> float:
        local = now.astimezone(ZoneInfo(zone))
        return local.hour + local.minute / 60

    working = [zone for zone in LAB_ZONES if DAY_BEGINS <= hour(zone) < DAY_ENDS]
    return min(working, key=lambda zone: abs(hour(zone) - MID_MORNING))


def load_studies(people: dict[str, User], now: datetime) -> None:
    """The three studies and their PDX models, inside the caller's transaction."""
    taken = PdxModel.objects.filter(code__in=list(declared.MODEL_OF)).values_list("code", flat=True)
    if taken:
        raise DemoRefused(f"the registry already has PDX models of the demo's codes: {', '.join(taken)}")
    clock = LabClock(COMPLETED_ZONE, _a_tuesday(local_date(now, COMPLETED_ZONE)))
    models = register_models(people["director"], clock, clock.at(SET_UP_DAY, 9))
    _completed_study(people, models, clock, now)
    _active_study(people, models, now)
    _draft_study(people, models, now)


def _a_tuesday(today: date) -> date:
    day = today - timedelta(days=COMPLETED_DAYS_AGO)
    return day - timedelta(days=(day.weekday() - 1) % 7)


def _completed_study(
    people: dict[str, User], models: dict[str, PdxModel], clock: LabClock, now: datetime
) -> None:
    title = "Simulated: binimetinib and HRX-0233 in six PDX models by MAP2K4 status"
    planned = list(models.values())
    per_arm = declared.MICE_PER_ARM * len(planned)
    at = clock.at(SET_UP_DAY, 10)
    study = create_study(COMPLETED, title, people, clock, at, EVERYONE, planned, per_arm)
    director = people["director"]
    change_state(study, StudyState.ACTIVE, director, clock.at(ACTIVATION_DAY, 10), "activated the study", "")
    half = len(declared.DEMO_MODELS) // 2
    crew_of = {model.code: MEASURERS[place >= half] for place, model in enumerate(declared.DEMO_MODELS)}
    plan = CohortPlan("A", declared.declared_design(), clock, declared.SEED, crew_of, slips=(3, 1, 1))
    doses = dosing_steps(study, clock, declared.TRUTH_DAY - 1, people["doser"], declared.SEED)
    take([*enroll_cohort(study, plan, people, models), *doses])
    locked, unblinded = clock.at(declared.TRUTH_DAY + 1, 10), clock.at(declared.TRUTH_DAY + 2, 10)
    reason = "All visits are recorded and the queries on them are closed."
    change_state(study, StudyState.DATA_LOCKED, director, locked, "locked the data", reason)
    reason = "Final analysis, by the plan locked before day 0."
    change_state(study, StudyState.UNBLINDED, director, unblinded, "unblinded the study", reason)
    _say_where_from(study, director, now)


def _active_study(people: dict[str, User], models: dict[str, PdxModel], now: datetime) -> None:
    zone = lab_zone(now)
    today = local_date(now, zone)
    first = LabClock(zone, today - timedelta(days=max(cohort.day_today for cohort in ACTIVE_COHORTS)))
    # Technicians read the title, so it names no arm.
    title = "Simulated: MAP kinase inhibitors in two breast PDX models (blinded, running)"
    planned = [models[code] for code in ACTIVE_MODELS]
    per_arm = ACTIVE_MICE_PER_ARM * len(planned) * len(ACTIVE_COHORTS)
    at = first.at(SET_UP_DAY, 10)
    study = create_study(ACTIVE, title, people, first, at, EVERYONE, planned, per_arm)
    director, activated = people["director"], first.at(ACTIVATION_DAY, 10)
    change_state(study, StudyState.ACTIVE, director, activated, "activated the study", "")
    steps = [
        step
        for place, cohort in enumerate(ACTIVE_COHORTS)
        for step in enroll_cohort(study, _running(cohort, zone, today, place), people, models)
    ]
    screened = Step(
        first.at(BASELINE_DAY, SCREENED_HOUR),
        lambda: _screen_out(study, people[ACTIVE_COHORTS[0].observer], models[ACTIVE_MODELS[0]]),
    )
    yesterday = (today - first.day0).days - 1
    take([*steps, screened, *dosing_steps(study, first, yesterday, people["doser"], declared.SEED + 1)])
    _judge_last_visits(study, now)
    _say_where_from(study, director, now)


def _running(cohort: RunningCohort, zone: str, today: date, place: int) -> CohortPlan:
    """The visits of a running cohort up to yesterday."""
    whole = declared.declared_design()
    design = replace(
        whole,
        models=tuple(model for model in whole.models if model.code in ACTIVE_MODELS),
        mice_per_arm=ACTIVE_MICE_PER_ARM,
        days=tuple(day for day in declared.DAYS if day < cohort.day_today),
        study=ACTIVE,
        ends=False,
    )
    return CohortPlan(
        cohort.name,
        design,
        LabClock(zone, today - timedelta(days=cohort.day_today)),
        declared.SEED + 1 + place,
        dict.fromkeys(ACTIVE_MODELS, cohort.observer),
        slips=(1, 0, 0),
        first_hour=cohort.first_hour,
        signs={(SICK_MOUSE, float(max(design.days))): SICK_SIGNS} if place == 0 else {},
    )


def _judge_last_visits(study: Study, now: datetime) -> None:
    """What the welfare rules find in each cohort's last visit, as if it had been entered on the sheet."""
    for cohort in study.cohorts.all():
        session = study.sessions.filter(cohort=cohort, completed_at__isnull=False).order_by("-due_on").first()
        facts = load_session(session)
        taken = {
            mouse.pk: [one for one in facts.of_mouse(mouse.pk) if not one.is_void]
            for mouse in facts.mice.values()
            if mouse.exited_on is None and facts.of_mouse(mouse.pk)
        }
        raise_alerts(facts, taken, actor=None, at=now)


def _say_where_from(study: Study, director: User, now: datetime) -> None:
    act(study, "loaded as part of the demo", study, director, now, new={
        "simulated": True, "drawn_from": "studies.analysis.simulation",
    })  # fmt: skip


def _screen_out(study: Study, observer: User, model: PdxModel) -> None:
    """Two mice measured at baseline with tumors outside the window, which randomization leaves out."""
    session = study.sessions.get(cohort__name="A", is_baseline=True)
    like = study.mice.filter(pdx_model=model).first()
    for length, width in SCREENED_OUT:
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
        at = session.completed_at + timedelta(minutes=5)
        reading = Measurement.objects.create(
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
        act(study, "recorded a measurement", reading, observer, at, new=audited(reading))


def _draft_study(people: dict[str, User], models: dict[str, PdxModel], now: datetime) -> None:
    clock = LabClock(COMPLETED_ZONE, local_date(now, COMPLETED_ZONE) + timedelta(days=25))
    title = "Simulated: MAP kinase inhibitors in colon PDX models (draft, no mice yet)"
    colon = [models[demo.code] for demo in declared.DEMO_MODELS if demo.tissue == "colon"]
    at = clock.at(SET_UP_DAY, 10)
    per_arm = declared.MICE_PER_ARM * len(colon)
    study = create_study(DRAFT, title, people, clock, at, DRAFTERS, colon, per_arm, locks_plan=False)
    _say_where_from(study, people["director"], now)
