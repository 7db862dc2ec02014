"""Opening and saving a sheet of 60 mice, 90,000 measurements on record, against a Django modelformset of its rows."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.bench.ratio import Ratio, best_seconds, processor_seconds

MICE, STUDIES, SESSIONS = 60, 10, 150  # 90,000 readings
REPEATS = 5
FIELDS = (
    "session", "mouse", "tumor_number", "replicate", "status", "length_mm", "width_mm", "weight_g", "device",
    "recorded_at",
)  # fmt: skip


def main() -> list[Ratio]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        return _ratios(connection.vendor)
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)


def fill() -> list:
    """Ten studies of 60 mice measured in 150 sessions each; returns the studies."""
    from studies.models import Measurement, MeasurementSession
    from studies.terms import Role
    from tests.factories import make_mouse, make_study
    from tests.people import join, make_user

    user = make_user("bench")
    studies = []
    for number in range(STUDIES):
        study = make_study(f"BENCH-{number}")
        join(user, study, Role.TECHNICIAN)
        mice = [make_mouse(study, f"M{place:03d}") for place in range(MICE)]
        sessions = MeasurementSession.objects.bulk_create(
            MeasurementSession(study=study, due_on=date(2026, 1, 1) + timedelta(days=day))
            for day in range(SESSIONS)
        )
        at = datetime(2026, 1, 1, tzinfo=UTC)
        Measurement.objects.bulk_create(
            (
                Measurement(
                    session=session, mouse=mouse, length_mm=10.0, width_mm=8.0, weight_g=22.0, recorded_at=at
                )
                for session in sessions
                for mouse in mice
            ),
            batch_size=2000,
        )
        studies.append(study)
    assert Measurement.objects.count() == 90_000
    return studies


# What a row of the sheet sends: the first five are typed or chosen there, the others travel with the row.
SHEET_FIELDS = ("length_mm", "width_mm", "weight_g", "status", "signs")
HIDDEN_FIELDS = ("device", "mouse", "tumor_number", "replicate", "observed_at", "client_id")
FORMSET_PAGE = """{% extends "base.html" %}{% block main %}<form method="post">{% csrf_token %}
{{ rows.management_form }}<table><tr><th>Cage</th><th>Mouse</th><th>Length</th><th>Width</th><th>Weight</th>
<th>Status</th><th>Signs</th></tr>{% for form in rows %}<tr><td>{{ form.instance.mouse.cage.code }}</td><td>
{{ form.instance.mouse.label }}{% for field in form.hidden_fields %}{{ field }}{% endfor %}</td>
{% for field in form.visible_fields %}<td>
<label for="{{ field.id_for_label }}">{{ field.label }}</label>{{ field }}{{ field.errors }}</td>{% endfor %}</tr>
{% endfor %}</table><button>Save</button></form>{% endblock %}"""


def formset_page(request, session_id: int, kind: str):
    """Django's own way: a modelformset of the session's rows, mice and cages joined, behind the same role check.

    `stock` is the page whose POST the saving is compared with: a row names its mouse, to choose among the study's.
    `lean` has the fields a row of the sheet sends, and hides what is not typed: no select box of mice at all.
    """
    from django.forms import HiddenInput, modelformset_factory
    from django.http import HttpResponse
    from django.shortcuts import get_object_or_404
    from django.template import engines

    from studies import access
    from studies.models import Measurement, MeasurementSession, Mouse

    if kind not in STOCK:
        fields, hidden = (FIELDS, ("session",)) if kind == "stock" else (
            (*SHEET_FIELDS, *HIDDEN_FIELDS), HIDDEN_FIELDS
        )  # fmt: skip
        widgets = dict.fromkeys(hidden, HiddenInput)
        STOCK[kind] = modelformset_factory(Measurement, fields=fields, widgets=widgets, extra=0)
        STOCK["template"] = engines["django"].from_string(FORMSET_PAGE)
    session = get_object_or_404(
        MeasurementSession, pk=session_id, study__in=access.studies_of(request.user, access.ENTRY_ROLES)
    )
    rows = Measurement.objects.filter(session=session).select_related("mouse__cage").order_by("mouse")
    forms = STOCK[kind](queryset=rows)
    if kind == "stock":
        for form in forms:
            form.fields["mouse"].queryset = Mouse.objects.filter(study=session.study_id)
    return HttpResponse(STOCK["template"].render({"rows": forms}, request))


STOCK: dict[str, Any] = {}  # made once, as a module of a project would


def urls_with_stock() -> type:
    """The project's URLs with that page among them, so that both pass the same middleware."""
    from django.urls import path

    from pdx_tracker import urls
    from studies.access import ENTRY_ROLES
    from studies.endpoints import endpoint

    stock = path("<slug:kind>/<int:session_id>/", endpoint(ENTRY_ROLES)(formset_page))
    return type("Urls", (), {"urlpatterns": [*urls.urlpatterns, stock]})


def _ratios(vendor: str) -> list[Ratio]:
    from django.conf import settings
    from django.forms import modelformset_factory
    from django.test import Client
    from django.utils import timezone

    from studies.models import Measurement, MeasurementSession, Mouse, User

    settings.ROOT_URLCONF = urls_with_stock()
    study = fill()[0]
    days = iter(range(1000))
    now = timezone.now()
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(username="bench"))
    mice = list(Mouse.objects.filter(study=study).select_related("study"))
    study.time_zone = "UTC" if 5 <= now.hour <= 22 else "Asia/Tokyo"  # so that nobody asks which day it is
    study.save()

    def session() -> MeasurementSession:
        return MeasurementSession.objects.create(
            study=study, due_on=date(2027, 1, 1) + timedelta(days=next(days))
        )

    def post(rows: int) -> float:
        """Seconds to store `rows` rows of a fresh session over the API."""
        target = session()
        body = json.dumps({"rows": [
            {"client_id": str(uuid4()), "mouse": mouse.key, "observed_at": now.isoformat(), "length_mm": 10.2,
             "width_mm": 8.1, "weight_g": 22.1, "status": "measured",
             "confirmations": [{"rule": rule, "reason": "bench"} for rule in ("R22", "R23")]}
            for mouse in mice[:rows]
        ]})  # fmt: skip

        def send() -> None:
            reply = client.post(
                f"/api/v1/sessions/{target.pk}/measurements", body, content_type="application/json"
            )
            assert reply.status_code == 200, reply.content
            assert {row["http_status"] for row in reply.json()["results"]} == {201}, reply.content[:500]

        return best_seconds(send, repeats=1)

    def opened(path: str, of_the_last: str) -> float:
        """Seconds of this process to answer a page."""

        def get() -> None:
            page = client.get(path)
            assert page.status_code == 200 and of_the_last in page.text

        return processor_seconds(get, REPEATS)

    def formset() -> float:
        """Seconds for Django's own way: 60 model forms filled, checked and saved in one POST."""
        target = session()
        forms = modelformset_factory(Measurement, fields=FIELDS, extra=MICE, max_num=MICE)
        data = {"form-TOTAL_FORMS": MICE, "form-INITIAL_FORMS": 0}
        for place, mouse in enumerate(mice):
            values = (target.pk, mouse.pk, 1, 1, "measured", 10.2, 8.1, 22.1, "", now.isoformat())
            data |= {f"form-{place}-{name}": value for name, value in zip(FIELDS, values, strict=True)}

        def send() -> None:
            filled = forms(data, queryset=Measurement.objects.none())
            assert filled.is_valid(), filled.errors
            filled.save()

        return best_seconds(send, repeats=1)

    yardstick = min(formset() for _ in range(REPEATS))
    sheet, row = (min(post(rows) for _ in range(n)) for rows, n in ((MICE, REPEATS), (1, 4 * REPEATS)))
    full = MeasurementSession.objects.filter(study=study, due_on__lt=date(2027, 1, 1)).latest("due_on")
    page = opened(f"/entry/sessions/{full.pk}/", mice[-1].key)
    what = f"with 90,000 measurements in {vendor}, saving"
    against = "a modelformset POST of 60 rows"
    return [
        Ratio(
            f"with 90,000 measurements in {vendor}, opening the sheet of 60 mice",
            "the page of the modelformset whose POST saving is compared with",
            page,
            opened(f"/stock/{full.pk}/", "form-59-length_mm"),
            at_least=8,
        ),
        Ratio(
            "the same page",
            "a lean modelformset page that lets nobody choose a mouse",
            page,
            opened(f"/lean/{full.pk}/", "form-59-length_mm"),
            at_least=8,
        ),
        Ratio(
            f"{what} 60 rows in one batch, rules, audit and commit included",
            against,
            sheet,
            yardstick,
            at_least=5,
        ),
        Ratio(f"{what} one row", against, row, yardstick, at_least=15),
    ]
