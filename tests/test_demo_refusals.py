"""`manage.py demo`: what it refuses, and that it then leaves nothing."""

import socket
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from studies.management.commands.demo import Command, refuse_taken_port
from studies.models import Study
from tests.factories import make_study


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
