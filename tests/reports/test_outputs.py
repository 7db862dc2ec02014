"""Writing: all or nothing, and folder names that every file system takes."""

import json

import pytest

from studies.reports import build, outputs
from studies.reports.outputs import folder_names, write_outputs
from tests.reports.conftest import MADE_AT


@pytest.fixture
def quick(monkeypatch):
    """Reports of one small file, so that these tests are about the writing alone."""
    monkeypatch.setattr(
        build, "report_files", lambda study, made_at, *_: {"report.html": study.name.encode()}
    )


@pytest.mark.usefixtures("quick")
def test_one_study_is_reported_into_the_folder_itself(analyzed, tmp_path):
    write_outputs(
        [analyzed], json_path=tmp_path / "new" / "a.json", report_folder=tmp_path / "r", made_at=MADE_AT
    )
    assert json.loads((tmp_path / "new" / "a.json").read_text())["studies"][0]["study"] == "PILOT-1"
    assert (tmp_path / "r" / "report.html").read_text() == "PILOT-1"


@pytest.mark.usefixtures("quick")
def test_several_studies_get_a_folder_each(analyzed, tmp_path):
    write_outputs([analyzed, analyzed], report_folder=tmp_path / "r", made_at=MADE_AT)
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["PILOT-1", "PILOT-1-2"]


@pytest.mark.usefixtures("quick")
def test_a_folder_that_exists_keeps_its_other_files(analyzed, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "mine.txt").write_text("mine")
    for _ in range(2):
        write_outputs([analyzed], report_folder=tmp_path / "r", made_at=MADE_AT)
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["mine.txt", "report.html"]


def test_a_failure_leaves_nothing_behind(analyzed, tmp_path, monkeypatch):
    def fails(study, made_at):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build, "report_files", fails)
    with pytest.raises(OSError, match="No space"):
        write_outputs(
            [analyzed], json_path=tmp_path / "a.json", report_folder=tmp_path / "r", made_at=MADE_AT
        )
    assert list(tmp_path.iterdir()) == []


def test_a_place_of_the_wrong_kind_is_refused_before_anything_is_made(analyzed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        write_outputs([analyzed], report_folder=tmp_path / "file", made_at=MADE_AT)
    with pytest.raises(IsADirectoryError):
        write_outputs([analyzed], json_path=tmp_path, made_at=MADE_AT)


def test_folder_names_are_safe_and_distinct():
    names = folder_names(["../../etc", "A/B", "a/b", "...", "CON é", "x" * 100, ""])
    assert names[:5] == ["etc", "A_B", "a_b-2", "study", "CON_é"]
    assert len(names[5]) <= outputs.LONGEST_FOLDER_NAME
    assert len({name.casefold() for name in names}) == 7
