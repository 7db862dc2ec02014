"""Raise welfare alerts where readings are recorded, tell director and veterinarian, keep their answers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from django.db import transaction

from studies import access
from studies.actions.audit import Act, record_event, record_events, study_chain
from studies.actions.letters import write_letter
from studies.actions.sheet_facts import SessionFacts, StoredReading
from studies.alerts import Alert, Caps, History, WelfareVisit, alerts
from studies.models import (
    AlertAnswer,
    Measurement,
    MeasurementSession,
    Study,
    User,
    WelfareAlert,
    WelfareLimits,
)
from studies.terms import AlertAction, AlertLevel, MeasurementStatus, StudyState

Taken = StoredReading | Measurement


class AnswerRefused(Exception):
    """An answer that was not kept; the message says why."""


def raise_alerts(
    facts: SessionFacts, taken: Mapping[int, Sequence[Taken]], *, actor: User | None, at: datetime
) -> list[WelfareAlert]:
    """Judge mice by what was taken of them in this session (mouse id -> valid readings), in one transaction with it."""
    new = new_alerts(facts, taken, at=at)
    _record(facts.study, list(map(act_of, new)), actor, at)
    return new


def judge_again(facts: SessionFacts, mouse: int, *, reason: str, actor: User, at: datetime) -> None:
    """After a correction or void: raise what the readings left of a mouse in this session show, and close alerts whose
    cause is gone, each with the reason of the correction and an event."""
    taken = {mouse: [one for one in facts.of_mouse(mouse) if not one.is_void]}
    new = new_alerts(facts, taken, at=at)
    shown = {(alert.rule, alert.level) for _, alert in _found(facts, taken)}
    there = WelfareAlert.objects.filter(session=facts.session, mouse=mouse).open()
    gone = [
        AlertAnswer(alert=alert, action=AlertAction.CORRECTED, note=reason.strip()[:2000], is_acknowledgement=True,
                    answered_by=actor, answered_at=at)
        for alert in there if (alert.rule, alert.level) not in shown
    ]  # fmt: skip
    AlertAnswer.objects.bulk_create(gone)
    closed = [
        Act(one, new={"alert": one.alert_id, "rule": one.alert.rule, "level": one.alert.level}, reason=one.note,
            action="closed a welfare alert by correction")
        for one in gone
    ]  # fmt: skip
    _record(facts.study, [*map(act_of, new), *closed], actor, at)


def _record(study: Study, acts: Sequence[Act], actor: User | None, at: datetime) -> None:
    record_events("raised a welfare alert", acts, actor=actor, at=at, chain=study_chain(study), study=study)


def new_alerts(
    facts: SessionFacts, taken: Mapping[int, Sequence[Taken]], *, at: datetime
) -> list[WelfareAlert]:
    """Store what was not raised before in the session; the caller records `act_of` each in the same transaction.

    A letter tells reds to those who answer for the animals; a worker sends it, so that no reading waits for it.
    """
    new = _unraised(facts, _found(facts, taken), at)
    WelfareAlert.objects.bulk_create(new)
    labels = {mouse.pk: mouse.label for mouse in facts.mice.values()}
    reds = [f"{labels[one.mouse_id]}: {one.message}" for one in new if one.level == AlertLevel.RED]
    if reds:
        escalate(facts.study, reds, at=at)
    return new


def _found(facts: SessionFacts, taken: Mapping[int, Sequence[Taken]]) -> list[tuple[int, Alert]]:
    caps, ahead = caps_of(facts.welfare), _next_day(facts)
    return [
        (mouse, alert)
        for mouse, readings in taken.items()
        if readings
        for alert in alerts(_history(facts, mouse, readings, ahead), caps)
    ]


def act_of(alert: WelfareAlert) -> Act:
    new = {"rule": alert.rule, "level": alert.level, "message": alert.message}
    return Act(alert, new=new, action="raised a welfare alert")


def caps_of(limits: WelfareLimits | None) -> Caps:
    return Caps(**{cap.name: getattr(limits, cap.name) for cap in fields(Caps)}) if limits else Caps()


def _unraised(facts: SessionFacts, found: Sequence[tuple[int, Alert]], at: datetime) -> list[WelfareAlert]:
    if not found:
        return []
    version = facts.welfare.version if facts.welfare else 0
    before = WelfareAlert.objects.filter(session=facts.session)
    times = Counter(before.values_list("mouse", "rule", "level"))
    corrected = before.filter(answers__action=AlertAction.CORRECTED).distinct()
    standing = times - Counter(corrected.values_list("mouse", "rule", "level")) if times else times
    return [
        WelfareAlert(
            study=facts.study, mouse_id=mouse, session=facts.session, rule=alert.rule, level=alert.level,
            value=alert.value, limit=alert.limit, limits_version=version, message=alert.message, raised_at=at,
            occurrence=times[key] + 1,
        )
        for mouse, alert in found
        if not standing[key := (mouse, alert.rule, alert.level)]
    ]  # fmt: skip


def _history(facts: SessionFacts, mouse: int, taken: Sequence[Taken], next_day: float | None) -> History:
    by_session: dict[int, list[Taken]] = defaultdict(list)
    for one in facts.earlier.get(mouse, ()):
        by_session[one.session_id].append(one)
    earlier = {session: _visit(facts, session, readings) for session, readings in by_session.items()}
    weighed = [visit for visit in earlier.values() if visit.weight_g]
    baseline = [
        visit for session, visit in earlier.items() if session in facts.baseline_ids and visit.weight_g
    ]
    first = (baseline or weighed or [None])[0]
    now = _visit(facts, facts.session.pk, taken)
    return History(
        (*earlier.values(), now),
        first.weight_g if first else None,
        first.volume_mm3 if first else None,
        next_day,
    )


def _visit(facts: SessionFacts, session: int, readings: Sequence[Taken]) -> WelfareVisit:
    """One session of a mouse: replicates averaged, tumors added up; the longest diameter of all."""
    volumes: dict[int, list[float]] = defaultdict(list)
    for one in readings:
        volume = facts.volume(one)
        if volume is not None:
            volumes[one.tumor if isinstance(one, StoredReading) else one.tumor_number].append(float(volume))
    lengths = [length for one in readings for length in (one.length_mm, one.width_mm) if length]
    return WelfareVisit(
        day=facts.days[session],
        volume_mm3=sum(sum(found) / len(found) for found in volumes.values()) if volumes else None,
        longest_mm=max(lengths, default=None),
        weight_g=next((one.weight_g for one in readings if one.weight_g), None),
        signs=tuple(sorted({sign for one in readings for sign in one.signs.split(",") if sign})),
        is_ulcerated=any(one.status == MeasurementStatus.ULCERATED for one in readings),
    )


def _next_day(facts: SessionFacts) -> float | None:
    """The day of the next planned session, counted as `SessionFacts.days` counts; None where none is planned."""
    session = facts.session
    if session.due_on is None:
        return None
    days = [facts.next_due_on] if facts.next_due_on else []
    day0 = session.cohort.day0 if session.cohort else None
    if day0:
        scheduled = (day0 + timedelta(days=day) for day in session.study.schedule_days)
        days += [day for day in scheduled if day > session.due_on]
    return float(min(days).toordinal()) if days else None


def escalate(study: Study, lines: Sequence[str], *, at: datetime) -> None:
    """Write to the study's directors and veterinarians who have an address. The text knows no arm."""
    members = study.memberships.filter(is_active=True, role__in=access.ACKNOWLEDGERS, user__is_active=True)
    count = f"{len(lines)} red alerts" if len(lines) > 1 else f"red alert, mouse {lines[0]}"
    told = "\n".join(f"- {line}" for line in lines)
    body = f"Study {study.code}:\n\n{told}\n\nSign in and acknowledge with what is done about each.\n"
    write_letter(study, members.values_list("user__email", flat=True), f"{study.code}: {count}", body, at=at)


def answer_alert(alert: WelfareAlert, action: str, note: str, *, actor: User, at: datetime) -> AlertAnswer:
    """Keep what is done about an alert; by director or veterinarian it is the acknowledgement that closes it.

    Raises AnswerRefused: a study not running, a role that may not, an unknown action, a note without words,
    and an acknowledgement without an action on the animal of a red alert.
    """
    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=alert.study_id)
        if study.state != StudyState.ACTIVE:
            raise AnswerRefused(
                f"Study {study.code} is {study.get_state_display()}; nothing is written in it."
            )
        if not access.may_answer_alerts(actor, study):
            raise AnswerRefused("Your role in this study answers no alert.")
        if action not in dict(AlertAction.of_people()):
            raise AnswerRefused("Choose what is done about it.")
        note = note.strip()
        if action == AlertAction.NOTE and not note:
            raise AnswerRefused("Write the note.")
        if len(note) > 2000:
            raise AnswerRefused("The note is longer than 2,000 characters.")
        closes = access.may_acknowledge_alerts(actor, study) and not (
            alert.level == AlertLevel.RED and action == AlertAction.NOTE
        )
        answer = AlertAnswer.objects.create(
            alert=alert,
            action=action,
            note=note,
            is_acknowledgement=closes,
            answered_by=actor,
            answered_at=at,
        )
        record_event(
            "acknowledged a welfare alert" if closes else "noted on a welfare alert",
            answer,
            actor=actor,
            at=at,
            chain=study_chain(study),
            study=study,
            new={"alert": alert.pk, "mouse": alert.mouse.label, "rule": alert.rule, "action": action},
            reason=note,
        )
        return answer


def unanswered_reds(session: MeasurementSession) -> list[WelfareAlert]:
    """Red alerts of a session about which nobody has said yet what is done: R10 and R13 want an action code."""
    reds = WelfareAlert.objects.filter(session=session).red().filter(answers=None)
    return list(reds.select_related("mouse").order_by("id"))
