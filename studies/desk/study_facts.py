"""What stands on record about a study, as lines to read; an empty value is shown as "not recorded"."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from studies import access
from studies.models import ArmAgent, PdxModel, Study, User
from studies.templatetags.figures import day
from studies.terms import ArmRole, BiomarkerStatus


@dataclass(frozen=True)
class ArmLine:
    """An arm as the page lists it."""

    name: str
    role: str
    agents: list[str]
    compared_with: str
    is_control: bool


@dataclass(frozen=True)
class PdxModelLine:
    """A PDX model of the study; `status` is None for those who may not see the biomarker."""

    code: str
    kind: str
    cancer_type: str
    status: BiomarkerStatus | None
    mice: int

    @property
    def status_label(self) -> str:
        return self.status.label if self.status else ""


def facts(study: Study) -> list[tuple[str, Any]]:
    """(what, value) pairs of the protocol, in the order a director asks."""
    return [
        ("Protocol number", study.protocol_number),
        ("Director", study.director),
        ("Biomarker of interest", study.biomarker),
        ("Tumor volume", study.get_volume_formula_display()),
        ("Several tumors", study.get_tumor_rule_display()),
        ("Limit of detection", f"{study.lod_mm3:g} mm³"),
        ("Day 0", study.get_day0_rule_display()),
        ("Enrollment window", f"{study.enrollment_min_mm3:g} to {study.enrollment_max_mm3:g} mm³"),
        (
            "Weight to enroll",
            f"{study.enrollment_min_weight_g:g} g or more" if study.enrollment_min_weight_g else "any",
        ),
        ("Measurement days", ", ".join(day(number) for number in study.schedule_days)),
        ("Time zone", study.time_zone),
    ]


def arm_lines(study: Study, viewer: User) -> list[ArmLine]:
    """The arms, for those who may know them by name; nobody else learns even how many there are."""
    if not access.may_know_arms(viewer, study):
        return []
    arms = study.arms.select_related("control").prefetch_related("arm_agents__agent")
    return [
        ArmLine(
            name=arm.name,
            role=arm.get_role_display(),
            agents=[dose(given) for given in arm.arm_agents.all()],
            compared_with=arm.control.name if arm.control else "",
            is_control=arm.role in (ArmRole.VEHICLE, ArmRole.OTHER_CONTROL),
        )
        for arm in arms.order_by("position", "name")
    ]


def dose(given: ArmAgent) -> str:
    """ "binimetinib 30 mg/kg, oral, twice daily (BID), days 0 to 21", as far as recorded."""
    amount = f" {given.dose_mg_per_kg:g} mg/kg" if given.dose_mg_per_kg else ""
    parts = [f"{given.agent}{amount}", given.get_route_display(), given.get_frequency_display()]
    if given.dosing_days:
        parts.append("days " + ", ".join(day(number) for number in given.dosing_days))
    elif given.first_day is not None and given.last_day is not None:
        parts.append(f"days {day(given.first_day)} to {day(given.last_day)}")
    return ", ".join(part for part in parts if part)


def pdx_model_lines(study: Study, viewer: User) -> list[PdxModelLine]:
    """The study's PDX models with their mice, and the status of its gene where the viewer may see it."""
    shows_status = access.may_see_biomarker(viewer, study)
    mice = dict(study.mice.order_by().values_list("pdx_model").annotate(Count("pk")))
    models = PdxModel.objects.filter(pk__in=mice).order_by("code")
    return [
        PdxModelLine(
            code=model.code,
            kind=model.get_kind_display(),
            cancer_type=model.cancer_type,
            status=model.biomarker_status(study.biomarker) if shows_status else None,
            mice=mice[model.pk],
        )
        for model in models.prefetch_related("genotype_calls", "status_overrules")
    ]
