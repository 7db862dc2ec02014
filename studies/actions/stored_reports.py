"""Keep a report as it was built, and release it to its readers by signature."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from studies import access
from studies.actions.audit import record_event, study_chain
from studies.actions.sign import Signer, SigningRefused, record_sha256, sign
from studies.actions.snapshots import Snapshot, take_snapshot
from studies.models import ReportFile, Signature, StoredReport, Study, User
from studies.terms import ReportView, Role, SignatureMeaning, SignedAct


class ReleaseRefused(SigningRefused):
    """A report that was not released; the message says why."""


def stored_report(
    study: Study, view: ReportView, snapshot: Snapshot, parameters: Mapping[str, Any]
) -> StoredReport | None:
    """The report of this snapshot under these parameters, where it was built before."""
    return study.reports.filter(
        view=view, snapshot_sha256=snapshot.sha256, parameters_sha256=record_sha256(dict(parameters))
    ).first()


@transaction.atomic
def store_report(
    study: Study,
    view: ReportView,
    snapshot: Snapshot,
    parameters: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    asked_by: User,
    at: datetime,
) -> StoredReport:
    """Write the report with its files and its audit event; built twice, the first stands."""
    Study.objects.select_for_update().get(pk=study.pk)
    if found := stored_report(study, view, snapshot, parameters):
        return found
    report = StoredReport.objects.create(
        study=study,
        view=view,
        snapshot_sha256=snapshot.sha256,
        parameters=dict(parameters),
        parameters_sha256=record_sha256(dict(parameters)),
        chain_count=snapshot.chain_count,
        chain_head=snapshot.chain_head,
        asked_by=asked_by,
        made_at=at,
    )
    ReportFile.objects.bulk_create(
        ReportFile(report=report, name=name, size=len(content), content=content,
                   sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    )  # fmt: skip
    record_event("stored a report", report, actor=asked_by, at=at, chain=study_chain(study), study=study,
                 new=report_record(report))  # fmt: skip
    return report


def report_record(report: StoredReport) -> dict[str, Any]:
    """What a release is signed over: the snapshot and every file's hash."""
    return {
        "view": str(report.view),
        "snapshot_sha256": report.snapshot_sha256,
        "files": dict(report.files.values_list("name", "sha256")),
    }


@transaction.atomic
def release_report(report: StoredReport, signer: Signer, reason: str) -> Signature:
    """Give a report to its readers. Raises ReleaseRefused where the study is blinded or the data changed since."""
    study = Study.objects.select_for_update().get(pk=report.study_id)
    roles = access.roles_in(signer.user, study) & access.REPORT_RELEASERS
    if not roles:
        raise ReleaseRefused(f"{signer.user} has no role in {study.code} that may release a report.")
    if not study.arms_are_open or report.view != ReportView.OPEN:
        raise ReleaseRefused("A report is released once the study's arms are open, with its arms by name.")
    if release_of(report):
        raise ReleaseRefused("This report is released already.")
    if is_superseded(report):
        raise ReleaseRefused(
            "The data changed since this report was built; build it again and release that one."
        )
    if not reason.strip():
        raise ReleaseRefused("Say what the report is released for; it is kept with the signature.")
    quality = Role.QUALITY_ASSURANCE in roles
    meaning = SignatureMeaning.QA_RELEASED if quality else SignatureMeaning.APPROVED
    return sign(report, report_record(report), signer, act=SignedAct.REPORT, meaning=meaning, study=study,
                reason=reason)  # fmt: skip


def release_of(report: StoredReport) -> Signature | None:
    return Signature.objects.filter(
        act=SignedAct.REPORT, object_type=StoredReport._meta.model_name, object_id=str(report.pk)
    ).first()


def is_superseded(report: StoredReport) -> bool:
    """Whether the data a report rests on are no longer those of the study."""
    return take_snapshot(report.study, ReportView(report.view)).sha256 != report.snapshot_sha256
