"""A setting that cannot be used is refused by its name; those left out stand at something that works."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from pdx_tracker import settings as project

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("No", False), ("off", False)])
def test_a_switch_reads_the_usual_words(monkeypatch, text, value):
    monkeypatch.setenv("HTTPS", text)
    assert project.env_bool("HTTPS", not value) is value


def test_a_switch_that_is_neither_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("HTTPS", "maybe")
    with pytest.raises(ImproperlyConfigured, match="HTTPS='maybe'"):
        project.env_bool("HTTPS", False)


def test_a_short_secret_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("AUDIT_KEY", "short")
    with pytest.raises(ImproperlyConfigured, match="AUDIT_KEY has 5 characters"):
        project.env_secret("AUDIT_KEY", "audit_key")


def test_a_secret_left_out_is_made_once_for_its_owner_alone(monkeypatch, tmp_path):
    monkeypatch.delenv("AUDIT_KEY", raising=False)
    monkeypatch.setattr(project, "DATA_DIR", tmp_path)
    monkeypatch.setattr(project, "HTTPS", False)
    first = project.env_secret("AUDIT_KEY", "audit_key")
    assert project.env_secret("AUDIT_KEY", "audit_key") == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "audit_key").stat().st_mode) == 0o600


def test_a_time_zone_that_is_none_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("TIME_ZONE", "Mars/Olympus")
    with pytest.raises(ImproperlyConfigured, match="TIME_ZONE='Mars/Olympus'"):
        project.env_time_zone("TIME_ZONE", "UTC")


@pytest.mark.parametrize(
    ("url", "engine"),
    [("sqlite:////srv/pdx.sqlite3", "sqlite3"), ("postgres://pdx:secret@db:5432/pdx", "postgresql")],
)
def test_the_database_address_chooses_the_database(monkeypatch, url, engine):
    monkeypatch.setenv("DATABASE_URL", url)
    assert project.env_database("DATABASE_URL", "")["ENGINE"].endswith(engine)


@pytest.mark.parametrize("url", ["mysql://root@db/pdx", "nonsense", "postgres://db:port/pdx"])
def test_another_database_is_refused_by_name(monkeypatch, url):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        project.env_database("DATABASE_URL", "")


def test_a_folder_that_cannot_be_made_is_refused_by_name(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PDX_DATA_DIR", str(tmp_path / "file" / "var"))
    with pytest.raises(ImproperlyConfigured, match="PDX_DATA_DIR="):
        project.env_folder("PDX_DATA_DIR", tmp_path)


def test_with_a_database_address_alone_everything_starts(tmp_path):
    """As a stranger starts it: nothing in the environment but DATABASE_URL, in a folder of its own."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path / 'here.sqlite3'}"}
    environment["PDX_DATA_DIR"] = str(tmp_path / "var")  # or the test would write into the checkout
    for command in (["migrate", "-v0"], ["check", "--database", "default"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "here.sqlite3").exists()


def test_a_refused_setting_stops_the_start_and_says_its_name(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HTTPS": "perhaps", "PDX_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "HTTPS='perhaps'" in done.stderr


def deployed(tmp_path, **more: str) -> dict[str, str]:
    """The environment of a server that others reach, as docs/operations.md sets it."""
    return {
        "PATH": os.environ["PATH"],
        "PDX_DATA_DIR": str(tmp_path),
        "HTTPS": "true",
        "BEHIND_TLS_PROXY": "true",
        "ALLOWED_HOSTS": "pdx.example.org",
        "SECRET_KEY": "s3cret-" * 9,
        "AUDIT_KEY": "aud1t-" * 9,
    } | more


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_a_deployment_checks_clean_and_its_cookies_are_bound_to_its_host(tmp_path):
    environment = deployed(tmp_path)
    done = run(["manage.py", "check", "--deploy", "--fail-level", "WARNING"], environment)
    assert done.returncode == 0 and "no issues (0 silenced)" in done.stdout, done.stderr
    names = ("SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_NAME",
             "CSRF_COOKIE_SECURE", "CSRF_COOKIE_HTTPONLY", "TABLET_COOKIE", "SECURE_HSTS_SECONDS")  # fmt: skip
    told = run(
        ["-c", f"import pdx_tracker.settings as s; print(*(getattr(s, n, None) for n in {names}))"],
        environment,
    )
    assert told.stdout.split() == [
        "__Host-sessionid", "True", "None", "__Host-csrftoken", "True", "True", "__Host-pdx_tablet", "31536000"
    ]  # fmt: skip
    assert settings.SESSION_COOKIE_HTTPONLY  # Django's own default


@pytest.mark.parametrize("name", ["SECRET_KEY", "AUDIT_KEY"])
def test_a_server_that_others_reach_does_not_start_without_its_secrets(tmp_path, name):
    environment = deployed(tmp_path)
    del environment[name]
    done = run(["manage.py", "check"], environment)
    assert done.returncode != 0 and f"{name} is not set" in done.stderr
    assert not (tmp_path / name.lower()).exists()


def test_passwords_are_stored_with_a_slow_hash():
    assert project.PASSWORD_HASHERS[0].endswith("ScryptPasswordHasher")
    assert settings.SESSION_COOKIE_HTTPONLY and settings.SECURE_CONTENT_TYPE_NOSNIFF
