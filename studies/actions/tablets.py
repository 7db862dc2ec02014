"""Register a tablet, keep a person's PIN and badge, and let a known person back in on a shared tablet.

A PIN has few digits, so it counts little by itself: it is asked for only on a registered tablet, only of
somebody who signed in there in full this shift, opens the cage side alone, and is locked by five failures
until the next full sign-in.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.db import IntegrityError, transaction
from django.db.models import F

from studies.actions.audit import INSTALLATION, record_event
from studies.models import EntryKey, Shift, Tablet, User

SHIFT = timedelta(hours=12)
MOST_FAILURES = 5
SIMPLE = re.compile(r"(\d)\1*")


class KeyRefused(ValueError):
    """A PIN or badge that is not taken, or does not let anyone in; the message says why."""


@transaction.atomic
def register_tablet(name: str, *, actor: User, at: datetime) -> tuple[Tablet, str]:
    """A new tablet and the secret its cookie carries. Raises KeyRefused for a name that is blank or taken."""
    secret = secrets.token_urlsafe(32)
    if not name.strip() or Tablet.objects.filter(name=name.strip()).exists():
        raise KeyRefused("a tablet needs a name that no other one has")
    tablet = Tablet.objects.create(
        name=name.strip(), digest=_digest(secret), registered_at=at, registered_by=actor
    )
    record_event(
        "registered a tablet", tablet, actor=actor, at=at, chain=INSTALLATION, new={"name": tablet.name}
    )
    return tablet, secret


@transaction.atomic
def revoke_tablet(tablet: Tablet, *, actor: User, at: datetime) -> None:
    if Tablet.objects.filter(pk=tablet.pk, revoked_at__isnull=True).update(revoked_at=at):
        record_event("revoked a tablet", tablet, actor=actor, at=at, chain=INSTALLATION,
                     new={"revoked_at": at.isoformat()})  # fmt: skip


def tablet_of(secret: str | None) -> Tablet | None:
    """The registered tablet that carries this secret."""
    return Tablet.objects.filter(digest=_digest(secret), revoked_at__isnull=True).first() if secret else None


@transaction.atomic
def begin_shift(tablet: Tablet, user: User, at: datetime) -> None:
    """After a full sign-in, second factor included: unlocks the person's PIN and badge on this tablet."""
    shift = Shift.objects.create(tablet=tablet, user=user, began_at=at)
    EntryKey.objects.filter(user=user).update(failures=0)
    record_event("began a shift on a tablet", shift, actor=user, at=at, chain=INSTALLATION,
                 new={"tablet": tablet.name})  # fmt: skip


def on_shift(tablet: Tablet, at: datetime) -> list[User]:
    """Who signed in in full on this tablet within the last shift and has a PIN or badge, by name."""
    return list(
        User.objects.filter(
            is_active=True, shifts__tablet=tablet, shifts__began_at__gt=at - SHIFT, entry_key__isnull=False
        ).distinct().order_by("full_name", "username")
    )  # fmt: skip


@transaction.atomic
def set_entry_key(user: User, *, pin: str, badge: str, at: datetime) -> None:
    """Keep a new PIN, a new badge, or both. Raises KeyRefused for one that is too easy or is another's."""
    if pin and not re.fullmatch(r"\d{4,8}", pin):
        raise KeyRefused("a PIN has 4 to 8 digits")
    if pin and (SIMPLE.fullmatch(pin) or pin in "0123456789" or pin in "9876543210"):
        raise KeyRefused("this PIN is the first one anybody would try")
    key, _ = EntryKey.objects.get_or_create(user=user)
    key.pin = make_password(pin) if pin else key.pin
    key.badge_digest = _badge(badge) if badge.strip() else key.badge_digest
    try:
        with transaction.atomic():
            key.save()
    except IntegrityError:
        raise KeyRefused("this badge is another person's") from None
    told = [name for name, given in (("PIN", pin), ("badge", badge.strip())) if given]
    record_event("set an entry key", key, actor=user, at=at, chain=INSTALLATION, new={"set": told})


def person_by_badge(tablet: Tablet, badge: str, at: datetime) -> User:
    """Whose badge was scanned. Raises KeyRefused for a badge nobody on shift here carries."""
    for user in on_shift(tablet, at):
        key = user.entry_key
        if key.badge_digest and hmac.compare_digest(key.badge_digest, _badge(badge)) and not is_locked(key):
            return _switched(tablet, user, at, "badge")
    raise KeyRefused("nobody on shift at this tablet carries this badge: sign in in full")


def person_by_pin(tablet: Tablet, user_id: int, pin: str, at: datetime) -> User:
    """The person whose PIN this is. Raises KeyRefused; each failure counts, and five lock the PIN."""
    user = next((one for one in on_shift(tablet, at) if one.pk == user_id), None)
    if user is None:
        raise KeyRefused("the shift is over: sign in in full")
    if is_locked(user.entry_key):
        raise KeyRefused("this PIN is locked after five failures: sign in in full")
    if not user.entry_key.pin or not check_password(pin, user.entry_key.pin):
        EntryKey.objects.filter(pk=user.entry_key.pk).update(failures=F("failures") + 1)
        raise KeyRefused("this is not the PIN")
    EntryKey.objects.filter(pk=user.entry_key.pk).update(failures=0)
    return _switched(tablet, user, at, "PIN")


def is_locked(key: EntryKey) -> bool:
    return key.failures >= MOST_FAILURES


@transaction.atomic
def _switched(tablet: Tablet, user: User, at: datetime, by: str) -> User:
    facts = {"tablet": tablet.name, "by": by}
    record_event("came back on a tablet", user, actor=user, at=at, chain=INSTALLATION, new=facts)
    return user


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _badge(badge: str) -> str:
    """Keyed, since a badge's number is short and known to its makers."""
    return hmac.new(
        settings.AUDIT_KEY.encode(), f"badge|{badge.strip()}".encode(), hashlib.sha256
    ).hexdigest()
