"""The hooks for qualifying an installation, from outside as an operator calls them, on a database of their own."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psycopg
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[1]
ROLES = {
    "technician", "doser", "study_director", "statistician", "quality_assurance", "veterinarian", "administrator",
}  # fmt: skip


class Installation:
    """A data folder and a database that may not exist yet."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.file = folder, folder / "record.sqlite3"
        self.name, self.url = f"hooks_{uuid4().hex[:8]}", f"sqlite:///{self.file}"
        if connection.vendor == "postgresql":
            known = connection.get_connection_params()
            self.server = f"postgres://{known['user']}@/postgres?host={known['host']}"
            self.url = self.server.replace("/postgres?", f"/{self.name}?")

    def create_database(self) -> None:
        """PostgreSQL wants one to migrate; a restore makes its own."""
        if connection.vendor == "postgresql":
            with psycopg.connect(self.server, autocommit=True) as server:
                server.execute(f"CREATE DATABASE {self.name}")

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess:
        own = {"DATABASE_URL": self.url, "PDX_DATA_DIR": str(self.folder), "AUDIT_KEY": settings.AUDIT_KEY,
               "DJANGO_SETTINGS_MODULE": "pdx_tracker.settings", **more}  # fmt: skip
        environment = {name: value for name, value in {**os.environ, **own}.items() if value}
        return subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip

    def told(self, *command: str, **more: str):
        run = self.run(*command, **more)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    def tamper(self, *statements: str) -> None:
        """As someone who holds the database and none of the program."""
        if connection.vendor == "postgresql":
            with psycopg.connect(self.url) as database:
                database.execute("SET session_replication_role = replica")
                for statement in statements:
                    database.execute(statement)
            return
        with sqlite3.connect(self.file) as database:
            names = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in names:
                database.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                database.execute(statement)
            for _, sql in names:
                with suppress(sqlite3.OperationalError):  # of a table that is gone
                    database.execute(sql)


def test_an_installation_is_qualified_from_outside(db, tmp_path):
    first = Installation(tmp_path / "first")
    first.create_database()
    assert first.run("migrate", "--verbosity=0").returncode == 0
    assert first.run("acceptance_seed", "--seed=7", ACCEPTANCE="").returncode != 0
    seed = first.told("acceptance_seed", "--seed=7", ACCEPTANCE="1")
    shown_as_asked(seed)
    assert first.run("acceptance_seed", "--seed=7", ACCEPTANCE="1").returncode != 0  # beside a study
    endpoints = first.told("list_endpoints", "--json")
    assert {tuple(sorted(one)) for one in endpoints} == {("blinded_safe", "methods", "name", "path", "roles")}
    dump = first.told("dump_measurements", "--json")
    keys = [
        "study",
        "session",
        "mouse",
        "length_mm",
        "width_mm",
        "weight_g",
        "client_id",
        "revision",
        "observed_at",
    ]
    assert dump and all(list(one) == keys and one["revision"] >= 1 for one in dump)
    mice = {mouse for study in seed["studies"] for session in study["sessions"] for mouse in session["mice"]}
    assert {one["mouse"] for one in dump} <= mice
    intact = first.told("verify_audit", "--json")
    assert intact["intact"] and intact["broken"] == [] and intact["events"] > 0

    assert first.run("backup", str(tmp_path / "day.zip")).returncode == 0
    other = Installation(tmp_path / "other")
    restored = other.run("restore", str(tmp_path / "day.zip"))
    assert restored.returncode == 0, restored.stderr
    assert other.told("dump_measurements", "--json") == dump
    assert other.told("verify_audit", "--json")["intact"]
    assert other.run("restore", str(tmp_path / "day.zip")).returncode == 1  # it holds tables now
    refused = other.run("qualify")
    record = json.loads(next(other.folder.glob("qualification-*.json")).read_text())
    assert refused.returncode == 1 and not record["passed"]  # no TLS here
    assert [name for name, one in record["checks"].items() if not one["passed"]] == ["deployment"]

    for statements in (
        ["UPDATE studies_measurement SET length_mm = length_mm + 1 WHERE revision = 1"],
        ["ALTER TABLE studies_measurement RENAME TO studies_gone"],
    ):
        other.tamper(*statements)
        verdict = other.run("verify_audit", "--json")
        found = json.loads(verdict.stdout)
        assert verdict.returncode == 1 and not found["intact"]
        assert set(found["broken"][0]) == {"chain", "sequence", "reason"} and found["broken"][0]["reason"]


def shown_as_asked(seed: dict) -> None:
    """The shape another program reads."""
    assert set(seed) == {"users", "studies", "tokens"}
    assert all(set(user) == {"username", "password", "role"} for user in seed["users"])
    assert {user["role"] for user in seed["users"]} >= ROLES
    assert sorted(study["blinded"] for study in seed["studies"]) == [False, True]
    for study in seed["studies"]:
        assert set(study) == {"code", "blinded", "arms", "sessions"} and len(study["arms"]) >= 2
        assert len(study["sessions"]) >= 3
        assert all(set(one) == {"id", "mice"} and len(one["mice"]) >= 10 for one in study["sessions"])
    assert set(seed["tokens"]) == {user["username"] for user in seed["users"]}
