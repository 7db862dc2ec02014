"""Every value a mouse has on record and how it came to be: who, when, old, new, why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studies.models import Allocation, AuditEvent, Dose, Measurement, Mouse
from studies.terms import MeasurementStatus, Sign

VALUES = (
    "status",
    "length_mm",
    "width_mm",
    "height_mm",
    "reported_volume_mm3",
    "weight_g",
    "signs",
    "is_void",
)
NAMES = {"is_void": "void", "reported_volume_mm3": "volume_mm3"}
COLUMNS = [
    "study",
    "mouse",
    "session",
    "tumor",
    "replicate",
    "revision",
    "value",
    "old",
    "new",
    "who",
    "when_utc",
    "why",
]


@dataclass(frozen=True)
class Change:
    """One value of one reading, or of the exit, as one person wrote it; `old` is None where it was the first."""

    session: str
    tumor: int | None
    replicate: int | None
    revision: int
    value: str
    old: Any
    new: Any
    who: str
    when: datetime
    why: str

    @property
    def is_correction(self) -> bool:
        return self.revision > 1


@dataclass(frozen=True)
class ReadingLine:
    """The current revision of a reading, and every change that led to it."""

    reading: Measurement
    session: str
    volume_mm3: float | None
    changes: tuple[Change, ...]
    may_change: bool = False


def reading_lines(mouse: Mouse) -> list[ReadingLine]:
    """A line a reading, the newest first."""
    rows = Measurement.objects.filter(mouse=mouse).select_related("session__study", "observer")
    places: dict[tuple, list[Measurement]] = {}
    for one in rows.order_by("revision"):
        places.setdefault((one.session_id, one.tumor_number, one.replicate), []).append(one)
    lines = [
        ReadingLine(
            revisions[-1],
            session_name(revisions[-1]),
            revisions[-1].volume_mm3(mouse.study.volume_formula),
            tuple(_changes(revisions)),
        )
        for revisions in places.values()
    ]
    return sorted(lines, key=lambda line: _order(line.reading), reverse=True)


def exit_changes(mouse: Mouse) -> list[Change]:
    """What was said of the mouse's exit, and every correction of it, from the audit trail."""
    left = getattr(mouse, "exit", None)
    if left is None:
        return []
    events = AuditEvent.objects.filter(study=mouse.study, object_type="exit", object_id=str(left.pk))
    found, revision = [], {}
    for event in events.order_by("sequence"):
        for name, new in (event.new or {}).items():
            if name == "mouse" or (event.old is None and new in (None, "")):
                continue
            revision[name] = revision.get(name, 0) + 1
            old = (event.old or {}).get(name)
            found.append(
                Change("exit", None, None, revision[name], name, old, new, event.actor_name,
                       event.happened_at, event.reason)
            )  # fmt: skip
    return found


def dose_changes(mouse: Mouse) -> list[Change]:
    """Every dose and correction of one. A dose tells an arm: only for whom arms are open."""
    found: list[Change] = []
    before: dict[tuple, Dose] = {}
    for one in (
        Dose.objects.filter(mouse=mouse).select_related("doser").order_by("recorded_at", "revision", "pk")
    ):
        place = (one.given_on, one.number, one.occasion)
        last = before.get(place)
        for name in ("outcome", "given_ml"):
            old, new = getattr(last, name, None), getattr(one, name)
            if old != new:
                what = f"dose {one.number}.{one.occasion}, {name}"
                found.append(Change(one.given_on.isoformat(), None, None, one.revision, what, old, new,
                                    str(one.doser), one.recorded_at, one.reason))  # fmt: skip
        before[place] = one
    return found


def allocation_changes(mouse: Mouse) -> list[Change]:
    """How the mouse came into its arm; only for whom arms are open."""
    drawn = Allocation.objects.filter(mouse=mouse).select_related("arm", "randomization__made_by").first()
    if drawn is None or drawn.randomization is None:
        return []
    by = drawn.randomization
    return [
        Change(
            "allocation", None, None, 1, "arm", None, drawn.arm.name, str(by.made_by or ""), by.made_at, ""
        )
    ]


def history_rows(mouse: Mouse, *, tells_arms: bool) -> Iterator[dict[str, Any]]:
    """The whole history as rows of COLUMNS, the oldest first; doses and the arm only where arms may be told."""
    changes = [change for line in reading_lines(mouse) for change in line.changes] + exit_changes(mouse)
    if tells_arms:
        changes += dose_changes(mouse) + allocation_changes(mouse)
    for one in sorted(changes, key=lambda change: change.when):
        yield {
            "study": mouse.study.code, "mouse": mouse.label, "session": one.session, "tumor": one.tumor,
            "replicate": one.replicate, "revision": one.revision, "value": one.value, "old": one.old,
            "new": one.new, "who": one.who, "when_utc": f"{one.when:%Y-%m-%d %H:%M:%S}", "why": one.why,
        }  # fmt: skip


def session_name(one: Measurement) -> str:
    return one.session.due_on.isoformat() if one.session.due_on else f"day {one.session.study_day:g}"


def _changes(revisions: list[Measurement]) -> Iterator[Change]:
    before: dict[str, Any] = dict.fromkeys(VALUES)
    for one in revisions:
        who = str(one.observer) if one.observer else one.observer_name
        for name in VALUES:
            new = getattr(one, name)
            is_told = new not in (None, "", False) if one.revision == 1 else new != before[name]
            if is_told:
                yield Change(
                    session_name(one), one.tumor_number, one.replicate, one.revision, NAMES.get(name, name),
                    _said(name, before[name]), _said(name, new), who, one.recorded_at, one.reason,
                )  # fmt: skip
        before = {name: getattr(one, name) for name in VALUES}


def _said(name: str, value: Any) -> Any:
    if name == "status" and value:
        return MeasurementStatus(value).label
    if name == "signs":
        return ", ".join(Sign(sign).label for sign in (value or "").split(",") if sign)
    return value


def _order(one: Measurement) -> tuple:
    day = one.session.due_on.toordinal() if one.session.due_on else one.session.study_day or 0
    return (day, -one.tumor_number, -one.replicate)
