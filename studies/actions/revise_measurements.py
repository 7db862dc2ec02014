"""Correct a reading, void it, or settle a conflict: each a further revision with its reason and event."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from math import ceil
from typing import Any

from django.conf import settings
from django.db import transaction

from studies.actions.audit import record_event, study_chain
from studies.actions.record_measurements import audited, client_uuid, refusal, values_of
from studies.actions.sheet_facts import limits_of, load_session, now_in
from studies.actions.unlocking import may_follow
from studies.actions.welfare import judge_again
from studies.models import Measurement, MeasurementSession, User
from studies.terms import MeasurementStatus, StudyState, VolumeMethod
from studies.validation import Finding, Reading, Row, Severity, correction_findings, judge, reason_findings

CORRECTED = ("status", "length_mm", "width_mm", "height_mm", "weight_g", "signs", "device", "observed_at")
# Questions about who measures when: a correction changes what was written, not what was done that day.
NOT_ASKED_AGAIN = frozenset({"R15", "R16", "R20", "R21", "R22", "R23", "R24", "R27", "R28"})


@dataclass(frozen=True)
class Revised:
    """The revision now current, whether it is new, and what the rules said."""

    http_status: int
    measurement: Measurement
    stored: Mapping[str, Any]
    findings: tuple[Finding, ...] = ()


def correct_measurement(
    measurement_id: int,
    row: Row,
    *,
    reason: str,
    client_id: str,
    user: User,
    at: datetime,
) -> Revised:
    """A revision with the row's values in place of those of `measurement_id`, which must be current.

    200 when the same client id corrected it so before, 409 when another revision came meanwhile, 422 by
    rule; else 201. R29 wants a reason and another value.
    """
    with transaction.atomic():
        current, settled = _locked(measurement_id, client_id)
        if settled is not None:
            return settled
        row = replace(row, mouse=current.mouse.key, tumor=current.tumor_number, replicate=current.replicate)
        facts = load_session(current.session, {row.mouse})
        mouse = facts.mouse(row.mouse, row.tumor, None)
        verdict = judge([(row, mouse)], facts.sheet(str(user), {row.device}), at)[0]
        new = _values(row, verdict.reading)
        old = {name: getattr(current, name) for name in CORRECTED}
        found = [one for one in verdict.findings if one.rule not in NOT_ASKED_AGAIN]
        found += correction_findings(old, new, reason, current.revision - 1, facts.limits)
        found += _state(current, at)
        if told := [one for one in found if _stops(one, verdict.confirmed)]:
            return _revised(422, current, tuple(told))
        new["volume_method"] = VolumeMethod.CALIPER if verdict.reading.sizes else ""
        new["confirmations"] = [{"rule": rule, "reason": text} for rule, text in row.confirmations.items()]
        new["limits_version"] = facts.limits.version
        stored = _add(current, user, at, client_id, reason, "corrected a measurement", **new)
        judge_again(now_in(facts, current.session), stored.mouse_id, reason=reason, actor=user, at=at)
        return _revised(201, stored, tuple(found))


def _values(row: Row, reading: Reading) -> dict[str, Any]:
    """The values a correction puts in place, by the names in `CORRECTED`."""
    lengths = {name: _float(number.value) for name, number in reading.numbers.items()}
    return {
        "status": str(reading.status),
        "signs": ",".join(row.signs),
        "device": row.device,
        "observed_at": row.observed_at,
        **lengths,
    }


def void_measurement(
    measurement_id: int, *, reason: str, client_id: str, user: User, at: datetime
) -> Revised:
    """A revision that takes the reading away; statuses as for a correction."""
    with transaction.atomic():
        current, settled = _locked(measurement_id, client_id)
        if settled is not None:
            return settled
        found = _unfit(reason, current.session) + _state(current, at)
        if found:
            return _revised(422, current, tuple(found))
        stored = _add(current, user, at, client_id, reason, "voided a measurement", is_void=True)
        facts = load_session(current.session, {current.mouse.key})
        judge_again(facts, stored.mouse_id, reason=reason, actor=user, at=at)
        return _revised(201, stored)


def keep_stored(
    measurement_id: int, sent: Mapping[str, Any], *, reason: str, user: User, at: datetime
) -> Revised:
    """Settle a conflict for the reading on record; the other values stand in the audit trail, with the reason."""
    with transaction.atomic():
        current, _ = _locked(measurement_id, "")
        found = _unfit(reason, current.session)
        if found:
            return _revised(422, current, tuple(found))
        record_event(
            "kept the stored reading in a conflict",
            current,
            actor=user,
            at=at,
            chain=study_chain(current.session.study),
            study=current.session.study,
            old={"sent": dict(sent)},
            new={"kept_revision": current.revision},
            reason=reason,
        )
        return _revised(200, current)


def remeasure_list(session: MeasurementSession, mice: list[str], share: float = 0.1) -> list[str]:
    """The mice to measure again without sight of the first reading: `share` of those measured, at random.

    Which ones follows from a secret and the session, so that asking again changes nothing and nobody
    knows beforehand.
    """

    def draw(mouse: str) -> str:
        text = f"remeasure|{session.pk}|{mouse}"
        return hmac.new(settings.AUDIT_KEY.encode(), text.encode(), sha256).hexdigest()

    chosen = set(sorted(mice, key=draw)[: ceil(share * len(mice))])
    return [mouse for mouse in mice if mouse in chosen]


def _locked(measurement_id: int, client_id: str) -> tuple[Measurement, Revised | None]:
    """The current revision of a reading, its session locked, and the answer where no new one may follow."""
    named = Measurement.objects.get(pk=measurement_id)
    locked = MeasurementSession.objects.select_for_update(of=("self",)).select_related("study")
    session = locked.get(pk=named.session_id)
    same = Measurement.objects.filter(
        session=session, mouse=named.mouse_id, tumor_number=named.tumor_number, replicate=named.replicate
    ).select_related("mouse__study")
    current = same.order_by("-revision")[0]
    current.session = session
    uuid = client_uuid(client_id)
    if uuid is None:
        return current, _revised(422, current, refusal("client_id", "is no UUID"))
    if before := same.filter(client_id=uuid).first():
        return current, _revised(200, before)
    if Measurement.objects.filter(client_id=uuid).exists():
        return current, _revised(422, current, refusal("client_id", "was stored with other values"))
    if current.pk != named.pk or current.is_void:
        return current, _revised(409, current)
    return current, None


def _unfit(reason: str, session: MeasurementSession) -> list[Finding]:
    return [one for one in reason_findings(reason, limits_of(session.study)) if one.is_hard]


def _state(current: Measurement, at: datetime) -> list[Finding]:
    """R28 for revisions: a signed session may still be corrected, and shows it; a locked study only where unlocked."""
    study = current.session.study
    if study.state == StudyState.ACTIVE or may_follow(current, study, at):
        return []
    why = f"the study is {study.get_state_display()}, not active"
    return [Finding("R28", "session", why, Severity.HARD)]


def _stops(finding: Finding, confirmed: Mapping[str, str]) -> bool:
    is_open = finding.severity is Severity.SOFT and not confirmed.get(finding.rule, "").strip()
    return finding.is_hard or is_open


def _add(
    current: Measurement, user: User, at: datetime, client_id: str, reason: str, action: str, **changed: Any
) -> Measurement:
    values = {
        field.attname: getattr(current, field.attname)
        for field in Measurement._meta.concrete_fields
        if not field.primary_key
    }
    values |= {"confirmations": [], **changed}
    values |= {"revision": current.revision + 1, "client_id": client_id, "reason": reason}
    values |= {"recorded_at": at, "observer_id": user.pk, "import_batch_id": None}
    new = Measurement(**values)
    if new.status in (MeasurementStatus.MEASURED, MeasurementStatus.ULCERATED) and new.length_mm:
        new.reported_volume_mm3 = None
    new.save(force_insert=True)
    record_event(
        action,
        new,
        actor=user,
        at=at,
        chain=study_chain(current.session.study),
        study=current.session.study,
        old=audited(current),
        new=audited(new),
        reason=reason,
    )
    return new


def _revised(status: int, one: Measurement, findings: tuple[Finding, ...] = ()) -> Revised:
    return Revised(status, one, values_of(one, one.mouse.key), findings)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
