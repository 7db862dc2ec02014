"""A record of every released version is brought to the present without a row changing, and still verifies."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from tests.support.released_state import RELEASED

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def empty_database(db, tmp_path) -> str:
    """The address of a database without a table, of the same kind as the tests'."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{tmp_path / 'old.sqlite3'}"
    known, name = connection.get_connection_params(), f"old_{uuid4().hex[:8]}"
    address = f"postgres://{known['user']}@/{{}}?host={known['host']}"
    with psycopg.connect(address.format("postgres"), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    return address.format(name)


@pytest.mark.parametrize("state", RELEASED)
def test_every_row_and_seal_of_a_release_holds_after_the_migration(empty_database, tmp_path, state):
    environment = {**os.environ, "DATABASE_URL": empty_database, "PDX_DATA_DIR": str(tmp_path / "files"),
                   "DJANGO_SETTINGS_MODULE": "pdx_tracker.settings"}  # fmt: skip
    command = [sys.executable, "-m", "tests.support.released_state", state]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["rows"] >= 20 and told["changed"] == [] and told["broken"] == []
