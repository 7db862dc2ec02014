"""Bring a file of measurements into the database as a historical study, whole or not at all.

An imported study is unblinded and of origin "imported": its visits carry the study day and no date,
and what the file does not tell stays empty. One audit event vouches for it, with the file's hash,
the number of rows and hashes over what was written.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from studies.actions.audit import record_event, study_chain
from studies.actions.registry import RegistryDraft
from studies.actions.revisions import insert_revisions, rows_sha256
from studies.actions.study_draft import MouseDraft, StudyDraft, passage_digits
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
    MeasurementStatus,
    Role,
    StudyOrigin,
    StudyState,
    VolumeMethod,
    YesNoUnknown,
)

# Volumes in these units become mm3; any other unit stands as given, and the import says so.
MM3_PER_UNIT = {"mm3": 1.0, "cm3": 1000.0, "cc": 1000.0, "ml": 1000.0}


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
        try:
            return _import(table, drafts, at, director, actor)
        except IntegrityError as error:
            reason = f"the record refuses what the file says: {str(error).splitlines()[0]}"
            raise ImportRefused([RowError(None, None, None, reason)]) from error


def _import(
    table: MeasurementTable,
    drafts: dict[str, StudyDraft],
    at: datetime,
    director: User | None,
    actor: User | None,
) -> list[ImportedStudy]:
    with transaction.atomic():
        known = ImportBatch.objects.filter(file_sha256=table.sha256, study__code__in=list(drafts))
        on_record = set(known.values_list("study__code", flat=True))
        new = [draft for draft in drafts.values() if draft.code not in on_record]
        registry = RegistryDraft.read(table)
        known_drafts = [draft for draft in drafts.values() if draft.code in on_record]
        errors = [*_taken_codes(new), *(error for draft in new for error in draft.errors())]
        errors += [error for draft in known_drafts for error in draft.control_errors()]
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


def _drafts(table: MeasurementTable, code: str | None, control: str | None) -> dict[str, StudyDraft]:
    if code is not None:
        return {code: StudyDraft(code, table, list(range(len(table))), True, control)}
    rows: dict[str, list[int]] = defaultdict(list)
    for row, study in enumerate(table.columns["study"]):
        rows[study].append(row)
    return {study: StudyDraft(study, table, places, False, control) for study, places in rows.items()}


def _taken_codes(drafts: Iterable[StudyDraft]) -> Iterable[RowError]:
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


class _Writer:
    """Writes one study of a file: the frame of it first, then its readings, then the event that vouches."""

    def __init__(
        self,
        draft: StudyDraft,
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

    def _tumors(self, pairs: list[tuple[Mouse, MouseDraft]]) -> None:
        numbers, passages = self.draft.tumors, self._passages(pairs)
        Tumor.objects.bulk_create(
            Tumor(
                mouse=mouse,
                number=number,
                site=site,
                passage=passages.get((mouse.pdx_model_id, drafted.facts.get("passage", ""))),
            )
            for mouse, drafted in pairs
            for number, site in sorted({numbers[row] for row in drafted.rows})
        )

    def _passages(self, pairs: list[tuple[Mouse, MouseDraft]]) -> dict[tuple[int, str], Passage]:
        """(PDX model id, text) -> passage, for texts such as "P4" and "4"; others are told and left out."""
        found: dict[tuple[int, str], Passage] = {}
        for mouse, drafted in pairs:
            key = _passage_key(mouse, drafted)
            digits = passage_digits(key[1])
            if digits and key not in found:
                found[key], _ = Passage.objects.get_or_create(
                    pdx_model=mouse.pdx_model, number=int(digits), label=""
                )
        texts = {drafted.facts.get("passage", "") for _, drafted in pairs}
        self.assumptions += [
            f'The passage "{text}" is no number and was not stored.'
            for text in sorted(text for text in texts if text and not passage_digits(text))
        ]
        return found

    def _exits(self, pairs: list[tuple[Mouse, MouseDraft]]) -> None:
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
        statuses, replicates, days = get("status"), self.draft.replicates, columns["day"]
        pk = {day: session.pk for day, session in sessions.items()}
        rows = []
        for row in self.draft.rows:
            sizes = _sizes(lengths[row], widths[row], heights[row])
            status, volume = _settled(statuses[row], volumes[row], sizes[0] is not None, lengths[row] == 0)
            rows.append(
                [
                    pk[days[row]],
                    owner[row],
                    self.draft.tumors[row][0],
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
        for unit in sorted({unit for unit in units if unit}):
            factor = MM3_PER_UNIT.get(unit.strip().lower())
            if factor is None:
                told = f'Volumes are in "{unit}" and stand as given: limits in mm3 do not apply to them.'
                self.assumptions.append(told)
            elif factor != 1:
                self.assumptions.append(f"Volumes in {unit} were multiplied by {factor:g} to mm3.")
        factors = [MM3_PER_UNIT.get((unit or "").strip().lower(), 1.0) for unit in units]
        return [None if v is None else v * factor for v, factor in zip(volumes, factors, strict=True)]

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


def _passage_key(mouse: Mouse, drafted: MouseDraft) -> tuple[int, str]:
    return mouse.pdx_model_id, drafted.facts.get("passage", "")


def _sizes(
    length: float | None, width: float | None, height: float | None
) -> tuple[float | None, float | None, float | None]:
    """Lengths to store: 0 x 0 is none, and a height is kept only beside the lengths it belongs to."""
    return (length, width, height or None) if length and width else (None, None, None)


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
