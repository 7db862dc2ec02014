"""The study page of 1,000 mice against a page of the same layout with nothing in it, in the processor's time."""

import os
from datetime import timedelta

from tests.bench.ratio import Ratio, processor_seconds

MICE, SESSIONS = 1000, 10


def main() -> list[Ratio]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    settings.ALLOWED_HOSTS.append("testserver")
    connection.creation.create_test_db(verbosity=0)
    try:
        return measured()
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)


def measured() -> list[Ratio]:
    from django.test import Client

    from studies.terms import Role
    from tests.factories import make_study
    from tests.people import join, make_user

    director, seconds = make_user("bench"), {}
    for code in ("BENCH-FULL", "BENCH-NONE"):
        study = make_study(code)
        join(director, study, Role.STUDY_DIRECTOR)
        if code == "BENCH-FULL":
            fill(study)
    client = Client()
    client.force_login(director)
    for code in ("BENCH-FULL", "BENCH-NONE"):
        path = f"/studies/{code}/"
        assert client.get(path).status_code == 200
        seconds[code] = processor_seconds(lambda path=path: client.get(path))
    return [
        Ratio(
            f"study page, {MICE} mice x {SESSIONS} sessions",
            "the page of a study without mice",
            seconds["BENCH-FULL"],
            seconds["BENCH-NONE"],
            at_most=3,
        )
    ]


def fill(study) -> None:
    """Mice of six PDX models in one cohort, measured in dated sessions, the last one half done."""
    from django.utils import timezone

    from studies.models import Cohort, Measurement, MeasurementSession, Mouse, WelfareLimits
    from tests.factories import make_pdx_model

    now = timezone.now()
    start = now.date() - timedelta(days=3 * SESSIONS)
    study.schedule_days = [3 * n for n in range(SESSIONS + 2)]
    study.save()
    WelfareLimits.objects.create(study=study, reason="protocol")
    cohort = Cohort.objects.create(study=study, name="first", day0=start)
    models = [make_pdx_model(f"BENCH-{n}", ("wild_type", "loss_of_function")[n % 2]) for n in range(6)]
    mice = Mouse.objects.bulk_create(
        Mouse(study=study, cohort=cohort, pdx_model=models[n % 6], label=f"M{n:04}") for n in range(MICE)
    )
    for number in range(SESSIONS):
        due_on = start + timedelta(days=3 * number)
        last = number == SESSIONS - 1
        session = MeasurementSession.objects.create(
            study=study, cohort=cohort, due_on=due_on, completed_at=None if last else now
        )
        Measurement.objects.bulk_create(
            Measurement(
                session=session,
                mouse=mouse,
                length_mm=8 + number / 2,
                width_mm=7.0,
                weight_g=21.0,
                recorded_at=now,
            )
            for mouse in mice[: MICE // 2 if last else MICE]
        )
