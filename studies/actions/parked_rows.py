"""Decide on a row that came when its study or session took none: store it, or discard it, with a reason."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from studies.actions.audit import record_event, study_chain
from studies.actions.record_measurements import CREATED, REFUSED, RowResult, SentRow, record_measurements
from studies.actions.sheet_facts import limits_of
from studies.models import ParkedRow, User
from studies.validation import Row, Severity, reason_findings

Outcome = ParkedRow.Outcome


class NotSettled(ValueError):
    """A parked row that could not be decided on so; the message says why. It goes on waiting."""


def store_parked(parked_id: int, *, reason: str, user: User, at: datetime) -> RowResult:
    """Store the row as the reading of who sent it; `reason` answers what the rules ask. Raises NotSettled.

    A locked study takes no row, a signed session does: its signature then shows the change.
    """
    with transaction.atomic():
        parked = _waiting(parked_id, reason)
        sent = sent_row(parked)
        result = _record(parked, sent.row, reason, user, at)
        asked = {one.rule for one in result.findings if one.severity is Severity.SOFT}
        if result.http_status == REFUSED and asked and not any(one.is_hard for one in result.findings):
            answered = dict(sent.row.confirmations) | dict.fromkeys(asked, reason)
            result = _record(parked, _row(parked.row, answered), reason, user, at)
        if result.http_status != CREATED:
            raise NotSettled("; ".join(f"{one.rule}: {one.message}" for one in result.findings))
        _settle(parked, Outcome.STORED, reason, user, at, measurement=result.id)
    return result


def discard_parked(parked_id: int, *, reason: str, user: User, at: datetime) -> None:
    """Decide against the row; what was sent stays on record. Raises NotSettled."""
    with transaction.atomic():
        _settle(_waiting(parked_id, reason), Outcome.DISCARDED, reason, user, at)


def sent_row(parked: ParkedRow) -> SentRow:
    """The row as its sender sent it."""
    answers = {one["rule"]: one["reason"] for one in parked.row["confirmations"]}
    return SentRow(str(parked.client_id), _row(parked.row, answers), parked.row["observed_at"])


def _row(sent: Mapping[str, Any], answers: Mapping[str, str]) -> Row:
    names = (
        "mouse",
        "tumor",
        "replicate",
        "length_mm",
        "width_mm",
        "height_mm",
        "weight_g",
        "status",
        "device",
    )
    return Row(
        **{name: sent[name] for name in names},
        signs=tuple(sent["signs"]),
        observed_at=datetime.fromisoformat(sent["observed_at"]),
        confirmations=answers,
    )


def _record(parked: ParkedRow, row: Row, reason: str, user: User, at: datetime) -> RowResult:
    sent = SentRow(str(parked.client_id), row, parked.row["observed_at"])
    (result,) = record_measurements(parked.session, [sent], user=user, at=at, reason=reason, parked=parked)
    return result


def _waiting(parked_id: int, reason: str) -> ParkedRow:
    locked = ParkedRow.objects.select_for_update(of=("self",)).select_related("session__study", "user")
    parked = locked.get(pk=parked_id)
    if parked.outcome != Outcome.WAITING:
        raise NotSettled(f"this row was {parked.get_outcome_display().lower()} already")
    if told := [
        one.message for one in reason_findings(reason, limits_of(parked.session.study)) if one.is_hard
    ]:
        raise NotSettled("; ".join(told))
    return parked


def _settle(parked: ParkedRow, outcome: Outcome, reason: str, user: User, at: datetime, **new: Any) -> None:
    parked.outcome, parked.reason = outcome, reason
    parked.settled_at, parked.settled_by = at, user
    parked.save(update_fields=["outcome", "reason", "settled_at", "settled_by"])
    record_event(
        f"{outcome} a parked row",
        parked,
        actor=user,
        at=at,
        chain=study_chain(parked.session.study),
        study=parked.session.study,
        old={"row": parked.row, "because": parked.because},
        new={"outcome": str(outcome), **new},
        reason=reason,
    )
