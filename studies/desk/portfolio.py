"""Every study of a person on one page: in trouble, missing, how far, what comes next."""

from django.shortcuts import render
from django.utils import timezone

from studies import access
from studies.desk.standing import standings
from studies.endpoints import endpoint
from studies.terms import StudyState

ORDER = (
    StudyState.ACTIVE,
    StudyState.DRAFT,
    StudyState.DATA_LOCKED,
    StudyState.UNBLINDED,
    StudyState.ARCHIVED,
)


@endpoint(access.SCIENCE_READERS)
def portfolio(request):
    studies = list(access.studies_of(request.user, access.SCIENCE_READERS).select_related("director"))
    found = standings(studies, timezone.now())
    rows = sorted(found, key=lambda one: (ORDER.index(StudyState(one.study.state)), one.study.code))
    running = [one for one in rows if one.study.state == StudyState.ACTIVE]
    context = {
        "nav": "portfolio",
        "rows": rows,
        "running": len(running),
        "on_study": sum(one.on_study for one in running),
        "alerts": sum(one.alerts for one in running),
        "late": sum(len(one.late) for one in running),
        "missing": sum(one.missing for one in running),
    }
    return render(request, "studies/desk/portfolio.html", context)
