"""`manage.py demo`: what it prints, and that it serves and stops. Its refusals: test_demo_refusals.py."""

import json
import os
import re
import shutil
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
from django.core.management import call_command

from studies.actions.demo_people import PEOPLE
from studies.models import User
from tests.support.databases import taken_away_again

ROOT = Path(__file__).parent.parent
PASSWORD = "amber-basil-cedar-delta-042"


@pytest.fixture(scope="module")
def first_start(django_db_setup, django_db_blocker, tmp_path_factory):
    """The folder and the words of a first start, whose studies stay for the tests of this file."""
    from django.test import override_settings

    folder = tmp_path_factory.mktemp("demo")
    with (
        taken_away_again(django_db_blocker),
        pytest.MonkeyPatch.context() as environment,
        override_settings(DATA_DIR=folder, AUDIT_ANCHORS=str(folder / "anchors.jsonl")),
    ):
        environment.delenv("DEMO_PASSWORD", raising=False)
        yield folder, demo()


@pytest.fixture
def data_folder(first_start, settings, tmp_path, db):
    """A copy of the folder of the first start, to start in again."""
    settings.DATA_DIR = tmp_path / "again"
    shutil.copytree(first_start[0], settings.DATA_DIR)
    return settings.DATA_DIR


def demo(**options) -> str:
    out = StringIO()
    call_command("demo", no_server=True, stdout=out, **options)
    return out.getvalue()


def test_it_prints_people_password_truth_and_what_the_analysis_finds(first_start, db):
    folder, text = first_start
    password = (folder / "demo_password").read_text().strip()
    assert f"Password of all of them: {password}" in text
    for person in PEOPLE:
        assert re.search(rf"^\s+{person.username}\s", text, re.M), person.username
    assert str(folder / "demo" / "truth.md") in text
    assert "wild type: true 20 %" in text and "loss of function: true 80 %" in text
    assert text.count("the interval holds the truth: yes") == 2


def test_a_second_start_prints_the_same_people_password_and_truth(first_start, data_folder):
    first, second = first_start[1].replace(str(first_start[0]), str(data_folder)), demo()
    assert "Loaded the simulated studies" in first and "Loaded" not in second
    assert second.splitlines() == [line for line in first.splitlines() if not line.startswith("Loaded")]


def test_the_truth_is_written_again_where_it_was_removed(data_folder):
    path = data_folder / "demo" / "truth.json"
    first = path.read_text(encoding="utf-8")
    path.unlink()
    demo()
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(first)


def test_demo_password_sets_the_password_of_all(data_folder, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", PASSWORD)
    assert f"Password of all of them: {PASSWORD}" in demo()
    assert all(user.check_password(PASSWORD) for user in User.objects.all())


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


def test_it_migrates_loads_serves_and_stops_quietly_on_ctrl_c(tmp_path):
    """In a terminal, and started again from a script's background, which begins with that signal ignored."""
    started_in_terminal = served_and_stopped(tmp_path, signal.SIG_DFL)
    assert "Loaded the simulated studies" in started_in_terminal
    assert "Loaded" not in served_and_stopped(tmp_path, signal.SIG_IGN)
    assert (tmp_path / "demo_password").stat().st_mode & 0o777 == 0o600


def served_and_stopped(folder: Path, ignored: signal.Handlers) -> str:
    """What the command printed."""
    port = free_port()
    unset = {"DATABASE_URL", "SECRET_KEY", "AUDIT_KEY", "DJANGO_SETTINGS_MODULE", "PDX_TEST_FOLDER"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"PDX_DATA_DIR": str(folder), "DEMO_PASSWORD": PASSWORD, "PYTHONUNBUFFERED": "1"}
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
    return out
