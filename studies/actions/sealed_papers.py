"""The sealed list, recorded before it is read, and what it shares with doses: who, syringe, weight, order."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from studies import access
from studies.actions.audit import allocation_chain, record_event
from studies.days import local_date
from studies.models import Allocation, ArmAgent, Measurement, Study, SyringeCode, User


class PaperRefused(Exception):
    """No paper was made; the message says why."""


@dataclass(frozen=True)
class SealedLine:
    """One mouse of the sealed list."""

    mouse: str
    cage: str
    cohort: str
    arm: str
    syringe_code: str


def open_sealed_list(study: Study, user: User, reason: str, at: datetime) -> list[SealedLine]:
    """Which mouse is in which arm, for the custodian, who says why; recorded in the allocation chain first.

    Raises PermissionError for all but allocation custodians, PaperRefused without a reason or an allocation.
    """
    if not access.may_open_sealed_list(user, study):
        raise PermissionError(f"the sealed list of study {study.code} is the custodian's alone")
    if not reason.strip():
        raise PaperRefused("Say why the sealed list is opened; the reason is kept.")
    with transaction.atomic():
        mice = allocated(study)
        if not mice.exists():
            raise PaperRefused("No mouse is allocated yet, so there is no list.")
        record_event(
            "opened the sealed allocation list", study, actor=user, at=at, chain=allocation_chain(study),
            study=study, new={"mice": mice.count()}, reason=reason.strip(),
        )  # fmt: skip
        codes = dict(SyringeCode.objects.filter(study=study).values_list("arm", "code"))
        return [
            SealedLine(
                one.mouse.label,
                one.mouse.cage.code if one.mouse.cage else "",
                one.mouse.cohort.name if one.mouse.cohort else "",
                one.arm.name,
                codes.get(one.arm_id, ""),
            )
            for one in mice.order_by("mouse__label")
        ]


def in_rack_order(*places: str) -> list[tuple[tuple[int, str], ...]]:
    """A key that puts C2 before C10, as cages stand in a rack."""
    return [_natural(place) for place in places]


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in [*text, ""]:
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, character))
    return tuple(parts)


def allocated(study: Study):
    """Allocations of mice that neither left nor were excluded."""
    found = Allocation.objects.filter(mouse__study=study, mouse__exit=None, mouse__exclusion=None)
    return found.select_related("mouse__cage", "mouse__cohort", "arm").prefetch_related(
        "arm__arm_agents__agent"
    )


def latest_weights(study: Study, today: date) -> dict[int, tuple[date, float]]:
    found: dict[int, tuple[date, float]] = {}
    rows = Measurement.objects.filter(session__study=study, weight_g__isnull=False).valid()
    for mouse, weight, observed_at, due_on in rows.values_list(
        "mouse_id", "weight_g", "observed_at", "session__due_on"
    ):
        on = local_date(observed_at, study.time_zone) if observed_at else due_on
        if on and on <= today and (mouse not in found or on >= found[mouse][0]):
            found[mouse] = on, weight
    return found


def usual_dose(allocations) -> tuple[str, float | None]:
    """Route and mL/kg where all arms that record them agree: a vehicle left blank would stand out by it."""
    given = [dose for one in allocations for dose in one.arm.arm_agents.all()]
    routes = {dose.get_route_display() for dose in given if dose.route}
    volumes = {dose.volume_ml_per_kg for dose in given if dose.volume_ml_per_kg}
    return (routes.pop() if len(routes) == 1 else "", volumes.pop() if len(volumes) == 1 else None)


def syringe_of(
    one: Allocation, dose: ArmAgent | None, number: int, agents: int, codes: dict[int, str], study: Study
) -> str:
    """What stands on the syringe: arm and agent in an open study, else the arm's code, numbered by agent."""
    if study.arms_are_open:
        return f"{one.arm.name}: {dose}" if dose else one.arm.name
    code = codes.get(one.arm_id, "no code")
    return f"{code}-{number}" if agents > 1 else code
