"""`manage.py demo` as a server: its port, how it ends, and the truth it tells. What it loads: test_demo_command.py."""

import json
import signal
import socket
from io import StringIO

import pytest
from django.core.management import CommandError

from studies.actions.demo_people import TRUTH_FOLDER, TRUTH_JSON
from studies.management.commands import demo
from studies.management.commands.demo import Command, refuse_taken_port


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


class Worker:
    """A process that ends when it is told to."""

    def __init__(self, *command, **options):
        self.told = []

    def terminate(self) -> None:
        self.told.append("end")

    def wait(self, timeout: float) -> None:
        self.told.append("waited for")


@pytest.fixture
def deaf():
    """As a script's background starts what it runs: deaf to Ctrl-C."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_ends_the_server_and_its_worker(deaf, monkeypatch):
    worker, heard = Worker(), []

    def serve(*command, **options):
        heard.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.subprocess, "Popen", lambda *command, **options: worker)
    monkeypatch.setattr(demo, "call_command", serve)
    Command(stdout=StringIO()).serve(20817)
    assert heard == [signal.default_int_handler] * 2
    assert worker.told == ["end", "waited for"]


def test_the_truth_on_record_is_told_without_being_written_again(settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    (tmp_path / TRUTH_FOLDER).mkdir()
    (tmp_path / TRUTH_FOLDER / TRUTH_JSON).write_text(json.dumps({"summary": ["wild type: true 20 %"]}))
    monkeypatch.setattr("studies.actions.demo_truth.write_truth", lambda folder: pytest.fail("written again"))
    out = StringIO()
    Command(stdout=out).tell_truth(is_new=False)
    assert out.getvalue().startswith("wild type: true 20 %\n")
