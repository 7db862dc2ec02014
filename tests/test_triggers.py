"""What the database itself refuses, whoever asks: on SQLite and on PostgreSQL."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, InternalError, connection, transaction
from django.db.migrations import Migration, RunPython
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from studies import triggers
from studies.models import Allocation, AnalysisPlan, AuditHead, Measurement, Study, WelfareLimits
from tests.factories import make_arm, make_measurement, make_mouse, make_session, make_study

pytestmark = pytest.mark.django_db
REFUSED = (IntegrityError, InternalError)


def run_sql(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def measurement(study):
    return make_measurement(make_session(study), make_mouse(study))


def test_a_measurement_is_never_updated_by_any_query(measurement):
    with pytest.raises(REFUSED, match="append-only"):
        run_sql("UPDATE studies_measurement SET length_mm = 11")
    with pytest.raises(REFUSED, match="append-only"), transaction.atomic():
        measurement.length_mm = 11
        measurement.save()
    assert Measurement.objects.get().length_mm == 10


def test_a_measurement_is_never_deleted_by_any_query(measurement):
    with pytest.raises(REFUSED, match="append-only"):
        run_sql("DELETE FROM studies_measurement")
    assert Measurement.objects.count() == 1


def test_the_queryset_says_what_to_do_instead(measurement):
    with pytest.raises(NotImplementedError, match="record a revision"):
        Measurement.objects.update(length_mm=11)
    with pytest.raises(NotImplementedError, match="record a void"):
        Measurement.objects.all().delete()


@pytest.mark.sqlite_only
def test_insert_or_replace_is_no_way_past_the_delete_trigger(measurement):
    columns = ", ".join(field.column for field in Measurement._meta.concrete_fields)
    table = "studies_measurement"
    with pytest.raises(REFUSED, match="append-only"):
        run_sql(f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {columns} FROM {table}")


def test_truncate_is_no_way_past_the_delete_trigger(measurement):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no TRUNCATE")
    run_sql("SET CONSTRAINTS ALL IMMEDIATE")  # else pending foreign key checks refuse before the trigger can
    with pytest.raises(REFUSED, match="append-only"):
        run_sql("TRUNCATE studies_measurement CASCADE")


def test_an_allocation_never_moves(study):
    vehicle, treated = make_arm(study), make_arm(study, "binimetinib", "single_agent")
    mouse = make_mouse(study, arm=vehicle)
    with pytest.raises(REFUSED, match="append-only"), transaction.atomic():
        Allocation.objects.filter(mouse=mouse).update(arm=treated)


def test_a_mouse_is_not_allocated_to_an_arm_of_another_study(study):
    with pytest.raises(REFUSED, match="different studies"), transaction.atomic():
        make_mouse(study, arm=make_arm(make_study("PDX-TEST-02")))


def test_a_mouse_is_not_measured_in_a_session_of_another_study(study):
    with pytest.raises(REFUSED, match="different studies"), transaction.atomic():
        make_measurement(make_session(make_study("PDX-TEST-02")), make_mouse(study))


def test_the_volume_formula_is_locked_once_the_study_holds_a_measurement(study):
    Study.objects.filter(pk=study.pk).update(state="draft")
    Study.objects.filter(pk=study.pk).update(volume_formula="pi6_lw2")
    make_measurement(make_session(study), make_mouse(study))
    with pytest.raises(REFUSED, match="formula is locked"), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(volume_formula="half_lw2")
    Study.objects.filter(pk=study.pk).update(title="The rest may change")


def test_the_formula_of_another_study_stays_free(study, measurement):
    other = make_study("PDX-TEST-02", state="draft")
    Study.objects.filter(pk=other.pk).update(volume_formula="pi6_lw2")
    assert Study.objects.get(pk=other.pk).volume_formula == "pi6_lw2"


def test_activation_fixes_formula_limits_and_locked_plan(study):
    AnalysisPlan.objects.create(study=study, plan={}, reason="protocol", locked_at=timezone.now())
    WelfareLimits.objects.create(study=study, reason="protocol")
    for row, change in (
        (Study.objects.filter(pk=study.pk), {"volume_formula": "pi6_lw2"}),
        (study.analysis_plans, {"plan": {"alpha": 0.1}}),
        (study.welfare_limits, {"volume_cap_mm3": 3000}),
    ):
        with pytest.raises(REFUSED), transaction.atomic():
            row.update(**change)
    for rows in (study.analysis_plans, study.welfare_limits):
        with pytest.raises(REFUSED), transaction.atomic():
            rows.all().delete()
    Study.objects.filter(pk=study.pk).update(state="draft")
    assert study.welfare_limits.update(volume_cap_mm3=3000) == 1


def test_unticking_blinded_is_no_way_to_the_arms_once_mice_are_allocated(study):
    make_mouse(study, arm=make_arm(study))
    with pytest.raises(REFUSED, match="unblinding"), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(is_blinded=False)
    assert Study.objects.get(pk=study.pk).is_blinded


@pytest.mark.parametrize("make", [make_mouse, make_arm, make_session])
def test_what_belongs_to_a_study_never_moves_to_another(study, make):
    record, other = make(study), make_study("PDX-TEST-02")
    with pytest.raises(REFUSED, match="never moves"), transaction.atomic():
        type(record).objects.filter(pk=record.pk).update(study=other)


def test_an_audit_chain_never_gets_shorter():
    head = AuditHead.objects.create(chain="study:1", count=5, head="a" * 64, seal="b" * 64)
    with pytest.raises(REFUSED, match="only grows"), transaction.atomic():
        AuditHead.objects.filter(pk=head.pk).update(count=4)
    with pytest.raises(REFUSED, match="never deleted"), transaction.atomic():
        head.delete()


@pytest.mark.django_db(transaction=True)
def test_a_missing_trigger_is_named_and_laid_again_by_migrate():
    rule = triggers.RULES[0]
    for statement in triggers._drop(rule, connection.vendor):
        run_sql(statement)
    assert triggers.missing(connection)[0] == triggers.PREFIX + rule.name
    # As from a shell, with checks: the one that names the missing trigger must not stand in the way.
    call_command("migrate", verbosity=0, skip_checks=False)
    assert triggers.missing(connection) == []


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_fails_leaves_the_triggers_that_stood(monkeypatch):
    lifted = []

    def fail(apps, editor):
        lifted.extend(triggers.missing(connection))
        raise ZeroDivisionError

    migration = Migration("0999_fails", "studies")
    migration.operations = [RunPython(fail)]
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_, **__: [(migration, False)])
    with pytest.raises(ZeroDivisionError):
        call_command("migrate", verbosity=0)
    assert bool(lifted) == (connection.vendor == "sqlite")  # PostgreSQL alters a table beneath its triggers
    assert triggers.missing(connection) == []


def test_every_name_is_one_that_postgresql_keeps_whole():
    assert max(map(len, triggers.names("postgresql"))) <= 63


@pytest.mark.sqlite_only
def test_a_table_another_table_s_trigger_speaks_of_can_be_rebuilt_by_a_migration(study):
    """As SQLite alters a constraint: the new table takes the old one's name, while triggers still stand elsewhere."""
    rebuild = "ALTER TABLE studies_signature RENAME TO studies_signature_old"
    with transaction.atomic():
        triggers.drop_before_migrate("default", [])
        assert not triggers.missing(connection)  # nothing to migrate, nothing lifted
        triggers.drop_before_migrate("default", [("a migration", False)])
        run_sql(rebuild)
        run_sql("ALTER TABLE studies_signature_old RENAME TO studies_signature")
        triggers.install_after_migrate("default")
    assert not triggers.missing(connection)
