"""One stored report: its files, the snapshot it rests on, its release; and two of them compared."""

import base64
import hashlib
import json
import re

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from studies import access
from studies.actions.sign import SigningRefused
from studies.actions.stored_reports import is_superseded, release_of, release_report
from studies.desk.report_list import rows
from studies.desk.signing import ReasonedSigningForm
from studies.endpoints import endpoint
from studies.models import ReportFile, StoredReport
from studies.terms import ReportView

MAIN_FILES = {
    "report.html": "Read it here",
    "report.pdf": "PDF",
    "bundle.zip": "Everything as one zip",
    "tables.xlsx": "Every table (Excel)",
    "analysis.json": "Every number (JSON)",
    "data_long.csv": "The data (CSV)",
    "methods.txt": "Methods text",
    "manifest.json": "Manifest",
}
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
SHOWN = {".html", ".pdf", ".txt", ".png"}  # the rest is saved
# A report is a document of its own: nothing in it runs, posts, or loads from anywhere.
SANDBOX = (
    "sandbox allow-popups; default-src 'none'; img-src data:; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; style-src"
)
MOST_DIFFERENCES = 500


@endpoint(access.REPORT_READERS, post=access.REPORT_RELEASERS)
def stored_report(request, code: str, report: int):
    study = access.study_or_404(request.user, code)
    found = _report(request, study, report)
    form = ReasonedSigningForm(request.POST or None)
    form.fields["reason"].label = "Released for"
    if request.method == "POST" and form.is_valid():
        try:
            release_report(found, form.signer(request), form.cleaned_data["reason"])
        except SigningRefused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Released: report readers of this study can open it now.")
            return redirect("stored_report", study.code, found.pk)
    files = list(found.files.defer("content"))
    release = release_of(found)
    may_release = bool(access.roles_in(request.user, study) & access.REPORT_RELEASERS)
    context = {
        "nav": "studies",
        "study": study,
        "report": found,
        "is_superseded": is_superseded(found),
        "release": release,
        "form": form if may_release and not release and found.view == ReportView.OPEN else None,
        "main": [(words, file) for name, words in MAIN_FILES.items() for file in files if file.name == name],
        "figures": [file for file in files if file.name not in MAIN_FILES],
        "others": access.reports_of(request.user, study).filter(view=found.view).exclude(pk=found.pk),
    }
    return render(request, "studies/desk/report_page.html", context)


@endpoint(access.REPORT_READERS)
def report_file(request, code: str, report: int, name: str) -> HttpResponse:
    study = access.study_or_404(request.user, code)
    file = get_object_or_404(ReportFile, report=_report(request, study, report), name=name)
    suffix = f".{name.rpartition('.')[2]}"
    if suffix not in MEDIA_TYPES:
        raise Http404
    response = HttpResponse(bytes(file.content), content_type=MEDIA_TYPES[suffix])
    how = "inline" if suffix in SHOWN else "attachment"
    stem = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in study.code)
    response.headers["Content-Disposition"] = f'{how}; filename="{stem}-{name.replace("/", "-")}"'
    response.headers["ETag"] = f'"{file.sha256}"'
    if suffix != ".pdf":  # a browser's own PDF viewer does not open in a sandbox
        response.headers["Content-Security-Policy"] = f"{SANDBOX} {_own_styles(bytes(file.content), suffix)}"
    return response


def _own_styles(content: bytes, suffix: str) -> str:
    """The hashes of the styles a page brings along, so that none written into it later would count."""
    styles = re.findall(rb"<style[^>]*>(.*?)</style>", content, re.S) if suffix == ".html" else []
    hashes = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in styles]
    return " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"


@endpoint(access.REPORT_READERS)
def report_comparison(request, code: str):
    """What changed between two reports of one view: `?before=3&after=5`, each number by its path."""
    from studies.reports.compare import differences

    study = access.study_or_404(request.user, code)
    reports = list(access.reports_of(request.user, study))
    context = {"nav": "studies", "study": study, "rows": rows(study, reports)}
    asked = [_number(request.GET.get(name)) for name in ("before", "after")]
    if all(asked):
        before, after = (_report(request, study, key) for key in asked)
        if before.view != after.view:
            raise Http404
        found = differences(_numbers(before), _numbers(after))
        context |= {
            "before": before,
            "after": after,
            "count": len(found),
            "differences": found[:MOST_DIFFERENCES],
        }
    return render(request, "studies/desk/report_comparison.html", context)


def _report(request, study, key: int) -> StoredReport:
    return get_object_or_404(access.reports_of(request.user, study), pk=key)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0


def _numbers(report: StoredReport) -> dict:
    """The one study of a report's JSON, without what tells of its making."""
    file = get_object_or_404(ReportFile, report=report, name="analysis.json")
    return json.loads(bytes(file.content))["studies"][0]
