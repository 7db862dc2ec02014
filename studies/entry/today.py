"""Today: the sessions that wait for this person across their studies, where the mice stand, how far each is."""

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q
from django.shortcuts import render
from django.utils import timezone

from studies.days import local_date
from studies.endpoints import SIGNED_IN, endpoint
from studies.middleware import TABLET_COOKIE
from studies.models import Measurement, MeasurementSession
from studies.worklist import DueSession, due_sessions, mice_of


@dataclass(frozen=True)
class Place:
    """A cage of a session with how many of its mice have a reading."""

    room: str
    rack: str
    cage: str
    mice: int
    measured: int

    @property
    def missing(self) -> int:
        return self.mice - self.measured


@dataclass(frozen=True)
class Work:
    due: DueSession
    places: tuple[Place, ...]

    @property
    def measured(self) -> int:
        return self.due.mice - self.due.missing


@endpoint(SIGNED_IN)
def today(request):
    now = timezone.now()
    work = [Work(due, _places(due.session)) for due in due_sessions(request.user, now)]
    context = {
        "nav": "today",
        "now": [item for item in work if item.due.urgency == "now"],
        "later": [item for item in work if item.due.urgency != "now"],
        "tablet": TABLET_COOKIE in request.COOKIES,
        "mine": _entered_today(request.user, now),
    }
    return render(request, "studies/entry/today.html", context)


def _places(session: MeasurementSession) -> tuple[Place, ...]:
    """The session's cages in the order they stand, counted in one query."""
    read = Exists(Measurement.objects.filter(session=session, mouse=OuterRef("pk")))
    mice = mice_of(session).annotate(is_read=read)
    where = ("cage__room", "cage__rack", "cage__code")
    counted = mice.values(*where).annotate(mice=Count("pk"), measured=Count("pk", filter=Q(is_read=True)))
    return tuple(
        Place(room or "", rack or "", cage or "", row["mice"], row["measured"])
        for row in counted.order_by(*where)
        for room, rack, cage in [tuple(row[name] for name in where)]
    )


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
