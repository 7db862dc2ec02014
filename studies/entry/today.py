"""Today: the sessions that wait for this person across their studies, where the mice stand, how far each is."""

from django.shortcuts import render
from django.utils import timezone

from studies.days import local_date
from studies.endpoints import SIGNED_IN, endpoint
from studies.middleware import TABLET_COOKIE
from studies.models import Measurement
from studies.worklist import due_sessions


@endpoint(SIGNED_IN)
def today(request):
    now = timezone.now()
    work = due_sessions(request.user, now)
    context = {
        "nav": "today",
        "now": [item for item in work if item.urgency == "now"],
        "later": [item for item in work if item.urgency != "now"],
        "tablet": TABLET_COOKIE in request.COOKIES,
        "mine": _entered_today(request.user, now),
    }
    return render(request, "studies/entry/today.html", context)


def _entered_today(user, now) -> list[Measurement]:
    """What this person entered on the study's own today, the newest first."""
    recent = Measurement.objects.filter(
        observer=user, recorded_at__gte=now - timezone.timedelta(hours=36)
    ).select_related("mouse", "session__study")
    return [
        one
        for one in recent.order_by("-recorded_at", "-pk")
        if local_date(one.recorded_at, one.session.study.time_zone)
        == local_date(now, one.session.study.time_zone)
    ]
