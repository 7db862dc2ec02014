"""Set the arms of a draft study: what each gives, and the refusal of arms that overlap."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from studies.actions.set_up import By, SetUpRefused, locked_draft, record
from studies.models import Agent, Arm, ArmAgent, Study
from studies.terms import ArmRole

CONTROLS = frozenset({ArmRole.VEHICLE, ArmRole.OTHER_CONTROL})


@dataclass(frozen=True)
class Given:
    """One agent as an arm gives it. A carrier given alone (vehicle) has no dose."""

    agent: str
    dose_mg_per_kg: float | None = None
    route: str = ""
    vehicle: str = ""
    volume_ml_per_kg: float | None = None
    frequency: str = ""
    dosing_days: tuple[int, ...] = ()
    first_day: int | None = None
    last_day: int | None = None

    @property
    def what(self) -> tuple:
        """What an animal gets of it, so that two arms giving the same are known as one."""
        return (self.agent.casefold(), self.dose_mg_per_kg, self.route, self.frequency,
                self.dosing_days, self.first_day, self.last_day)  # fmt: skip


@dataclass(frozen=True)
class ArmDraft:
    """An arm as it is written; `key` is the stored row it replaces, if any."""

    name: str
    role: str
    planned_mice: int | None = None
    given: tuple[Given, ...] = ()
    control: str = ""
    key: int | None = None


def arm_defects(arms: Sequence[ArmDraft]) -> Iterator[str]:
    """What keeps these arms from standing side by side, by name."""
    names: dict[str, str] = {}
    regimens: dict[tuple, str] = {}
    for arm in arms:
        folded = " ".join(arm.name.split()).casefold()
        if folded in names:
            yield f'The arms "{names[folded]}" and "{arm.name}" have one name.'
        names.setdefault(folded, arm.name)
        regimen = tuple(sorted((given.what for given in arm.given), key=repr))
        if regimen and regimen in regimens:
            yield f'The arms "{regimens[regimen]}" and "{arm.name}" overlap: both give the same.'
        elif regimen:
            regimens[regimen] = arm.name
        yield from _own_defects(arm)
    bare = [arm.name for arm in arms if not arm.given and arm.role in CONTROLS]
    if len(bare) > 1:
        yield f"The arms {' and '.join(bare)} overlap: both are controls that are given nothing."
    known = {arm.name for arm in arms}
    for arm in arms:
        if arm.control and arm.control not in known - {arm.name}:
            yield f'Arm "{arm.name}" is compared with "{arm.control}", which is no other arm of this study.'


def _own_defects(arm: ArmDraft) -> Iterator[str]:
    agents = [given.agent.casefold() for given in arm.given]
    for place, given in enumerate(arm.given):
        if agents.index(agents[place]) != place:
            yield f'Arm "{arm.name}" gives {given.agent} twice.'
        if given.dose_mg_per_kg is None and arm.role not in CONTROLS:
            yield f'Arm "{arm.name}" gives {given.agent} without a dose; write it as 10 mg/kg.'
        days = (given.first_day, given.last_day)
        if None not in days and days[0] > days[1]:
            yield f'Arm "{arm.name}" gives {given.agent} from day {days[0]} to day {days[1]}.'
    if arm.role == ArmRole.COMBINATION and len(set(agents)) < 2:
        yield f'Arm "{arm.name}" is a combination of fewer than two agents.'
    if arm.role == ArmRole.SINGLE_AGENT and len(set(agents)) > 1:
        yield f'Arm "{arm.name}" is called single agent and gives {len(set(agents))} agents.'


@transaction.atomic
def set_arms(study: Study, arms: Sequence[ArmDraft], by: By) -> list[Arm]:
    """Write the arms of a draft in the order given; arms left out are removed, which a draft allows.

    Raises SetUpRefused naming every arm that cannot stand, and once mice are allocated.
    """
    draft = locked_draft(study)
    if draft.arms.filter(allocations__isnull=False).exists():
        raise SetUpRefused("Mice are allocated to these arms already; they do not change any more.")
    if defects := list(arm_defects(arms)):
        raise SetUpRefused(*defects)
    old = arms_record(draft)
    kept = [arm.key for arm in arms if arm.key]
    removed = draft.arms.exclude(pk__in=kept)
    draft.arms.update(control=None)
    ArmAgent.objects.filter(arm__study=draft).delete()
    removed.delete()
    for row in draft.arms.all():  # out of the way of each other's names, by one that nobody types
        Arm.objects.filter(pk=row.pk).update(name=f"\x1f{row.pk}")
    stored = [_store(draft, place, arm) for place, arm in enumerate(arms)]
    by_name = {row.name: row for row in stored}
    for arm, row in zip(arms, stored, strict=True):
        if arm.control:
            Arm.objects.filter(pk=row.pk).update(control=by_name[arm.control])
    new = arms_record(draft)
    if new != old:
        subject = stored[0] if stored else Arm(pk=0)
        record("set the arms", subject, draft, by, old={"arms": old}, new={"arms": new})
    return stored


def _store(study: Study, place: int, arm: ArmDraft) -> Arm:
    row = Arm(pk=arm.key, study=study, name=arm.name, role=arm.role, position=place,
              planned_mice=arm.planned_mice)  # fmt: skip
    row.save(force_insert=arm.key is None, force_update=arm.key is not None)
    for given in arm.given:
        found = Agent.objects.filter(name__iexact=given.agent).first()
        ArmAgent.objects.create(
            arm=row,
            agent=found or Agent.objects.create(name=given.agent),
            dose_mg_per_kg=given.dose_mg_per_kg,
            route=given.route,
            vehicle=given.vehicle,
            volume_ml_per_kg=given.volume_ml_per_kg,
            frequency=given.frequency,
            dosing_days=list(given.dosing_days),
            first_day=given.first_day,
            last_day=given.last_day,
        )
    return row


def arms_record(study: Study) -> list[dict[str, Any]]:
    """The arms as plain facts, for events, signatures, templates and clones."""
    arms = Arm.objects.filter(study=study).select_related("control").prefetch_related("arm_agents__agent")
    return [
        {
            "name": arm.name,
            "role": arm.role,
            "planned_mice": arm.planned_mice,
            "control": arm.control.name if arm.control else "",
            "given": [
                {
                    "agent": given.agent.name,
                    "dose_mg_per_kg": given.dose_mg_per_kg,
                    "route": given.route,
                    "vehicle": given.vehicle,
                    "volume_ml_per_kg": given.volume_ml_per_kg,
                    "frequency": given.frequency,
                    "dosing_days": given.dosing_days,
                    "first_day": given.first_day,
                    "last_day": given.last_day,
                }
                for given in sorted(arm.arm_agents.all(), key=lambda given: given.pk)
            ],
        }
        for arm in arms.order_by("position", "name")
    ]


def arm_drafts(facts: Sequence[dict[str, Any]]) -> list[ArmDraft]:
    """The inverse of `arms_record`, for another study."""
    return [
        ArmDraft(
            name=arm["name"],
            role=arm["role"],
            planned_mice=arm["planned_mice"],
            control=arm["control"],
            given=tuple(
                Given(**{**given, "dosing_days": tuple(given["dosing_days"])}) for given in arm["given"]
            ),
        )
        for arm in facts
    ]
