"""Set up the demo's studies as a director would: registry, study, limits, arms, plan, each with its event."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from studies.actions import demo_design as declared
from studies.actions.audit import INSTALLATION, record_event
from studies.actions.demo_people import PEOPLE
from studies.actions.demo_setup import LabClock, act
from studies.models import (
    Agent,
    AnalysisPlan,
    Arm,
    ArmAgent,
    ExpectedSignDeclaration,
    GenotypeCall,
    Passage,
    Patient,
    PatientSample,
    PdxModel,
    Study,
    StudyMembership,
    StudyPdxModel,
    User,
    WelfareLimits,
)
from studies.terms import StudyOrigin, StudyState, TumorType

HOST_STRAIN = "NOD.Cg-Prkdc<scid> Il2rg<tm1Wjl>/SzJ (NSG)"
SIMULATED = "Simulated for the demo; not a real patient, tumor or finding."
PASSAGE_DAYS = 70


def register_models(director: User, clock: LabClock, at: datetime) -> dict[str, PdxModel]:
    """The demo's six PDX models with patient, sample, passages and genotype calls, by code."""
    models = {demo.code: _register(demo, clock) for demo in declared.DEMO_MODELS}
    calls = [
        GenotypeCall(
            pdx_model=models[demo.code],
            gene=call.gene,
            variant=call.variant,
            functional_class=call.functional_class,
            assay=call.assay,
            passage_tested=models[demo.code].passages.get(number=2),
            called_on=clock.date(-60),
        )
        for demo in declared.DEMO_MODELS
        for call in (*demo.map2k4, *declared.OTHER_GENES)
    ]
    GenotypeCall.objects.bulk_create(calls)
    record_event(
        "registered PDX models",
        models[declared.DEMO_MODELS[0].code],
        actor=director,
        at=at,
        chain=INSTALLATION,
        new={
            "origin": "simulated for the demo",
            "pdx_models": list(models),
            "genotype_calls": [
                [call.pdx_model.code, call.gene, call.functional_class, call.variant] for call in calls
            ],
        },
    )
    return models


def _register(demo: declared.DemoModel, clock: LabClock) -> PdxModel:
    patient = Patient.objects.create(
        code=demo.code.replace("SIM-", "SIM-PT-"),
        sex=demo.patient_sex,
        diagnosis=demo.diagnosis,
        age_at_diagnosis_years=demo.patient_age_years,
        consented_to_share=True,
    )
    sample = PatientSample.objects.create(
        patient=patient,
        code=demo.code.replace("SIM-", "SIM-SA-"),
        tumor_type=TumorType.PRIMARY,
        diagnosis=demo.diagnosis,
        primary_site=demo.tissue,
        collection_site=demo.tissue,
        age_in_years_at_collection=demo.patient_age_years,
        treatment_naive_at_collection=True,
    )
    model = PdxModel.objects.create(
        code=demo.code,
        sample=sample,
        cancer_type=demo.tissue,
        host_strain=HOST_STRAIN,
        engraftment_site="right flank, subcutaneous",
        engraftment_type="heterotopic",
        note=SIMULATED,
    )
    Passage.objects.bulk_create(
        Passage(
            pdx_model=model,
            number=number,
            fragment="2 x 2 x 2 mm",
            passaged_on=clock.date(-24 - PASSAGE_DAYS * (demo.passage - number)),
        )
        for number in range(demo.passage + 1)
    )
    return model


def create_study(
    code: str,
    title: str,
    people: dict[str, User],
    clock: LabClock,
    at: datetime,
    members: Iterable[str],
    models: Sequence[PdxModel],
    mice_per_arm: int,
    locks_plan: bool = True,
) -> Study:
    """A draft with everything a protocol fixes, and an event for each decision in it."""
    director = people["director"]
    study = Study.objects.create(
        code=code,
        title=title,
        protocol_number=f"SIM-{code[-2:]}",
        director=director,
        origin=StudyOrigin.SIMULATED,
        state=StudyState.DRAFT,
        is_blinded=True,
        lod_mm3=declared.LIMITS.lod_mm3,
        enrollment_min_mm3=declared.LIMITS.enrollment_mm3[0],
        enrollment_max_mm3=declared.LIMITS.enrollment_mm3[1],
        schedule_days=[day for day in declared.DAYS if day >= 0],
        time_zone=clock.time_zone,
    )
    roles = _join(study, people, members)
    act(study, "created the study", study, director, at, new={
        "code": code, "title": title, "origin": str(StudyOrigin.SIMULATED), "is_blinded": True,
        "members": roles, "volume_formula": study.volume_formula,
        "schedule_days": study.schedule_days, "time_zone": study.time_zone,
    })  # fmt: skip
    _plan_models(study, models, director, at + timedelta(minutes=5))
    _limits(study, director, at + timedelta(minutes=10))
    _arms(study, mice_per_arm, director, at + timedelta(minutes=20))
    _plan(study, director, at + timedelta(minutes=40), locks_plan)
    return study


def _join(study: Study, people: dict[str, User], members: Iterable[str]) -> list[list[str]]:
    roles = {person.username: person.role for person in PEOPLE}
    StudyMembership.objects.bulk_create(
        StudyMembership(study=study, user=people[name], role=roles[name]) for name in members
    )
    return [[name, str(roles[name])] for name in members]


def _plan_models(study: Study, models: Sequence[PdxModel], director: User, at: datetime) -> None:
    for model in models:
        passage = model.passages.order_by("-number").first()
        row = StudyPdxModel.objects.create(study=study, pdx_model=model, passage=passage)
        act(study, "planned a PDX model", row, director, at, new={
            "pdx_model": model.code, "passage": str(passage),
        })  # fmt: skip


def _limits(study: Study, director: User, at: datetime) -> None:
    reason = "Humane limits of the simulated protocol."
    limits = WelfareLimits.objects.create(
        study=study,
        volume_cap_mm3=declared.LIMITS.volume_cap_mm3,
        diameter_cap_mm=declared.LIMITS.diameter_cap_mm,
        weight_loss_limit_percent=declared.LIMITS.weight_loss_percent,
        reason=reason,
    )
    act(study, "set welfare limits", limits, director, at, reason=reason, new={
        "version": 1, "volume_cap_mm3": limits.volume_cap_mm3, "diameter_cap_mm": limits.diameter_cap_mm,
        "weight_loss_limit_percent": limits.weight_loss_limit_percent,
    })  # fmt: skip


def _arms(study: Study, mice_per_arm: int, director: User, at: datetime) -> None:
    arms = {
        arm.name: arm
        for arm in Arm.objects.bulk_create(
            Arm(study=study, name=truth.name, role=truth.role, position=place, planned_mice=mice_per_arm)
            for place, truth in enumerate(declared.ARM_TRUTHS)
        )
    }
    agents = {
        given.name: Agent.objects.get_or_create(name=given.name, defaults={"target": given.target})[0]
        for given in (declared.CARRIER, *declared.AGENTS.values())
    }
    ArmAgent.objects.bulk_create(
        _arm_agent(arms[name], agents[given.name], given)
        for name, several in declared.AGENTS_OF_ARM.items()
        for given in several
    )
    act(study, "set the arms", arms[declared.VEHICLE], director, at, new={
        "mice_per_arm": mice_per_arm,
        "arms": [[truth.name, str(truth.role)] for truth in declared.ARM_TRUTHS],
        "doses": [
            [name, given.name, given.dose_mg_per_kg, str(given.route), str(given.frequency)]
            for name, several in declared.AGENTS_OF_ARM.items()
            for given in several
        ],
        "doses_are": "illustrative",
    })  # fmt: skip
    signs = ExpectedSignDeclaration.objects.bulk_create(
        ExpectedSignDeclaration(study=study, agent=agents[name], expected_sign=sign)
        for name, sign in declared.EXPECTED_SIGNS.items()
    )
    act(study, "declared expected signs", signs[0], director, at + timedelta(minutes=5), new={
        name: str(sign) for name, sign in declared.EXPECTED_SIGNS.items()
    })  # fmt: skip


def _arm_agent(arm: Arm, agent: Agent, given: declared.DemoAgent) -> ArmAgent:
    return ArmAgent(
        arm=arm,
        agent=agent,
        dose_mg_per_kg=given.dose_mg_per_kg,
        route=given.route,
        vehicle=given.vehicle,
        volume_ml_per_kg=given.volume_ml_per_kg,
        frequency=given.frequency,
        first_day=0,
        last_day=declared.TRUTH_DAY - 1,
    )


def _plan(study: Study, director: User, at: datetime, is_locked: bool) -> None:
    reason = "The pre-specified analysis of the simulated protocol."
    mice = dict(study.arms.values_list("name", "planned_mice"))
    stated = declared.PLAN | {"sample_size": declared.TARGET | {"mice_per_arm": mice}}
    plan = AnalysisPlan.objects.create(
        study=study, plan=stated, reason=reason, locked_at=at if is_locked else None
    )
    action = "locked the analysis plan" if is_locked else "drafted the analysis plan"
    act(study, action, plan, director, at, reason=reason, new={
        "version": 1, "plan": stated,
    })  # fmt: skip
