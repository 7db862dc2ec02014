"""Sign electronically: user id and password given again, a meaning, bound to a hash of the record.

`verify_signer` runs before the transaction of the act, so that a failure stays counted when the act
does not happen; what it returns is what `sign` asks for, so that nothing is signed without it.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction

from studies.access import roles_in
from studies.actions.anchors import anchor_after_commit
from studies.actions.audit import INSTALLATION, allocation_chain, record_event, study_chain
from studies.models import Signature, SigningFailures, Study, User
from studies.terms import SignatureMeaning, SignedAct

FAILURE_LIMIT = 5


class SigningRefused(Exception):
    """A signature was not taken; the message says why and what to do."""


@dataclass(frozen=True)
class Signer:
    """A person whose user id and password were just checked, and when."""

    user: User
    at: datetime


def verify_signer(user: User, username: str, password: str, at: datetime) -> Signer:
    """The signed-in person, shown to be who signs. Five failures in a row lock signing.

    Raises SigningRefused. Call it outside the transaction of the act.
    """
    with transaction.atomic():
        failures = _locked_failures(user)
        if failures.count >= FAILURE_LIMIT:
            raise SigningRefused(_locked(user))
        is_right = user.is_active and username.strip() == user.username and user.check_password(password)
        if is_right:
            if failures.count:
                failures.count = 0
                failures.save(update_fields=["count"])
            return Signer(user, at)
        failures.count, failures.last_at = failures.count + 1, at
        failures.save(update_fields=["count", "last_at"])
        record_event("failed to sign", failures, actor=user, at=at, chain=INSTALLATION, new={
            "user": user.username, "failures": failures.count,
        })  # fmt: skip
    if failures.count >= FAILURE_LIMIT:
        raise SigningRefused(_locked(user))
    left = FAILURE_LIMIT - failures.count
    tries = "1 try is" if left == 1 else f"{left} tries are"
    raise SigningRefused(
        f"User id and password do not fit the person signed in; nothing was signed. {tries} left."
    )


def lift_signing_lock(failures: SigningFailures, actor: User, at: datetime) -> None:
    """Let a person sign again, after an administrator made sure who tried."""
    with transaction.atomic():
        old = failures.count
        failures.count = 0
        failures.save(update_fields=["count"])
        record_event("lifted a signing lock", failures, actor=actor, at=at, chain=INSTALLATION,
                     old={"failures": old}, new={"user": failures.user.username, "failures": 0})  # fmt: skip


def sign(
    subject: models.Model,
    record: dict[str, Any],
    signer: Signer,
    *,
    act: SignedAct,
    meaning: SignatureMeaning,
    study: Study | None = None,
    reason: str = "",
) -> Signature:
    """Sign `record`, the facts of a saved row, inside the caller's transaction; written with its event.

    The event holds the hash alone: a record may name an arm.
    """
    signature = Signature.objects.create(
        study=study,
        act=act,
        meaning=meaning,
        signer=signer.user,
        signer_name=str(signer.user),
        signer_role=", ".join(sorted(roles_in(signer.user, study))) if study else "",
        signed_at=signer.at,
        reason=reason,
        object_type=subject._meta.model_name,
        object_id=str(subject.pk),
        record=record,
        record_sha256=record_sha256(record),
    )
    record_event(
        "signed",
        signature,
        actor=signer.user,
        at=signer.at,
        chain=study_chain(study) if study else INSTALLATION,
        study=study,
        new={
            "act": str(act),
            "meaning": str(meaning),
            "of": [signature.object_type, signature.object_id],
            "record_sha256": signature.record_sha256,
        },
        reason=reason,
    )
    chains = [study_chain(study), allocation_chain(study)] if study else [INSTALLATION]
    anchor_after_commit(str(act), signer.at, chains)
    return signature


def record_sha256(record: dict[str, Any]) -> str:
    """SHA-256 over one canonical spelling of a record's facts."""
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def changed_after(signature: Signature, record: dict[str, Any]) -> list[str]:
    """The names of the facts that are no longer what was signed; empty while the signature holds."""
    if record_sha256(record) == signature.record_sha256:
        return []
    names = signature.record.keys() | record.keys()
    return sorted(name for name in names if signature.record.get(name) != record.get(name))


def _locked_failures(user: User) -> SigningFailures:
    SigningFailures.objects.bulk_create([SigningFailures(user=user)], ignore_conflicts=True)
    return SigningFailures.objects.select_for_update().get(user=user)


def _locked(user: User) -> str:
    return (
        f"Signing is locked for {user.username} after {FAILURE_LIMIT} failures in a row; "
        "an administrator lifts the lock under Set-up, System."
    )
