"""A filled installation for someone to test from outside: people, two studies with work waiting, tokens.

Names of arms are canaries: words that occur nowhere else, so that one found on a page was told by it.
What is measured and drawn follows from the seed; passwords and tokens never do.
"""

import random
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from studies.actions.allocate_mice import Choices, allocate
from studies.actions.api_tokens import create_token
from studies.actions.audit import INSTALLATION, record_event
from studies.actions.demo_setup import LabClock, act
from studies.actions.demo_studies import lab_zone
from studies.actions.revisions import HASHED, rows_sha256
from studies.days import local_date
from studies.models import (
    Agent,
    AnalysisPlan,
    Arm,
    ArmAgent,
    Cage,
    Cohort,
    GenotypeCall,
    Measurement,
    MeasurementSession,
    Mouse,
    PdxModel,
    Study,
    StudyMembership,
    Tumor,
    User,
    WelfareLimits,
)
from studies.terms import ArmRole, BiomarkerStatus, DosingFrequency, Role, Route, StudyState, TokenScope
from studies.volumes import volume_mm3

OUTSIDER = "outsider"
# (user name, role); administrators and those who use the administration are staff.
PEOPLE: tuple[tuple[str, Role], ...] = (
    ("acc_technician", Role.TECHNICIAN),
    ("acc_technician_2", Role.TECHNICIAN),
    ("acc_doser", Role.DOSER),
    ("acc_director", Role.STUDY_DIRECTOR),
    ("acc_statistician", Role.STATISTICIAN),
    ("acc_qa", Role.QUALITY_ASSURANCE),
    ("acc_veterinarian", Role.VETERINARIAN),
    ("acc_custodian", Role.ALLOCATION_CUSTODIAN),
    ("acc_reader", Role.REPORT_READER),
    ("acc_administrator", Role.ADMINISTRATOR),
)
STAFF = {Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.ADMINISTRATOR}
ARM_ROLES = (ArmRole.VEHICLE, ArmRole.SINGLE_AGENT, ArmRole.SINGLE_AGENT, ArmRole.COMBINATION)
# Each session due has mice of its own: to measure one mouse in two sessions of a day raises a question.
COHORTS = ("first", "second", "third")
MICE_PER_ARM = 3  # of a cohort
MICE_PER_CAGE = 4
DAY0_AGO, MEASURED_DAYS, DUE_DAY = 6, (-1, 2), 6  # due today
DOUBLING_DAYS = (6.0, 9.0, 12.0, 20.0)  # of the tumors of each arm, so that the arms differ


class AcceptanceRefused(Exception):
    """The seed is not planted here; the message says why."""


@transaction.atomic
def plant_acceptance(seed: int, *, now: datetime) -> dict[str, Any]:
    """Fill an empty record and tell what was made: `users`, `studies` and `tokens`, with their secrets.

    Raises AcceptanceRefused beside any other study.
    """
    if Study.objects.exists():
        raise AcceptanceRefused("this database holds studies already; use a new one")
    rng = random.Random(seed)
    people = {name: _person(name, role) for name, role in PEOPLE}
    other = _person("acc_outsider", None)
    models = [_pdx_model(code, status) for code, status in _models(rng)]
    studies = [
        _Planting(code, blinded, lab_zone(now), rng, now, people, models).plant()
        for code, blinded in (("ACC-BLIND", True), ("ACC-OPEN", False))
    ]
    _elsewhere(other.user, now)
    everyone = [*people.values(), other]
    for person in everyone:
        said = {"actor": None, "at": now, "chain": INSTALLATION}
        record_event("added", person.user, new={"username": person.user.username}, **said)
    return {
        "users": [person.told for person in everyone],
        "studies": studies,
        "tokens": {person.user.username: _token(person, now) for person in everyone},
    }


@dataclass(frozen=True)
class _Person:
    user: User
    role: Role | None
    password: str

    @property
    def told(self) -> dict[str, str]:
        role = str(self.role) if self.role else OUTSIDER
        return {"username": self.user.username, "password": self.password, "role": role}


def _person(name: str, role: Role | None) -> _Person:
    password = f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
    user = User.objects.create_user(
        name,
        password=password,
        full_name=name.removeprefix("acc_").replace("_", " ").capitalize(),
        is_staff=role in STAFF,
        is_superuser=role is Role.ADMINISTRATOR,
    )
    return _Person(user, role, password)


def _token(person: _Person, now: datetime) -> str:
    scopes = {TokenScope.READ} | ({TokenScope.ENTRY} if person.role is Role.TECHNICIAN else set())
    return create_token(person.user, "acceptance", scopes, actor=None, at=now, days=30)[1]


def _models(rng: random.Random) -> list[tuple[str, BiomarkerStatus]]:
    statuses = (BiomarkerStatus.WILD_TYPE, BiomarkerStatus.LOSS_OF_FUNCTION)
    return [(f"ACC-{rng.randrange(100, 1000)}-{place}", status) for place, status in enumerate(statuses, 1)]


def _pdx_model(code: str, status: BiomarkerStatus) -> PdxModel:
    model = PdxModel.objects.create(code=code, cancer_type="simulated")
    GenotypeCall.objects.create(pdx_model=model, functional_class=status, assay="simulated")
    return model


def _elsewhere(user: User, now: datetime) -> None:
    """A study that the outsider is a member of and nobody else."""
    study = Study.objects.create(code="ACC-OTHER", title="A study of others", director=user)
    StudyMembership.objects.create(study=study, user=user, role=Role.STUDY_DIRECTOR)
    act(study, "added", study, user, now, new={"code": study.code})


@dataclass
class _Planting:
    """One study being made."""

    code: str
    blinded: bool
    zone: str
    rng: random.Random
    now: datetime
    people: dict[str, _Person]
    models: list[PdxModel]

    def plant(self) -> dict[str, Any]:
        self.clock = LabClock(self.zone, local_date(self.now, self.zone) - timedelta(days=DAY0_AGO))
        self.director = self.people["acc_director"].user
        self.study = Study.objects.create(
            code=self.code,
            title="For acceptance, simulated",
            director=self.director,
            state=StudyState.ACTIVE,
            is_blinded=self.blinded,
            time_zone=self.zone,
            schedule_days=[*MEASURED_DAYS, DUE_DAY],
        )
        for person in self.people.values():
            StudyMembership.objects.create(study=self.study, user=person.user, role=person.role)
        WelfareLimits.objects.create(study=self.study, reason="As the protocol sets them.")
        act(self.study, "added", self.study, self.director, self._at(-20), new={
            "code": self.code, "blinded": self.blinded,
        })  # fmt: skip
        arms = self._arms()
        return {
            "code": self.code,
            "blinded": self.blinded,
            "arms": [arm.name for arm in arms],
            "sessions": [self._cohort(place, name, arms) for place, name in enumerate(COHORTS)],
        }

    def _cohort(self, place: int, name: str, arms: list[Arm]) -> dict[str, Any]:
        """A cohort measured twice, and its session due today."""
        self.cohort = Cohort.objects.create(study=self.study, name=name, day0=self.clock.day0)
        mice = self._mice(place)
        baseline, *later = MEASURED_DAYS
        self._measured(baseline, mice, {})
        doubling = self._allocate(arms)
        for day in later:
            self._measured(day, mice, doubling)
        return {"id": self._session(DUE_DAY).pk, "mice": [mouse.key for mouse in mice]}

    def _arms(self) -> list[Arm]:
        names = [_canary(self.rng) for _ in ARM_ROLES]
        arms = [
            Arm.objects.create(
                study=self.study,
                name=name,
                role=role,
                position=place,
                planned_mice=MICE_PER_ARM * len(COHORTS),
            )
            for place, (name, role) in enumerate(zip(names, ARM_ROLES, strict=True))
        ]
        agents = [Agent.objects.get_or_create(name=f"test article {number}")[0] for number in (1, 2)]
        for arm, given in zip(arms, ((), agents[:1], agents[1:], agents), strict=True):
            for agent in given:
                ArmAgent.objects.create(
                    arm=arm, agent=agent, dose_mg_per_kg=10, volume_ml_per_kg=5, route=Route.ORAL,
                    frequency=DosingFrequency.ONCE_DAILY, vehicle="water", first_day=0, last_day=20,
                )  # fmt: skip
        AnalysisPlan.objects.create(
            study=self.study, plan={"control": names[0]}, reason="As in the protocol."
        )
        return arms

    def _mice(self, cohort: int) -> list[Mouse]:
        count = MICE_PER_ARM * len(ARM_ROLES)
        first = cohort * count
        cages = {
            number: Cage.objects.create(study=self.study, code=f"C{number + 1}", room="R1", rack="A")
            for number in range(first // MICE_PER_CAGE, (first + count) // MICE_PER_CAGE)
        }
        mice = []
        for place in range(first, first + count):
            mouse = Mouse.objects.create(
                study=self.study,
                cohort=self.cohort,
                pdx_model=self.models[place % len(self.models)],
                label=f"M{place + 1:02d}",
                cage=cages[place // MICE_PER_CAGE],
                ear_tag=str(place % MICE_PER_CAGE + 1),
                sex="female",
                strain="NSG",
                born_on=self.clock.date(-70),
                enrolled_on=self.clock.date(-1),
            )
            Tumor.objects.create(mouse=mouse, site="right flank", implanted_on=self.clock.date(-24))
            mice.append(mouse)
        act(self.study, "added mice", self.cohort, self.director, self._at(-2), new={
            "mice": [mouse.label for mouse in mice],
        })  # fmt: skip
        return mice

    def _allocate(self, arms: list[Arm]) -> dict[int, float]:
        """The days each mouse's tumor takes to double, by the arm it is drawn for."""
        drawn = allocate(
            self.study, self.cohort.name, Choices("sorted_block", strata=("pdx_model",)),
            seed=f"{self.rng.getrandbits(128):032x}", actor=self.director, at=self._at(0, hour=8),
        )  # fmt: skip
        days = dict(zip((arm.pk for arm in arms), DOUBLING_DAYS, strict=True))
        return {mouse: days[arm] for mouse, arm in drawn.allocations.values_list("mouse", "arm")}

    def _session(self, day: int, **fields: Any) -> MeasurementSession:
        session = MeasurementSession.objects.create(
            study=self.study, cohort=self.cohort, due_on=self.clock.date(day), is_baseline=day < 0, **fields
        )
        at = fields.get("started_at") or self.now
        act(self.study, "scheduled a measurement session", session, self.director, at, new={
            "due_on": session.due_on.isoformat(),
        })  # fmt: skip
        return session

    def _measured(self, day: int, mice: list[Mouse], doubling: dict[int, float]) -> None:
        """A completed session: readings of every mouse, and one event that vouches for all of them."""
        technician = self.people["acc_technician"].user
        start = self._at(day)
        end = start + timedelta(minutes=2 * len(mice))
        session = self._session(day, started_at=start, started_by=technician, completed_at=end)
        Measurement.objects.bulk_create(
            self._reading(session, mouse, place, day, doubling.get(mouse.pk))
            for place, mouse in enumerate(mice)
        )
        stored = session.measurements.order_by("id").values_list(*HASHED)
        act(self.study, "completed a measurement session", session, technician, end, new={
            "due_on": session.due_on.isoformat(), "revisions": len(mice), "rows_sha256": rows_sha256(stored),
        })  # fmt: skip

    def _reading(
        self, session: MeasurementSession, mouse: Mouse, place: int, day: int, doubling_days: float | None
    ) -> Measurement:
        """Tumors grow from the baseline on, once they have their `doubling_days`."""
        at = session.started_at + timedelta(minutes=2 * place)
        start = volume_mm3(7.2 + place % 5 / 10, 6.4, None, self.study.volume_formula)
        grown = 2 ** ((day - MEASURED_DAYS[0]) / doubling_days) if doubling_days else 1.0
        width = (start * grown * 2 / 1.15) ** (1 / 3)  # 15 % longer than wide
        return Measurement(
            session=session,
            mouse=mouse,
            length_mm=round(width * 1.15 + self.rng.gauss(0, 0.1), 1),
            width_mm=round(width + self.rng.gauss(0, 0.05), 1),
            volume_method="caliper",
            weight_g=round(21 + place % 4 / 2 + self.rng.gauss(0, 0.2), 1),
            observer=self.people["acc_technician"].user,
            observed_at=at,
            recorded_at=at + timedelta(seconds=2),
        )

    def _at(self, day: int, hour: int = 9) -> datetime:
        return self.clock.at(day, hour)


def _canary(rng: random.Random) -> str:
    """Twelve letters and digits that no page says by itself."""
    return "zq" + "".join(rng.choices(string.ascii_lowercase + string.digits, k=10))
