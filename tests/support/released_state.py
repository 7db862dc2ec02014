"""A database as a release left it, brought to the present: what was on record must read, hash and verify as before.

    DATABASE_URL=... AUDIT_KEY=... python -m tests.support.released_state MIGRATION

Makes the tables of that state of the migrations, writes rows through the models of that state (never today's)
with the audit events and seals a program of then would have written, migrates to the present and prints
JSON: tables whose rows changed, and what verify_audit finds.
"""

import json
import os
import sys
from datetime import UTC, date, datetime
from typing import Any

# The state each release left, its last migration. A release adds its own here and removes none.
RELEASED = ("0001_the_record", "0012_dosing")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
# In an order in which each finds what it refers to; what a state lacks is left out.
WRITTEN = (
    "User", "Patient", "PatientSample", "PdxModel", "GenotypeCall", "Study", "StudyMembership", "WelfareLimits",
    "AnalysisPlan", "Agent", "AgentLot", "Arm", "ArmAgent", "ExpectedSignDeclaration", "Cage", "Cohort", "Mouse",
    "Tumor", "Exclusion", "Exit", "Allocation", "MeasurementSession", "Measurement", "Device", "Signature", "Amendment",
    "Formulation", "SyringeCode", "Dose", "WelfareAlert", "Photo", "ParkedRow", "ArmMask",
)  # fmt: skip
FACTS: dict[str, dict[str, Any]] = {
    "Arm": {"role": "vehicle"},
    "Dose": {"outcome": "given", "given_ml": 0.2},
    "Exit": {"day": 21.0},
    "Measurement": {"length_mm": 10.25, "width_mm": 8.1, "weight_g": 22.4, "import_batch": None},
    "MeasurementSession": {"due_on": date(2026, 3, 2)},
    "ParkedRow": {"row": {"mouse": "PDX-OLD-01/M001"}},
    "PdxModel": {"parent": None},
    "Study": {"code": "PDX-OLD-01", "state": "active"},
    "User": {"username": "old hand", "full_name": "Old Hand"},
}


def main(state: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pdx_tracker.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    from studies.actions.coverage import broken_links

    executor = MigrationExecutor(connection)
    executor.migrate([("studies", state)])
    apps = executor.loader.project_state([("studies", state)]).apps
    made = write_rows(apps)
    columns = {row._meta.db_table: [field.column for field in row._meta.concrete_fields] for row in made}
    before = hashes(connection, columns)
    call_command("migrate", verbosity=0)
    after = hashes(connection, columns)
    told = {
        "rows": len(made),
        "changed": sorted(table for table in columns if before[table] != after[table]),
        "broken": [link.reason for link in broken_links()],
    }
    print(json.dumps(told))


def write_rows(apps) -> list:
    """A row of every kind, and one event that vouches for all."""
    from django.db import transaction

    known = {model.__name__: model for model in apps.get_app_config("studies").get_models()}
    made: dict[str, Any] = {}
    with transaction.atomic():
        for name in WRITTEN:
            if name in known:
                made[name] = known[name].objects.create(**filled(known[name], made, FACTS.get(name, {})))
        write_events(known, list(made.values()), made["Study"])
    return list(made.values())


def filled(model, made: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Something for every column that needs it, as a model of the past names them."""
    values = dict(facts)
    for field in model._meta.concrete_fields:
        if field.primary_key or field.name in values or field.has_default():
            continue
        if field.related_model:
            row = made.get(field.related_model.__name__)
            if row is not None:
                values[field.name] = row
        elif field.choices and not (field.null or field.blank):
            values[field.name] = field.choices[0][0]
        elif not (field.null or field.blank):
            values[field.name] = of_kind(field.get_internal_type())
    return values


def of_kind(kind: str) -> Any:
    told = {"DateTimeField": NOW, "DateField": NOW.date(), "JSONField": {}, "BooleanField": False,
            "UUIDField": "0b2f4f0e-6a5e-4d5c-9a62-0f2b7f0f3a11"}  # fmt: skip
    return told.get(kind, 1 if "Integer" in kind or "Float" in kind else "x")


def write_events(known: dict[str, Any], rows: list, study) -> None:
    """The chain of then: one event with the seals of its rows, one for the reading; no seals before there were any."""
    from studies import triggers
    from studies.actions.audit import GENESIS, event_hash, seal
    from studies.actions.row_seals import seal_of_row

    event_model, names = known["AuditEvent"], [field.name for field in known["AuditEvent"]._meta.fields]
    seals: dict[str, Any] = {}  # none of a password, which was not sealed then
    for row in rows:
        table = row._meta.db_table
        if table in triggers.SEALED:
            row.refresh_from_db()
            fields = [one.attname for one in row._meta.concrete_fields]
            columns = [name for name in fields if name not in triggers.UNSEALED_COLUMNS | {"password"}]
            said = seal_of_row(table, columns, [getattr(row, name) for name in columns])
            seals[table] = {"columns": columns, "seals": {str(row.pk): said}}
    reading = next(row for row in rows if row._meta.db_table == "studies_measurement")
    told = {"revision": 1, "length_mm": reading.length_mm, "width_mm": reading.width_mm}
    previous, chain = GENESIS, f"study:{study.pk}"
    for number, (what, key, new) in enumerate(
        (("study", study.pk, {}), ("measurement", reading.pk, told)), start=1
    ):
        event = event_model(
            chain=chain, sequence=number, study=study, happened_at=NOW, actor_name="Old Hand", action="added",
            object_type=what, object_id=str(key), new=new, previous_hash=previous,
            **({"rows": seals if number == 1 else None} if "rows" in names else {}),
        )  # fmt: skip
        if "rows" not in names:
            event.rows = None
        event.hash = previous = event_hash(event)
        event.save()
    known["AuditHead"].objects.create(chain=chain, count=2, head=previous, seal=seal(chain, 2, previous))


def hashes(connection, columns: dict[str, list[str]]) -> dict[str, str]:
    """Table -> its rows as the database holds them, in the columns of then."""
    found = {}
    with connection.cursor() as cursor:
        for table, names in columns.items():
            quoted = ", ".join(connection.ops.quote_name(name) for name in names)
            cursor.execute(f"SELECT {quoted} FROM {table} ORDER BY id")
            found[table] = repr(cursor.fetchall())
    return found


if __name__ == "__main__":
    main(sys.argv[1])
