"""Open a blinded study no further than needed: masks at a lock, one mouse in an emergency."""

import random
import secrets
import string
from datetime import UTC, datetime
from itertools import product
from typing import Any

from django.db import transaction

from studies import access
from studies.actions.audit import allocation_chain, record_event
from studies.actions.letters import write_letter
from studies.actions.sign import Signer, sign
from studies.models import Arm, ArmMask, AuditEvent, Mouse, Reveal, Study, User
from studies.terms import SignatureMeaning, SignedAct

ACKNOWLEDGED = "read the notice of an emergency unblinding"


class RevealRefused(Exception):
    """No arm was told; the message says why."""


def draw_masks(study: Study, *, actor: User, at: datetime, rng: random.Random | None = None) -> None:
    """Give every arm a letter for those who analyze while the study is blinded, inside the lock's transaction.

    Drawn anew at each lock, so that nobody carries over what a letter was. An open study needs none.
    """
    arms = list(Arm.objects.filter(study=study).order_by("pk"))
    if study.arms_are_open or not arms:
        return
    letters = _letters(len(arms))
    (rng or secrets.SystemRandom()).shuffle(letters)
    generation = (
        ArmMask.objects.filter(study=study).order_by("-generation").first() or ArmMask(generation=0)
    ).generation + 1
    masks = ArmMask.objects.bulk_create(
        ArmMask(study=study, generation=generation, arm=arm, letter=letter, drawn_at=at)
        for arm, letter in zip(arms, letters, strict=True)
    )
    record_event("drew masks of the arms", masks[0], actor=actor, at=at, chain=allocation_chain(study),
                 study=study, new={
        "generation": generation, "masks": [[mask.letter, mask.arm.name] for mask in masks],
    })  # fmt: skip


def reveal_in_emergency(
    study: Study, mouse_label: str, reason: str, *, signer: Signer, notified: User
) -> tuple[Reveal, str]:
    """The arm of one mouse. Its event, its signature and the notice to a second person come before it is read.

    Raises RevealRefused: a role that may not, no reason, no second person of the study, no such mouse, none drawn.
    """
    with transaction.atomic():
        if not access.may_reveal_in_emergency(signer.user, study):
            raise RevealRefused("Your role in this study does not unblind a mouse.")
        if not reason.strip():
            raise RevealRefused("Say what the emergency is; the reason is printed in the report.")
        if notified not in access.second_persons(signer.user, study):
            raise RevealRefused("Name a second person of the study, other than yourself, who is told of it.")
        mouse = Mouse.objects.filter(study=study, label=mouse_label.strip(), allocation__isnull=False).first()
        if mouse is None:
            raise RevealRefused(f"There is no allocated mouse {mouse_label.strip()} in {study.code}.")
        reveal = Reveal.objects.create(
            study=study, mouse=mouse, reason=reason.strip(), revealed_to=signer.user,
            revealed_at=signer.at, notified=notified,
        )  # fmt: skip
        record_event("unblinded a mouse in an emergency", reveal, actor=signer.user, at=signer.at,
                     chain=allocation_chain(study), study=study, reason=reveal.reason,
                     new={"mouse": mouse.label, "notified": notified.username})  # fmt: skip
        sign(reveal, reveal_record(reveal), signer, act=SignedAct.REVEAL, meaning=SignatureMeaning.APPROVED,
             study=study, reason=reveal.reason)  # fmt: skip
        _notify(reveal)
        return reveal, access.arm_told_by(reveal)


def reveal_record(reveal: Reveal) -> dict[str, Any]:
    """What the person who asked signs: that one mouse was unblinded to them, why, and who is told. Never its arm."""
    return {
        "study": reveal.study.code,
        "mouse": reveal.mouse.label,
        "reason": reveal.reason,
        "revealed_to": reveal.revealed_to.username,
        "revealed_at": reveal.revealed_at.astimezone(UTC).isoformat(),
        "notified": reveal.notified.username,
    }


def acknowledge(reveal: Reveal, *, actor: User, at: datetime) -> None:
    """The second person has read the notice; read twice, it is recorded once."""
    with transaction.atomic():
        Study.objects.select_for_update().get(pk=reveal.study_id)
        if actor.pk != reveal.notified_id or reveal not in open_notices(actor):
            return
        record_event(ACKNOWLEDGED, reveal, actor=actor, at=at, chain=allocation_chain(reveal.study),
                     study=reveal.study)  # fmt: skip


def open_notices(user: User) -> list[Reveal]:
    """Emergency unblindings this person was named for and has not read of yet."""
    told = Reveal.objects.filter(notified=user).select_related("study", "mouse", "revealed_to")
    read = set(
        AuditEvent.objects.filter(action=ACKNOWLEDGED, object_type="reveal", actor=user).values_list(
            "object_id", flat=True
        )
    )
    return [reveal for reveal in told if str(reveal.pk) not in read]


def _notify(reveal: Reveal) -> None:
    """By e-mail where the person has an address; on their home page in any case. Neither names an arm."""
    write_letter(
        reveal.study,
        [reveal.notified.email],
        f"{reveal.study.code}: emergency unblinding of mouse {reveal.mouse.label}",
        f"{reveal.revealed_to} was told the arm of mouse {reveal.mouse.label} in study {reveal.study.code} at "
        f"{reveal.revealed_at:%Y-%m-%d %H:%M} UTC.\n\nReason: {reveal.reason}\n\n"
        "Your name was given as the second person. Sign in and confirm that you have read this.\n",
        at=reveal.revealed_at,
    )


def _letters(count: int) -> list[str]:
    """A, B, ... Z, then AA, AB, ..."""
    single = list(string.ascii_uppercase)
    return (single + ["".join(pair) for pair in product(single, repeat=2)])[:count]
