"""What the measurement rules must know of a session, in a fixed number of queries.

Earlier visits are those of the last `SESSIONS_BACK` sessions and of the baseline: enough for every
rule, and as fast in a table of 90,000 readings as in one of 900.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from studies.days import local_date
from studies.models import (
    Device,
    EntryLimits,
    Measurement,
    MeasurementSession,
    Mouse,
    Randomization,
    Study,
    WelfareLimits,
)
from studies.terms import MeasurementStatus, StudyState
from studies.validation import (
    DeviceFacts,
    Limits,
    MouseFacts,
    Reading,
    SheetFacts,
    Visit,
    stored_reading,
    volume_of,
    with_overrides,
)

SESSIONS_BACK = 6
WEIGHTS_BACK = 3
WELFARE_FIELDS = (
    "volume_cap_mm3", "diameter_cap_mm", "burden_cap_percent",
    "weight_loss_warning_percent", "weight_loss_limit_percent",
)  # fmt: skip


class StoredReading(NamedTuple):
    """The current revision of one reading, as far as rules and receipts need it; a tuple, since a sheet has hundreds.

    What stands below `is_void` is read only where it is asked for (`load_session`).
    """

    pk: int
    session_id: int
    mouse_id: int
    tumor: int
    replicate: int
    revision: int
    status: str
    length_mm: float | None
    width_mm: float | None
    height_mm: float | None
    reported_volume_mm3: float | None
    weight_g: float | None
    is_void: bool
    signs: str = ""
    device: str = ""
    observed_at: datetime | None = None
    recorded_at: datetime | None = None
    client_id: Any = None
    observer_name: str = ""


SIZE_COLUMNS = (
    "pk", "session_id", "mouse_id", "tumor_number", "replicate", "revision", "status", "length_mm", "width_mm",
    "height_mm", "reported_volume_mm3", "weight_g", "is_void",
)  # fmt: skip
READING_COLUMNS = (
    *SIZE_COLUMNS, "signs", "device", "observed_at", "recorded_at", "client_id",
    "observer__full_name", "observer__username", "observer_name",
)  # fmt: skip
OBSERVER_AT = READING_COLUMNS.index("observer__full_name")
MOUSE_AT = READING_COLUMNS.index("mouse_id")
FEW_MICE = 30  # of more, naming each costs more than reading whatever the sessions hold


@dataclass(frozen=True)
class SheetMouse:
    """One mouse of the sheet, and where it stands."""

    pk: int
    key: str
    label: str
    ear_tag: str
    rfid: str
    strain: str
    sex: str
    born_on: date | None
    cohort_id: int | None
    cage: str
    room: str
    rack: str
    exited_on: date | None
    has_left: bool
    is_excluded: bool
    tumors: Mapping[int, date | None]


@dataclass(frozen=True)
class SessionFacts:
    """A session with its mice, its own readings and the earlier ones, ready for the rules."""

    session: MeasurementSession
    limits: Limits
    welfare: WelfareLimits | None
    mice: Mapping[str, SheetMouse]  # by key, in rack order
    here: tuple[StoredReading, ...]  # current revisions of this session, voided ones included
    earlier: Mapping[int, tuple[StoredReading, ...]]  # by mouse, the oldest first, none voided
    days: Mapping[int, float]  # by session
    baseline_ids: frozenset[int]
    next_due_on: date | None  # of the next session planned

    @property
    def study(self) -> Study:
        return self.session.study

    @cached_property
    def randomized(self) -> Mapping[int | None, datetime]:
        """When each cohort was, by its id; read where a rule asks."""
        found = Randomization.objects.filter(study=self.session.study_id)
        return dict(found.values_list("cohort_id", "made_at"))

    def sheet(self, observer: str, devices: Iterable[str]) -> SheetFacts:
        """The sheet as the rules see it; of `devices`, the codes in its rows, what is known of them."""
        return SheetFacts(
            mice=tuple(self.mice),
            limits=self.limits,
            formula=self.study.volume_formula,
            time_zone=self.study.time_zone,
            closed_because=closed_because(self.session, self.study),
            observer=observer,
            devices=_devices(devices),
        )

    def mouse(self, key: str, tumor: int, on: datetime | None) -> MouseFacts | None:
        """What the rules know of a mouse and one of its tumors; None when it is not on this sheet."""
        found = self.mice.get(key)
        if found is None:
            return None
        earlier = self.earlier.get(found.pk, ())
        baseline = [one for one in earlier if one.session_id in self.baseline_ids]
        now = [one for one in self.of_mouse(found.pk) if not one.is_void]
        return self.before(
            found,
            tumor,
            tumors=tuple(found.tumors) or (1,),
            strain=found.strain,
            sex=found.sex,
            born_on=found.born_on,
            implanted_on=found.tumors.get(tumor),
            exited_on=found.exited_on,
            randomized_at=self.randomized.get(found.cohort_id, self.randomized.get(None)),
            baseline_weight_g=self.baseline_weight_g(found),
            baseline_observer=baseline[0].observer_name if baseline else "",
            other_tumors_mm3=sum(
                (self.volume(one) or Decimal(0) for one in now if one.tumor != tumor and one.replicate == 1),
                Decimal(0),
            ),
            weight_today_g=next((_decimal(one.weight_g) for one in now if one.weight_g), None),
            was_seen_today_elsewhere=on is not None and self._seen_elsewhere(earlier, on),
        )

    def before(self, mouse: SheetMouse, tumor: int, **known: Any) -> MouseFacts:
        """What a new reading is compared with: the last visit, the last three weights, and what else is `known`."""
        earlier = self.earlier.get(mouse.pk, ())
        last = next((one for one in reversed(earlier) if one.tumor == tumor and one.replicate == 1), None)
        weighed = [one for one in earlier if one.weight_g][-WEIGHTS_BACK:]
        return MouseFacts(
            mouse.key,
            visits=(self._visit(last),) if last else (),
            weights=tuple((self.days[one.session_id], _decimal(one.weight_g)) for one in weighed),
            **known,
        )

    def baseline_weight_g(self, mouse: SheetMouse) -> Decimal | None:
        """The weight at baseline, else the first on record: what R13 counts a loss from."""
        weighed = [one for one in self.earlier.get(mouse.pk, ()) if one.weight_g]
        at_baseline = (one.weight_g for one in weighed if one.session_id in self.baseline_ids)
        return _decimal(next(at_baseline, weighed[0].weight_g if weighed else None))

    def of_mouse(self, pk: int) -> list[StoredReading]:
        """The mouse's current revisions in this session, voided ones included."""
        return self._here.get(pk, [])

    @cached_property
    def _here(self) -> dict[int, list[StoredReading]]:
        found: dict[int, list[StoredReading]] = defaultdict(list)
        for one in self.here:
            found[one.mouse_id].append(one)
        return found

    def readings(self) -> list[tuple[Reading, MouseFacts]]:
        """The session's valid first readings, each with the visit before it: what rules of the whole sheet want."""
        mice = {mouse.pk: mouse for mouse in self.mice.values()}
        return [
            (
                stored_reading(
                    mouse.key, one.tumor, one.status,
                    length_mm=_decimal(one.length_mm), width_mm=_decimal(one.width_mm), weight_g=_decimal(one.weight_g),
                ),
                self.before(mouse, one.tumor),
            )
            for one in self.here
            if not one.is_void and one.replicate == 1 and (mouse := mice.get(one.mouse_id))
        ]  # fmt: skip

    def _visit(self, one: StoredReading) -> Visit:
        return Visit(
            day=self.days[one.session_id],
            length_mm=_decimal(one.length_mm),
            width_mm=_decimal(one.width_mm),
            volume_mm3=self.volume(one),
            weight_g=_decimal(one.weight_g),
            device=one.device,
            observer=one.observer_name,
        )

    def volume(self, one: StoredReading) -> Decimal | None:
        if one.status == MeasurementStatus.NOT_PALPABLE:
            return Decimal(0)
        if one.reported_volume_mm3 is not None:
            return _decimal(one.reported_volume_mm3)
        length, width = _decimal(one.length_mm), _decimal(one.width_mm)
        if length is None or width is None:
            return None
        return volume_of(length, width, self.study.volume_formula, _decimal(one.height_mm))

    def _seen_elsewhere(self, earlier: tuple[StoredReading, ...], on: datetime) -> bool:
        today = local_date(on, self.study.time_zone)
        return any(one.observed_at and local_date(one.observed_at, self.study.time_zone) == today
                   for one in earlier)  # fmt: skip


def closed_because(session: MeasurementSession, study: Study) -> str:
    """Why a session takes no new row, in words; empty where it does."""
    if study.state != StudyState.ACTIVE:
        return f"the study is {study.get_state_display()}, not active"
    if session.completed_at is not None:
        return "the session is signed and closed"
    return ""


def limits_of(study: Study) -> Limits:
    """The limits that hold for a study now, and their version: entry limits, a dot, welfare limits."""
    return _limits(study, welfare_limits_of(study))


def welfare_limits_of(study: Study) -> WelfareLimits | None:
    return WelfareLimits.objects.filter(study=study).order_by("-version").first()


def _limits(study: Study, welfare: WelfareLimits | None) -> Limits:
    entry = EntryLimits.objects.filter(study=study).order_by("-version").first()
    overrides = {"palpable_mm3": study.lod_mm3} | (entry.overrides if entry else {})
    if welfare:
        overrides |= {name: getattr(welfare, name) for name in WELFARE_FIELDS}
    version = f"{entry.version if entry else 0}.{welfare.version if welfare else 0}"
    return with_overrides(Limits(), overrides, version)


def load_session(session: MeasurementSession, closely: Collection[str] | None = None) -> SessionFacts:
    """Everything the rules need of a session, its readings being those committed until now.

    `closely`: keys of the mice whose earlier readings are wanted whole, with who took them, when and with
    what; those of other mice are sizes and weights alone, which is all that rules of the whole sheet ask.
    """
    return now_in(load_around(session, closely), session)


def load_around(session: MeasurementSession, closely: Collection[str] | None = None) -> SessionFacts:
    """The facts without the session's own readings: what can be read before the session is locked."""
    mice = _mice(session)
    earlier_ids, baseline_ids, days, next_due_on = _sessions(session)
    welfare = welfare_limits_of(session.study)
    return SessionFacts(
        session=session,
        limits=_limits(session.study, welfare),
        welfare=welfare,
        mice={mouse.key: mouse for mouse in mice},
        here=(),
        earlier=_earlier(mice, earlier_ids, days, closely),
        days=days,
        baseline_ids=frozenset(baseline_ids),
        next_due_on=next_due_on,
    )


def now_in(facts: SessionFacts, session: MeasurementSession) -> SessionFacts:
    """The facts with the session as it is now, and its own readings."""
    here = _current({session.pk}, {mouse.pk for mouse in facts.mice.values()}, READING_COLUMNS)
    return replace(facts, session=session, here=tuple(here))


def _mice(session: MeasurementSession) -> list[SheetMouse]:
    study = session.study
    found = Mouse.objects.filter(study=study)
    if session.cohort_id:
        found = found.filter(cohort=session.cohort_id)
    tumors: dict[int, dict[int, date | None]] = defaultdict(dict)
    facts: dict[int, tuple[Any, ...]] = {}
    for pk, *fact, number, implanted_on in found.values_list(*MOUSE_COLUMNS).order_by("tumors__number"):
        facts[pk] = tuple(fact)
        if number is not None:
            tumors[pk][number] = implanted_on
    mice = [_mouse(study, pk, tumors[pk], *fact) for pk, fact in facts.items()]
    return sorted(mice, key=lambda m: (*map(in_order, (m.room, m.rack, m.cage, m.ear_tag)), m.pk))


MOUSE_COLUMNS = (
    "pk", "label", "ear_tag", "rfid", "strain", "sex", "born_on", "cohort_id", "cage__code", "cage__room", "cage__rack",
    "exclusion__pk", "exit__pk", "exit__exited_at", "exit__day", "cohort__day0", "tumors__number",
    "tumors__implanted_on",
)  # fmt: skip


def _mouse(
    study: Study, pk: int, tumors: Mapping[int, date | None], label: str, ear_tag: str, rfid: str, strain: str,
    sex: str, born_on: date | None, cohort_id: int | None, cage: str | None, room: str | None, rack: str | None,
    exclusion: int | None, left: int | None, exited_at: datetime | None, day: float | None, day0: date | None,
) -> SheetMouse:  # fmt: skip
    """One row of `MOUSE_COLUMNS`."""
    return SheetMouse(
        pk=pk,
        key=f"{study.code}/{label}",
        label=label,
        ear_tag=ear_tag,
        rfid=rfid,
        strain=strain,
        sex=sex,
        born_on=born_on,
        cohort_id=cohort_id,
        cage=cage or "",
        room=room or "",
        rack=rack or "",
        exited_on=_exit_date(exited_at, day, day0, study.time_zone) if left else None,
        has_left=left is not None,
        is_excluded=exclusion is not None,
        tumors=tumors,
    )


@lru_cache(maxsize=4096)
def in_order(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key under which cage C10 comes after C9, and ear tag 10 after 9."""
    parts = filter(None, re.split(r"(\d+)", text))
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def _exit_date(
    exited_at: datetime | None, day: float | None, day0: date | None, time_zone: str
) -> date | None:
    if exited_at is not None:
        return local_date(exited_at, time_zone)
    return day0 + timedelta(days=int(day)) if day0 and day is not None else None


def _sessions(
    session: MeasurementSession,
) -> tuple[list[int], set[int], dict[int, float], date | None]:
    """Ids of the last sessions before this one (its day's others included), of the baseline; days; the next date."""
    rows = MeasurementSession.objects.filter(study=session.study_id).exclude(pk=session.pk).order_by()
    rows = rows.values_list("pk", "due_on", "study_day", "is_baseline", "cohort_id")
    day = _day_of(session.due_on, session.study_day)
    days, baseline, before, after = {session.pk: day}, set(), [], []
    for pk, due_on, study_day, is_baseline, cohort in rows:
        if session.cohort_id and cohort not in (None, session.cohort_id):
            continue
        days[pk] = _day_of(due_on, study_day)
        if days[pk] <= day:
            before.append(pk)
            if is_baseline:
                baseline.add(pk)
        elif due_on and session.due_on:
            after.append(due_on)
    before.sort(key=lambda pk: (days[pk], pk))
    return [*baseline, *before[-SESSIONS_BACK:]], baseline, days, min(after, default=None)


def _day_of(due_on: date | None, study_day: float | None) -> float:
    return float(due_on.toordinal()) if due_on else float(study_day or 0)


def _earlier(
    mice: list[SheetMouse],
    sessions: Collection[int],
    days: Mapping[int, float],
    closely: Collection[str] | None,
) -> dict[int, tuple[StoredReading, ...]]:
    """By mouse, the oldest first, none voided."""
    near = {mouse.pk for mouse in mice if closely is None or mouse.key in closely}
    found = _current(sessions, near, READING_COLUMNS)
    found += _current(sessions, {mouse.pk for mouse in mice} - near, SIZE_COLUMNS)
    earlier: dict[int, list[StoredReading]] = defaultdict(list)
    for one in sorted(found, key=lambda one: (days[one.session_id], one.replicate)):
        if not one.is_void:
            earlier[one.mouse_id].append(one)
    return {mouse: tuple(readings) for mouse, readings in earlier.items()}


def _current(
    sessions: Collection[int], mice: Collection[int], columns: tuple[str, ...]
) -> list[StoredReading]:
    """The highest revision of every reading of these mice in these sessions."""
    if not sessions or not mice:
        return []
    rows = Measurement.objects.filter(session__in=sessions).order_by()
    if len(mice) <= FEW_MICE:
        rows = rows.filter(mouse__in=mice)
    highest: dict[tuple, tuple] = {}
    for values in rows.values_list(*columns):
        if values[MOUSE_AT] not in mice:
            continue
        known = highest.get(values[1:5])
        if known is None or known[5] < values[5]:
            highest[values[1:5]] = values
    return list(map(reading_of, highest.values()))


def reading_of(values: tuple[Any, ...]) -> StoredReading:
    """A row of `SIZE_COLUMNS` or `READING_COLUMNS`; the observer by the name they go by now."""
    if len(values) <= OBSERVER_AT:
        return StoredReading(*values)
    return StoredReading(*values[:OBSERVER_AT], observer_name=next(filter(None, values[OBSERVER_AT:]), ""))


def _devices(codes: Iterable[str]) -> dict[str, DeviceFacts]:
    if not any(codes):
        return {}
    return {
        device.code: DeviceFacts(device.retired_on is not None, device.calibration_due_on)
        for device in Device.objects.all()
    }


def _decimal(value: float | None) -> Any:
    return None if value is None else Decimal(repr(value))
