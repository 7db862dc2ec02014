"""From a table of measurements to the analysis of its studies: one road for files and for the database.

The `analyze` command and the report of a recorded study both come through `analyze_frame`, so that they
carry the same numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from studies.analysis import AnalysisError, analyze_study, pool_studies, study_names
from studies.analysis.mean_curves import mean_curves
from studies.analysis.study import Tell, plain, unheard
from studies.imports import MeasurementTable, RowError
from studies.reports.table_facts import table_facts

SCHEMA = "pdx-tracker/analysis/1"


class AnalysisRefused(ValueError):
    """Studies that cannot be analyzed as asked. `errors` says why, each in one line."""

    def __init__(self, errors: Sequence[RowError]):
        self.errors = tuple(errors)
        super().__init__("; ".join(map(str, self.errors[:3])))


@dataclass(frozen=True)
class Source:
    """Where a table came from: its name and hash, how it was read, and the cells set aside in reading."""

    name: str
    sha256: str | None = None
    assumptions: tuple[str, ...] = ()
    set_aside: tuple[RowError, ...] = ()


@dataclass(frozen=True)
class AnalyzedStudy:
    """One study of the JSON and the long table its numbers rest on."""

    document: dict[str, Any]
    table: pd.DataFrame

    @property
    def name(self) -> str:
        return self.document["study"]


def analyze_measurements(
    measurements: MeasurementTable, plan: Mapping[str, Any] | None = None, pool: str | None = None
) -> list[AnalyzedStudy]:
    """Every study of a file, or all of them pooled as one of the name `pool`."""
    source = Source(
        measurements.filename, measurements.sha256, measurements.assumptions, measurements.set_aside
    )
    frame = measurements.frame.set_axis(pd.Index(measurements.lines))
    return analyze_frame(frame, plan, pool=pool, source=source)


def analyze_frame(
    frame: pd.DataFrame,
    plan: Mapping[str, Any] | None = None,
    *,
    pool: str | None = None,
    source: Source | None = None,
    tell: Tell = unheard,
) -> list[AnalyzedStudy]:
    """The studies of a table in canonical columns; its index holds the lines errors are to name.

    Refused (AnalysisRefused): whatever the analysis refuses, of all studies at once.
    """
    source = source or Source("table")
    if pool is not None:
        frame = pool_studies(frame, pool)
    names = study_names(frame)
    parts = dict(iter(frame.groupby("study", sort=False))) if "study" in frame else {names[0]: frame}
    analyzed, errors = [], []
    for name in names:
        try:
            analyzed.append(_analyze(parts[name], plan, source, tell))
        except AnalysisError as error:
            errors += _placed(error, parts[name], name if len(names) > 1 else None)
    if errors:
        raise AnalysisRefused(errors)
    return analyzed


def json_document(analyzed: Sequence[AnalyzedStudy]) -> dict[str, Any]:
    """The JSON of one or more studies."""
    return {"schema": SCHEMA, "studies": [study.document for study in analyzed]}


def _analyze(
    frame: pd.DataFrame, plan: Mapping[str, Any] | None, source: Source, tell: Tell
) -> AnalyzedStudy:
    analysis = analyze_study(frame.reset_index(drop=True), plan, tell)
    document = analysis.to_dict()
    document["input"] = _input(document["input"], source, frame.index)
    document["notes"] = [*source.assumptions, *(as_sentence(note) for note in document["notes"])]
    document |= table_facts(document, analysis.table)
    document["mean_curves"] = plain(mean_curves(analysis.table).to_dict("records"))
    return AnalyzedStudy(document, analysis.table)


def _input(given: dict[str, Any], source: Source, lines: pd.Index) -> dict[str, Any]:
    """The analysis's own account of its input, with the file behind it; the hash is then the file's."""
    here = [error for error in source.set_aside if error.line in lines]
    by_reason: dict[str, list[RowError]] = {}
    for error in here:
        by_reason.setdefault(f"{error.column}: {error.reason}", []).append(error)
    set_aside = [
        {
            "reason": reason,
            "rows": len(errors),
            "examples": [f"line {error.line}: {error.value}" for error in errors[:5]],
        }
        for reason, errors in by_reason.items()
    ]
    return {
        **given,
        "file": source.name,
        "sha256": source.sha256 or given["sha256"],
        "table_sha256": given["sha256"],
        "dropped": [*set_aside, *given["dropped"]],
    }


def as_sentence(note: str) -> str:
    """A note as a sentence of its own."""
    note = note[:1].upper() + note[1:] if not note.startswith(("mixed_model", "egait")) else note
    return note if note.endswith((".", "!", "?")) else f"{note}."


def _placed(error: AnalysisError, frame: pd.DataFrame, study: str | None) -> list[RowError]:
    """A refusal of the analysis, its rows named by the lines of the file."""
    prefix = f"study {study}: " if study else ""
    if not error.defects:
        return [RowError(None, None, None, prefix + str(error))]
    return [
        RowError(
            None if defect.row is None else int(frame.index[defect.row - 1]),
            defect.column,
            defect.value,
            prefix + defect.reason,
        )
        for defect in error.defects
    ]
