"""The same input and time give the same bytes in every file of the bundle, PDF and PNG too, in whatever process."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from django.conf import settings

from tests.reports.conftest import study_csv

EPOCH = "1772323200"
UNLIKE = ({"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
          {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"})  # fmt: skip


def begin(source: Path, folder: Path, unlike: dict[str, str]) -> subprocess.Popen:
    told = {"SOURCE_DATE_EPOCH": EPOCH, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **unlike}
    command = [sys.executable, "manage.py", "analyze", source, "--control", "vehicle", "--report", folder]
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=os.environ | told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_two_processes_build_the_same_bytes(tmp_path):
    source = tmp_path / "small.csv"
    source.write_bytes(study_csv("SMALL", {"P1": "wt"}, {"vehicle": 0.09, "A": 0.04}, days=(0, 4, 8)))
    folders = [tmp_path / name for name in ("first", "second")]
    builds = [begin(source, folder, unlike) for folder, unlike in zip(folders, UNLIKE, strict=True)]
    for build in builds:
        said, _ = build.communicate(timeout=300)
        assert build.returncode == 0, said.decode()
    first, second = ({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
                     for folder in folders)  # fmt: skip
    assert first.keys() == second.keys()
    assert {Path(name).suffix for name in first} == {
        ".html",
        ".pdf",
        ".json",
        ".xlsx",
        ".csv",
        ".txt",
        ".zip",
        ".svg",
        ".png",
    }
    assert [name for name in first if first[name] != second[name]] == []
    with zipfile.ZipFile(folders[0] / "bundle.zip") as bundle:
        assert set(bundle.namelist()) == first.keys() - {"bundle.zip"}
