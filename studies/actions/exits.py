"""A mouse leaves the study: its exit, what necropsy found, the samples taken, and corrections with their reason."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from studies import access
from studies.actions.audit import record_event, study_chain
from studies.models import Exit, Measurement, Mouse, MouseSample, Study, Tumor, User
from studies.terms import StudyState

EXIT_FIELDS = (
    "reason", "exited_at", "treatment_related", "last_weight_g", "last_volume_mm3", "note",
)  # fmt: skip
NECROPSY_FIELDS = ("necropsy_note", "excised_tumor_g")
SAMPLES_AT_ONCE = 24


class ExitRefused(Exception):
    """Nothing was recorded; the message names the mouse and why."""


def record_exit(mouse: Mouse, told: Mapping[str, Any], *, actor: User, at: datetime) -> Exit:
    """The mouse left, for a reason of `ExitReason`. `told` holds EXIT_FIELDS; without a time it is now.

    Raises ExitRefused: a study not running, a role that may not, a mouse that left already, a time that
    is in the future or before the mouse's birth or last reading.
    """
    with transaction.atomic():
        study = _open_study(mouse, actor)
        if Exit.objects.filter(mouse=mouse).exists():
            raise ExitRefused(f"{mouse.label} left already; correct its exit instead.")
        left = Exit(mouse_id=mouse.pk, **{name: told[name] for name in EXIT_FIELDS if name in told})
        left.exited_at = left.exited_at or at
        _check(left, study, at)
        left.save(force_insert=True)
        record_event("recorded an exit", left, actor=actor, at=at, chain=study_chain(study), study=study,
                     new={"mouse": mouse.label, **exit_facts(left, EXIT_FIELDS)}, reason=left.note)  # fmt: skip
        return left


def correct_exit(left: Exit, told: Mapping[str, Any], reason: str, *, actor: User, at: datetime) -> Exit:
    """Other facts of an exit than were recorded, and why. Raises ExitRefused, also where nothing changes."""
    return _change(left, told, EXIT_FIELDS, "corrected an exit", reason, actor, at)


def record_necropsy(
    left: Exit, told: Mapping[str, Any], reason: str = "", *, actor: User, at: datetime
) -> Exit:
    """What was found in a mouse that left; a second time it is a correction and needs a reason."""
    is_first = not left.necropsy_note and left.excised_tumor_g is None
    why = reason or ("necropsy" if is_first else "")
    return _change(left, told, NECROPSY_FIELDS, "recorded a necropsy", why, actor, at)


def take_samples(
    mouse: Mouse, told: Mapping[str, Any], count: int, *, actor: User, at: datetime
) -> list[MouseSample]:
    """`count` tubes of one kind, coded on from those the mouse has: STUDY/M001/S1, S2 and so on.

    Hours after the last dose are those of the record unless `told` names others with a `hours_reason`.
    Raises ExitRefused for a mouse that has not left, for more than a label sheet holds, and for hours without a reason.
    """
    told = dict(told)
    reason = told.pop("hours_reason", "").strip()
    with transaction.atomic():
        study = _open_study(mouse, actor)
        if not Exit.objects.filter(mouse=mouse).exists():
            raise ExitRefused(f"{mouse.label} is still in the study; record its exit first.")
        if not 1 <= count <= SAMPLES_AT_ONCE:
            raise ExitRefused(f"Between 1 and {SAMPLES_AT_ONCE} samples are taken at once.")
        if told.get("hours_after_last_dose") is not None and not reason:
            raise ExitRefused(
                "Hours after the last dose are counted from the record; say why these are others."
            )
        first = mouse.samples.count() + 1
        tumor = Tumor.objects.filter(mouse=mouse, number=1).first()
        made = [
            MouseSample(mouse=mouse, code=f"{mouse.key}/S{number}", taken_at=at, taken_by=actor,
                        tumor=tumor if told.get("tissue") == "tumor" else None, **told)
            for number in range(first, first + count)
        ]  # fmt: skip
        for sample in made:
            _clean(sample)
        MouseSample.objects.bulk_create(made)
        record_event("took samples", made[0], actor=actor, at=at, chain=study_chain(study), study=study,
                     new={"mouse": mouse.label, "codes": [sample.code for sample in made], **told},
                     reason=reason)  # fmt: skip
        return made


def last_known(mouse: Mouse) -> tuple[float | None, float | None]:
    """The last weight (g) and the last volume of all tumors (mm3) on record, None where there is none."""
    rows = Measurement.objects.filter(mouse=mouse).valid().select_related("session")
    rows = sorted(rows, key=_when, reverse=True)
    weight = next((one.weight_g for one in rows if one.weight_g), None)
    formula = mouse.study.volume_formula
    sized = [(one, volume) for one in rows if (volume := one.volume_mm3(formula)) is not None]
    if not sized:
        return weight, None
    latest: dict[int, list[float]] = {}
    for one, volume in sized:
        if one.session_id == sized[0][0].session_id:
            latest.setdefault(one.tumor_number, []).append(volume)
    return weight, sum(sum(found) / len(found) for found in latest.values())


def exit_facts(left: Exit, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(left, name) for name in names}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items()
    }


def _when(one: Measurement) -> tuple:
    day = one.session.due_on.toordinal() if one.session.due_on else one.session.study_day or 0
    return (day, one.pk)


def _open_study(mouse: Mouse, actor: User) -> Study:
    study = Study.objects.select_for_update().get(pk=mouse.study_id)
    if study.state != StudyState.ACTIVE:
        raise ExitRefused(f"Study {study.code} is {study.get_state_display()}; nothing is written in it.")
    if not access.may_record_exits(actor, study):
        raise ExitRefused("Your role in this study records no exit.")
    return study


def _change(
    left: Exit,
    told: Mapping[str, Any],
    names: tuple[str, ...],
    action: str,
    reason: str,
    actor: User,
    at: datetime,
) -> Exit:
    with transaction.atomic():
        study = _open_study(left.mouse, actor)
        current = Exit.objects.select_for_update().select_related("mouse").get(pk=left.pk)
        old = exit_facts(current, names)
        for name in names:
            if name in told:
                setattr(current, name, told[name])
        if current.exited_at is None and current.day is None:
            raise ExitRefused(f"{current.mouse.label}: say when it left.")
        new = exit_facts(current, names)
        changed = [name for name in names if old[name] != new[name]]
        if not changed:
            raise ExitRefused(f"{current.mouse.label}: nothing changes.")
        if not reason.strip():
            raise ExitRefused(f"{current.mouse.label}: say why it is corrected.")
        _check(current, study, at)
        current.save()
        record_event(action, current, actor=actor, at=at, chain=study_chain(study), study=study,
                     old={name: old[name] for name in changed}, new={name: new[name] for name in changed},
                     reason=reason.strip())  # fmt: skip
        return current


def _check(left: Exit, study: Study, at: datetime) -> None:
    _clean(left)
    if left.exited_at and left.exited_at > at + timedelta(minutes=5):
        raise ExitRefused(f"{left.mouse.label} cannot leave in the future.")
    born = left.mouse.born_on
    if born and left.exited_at and left.exited_at.date() < born:
        raise ExitRefused(f"{left.mouse.label} cannot leave before it was born on {born}.")


def _clean(row: Exit | MouseSample) -> None:
    try:
        row.full_clean(exclude=["mouse"])
    except ValidationError as error:
        raise ExitRefused(" ".join(error.messages)) from error
