"""Where a person is signed in, and ending it there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.crypto import constant_time_compare

from studies.actions.audit import INSTALLATION, record_event
from studies.models import User

BEGAN, SEEN, BROWSER, ADDRESS = "began", "seen", "browser", "address"
# By what a browser says of itself; most say the names further down, too.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome",
            "Chrome": "Chrome", "Safari": "Safari"}  # fmt: skip
SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Macintosh": "Mac",
           "CrOS": "ChromeOS", "Linux": "Linux"}  # fmt: skip


@dataclass(frozen=True)
class SignedIn:
    """One session. `name` tells a person's own apart; the key, which opens it, is shown nowhere."""

    key: str
    name: str
    began: datetime
    seen: datetime
    browser: str
    address: str


def sessions_of(user: User, now: datetime) -> list[SignedIn]:
    """The person's sessions that open something, the latest sign-in first."""
    return sorted(_found(user, now), key=lambda one: one.began, reverse=True)


def end_sessions(
    user: User, *, actor: User, at: datetime, name: str = "", but: str = "", why: str = ""
) -> int:
    """End the sessions of that name, or all; never the one whose key is `but`. Returns how many there were."""
    ended = [one for one in sessions_of(user, at) if one.key != but and name in ("", one.name)]
    if ended:
        with transaction.atomic():
            Session.objects.filter(pk__in=[one.key for one in ended]).delete()
            told = {"sessions": len(ended)}
            record_event("ended sessions", user, actor=actor, at=at, chain=INSTALLATION, new=told, reason=why)
    return len(ended)


def _found(user: User, now: datetime) -> Iterator[SignedIn]:
    """Sessions are kept sealed and by key alone, so all that have not ended are looked through."""
    for session in Session.objects.filter(expire_date__gt=now).iterator():
        told = session.get_decoded()
        is_theirs = told.get(SESSION_KEY) == str(user.pk) and BACKEND_SESSION_KEY in told
        if is_theirs and constant_time_compare(told.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
            began = float(told.get(BEGAN, 0))
            yield SignedIn(
                key=session.pk,
                name=f"{began:.6f}",
                began=datetime.fromtimestamp(began, UTC),
                seen=datetime.fromtimestamp(float(told.get(SEEN, began)), UTC),
                browser=browser_in_words(told.get(BROWSER, "")),
                address=told.get(ADDRESS, ""),
            )


def browser_in_words(agent: str) -> str:
    """ "Chrome on Linux", as far as the browser tells it of itself; else what it tells, at most 80 letters of it."""
    name, system = (
        next((word for sign, word in known.items() if sign in agent), "") for known in (BROWSERS, SYSTEMS)
    )
    return f"{name} on {system}" if name and system else agent[:80]
