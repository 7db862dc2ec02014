"""The measurement sheet of one session: the page that carries everything the tablet needs to work alone."""

import random
from datetime import date

from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie

from studies import access
from studies.actions.dosing import ml_per_kg_due
from studies.actions.sheet_facts import (
    SessionFacts,
    SheetMouse,
    StoredReading,
    closed_because,
    in_order,
    load_session,
)
from studies.days import local_date
from studies.endpoints import endpoint, study_ids
from studies.models import Device, MeasurementSession
from studies.terms import Sign
from studies.validation import Limits, MouseFacts, limit_values, windows


@endpoint(access.ENTRY_ROLES)
@ensure_csrf_cookie
def sheet(request, session_id: int):
    session = get_object_or_404(
        MeasurementSession.objects.select_related("study", "cohort"),
        pk=session_id,
        study__in=study_ids(request, access.ENTRY_ROLES),
    )
    closed = closed_because(session, session.study)
    facts = load_session(session, closely=())
    if not facts.mice:
        raise Http404("no mice in this session")
    order = "random" if request.GET.get("order") == "random" else "rack"
    context = {
        "nav": "today",
        "session": session,
        "closed": closed,
        "order": order,
        "day": _study_day(session),
        "devices": devices_known(local_date(timezone.now(), session.study.time_zone)),
        "data": _data(facts, request.user, order),
    }
    return render(request, "studies/entry/sheet.html", context)


def devices_known(today: date) -> list[tuple[str, str]]:
    """Devices that may be used, each with what R26 would ask about it; a retired one is not offered."""
    usable = Device.objects.filter(retired_on__isnull=True).values_list("code", "calibration_due_on")
    return [(code, f"calibration was due on {due}" if due and due < today else "") for code, due in usable]


def _study_day(session: MeasurementSession) -> int | None:
    """Days since the cohort's first dose, as the sheet's head says it."""
    day0 = session.cohort.day0 if session.cohort else None
    if session.study_day is not None:
        return int(session.study_day)
    return (session.due_on - day0).days if day0 and session.due_on else None


def _data(facts: SessionFacts, user, order: str) -> dict:
    """What sheet.js reads; see there. No arm, no genotype, no name of a patient."""
    mice = [mouse for mouse in facts.mice.values() if not mouse.has_left and not mouse.is_excluded]
    page = reverse("entry_mouse", args=[0])
    doses = ml_per_kg_due(facts.study, user, timezone.now())
    if order == "random":
        mice = _shuffled_by_cage(mice, f"{facts.session.pk}")
    return {
        "user": user.pk,
        "session": facts.session.pk,
        "as_of": int(timezone.now().timestamp() * 1000),
        "formula": facts.study.volume_formula,
        "limits": limit_values(facts.limits),
        "signs": [{"code": str(sign), "label": sign.label, "key": sign.key} for sign in Sign],
        "mice": [
            _mouse(facts, mouse)
            | {"page": page.replace("/0/", f"/{mouse.pk}/"), "ml_per_kg": doses.get(mouse.pk, [])}
            for mouse in mice
        ],
        "urls": {
            "api": reverse("api-1:api-root"),
            "today": reverse("entry_today"),
            "whoami": reverse("entry_whoami"),
            "worker": reverse("entry_worker"),
        },
    }


def _shuffled_by_cage(mice: list[SheetMouse], seed: str) -> list[SheetMouse]:
    """A random order of cages, and of mice in each, the same all day; no cage is opened twice."""
    draw = random.Random(f"sheet {seed}")
    cages: dict[tuple, list[SheetMouse]] = {}
    for mouse in mice:
        cages.setdefault((mouse.room, mouse.rack, mouse.cage), []).append(mouse)
    order = sorted(cages, key=lambda place: [in_order(part) for part in place])
    draw.shuffle(order)
    for place in order:
        draw.shuffle(cages[place])
    return [mouse for place in order for mouse in cages[place]]


def _mouse(facts: SessionFacts, mouse: SheetMouse) -> dict:
    tumors = sorted(mouse.tumors) or [1]
    return {
        "key": mouse.key,
        "label": mouse.label,
        "ear_tag": mouse.ear_tag,
        "cage": mouse.cage,
        "tags": [tag for tag in (mouse.label, mouse.key, mouse.rfid, mouse.ear_tag) if tag],
        "tumors": tumors,
        "last": {tumor: _last(facts, mouse, tumor) for tumor in tumors},
        "stored": {
            one.tumor: _stored(one)
            for one in sorted(facts.of_mouse(mouse.pk), key=lambda one: one.replicate)
            if not one.is_void
        },
    }


def _last(facts: SessionFacts, mouse: SheetMouse, tumor: int) -> dict:
    known = facts.before(
        mouse, tumor, strain=mouse.strain, sex=mouse.sex, baseline_weight_g=facts.baseline_weight_g(mouse)
    )
    return last_visit(known, facts.days[facts.session.pk], facts.limits)


def last_visit(known: MouseFacts, today: float, limits: Limits) -> dict:
    """The visit before, compared with only after the new values are in, and what is expected of this one."""
    last, weight = known.last, known.weights[-1] if known.weights else None
    expected = windows(known, today, limits)
    return {
        "usual_weight_g": [str(end) for end in limits.weights_of(known.strain, known.sex)],
        "expected": {
            name: window and [str(end) for end in window] for name, window in vars(expected).items()
        },
        "volume_mm3": float(last.volume_mm3) if last and last.volume_mm3 is not None else None,
        "when": f"{today - last.day:g} days ago" if last else "",
        "weight_g": str(weight[1]) if weight else None,
        "baseline_weight_g": None if known.baseline_weight_g is None else str(known.baseline_weight_g),
    }


def _stored(one: StoredReading) -> dict:
    numbers = {name: getattr(one, name) for name in ("length_mm", "width_mm", "weight_g")}
    return {
        "id": one.pk,
        "replicate": one.replicate,
        "status": one.status,
        "signs": [sign for sign in one.signs.split(",") if sign],
        **{name: None if value is None else f"{value:g}" for name, value in numbers.items()},
    }
