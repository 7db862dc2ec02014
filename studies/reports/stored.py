"""A report built as a job: from one unchanging snapshot, kept with its hash, built once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from studies import access
from studies.actions.allocate_mice import code_version
from studies.actions.jobs import JobRefused, Progress, ask_for_job
from studies.actions.snapshots import Snapshot, take_snapshot
from studies.actions.stored_reports import store_report, stored_report
from studies.models import Job, StoredReport, Study, User
from studies.reports.stamp import stamp
from studies.terms import JobKind, ReportView

READINGS = 3  # how often the record is read before we give up on its holding still


def ask_for_report(study: Study, user: User, at: datetime) -> StoredReport | Job:
    """The report of the record as it stands: the one built before, or the job that builds it.

    By arm, by letter or of all mice together, as the person may see arms now. Raises JobRefused for whom the
    readings are closed.
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
    """What a worker does, told step by step; returns the key of the report as text."""
    view = _view(job.asked_by, job.study)
    if view != job.view:
        raise JobRefused("What you may see of this study's arms changed meanwhile. Ask for the report again.")
    progress.step("Taking the snapshot", 1)
    analyzed, snapshot = _analyzed(job, view, progress)
    if found := stored_report(job.study, view, snapshot, parameters_of(view)):
        return str(found.pk)
    from studies.reports.build import report_files

    now = timezone.now()
    files = report_files(analyzed, stamp(snapshot.as_of or now), progress.between(40, 97))
    progress.step("Storing the report", 98)
    report = store_report(
        job.study, view, snapshot, parameters_of(view), files, asked_by=job.asked_by, at=now
    )
    return str(report.pk)


def _analyzed(job: Job, view: ReportView, progress: Progress) -> tuple[Any, Snapshot]:
    """The analysis, and the snapshot it is certain to rest on: the same before and after."""
    from studies.reports.headless import AnalysisRefused

    analyze = _analysis_of(view)
    before = take_snapshot(job.study, view)
    for _ in range(READINGS):
        progress.step("Reading the record", 2)
        try:
            tell = progress.between(4, 38, "Analyzing {}")
            analyzed = analyze(job.study, job.asked_by, snapshot=before, tell=tell)
        except (PermissionError, AnalysisRefused) as refusal:
            raise JobRefused(f"The study cannot be analyzed: {refusal}") from None
        progress.step("Checking that the record held still", 39)
        after = take_snapshot(job.study, view)
        if after.sha256 == before.sha256:
            return analyzed, before
        before = after
    raise JobRefused("Readings are coming in all the time. Ask for the report when the session is done.")


def _analysis_of(view: ReportView) -> Callable[..., Any]:
    from studies.reports import pooled, recorded

    return pooled.analyze_pooled if view == ReportView.POOLED else recorded.analyze_recorded


def _view(user: User, study: Study) -> ReportView:
    view = access.report_view(user, study)
    if view is None:
        raise JobRefused("The readings of this study are closed to you, and so is a report of them.")
    return view
