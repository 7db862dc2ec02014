"""A report built as a job: from one unchanging snapshot, kept with its hash, built once."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from studies import access
from studies.actions.allocate_mice import code_version
from studies.actions.jobs import JobRefused, Progress, ask_for_job
from studies.actions.snapshots import Snapshot, take_snapshot
from studies.actions.stored_reports import store_report, stored_report
from studies.models import Job, StoredReport, Study, User
from studies.terms import JobKind, ReportView

READINGS = 3  # how often the record is read before we give up on its holding still


def ask_for_report(study: Study, user: User, at: datetime) -> StoredReport | Job:
    """The report of the record as it stands: the one built before, or the job that builds it.

    Raises JobRefused for whom no report by arm may be built now.
    """
    view = _view(user, study)
    snapshot = take_snapshot(study, view)
    if found := stored_report(study, view, snapshot, parameters_of(view)):
        return found
    asked = parameters_of(view) | {"snapshot_sha256": snapshot.sha256}
    return ask_for_job(study, JobKind.REPORT, view, asked, actor=user, at=at)


def parameters_of(view: ReportView) -> dict[str, Any]:
    """What a report's content depends on besides the record."""
    return {"view": str(view), "code": code_version()}


def build_for_job(job: Job, progress: Progress) -> str:
    """What a worker does; returns the key of the report as text."""
    view = _view(job.asked_by, job.study)
    if view != job.view:
        raise JobRefused("What you may see of this study's arms changed meanwhile. Ask for the report again.")
    progress.step("Reading the record and analyzing it", 5)
    analyzed, snapshot = _analyzed(job, view)
    if found := stored_report(job.study, view, snapshot, parameters_of(view)):
        return str(found.pk)
    progress.step("Drawing figures and setting pages", 50)
    from studies.reports.build import report_files

    made_at = timezone.now()
    files = report_files(analyzed, made_at)
    progress.step("Storing the report", 95)
    report = store_report(
        job.study, view, snapshot, parameters_of(view), files, asked_by=job.asked_by, at=made_at
    )
    return str(report.pk)


def _analyzed(job: Job, view: ReportView) -> tuple[Any, Snapshot]:
    """The analysis, and the snapshot it is certain to rest on: the same before and after."""
    from studies.reports.headless import AnalysisRefused
    from studies.reports.recorded import analyze_recorded

    before = take_snapshot(job.study, view)
    for _ in range(READINGS):
        try:
            analyzed = analyze_recorded(job.study, job.asked_by, snapshot=before)
        except (PermissionError, AnalysisRefused) as refusal:
            raise JobRefused(f"The study cannot be analyzed: {refusal}") from None
        after = take_snapshot(job.study, view)
        if after.sha256 == before.sha256:
            return analyzed, before
        before = after
    raise JobRefused("Readings are coming in all the time. Ask for the report when the session is done.")


def _view(user: User, study: Study) -> ReportView:
    view = access.report_view(user, study)
    if view is None:
        raise JobRefused("Arms are closed to you. A report by arm is built once the study is unblinded.")
    return view
