"""Bring a file of measurements into the database as a historical study, whole or not at all.

An imported study is unblinded and of origin "imported": its visits carry the study day and no date,
and what the file does not tell stays empty. One audit event vouches for it, with the file's hash,
the number of rows and hashes over what was written.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from studies.actions.audit import record_event, study_chain
from studies.actions.registry import RegistryDraft
from studies.actions.revisions import insert_revisions, rows_sha256
from studies.imports import ImportRefused, MeasurementTable, RowError
from studies.models import (
    Allocation,
    Arm,
    Cage,
    Exit,
    ImportBatch,
    MeasurementSession,
    Mouse,
    Passage,
    PdxModel,
    Study,
    StudyMembership,
    Tumor,
    User,
)
from studies.terms import (
    ArmRole,
    MeasurementStatus,
    Role,
    StudyOrigin,
    StudyState,
    VolumeMethod,
    YesNoUnknown,
)

# Volumes in these units become mm3; any other unit stands as given, and the import says so.
MM3_PER_UNIT = {"mm3": 1.0, "cm3": 1000.0, "cc": 1000.0, "ml": 1000.0}
MOUSE_FACTS = ("block", "cage", "passage", "exit_reason", "treatment_related")


@dataclass(frozen=True)
class ImportedStudy:
    """What became of one study of a file."""

    code: str
    rows: int
    mice: int
    is_new: bool
    assumptions: tuple[str, ...] = ()


def import_studies(
    table: MeasurementTable,
    *,
    at: datetime,
    code: str | None = None,
    control: str | None = None,
    director: User | None = None,
    actor: User | None = None,
) -> list[ImportedStudy]:
    """Import every study of a file, or all of them pooled as the one study `code`.

    A study already imported from the same bytes is left as it is. Raises ImportRefused, with every
    defect, when a study of that code came from elsewhere, the control is not an arm of it, or the
    file contradicts the registry of PDX models; nothing is then written.
    """
    drafts = _drafts(table, code, control)
    try:
        return _import(table, drafts, at, director, actor)
    except IntegrityError:
        # Someone brought in the same study or PDX model meanwhile; now that it stands, look again.
        return _import(table, drafts, at, director, actor)


def _import(
    table: MeasurementTable,
    drafts: dict[str, "_Draft"],
    at: datetime,
    director: User | None,
    actor: User | None,
) -> list[ImportedStudy]:
    with transaction.atomic():
        known = ImportBatch.objects.filter(file_sha256=table.sha256, study__code__in=list(drafts))
        on_record = set(known.values_list("study__code", flat=True))
        new = [draft for draft in drafts.values() if draft.code not in on_record]
        registry = RegistryDraft.read(table)
        errors = [*_taken_codes(new), *(error for draft in new for error in draft.errors())]
        if new:
            errors += registry.conflicts()
        if errors:
            raise ImportRefused(errors)
        models = registry.store(actor=actor, at=at, origin=table.filename) if new else {}
        written = {draft.code: _Writer(draft, models, at, actor, director).write() for draft in new}
    return [
        written.get(draft.code) or ImportedStudy(draft.code, len(draft.lines), len(draft.mice), is_new=False)
        for draft in drafts.values()
    ]


@dataclass
class _MouseDraft:
    """One mouse of the file: where its rows stand, and the facts they tell about it."""

    source_study: str
    pdx_model: str
    arm: str
    source_id: str
    rows: list[int] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    label: str = ""


@dataclass
class _Draft:
    """The rows of a file that become one study."""

    code: str
    table: MeasurementTable
    rows: list[int]
    is_pooled: bool
    control: str | None

    @property
    def lines(self) -> list[int]:
        return self.rows

    def column(self, name: str) -> list[Any] | None:
        return self.table.columns.get(name)

    @cached_property
    def mice(self) -> list[_MouseDraft]:
        columns, arms = self.table.columns, self.table.arm_names
        found: dict[tuple, _MouseDraft] = {}
        studies, models, ids = columns["study"], columns["pdx_model"], columns["mouse"]
        for row in self.rows:
            key = (studies[row], models[row], arms[row], ids[row])
            mouse = found.get(key)
            if mouse is None:
                mouse = found[key] = _MouseDraft(*key)
            mouse.rows.append(row)
        mice = list(found.values())
        _label(mice)
        for mouse in mice:
            self._gather_facts(mouse)
        return mice

    def _gather_facts(self, mouse: _MouseDraft) -> None:
        """The last row that tells a fact tells it for the mouse: a mouse that moved is where it moved to."""
        for name in MOUSE_FACTS:
            told = self.column(name)
            if told is not None:
                values = [told[row] for row in mouse.rows if told[row] is not None]
                if values:
                    mouse.facts[name] = values[-1]

    @cached_property
    def roles(self) -> dict[str, str]:
        """arm -> role: vehicle where the file or the caller marks it, else what the file says, else blank."""
        arms, told = self.table.arm_names, self.column("role")
        roles = dict.fromkeys((arms[row] for row in self.rows), "")
        for row in self.rows if told is not None else ():
            if told[row] in ArmRole.values():
                roles[arms[row]] = told[row]
            elif told[row] in ("control", "untreated"):
                roles[arms[row]] = ArmRole.VEHICLE
        for study in {self.table.columns["study"][row] for row in self.rows}:
            for arm in self.table.marked_controls.get(study, ()):
                roles[arm] = ArmRole.VEHICLE
        if self.control in roles:
            roles[self.control] = ArmRole.VEHICLE
        return roles

    def errors(self) -> Iterable[RowError]:
        if self.control is not None and self.control not in self.roles:
            arms = ", ".join(self.roles)
            yield RowError(None, "arm", self.control, f"is not an arm of study {self.code} (arms: {arms})")
        for name in ("exit_reason", "treatment_related"):
            told = self.column(name)
            for mouse in self.mice if told is not None else ():
                values = {told[row] for row in mouse.rows} - {None}
                if len(values) > 1:
                    line = self.table.lines[mouse.rows[-1]]
                    reason = f"mouse {mouse.source_id} has two of them: {', '.join(sorted(values))}"
                    yield RowError(line, name, told[mouse.rows[-1]], reason)


def _drafts(table: MeasurementTable, code: str | None, control: str | None) -> dict[str, _Draft]:
    if code is not None:
        return {code: _Draft(code, table, list(range(len(table))), True, control)}
    rows: dict[str, list[int]] = defaultdict(list)
    for row, study in enumerate(table.columns["study"]):
        rows[study].append(row)
    return {study: _Draft(study, table, places, False, control) for study, places in rows.items()}


def _taken_codes(drafts: Iterable[_Draft]) -> Iterable[RowError]:
    taken = set(
        Study.objects.filter(code__in=[draft.code for draft in drafts]).values_list("code", flat=True)
    )
    for code in sorted(taken):
        reason = (
            "a study of this code is on record and did not come from this file; give another with --study"
        )
        yield RowError(None, "study", code, reason)
    for draft in drafts:
        if len(draft.code) > 60:
            yield RowError(
                None, "study", draft.code, "is longer than the 60 characters a study code may have"
            )


def _label(mice: Sequence[_MouseDraft]) -> None:
    """The file's own id where it tells the mice apart, else as much of study, model and arm as does."""
    parts = ("source_study", "pdx_model", "arm")
    telling = [part for part in parts if len({getattr(mouse, part) for mouse in mice}) > 1]
    count: dict[str, int] = defaultdict(int)
    for mouse in mice:
        count[mouse.source_id] += 1
    for mouse in mice:
        namesakes = count[mouse.source_id] > 1
        path = [getattr(mouse, part) for part in telling] if namesakes else []
        mouse.label = "/".join([*path, mouse.source_id])[:120]


class _Writer:
    """Writes one study of a file: the frame of it first, then its readings, then the event that vouches."""

    def __init__(
        self,
        draft: _Draft,
        models: dict[str, PdxModel],
        at: datetime,
        actor: User | None,
        director: User | None,
    ):
        self.draft, self.table, self.models = draft, draft.table, models
        self.at, self.actor, self.director = at, actor, director
        self.assumptions = list(self.table.assumptions)

    def write(self) -> ImportedStudy:
        draft = self.draft
        self.study = self._study()
        mice = self._mice()
        sessions = self._sessions()
        rows = self._revisions(mice, sessions)
        batch = ImportBatch.objects.create(
            study=self.study,
            file_name=self.table.filename[:200],
            file_sha256=self.table.sha256,
            row_count=len(rows),
            rows_sha256=rows_sha256(rows),
            assumptions=self.assumptions,
            imported_at=self.at,
            imported_by=self.actor,
        )
        insert_revisions(batch, rows)
        self._record(batch, mice)
        return ImportedStudy(draft.code, len(rows), len(mice), True, tuple(self.assumptions))

    def _study(self) -> Study:
        study = Study.objects.create(
            code=self.draft.code,
            title=f"Imported from {self.table.filename}"[:200],
            origin=StudyOrigin.IMPORTED,
            state=StudyState.UNBLINDED,
            is_blinded=False,
            director=self.director,
        )
        if self.director:
            StudyMembership.objects.create(study=study, user=self.director, role=Role.STUDY_DIRECTOR)
        return study

    def _mice(self) -> list[Mouse]:
        draft = self.draft
        arms = {
            arm.name: arm
            for arm in Arm.objects.bulk_create(
                Arm(study=self.study, name=name, role=role, position=place)
                for place, (name, role) in enumerate(draft.roles.items())
            )
        }
        codes = dict.fromkeys(mouse.facts["cage"] for mouse in draft.mice if "cage" in mouse.facts)
        cages = {
            cage.code: cage
            for cage in Cage.objects.bulk_create(Cage(study=self.study, code=c) for c in codes)
        }
        mice = Mouse.objects.bulk_create(
            Mouse(
                study=self.study,
                pdx_model=self.models[mouse.pdx_model],
                label=mouse.label,
                source_id=mouse.source_id,
                source_study=mouse.source_study if draft.is_pooled else "",
                cage=cages.get(mouse.facts.get("cage", "")),
            )
            for mouse in draft.mice
        )
        pairs = list(zip(mice, draft.mice, strict=True))
        Allocation.objects.bulk_create(
            Allocation(mouse=mouse, arm=arms[drafted.arm], block=drafted.facts.get("block", ""))
            for mouse, drafted in pairs
        )
        self._tumors(pairs)
        self._exits(pairs)
        return mice

    def _tumors(self, pairs: list[tuple[Mouse, _MouseDraft]]) -> None:
        numbers, passages = self._tumor_numbers, self._passages(pairs)
        Tumor.objects.bulk_create(
            Tumor(
                mouse=mouse, number=number, site=site, passage=passages.get(drafted.facts.get("passage", ""))
            )
            for mouse, drafted in pairs
            for number, site in sorted({numbers[row] for row in drafted.rows})
        )

    @cached_property
    def _tumor_numbers(self) -> list[tuple[int, str]]:
        """(number, site) a row: the file's own number, else the tumor's place among the names it uses."""
        told = self.table.columns.get("tumor")
        if told is None:
            return [(1, "")] * len(self.table)
        names = sorted({name for name in told if name is not None})
        places = {
            name: (int(name), "") if name.isdecimal() and int(name) > 0 else (place, name)
            for place, name in enumerate(names, start=1)
        }
        return [places[name] if name is not None else (1, "") for name in told]

    def _passages(self, pairs: list[tuple[Mouse, _MouseDraft]]) -> dict[str, Passage]:
        """Passages as the file writes them ("P4", "4"); anything else is told and left out."""
        found = {}
        for mouse, drafted in pairs:
            text = drafted.facts.get("passage", "")
            digits = text.lstrip("Pp")
            if digits.isdecimal() and text not in found:
                found[text] = Passage.objects.get_or_create(
                    pdx_model=mouse.pdx_model, number=int(digits), label=""
                )[0]
            elif text and text not in found:
                self.assumptions.append(f'The passage "{text}" is no number and was not stored.')
        return found

    def _exits(self, pairs: list[tuple[Mouse, _MouseDraft]]) -> None:
        days = self.table.columns["day"]
        Exit.objects.bulk_create(
            Exit(
                mouse=mouse,
                reason=drafted.facts["exit_reason"],
                day=max(days[row] for row in drafted.rows),
                treatment_related=drafted.facts.get("treatment_related", YesNoUnknown.UNKNOWN),
            )
            for mouse, drafted in pairs
            if "exit_reason" in drafted.facts
        )

    def _sessions(self) -> dict[float, MeasurementSession]:
        days = self.table.columns["day"]
        return {
            session.study_day: session
            for session in MeasurementSession.objects.bulk_create(
                MeasurementSession(study=self.study, study_day=day)
                for day in sorted({days[row] for row in self.draft.rows})
            )
        }

    def _revisions(self, mice: list[Mouse], sessions: dict[float, MeasurementSession]) -> list[list[Any]]:
        """Values in the order of `revisions.HASHED`, one list a row of the file, in the file's order."""
        owner = {
            row: mouse.pk
            for mouse, drafted in zip(mice, self.draft.mice, strict=True)
            for row in drafted.rows
        }
        columns = self.table.columns
        empty = [None] * len(self.table)
        get = lambda name: columns.get(name, empty)  # noqa: E731 - a column or its absence
        lengths, widths, heights = get("length_mm"), get("width_mm"), get("height_mm")
        volumes, weights, operators = self._volumes(), get("weight_g"), get("operator")
        statuses, replicates, days = get("status"), self._replicates(), columns["day"]
        pk = {day: session.pk for day, session in sessions.items()}
        rows = []
        for row in self.draft.rows:
            sizes = (lengths[row] or None, widths[row] or None, heights[row] or None)
            status, volume = _settled(statuses[row], volumes[row], sizes[0] is not None, lengths[row] == 0)
            rows.append(
                [
                    pk[days[row]],
                    owner[row],
                    self._tumor_numbers[row][0],
                    replicates[row],
                    1,
                    status,
                    *sizes,
                    volume,
                    VolumeMethod.REPORTED if volume is not None else VolumeMethod.CALIPER if sizes[0] else "",
                    weights[row],
                    "",
                    False,
                    None,
                    operators[row] or "",
                    "",
                    None,
                    self.at,
                    None,
                    "",
                ]
            )
        return rows

    def _volumes(self) -> list[float | None]:
        volumes, units = self.table.columns.get("volume_mm3"), self.table.columns.get("unit")
        if volumes is None:
            return [None] * len(self.table)
        if units is None:
            return volumes
        for unit in sorted({unit for unit in units if unit} - set(MM3_PER_UNIT)):
            self.assumptions.append(
                f'Volumes are in "{unit}" and stand as given; limits in mm3 do not apply.'
            )
        factors = [MM3_PER_UNIT.get((unit or "").strip().lower(), 1.0) for unit in units]
        return [None if v is None else v * factor for v, factor in zip(volumes, factors, strict=True)]

    def _replicates(self) -> list[int]:
        """The replicate's number, or its place among the names the file uses."""
        told = self.table.columns.get("replicate")
        if told is None:
            return [1] * len(self.table)
        places = {
            name: place for place, name in enumerate(sorted({n for n in told if n is not None}), start=1)
        }
        return [places.get(name, 1) for name in told]

    def _record(self, batch: ImportBatch, mice: list[Mouse]) -> None:
        draft = self.draft
        content = [
            [
                mouse.pdx_model,
                mouse.arm,
                mouse.label,
                mouse.source_id,
                mouse.source_study,
                sorted(mouse.facts.items()),
            ]
            for mouse in draft.mice
        ]
        record_event(
            "imported",
            batch,
            actor=self.actor,
            at=self.at,
            chain=study_chain(self.study),
            study=self.study,
            new={
                "study": draft.code,
                "file_name": batch.file_name,
                "file_sha256": batch.file_sha256,
                "row_count": batch.row_count,
                "rows_sha256": batch.rows_sha256,
                "mice": len(mice),
                "arms": draft.roles,
                "mice_sha256": sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest(),
            },
        )


def _settled(
    told: str | None, volume: float | None, has_lengths: bool, lengths_are_zero: bool
) -> tuple[str, float | None]:
    """The status of a row and the volume to store: 0 is a tumor looked for and not palpable."""
    if told is not None and told != MeasurementStatus.MEASURED:
        hides = told in (MeasurementStatus.NOT_PALPABLE, MeasurementStatus.NOT_DONE)
        return told, None if hides else volume
    if volume is not None:
        return (MeasurementStatus.MEASURED, volume) if volume > 0 else (MeasurementStatus.NOT_PALPABLE, None)
    if has_lengths:
        return MeasurementStatus.MEASURED, None
    return MeasurementStatus.NOT_PALPABLE if lengths_are_zero else MeasurementStatus.NOT_DONE, None
