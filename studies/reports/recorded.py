"""The analysis of a study on record: the same road as a file's, from the database's own table."""

from typing import Any

from studies import frames
from studies.imports import RowError
from studies.models import ImportBatch, Study
from studies.reports.headless import AnalysisRefused, AnalyzedStudy, Source, analyze_frame


def analyze_recorded(study: Study, viewer: frames.Viewer, control: str | None = None) -> AnalyzedStudy:
    """The analysis of one study under its own plan, for a viewer who may see its arms.

    Raises PermissionError while the study's arms are closed to the viewer, and AnalysisRefused with what
    the analysis refuses or where nothing was measured.
    """
    table = frames.measurement_table(study, viewer)
    if table.empty:
        raise AnalysisRefused(
            [RowError(None, None, None, f"study {study.code} holds no readings to analyze")]
        )
    (analyzed,) = analyze_frame(table, plan_of(study, control), source=_source(study))
    return analyzed


def plan_of(study: Study, control: str | None = None) -> dict[str, Any]:
    """The study's latest plan, with what the study itself fixes and a control named by the caller."""
    latest = study.analysis_plans.order_by("-version").first()
    plan = {
        "volume_formula": study.volume_formula,
        "lod_mm3": study.lod_mm3,
        **(latest.plan if latest else {}),
    }
    return plan | ({"control": control} if control is not None else {})


def _source(study: Study) -> Source:
    batch = ImportBatch.objects.filter(study=study).order_by("id").first()
    if batch is None:
        return Source(f"study {study.code}")
    return Source(batch.file_name, batch.file_sha256, tuple(batch.assumptions))
