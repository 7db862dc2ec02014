"""Record the rows of a measurement sheet: judged, stored as revisions and audited in one transaction.

A row that is refused holds nobody back. A row that was stored before is told so, whoever asks again
and however often; a place that is taken is never overwritten.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from studies.actions.audit import Act, record_event, record_events, study_chain
from studies.actions.revisions import HASHED
from studies.actions.sheet_facts import (
    READING_COLUMNS,
    SessionFacts,
    StoredReading,
    load_around,
    now_in,
    reading_of,
)
from studies.actions.unlocking import Place, open_places
from studies.actions.welfare import act_of, new_alerts
from studies.models import Measurement, MeasurementSession, ParkedRow, SubmittedSheet, User
from studies.terms import MeasurementStatus, StudyState, VolumeMethod
from studies.validation import Finding, Row, Severity, SheetFacts, Verdict, judge, read_number

CREATED, REPLAYED, CONFLICT, REFUSED = 201, 200, 409, 422
ENTERED_AGAIN = "entered again after the reading was voided"


class KeyReused(ValueError):
    """An Idempotency-Key that came before with another body."""


@dataclass(frozen=True)
class SentRow:
    """One row as a client sent it; numbers as text, int or Decimal, the rest as text."""

    client_id: str
    row: Row
    observed_text: str = ""


@dataclass(frozen=True)
class RowResult:
    """What became of one row: `stored` are the values on record for it, or for the place it wanted."""

    client_id: str
    http_status: int
    id: int | None = None
    stored: Mapping[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    sent: Mapping[str, Any] | None = None
    is_parked: bool = False


def refusal(field_name: str, message: str, rule: str = "R22") -> tuple[Finding, ...]:
    return (Finding(rule, field_name, message, Severity.HARD),)


def record_measurements(
    session: MeasurementSession,
    rows: Sequence[SentRow],
    *,
    user: User,
    at: datetime,
    key: str = "",
    body: Any = None,
    beside: Measurement | None = None,
    reason: str = "",
    parked: ParkedRow | None = None,
) -> list[RowResult]:
    """One result a row, in their order. Raises KeyReused, and DatabaseError with nothing stored.

    With `beside`, the one row becomes the next replicate of that reading, kept for `reason`. With `parked`, it is
    that parked row: it counts as observed by who sent it, and a signed session takes it.

    What a save does not change is read before the session is locked, so that others wait for the writing alone.
    """
    mice = {sent.row.mouse for sent in rows} | ({beside.mouse.key} if beside else set())
    for attempt in (1, 2, 3):
        around = load_around(session, mice)
        try:
            with transaction.atomic():
                return _Recording(around, user, at, beside, reason, parked).record(rows, key, body)
        except IntegrityError:
            # The same client id reached another session of another study at this moment: look again.
            if attempt == 3:
                raise
    raise AssertionError


@dataclass
class _Recording:
    """One transaction's work on one session."""

    facts: SessionFacts
    user: User
    at: datetime
    beside: Measurement | None = None
    reason: str = ""
    settled: ParkedRow | None = None
    taken: dict[tuple[int, int, int], StoredReading | Measurement] = field(default_factory=dict)
    known: dict[UUID, StoredReading | Measurement] = field(default_factory=dict)
    parked: dict[UUID, ParkedRow] = field(default_factory=dict)

    @property
    def session(self) -> MeasurementSession:
        return self.facts.session

    @property
    def observer(self) -> User:
        return self.settled.user if self.settled else self.user

    def record(self, rows: Sequence[SentRow], key: str, body: Any) -> list[RowResult]:
        # Of two requests on one session the second waits here, and then sees what the first stored.
        locked = MeasurementSession.objects.select_for_update(of=("self",)).select_related("study", "cohort")
        session = locked.get(pk=self.session.pk)
        if key:
            self._claim(key, body)
        self.facts = now_in(self.facts, session)
        self.taken = {(one.mouse_id, one.tumor, one.replicate): one for one in self.facts.here}
        ids = [client_uuid(sent.client_id) for sent in rows]
        known = Measurement.objects.filter(client_id__in=[one for one in ids if one]).values_list(
            *READING_COLUMNS
        )
        self.known = {one.client_id: one for one in map(reading_of, known)}
        if self.beside:
            rows = [self._next_replicate(rows[0], self.beside)]
        results, pending = self._sort_out(rows, ids)
        self._judge(rows, ids, pending, results)
        return [results[place] for place in range(len(rows))]

    def _next_replicate(self, sent: SentRow, beside: Measurement) -> SentRow:
        taken = [
            replicate
            for mouse, tumor, replicate in self.taken
            if (mouse, tumor) == (beside.mouse_id, beside.tumor_number)
        ]
        stored = self.known.get(client_uuid(sent.client_id) or UUID(int=0))
        number = stored.replicate if stored else max(taken) + 1
        place = {"mouse": self._key_of(beside.mouse_id), "tumor": beside.tumor_number, "replicate": number}
        return replace(sent, row=replace(sent.row, **place))

    def _claim(self, key: str, body: Any) -> None:
        digest = body_sha256(self.session.pk, body)
        try:
            with transaction.atomic():
                SubmittedSheet.objects.create(
                    user=self.user,
                    key=key,
                    session=self.session,
                    body_sha256=digest,
                    received_at=self.at,
                )
        except IntegrityError:
            if SubmittedSheet.objects.get(user=self.user, key=key).body_sha256 != digest:
                raise KeyReused("this Idempotency-Key came before with another body") from None

    def _sort_out(
        self, rows: Sequence[SentRow], ids: list[UUID | None]
    ) -> tuple[dict[int, RowResult], list[int]]:
        """Results of rows that need no judging, and the places of those that do."""
        results: dict[int, RowResult] = {}
        pending: list[int] = []
        for place, (sent, client_id) in enumerate(zip(rows, ids, strict=True)):
            if client_id is None:
                told = refusal("client_id", "is no UUID")
                results[place] = RowResult(sent.client_id, REFUSED, findings=told)
            elif client_id in self.known:
                results[place] = self._again(sent, self.known[client_id])
            else:
                pending.append(place)
        return results, pending

    def _again(self, sent: SentRow, stored: Measurement) -> RowResult:
        values = values_of(stored, self._key_of(stored.mouse_id))
        if stored.session_id == self.session.pk and _same(sent.row, values):
            return RowResult(sent.client_id, REPLAYED, stored.pk, values)
        told = refusal("client_id", "was stored with other values")
        return RowResult(sent.client_id, REFUSED, stored.pk, values, told, _sent(sent))

    def _judge(
        self,
        rows: Sequence[SentRow],
        ids: list[UUID | None],
        pending: list[int],
        results: dict[int, RowResult],
    ) -> None:
        sheet = self.facts.sheet(str(self.observer), {sent.row.device for sent in rows})
        if self.settled and self.facts.study.state == StudyState.ACTIVE:
            sheet = replace(sheet, closed_because="")
        judged = [
            (row, self.facts.mouse(row.mouse, row.tumor, row.observed_at))
            for row in (rows[place].row for place in pending)
        ]
        verdicts = judge(judged, sheet, self.at, self.facts.readings())
        new: dict[int, Measurement] = {}
        for place, verdict in zip(pending, verdicts, strict=True):
            sent, client_id = rows[place], ids[place]
            assert client_id is not None
            if client_id in self.known:  # twice in this sheet; settled once the first is stored
                continue
            found = self._settle(sent, client_id, verdict, sheet)
            if isinstance(found, Measurement):
                new[place] = self.known[client_id] = found
                self.taken[found.mouse_id, found.tumor_number, found.replicate] = found
            else:
                results[place] = found
        self._store(new, dict(zip(pending, verdicts, strict=True)), results, rows)
        for place in pending:
            if place not in results:
                results[place] = self._again(rows[place], self.known[ids[place]])

    def _settle(
        self, sent: SentRow, client_id: UUID, verdict: Verdict, sheet: SheetFacts
    ) -> RowResult | Measurement:
        """The revision to store for a row, or the result that says why none is."""
        row, mouse = sent.row, self.facts.mice.get(sent.row.mouse)
        there = self.taken.get((mouse.pk, row.tumor, row.replicate)) if mouse else None
        if there is not None and not there.is_void:
            told = refusal("mouse", "this reading was taken already; both values are here: choose one")
            values = values_of(there, row.mouse) | {"observer": there.observer_name}
            return RowResult(sent.client_id, CONFLICT, there.pk, values, told, _sent(sent))
        refusals = {finding.rule for finding in verdict.refusals}
        closed_only = refusals == {"R28"} and not verdict.open_questions
        opened = closed_only and mouse is not None and self._is_unlocked(row, mouse.pk, there)
        if closed_only and not opened:
            return self._park(sent, client_id, verdict)
        if not (verdict.is_accepted or opened):
            told = (*verdict.refusals, *verdict.open_questions)
            return RowResult(sent.client_id, REFUSED, findings=told, sent=_sent(sent))
        assert mouse is not None
        return self._revision(sent, client_id, verdict, mouse.pk, there)

    def _is_unlocked(self, row: Row, mouse: int, there: StoredReading | Measurement | None) -> bool:
        """Whether two people opened just this revision of a locked study."""
        revision = there.revision + 1 if there else 1
        place = Place(self.session.pk, mouse, row.tumor, row.replicate, revision)
        return place in open_places(self.facts.study, self.at)

    def _park(self, sent: SentRow, client_id: UUID, verdict: Verdict) -> RowResult:
        if client_id not in self.parked and not ParkedRow.objects.filter(client_id=client_id).exists():
            self.parked[client_id] = ParkedRow.objects.create(
                session=self.session,
                user=self.user,
                client_id=client_id,
                row=_sent(sent) | {"client_id": str(client_id)},
                because=verdict.refusals[0].message,
                parked_at=self.at,
            )
            record_event(
                "parked a row",
                self.parked[client_id],
                actor=self.user,
                at=self.at,
                chain=study_chain(self.facts.study),
                study=self.facts.study,
                new=self.parked[client_id].row,
                reason=verdict.refusals[0].message,
            )
        return RowResult(sent.client_id, REFUSED, findings=verdict.refusals, sent=_sent(sent), is_parked=True)

    def _revision(
        self,
        sent: SentRow,
        client_id: UUID,
        verdict: Verdict,
        mouse: int,
        voided: StoredReading | Measurement | None,
    ) -> Measurement:
        row, reading = sent.row, verdict.reading
        has_size = reading.sizes is not None
        return Measurement(
            session=self.session,
            mouse_id=mouse,
            tumor_number=row.tumor,
            replicate=row.replicate,
            revision=voided.revision + 1 if voided else 1,
            reason=self.reason or (ENTERED_AGAIN if voided else ""),
            status=reading.status or MeasurementStatus.MEASURED,
            length_mm=_float(reading.length_mm),
            width_mm=_float(reading.width_mm),
            height_mm=_float(reading.numbers["height_mm"].value) if has_size else None,
            volume_method=VolumeMethod.CALIPER if has_size else "",
            weight_g=_float(reading.weight_g),
            signs=",".join(row.signs),
            observer=self.observer,
            device=row.device,
            observed_at=row.observed_at,
            recorded_at=self.at,
            client_id=client_id,
            confirmations=[{"rule": rule, "reason": reason} for rule, reason in row.confirmations.items()],
            limits_version=self.facts.limits.version,
        )

    def _store(
        self,
        new: dict[int, Measurement],
        verdicts: dict[int, Verdict],
        results: dict[int, RowResult],
        rows: Sequence[SentRow],
    ) -> None:
        if not new:
            return
        study = self.facts.study
        Measurement.objects.bulk_create(new.values())
        acts = [Act(one, new=audited(one), reason=one.reason) for one in new.values()]
        if self.session.started_at is None and study.state == StudyState.ACTIVE:
            acts.insert(0, self._start())
        acts += map(act_of, new_alerts(self.facts, self._taken_of(new.values()), at=self.at))
        record_events(
            "recorded a measurement", acts, actor=self.user, at=self.at, chain=study_chain(study), study=study
        )
        for place, one in new.items():
            values = values_of(one, rows[place].row.mouse)
            told = verdicts[place].findings
            results[place] = RowResult(rows[place].client_id, CREATED, one.pk, values, told)

    def _start(self) -> Act:
        MeasurementSession.objects.filter(pk=self.session.pk).update(started_at=self.at, started_by=self.user)
        new = {"started_at": self.at.isoformat(), "started_by": self.user.pk}
        return Act(self.session, new=new, action="started a measurement session")

    def _taken_of(self, new: Iterable[Measurement]) -> dict[int, list[StoredReading | Measurement]]:
        """The valid readings of the mice just measured, those before in this session with them."""
        found: dict[int, list[StoredReading | Measurement]] = {one.mouse_id: [] for one in new}
        for (mouse, _, _), one in self.taken.items():
            if mouse in found and not one.is_void:
                found[mouse].append(one)
        return found

    def _key_of(self, mouse: int) -> str:
        return next((key for key, found in self.facts.mice.items() if found.pk == mouse), "")


def body_sha256(session_id: int, body: Any) -> str:
    text = json.dumps([session_id, body], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def audited(one: Measurement) -> dict[str, Any]:
    """Every value of a revision, as its audit event keeps it."""
    values = {name: _plain(getattr(one, name)) for name in HASHED}
    return values | {"confirmations": one.confirmations, "limits_version": one.limits_version}


def client_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value) if isinstance(value, UUID) else value


def values_of(one: StoredReading | Measurement, mouse: str) -> dict[str, Any]:
    """A reading as a receipt tells it."""
    return {
        "mouse": mouse,
        "tumor": one.tumor if isinstance(one, StoredReading) else one.tumor_number,
        "replicate": one.replicate,
        "revision": one.revision,
        "length_mm": one.length_mm,
        "width_mm": one.width_mm,
        "height_mm": one.height_mm,
        "weight_g": one.weight_g,
        "status": str(one.status),
        "signs": [sign for sign in one.signs.split(",") if sign],
        "device": one.device,
        "observed_at": one.observed_at,
        "recorded_at": one.recorded_at,
        "client_id": str(one.client_id) if one.client_id else None,
    }


COMPARED = ("mouse", "tumor", "replicate", "device", "observed_at")
NUMBERS = ("length_mm", "width_mm", "height_mm", "weight_g")


def _same(row: Row, stored: Mapping[str, Any]) -> bool:
    """Whether a row says what is stored; 12.3, "12.30" and "12,3 mm" are one value."""
    if (row.status or MeasurementStatus.MEASURED) != stored["status"]:
        return False
    if list(row.signs) != stored["signs"] or any(getattr(row, name) != stored[name] for name in COMPARED):
        return False
    return all(_float(read_number(name, getattr(row, name)).value) == stored[name] for name in NUMBERS)


def _sent(sent: SentRow) -> dict[str, Any]:
    row = sent.row
    values: dict[str, Any] = {name: _as_sent(getattr(row, name)) for name in NUMBERS}
    return values | {
        "mouse": row.mouse,
        "tumor": row.tumor,
        "replicate": row.replicate,
        "status": row.status,
        "signs": list(row.signs),
        "device": row.device,
        "observed_at": sent.observed_text,
        "confirmations": [{"rule": rule, "reason": reason} for rule, reason in row.confirmations.items()],
    }


def _as_sent(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
