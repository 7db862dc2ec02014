"""A study's reports: build one, follow it, open those there are, compare two."""

from typing import Any

from django.contrib import messages
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from studies import access
from studies.actions.jobs import JobRefused, cancel_job, living_workers
from studies.actions.snapshots import take_snapshot
from studies.endpoints import endpoint
from studies.models import Job, Signature, StoredReport, Study
from studies.models.job import UNFINISHED
from studies.terms import JobState, ReportView, SignedAct

TOLD = 5  # finished jobs that ended without a report


@endpoint(access.REPORT_READERS, post=access.REPORT_BUILDERS)
def report_list(request, code: str):
    study = access.study_or_404(request.user, code)
    if request.method == "POST":
        return _build(request, study)
    jobs = access.jobs_of(request.user, study)
    roles = access.roles_in(request.user, study)
    context = {
        "nav": "studies",
        "study": study,
        "rows": rows(study, list(access.reports_of(request.user, study).select_related("asked_by"))),
        "jobs": list(jobs.filter(state__in=UNFINISHED)),
        "failed": jobs.filter(state=JobState.FAILED).select_related("asked_by")[:TOLD],
        "has_worker": bool(living_workers(timezone.now())),
        "may_build": bool(roles & access.REPORT_BUILDERS),
        "view": access.report_view(request.user, study),
        "reads_science": access.may_see_measurements(request.user, study),
    }
    return render(request, "studies/desk/report_list.html", context)


def _build(request, study: Study):
    from studies.reports.stored import ask_for_report

    try:
        found = ask_for_report(study, request.user, timezone.now())
    except JobRefused as refused:
        messages.warning(request, str(refused))
    else:
        if isinstance(found, StoredReport):
            messages.success(request, "Nothing changed since this report was built: here it is.")
            return redirect("stored_report", study.code, found.pk)
    return redirect("report_list", study.code)


@endpoint(access.REPORT_READERS)
def report_jobs(request, code: str) -> JsonResponse:
    """What the page asks every second: each job under way, or of late."""
    study = access.study_or_404(request.user, code)
    jobs = access.jobs_of(request.user, study)[:20]
    has_worker = bool(living_workers(timezone.now()))
    return JsonResponse({"has_worker": has_worker, "jobs": [_told(job) for job in jobs]})


def _told(job: Job) -> dict[str, Any]:
    return {
        "id": job.pk,
        "state": job.state,
        "step": "Waiting for its turn" if job.state == JobState.WAITING and not job.step else job.step,
        "percent": job.percent,
        "wants_cancel": job.wants_cancel,
    }


@endpoint(post=access.REPORT_BUILDERS)
def report_job_cancel(request, code: str, job: int):
    study = access.study_or_404(request.user, code)
    cancel_job(
        get_object_or_404(access.jobs_of(request.user, study), pk=job), actor=request.user, at=timezone.now()
    )
    return redirect("report_list", study.code)


def rows(study: Study, reports: list[StoredReport]) -> list[dict[str, Any]]:
    """Each report with whether the data changed since, and who released it."""
    current = {view: take_snapshot(study, ReportView(view)).sha256 for view in {r.view for r in reports}}
    signed = Signature.objects.filter(study=study, act=SignedAct.REPORT)
    releases = {int(signature.object_id): signature for signature in signed}
    return [
        {
            "report": report,
            "is_superseded": report.snapshot_sha256 != current[report.view],
            "release": releases.get(report.pk),
        }
        for report in reports
    ]
