"""`manage.py report` writes for a study on record what `analyze` writes for its file."""

import json

import pytest
from django.core.management import CommandError, call_command

from tests.actions.test_import_study import TWO_STUDIES, assert_same, numbers_of
from tests.factories import make_study

pytestmark = pytest.mark.django_db


def test_the_report_of_a_recorded_study_has_the_numbers_of_its_file(tmp_path):
    source = tmp_path / "two.csv"
    source.write_text(TWO_STUDIES)
    call_command("import_study", source, "--study", "POOL")
    call_command("report", "POOL", "--json", tmp_path / "recorded.json", "--out", tmp_path / "recorded")
    call_command(
        "analyze",
        source,
        "--pool",
        "POOL",
        "--json",
        tmp_path / "headless.json",
        "--report",
        tmp_path / "file",
    )
    recorded, headless = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("recorded", "headless")
    )
    (recorded,), (headless,) = recorded["studies"], headless["studies"]
    assert_same(numbers_of(recorded), numbers_of(headless))
    assert recorded["input"]["sha256"] == headless["input"]["sha256"]
    files = {path.name for path in (tmp_path / "file").iterdir()}
    assert {path.name for path in (tmp_path / "recorded").iterdir()} == files
    assert "report.html" in files


def test_a_blinded_study_has_no_report(study, tmp_path):
    with pytest.raises(CommandError, match="not open") as refused:
        call_command("report", study.code, "--out", tmp_path / "out")
    assert refused.value.returncode == 2
    assert not (tmp_path / "out").exists()


def test_a_study_without_readings_and_one_that_is_not_there_are_refused(tmp_path):
    make_study("EMPTY", is_blinded=False)
    with pytest.raises(CommandError, match="no readings"):
        call_command("report", "EMPTY", "--out", tmp_path / "out")
    with pytest.raises(CommandError, match="on record: EMPTY"):
        call_command("report", "NOWHERE", "--out", tmp_path / "out")


def test_only_what_was_asked_for_is_said_to_be_written(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("studies.reports.recorded.analyze_recorded", lambda *asked: None)
    monkeypatch.setattr("studies.reports.outputs.write_outputs", lambda *analyzed, **paths: None)
    path = tmp_path / "numbers.json"
    call_command("report", study.code, "--json", path)
    assert capsys.readouterr().out == f"Written: {path}\n"
