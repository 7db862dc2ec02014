"""Small valid records for tests: each takes what matters to the test and fills in the rest."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from studies.actions.blinding import draw_masks
from studies.models import (
    Allocation,
    Arm,
    GenotypeCall,
    Measurement,
    MeasurementSession,
    Mouse,
    PdxModel,
    Study,
    Tumor,
)
from studies.terms import ArmRole, StudyState


def make_study(code: str = "PDX-TEST-01", **fields) -> Study:
    """An active, blinded study without arms or mice."""
    defaults = {"title": f"Test study {code}", "state": StudyState.ACTIVE, "is_blinded": True}
    return Study.objects.create(code=code, **{**defaults, **fields})


def make_pdx_model(code: str = "BR-101", status: str | None = None, **fields) -> PdxModel:
    """A PDX model, with one MAP2K4 call of `status` where that is given."""
    pdx_model, _ = PdxModel.objects.get_or_create(code=code, defaults=fields)
    if status:
        GenotypeCall.objects.create(pdx_model=pdx_model, functional_class=status, assay="WES")
    return pdx_model


def make_mouse(study: Study, label: str = "M001", arm: Arm | None = None, **fields) -> Mouse:
    """A mouse with one tumor; allocated where an arm is given."""
    fields.setdefault("pdx_model", PdxModel.objects.first() or make_pdx_model())
    mouse = Mouse.objects.create(study=study, label=label, **fields)
    Tumor.objects.create(mouse=mouse)
    if arm:
        Allocation.objects.create(mouse=mouse, arm=arm)
    return mouse


def make_arm(study: Study, name: str = "vehicle", role: str = ArmRole.VEHICLE) -> Arm:
    return Arm.objects.create(study=study, name=name, role=role, position=study.arms.count())


def make_session(study: Study, study_day: float = 0) -> MeasurementSession:
    return MeasurementSession.objects.create(study=study, study_day=study_day)


def make_measurement(session: MeasurementSession, mouse: Mouse, **fields) -> Measurement:
    """A reading of 10 x 8 mm, 22 g, unless told otherwise."""
    defaults = {"length_mm": 10.0, "width_mm": 8.0, "weight_g": 22.0, "recorded_at": timezone.now()}
    return Measurement.objects.create(session=session, mouse=mouse, **{**defaults, **fields})


def lock_by_letters(study: Study, at: datetime) -> Study:
    """The study with its data locked, its arms going by letters from then on."""
    Study.objects.filter(pk=study.pk).update(state=StudyState.DATA_LOCKED)
    study.refresh_from_db()
    with transaction.atomic():
        draw_masks(study, actor=None, at=at)
    return study
