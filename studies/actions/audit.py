"""Write an audit event at the end of its hash chain, and verify chains.

The hash of an event covers its content and the hash before it, so that no event can be changed,
dropped or moved without breaking every hash that follows. The length and end of a chain are kept
in a row sealed with AUDIT_KEY, so that cutting the tail shows too. Each event also holds a seal of every
row its act wrote (studies/actions/row_seals.py).
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Model

from studies.access import roles_in
from studies.actions.row_seals import seals_of_written_rows
from studies.models import AuditEvent, AuditHead, Study, User

GENESIS = "0" * 64
INSTALLATION = "installation"


def study_chain(study: Study) -> str:
    return f"study:{study.pk}"


def allocation_chain(study: Study) -> str:
    """Allocation events are chained apart, so that gaps in the study's own chain tell nothing."""
    return f"allocation:{study.pk}"


def record_event(
    action: str,
    subject,
    *,
    actor: User | None,
    at: datetime,
    chain: str,
    study: Study | None = None,
    old: dict | None = None,
    new: dict | None = None,
    reason: str = "",
) -> AuditEvent:
    """Append one event about `subject` (a saved model instance) inside the caller's transaction.

    Raises TransactionManagementError outside a transaction: an event stands or falls with its act.
    """
    act = Act(subject, old, new, reason)
    return record_events(action, [act], actor=actor, at=at, chain=chain, study=study)[0]


@dataclass(frozen=True)
class Act:
    """What one of many events of a batch says: about which saved instance, and what changed.

    `action` where it is another one than that of the batch.
    """

    subject: Model
    old: dict | None = None
    new: dict | None = None
    reason: str = ""
    action: str = ""


def record_events(
    action: str,
    acts: Sequence[Act],
    *,
    actor: User | None,
    at: datetime,
    chain: str,
    study: Study | None = None,
    rows: dict | None = None,
) -> list[AuditEvent]:
    """Append one event an act, in their order, at the price of one: a sheet of 60 rows is 60 events.

    `rows` are the seals the first event holds; those of the rows this transaction wrote unless given.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("an audit event needs the transaction of its act")
    if not acts:
        return []
    head = _locked_head(chain)
    role = ", ".join(sorted(roles_in(actor, study))) if actor and study else ""
    previous, events, rows = head.head, [], rows or seals_of_written_rows()
    for place, act in enumerate(acts, 1):
        event = AuditEvent(
            chain=chain,
            sequence=head.count + place,
            study=study,
            happened_at=at,
            actor=actor,
            actor_name=str(actor) if actor else "the system",
            actor_role=role,
            action=act.action or action,
            object_type=act.subject._meta.model_name,
            object_id=str(act.subject.pk),
            old=act.old,
            new=act.new,
            reason=act.reason,
            rows=rows,
            previous_hash=previous,
        )
        event.hash = previous = event_hash(event)
        rows = None  # the first event of a batch seals the rows of all
        events.append(event)
    AuditEvent.objects.bulk_create(events)
    AuditHead.objects.filter(pk=head.pk).update(
        count=events[-1].sequence, head=previous, seal=seal(chain, events[-1].sequence, previous)
    )
    return events


def event_hash(event: AuditEvent) -> str:
    """SHA-256 over the event's content and the hash before it, in one canonical spelling."""
    content = {
        "chain": event.chain,
        "sequence": event.sequence,
        "study": event.study_id,
        "happened_at": event.happened_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "actor_role": event.actor_role,
        "action": event.action,
        "object_type": event.object_type,
        "object_id": event.object_id,
        "old": event.old,
        "new": event.new,
        "reason": event.reason,
        "previous_hash": event.previous_hash,
    }
    if event.rows is not None:  # events of before there were seals keep their hashes
        content["rows"] = event.rows
    canonical = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def seal(chain: str, count: int, head: str) -> str:
    return hmac.new(
        settings.AUDIT_KEY.encode(), f"{chain}|{count}|{head}".encode(), hashlib.sha256
    ).hexdigest()


def _locked_head(chain: str) -> AuditHead:
    heads = AuditHead.objects.select_for_update().filter(chain=chain)
    if (head := heads.first()) is not None:
        return head
    AuditHead.objects.bulk_create(
        [AuditHead(chain=chain, count=0, head=GENESIS, seal=seal(chain, 0, GENESIS))], ignore_conflicts=True
    )
    return heads.get()


@dataclass(frozen=True)
class BrokenLink:
    """A place at which the record no longer holds; `sequence` is None where no event is there to name."""

    chain: str | None
    sequence: int | None
    reason: str


def broken_link(chain: str) -> BrokenLink | None:
    """The first event of a chain that was changed, moved or lost, or None when the chain holds."""
    expected, previous = 1, GENESIS
    for event in AuditEvent.objects.filter(chain=chain).order_by("sequence").iterator(chunk_size=2000):
        if event.sequence != expected:
            return BrokenLink(chain, expected, f"event {expected} is missing")
        if event.previous_hash != previous:
            return BrokenLink(chain, expected, "it does not follow the event before it")
        if event.hash != event_hash(event):
            return BrokenLink(chain, expected, "its content was changed")
        expected, previous = expected + 1, event.hash
    return _broken_head(chain, expected - 1, previous)


def _broken_head(chain: str, count: int, last_hash: str) -> BrokenLink | None:
    head = AuditHead.objects.filter(chain=chain).first()
    if head is None:
        return BrokenLink(chain, count, "the chain's sealed head is missing") if count else None
    if not hmac.compare_digest(head.seal, seal(chain, head.count, head.head)):
        return BrokenLink(chain, head.count, "the head's seal does not fit AUDIT_KEY")
    if head.count != count or head.head != last_hash:
        return BrokenLink(chain, count + 1, f"the chain ends at event {count}, its head says {head.count}")
    return None


def chains() -> list[str]:
    """Every chain there is, by its events or its head."""
    return sorted(
        set(AuditEvent.objects.values_list("chain", flat=True).distinct())
        | set(AuditHead.objects.values_list("chain", flat=True))
    )
