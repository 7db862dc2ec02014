"""Lots and formulations: recorded by who prepares them, and the one that holds for a dose on a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from studies import access
from studies.actions.audit import INSTALLATION, allocation_chain, record_event
from studies.models import AgentLot, ArmAgent, Formulation, Study, User
from studies.terms import StudyState

SAME_CONCENTRATION = 0.01  # of the concentration wanted


class FormulationRefused(Exception):
    """Nothing was recorded; the message says why."""


@dataclass(frozen=True)
class Choice:
    """The formulation for a dose, or why there is none; both None where none was ever made for its agent."""

    formulation: Formulation | None = None
    refusal: str = ""


def formulations_of(study: Study) -> list[Formulation]:
    return list(Formulation.objects.filter(study=study).select_related("lot__agent"))


def formulation_for(dose: ArmAgent | None, made: Sequence[Formulation], today: date) -> Choice:
    """The last made that is usable today, of the concentration the dose's volume wants where that is told.

    The refusal names no agent, so that a blinded doser learns none.
    """
    own = [one for one in made if dose and one.lot.agent_id == dose.agent_id]
    if dose and dose.dose_mg_per_kg and dose.volume_ml_per_kg:
        wanted = dose.dose_mg_per_kg / dose.volume_ml_per_kg
        fitting = [one for one in own if abs(one.concentration_mg_per_ml / wanted - 1) <= SAME_CONCENTRATION]
        own = fitting or own
    if not own:
        return Choice()
    usable = [one for one in own if one.made_on <= today <= one.usable_until()]
    if not usable:
        last = max(one.usable_until() for one in own)
        return Choice(refusal=f"its formulation or lot expired on {last:%d %b %Y}")
    return Choice(max(usable, key=lambda one: (one.made_on, one.pk)))


def record_formulation(
    study: Study, told: Mapping[str, Any], lot: Mapping[str, Any], *, actor: User, at: datetime
) -> Formulation:
    """A preparation, with its lot where that is new. Its event stands in the allocation chain: it names an agent.

    Raises FormulationRefused: a role that may not, a study not running, an agent of no arm of the study, a lot
    known with another expiry, a code that is taken.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if not access.may_read_dose_sheet(actor, study):
            raise FormulationRefused("Your role in this study prepares nothing.")
        if study.state != StudyState.ACTIVE:
            raise FormulationRefused(
                f"Study {study.code} is {study.get_state_display()}; nothing is written in it."
            )
        agent = lot["agent"]
        if not ArmAgent.objects.filter(arm__study=study, agent=agent).exists():
            raise FormulationRefused(f"{agent} is given in no arm of {study.code}.")
        of_lot, is_new = AgentLot.objects.get_or_create(
            agent=agent, code=lot["code"], defaults={"expires_on": lot["expires_on"]}
        )
        if is_new:
            record_event("added", of_lot, actor=actor, at=at, chain=INSTALLATION,
                         new={"lot": of_lot.code, "expires_on": str(of_lot.expires_on)})  # fmt: skip
        if of_lot.expires_on != lot["expires_on"]:
            raise FormulationRefused(f"{of_lot} is on record as expiring on {of_lot.expires_on}.")
        made = Formulation(study=study, lot=of_lot, **told)
        try:
            made.full_clean()
        except ValidationError as error:
            raise FormulationRefused(" ".join(error.messages)) from error
        made.save(force_insert=True)
        record_event("recorded a formulation", made, actor=actor, at=at, chain=allocation_chain(study),
                     study=study, new={
            "code": made.code, "lot": str(of_lot), "expires_on": str(made.expires_on),
            "concentration_mg_per_ml": made.concentration_mg_per_ml,
        })  # fmt: skip
        return made
