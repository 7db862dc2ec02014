"""Importing 100,000 measurements, checks, hashes and audit included, against Django's bulk_create alone."""

import os

from tests.bench.ratio import Ratio, best_seconds

MICE, DAYS = 5_000, 20


def a_file() -> bytes:
    """100,000 readings of 5,000 mice in two arms, as a lab's own export would hold them."""
    lines = ["study,model,mouse,arm,treatment,day,volume_mm3,body_weight_g"]
    for mouse in range(MICE):
        role, arm = ("control", "vehicle") if mouse % 2 else ("treated", "binimetinib")
        for visit in range(DAYS):
            volume, weight = 120 + mouse % 80 + visit * 17.25, 20 + (mouse + visit) % 50 / 10
            lines.append(f"BENCH,M{mouse % 100:03d},{mouse},{role},{arm},{visit * 3},{volume},{weight}")
    return "\n".join(lines).encode()


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


def _ratios(vendor: str) -> list[Ratio]:
    from django.db import transaction
    from django.utils import timezone

    from studies.actions.import_study import import_studies
    from studies.imports import read_measurement_table
    from studies.models import Measurement, MeasurementSession, Mouse

    content, codes = a_file(), iter(f"BENCH-{number}" for number in range(100))
    table = read_measurement_table(content, "bench.csv")

    def ours(read) -> None:
        import_studies(read(), at=timezone.now(), code=next(codes))

    from_bytes = best_seconds(lambda: ours(lambda: read_measurement_table(content, "bench.csv")), repeats=1)
    from_table = best_seconds(lambda: ours(lambda: table), repeats=1)
    sessions = {s.study_day: s for s in MeasurementSession.objects.filter(study__code="BENCH-0")}
    mice = list(Mouse.objects.filter(study__code="BENCH-0").order_by("id"))
    places = [(mouse, sessions[day]) for mouse in mice for day in sorted(sessions)]
    revision = iter(range(2, 100))

    def bulk_create() -> None:
        number, now = next(revision), timezone.now()
        with transaction.atomic():
            Measurement.objects.bulk_create(
                (
                    Measurement(
                        session=session,
                        mouse=mouse,
                        revision=number,
                        reason="bench",
                        reported_volume_mm3=150.5,
                        volume_method="reported",
                        weight_g=22.0,
                        recorded_at=now,
                    )
                    for mouse, session in places
                ),
                batch_size=1000,
            )

    yardstick = best_seconds(bulk_create, repeats=1)
    what = f"importing 100,000 measurements into {vendor}"
    return [
        Ratio(
            f"{what}, file read and checked included", "bulk_create alone", from_bytes, yardstick, at_most=2
        ),
        Ratio(f"{what}, from the read table", "bulk_create alone", from_table, yardstick, at_most=2),
    ]
