"""Write a draft study step by step; each step is one transaction with its audit event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from studies import access
from studies.actions.audit import record_event, study_chain
from studies.models import (
    AnalysisPlan,
    Passage,
    PdxModel,
    Study,
    StudyMembership,
    StudyPdxModel,
    User,
    WelfareLimits,
)
from studies.terms import Role, StudyState

# What the guide's page on criteria writes, in its order.
CRITERIA_FIELDS = (
    "volume_formula", "tumor_rule", "lod_mm3", "day0_rule", "enrollment_min_mm3", "enrollment_max_mm3",
    "enrollment_min_weight_g", "schedule_days",
)  # fmt: skip
LIMIT_FIELDS = (
    "volume_cap_mm3", "diameter_cap_mm", "burden_cap_percent", "weight_loss_warning_percent",
    "weight_loss_limit_percent", "sign_score_cap", "body_condition_floor", "amber_fraction",
)  # fmt: skip


class SetUpRefused(Exception):
    """A step that was not written. `reasons` name the field, arm or mouse, one each."""

    def __init__(self, *reasons: str):
        self.reasons = reasons
        super().__init__(" ".join(reasons))


@dataclass(frozen=True)
class By:
    """Who does something, and when."""

    actor: User
    at: datetime


def record(action: str, subject, study: Study, by: By, **what: Any) -> None:
    record_event(action, subject, actor=by.actor, at=by.at, chain=study_chain(study), study=study, **what)


def locked_draft(study: Study) -> Study:
    """The study's row, locked, so that of two who save at once the second sees what the first wrote."""
    current = Study.objects.select_for_update().get(pk=study.pk)
    if current.state != StudyState.DRAFT:
        raise SetUpRefused(
            f"Study {current.code} is {current.get_state_display()}, no draft any more: amend its protocol."
        )
    return current


def begin_study(code: str, title: str, by: By, origin: str = "from scratch") -> Study:
    """A draft, directed by who begins it. Raises SetUpRefused for a code that is taken or unusable."""
    if not access.may_begin_studies(by.actor):
        raise SetUpRefused(f"{by.actor} may not begin studies; an administrator grants that under People.")
    if Study.objects.filter(code=code).exists():
        raise SetUpRefused(f'The code "{code}" is taken; codes are unique on this installation.')
    study = Study(code=code, title=title, director=by.actor)
    try:
        study.full_clean()
    except ValidationError as error:
        raise SetUpRefused(*error.messages) from error
    with transaction.atomic():
        study.save(force_insert=True)
        director = StudyMembership.objects.create(study=study, user=by.actor, role=Role.STUDY_DIRECTOR)
        record("began the study", study, study, by, new={"code": code, "title": title, "origin": origin})
        record("added", director, study, by, new={"user": by.actor.username, "role": Role.STUDY_DIRECTOR})
    return study


@transaction.atomic
def save_draft_fields(study: Study, values: dict[str, Any], by: By) -> Study:
    """Write fields of the draft itself; only what changed, with one event."""
    draft = locked_draft(study)
    old = {name: getattr(draft, name) for name in values if getattr(draft, name) != values[name]}
    if not old:
        return draft
    for name in old:
        setattr(draft, name, values[name])
    draft.full_clean()
    draft.save(update_fields=list(old))
    old, new = ({name: _told(facts[name]) for name in old} for facts in (old, values))
    record("changed", draft, draft, by, old=old, new=new)
    return draft


def _told(value: Any) -> Any:
    """As an event keeps it: a person by name."""
    return str(value) if isinstance(value, User) else value


@transaction.atomic
def set_pdx_models(study: Study, chosen: Sequence[tuple[PdxModel, Passage | None]], by: By) -> None:
    """Which PDX models the study is about, each with the passage to implant.

    Raises SetUpRefused for one that is taken out while it has mice, and for another model's passage.
    """
    draft = locked_draft(study)
    wanted = {model.pk: (model, passage) for model, passage in chosen}
    housed = set(draft.mice.values_list("pdx_model__code", flat=True))
    planned = {row.pdx_model_id: row for row in draft.planned_pdx_models.select_related("pdx_model")}
    gone = [row for key, row in planned.items() if key not in wanted and not row.is_withdrawn]
    reasons = [f"PDX model {row.pdx_model} has mice in this study." for row in gone
               if row.pdx_model.code in housed]  # fmt: skip
    reasons += [f"{passage} is no passage of PDX model {model}." for model, passage in chosen
                if passage and passage.pdx_model_id != model.pk]  # fmt: skip
    if reasons:
        raise SetUpRefused(*reasons)
    for row in gone:
        _plan_model(row, row.passage, True, draft, by)
    for key, (model, passage) in wanted.items():
        row = planned.get(key)
        if row is None:
            row = StudyPdxModel.objects.create(study=draft, pdx_model=model, passage=passage)
            record("planned a PDX model", row, draft, by, new=_planned(row))
        else:
            _plan_model(row, passage, False, draft, by)


def _plan_model(row: StudyPdxModel, passage: Passage | None, withdrawn: bool, study: Study, by: By) -> None:
    old = _planned(row)
    row.passage, row.is_withdrawn = passage, withdrawn
    if _planned(row) != old:
        row.save(update_fields=["passage", "is_withdrawn"])
        record("changed a planned PDX model", row, study, by, old=old, new=_planned(row))


def _planned(row: StudyPdxModel) -> dict[str, Any]:
    return {
        "pdx_model": row.pdx_model.code,
        "passage": str(row.passage) if row.passage else None,
        "is_withdrawn": row.is_withdrawn,
    }


@transaction.atomic
def save_limits(study: Study, values: dict[str, float], reason: str, by: By) -> WelfareLimits:
    """The draft's humane limits: its first version, written over until the study is activated."""
    draft = locked_draft(study)
    limits = draft.welfare_limits.order_by("-version").first() or WelfareLimits(study=draft)
    is_new = limits.pk is None
    old = None if is_new else {name: getattr(limits, name) for name in LIMIT_FIELDS}
    for name, value in values.items():
        setattr(limits, name, value)
    new = {name: getattr(limits, name) for name in LIMIT_FIELDS}
    if old == new:
        return limits
    limits.reason = reason
    limits.full_clean()
    limits.save()
    record("set welfare limits", limits, draft, by, old=old, new={"version": limits.version, **new},
           reason=reason)  # fmt: skip
    return limits


@transaction.atomic
def save_plan(study: Study, plan: dict[str, Any], reason: str, by: By) -> AnalysisPlan:
    """The draft's analysis plan: its first version, written over until activation locks it.

    Raises SetUpRefused for what `studies.analysis.plan` refuses, and for an arm the study does not have.
    """
    draft = locked_draft(study)
    refuse_plan(draft, plan)
    stored = draft.analysis_plans.order_by("-version").first() or AnalysisPlan(study=draft)
    old = stored.plan if stored.pk else None
    if old == plan:
        return stored
    stored.plan, stored.reason = plan, reason
    stored.save()
    record("drafted the analysis plan", stored, draft, by, old=old and {"plan": old},
           new={"version": stored.version, "plan": plan}, reason=reason)  # fmt: skip
    return stored


def refuse_plan(study: Study, plan: dict[str, Any]) -> None:
    """Raise SetUpRefused for a plan the analysis would refuse, or one that names an arm not in the study."""
    from studies.analysis.errors import AnalysisError
    from studies.analysis.plan import check_plan  # brings pandas, which no page waits for

    try:
        check_plan(plan)
    except AnalysisError as error:
        raise SetUpRefused(str(error)) from error
    arms = set(study.arms.values_list("name", flat=True))
    named = {plan.get("control"), *plan.get("expected_sign", ())} - {None}
    named |= set((plan.get("sample_size") or {}).get("mice_per_arm", ()))
    for combination in plan.get("combinations", ()):
        named |= {combination["arm"], *combination["parts"]}
    if unknown := sorted(named - arms):
        raise SetUpRefused(f"The plan names an arm the study does not have: {', '.join(unknown)}.")


@transaction.atomic
def set_members(study: Study, people: Sequence[tuple[User, Role]], by: By) -> None:
    """Who takes part in the draft, in which role; a role left out ends, and its record stays.

    Raises SetUpRefused when no study director would be left.
    """
    draft = locked_draft(study)
    if not any(role == Role.STUDY_DIRECTOR for _, role in people):
        raise SetUpRefused("A study needs a study director.")
    wanted = {(user.pk, str(role)): (user, role) for user, role in people}
    stored = {(row.user_id, row.role): row for row in draft.memberships.select_related("user")}
    for key, (user, role) in wanted.items():
        if key not in stored:
            row = StudyMembership.objects.create(study=draft, user=user, role=role)
            record("added", row, draft, by, new={"user": user.username, "role": str(role)})
    for key, row in stored.items():
        if row.is_active != (key in wanted):
            row.is_active = not row.is_active
            row.save(update_fields=["is_active"])
            record("changed", row, draft, by, old={"is_active": not row.is_active},
                   new={"is_active": row.is_active, "user": row.user.username, "role": row.role})  # fmt: skip
