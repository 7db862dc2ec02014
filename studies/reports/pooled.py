"""The report of a study whose arms are closed to its reader: all mice together, so that nothing in it can tell an arm.

It describes (flow, quality of the readings, welfare, growth) and compares nothing. What it holds is the same whichever
mouse is in whichever arm; no biomarker status enters it, which a technician may not see either.
"""

from typing import Any

from studies import frames
from studies.actions.snapshots import Snapshot
from studies.analysis.study import Tell, plain, unheard
from studies.analysis.suspects import suspicions
from studies.imports import RowError
from studies.models import Study
from studies.reports.headless import AnalysisRefused, AnalyzedStudy, analyze_frame, as_sentence
from studies.reports.record_facts import pooled_facts
from studies.reports.recorded import exclusions_of, source_of
from studies.terms import ReportView

SECTIONS = ("study", "input", "arms", "weight", "mean_curves", "flow", "data_quality", "versions")
SETTINGS = ("volume_formula", "lod_mm3", "exclusions", "random_seed", "alpha")


def analyze_pooled(
    study: Study, viewer: frames.Viewer, snapshot: Snapshot, tell: Tell = unheard
) -> AnalyzedStudy:
    """All randomized mice as one group. Raises PermissionError where the readings are closed, and AnalysisRefused."""
    table = frames.pooled_table(study, viewer)
    if table.empty:
        reason = f"study {study.code} holds no readings of randomized mice"
        raise AnalysisRefused([RowError(None, None, None, reason)])
    plan = {
        "control": frames.ALL_MICE,
        "volume_formula": study.volume_formula,
        "lod_mm3": study.lod_mm3,
        "exclusions": [
            {**row, "reason": "as recorded"} for row in exclusions_of(study, set(table["mouse"]), [])
        ],
    }
    (analyzed,) = analyze_frame(table, plan, source=source_of(study), tell=tell)
    document = _described(analyzed)
    document["record"] = plain(pooled_facts(study, analyzed.table, snapshot))
    return AnalyzedStudy(document, analyzed.table)


def _described(analyzed: AnalyzedStudy) -> dict[str, Any]:
    """What describes; the one group has no role, and no day is one of comparison."""
    whole = analyzed.document
    return {
        "view": str(ReportView.POOLED),
        **{key: whole[key] for key in SECTIONS},
        "plan": {key: whole["plan"][key] for key in SETTINGS} | {"day": {"value": None, "from": "table"}},
        "arms": [{**arm, "role": ""} for arm in whole["arms"]],
        "weight": [_without_tolerance(row) for row in whole["weight"]],
        "flow": [{**row, "analyzed": {}} for row in whole["flow"]],
        "notes": [as_sentence(note) for note in suspicions(analyzed.table)],
    }


def _without_tolerance(row: dict[str, Any]) -> dict[str, Any]:
    """A dose is tolerated or not by an arm; of all mice together nothing of the kind can be said."""
    return {key: value for key, value in row.items() if "mtd" not in key}
