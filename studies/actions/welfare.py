"""Raise welfare alerts where readings are recorded, tell director and veterinarian, and keep what they answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from studies import access
from studies.actions.audit import Act, record_event, record_events, study_chain
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
    record_events(
        "raised a welfare alert",
        list(map(act_of, new)),
        actor=actor,
        at=at,
        chain=study_chain(facts.study),
        study=facts.study,
    )
    return new


def new_alerts(
    facts: SessionFacts, taken: Mapping[int, Sequence[Taken]], *, at: datetime
) -> list[WelfareAlert]:
    """Store what was not raised before in the session; the caller records `act_of` each in the same transaction.

    Reds are sent on commit; a mail that fails costs neither the alert nor the reading.
    """
    caps, ahead = caps_of(facts.welfare), _next_day(facts)
    found = [
        (mouse, alert)
        for mouse, readings in taken.items()
        for alert in alerts(_history(facts, mouse, readings, ahead), caps)
    ]
    new = _unraised(facts, found, at)
    WelfareAlert.objects.bulk_create(new)
    labels = {mouse.pk: mouse.label for mouse in facts.mice.values()}
    reds = [f"{labels[one.mouse_id]}: {one.message}" for one in new if one.level == AlertLevel.RED]
    if reds:
        transaction.on_commit(lambda: escalate(facts.study, reds), robust=True)
    return new


def act_of(alert: WelfareAlert) -> Act:
    new = {"rule": alert.rule, "level": alert.level, "message": alert.message}
    return Act(alert, new=new, action="raised a welfare alert")


def caps_of(limits: WelfareLimits | None) -> Caps:
    return Caps(**{cap.name: getattr(limits, cap.name) for cap in fields(Caps)}) if limits else Caps()


def _unraised(facts: SessionFacts, found: Sequence[tuple[int, Alert]], at: datetime) -> list[WelfareAlert]:
    if not found:
        return []
    version = facts.welfare.version if facts.welfare else 0
    before = WelfareAlert.objects.filter(session=facts.session).values_list("mouse", "rule", "level")
    known = set(before)
    return [
        WelfareAlert(
            study=facts.study, mouse_id=mouse, session=facts.session, rule=alert.rule, level=alert.level,
            value=alert.value, limit=alert.limit, limits_version=version, message=alert.message, raised_at=at,
        )
        for mouse, alert in found
        if (mouse, alert.rule, alert.level) not in known
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


def escalate(study: Study, lines: Sequence[str]) -> None:
    """Write to the study's directors and veterinarians who have an address. The text knows no arm."""
    members = study.memberships.filter(is_active=True, role__in=access.ACKNOWLEDGERS, user__is_active=True)
    addresses = sorted({address for address in members.values_list("user__email", flat=True) if address})
    if not addresses:
        return
    count = f"{len(lines)} red alerts" if len(lines) > 1 else f"red alert, mouse {lines[0]}"
    told = "\n".join(f"- {line}" for line in lines)
    send_mail(
        f"{study.code}: {count}"[:150],
        f"Study {study.code}:\n\n{told}\n\nSign in and acknowledge with what is done about each.\n",
        settings.DEFAULT_FROM_EMAIL,
        addresses,
    )


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
        if action not in AlertAction.values():
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
