"""One study at a glance: how it goes, on what mice, under which rules, and where its data came from."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from studies import access
from studies.desk.blinding import reads_blinding
from studies.desk.curves import curves_document
from studies.desk.standing import Standing, standings
from studies.desk.study_facts import arm_lines, facts, pdx_model_lines
from studies.endpoints import MEMBERS, endpoint
from studies.models import Measurement, Study
from studies.terms import Role, StudyOrigin, StudyState

MOST_SESSIONS = 4


@dataclass(frozen=True)
class Step:
    """Something that waits for this person; `link` leads there."""

    words: str
    link: str = ""


@endpoint(MEMBERS)
def study_page(request, code: str):
    study = access.study_or_404(request.user, code)
    roles = access.roles_in(request.user, study)
    context = {
        "nav": "studies",
        "study": study,
        "may_set_up": bool(roles & access.SET_UP_ROLES),
        "reads_blinding": reads_blinding(roles),
        "reads_reports": bool(roles & access.REPORT_READERS),
        "reads_dose_sheet": bool(roles & access.DOSE_SHEET_READERS),
        "opens_sealed_list": bool(roles & access.SEALED_LIST_READERS),
    }
    if not roles & access.SCIENCE_READERS:
        return render(request, "studies/desk/study_closed.html", context)
    (standing,) = standings([study], timezone.now())
    context |= _counts(study) | {
        "standing": standing,
        "steps": steps(standing, roles),
        "sees_enrollment": study.origin != StudyOrigin.IMPORTED,
        "reads_balance": bool(roles & access.BALANCE_READERS) and study.randomizations.exists(),
        "facts": facts(study),
        "shows_arms": access.may_know_arms(request.user, study),
        "shows_biomarker": access.may_see_biomarker(request.user, study),
        "arms": arm_lines(study, request.user),
        "pdx_models": pdx_model_lines(study, request.user),
        "imports": study.import_batches.select_related("imported_by").order_by("imported_at"),
        "has_weights": Measurement.objects.filter(session__study=study, weight_g__isnull=False).exists(),
    }
    return render(request, "studies/desk/study_page.html", context)


def steps(standing: Standing, roles: frozenset[Role]) -> list[Step]:
    """What waits for a person of these roles, the most urgent first."""
    study, found = standing.study, []
    code = study.code
    if study.state == StudyState.ACTIVE:
        sessions = [*standing.late, standing.next] if standing.next else standing.late
        for one in sessions[:MOST_SESSIONS]:
            words = f"Measure {one.missing} of {one.mice} mice: session of {one.due_on:%-d %b}"
            found.append(
                Step(words, reverse("entry_sheet", args=[one.key]) if roles & access.ENTRY_ROLES else "")
            )
        if roles & access.ENTRY_ROLES and not standing.sessions:
            found.append(Step("Plan the baseline session", reverse("sessions", args=[code])))
        if roles & access.SET_UP_ROLES:
            undated = study.cohorts.filter(day0=None, randomizations__isnull=False).order_by("name")
            found += [
                Step(f"Set the first dose of cohort {one.name}", reverse("sessions", args=[code]))
                for one in undated
            ]
        if roles & access.SET_UP_ROLES and standing.sessions and standing.done == len(standing.sessions):
            found.append(Step("Every session is done: lock the data", reverse("study_state", args=[code])))
    elif study.state == StudyState.DRAFT and roles & access.SET_UP_ROLES:
        found.append(Step("Finish setting the study up", reverse("set_up", args=[code])))
    elif study.state == StudyState.DATA_LOCKED and roles & access.SET_UP_ROLES:
        found.append(Step("The data are locked: unblind the study", reverse("study_state", args=[code])))
    elif study.arms_are_open and roles & access.REPORT_BUILDERS:
        found.append(Step("Build or open the report", reverse("report_list", args=[code])))
    return found


@endpoint(MEMBERS)
def curves(request, code: str) -> JsonResponse:
    study = access.study_or_404(request.user, code)
    return JsonResponse(curves_document(study, request.user))


def _counts(study: Study) -> dict[str, Any]:
    mice = study.mice.aggregate(
        mice=Count("pk"),
        exits=Count("pk", filter=Q(exit__isnull=False)),
        excluded=Count("pk", filter=Q(exclusion__isnull=False)),
    )
    return mice | {"readings": Measurement.objects.filter(session__study=study).valid().count()}
