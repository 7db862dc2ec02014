"""The day's doses for the doser: what is due to whom from which syringe, and what became of it.

Every dose carries its syringe code and stands in the allocation chain; nobody else reads one before unblinding.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import Count

from studies import access
from studies.actions.audit import allocation_chain, record_event
from studies.actions.formulations import formulation_for, formulations_of
from studies.actions.sealed_papers import allocated, in_rack_order, latest_weights, syringe_of, usual_dose
from studies.days import local_date
from studies.doses import Amount, amount, doses_due
from studies.models import (
    AlertAnswer,
    Allocation,
    Dose,
    Formulation,
    Measurement,
    Study,
    SyringeCode,
    User,
    WelfareLimits,
)
from studies.terms import AlertAction, DoseOutcome, StudyState

GRAMS_PER_KG = 1000.0


class DoseRefused(Exception):
    """No dose was recorded; the message names the mouse and why."""


@dataclass(frozen=True)
class DueDose:
    """One dose due today. `refusal` says why it cannot be given, `holiday` why it should not be."""

    mouse_id: int
    mouse: str
    place: str
    cage: str
    ear_tag: str
    number: int
    occasion: int
    syringe: str
    route: str
    weight_g: float | None
    amount: Amount | None
    formulation: Formulation | None
    refusal: str
    holiday: str
    recorded: Dose | None

    @property
    def key(self) -> tuple[int, int, int]:
        return self.mouse_id, self.number, self.occasion


@dataclass
class _Day:
    """What every dose of a study's day is computed from, read once."""

    study: Study
    today: date
    mice: list[Allocation] = field(default_factory=list)
    weights: dict[int, tuple[date, float]] = field(default_factory=dict)
    holidays: dict[int, str] = field(default_factory=dict)
    codes: dict[int, str] = field(default_factory=dict)
    made: list[Formulation] = field(default_factory=list)
    usual: tuple[str, float | None] = ("", None)
    recorded: dict[tuple[int, int, int], Dose] = field(default_factory=dict)


def due_doses(study: Study, user: User, at: datetime) -> list[DueDose]:
    """The doses due today to the mice on study, in rack order. Raises PermissionError for all but dosers."""
    if not access.may_read_dose_sheet(user, study):
        raise PermissionError(f"the doses of study {study.code} are the doser's alone")
    return _due(_day(study, local_date(at, study.time_zone)))


def due_by_last_weight(study: Study, today: date) -> list[DueDose]:
    """The same by the last weight where a mouse was not weighed that day, for paper made before the weighing."""
    return _due(_day(study, today, by_last_weight=True))


def _due(day: _Day) -> list[DueDose]:
    """Every dose due to a mouse on study, in rack order."""
    due = [line for one in day.mice for line in _due_to(one, day)]
    return sorted(
        due, key=lambda one: (in_rack_order(one.place, one.cage, one.mouse), one.number, one.occasion)
    )


def record_dose(
    study: Study,
    key: tuple[int, int, int],
    outcome: str,
    *,
    given_ml: float | None = None,
    reason: str = "",
    actor: User,
    at: datetime,
) -> Dose:
    """What became of the dose `key` (mouse id, number, occasion) of today; said again, it is a correction.

    Raises DoseRefused: a study not running, no such dose due, no weight of today or an expired lot where
    it was given, a partial volume that is none, and no reason where one is needed. PermissionError for all
    but dosers.
    """
    reason = reason.strip()
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if study.state != StudyState.ACTIVE:
            raise DoseRefused(f"Study {study.code} is {study.get_state_display()}; nothing is written in it.")
        due = next((one for one in due_doses(study, actor, at) if one.key == key), None)
        if due is None:
            raise DoseRefused("This dose is not due today.")
        volume = _given(due, outcome, given_ml, reason)
        before = due.recorded
        dose = Dose.objects.create(
            study=study, mouse_id=due.mouse_id, given_on=local_date(at, study.time_zone), number=due.number,
            occasion=due.occasion, revision=before.revision + 1 if before else 1, syringe=due.syringe,
            outcome=outcome, planned_ml=due.amount.ml if due.amount else None, given_ml=volume,
            weight_g=due.weight_g, formulation=due.formulation, reason=reason, doser=actor, recorded_at=at,
        )  # fmt: skip
        record_event("corrected a dose" if before else "recorded a dose", dose, actor=actor, at=at,
                     chain=allocation_chain(study), study=study, reason=reason,
                     old=_facts(before, due) if before else None, new=_facts(dose, due))  # fmt: skip
        return dose


def _given(due: DueDose, outcome: str, given_ml: float | None, reason: str) -> float:
    """The volume given, checked against what was due."""
    if outcome not in DoseOutcome.values():
        raise DoseRefused(f"{due.mouse}: say given, partial or omitted.")
    if len(reason) > 2000:
        raise DoseRefused(f"{due.mouse}: the reason is longer than 2,000 characters.")
    if due.recorded and not reason:
        raise DoseRefused(f"{due.mouse}: this dose is on record; say why it is corrected.")
    if outcome != DoseOutcome.GIVEN and not reason:
        raise DoseRefused(f"{due.mouse}: say why the dose was {DoseOutcome(outcome).label}.")
    if outcome == DoseOutcome.OMITTED:
        return 0.0
    if due.refusal or due.amount is None:
        raise DoseRefused(f"{due.mouse}: no dose can be given: {due.refusal}.")
    if due.holiday and not reason:
        raise DoseRefused(f"{due.mouse} has a dosing holiday ({due.holiday}); say why it was dosed.")
    if outcome == DoseOutcome.GIVEN:
        return due.amount.ml
    if given_ml is None or not 0 < given_ml < due.amount.ml:
        raise DoseRefused(f"{due.mouse}: a partial dose is above 0 and below {due.amount.ml:.3f} mL.")
    return given_ml


def _facts(dose: Dose, due: DueDose) -> dict:
    return {
        "mouse": due.mouse, "syringe": dose.syringe, "number": dose.number, "occasion": dose.occasion,
        "outcome": dose.outcome, "planned_ml": dose.planned_ml, "given_ml": dose.given_ml,
        "weight_g": dose.weight_g, "formulation": dose.formulation_id, "given_on": dose.given_on.isoformat(),
    }  # fmt: skip


def _day(study: Study, today: date, *, by_last_weight: bool = False) -> _Day:
    mice = list(allocated(study))
    recorded = Dose.objects.filter(study=study, given_on=today).current().select_related("doser")
    weights = latest_weights(study, today)
    if by_last_weight:
        weights = {mouse: (today, weight) for mouse, (_, weight) in weights.items()}
    return _Day(
        study=study,
        today=today,
        mice=mice,
        weights=weights,
        holidays=_holidays(study, weights, today),
        codes=dict(SyringeCode.objects.filter(study=study).values_list("arm", "code")),
        made=formulations_of(study),
        usual=usual_dose(mice) if not study.arms_are_open else ("", None),
        recorded={(one.mouse_id, one.number, one.occasion): one for one in recorded},
    )


def _due_to(one: Allocation, day: _Day) -> Iterator[DueDose]:
    """The doses due to one mouse. While blinded, a mouse of an arm without agents is dosed as all are."""
    mouse, given = one.mouse, list(one.arm.arm_agents.all())
    day0 = mouse.cohort.day0 if mouse.cohort else None
    if day0 is None:
        return
    study_day = (day.today - day0).days
    on, weight = day.weights.get(mouse.pk, (None, None))
    for number, dose in enumerate(given or [None], start=1):
        due = 1 if dose is None else doses_due(
            study_day, dose.frequency, dose.dosing_days, dose.first_day, dose.last_day
        )  # fmt: skip
        if study_day < 0 or not due:
            continue
        choice = formulation_for(dose, day.made, day.today)
        volume, refusal = _amount(dose, choice.formulation, weight, on == day.today, day.usual)
        for occasion in range(1, due + 1):
            yield DueDose(
                mouse_id=mouse.pk,
                mouse=mouse.label,
                place=f"{mouse.cage.room} {mouse.cage.rack}".strip() if mouse.cage else "",
                cage=mouse.cage.code if mouse.cage else "",
                ear_tag=mouse.ear_tag,
                number=number,
                occasion=occasion,
                syringe=syringe_of(one, dose, number, len(given), day.codes, day.study),
                route=(dose.get_route_display() if dose else "") or day.usual[0],
                weight_g=weight if on == day.today else None,
                amount=volume if not choice.refusal else None,
                formulation=choice.formulation,
                refusal=choice.refusal or refusal,
                holiday=day.holidays.get(mouse.pk, ""),
                recorded=day.recorded.get((mouse.pk, number, occasion)),
            )


def _amount(dose, formulation, weight, is_todays: bool, usual) -> tuple[Amount | None, str]:
    if weight is None or not is_todays:
        return None, "it was not weighed today"
    try:
        return amount(
            weight,
            dose.dose_mg_per_kg if dose else None,
            formulation.concentration_mg_per_ml if formulation else None,
            (dose.volume_ml_per_kg if dose else None) or usual[1],
            formulation.max_volume_ml_per_kg if formulation else None,
        ), ""
    except ValueError as refused:
        return None, str(refused)


def _holidays(study: Study, weights: dict[int, tuple[date, float]], today: date) -> dict[int, str]:
    """Mouse id -> why it is not dosed today: weight loss at the warning limit, or what an alert was answered with."""
    limits = WelfareLimits.objects.filter(study=study).order_by("-version").first() or WelfareLimits()
    warning = limits.weight_loss_warning_percent
    found = {}
    for mouse, baseline in _baselines(study).items():
        on, weight = weights.get(mouse, (None, None))
        if on == today and weight and round((baseline - weight) * 100 / baseline, 9) >= warning:
            found[mouse] = f"weight loss {(baseline - weight) * 100 / baseline:.0f} %"
    answers = AlertAnswer.objects.filter(
        alert__study=study, action=AlertAction.DOSING_HOLIDAY, is_acknowledgement=True,
        alert__session__due_on__isnull=False,
    )  # fmt: skip
    latest = dict(
        Measurement.objects.filter(session__study=study, session__due_on__isnull=False)
        .order_by("session__due_on")
        .values_list("mouse", "session")
    )
    for mouse, session in answers.values_list("alert__mouse", "alert__session"):
        if latest.get(mouse) == session:
            found.setdefault(mouse, "as acknowledged on its alert, until it is measured again")
    return found


def _baselines(study: Study) -> dict[int, float]:
    """Mouse id -> its weight at baseline, else the first on record."""
    rows = Measurement.objects.filter(session__study=study, weight_g__isnull=False).valid()
    rows = rows.order_by("-session__is_baseline", "session__due_on", "session__study_day", "id")
    found: dict[int, float] = {}
    for mouse, weight in rows.values_list("mouse", "weight_g"):
        found.setdefault(mouse, weight)
    return found


def ml_per_kg_due(study: Study, user: User, at: datetime) -> dict[int, list[float]]:
    """Mouse id -> mL/kg of each dose due today, for the measurement sheet; empty where arms are not open to `user`."""
    if not access.may_see_arms(user, study):
        return {}
    day = _day(study, local_date(at, study.time_zone))
    day.weights = {one.mouse_id: (day.today, GRAMS_PER_KG) for one in day.mice}
    found: dict[int, list[float]] = defaultdict(list)
    for due in _due(day):
        if due.amount:
            found[due.mouse_id].append(due.amount.ml)
    return dict(found)


@dataclass(frozen=True)
class DidBoth:
    """A person who dosed and measured mice of one study, with how much of either."""

    person: str
    doses: int
    readings: int


def who_dosed_and_measured(study: Study) -> list[DidBoth]:
    """People who did both in a study, which the report says; empty where doser and measurer were apart."""
    doses = dict(
        Dose.objects.filter(study=study).current().order_by().values_list("doser").annotate(Count("pk"))
    )
    rows = Measurement.objects.filter(session__study=study, observer__in=doses).valid().order_by()
    readings = defaultdict(int, rows.values_list("observer").annotate(Count("pk")))
    people = User.objects.filter(pk__in=readings).order_by("full_name", "username")
    return [DidBoth(str(person), doses[person.pk], readings[person.pk]) for person in people]
