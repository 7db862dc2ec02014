"""`manage.py qualify` writes what it checked, and fails where a check fails."""

import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from studies import triggers
from studies.actions.acceptance import plant_acceptance

NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_the_record_names_program_and_checks_and_a_tampered_row_fails(settings, tmp_path, capsys):
    settings.DATA_DIR = tmp_path
    plant_acceptance(3, now=NOW)
    with pytest.raises(CommandError, match="not qualified"):  # this test run is no deployment: no TLS
        call_command("qualify", "--out", str(tmp_path / "record.json"))
    record = json.loads((tmp_path / "record.json").read_text())
    assert {name for name, check in record["checks"].items() if not check["passed"]} == {"deployment"}
    assert "HSTS" in record["checks"]["deployment"]["says"] and len(record["program"]["code_sha256"]) == 64
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studies_mouse SET strain = 'NOG'")
    triggers.install(connection)
    with pytest.raises(CommandError):
        call_command("qualify", "--out", str(tmp_path / "record.json"))
    record = json.loads((tmp_path / "record.json").read_text())
    assert "was changed beneath the audit" in record["checks"]["audit"]["says"]
