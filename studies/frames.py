"""The bridge from the record to tidy tables. Asks access.py first what the viewer may see.

Nothing here computes a statistic; a column the viewer may not see is empty, never guessable.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from studies import access
from studies.days import local_date
from studies.models import Allocation, Exit, GenotypeCall, Measurement, Mouse, PdxModel, Study, Tumor, User
from studies.models.pdx_model import DEFAULT_GENE
from studies.terms import ArmRole, MeasurementStatus
from studies.volumes import FORMULAS, volume_mm3

if TYPE_CHECKING:
    import pandas as pd

Viewer = User | access.Operator

INDEX_TUMOR = 1
ALL_MICE = "all mice"
POOLED_COLUMNS = (
    "study", "source_study", "pdx_model", "arm", "mouse", "cage", "passage", "exit_reason", "treatment_related",
    "tumor_type",
)  # fmt: skip
READING_FIELDS = (
    "mouse_id",
    "session__study_day",
    "session__due_on",
    "observed_at",
    "tumor_number",
    "replicate",
    "status",
    "length_mm",
    "width_mm",
    "height_mm",
    "reported_volume_mm3",
    "weight_g",
    "observer_name",
    "observer__username",
)


@dataclass(frozen=True)
class Reading:
    """One valid reading of one tumor; `day` counts from the mouse's day 0, None before it is set."""

    mouse_id: int
    day: float | None
    tumor_number: int
    replicate: int
    status: str
    length_mm: float | None
    width_mm: float | None
    height_mm: float | None
    reported_volume_mm3: float | None
    weight_g: float | None
    operator: str


@dataclass
class MouseCurve:
    """One mouse's course for a chart: parallel lists by visit. Masked facts are None."""

    mouse_id: int
    label: str
    pdx_model: str
    map2k4_status: str | None
    arm: str | None
    role: str | None
    exit_day: float | None = None
    exit_reason: str | None = None
    days: list[float] = field(default_factory=list)
    volumes_mm3: list[float | None] = field(default_factory=list)
    weights_g: list[float | None] = field(default_factory=list)


def readings(study: Study) -> Iterator[Reading]:
    """Every valid reading of a study, by mouse and time, with its study day in the study's time zone."""
    day0 = dict(Mouse.objects.filter(study=study).values_list("id", "cohort__day0"))
    rows = (
        Measurement.objects.filter(session__study=study)
        .valid()
        .order_by("mouse_id", "session__study_day", "session__due_on", "tumor_number", "replicate")
        .values_list(*READING_FIELDS)
    )
    for mouse, study_day, due_on, observed_at, *rest, observer_name, username in rows.iterator(
        chunk_size=5000
    ):
        on = local_date(observed_at, study.time_zone) if observed_at else due_on
        day = _day(study_day, on, day0[mouse])
        yield Reading(mouse, day, *rest, observer_name or username or "")


def measurement_table(study: Study, viewer: Viewer) -> "pd.DataFrame":
    """A study's valid readings as the table `studies.analysis.analyze_study` takes, one row a reading.

    Columns are those of `studies.columns` that hold anything. Raises PermissionError unless the viewer
    may see arms: an analysis by arm is exactly what blinding forbids. For a statistician between lock and
    unblinding arms are letters, and no column tells which of them is the control.
    """
    names = access.arm_names(viewer, study)
    if names is None:
        raise PermissionError(f"the arms of study {study.code} are not open to this viewer")
    return _table(study, _mouse_facts(study, names, masked=access.sees_masks(viewer, study)))


def pooled_table(study: Study, viewer: Viewer) -> "pd.DataFrame":
    """As `measurement_table`, all randomized mice in one arm, without block, role and any gene's status.

    Raises PermissionError unless the viewer may see measurements.
    """
    if not access.may_see_measurements(viewer, study):
        raise PermissionError(f"the readings of study {study.code} are not open to this viewer")
    names = dict.fromkeys(study.arms.values_list("pk", flat=True), ALL_MICE)
    facts = _mouse_facts(study, names, masked=True)
    return _table(
        study,
        {mouse: {name: row[name] for name in POOLED_COLUMNS} for mouse, row in facts.items()},
    )


def _table(study: Study, facts: dict[int, dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    rows: dict[str, list[Any]] = defaultdict(list)
    for reading in readings(study):
        if reading.day is None or reading.mouse_id not in facts:
            continue
        if study.tumor_rule == Study.TumorRule.INDEX and reading.tumor_number != INDEX_TUMOR:
            continue
        for name, value in facts[reading.mouse_id].items():
            rows[name].append(value)
        for name, value in _reading_columns(reading):
            rows[name].append(value)
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    single = [name for name in ("tumor", "replicate") if frame[name].nunique() == 1]
    empty = [name for name in frame if name not in ("volume_mm3", "day") and not frame[name].map(_told).any()]
    return frame.drop(columns=[*single, *empty])


def growth_curves(study: Study, viewer: Viewer) -> list[MouseCurve]:
    """Every mouse's volumes and weights by study day; arm and MAP2K4 status only where the viewer may."""
    if not access.may_see_measurements(viewer, study):
        return []
    curves = _empty_curves(study, viewer)
    by_visit: dict[tuple[int, float], list[Reading]] = defaultdict(list)
    for reading in readings(study):
        if reading.day is not None:
            by_visit[reading.mouse_id, reading.day].append(reading)
    for (mouse, day), visit in by_visit.items():
        curve = curves[mouse]
        curve.days.append(day)
        curve.volumes_mm3.append(visit_volume_mm3(visit, study))
        curve.weights_g.append(next((r.weight_g for r in visit if r.weight_g is not None), None))
    return list(curves.values())


def biomarker_statuses(pdx_models: Iterable[PdxModel], gene: str = DEFAULT_GENE) -> dict[str, str]:
    """PDX model code -> status of the gene."""
    return {model.code: str(model.biomarker_status(gene)) for model in pdx_models}


def _day(study_day: float | None, on: date | None, day0: date | None) -> float | None:
    if study_day is not None:
        return study_day
    return float((on - day0).days) if on and day0 else None


def _pdx_models(study: Study) -> Iterable[PdxModel]:
    found = PdxModel.objects.filter(mice__study=study).distinct()
    return found.prefetch_related("genotype_calls", "status_overrules")


def _mouse_facts(study: Study, names: dict[int, str], *, masked: bool) -> dict[int, dict[str, Any]]:
    """What each row of a mouse repeats, under the names of `studies.columns`, empty text where not told."""
    models = list(_pdx_models(study))
    statuses = biomarker_statuses(models)
    genes = _gene_columns(models)
    asked = {} if study.biomarker == DEFAULT_GENE else biomarker_statuses(models, study.biomarker)
    allocations = {
        mouse: (names[arm], "" if masked else role, "" if masked else block)
        for mouse, arm, role, block in Allocation.objects.filter(mouse__study=study).values_list(
            "mouse_id", "arm", "arm__role", "block"
        )
    }
    exits = {row[0]: row[1:] for row in Exit.objects.filter(mouse__study=study).values_list(
        "mouse_id", "reason", "treatment_related")}  # fmt: skip
    passages = _passages(study)
    marks_control = any(role == ArmRole.VEHICLE for _, role, _ in allocations.values())
    facts = {}
    for mouse in Mouse.objects.filter(study=study).select_related("pdx_model", "cage"):
        arm, role, block = allocations.get(mouse.pk, ("", "", ""))
        if not arm:
            continue  # a mouse never allocated takes no part in an analysis by arm
        reason, related = exits.get(mouse.pk, ("", ""))
        facts[mouse.pk] = {
            "study": study.code,
            "source_study": mouse.source_study,
            "pdx_model": mouse.pdx_model.code,
            "map2k4_status": statuses[mouse.pdx_model.code],
            **({f"{study.biomarker}_status": asked[mouse.pdx_model.code]} if asked else {}),
            "arm": arm,
            "role": role or ("treated" if marks_control else ""),
            "mouse": mouse.label,
            "block": block,
            "cage": mouse.cage.code if mouse.cage else "",
            "passage": passages.get(mouse.pk, ""),
            "exit_reason": reason,
            "treatment_related": related,
            "tumor_type": mouse.pdx_model.cancer_type,
            **{gene: column.get(mouse.pdx_model_id, "") for gene, column in genes.items()},
        }
    return facts


def _passages(study: Study) -> dict[int, str]:
    """Mouse id -> the passage of its first tumor that has one."""
    tumors = Tumor.objects.filter(mouse__study=study, passage__isnull=False).order_by("-number")
    return {mouse: str(number) for mouse, number in tumors.values_list("mouse_id", "passage__number")}


def _gene_columns(models: list[PdxModel]) -> dict[str, dict[int, str]]:
    """gene -> {PDX model id: what its call says}, for genes other than the one statuses are derived from."""
    columns: dict[str, dict[int, str]] = defaultdict(dict)
    calls = GenotypeCall.objects.filter(pdx_model__in=models).exclude(gene=DEFAULT_GENE)
    for model, gene, variant, functional_class in calls.values_list(
        "pdx_model_id", "gene", "variant", "functional_class"
    ):
        columns[gene][model] = variant or functional_class
    return columns


def _reading_columns(reading: Reading) -> Iterator[tuple[str, Any]]:
    yield "day", reading.day
    yield "tumor", str(reading.tumor_number)
    yield "replicate", str(reading.replicate)
    yield "status", reading.status
    yield "volume_mm3", reading.reported_volume_mm3
    yield "length_mm", reading.length_mm
    yield "width_mm", reading.width_mm
    yield "height_mm", reading.height_mm
    yield "weight_g", reading.weight_g
    yield "operator", reading.operator


def _told(value: Any) -> bool:
    return value is not None and value == value and value != ""


def _empty_curves(study: Study, viewer: Viewer) -> dict[int, MouseCurve]:
    names, masked = access.arm_names(viewer, study), access.sees_masks(viewer, study)
    statuses = {}
    if access.may_see_biomarker(viewer, study):
        statuses = biomarker_statuses(_pdx_models(study), study.biomarker)
    arms: dict[int, tuple[str, str]] = {}
    if names is not None:
        allocated = Allocation.objects.filter(mouse__study=study)
        arms = {
            mouse: (names[arm], "" if masked else role)
            for mouse, arm, role in allocated.values_list("mouse_id", "arm", "arm__role")
        }
    curves = {}
    mice = Mouse.objects.filter(study=study).order_by("id")
    for pk, label, model, day0, reason, day, exited_at in mice.values_list(
        "id", "label", "pdx_model__code", "cohort__day0", "exit__reason", "exit__day", "exit__exited_at"
    ):
        on = local_date(exited_at, study.time_zone) if exited_at else None
        arm, role = arms.get(pk, (None, None))
        exit_day = _day(day, on, day0)
        curves[pk] = MouseCurve(pk, label, model, statuses.get(model), arm, role, exit_day, reason)
    return curves


def visit_volume_mm3(visit: list[Reading], study: Study) -> float | None:
    """The mouse's tumor volume at one visit: replicates averaged on lengths, tumors by the study's rule."""
    by_tumor: dict[int, list[Reading]] = defaultdict(list)
    for reading in visit:
        by_tumor[reading.tumor_number].append(reading)
    if study.tumor_rule == Study.TumorRule.INDEX:
        by_tumor = {number: found for number, found in by_tumor.items() if number == INDEX_TUMOR}
    volumes = [_volume_of_tumor(found, study.volume_formula) for found in by_tumor.values()]
    return None if not volumes or None in volumes else sum(volumes)


def _volume_of_tumor(replicates: list[Reading], formula: str) -> float | None:
    if any(reading.status == MeasurementStatus.NOT_PALPABLE for reading in replicates):
        return 0.0
    reported = [r.reported_volume_mm3 for r in replicates if r.reported_volume_mm3 is not None]
    if reported:
        return sum(reported) / len(reported)
    sized = [reading for reading in replicates if reading.length_mm is not None]
    if not sized or (FORMULAS[formula].needs_height and any(r.height_mm is None for r in sized)):
        return None
    longer = [max(r.length_mm, r.width_mm) for r in sized]
    shorter = [min(r.length_mm, r.width_mm) for r in sized]
    heights = [r.height_mm for r in sized if r.height_mm is not None]
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    return volume_mm3(mean(longer), mean(shorter), mean(heights), formula)
