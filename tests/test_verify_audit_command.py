"""`manage.py verify_audit` says what was changed beneath the record, as text and as JSON."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from studies import triggers
from studies.actions.import_study import import_studies
from studies.checks import guard_triggers_stand
from studies.imports import read_measurement_table
from studies.models import AuditEvent

pytestmark = pytest.mark.django_db
FILE = b"study,mouse,arm,day,volume_mm3\nS1,1,A,0,100\nS1,1,A,3,150\n"


@pytest.fixture
def imported(db):
    import_studies(read_measurement_table(FILE, "s1.csv"), at=timezone.now())


def tamper(statement: str) -> None:
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement)
    triggers.install(connection)


def verdict(capsys) -> dict:
    with pytest.raises(CommandError) as failure:
        call_command("verify_audit", "--json")
    assert failure.value.returncode == 1
    return json.loads(capsys.readouterr().out)


def test_an_untouched_record_is_intact(imported, capsys):
    call_command("verify_audit", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found == {"intact": True, "events": 2, "chains": 2, "broken": []}
    call_command("verify_audit")
    assert capsys.readouterr().out.endswith("intact\n")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "UPDATE studies_measurement SET reported_volume_mm3 = 151 WHERE reported_volume_mm3 = 150",
            "s1.csv",
        ),
        ("DELETE FROM studies_measurement WHERE reported_volume_mm3 = 150", "s1.csv"),
        ("UPDATE studies_auditevent SET reason = 'tidied' WHERE action = 'imported'", "content was changed"),
        ("DELETE FROM studies_auditevent WHERE action = 'imported'", "head says 1"),
    ],
)
def test_a_change_beneath_the_record_is_named(imported, capsys, statement, reason):
    tamper(statement)
    assert reason in verdict(capsys)["broken"][0]["reason"]


def test_a_changed_import_is_named_with_its_event(imported, capsys):
    event = AuditEvent.objects.get(action="imported")
    tamper("UPDATE studies_measurement SET weight_g = 20")
    (link,) = verdict(capsys)["broken"]
    assert (link["chain"], link["sequence"]) == (event.chain, event.sequence)


def test_a_record_too_damaged_to_be_read_is_told_as_broken(imported, capsys):
    tamper("UPDATE studies_auditevent SET rows = '[1]' WHERE rows IS NOT NULL")
    found = verdict(capsys)
    (link,) = found.pop("broken")
    assert found == {"intact": False, "events": 0, "chains": 0}
    assert link["reason"].startswith("the record cannot be read: AttributeError: ")
    with pytest.raises(CommandError):
        call_command("verify_audit")
    assert capsys.readouterr().out == f"0 events in 0 chains\ndatabase #-: {link['reason']}\nBROKEN\n"


def test_the_check_at_start_names_each_missing_trigger_of_a_database_with_tables(db, monkeypatch):
    assert guard_triggers_stand() == guard_triggers_stand(databases=["default"]) == []
    triggers.drop(connection)
    found = guard_triggers_stand(databases=["default"])
    monkeypatch.setattr(connection.introspection, "table_names", list)
    assert guard_triggers_stand(databases=["default"]) == []  # not migrated yet
    triggers.install_after_migrate("default")
    assert len(triggers.missing(connection)) == len(found)  # nor laid before every table is there
    triggers.install(connection)
    names = triggers.names(connection.vendor)
    assert [(one.id, one.msg) for one in found] == [
        ("studies.E001", f"the database trigger {name} is missing") for name in names
    ]


def test_a_dropped_trigger_is_named(imported, capsys):
    triggers.drop(connection)
    found = verdict(capsys)["broken"]
    triggers.install(connection)
    assert len(found) == len(triggers.names(connection.vendor))


def test_the_first_person_of_an_installation_has_an_event_too(db, monkeypatch, capsys):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a plain long sentence")
    call_command("createsuperuser", interactive=False, username="boss", email="boss@example.org")
    event = AuditEvent.objects.get()
    assert (event.action, event.new["username"], event.actor) == ("added at the server", "boss", None)
    capsys.readouterr()
    call_command("verify_audit", "--json")
    assert json.loads(capsys.readouterr().out)["intact"]
