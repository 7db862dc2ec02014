"""One study at a glance: how it goes, on what mice, under which rules, and where its data came from."""

from typing import Any

from django.http import JsonResponse
from django.shortcuts import render
from django.utils import timezone

from studies import access
from studies.desk.blinding import reads_blinding
from studies.desk.curves import curves_document
from studies.desk.study_facts import arm_lines, facts, pdx_model_lines
from studies.endpoints import MEMBERS, endpoint
from studies.models import Measurement, Study
from studies.terms import StudyOrigin
from studies.worklist import mice_on_study, next_session


@endpoint(MEMBERS)
def study_page(request, code: str):
    study = access.study_or_404(request.user, code)
    context = {
        "nav": "studies",
        "study": study,
        "may_set_up": _may_set_up(request.user, study),
        "reads_blinding": reads_blinding(access.roles_in(request.user, study)),
    }
    context |= {
        "reads_dose_sheet": access.may_read_dose_sheet(request.user, study),
        "opens_sealed_list": access.may_open_sealed_list(request.user, study),
        "reads_reports": bool(access.roles_in(request.user, study) & access.REPORT_READERS),
    }
    if not access.may_see_measurements(request.user, study):
        return render(request, "studies/desk/study_closed.html", context)
    context |= _counts(study) | {
        "sees_enrollment": study.origin != StudyOrigin.IMPORTED,
        "facts": facts(study),
        "next_session": next_session(study, timezone.now()),
        "shows_arms": access.may_know_arms(request.user, study),
        "shows_biomarker": access.may_see_biomarker(request.user, study),
        "arms": arm_lines(study, request.user),
        "pdx_models": pdx_model_lines(study, request.user),
        "imports": study.import_batches.select_related("imported_by").order_by("imported_at"),
        "has_weights": Measurement.objects.filter(session__study=study, weight_g__isnull=False).exists(),
    }
    return render(request, "studies/desk/study_page.html", context)


@endpoint(MEMBERS)
def curves(request, code: str) -> JsonResponse:
    study = access.study_or_404(request.user, code)
    return JsonResponse(curves_document(study, request.user))


def _counts(study: Study) -> dict[str, Any]:
    readings = Measurement.objects.filter(session__study=study)
    return {
        "mice": study.mice.count(),
        "on_study": mice_on_study(study).count(),
        "exits": study.mice.filter(exit__isnull=False).count(),
        "excluded": study.mice.filter(exclusion__isnull=False).count(),
        "readings": readings.valid().count(),
    }


def _may_set_up(user, study: Study) -> bool:
    return bool(access.roles_in(user, study) & access.SET_UP_ROLES)
