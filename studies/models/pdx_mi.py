"""How complete a PDX model's record is by PDX-MI, the field's minimal information standard.

Essential items of Meehan et al., Cancer Research 2017 (doi 10.1158/0008-5472.CAN-17-0582).
"""

from collections.abc import Callable
from dataclasses import dataclass

from .pdx_model import Patient, PatientSample, PdxModel


@dataclass(frozen=True)
class Item:
    """One essential item: its module, its name, and where it stands in the record."""

    module: str
    name: str
    told: Callable[[PdxModel, PatientSample | None, Patient | None], bool]


def _of_patient(field: str):
    return lambda model, sample, patient: is_told(getattr(patient, field, None))


def _of_sample(*fields: str):
    return lambda model, sample, patient: all(is_told(getattr(sample, field, None)) for field in fields)


def _of_model(*fields: str):
    return lambda model, sample, patient: all(is_told(getattr(model, field)) for field in fields)


ITEMS = (
    Item("patient", "patient id", _of_patient("code")),
    Item("patient", "sex", _of_patient("sex")),
    Item("patient", "age", _of_patient("age_at_diagnosis_years")),
    Item("patient", "diagnosis", _of_patient("diagnosis")),
    Item("patient", "consent to share", _of_patient("consented_to_share")),
    Item("tumor", "sample id", _of_sample("code")),
    Item("tumor", "primary tissue", _of_sample("primary_site")),
    Item("tumor", "primary, metastasis or recurrence", _of_sample("tumor_type")),
    Item("tumor", "specimen site", _of_sample("collection_site")),
    Item("tumor", "histology", _of_sample("histology")),
    Item("tumor", "grade and its system", _of_sample("grade", "grading_system")),
    Item("tumor", "stage and its system", _of_sample("stage", "staging_system")),
    Item("tumor", "diagnostic markers", _of_sample("diagnostic_markers")),
    Item("tumor", "from an untreated patient", _of_sample("treatment_naive_at_collection")),
    Item("model creation", "PDX model id", _of_model("code")),
    Item("model creation", "host strain and source", _of_model("host_strain", "host_source")),
    Item("model creation", "humanized or not", _of_model("humanization")),
    Item("model creation", "tumor preparation", _of_model("tumor_preparation")),
    Item("model creation", "engraftment type and site", _of_model("engraftment_type", "engraftment_site")),
    Item("quality", "characterization technology", _of_model("characterization")),
    Item("quality", "confirmed human, not EBV", _of_model("human_origin_check")),
    Item("quality", "response to standard of care", _of_model("standard_of_care_response")),
    Item("quality", "animal health status", _of_model("animal_health_status")),
    Item("quality", "passages checked", _of_model("passage_qa")),
)


@dataclass(frozen=True)
class Completeness:
    """How many of the essential items are told, and which are not."""

    told: int
    missing: tuple[Item, ...]

    @property
    def of(self) -> int:
        return self.told + len(self.missing)

    @property
    def percent(self) -> float:
        return 100 * self.told / self.of


def is_told(value: object) -> bool:
    """False is an answer (no consent, not treatment-naive); blank and None are none."""
    return value is not None and value != ""


def pdx_mi(model: PdxModel) -> Completeness:
    """Completeness of one PDX model; a cell line has no patient, and lacks what would stand there."""
    sample = model.sample
    patient = sample.patient if sample else None
    missing = tuple(item for item in ITEMS if not item.told(model, sample, patient))
    return Completeness(len(ITEMS) - len(missing), missing)
