"""`manage.py demo`: what it refuses, and that it then leaves nothing."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from studies.management.commands.demo import Command
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
