"""Change a protocol that is under way: by a signed amendment, or as a deviation told afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from studies import access
from studies.actions.set_up import LIMIT_FIELDS, By, SetUpRefused, record, refuse_plan
from studies.actions.sign import Signer, sign
from studies.models import Amendment, AnalysisPlan, Deviation, Mouse, Study, WelfareLimits
from studies.terms import Role, SignatureMeaning, SignedAct, StudyState

STUDY_FIELDS = (
    "title", "protocol_number", "enrollment_min_mm3", "enrollment_max_mm3", "enrollment_min_weight_g",
    "schedule_days",
)  # fmt: skip
PLAN_KEYS = ("primary", "day", "window", "endpoint", "alpha")  # none of them names an arm
RECORDS_DEVIATIONS = frozenset({Role.STUDY_DIRECTOR, Role.TECHNICIAN, Role.VETERINARIAN})


@dataclass(frozen=True)
class Changes:
    """What an amendment changes: fields of the study, of the humane limits, keys of the plan."""

    study: dict[str, Any]
    limits: dict[str, float]
    plan: dict[str, Any]


@transaction.atomic
def amend_protocol(
    study: Study, what: str, reason: str, in_force_from: date, changes: Changes, signer: Signer
) -> Amendment:
    """Record, apply and sign an amendment of an active study; limits and plan get a further version.

    Raises SetUpRefused without what or why, for a field no amendment may change (the volume formula),
    outside an active study, and for who is not its director.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    if not access.roles_in(signer.user, study) & access.SET_UP_ROLES:
        raise SetUpRefused(f"{signer.user} does not direct {study.code}.")
    if study.state != StudyState.ACTIVE:
        raise SetUpRefused(
            f"{study.code} is {study.get_state_display()}; only an active protocol is amended."
        )
    if not what.strip() or not reason.strip():
        raise SetUpRefused("Say what is amended, and why.")
    told = _changed(study, changes)
    number = (study.amendments.aggregate(last=Max("number"))["last"] or 0) + 1
    amendment = Amendment.objects.create(
        study=study, number=number, what=what.strip(), reason=reason.strip(), in_force_from=in_force_from,
        changes=told, made_by=signer.user, made_at=signer.at,
    )  # fmt: skip
    _apply(study, told, f"Amendment {number}: {reason.strip()}", signer)
    by = By(signer.user, signer.at)
    record("amended the protocol", amendment, study, by, new={"number": number, "what": amendment.what,
           "in_force_from": in_force_from.isoformat(), "changes": told}, reason=amendment.reason)  # fmt: skip
    sign(amendment, amendment_record(amendment), signer, act=SignedAct.AMENDMENT,
         meaning=SignatureMeaning.APPROVED, study=study, reason=amendment.reason)  # fmt: skip
    return amendment


def amendment_record(amendment: Amendment) -> dict[str, Any]:
    """What the signature under an amendment covers."""
    return {
        "number": amendment.number,
        "what": amendment.what,
        "why": amendment.reason,
        "in_force_from": amendment.in_force_from.isoformat(),
        "changes": amendment.changes,
    }


def _changed(study: Study, changes: Changes) -> dict[str, list]:
    """Name -> [what it was, what it becomes], of what differs."""
    limits = study.welfare_limits.order_by("-version").first()
    plan = study.analysis_plans.order_by("-version").first()
    groups = (
        ("study", changes.study, STUDY_FIELDS, lambda name: getattr(study, name)),
        ("limits", changes.limits, LIMIT_FIELDS, lambda name: getattr(limits, name, None)),
        ("plan", changes.plan, PLAN_KEYS, lambda name: plan.plan.get(name) if plan else None),
    )
    told = {}
    for group, values, allowed, current in groups:
        for name, value in values.items():
            if name not in allowed:
                raise SetUpRefused(
                    f"{name.replace('_', ' ')} is fixed by activation; no amendment changes it."
                )
            if current(name) != value:
                told[f"{group}.{name}"] = [current(name), value]
    return told


def _apply(study: Study, told: dict[str, list], reason: str, signer: Signer) -> None:
    by_group: dict[str, dict[str, Any]] = {"study": {}, "limits": {}, "plan": {}}
    for name, (_, value) in told.items():
        group, field = name.split(".")
        by_group[group][field] = value
    try:
        if by_group["study"]:
            for name, value in by_group["study"].items():
                setattr(study, name, value)
            study.full_clean()
            study.save(update_fields=list(by_group["study"]))
        if by_group["limits"]:
            last = study.welfare_limits.order_by("-version").first()
            values = {name: getattr(last, name) for name in LIMIT_FIELDS} if last else {}
            version = last.version + 1 if last else 1
            limits = WelfareLimits(study=study, version=version, reason=reason, **values | by_group["limits"])
            limits.full_clean()
            limits.save()
    except ValidationError as error:
        raise SetUpRefused(*error.messages) from error
    if by_group["plan"]:
        last = study.analysis_plans.order_by("-version").first()
        plan = {**(last.plan if last else {}), **by_group["plan"]}
        refuse_plan(study, plan)
        version = last.version + 1 if last else 1
        AnalysisPlan.objects.create(
            study=study, version=version, plan=plan, reason=reason, locked_at=signer.at
        )


@transaction.atomic
def record_deviation(
    study: Study,
    happened_on: date,
    what: str,
    impact: str,
    measure: str,
    mice: Sequence[Mouse],
    by: By,
    corrects: Deviation | None = None,
) -> Deviation:
    """Write down what did not go by the protocol. An entry is never changed: a further one corrects it.

    Raises SetUpRefused in a study that takes no data, for a day to come, a mouse of another study, and
    for a role that records none.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    if not access.roles_in(by.actor, study) & RECORDS_DEVIATIONS:
        raise SetUpRefused(f"{by.actor} has no role in {study.code} that records deviations.")
    if not study.accepts_data:
        raise SetUpRefused(f"{study.code} is {study.get_state_display()} and takes no entries.")
    if happened_on > by.at.date():
        raise SetUpRefused(f"{happened_on} is still to come.")
    if strangers := [mouse.label for mouse in mice if mouse.study_id != study.pk]:
        raise SetUpRefused(f"Not a mouse of this study: {', '.join(strangers)}.")
    if corrects and corrects.study_id != study.pk:
        raise SetUpRefused("The entry this one corrects is of another study.")
    number = (study.deviations.aggregate(last=Max("number"))["last"] or 0) + 1
    deviation = Deviation(
        study=study, number=number, happened_on=happened_on, what=what.strip(), impact=impact,
        measure=measure.strip(), corrects=corrects, recorded_by=by.actor, recorded_at=by.at,
    )  # fmt: skip
    try:
        deviation.full_clean()
    except ValidationError as error:
        raise SetUpRefused(*error.messages) from error
    deviation.save(force_insert=True)
    deviation.mice.set(mice)
    record("recorded a deviation", deviation, study, by, new={
        "number": number, "happened_on": happened_on.isoformat(), "what": deviation.what, "impact": impact,
        "measure": deviation.measure, "mice": [mouse.label for mouse in mice],
        "corrects": corrects.number if corrects else None,
    })  # fmt: skip
    return deviation
