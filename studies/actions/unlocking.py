"""Open single readings of a locked study for a while: two people, a reason, and each reading for one revision.

One asks and signs, naming the readings; another approves and signs. From then on, until the hours are
over, the database takes exactly the next revision of each (studies/triggers.py). Once it is written, or
the hours are over, the reading is locked again by itself: nobody has to remember it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from studies import access, triggers
from studies.actions.set_up import By, record
from studies.actions.sign import Signer, sign
from studies.actions.study_states import StateRefused, data_record
from studies.models import Measurement, MeasurementSession, Mouse, Signature, Study, Unlock, UnlockedReading
from studies.terms import Role, SignatureMeaning, SignedAct, StudyState

ASKS_FOR_UNLOCKING = frozenset({Role.STUDY_DIRECTOR, Role.QUALITY_ASSURANCE})
UNLOCKABLE = (StudyState.DATA_LOCKED, StudyState.UNBLINDED)
MOST_HOURS, MOST_READINGS = triggers.UNLOCK_HOURS, 200


@dataclass(frozen=True, order=True)
class Place:
    """One revision of one reading: keys of session and mouse, tumor, replicate, and the revision's number."""

    session: int
    mouse: int
    tumor: int
    replicate: int
    revision: int


def next_revisions(sessions: Iterable[MeasurementSession], mice: Iterable[Mouse]) -> list[Place]:
    """Of each of these mice in each of these sessions, the revision that would follow; the first where none is."""
    sessions, mice = list(sessions), list(mice)
    found = Measurement.objects.filter(session__in=sessions, mouse__in=mice)
    last = found.values_list("session", "mouse", "tumor_number", "replicate").annotate(last=Max("revision"))
    places = [Place(*reading, revision + 1) for *reading, revision in last]
    taken = {(place.session, place.mouse) for place in places}
    pairs = {(session.pk, mouse.pk) for session in sessions for mouse in mice}
    return sorted(places + [Place(*pair, 1, 1, 1) for pair in pairs - taken])


@transaction.atomic
def request_unlock(
    study: Study, signer: Signer, reason: str, places: Sequence[Place], hours: int
) -> Signature:
    """The first of two: which readings, for how long, and why. It takes the place of an earlier request.

    Raises StateRefused: no reading named, one of another study, too many or too long.
    """
    study = _unlockable(study, signer)
    if not reason.strip():
        raise StateRefused("Give the reason; it is kept with the signature.")
    if not 1 <= len(places) <= MOST_READINGS:
        raise StateRefused(f"Name between 1 and {MOST_READINGS} readings; {len(places)} are named.")
    if not 1 <= hours <= MOST_HOURS:
        raise StateRefused(f"Readings are unlocked for 1 to {MOST_HOURS} hours, not {hours}.")
    own_mice = set(study.mice.values_list("pk", flat=True))
    own_sessions = set(study.sessions.values_list("pk", flat=True))
    if any(place.mouse not in own_mice or place.session not in own_sessions for place in places):
        raise StateRefused(f"A reading named is not of {study.code}.")
    asked = {"readings": [asdict(place) for place in sorted(places)], "hours": hours, **data_record(study)}
    return sign(
        study, asked, signer, act=SignedAct.UNLOCK_REQUEST, meaning=SignatureMeaning.REVIEWED, study=study,
        reason=reason.strip(),
    )  # fmt: skip


@transaction.atomic
def approve_unlock(study: Study, signer: Signer, request: int) -> Unlock:
    """The second of two: opens the readings that the request `request` names, from now on for its hours.

    Raises StateRefused where nobody asked, where it is one's own request, where another came meanwhile,
    and where a reading named got a further revision since.
    """
    study = _unlockable(study, signer)
    asked = pending_unlock(study)
    if asked is None:
        raise StateRefused(f"Nobody asked to unlock {study.code}; that comes first, with a reason.")
    if asked.pk != request:
        raise StateRefused("Another request came in between; read it before you approve it.")
    if asked.signer_id == signer.user.pk:
        raise StateRefused("Unlocking takes two people: who asked for it cannot approve it.")
    places = [Place(**place) for place in asked.record["readings"]]
    if set(places) & written_places(study):
        raise StateRefused("A reading named has a further revision since; ask anew.")
    approval = sign(
        study, {**asked.record, "request": asked.pk}, signer, act=SignedAct.UNLOCK,
        meaning=SignatureMeaning.APPROVED, study=study, reason=asked.reason,
    )  # fmt: skip
    unlock = Unlock.objects.create(
        study=study, request=asked, approval=approval, granted_at=signer.at,
        ends_at=signer.at + timedelta(hours=asked.record["hours"]), reading_count=len(places),
    )  # fmt: skip
    UnlockedReading.objects.bulk_create(_readings(unlock, places))
    record("unlocked readings", unlock, study, By(signer.user, signer.at), new={
        "readings": asked.record["readings"], "until": unlock.ends_at.isoformat(),
        "asked_by": asked.signer_name, "approved_by": approval.signer_name,
    }, reason=asked.reason)  # fmt: skip
    return unlock


def pending_unlock(study: Study) -> Signature | None:
    """The request to unlock that nobody has approved yet; a later lock or request takes its place."""
    if study.state not in UNLOCKABLE:
        return None
    about = (SignedAct.DATA_LOCK, SignedAct.UNLOCK_REQUEST, SignedAct.UNLOCK)
    last = study.signatures.filter(act__in=about).order_by("-signed_at", "-pk").first()
    return last if last and last.act == SignedAct.UNLOCK_REQUEST and "readings" in last.record else None


def open_places(study: Study, at: datetime) -> frozenset[Place]:
    """The revisions that may be written in a locked study at this moment."""
    if study.state not in UNLOCKABLE:
        return frozenset()
    opened = UnlockedReading.objects.filter(unlock__study=study, unlock__ends_at__gt=at)
    places = {
        Place(*row) for row in opened.values_list("session", "mouse", "tumor_number", "replicate", "revision")
    }
    return frozenset(places - written_places(study)) if places else frozenset()


def may_follow(reading: Measurement, study: Study, at: datetime) -> bool:
    """Whether the next revision of this reading may be written in its locked study now."""
    return place_after(reading) in open_places(study, at)


def written_places(study: Study) -> set[Place]:
    """Of the readings ever unlocked in the study, those whose one further revision is on record."""
    opened = UnlockedReading.objects.filter(unlock__study=study)
    sessions, mice = opened.values("session"), opened.values("mouse")
    rows = Measurement.objects.filter(session__in=sessions, mouse__in=mice)
    return {
        Place(*row) for row in rows.values_list("session", "mouse", "tumor_number", "replicate", "revision")
    }


@dataclass(frozen=True)
class UnlockTold:
    """One unlocking in words, for the deviations of pages and reports."""

    number: int
    unlock: Unlock
    readings: tuple[str, ...]
    mice: int
    written: int
    is_open: bool

    @property
    def what(self) -> str:
        asked, said = self.unlock.request, self.unlock.approval
        return (
            f"Data unlocked until {self.unlock.ends_at:%Y-%m-%d %H:%M} UTC for one revision of each: "
            f"{'; '.join(self.readings)}. Asked for by {asked.signer_name}, approved by {said.signer_name}: "
            f"{asked.reason}"
        )

    @property
    def outcome(self) -> str:
        return f"{self.written} of {self.unlock.reading_count} revised; " + (
            "the others are open." if self.is_open else "locked again."
        )


def unlocks_told(study: Study, at: datetime) -> list[UnlockTold]:
    """Every unlocking of the study, the oldest first."""
    unlocks = study.unlocks.select_related("request", "approval")
    written = written_places(study) if unlocks else set()
    told = []
    for number, unlock in enumerate(unlocks, 1):
        places = [Place(**place) for place in unlock.request.record["readings"]]
        done = len(written & set(places))
        is_open = unlock.ends_at > at and done < len(places) and study.state in UNLOCKABLE
        names = tuple(readings_told(unlock.request.record["readings"]))
        told.append(UnlockTold(number, unlock, names, len({one.mouse for one in places}), done, is_open))
    return told


def readings_told(readings: Sequence[dict]) -> list[str]:
    """Readings of a request in words: "M017, 2026-06-10", with tumor and replicate where not the first."""
    mice = Mouse.objects.in_bulk({one["mouse"] for one in readings})
    sessions = MeasurementSession.objects.in_bulk({one["session"] for one in readings})
    return [_told(Place(**one), mice[one["mouse"]], sessions[one["session"]]) for one in readings]


def _told(place: Place, mouse: Mouse, session: MeasurementSession) -> str:
    when = session.due_on.isoformat() if session.due_on else f"day {session.study_day:g}"
    tumor = f", tumor {place.tumor}" if place.tumor > 1 else ""
    replicate = f", replicate {place.replicate}" if place.replicate > 1 else ""
    return f"{mouse.label}, {when}{tumor}{replicate}"


def place_after(reading: Measurement) -> Place:
    return Place(reading.session_id, reading.mouse_id, reading.tumor_number, reading.replicate,
                 reading.revision + 1)  # fmt: skip


def _readings(unlock: Unlock, places: Sequence[Place]) -> list[UnlockedReading]:
    return [
        UnlockedReading(unlock=unlock, session_id=place.session, mouse_id=place.mouse, tumor_number=place.tumor,
                        replicate=place.replicate, revision=place.revision)
        for place in places
    ]  # fmt: skip


def _unlockable(study: Study, signer: Signer) -> Study:
    current = Study.objects.select_for_update().get(pk=study.pk)
    if not access.roles_in(signer.user, current) & ASKS_FOR_UNLOCKING:
        raise StateRefused(f"{signer.user} has no role in {current.code} that may sign this.")
    if current.state not in UNLOCKABLE:
        raise StateRefused(f"{current.code} is {current.get_state_display()}; no data of it are unlocked.")
    return current
