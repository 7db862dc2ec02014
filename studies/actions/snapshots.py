"""What the record held at one moment: a hash over every row a report may rest on, and the audit chain's head."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q, QuerySet

from studies.actions.audit import GENESIS, study_chain
from studies.models import (
    Allocation,
    Amendment,
    AnalysisPlan,
    Arm,
    ArmAgent,
    ArmMask,
    AuditEvent,
    AuditHead,
    Cohort,
    Deviation,
    Dose,
    Exclusion,
    Exit,
    ExpectedSignDeclaration,
    Formulation,
    GenotypeCall,
    ImportBatch,
    Measurement,
    MeasurementSession,
    Mouse,
    MouseSample,
    Passage,
    PdxModel,
    Randomization,
    Reveal,
    StatusOverrule,
    Study,
    StudyPdxModel,
    Tumor,
    Unlock,
    UnlockedReading,
    WelfareAlert,
    WelfareLimits,
)
from studies.terms import ReportView

OF_STUDY = (
    AnalysisPlan, Amendment, Cohort, Deviation, ExpectedSignDeclaration, ImportBatch, MeasurementSession, Mouse,
    Reveal, StudyPdxModel, Unlock, WelfareAlert, WelfareLimits,
)  # fmt: skip
OF_MICE = (Exclusion, Exit, MouseSample, Tumor, UnlockedReading)
OF_PDX_MODELS = (GenotypeCall, Passage, StatusOverrule)
OF_ARMS = (Arm, ArmMask, Randomization)
# Left out of the hash, so that a later version's further columns and tables, empty yet, change no snapshot.
NOTHING: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Snapshot:
    """`as_of` is the time of the chain's last event, None where the chain is empty."""

    sha256: str
    chain_count: int
    chain_head: str
    as_of: datetime | None


def take_snapshot(study: Study, view: ReportView) -> Snapshot:
    """The record of the study as a report of this view may read it.

    Where the study stands between draft and archive is no part of it: to archive changes no number.
    The hash of a pooled view covers no arm, and of the allocation only who is randomized: more would tell.
    """
    digest = hashlib.sha256()
    for rows in _rows(study, view):
        fields = [name for field in rows.model._meta.concrete_fields if (name := field.attname) != "state"]
        for row in rows.order_by("pk").values_list(*fields).iterator(chunk_size=5000):
            told = [pair for pair in zip(fields, row, strict=True) if pair[1] not in NOTHING]
            digest.update(repr((rows.model._meta.db_table, told)).encode())
    if view == ReportView.POOLED:
        randomized = Allocation.objects.filter(mouse__study=study).order_by("mouse")
        digest.update(repr(list(randomized.values_list("mouse", flat=True))).encode())
    head = AuditHead.objects.filter(chain=study_chain(study)).first()
    if head is None:
        return Snapshot(digest.hexdigest(), 0, GENESIS, None)
    last = AuditEvent.objects.get(chain=head.chain, sequence=head.count)
    return Snapshot(digest.hexdigest(), head.count, head.head, last.happened_at)


def _rows(study: Study, view: ReportView) -> Iterator[QuerySet]:
    models = PdxModel.objects.filter(mice__study=study).values("pk")
    yield Study.objects.filter(pk=study.pk)
    yield Measurement.objects.filter(session__study=study)
    yield PdxModel.objects.filter(pk__in=models)
    yield from (_all(model, Q(study=study)) for model in OF_STUDY)
    yield from (_all(model, Q(mouse__study=study)) for model in OF_MICE)
    yield from (_all(model, Q(pdx_model__in=models)) for model in OF_PDX_MODELS)
    if view == ReportView.POOLED:
        return
    yield from (_all(model, Q(study=study)) for model in OF_ARMS)
    yield ArmAgent.objects.filter(arm__study=study)
    yield Allocation.objects.filter(mouse__study=study)
    yield Dose.objects.filter(mouse__study=study)
    yield Formulation.objects.filter(study=study)


def _all(model: type[Model], condition: Q) -> QuerySet:
    return model._base_manager.filter(condition)
