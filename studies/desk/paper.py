"""Paper to print: cards and labels for those at the cage, the dose sheet and the sealed list for one role each."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify

from studies import access
from studies.actions.dose_sheet import dose_sheet as make_dose_sheet
from studies.actions.sealed_papers import PaperRefused, open_sealed_list
from studies.actions.sign import SigningRefused
from studies.desk.signing import ReasonedSigningForm
from studies.endpoints import endpoint
from studies.models import Study


@endpoint(access.CARD_PRINTERS)
def cage_cards(request, code: str):
    from studies.reports import paper

    study = access.study_or_404(request.user, code)
    return _pdf(study, "cage-cards", paper.cage_cards(study, _size(request), timezone.now()))


@endpoint(access.CARD_PRINTERS)
def mouse_labels(request, code: str):
    from studies.reports import paper

    study = access.study_or_404(request.user, code)
    return _pdf(study, "mouse-labels", paper.mouse_labels(study, _size(request), timezone.now()))


@endpoint(access.DOSE_SHEET_READERS, post=access.DOSE_SHEET_READERS, blinded_safe=False)
def dose_sheet(request, code: str):
    """Making a sheet is recorded, hence POST."""
    from studies.reports import paper

    study, now = access.study_or_404(request.user, code), timezone.now()
    context = {"nav": "studies", "study": study}
    if request.method == "POST":
        try:
            sheet = make_dose_sheet(study, request.user, now)
            return _pdf(study, "dose-sheet", paper.dose_sheet(study, sheet, request.user, now))
        except PaperRefused as refused:
            context["problem"] = str(refused)
    status = 422 if "problem" in context else 200
    return render(request, "studies/desk/dose_sheet.html", context, status=status)


@endpoint(access.SEALED_LIST_READERS, post=access.SEALED_LIST_READERS, blinded_safe=False)
def sealed_list(request, code: str):
    """The custodian says why and signs; what is in the list is in that one answer and on no page after it."""
    from studies.reports import paper

    study, now = access.study_or_404(request.user, code), timezone.now()
    form = ReasonedSigningForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        try:
            form.signer(request)
            lines = open_sealed_list(study, request.user, reason, now)
            return _pdf(study, "sealed-list", paper.sealed_list(study, lines, request.user, reason, now))
        except SigningRefused as refused:
            form.refuse(refused)
        except PaperRefused as refused:
            form.add_error(None, str(refused))
    context = {"nav": "studies", "study": study, "form": form}
    status = 422 if request.method == "POST" else 200
    return render(request, "studies/desk/sealed_list.html", context, status=status)


def _size(request) -> str:
    from studies.reports.paper import A4, SIZES

    size = request.GET.get("size", A4)
    return size if size in SIZES else A4


def _pdf(study: Study, what: str, content: bytes) -> HttpResponse:
    name = f"{slugify(study.code) or 'study'}-{what}.pdf"
    return HttpResponse(
        content, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'}
    )
