"""A study ready to be randomized: arms, mice in cages, and a baseline session, for tests."""

from datetime import date

import numpy as np

from studies.models import Agent, ArmAgent, Cage, Cohort, MeasurementSession, Mouse, Study, Tumor
from studies.terms import ArmRole
from tests.factories import make_arm, make_measurement, make_pdx_model

BASELINE = date(2026, 6, 1)
ARMS = ("vehicle", "drug A", "drug B", "drug A + drug B")
ROLES = (ArmRole.VEHICLE, ArmRole.SINGLE_AGENT, ArmRole.SINGLE_AGENT, ArmRole.COMBINATION)


def make_arms(study: Study, names: tuple[str, ...] = ARMS) -> None:
    for place, (name, role) in enumerate(zip(names, ROLES, strict=False)):
        arm = make_arm(study, name, role)
        if role != ArmRole.VEHICLE:
            agent, _ = Agent.objects.get_or_create(name=f"agent {place}")
            ArmAgent.objects.create(
                arm=arm, agent=agent, dose_mg_per_kg=10.0 + place, volume_ml_per_kg=10, route="oral",
                frequency="qd", first_day=0, last_day=21,
            )  # fmt: skip


def make_baseline(study: Study, cohort: Cohort | None = None, on: date = BASELINE) -> MeasurementSession:
    return MeasurementSession.objects.create(study=study, cohort=cohort, due_on=on, is_baseline=True)


def read(session: MeasurementSession, mouse: Mouse, volume_mm3: float, weight_g: float | None = 22.0) -> None:
    """A caliper reading of that volume by L·W²/2, length 1.2 times the width."""
    width = (volume_mm3 / 0.6) ** (1 / 3)
    make_measurement(
        session, mouse, length_mm=1.2 * width, width_mm=width, weight_g=weight_g, volume_method="caliper"
    )


def make_cohort(
    study: Study, mice: int = 16, name: str | None = "A", first: int = 1, on: date = BASELINE, **baseline
) -> list[Mouse]:
    """Mice in cages of four, all inside the window, measured at baseline; of a cohort unless `name` is None."""
    cohort = Cohort.objects.create(study=study, name=name) if name else None
    session = baseline.get("session") or make_baseline(study, cohort, on)
    rng, model = np.random.default_rng(first), make_pdx_model()
    made = []
    for number in range(first, first + mice):
        cage, _ = Cage.objects.get_or_create(
            study=study, code=f"C{(number - 1) // 4 + 1:02d}", defaults={"room": "B2", "rack": "R1"}
        )
        mouse = Mouse.objects.create(
            study=study, cohort=cohort, pdx_model=model, label=f"M{number:03d}", cage=cage, sex="female",
            ear_tag=str((number - 1) % 4 + 1),
        )  # fmt: skip
        Tumor.objects.create(mouse=mouse, implanted_on=date(2026, 5, 1))
        read(session, mouse, float(rng.uniform(110, 190)), float(rng.normal(22, 1.2)))
        made.append(mouse)
    return made
