"""The two papers that tell who gets what: the doser's sheet and the custodian's list. Recorded before they are read."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from studies import access
from studies.actions.audit import allocation_chain, record_event
from studies.actions.formulations import formulation_for, formulations_of
from studies.days import local_date
from studies.models import Allocation, ArmAgent, Formulation, Measurement, Study, SyringeCode, User

MICROLITERS_PER_ML_AND_G = 1.0  # mL/kg is µL/g


class PaperRefused(Exception):
    """No paper was made; the message says why."""


@dataclass(frozen=True)
class DoseLine:
    """One injection or gavage of one mouse. `syringe` is a code while blinded, else arm and agent.

    `volume_ul` is dose volume times body weight, None where either is not recorded; `weighed_today` says whether the
    weight is of the sheet's day.
    """

    place: str
    cage: str
    mouse: str
    ear_tag: str
    syringe: str
    route: str
    weight_g: float | None
    weighed_on: date | None
    weighed_today: bool
    volume_ul: float | None


@dataclass(frozen=True)
class SealedLine:
    """One mouse of the sealed list."""

    mouse: str
    cage: str
    cohort: str
    arm: str
    syringe_code: str


def dose_lines(study: Study, user: User, at: datetime) -> list[DoseLine]:
    """The day's doses of every mouse on study, in rack order. Records first that the sheet was made.

    Raises PermissionError for all but dosers, PaperRefused where no mouse is allocated.
    """
    if not access.may_read_dose_sheet(user, study):
        raise PermissionError(f"the dose sheet of study {study.code} is the doser's alone")
    today = local_date(at, study.time_zone)
    with transaction.atomic():
        mice = allocated(study)
        if not mice.exists():
            raise PaperRefused("No mouse is allocated yet, so there is nothing to dose.")
        _record(study, "made a dose sheet", user, at, {"day": today.isoformat(), "mice": mice.count()})
        weights = latest_weights(study, today)
        codes = dict(SyringeCode.objects.filter(study=study).values_list("arm", "code"))
        usual = usual_dose(mice) if not study.arms_are_open else ("", None)
        made = formulations_of(study)
        lines = [
            line
            for one in mice
            for line in _doses_of(one, weights.get(one.mouse_id), codes, study, today, usual, made)
        ]
    return sorted(lines, key=lambda line: (in_rack_order(line.place, line.cage, line.mouse), line.syringe))


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
        _record(study, "opened the sealed allocation list", user, at, {"mice": mice.count()}, reason.strip())
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


def _doses_of(
    one: Allocation,
    weighed: tuple[date, float] | None,
    codes: dict[int, str],
    study: Study,
    today: date,
    usual: tuple[str, float | None],
    made: Sequence[Formulation],
) -> list[DoseLine]:
    mouse, given = one.mouse, list(one.arm.arm_agents.all())
    on, weight = weighed or (None, None)
    lines = []
    for number, dose in enumerate(given or [None], start=1):
        per_kg = _ml_per_kg(dose, made, today, usual[1])
        lines.append(
            DoseLine(
                place=f"{mouse.cage.room} {mouse.cage.rack}".strip() if mouse.cage else "",
                cage=mouse.cage.code if mouse.cage else "",
                mouse=mouse.label,
                ear_tag=mouse.ear_tag,
                syringe=syringe_of(one, dose, number, len(given), codes, study),
                route=(dose.get_route_display() if dose else "") or usual[0],
                weight_g=weight,
                weighed_on=on,
                weighed_today=on == today,
                volume_ul=per_kg * weight * MICROLITERS_PER_ML_AND_G if per_kg and weight else None,
            )
        )
    return lines


def syringe_of(
    one: Allocation, dose: ArmAgent | None, number: int, agents: int, codes: dict[int, str], study: Study
) -> str:
    """What stands on the syringe: arm and agent in an open study, else the arm's code, numbered by agent."""
    if study.arms_are_open:
        return f"{one.arm.name}: {dose}" if dose else one.arm.name
    code = codes.get(one.arm_id, "no code")
    return f"{code}-{number}" if agents > 1 else code


def _ml_per_kg(
    dose: ArmAgent | None, made: Sequence[Formulation], today: date, usual: float | None
) -> float | None:
    """By the formulation's concentration where one is on record, None where it expired; else as planned."""
    if dose is None:
        return usual
    choice = formulation_for(dose, made, today)
    if choice.refusal:
        return None
    if choice.formulation and dose.dose_mg_per_kg:
        return dose.dose_mg_per_kg / choice.formulation.concentration_mg_per_ml
    return dose.volume_ml_per_kg or usual


def _record(study: Study, action: str, user: User, at: datetime, new: dict, reason: str = "") -> None:
    record_event(
        action, study, actor=user, at=at, chain=allocation_chain(study), study=study, new=new, reason=reason
    )


def syringe_volumes(lines: list[DoseLine]) -> dict[str, tuple[int, float]]:
    """Syringe -> mice and µL in all, for whoever draws them up."""
    totals: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        totals[line.syringe].append(line.volume_ul or 0.0)
    return {syringe: (len(volumes), sum(volumes)) for syringe, volumes in sorted(totals.items())}
