"""What a draft still lacks before it can be activated, each with the step that mends it."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from studies import access
from studies.actions.arms import CONTROLS, arm_defects, arm_drafts, arms_record
from studies.models import Study, Tumor
from studies.terms import BiomarkerStatus, Role

# Column of a mouse -> what it is called.
MOUSE_FACTS = {
    "sex": "sex",
    "born_on": "birth date",
    "strain": "strain",
    "cage": "cage",
    "ear_tag": "ear tag",
}
SHOWN = 5


@dataclass(frozen=True)
class Gap:
    """Something missing (it keeps the study a draft) or worth a thought (it does not)."""

    step: str
    what: str
    is_missing: bool = True


def set_up_gaps(study: Study) -> list[Gap]:
    """Every gap, in the order of the guide's steps."""
    return [
        *_protocol(study),
        *_pdx_models(study),
        *_arms(study),
        *_mice(study),
        *_criteria(study),
        *_plan(study),
        *_blinding(study),
    ]


def _protocol(study: Study) -> Iterator[Gap]:
    if not study.protocol_number:
        yield Gap("protocol", "The protocol number is not given.")
    if study.director_id is None:
        yield Gap("protocol", "No study director is named.")


def _pdx_models(study: Study) -> Iterator[Gap]:
    rows = list(
        study.planned_pdx_models.filter(is_withdrawn=False)
        .select_related("pdx_model", "passage")
        .prefetch_related("pdx_model__genotype_calls", "pdx_model__status_overrules")
    )
    if not rows:
        yield Gap("pdx-models", "No PDX model is chosen.")
    if bare := [row.pdx_model.code for row in rows if row.passage is None]:
        yield Gap("pdx-models", f"No passage is chosen for {_listed(bare)}.")
    decided = (BiomarkerStatus.LOSS_OF_FUNCTION, BiomarkerStatus.WILD_TYPE)
    open_status = [
        r.pdx_model.code for r in rows if r.pdx_model.biomarker_status(study.biomarker) not in decided
    ]
    if open_status:
        what = f"{study.biomarker} status is not decided for {_listed(open_status)}; they stay out of strata."
        yield Gap("pdx-models", what, is_missing=False)


def _arms(study: Study) -> Iterator[Gap]:
    arms = arm_drafts(arms_record(study))
    if len(arms) < 2:
        yield Gap("arms", "A study compares at least two arms.")
    if arms and not any(arm.role in CONTROLS for arm in arms):
        yield Gap("arms", "No arm is a control.")
    for defect in arm_defects(arms):
        yield Gap("arms", defect)
    for arm in arms:
        if not arm.role:
            yield Gap("arms", f'Arm "{arm.name}" has no role.')
        if not arm.planned_mice:
            yield Gap("arms", f'Arm "{arm.name}" has no number of planned mice.')
        if not arm.given and arm.role not in CONTROLS:
            yield Gap("arms", f'Arm "{arm.name}" gives no agent.')
        for given in arm.given:
            for name, told in (("route", given.route), ("schedule", given.frequency),
                               ("first dosing day", given.first_day is not None or given.dosing_days),
                               ("last dosing day", given.last_day is not None or given.dosing_days)):  # fmt: skip
                if not told:
                    yield Gap("arms", f'Arm "{arm.name}" gives {given.agent} without a {name}.')


def _mice(study: Study) -> Iterator[Gap]:
    mice, arms = study.mice.count(), study.arms.count()
    planned = study.arms.aggregate(mice=Sum("planned_mice"))["mice"] or 0
    if not mice:
        yield Gap("mice", "No mouse is listed.")
        return
    if mice < arms:
        yield Gap("mice", f"There are more arms ({arms}) than mice ({mice}).")
    elif mice < planned:
        what = f"{mice} mice are listed and {planned} are planned; the rest can join as further cohorts."
        yield Gap("mice", what, is_missing=False)
    for field, name in MOUSE_FACTS.items():
        unset = Q(**{f"{field}__isnull": True}) if field in ("cage", "born_on") else Q(**{field: ""})
        yield from _unset(study, unset, name)
    tumors = Tumor.objects.filter(mouse__study=study)
    without = study.mice.annotate(n=Count("tumors")).filter(n=0)
    if without.exists():
        yield Gap("mice", f"No tumor is recorded for {_listed(without.values_list('label', flat=True))}.")
    for field, name in (("passage", "passage"), ("implanted_on", "implantation date")):
        labels = tumors.filter(**{f"{field}__isnull": True}).values_list("mouse__label", flat=True)
        if labels:
            yield Gap("mice", f"The {name} is not recorded for {_listed(labels)}.")


def _unset(study: Study, unset: Q, name: str) -> Iterator[Gap]:
    labels = study.mice.filter(unset).values_list("label", flat=True)
    if labels:
        yield Gap("mice", f"The {name} is not recorded for {_listed(labels)}.")


def _criteria(study: Study) -> Iterator[Gap]:
    if not study.schedule_days:
        yield Gap("criteria", "No measurement days are given.")
    if not study.welfare_limits.exists():
        yield Gap("criteria", "No welfare limits are set.")


def _plan(study: Study) -> Iterator[Gap]:
    stored = study.analysis_plans.order_by("-version").first()
    if stored is None:
        yield Gap("plan", "There is no analysis plan.")
        return
    if stored.plan.get("control") not in set(study.arms.values_list("name", flat=True)):
        yield Gap("plan", "The plan names no control that is an arm of this study.")
    day = stored.plan.get("day")
    if study.schedule_days and day not in study.schedule_days:
        yield Gap("plan", "The day arms are compared at is no measurement day.")
    if target := stored.plan.get("sample_size"):
        if target["mice_per_arm"] != dict(study.arms.values_list("name", "planned_mice")):
            yield Gap(
                "plan", "The plan's sample size names other mice than the arms plan: save the plan again."
            )
    else:
        yield Gap("plan", "The plan declares no effect to be shown and no power.", False)


def _blinding(study: Study) -> Iterator[Gap]:
    roles = set(study.memberships.filter(is_active=True).values_list("role", flat=True))
    if not roles & set(access.SET_UP_ROLES):
        yield Gap("blinding", "No member is the study director.")
    if Role.TECHNICIAN not in roles:
        yield Gap("blinding", "No technician is a member yet; only the director could measure.", False)
    if study.is_blinded and Role.ALLOCATION_CUSTODIAN not in roles:
        yield Gap("blinding", "Nobody holds the sealed allocation list (allocation custodian).", False)


def _listed(names) -> str:
    """ "M001, M002 and 118 more"."""
    names = sorted(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
