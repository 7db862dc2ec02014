"""Writing the JSON and the report folders: all of it or nothing.

Everything is made in a temporary folder beside its place and moved there at the end, so that a refusal,
a full disk or a Ctrl-C leaves no half report behind.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from studies.reports.headless import AnalyzedStudy, json_document
from studies.reports.json_text import dumps

LONGEST_FOLDER_NAME = 60


def write_outputs(
    analyzed: Sequence[AnalyzedStudy],
    *,
    json_path: Path | None = None,
    report_folder: Path | None = None,
    made_at: datetime,
) -> None:
    """Write what is asked for. A folder that exists keeps its other files.

    Raises OSError (also where the JSON's place is a folder, or the report's is a file).
    """
    _refuse_wrong_kind(json_path, report_folder)
    with ExitStack() as stack:
        moves: list[tuple[Path, Path]] = []
        if report_folder is not None:
            staged = stack.enter_context(_staging(report_folder))
            _write_reports(analyzed, staged, made_at)
            moves.append((staged, report_folder))
        if json_path is not None:
            staged = stack.enter_context(_staging(json_path)) / json_path.name
            staged.write_text(dumps(json_document(analyzed)), encoding="utf-8")
            moves.append((staged, json_path))
        for staged, place in moves:
            _move(staged, place)


def folder_names(studies: Sequence[str]) -> list[str]:
    """A folder name for each study: safe on every file system, distinct also where case does not count."""
    names: list[str] = []
    taken: set[str] = set()
    for study in studies:
        base = re.sub(r"[^\w.-]+", "_", study).strip("._")[:LONGEST_FOLDER_NAME] or "study"
        name, number = base, 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _write_reports(analyzed: Sequence[AnalyzedStudy], folder: Path, made_at: datetime) -> None:
    from studies.reports.build import build_report

    if len(analyzed) == 1:
        build_report(analyzed[0], folder, made_at)
        return
    for study, name in zip(analyzed, folder_names([study.name for study in analyzed]), strict=True):
        (folder / name).mkdir()
        build_report(study, folder / name, made_at)


def _refuse_wrong_kind(json_path: Path | None, report_folder: Path | None) -> None:
    if json_path is not None and json_path.is_dir():
        raise IsADirectoryError(None, "is a folder; name a file for the JSON", str(json_path))
    if report_folder is not None and report_folder.exists() and not report_folder.is_dir():
        raise NotADirectoryError(None, "is a file; name a folder for the report", str(report_folder))


@contextmanager
def _staging(place: Path) -> Iterator[Path]:
    """A temporary folder on the same file system, gone in the end."""
    parent = place.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{place.name[:40]}-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(staged: Path, place: Path) -> None:
    if staged.is_dir() and place.is_dir():
        for entry in sorted(staged.iterdir()):
            _move(entry, place / entry.name)
    else:
        os.replace(staged, place)
