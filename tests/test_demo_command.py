"""`manage.py demo`: what it prints, what it refuses, and that it serves and stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studies.actions.demo_people import PEOPLE
from studies.management.commands.demo import Command, refuse_taken_port
from studies.models import Study, User
from tests.factories import make_study

ROOT = Path(__file__).parent.parent
PASSWORD = "amber-basil-cedar-delta-042"


@pytest.fixture
def data_folder(settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)
    return tmp_path


def demo(**options) -> str:
    out = StringIO()
    call_command("demo", no_server=True, stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_it_prints_people_password_truth_and_what_the_analysis_finds(data_folder):
    text = demo()
    password = (data_folder / "demo_password").read_text().strip()
    assert f"Password of all of them: {password}" in text
    for person in PEOPLE:
        assert re.search(rf"^\s+{person.username}\s", text, re.M), person.username
    assert str(data_folder / "demo" / "truth.md") in text
    assert "wild type: true 20 %" in text and "loss of function: true 80 %" in text
    assert text.count("the interval holds the truth: yes") == 2


@pytest.mark.django_db
def test_a_second_start_prints_the_same_people_password_and_truth(data_folder):
    first, second = demo(), demo()
    assert "Loaded the simulated studies" in first and "Loaded" not in second
    assert second.splitlines() == [line for line in first.splitlines() if not line.startswith("Loaded")]


@pytest.mark.django_db
def test_the_truth_is_written_again_where_it_was_removed(data_folder):
    demo()
    path = data_folder / "demo" / "truth.json"
    first = path.read_text(encoding="utf-8")
    path.unlink()
    demo()
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(first)


@pytest.mark.django_db
def test_demo_password_sets_the_password_of_all(data_folder, monkeypatch):
    demo()
    monkeypatch.setenv("DEMO_PASSWORD", PASSWORD)
    assert f"Password of all of them: {PASSWORD}" in demo()
    assert all(user.check_password(PASSWORD) for user in User.objects.all())


@pytest.mark.django_db
def test_a_refusal_names_its_reason_and_leaves_nothing(data_folder, monkeypatch):
    make_study("PDX-REAL-01")
    with pytest.raises(CommandError, match="holds other studies"):
        demo()
    assert Study.objects.count() == 1 and not (data_folder / "demo").exists()
    assert "Loaded" in demo(into_existing=True)
    monkeypatch.setenv("DEMO_PASSWORD", "short")
    with pytest.raises(CommandError, match="DEMO_PASSWORD cannot be used: This password is too short"):
        demo()


@pytest.mark.django_db
def test_a_database_of_real_studies_is_refused_before_it_is_migrated(data_folder, monkeypatch):
    make_study("PDX-REAL-01")
    monkeypatch.setattr(Command, "migrate", lambda self: pytest.fail("migrated"))
    with pytest.raises(CommandError, match="holds other studies"):
        demo()
    assert not list(data_folder.iterdir())


def test_a_taken_port_is_refused_with_the_way_to_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} is taken.*make demo PORT={port + 1}"):
            refuse_taken_port(port)
    refuse_taken_port(port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(CommandError, match="not between 1 and 65535"):
        refuse_taken_port(port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, server: subprocess.Popen, seconds: float = 90) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    server.kill()
    pytest.fail(f"no answer at {address}: {server.communicate()}")


@pytest.mark.parametrize("ignored", [signal.SIG_DFL, signal.SIG_IGN], ids=["terminal", "background"])
def test_it_migrates_loads_serves_and_stops_quietly_on_ctrl_c(tmp_path, ignored):
    port = free_port()
    unset = {"DATABASE_URL", "SECRET_KEY", "AUDIT_KEY", "DJANGO_SETTINGS_MODULE", "PDX_TEST_FOLDER"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"PDX_DATA_DIR": str(tmp_path), "DEMO_PASSWORD": PASSWORD, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, ignored),
    )  # fmt: skip
    page = wait_for(f"http://127.0.0.1:{port}/accounts/login/", server)
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=30)
    assert server.returncode == 0 and "Traceback" not in err
    assert "password" in page.lower()
    assert f"http://127.0.0.1:{port}/" in out and PASSWORD in out
    assert (tmp_path / "demo_password").stat().st_mode & 0o777 == 0o600
