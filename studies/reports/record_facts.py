"""What the record of a study tells its report beside the measurements: protocol, animals, drawing, signatures, chains.

While arms go by letters for the viewer, whatever could name an arm or let its drawing be repeated is left out: agents
and doses, the seed, and the free text of deviations, amendments and plans.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from math import exp, log, sqrt
from typing import Any

import pandas as pd
from django.db.models import Count, F, Max

from studies import access
from studies.actions.audit import study_chain
from studies.actions.snapshots import Snapshot
from studies.actions.unlocking import unlocks_told
from studies.frames import ALL_MICE, Viewer, readings
from studies.models import Allocation, Dose, Measurement, PdxModel, Study
from studies.reports.dosing_facts import dosing_facts
from studies.terms import DoseOutcome
from studies.volumes import volume_mm3

Row = dict[str, Any]
TRACKED_GENES = ("MAP2K4", "MAP3K1", "KRAS")


@dataclass(frozen=True)
class _Reader:
    """For whom the facts are told: the arms as the viewer may call them, and whether those are letters."""

    arms: dict[int, str]
    masked: bool


def record_facts(study: Study, viewer: Viewer, table: pd.DataFrame, snapshot: Snapshot) -> Row:
    """The part `record` of the JSON. Raises PermissionError where the arms are closed to the viewer."""
    names = access.arm_names(viewer, study)
    if names is None:
        raise PermissionError(f"the arms of study {study.code} are not open to this viewer")
    return _facts(study, _Reader(names, access.sees_masks(viewer, study)), table, snapshot)


def pooled_facts(study: Study, table: pd.DataFrame, snapshot: Snapshot) -> Row:
    """The same with no arm at all, no status of a gene, and nothing of the doses, whose schedules tell arms."""
    told = _facts(study, _Reader({}, masked=True), table, snapshot)
    return told | {
        "blinding": "blinded: all mice together",
        "pdx_models": [row | {"genes": {}} for row in told["pdx_models"]],
        "animals": told["animals"] | {"dosed": None},
        "dosing": None,
    }


def _facts(study: Study, reader: _Reader, table: pd.DataFrame, snapshot: Snapshot) -> Row:
    return {
        "title": study.title,
        "protocol_number": study.protocol_number,
        "director": str(study.director) if study.director else "",
        "state": study.get_state_display(),
        "blinding": _blinding(study, reader),
        "biomarker": study.biomarker,
        "day0_rule": study.get_day0_rule_display(),
        "schedule_days": study.schedule_days,
        "enrollment": {
            "min_mm3": study.enrollment_min_mm3,
            "max_mm3": study.enrollment_max_mm3,
            "min_weight_g": study.enrollment_min_weight_g,
        },
        "limits": _limits(study),
        "arms": _arms(study, reader),
        "pdx_models": _pdx_models(study),
        "animals": _animals(study),
        "randomization": _randomization(study, reader),
        "exclusions": _exclusions(study, reader),
        "deviations": _deviations(study, reader),
        "reveals": _reveals(study, reader),
        "amendments": _amendments(study, reader),
        "signatures": _signatures(study),
        "plan": _plan(study, reader),
        "snapshot_sha256": snapshot.sha256,
        "chains": [
            {"chain": study_chain(study), "events": snapshot.chain_count, "head": snapshot.chain_head}
        ],
        "quality": _quality(study, table),
        "dosing": dosing_facts(study, reader.arms, masked=reader.masked),
        "welfare": _welfare(study, reader),
    }


def _blinding(study: Study, reader: _Reader) -> str:
    if not study.is_blinded:
        return "open: arms were known throughout"
    return (
        "blinded: arms by letters" if reader.masked else "blinded until the data were locked, then unblinded"
    )


def _limits(study: Study) -> Row | None:
    latest = study.welfare_limits.order_by("-version").first()
    if latest is None:
        return None
    names = (
        "version",
        "volume_cap_mm3",
        "diameter_cap_mm",
        "burden_cap_percent",
        "weight_loss_limit_percent",
    )
    return {name: getattr(latest, name) for name in names}


def _arms(study: Study, reader: _Reader) -> list[Row]:
    allocated = dict(
        Allocation.objects.filter(mouse__study=study).values_list("arm").annotate(n=Count("id")).order_by()
    )
    rows = []
    for arm in study.arms.order_by("position", "name").prefetch_related("arm_agents__agent"):
        if arm.pk not in reader.arms:
            continue
        row: Row = {"arm": reader.arms[arm.pk], "allocated": allocated.get(arm.pk, 0)}
        if not reader.masked:
            row |= {
                "planned_mice": arm.planned_mice,
                "treatment": [_dose(given) for given in arm.arm_agents.all()],
            }
        rows.append(row)
    return sorted(rows, key=lambda row: row["arm"]) if reader.masked else rows


def _dose(given: Any) -> str:
    parts = [str(given), given.get_route_display(), given.get_frequency_display() if given.frequency else ""]
    if given.first_day is not None and given.last_day is not None:
        parts.append(f"day {given.first_day} to {given.last_day}")
    elif given.dosing_days:
        parts.append(f"days {', '.join(map(str, given.dosing_days))}")
    vehicle = f" in {given.vehicle}" if given.vehicle else ""
    return ", ".join(part for part in parts if part) + vehicle


def _pdx_models(study: Study) -> list[Row]:
    models = PdxModel.objects.filter(mice__study=study).distinct().order_by("code")
    passages: dict[int, set[int]] = defaultdict(set)
    for model, number in study.mice.filter(tumors__passage__isnull=False).values_list(
        "pdx_model", "tumors__passage__number"
    ):
        passages[model].add(number)
    genes = dict.fromkeys((*TRACKED_GENES, study.biomarker))
    return [
        {
            "pdx_model": model.code,
            "kind": model.get_kind_display(),
            "cancer_type": model.cancer_type,
            "passages": sorted(passages[model.pk]),
            "genes": {gene: str(model.biomarker_status(gene)) for gene in genes},
        }
        for model in models.prefetch_related("genotype_calls", "status_overrules")
    ]


def _animals(study: Study) -> Row:
    """Mice on their way into the arms, and what they were."""
    mice = study.mice.all()
    implanted = mice.filter(tumors__implanted_on__isnull=False).distinct().count()
    out = mice.filter(allocation=None)
    reasons = {
        "excluded": out.exclude(exclusion=None).count(),
        "left the study first": out.filter(exclusion=None).exclude(exit=None).count(),
        "not drawn": out.filter(exclusion=None, exit=None).count(),
    }

    def counted(field: str) -> dict[str, int]:
        return {
            str(value or "not recorded"): n
            for value, n in Counter(mice.values_list(field, flat=True)).items()
        }

    return {
        "mice": mice.count(),
        "implanted": implanted or None,
        "enrolled": mice.exclude(enrolled_on=None).count() or None,
        "randomized": mice.exclude(allocation=None).count(),
        "dosed": _dosed(study),
        "not_randomized": {reason: n for reason, n in reasons.items() if n},
        "sex": counted("sex"),
        "strain": counted("strain"),
        "supplier": counted("source"),
        "cages": study.cages.count(),
    }


def _dosed(study: Study) -> int | None:
    """Mice that got a dose, whole or in part; None where no dose is on record."""
    doses = Dose.objects.filter(study=study).current()
    if not doses.exists():
        return None
    return doses.exclude(outcome=DoseOutcome.OMITTED).values("mouse").distinct().count()


def _randomization(study: Study, reader: _Reader) -> list[Row]:
    rows = []
    for drawn in study.randomizations.select_related("cohort").order_by("made_at"):
        row: Row = {
            "cohort": str(drawn.cohort) if drawn.cohort else "",
            "method": drawn.method.replace("_", " ").replace("pdx", "PDX"),
            "mice": len(drawn.ordered_input),
            "made_at": _stamp(drawn.made_at),
            "algorithm_version": drawn.algorithm_version,
            "code_version": drawn.code_version,
        }
        if not reader.masked:
            plan = drawn.parameters.get("plan", drawn.parameters)
            # The hash covers the arms of earlier cohorts, and few mice lie in few ways.
            row |= {"seed": drawn.seed, "input_sha256": drawn.input_sha256}
            row |= {"strata": list(plan.get("strata") or [])}
        rows.append(row)
    return rows


def _exclusions(study: Study, reader: _Reader) -> list[Row]:
    found = study.mice.exclude(exclusion=None).select_related("exclusion", "allocation")
    return [
        {
            "mouse": mouse.label,
            "arm": reader.arms.get(mouse.allocation.arm_id, "") if hasattr(mouse, "allocation") else "",
            "excluded_at": _stamp(mouse.exclusion.excluded_at),
            **({} if reader.masked else {"reason": mouse.exclusion.reason}),
        }
        for mouse in found.order_by("label")
    ]


def _deviations(study: Study, reader: _Reader) -> list[Row]:
    """What was told as one, and every unlocking of readings after the lock, numbered U1, U2."""
    told = [
        {
            "number": row.number,
            "happened_on": row.happened_on.isoformat(),
            "impact": row.get_impact_display(),
            "mice": row.mice.count(),
            "corrects": row.corrects.number if row.corrects else None,
            **({} if reader.masked else {"what": row.what, "measure": row.measure}),
        }
        for row in study.deviations.select_related("corrects").order_by("number")
    ]
    return told + [
        {
            "number": f"U{one.number}",
            "happened_on": one.unlock.granted_at.date().isoformat(),
            "impact": "data changed after the lock" if one.written else "none: nothing was changed",
            "mice": one.mice,
            "corrects": None,
            **({} if reader.masked else {"what": one.what, "measure": one.outcome}),
        }
        for one in unlocks_told(study, study.unlocks.aggregate(last=Max("ends_at"))["last"])
    ]


def _reveals(study: Study, reader: _Reader) -> Row:
    """Emergency unblindings: how many, and each of them once arms may be read by name."""
    found = study.reveals.select_related("mouse__allocation", "revealed_to", "notified")
    rows = [
        {
            "mouse": row.mouse.label,
            "arm": reader.arms.get(row.mouse.allocation.arm_id, ""),
            "revealed_at": _stamp(row.revealed_at),
            "revealed_to": str(row.revealed_to),
            "notified": str(row.notified),
            "reason": row.reason,
        }
        for row in found
    ]
    return {"n": len(rows), "rows": [] if reader.masked else rows}


def _amendments(study: Study, reader: _Reader) -> list[Row]:
    return [
        {
            "number": row.number,
            "in_force_from": row.in_force_from.isoformat(),
            **({} if reader.masked else {"what": row.what, "reason": row.reason}),
        }
        for row in study.amendments.order_by("number")
    ]


def _signatures(study: Study) -> list[Row]:
    return [
        {
            "act": row.get_act_display(),
            "meaning": row.get_meaning_display(),
            "signer": row.signer_name,
            "role": row.signer_role,
            "signed_at": _stamp(row.signed_at),
            "record_sha256": row.record_sha256,
        }
        for row in study.signatures.exclude(act="sheet").order_by("signed_at", "id")
    ]


def _plan(study: Study, reader: _Reader) -> Row | None:
    """The plan first locked, against which the analysis is read, and the versions after it."""
    versions = list(study.analysis_plans.order_by("version"))
    if not versions:
        return None
    locked = next((row for row in versions if row.locked_at), None)
    later = [row for row in versions if locked and row.version > locked.version]
    return {
        "version": versions[-1].version,
        "locked_version": locked.version if locked else None,
        "locked_at": _stamp(locked.locked_at) if locked else None,
        "later": [
            {
                "version": row.version,
                "locked_at": _stamp(row.locked_at),
                **({} if reader.masked else {"reason": row.reason}),
            }
            for row in later
        ],
        "planned": None if locked is None or reader.masked else locked.plan,
    }


def _quality(study: Study, table: pd.DataFrame) -> Row:
    stored = Measurement.objects.filter(session__study=study)
    current = stored.current()
    repeated = _repeat_cv(study)
    return {
        "n_corrected": current.filter(revision__gt=1, is_void=False).count(),
        "n_void": current.filter(is_void=True).count(),
        "n_confirmed_warnings": sum(
            map(len, stored.exclude(confirmations=[]).values_list("confirmations", flat=True))
        ),
        "n_remeasured": repeated[0],
        "remeasure_cv_percent": repeated[1],
        **_missed(study, table),
        "largest_volume_mm3": float(table["volume_mm3"].max()) if table["volume_mm3"].notna().any() else None,
        "days_to_record": _lateness(stored),
    }


def _welfare(study: Study, reader: _Reader) -> list[Row]:
    """Alerts raised while measuring, by arm (by all mice where the reader knows none), rule and level."""
    arms = dict(Allocation.objects.filter(mouse__study=study).values_list("mouse", "arm"))
    found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for mouse, rule, level in study.welfare_alerts.values_list("mouse", "rule", "level"):
        if mouse in arms:
            found[reader.arms.get(arms[mouse], ALL_MICE), rule, level].append(mouse)
    return [
        {"arm": arm, "rule": rule, "level": level, "n": len(mice), "n_mice": len(set(mice))}
        for (arm, rule, level), mice in sorted(found.items())
    ]


def _lateness(stored: Any) -> float | None:
    """The longest time from reading to record, in days, over rows whose reading has a time."""
    longest = stored.filter(observed_at__isnull=False, import_batch=None).aggregate(
        longest=Max(F("recorded_at") - F("observed_at"))
    )["longest"]
    return longest.total_seconds() / 86_400 if longest is not None else None


def _repeat_cv(study: Study) -> tuple[int, float | None]:
    """Visits measured twice, and the coefficient of variation of one volume that they tell, in percent."""
    visits: dict[tuple, list[float]] = defaultdict(list)
    for reading in readings(study):
        if reading.length_mm and reading.width_mm and reading.day is not None:
            volume = (
                volume_mm3(reading.length_mm, reading.width_mm, reading.height_mm, study.volume_formula)
                if _measurable(reading, study)
                else None
            )
            if volume:
                visits[reading.mouse_id, reading.day, reading.tumor_number].append(log(volume))
    twice = [values for values in visits.values() if len(values) > 1]
    if not twice:
        return 0, None
    within = sum(_variance(values) * (len(values) - 1) for values in twice) / sum(len(v) - 1 for v in twice)
    return len(twice), 100 * sqrt(exp(within) - 1)


def _measurable(reading: Any, study: Study) -> bool:
    from studies.volumes import FORMULAS

    return reading.height_mm is not None or not FORMULAS[study.volume_formula].needs_height


def _variance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _missed(study: Study, table: pd.DataFrame) -> Row:
    """Scheduled visits without a volume while the mouse was still followed, by day."""
    days = [float(day) for day in study.schedule_days]
    read = table[table["volume_mm3"].notna()]
    last, seen = read.groupby("mouse")["day"].max(), set(zip(read["mouse"], read["day"], strict=True))
    due = [(mouse, day) for mouse, end in last.items() for day in days if day <= end]
    missed = Counter(day for mouse, day in due if (mouse, day) not in seen)
    return {
        "n_visits_due": len(due),
        "n_visits_missed": sum(missed.values()),
        "missed_by_day": [{"day": day, "n": n} for day, n in sorted(missed.items())],
    }


def _stamp(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else None
