"""A protocol as plain facts: what activation signs, what a template keeps, what a clone begins from."""

from typing import Any

from django.db import transaction

from studies import access
from studies.actions.arms import arm_drafts, arms_record, set_arms
from studies.actions.set_up import (
    CRITERIA_FIELDS,
    LIMIT_FIELDS,
    By,
    SetUpRefused,
    begin_study,
    record,
    save_draft_fields,
    save_limits,
    save_plan,
    set_pdx_models,
)
from studies.models import Agent, ExpectedSignDeclaration, PdxModel, Study, StudyTemplate

CLONED_FIELDS = ("biomarker", "time_zone", "is_blinded", *CRITERIA_FIELDS)
OF_ARMS = ("arms", "plan", "expected_signs")


def protocol_record(study: Study) -> dict[str, Any]:
    """Everything the protocol fixes, without animals and people. It names arms: show it to nobody blinded."""
    limits = study.welfare_limits.order_by("-version").first()
    plan = study.analysis_plans.order_by("-version").first()
    planned = study.planned_pdx_models.filter(is_withdrawn=False).select_related("pdx_model", "passage")
    signs = study.expected_signs.select_related("agent").order_by("agent__name")
    return {
        "title": study.title,
        "protocol_number": study.protocol_number,
        **{name: getattr(study, name) for name in CLONED_FIELDS},
        "pdx_models": [
            {"code": row.pdx_model.code, "passage": row.passage.number if row.passage else None}
            for row in planned
        ],
        "arms": arms_record(study),
        "limits": {"version": limits.version, **{name: getattr(limits, name) for name in LIMIT_FIELDS}}
        if limits
        else None,
        "plan": {"version": plan.version, "plan": plan.plan} if plan else None,
        "expected_signs": {row.agent.name: row.expected_sign for row in signs},
    }


@transaction.atomic
def save_template(study: Study, name: str, description: str, by: By) -> StudyTemplate:
    """Keep a study's protocol under a name. Raises SetUpRefused for a taken name, and while arms are hidden."""
    if not access.may_know_arms(by.actor, study):
        raise SetUpRefused("The arms of this study are hidden from you; make the template once it is open.")
    if StudyTemplate.objects.filter(name__iexact=name).exists():
        raise SetUpRefused(f'A template is called "{name}" already.')
    template = StudyTemplate.objects.create(
        name=name,
        description=description,
        protocol=protocol_record(study),
        made_from=study,
        made_by=by.actor,
        made_at=by.at,
    )
    record("saved a template", template, study, by, new={"name": name})
    return template


@transaction.atomic
def begin_from_template(template: StudyTemplate, code: str, title: str, by: By) -> Study:
    study = begin_study(code, title, by, origin=f"template {template.name}")
    _write(study, template.protocol, f"As in the template {template.name}.", by)
    return study


@transaction.atomic
def clone_study(source: Study, code: str, title: str, by: By) -> Study:
    """A further draft like `source`, without its animals and people; without its arms where they are hidden."""
    facts = protocol_record(source)
    if not access.may_know_arms(by.actor, source):
        facts = {name: value for name, value in facts.items() if name not in OF_ARMS}
    study = begin_study(code, title, by, origin=f"clone of {source.code}")
    _write(study, facts, f"As in study {source.code}.", by)
    return study


def _write(study: Study, facts: dict[str, Any], reason: str, by: By) -> None:
    save_draft_fields(study, {name: facts[name] for name in CLONED_FIELDS}, by)
    models = {model.code: model for model in PdxModel.objects.filter(
        code__in=[row["code"] for row in facts["pdx_models"]])}  # fmt: skip
    set_pdx_models(study, [
        (models[row["code"]], models[row["code"]].passages.filter(number=row["passage"]).first())
        for row in facts["pdx_models"] if row["code"] in models
    ], by)  # fmt: skip
    if facts["limits"]:
        save_limits(
            study,
            {name: facts["limits"][name] for name in LIMIT_FIELDS if name in facts["limits"]},
            reason,
            by,
        )
    if facts.get("arms"):
        set_arms(study, arm_drafts(facts["arms"]), by)
    if facts.get("plan"):
        save_plan(study, facts["plan"]["plan"], reason, by)
    set_expected_signs(study, facts.get("expected_signs", {}), by)


@transaction.atomic
def set_expected_signs(study: Study, signs: dict[str, str], by: By) -> None:
    """Agent name -> which stratum it is expected to slow more; agents left out have no declared sign."""
    old = dict(study.expected_signs.values_list("agent__name", "expected_sign"))
    if old == signs:
        return
    study.expected_signs.all().delete()
    rows = ExpectedSignDeclaration.objects.bulk_create(
        ExpectedSignDeclaration(study=study, agent=Agent.objects.get(name=name), expected_sign=sign)
        for name, sign in signs.items()
    )
    subject = rows[0] if rows else ExpectedSignDeclaration(pk=0)
    record("declared expected signs", subject, study, by, old=old, new=signs)
