"""Which mice may be randomized: baseline volume in the window, weight above the floor, and why the rest may not."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from math import log

from studies.days import local_date
from studies.frames import READING_FIELDS, Reading, biomarker_statuses, visit_volume_mm3
from studies.models import Cohort, Measurement, Mouse, PdxModel, Study
from studies.terms import BiomarkerStatus, CohortKind, MeasurementStatus


@dataclass(frozen=True)
class Standing:
    """One mouse at baseline. `reasons` say why it cannot be randomized; empty where it can.

    `growth_rate_per_day` is the slope of ln volume over all readings up to baseline, None with fewer than two days.
    """

    mouse: Mouse
    measured_on: date | None
    volume_mm3: float | None
    weight_g: float | None
    growth_rate_per_day: float | None
    map2k4_status: str
    is_allocated: bool
    reasons: tuple[str, ...]

    @property
    def status_label(self) -> str:
        return BiomarkerStatus(self.map2k4_status).label

    @property
    def is_ready(self) -> bool:
        return not self.reasons and not self.is_allocated

    @property
    def is_waiting(self) -> bool:
        """Not allocated, not ready, but neither excluded nor gone: it may grow into the window."""
        lost = hasattr(self.mouse, "exclusion") or hasattr(self.mouse, "exit")
        return bool(self.reasons) and not self.is_allocated and not lost


@dataclass(frozen=True)
class Wave:
    """Mice that could be randomized together: a cohort not yet drawn, or (None) those without one."""

    cohort: Cohort | None
    standings: tuple[Standing, ...]

    @property
    def ready(self) -> tuple[Standing, ...]:
        return tuple(standing for standing in self.standings if standing.is_ready)

    @property
    def left_out(self) -> tuple[Standing, ...]:
        return tuple(standing for standing in self.standings if not standing.is_ready)


@dataclass(frozen=True)
class TakeRate:
    """Of the implanted mice of a PDX model, how many ever had a tumor to measure."""

    pdx_model: str
    implanted: int
    took: int

    @property
    def percent(self) -> float:
        return 100 * self.took / self.implanted


def standings(study: Study) -> list[Standing]:
    """Every mouse of the study as it stood at its latest baseline reading, in the order of cages.

    Mice of expansion cohorts grow tumor to pass on and are in no arm.
    """
    in_arms = study.mice.exclude(cohort__kind=CohortKind.EXPANSION)
    beside = ("cage", "cohort", "pdx_model", "exclusion", "exit", "allocation")
    mice = list(in_arms.select_related(*beside).order_by("cage__room", "cage__rack", "cage__code", "label"))
    models = PdxModel.objects.filter(mice__study=study).distinct()
    statuses = biomarker_statuses(
        models.prefetch_related("genotype_calls", "status_overrules"), study.biomarker
    )
    visits = _visits(study)
    return [
        _standing(mouse, visits.get(mouse.pk, []), statuses[mouse.pdx_model.code], study) for mouse in mice
    ]


def waves(found: Sequence[Standing]) -> list[Wave]:
    """The cohorts that wait to be randomized, those of mice without one last.

    Those left out stand first. A mouse left out when its cohort was drawn joins those without one: it may
    come with a later cohort.
    """
    drawn = {standing.mouse.cohort_id for standing in found if standing.is_allocated}
    by_cohort: dict[int | None, list[Standing]] = defaultdict(list)
    for standing in found:
        if not standing.is_allocated:
            cohort = standing.mouse.cohort_id
            by_cohort[None if cohort in drawn else cohort].append(standing)
    for rows in by_cohort.values():
        rows.sort(key=lambda standing: standing.is_ready)
    named = [Wave(rows[0].mouse.cohort, tuple(rows)) for pk, rows in by_cohort.items() if pk is not None]
    rest = [Wave(None, tuple(by_cohort[None]))] if None in by_cohort else []
    return [*sorted(named, key=lambda wave: wave.cohort.name), *rest]


def take_rates(study: Study) -> list[TakeRate]:
    """By PDX model: mice implanted in this study, and those in which a tumor was ever measured."""
    had_tumor = set(
        Measurement.objects.filter(session__study=study)
        .valid()
        .exclude(
            status__in=[MeasurementStatus.NOT_PALPABLE, MeasurementStatus.NOT_DONE, MeasurementStatus.DEAD]
        )
        .values_list("mouse_id", flat=True)
    )
    implanted: dict[str, list[int]] = defaultdict(list)
    for pk, code in study.mice.order_by("pdx_model__code").values_list("pk", "pdx_model__code"):
        implanted[code].append(pk)
    return [TakeRate(code, len(mice), len(had_tumor.intersection(mice))) for code, mice in implanted.items()]


@dataclass(frozen=True)
class _Visit:
    on: date
    is_baseline: bool
    volume_mm3: float | None
    weight_g: float | None
    statuses: frozenset[str]


def _visits(study: Study) -> dict[int, list[_Visit]]:
    """Each mouse's visits that have a date, in order."""
    rows = (
        Measurement.objects.filter(session__study=study)
        .valid()
        .order_by("session__due_on", "session_id", "tumor_number", "replicate")
        .values_list("session_id", "session__is_baseline", *READING_FIELDS)
    )
    by_visit: dict[tuple[int, int], list[Reading]] = defaultdict(list)
    facts: dict[tuple[int, int], tuple[date | None, bool]] = {}
    for session, is_baseline, mouse, _, due_on, observed_at, *rest, observer, username in rows:
        key = mouse, session
        on = local_date(observed_at, study.time_zone) if observed_at else due_on
        by_visit[key].append(Reading(mouse, None, *rest, observer or username or ""))
        facts.setdefault(key, (on, is_baseline))
    found: dict[int, list[_Visit]] = defaultdict(list)
    for key, visit in by_visit.items():
        on, is_baseline = facts[key]
        if on is None:
            continue
        weight = next((reading.weight_g for reading in visit if reading.weight_g is not None), None)
        statuses = frozenset(reading.status for reading in visit)
        found[key[0]].append(_Visit(on, is_baseline, visit_volume_mm3(visit, study), weight, statuses))
    return {mouse: sorted(visits, key=lambda visit: visit.on) for mouse, visits in found.items()}


def _standing(mouse: Mouse, visits: Sequence[_Visit], status: str, study: Study) -> Standing:
    baseline = next((visit for visit in reversed(visits) if visit.is_baseline), None)
    before = [visit for visit in visits if baseline and visit.on <= baseline.on]
    return Standing(
        mouse=mouse,
        measured_on=baseline.on if baseline else None,
        volume_mm3=baseline.volume_mm3 if baseline else None,
        weight_g=baseline.weight_g if baseline else None,
        growth_rate_per_day=_growth_rate(before),
        map2k4_status=status,
        is_allocated=hasattr(mouse, "allocation"),
        reasons=tuple(_reasons(mouse, baseline, study)),
    )


def _reasons(mouse: Mouse, baseline: _Visit | None, study: Study) -> Iterable[str]:
    if hasattr(mouse, "exclusion"):
        yield f"excluded: {mouse.exclusion.reason}"
    if hasattr(mouse, "exit"):
        yield f"left the study: {mouse.exit.get_reason_display()}"
    if baseline is None:
        yield "no baseline reading"
        return
    volume, low, high = baseline.volume_mm3, study.enrollment_min_mm3, study.enrollment_max_mm3
    if MeasurementStatus.ULCERATED in baseline.statuses:
        yield "tumor ulcerated at baseline"
    if volume is None:
        yield "volume not measured at baseline"
    elif not low <= volume <= high:
        side = "below" if volume < low else "above"
        yield f"{volume:.0f} mm³ is {side} the window of {low:g} to {high:g} mm³"
    floor = study.enrollment_min_weight_g
    if floor is not None and baseline.weight_g is None:
        yield f"no weight at baseline, where {floor:g} g is the least"
    elif floor is not None and baseline.weight_g < floor:
        yield f"{baseline.weight_g:.1f} g is below the {floor:g} g a mouse must weigh"


def _growth_rate(visits: Sequence[_Visit]) -> float | None:
    """Least squares slope of ln volume over days; visits without a tumor to measure are left out."""
    points = [(visit.on.toordinal(), log(visit.volume_mm3)) for visit in visits if visit.volume_mm3]
    if len({day for day, _ in points}) < 2:
        return None
    mean_day = sum(day for day, _ in points) / len(points)
    mean_log = sum(value for _, value in points) / len(points)
    rise = sum((day - mean_day) * (value - mean_log) for day, value in points)
    return rise / sum((day - mean_day) ** 2 for day, _ in points)
