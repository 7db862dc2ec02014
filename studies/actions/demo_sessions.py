"""Record the demo's measurement sessions as revisions, with the slips people make, and the mice's exits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from studies.actions.demo_setup import LabClock, act
from studies.actions.revisions import HASHED, rows_sha256
from studies.models import Cohort, Exit, Measurement, MeasurementSession, Mouse, Study, User
from studies.terms import ExitReason, MeasurementStatus

SECONDS_PER_MOUSE = 75
SAVING = timedelta(seconds=2)
CORRECTED_AFTER = timedelta(minutes=4)
DEVICES = {"tech1": "caliper 1", "tech2": "caliper 2"}


@dataclass(frozen=True)
class Crew:
    """Who measures which mouse: the same technician from baseline on."""

    observers: dict[str, User]
    by_mouse: dict[str, str]

    def observer(self, mouse: str) -> User:
        return self.observers[self.by_mouse[mouse]]


@dataclass(frozen=True)
class Slips:
    """Readings first stored wrong, as (mouse, day): mistyped length, mistyped weight, measured twice."""

    length: frozenset[tuple[str, float]] = frozenset()
    weight: frozenset[tuple[str, float]] = frozenset()
    twice: frozenset[tuple[str, float]] = frozenset()


def choose_slips(
    table: pd.DataFrame, rng: np.random.Generator, lengths: int, weights: int, twice: int
) -> Slips:
    measured = table[(table["status"] == MeasurementStatus.MEASURED) & (table["day"] > 0)]
    picked = rng.choice(len(measured), size=lengths + weights + twice, replace=False)
    keys = [(measured["mouse"].iloc[place], float(measured["day"].iloc[place])) for place in picked]
    return Slips(
        frozenset(keys[:lengths]),
        frozenset(keys[lengths : lengths + weights]),
        frozenset(keys[lengths + weights :]),
    )


@dataclass(frozen=True)
class SessionWriter:
    """Writes the sessions of one cohort from a simulated table (see `studies.analysis.simulation`)."""

    study: Study
    cohort: Cohort
    clock: LabClock
    crew: Crew
    mice: dict[str, Mouse]
    slips: Slips
    rng: np.random.Generator
    first_hour: int
    signs: Mapping[tuple[str, float], str]  # by mouse and day, as a reading keeps them

    def write(self, day: float, rows: pd.DataFrame) -> MeasurementSession:
        """One session: readings in the order of the cages, corrections as they are noticed, one event."""
        start = self.clock.at(day, self.first_hour)
        revisions = [
            revision
            for place, row in enumerate(rows.itertuples())
            for revision in self._revisions(row, day, place)
        ]
        revisions.sort(key=lambda revision: (revision.recorded_at, revision.replicate, revision.revision))
        end = max(revision.recorded_at for revision in revisions) + timedelta(minutes=3)
        starter = self.crew.observer(rows["mouse"].iloc[0])
        session = MeasurementSession.objects.create(
            study=self.study,
            cohort=self.cohort,
            due_on=self.clock.date(day),
            is_baseline=day < 0,
            started_at=start,
            started_by=starter,
            completed_at=end,
        )
        for revision in revisions:
            revision.session = session
        Measurement.objects.bulk_create(revisions, batch_size=200)
        stored = Measurement.objects.filter(session=session).order_by("id").values_list(*HASHED)
        act(self.study, "completed a measurement session", session, starter, end, new={
            "cohort": self.cohort.name, "due_on": session.due_on.isoformat(),
            "revisions": len(revisions), "rows_sha256": rows_sha256(stored),
        })  # fmt: skip
        return session

    def _revisions(self, row: Any, day: float, place: int) -> list[Measurement]:
        key = (row.mouse, float(day))
        true = self._measurement(row, day, place)
        if key in self.slips.length:
            wrong = round(row.length_mm + 10, 1)
            reason = f"Typing error: length read {row.length_mm:.1f} mm, typed {wrong:.1f} mm."
            return [self._again(true, 0, length_mm=wrong), self._again(true, 1, reason=reason)]
        if key in self.slips.weight:
            wrong = round(row.weight_g + 10, 1)
            reason = f"Typing error: the scale showed {row.weight_g:.1f} g, typed {wrong:.1f} g."
            return [self._again(true, 0, weight_g=wrong), self._again(true, 1, reason=reason)]
        if key in self.slips.twice:
            reason = "Measured twice by mistake; the first reading stands."
            second = self._again(true, 0, replicate=2, length_mm=round(true.length_mm + 0.3, 1))
            second.recorded_at += timedelta(minutes=1)
            second.observed_at += timedelta(minutes=1)
            return [true, second, self._again(second, 1, is_void=True, reason=reason)]
        return [true]

    def _measurement(self, row: Any, day: float, place: int) -> Measurement:
        observer = self.crew.observer(row.mouse)
        observed = self.clock.at(day, self.first_hour, 5) + timedelta(seconds=SECONDS_PER_MOUSE * place)
        has_size = row.status in (MeasurementStatus.MEASURED, MeasurementStatus.ULCERATED)
        return Measurement(
            mouse=self.mice[row.mouse],
            status=row.status,
            length_mm=_known(row.length_mm),
            width_mm=_known(row.width_mm),
            volume_method="caliper" if has_size else "",
            weight_g=_known(row.weight_g),
            signs=self.signs.get((row.mouse, float(day)), ""),
            observer=observer,
            device=DEVICES.get(observer.username, "") if has_size else "",
            observed_at=observed,
            recorded_at=observed + SAVING,
            client_id=self._client_id(),
        )

    def _again(self, reading: Measurement, later: int, **changed: Any) -> Measurement:
        """The reading as a revision of its own, `later` revisions on, with some values changed."""
        values = {
            field.attname: getattr(reading, field.attname) for field in Measurement._meta.concrete_fields
        }
        values.pop("id")
        values |= {
            "revision": reading.revision + later,
            "recorded_at": reading.recorded_at + later * CORRECTED_AFTER,
            "client_id": self._client_id(),
        }
        return Measurement(**(values | changed))

    def _client_id(self) -> UUID:
        return UUID(bytes=self.rng.bytes(16), version=4)


def record_exits(
    study: Study, mice: pd.DataFrame, by_label: dict[str, Mouse], at: datetime, actor: User
) -> None:
    """Every exit that stands in `mice`: an event for each one ahead of plan, one for the planned ones.

    All of them leave at `at`.
    """
    gone = mice[mice["exit_reason"] != ""]
    exits = [_exit(row, by_label[row.mouse], at) for row in gone.itertuples()]
    stored = Exit.objects.bulk_create(exits)
    planned = [one for one in stored if one.reason == ExitReason.SCHEDULED_END]
    for one in (one for one in stored if one.reason != ExitReason.SCHEDULED_END):
        act(study, "recorded an exit", one, actor, one.exited_at, reason=one.note, new={
            "mouse": one.mouse.label, "reason": str(one.reason), "day": one.day,
        })  # fmt: skip
    if planned:
        act(study, "recorded the scheduled end", planned[0], actor, planned[0].exited_at, new={
            "mice": [one.mouse.label for one in planned], "day": planned[0].day,
        })  # fmt: skip


NOTES = {
    ExitReason.SCHEDULED_END: "",
    ExitReason.TUMOR_SIZE: "Tumor at the volume cap of the protocol.",
    ExitReason.BODY_WEIGHT: "Weight loss at the limit of the protocol.",
    ExitReason.ULCERATION: "Open ulcer of the tumor.",
    ExitReason.FOUND_DEAD: "Found dead in the cage; cause not established.",
    ExitReason.ACCIDENT: "Died during dosing; accident of the procedure.",
}


def _exit(row: Any, mouse: Mouse, at: datetime) -> Exit:
    reason = ExitReason(row.exit_reason)
    return Exit(
        mouse=mouse,
        reason=reason,
        day=row.exit_day,
        exited_at=at,
        treatment_related=row.treatment_related,
        note=NOTES[reason],
    )


def _known(value: float) -> float | None:
    return None if value != value else float(value)
