"""Issue, revoke and recognize API tokens.

A secret holds 256 random bits, so one fast hash keeps it: there is nothing to guess. It is shown
once, when it is issued, and can be told by its prefix in a log or a repository that should not hold it.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from studies.actions.audit import INSTALLATION, record_event
from studies.models import ApiToken, User
from studies.terms import TokenScope

PREFIX = "pdx_"
HINT_LENGTH = 8
LONGEST_DAYS = 365


class TokenRefused(ValueError):
    """A token that is not issued; the message says why."""


@transaction.atomic
def create_token(
    user: User,
    name: str,
    scopes: Iterable[TokenScope],
    *,
    actor: User | None,
    at: datetime,
    days: int = 90,
) -> tuple[ApiToken, str]:
    """A new token of `user` and its secret, which is stored nowhere.

    Raises TokenRefused without a name or a scope, for an inactive user, or beyond 365 days.
    """
    wanted = sorted(set(scopes))
    if not user.is_active:
        raise TokenRefused(f"{user} is deactivated")
    if not name.strip():
        raise TokenRefused("a token needs a name: what is it for?")
    if not wanted or not set(wanted) <= set(TokenScope.values()):
        raise TokenRefused(f"scopes are {' and '.join(TokenScope.values())}; at least one is needed")
    if not 1 <= days <= LONGEST_DAYS:
        raise TokenRefused(f"a token lasts 1 to {LONGEST_DAYS} days, not {days}")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name.strip(),
        scopes=[str(scope) for scope in wanted],
        digest=_digest(secret),
        hint=secret[:HINT_LENGTH],
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    facts = {"user": user.username, "name": token.name, "scopes": token.scopes}
    facts["expires_at"] = token.expires_at.isoformat()
    record_event("API token issued", token, actor=actor, at=at, chain=INSTALLATION, new=facts)
    return token, secret


@transaction.atomic
def revoke_token(token: ApiToken, *, actor: User | None, at: datetime) -> None:
    """End a token now; one that was revoked before stays as it was."""
    changed = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=at)
    if changed:
        facts = {"user": token.user.username, "name": token.name, "revoked_at": at.isoformat()}
        record_event("API token revoked", token, actor=actor, at=at, chain=INSTALLATION, new=facts)
    token.refresh_from_db()


def authenticate(secret: str, at: datetime | None = None) -> tuple[User, frozenset[TokenScope]] | None:
    """Whose token this is and what it is for; None when unknown, expired, revoked or its owner is gone."""
    now = at or timezone.now()
    usable = ApiToken.objects.filter(revoked_at__isnull=True, expires_at__gt=now, user__is_active=True)
    token = usable.select_related("user").filter(digest=_digest(secret)).first()
    return (token.user, frozenset(map(TokenScope, token.scopes))) if token else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
