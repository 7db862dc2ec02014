"""The analysis of a study on record: the same road as a file's, from the database's own table."""

from typing import Any

from studies import access, frames
from studies.actions.snapshots import Snapshot, take_snapshot
from studies.analysis.study import Tell, plain, unheard
from studies.imports import RowError
from studies.models import Exclusion, ImportBatch, Study
from studies.reports.headless import AnalysisRefused, AnalyzedStudy, Source, analyze_frame
from studies.reports.record_facts import record_facts
from studies.terms import ReportView

NAMES_ARMS = {"control", "controls", "roles", "combinations", "expected_sign", "sample_size"}


def analyze_recorded(
    study: Study,
    viewer: frames.Viewer,
    control: str | None = None,
    snapshot: Snapshot | None = None,
    tell: Tell = unheard,
) -> AnalyzedStudy:
    """The analysis of one study under its own plan, for a viewer who may see its arms.

    `snapshot` is the record as it stood when it was asked for; without one it is taken now.
    Raises PermissionError while the study's arms are closed to the viewer, and AnalysisRefused with what
    the analysis refuses or where nothing was measured.
    """
    view = access.report_view(viewer, study)
    if view not in (ReportView.OPEN, ReportView.MASKED):
        raise PermissionError(f"the arms of study {study.code} are not open to this viewer")
    snapshot = snapshot or take_snapshot(study, view)
    table = frames.measurement_table(study, viewer)
    if table.empty:
        raise AnalysisRefused(
            [RowError(None, None, None, f"study {study.code} holds no readings to analyze")]
        )
    plan = plan_of(study, set(table["mouse"]), set(table["arm"]), control)
    if access.sees_masks(
        viewer, study
    ):  # what the plan says by name does not fit the letters, and would tell
        plan = _without_arms(plan) | ({"control": control} if control is not None else {})
    (analyzed,) = analyze_frame(table, plan, source=source_of(study), tell=tell)
    analyzed.document["record"] = plain(record_facts(study, viewer, analyzed.table, snapshot))
    return analyzed


def _without_arms(plan: dict[str, Any]) -> dict[str, Any]:
    """The plan without what names an arm or tells of one."""
    kept = {key: value for key, value in plan.items() if key not in NAMES_ARMS}
    if isinstance(kept.get("primary"), dict):
        kept["primary"] = {key: value for key, value in kept["primary"].items() if key != "contrast"}
    if kept.get("exclusions"):
        kept["exclusions"] = [{**row, "reason": "as recorded"} for row in kept["exclusions"]]
    return kept


def plan_of(study: Study, mice: set[str], arms: set[str], control: str | None = None) -> dict[str, Any]:
    """The plan for a table of these mice and arms: what the study declares, then its latest plan over that.

    A control named by the caller goes before both. Excluded mice stay excluded whatever the plan lists.
    """
    declared = {
        "volume_formula": study.volume_formula,
        "lod_mm3": study.lod_mm3,
        "biomarker": study.biomarker.lower(),
        "controls": _controls(study, arms),
        "expected_sign": _expected_signs(study, arms),
    }
    latest = study.analysis_plans.order_by("-version").first()
    plan = declared | (latest.plan if latest else {})
    plan["exclusions"] = exclusions_of(study, mice, plan.get("exclusions") or [])
    return plan | ({"control": control} if control is not None else {})


def _controls(study: Study, arms: set[str]) -> dict[str, str]:
    declared = study.arms.filter(control__isnull=False).values_list("name", "control__name")
    return {arm: control for arm, control in declared if {arm, control} <= arms}


def _expected_signs(study: Study, arms: set[str]) -> dict[str, str]:
    """The sign declared for an agent holds for the arm that gives it alone."""
    signs = dict(study.expected_signs.values_list("agent_id", "expected_sign"))
    found = {}
    for arm in study.arms.filter(name__in=arms).prefetch_related("arm_agents"):
        agents = [given.agent_id for given in arm.arm_agents.all()]
        if len(agents) == 1 and agents[0] in signs:
            found[arm.name] = signs[agents[0]]
    return found


def exclusions_of(study: Study, mice: set[str], planned: list[dict[str, str]]) -> list[dict[str, str]]:
    recorded = Exclusion.objects.filter(mouse__study=study).order_by("mouse_id")
    listed = {row["mouse"] for row in planned}
    return planned + [
        {"mouse": mouse, "reason": reason}
        for mouse, reason in recorded.values_list("mouse__label", "reason")
        if mouse in mice - listed
    ]


def source_of(study: Study) -> Source:
    batch = ImportBatch.objects.filter(study=study).order_by("id").first()
    if batch is None:
        return Source(f"study {study.code}")
    return Source(batch.file_name, batch.file_sha256, tuple(batch.assumptions))
