"""Opening and saving a sheet of 60 mice, 90,000 measurements on record, against a Django modelformset of its rows."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from tests.bench.ratio import Ratio, best_seconds

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


def _ratios(vendor: str) -> list[Ratio]:
    from django.forms import modelformset_factory
    from django.test import Client
    from django.utils import timezone

    from studies.models import Measurement, MeasurementSession, Mouse, User

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

    def opened(target: MeasurementSession) -> float:
        """Seconds to answer the sheet's page."""

        def get() -> None:
            page = client.get(f"/entry/sessions/{target.pk}/")
            assert page.status_code == 200 and mice[-1].key.encode() in page.content

        return best_seconds(get, REPEATS)

    def formset_page(target: MeasurementSession) -> float:
        """Seconds for Django's own way: a modelformset of the same 60 rows, as HTML."""
        forms = modelformset_factory(Measurement, fields=FIELDS, extra=0)

        def get() -> None:
            assert "form-59-length_mm" in forms(queryset=Measurement.objects.filter(session=target)).as_p()

        return best_seconds(get, repeats=2)

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

    yardstick = min(formset() for _ in range(2))
    sheet, row = (min(post(rows) for _ in range(REPEATS)) for rows in (MICE, 1))
    full = MeasurementSession.objects.filter(study=study, due_on__lt=date(2027, 1, 1)).latest("due_on")
    what = f"with 90,000 measurements in {vendor}, saving"
    against = "a modelformset POST of 60 rows"
    return [
        Ratio(
            f"with 90,000 measurements in {vendor}, opening the sheet of 60 mice",
            "a modelformset page of the same rows",
            opened(full),
            formset_page(full),
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
