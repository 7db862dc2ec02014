"""A study's states: draft, active, data locked, unblinded, archived. Each step is signed.

No step leads back: readings of a locked study are opened one by one (studies/actions/unlocking.py).
"""

import hashlib
from typing import Any

from django.db import transaction

from studies import access
from studies.actions.blinding import draw_masks
from studies.actions.protocol_facts import protocol_record
from studies.actions.set_up import By, SetUpRefused, record
from studies.actions.set_up_gaps import set_up_gaps
from studies.actions.sign import Signer, sign
from studies.models import Measurement, Signature, Study
from studies.terms import Role, SignatureMeaning, SignedAct, StudyState

DIRECTS = frozenset({Role.STUDY_DIRECTOR})
# Act -> (from, to, what the trail calls it, who may).
STEPS = {
    SignedAct.ACTIVATION: (StudyState.DRAFT, StudyState.ACTIVE, "activated the study", DIRECTS),
    SignedAct.DATA_LOCK: (StudyState.ACTIVE, StudyState.DATA_LOCKED, "locked the data", DIRECTS),
    SignedAct.UNBLINDING: (StudyState.DATA_LOCKED, StudyState.UNBLINDED, "unblinded the study", DIRECTS),
    SignedAct.ARCHIVING: (StudyState.UNBLINDED, StudyState.ARCHIVED, "archived the study", DIRECTS),
}


class StateRefused(SetUpRefused):
    """A step between states that was not taken; the message says why."""


@transaction.atomic
def activate_study(study: Study, signer: Signer) -> Signature:
    """Draft to active: the protocol is signed, its plan locked, its formula and limits fixed.

    Raises StateRefused with every mandatory fact that is missing.
    """
    study = _ready(study, SignedAct.ACTIVATION, signer)
    if missing := [gap.what for gap in set_up_gaps(study) if gap.is_missing]:
        raise StateRefused(*missing)
    study.analysis_plans.filter(locked_at__isnull=True).update(locked_at=signer.at)
    signature = sign(
        study, protocol_record(study), signer, act=SignedAct.ACTIVATION,
        meaning=SignatureMeaning.APPROVED, study=study,
    )  # fmt: skip
    _move(study, SignedAct.ACTIVATION, signer, "")
    return signature


@transaction.atomic
def lock_data(study: Study, signer: Signer, reason: str) -> Signature:
    """Active to data locked: from here on nothing is written. The signature holds the hash of the readings."""
    signature = _signed_step(study, SignedAct.DATA_LOCK, signer, reason)
    draw_masks(Study.objects.get(pk=study.pk), actor=signer.user, at=signer.at)
    return signature


@transaction.atomic
def unblind_study(study: Study, signer: Signer, reason: str) -> Signature:
    """Data locked to unblinded: arms are shown by name from here on."""
    return _signed_step(study, SignedAct.UNBLINDING, signer, reason)


@transaction.atomic
def archive_study(study: Study, signer: Signer, reason: str) -> Signature:
    return _signed_step(study, SignedAct.ARCHIVING, signer, reason)


def data_record(study: Study) -> dict[str, Any]:
    """What a lock is signed over: how many revisions the study holds, and a hash over all of them."""
    rows = Measurement.objects.filter(session__study=study).order_by("pk").values_list(
        "pk", "session_id", "mouse_id", "tumor_number", "replicate", "revision", "status", "length_mm",
        "width_mm", "height_mm", "reported_volume_mm3", "weight_g", "is_void",
    )  # fmt: skip
    digest, count = hashlib.sha256(), 0
    for row in rows.iterator(chunk_size=5000):
        digest.update(repr(row).encode())
        count += 1
    return {"mice": study.mice.count(), "revisions": count, "revisions_sha256": digest.hexdigest()}


def _signed_step(study: Study, act: SignedAct, signer: Signer, reason: str) -> Signature:
    study = _ready(study, act, signer)
    _need(reason)
    signature = sign(
        study, data_record(study), signer, act=act, meaning=SignatureMeaning.APPROVED, study=study,
        reason=reason,
    )  # fmt: skip
    _move(study, act, signer, reason)
    return signature


def _ready(study: Study, act: SignedAct, signer: Signer) -> Study:
    """The study's row, locked, in the state the step leaves from; refused to whom it is not theirs to take."""
    current = Study.objects.select_for_update().get(pk=study.pk)
    before, _, _, roles = STEPS[act]
    if not access.roles_in(signer.user, current) & roles:
        raise StateRefused(f"{signer.user} has no role in {current.code} that may sign this.")
    if current.state != before:
        raise StateRefused(f"{current.code} is {current.get_state_display()}, not {before.label}.")
    return current


def _move(study: Study, act: SignedAct, signer: Signer, reason: str) -> None:
    before, after, words, _ = STEPS[act]
    study.state = after
    study.save(update_fields=["state"])
    by = By(signer.user, signer.at)
    record(words, study, study, by, old={"state": before}, new={"state": after}, reason=reason)


def _need(reason: str) -> None:
    if not reason.strip():
        raise StateRefused("Give the reason; it is kept with the signature.")
