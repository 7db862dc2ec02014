"""The whole analysis of one study: a table and a plan in, every number of its report out."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.biomarker import biomarker_section
from studies.analysis.biomarker_status import with_status_of
from studies.analysis.curves import curves_of
from studies.analysis.describe import sections_of
from studies.analysis.errors import AnalysisError
from studies.analysis.inference import fits_by_model, mixed_model, mixed_models_by_model
from studies.analysis.multiplicity import family_rows
from studies.analysis.plan import Plan, check_plan, resolve_plan
from studies.analysis.sensitivity import sensitivity_rows
from studies.analysis.suspects import suspicions
from studies.analysis.synergy import synergy_curve, synergy_of_model, synergy_rows
from studies.analysis.synergy_scales import synergy_scale_rows
from studies.analysis.tables import NormalizedTable, normalize_table
from studies.volumes import DEFAULT_FORMULA

# What follows a long analysis: told the name of each part as it begins, and how much of the whole was before it.
Tell = Callable[[str, float], None]


def unheard(part: str, share: float) -> None:
    """For whoever does not follow."""


PLAIN_KINDS = (str, int, bool, type(None))


@dataclass(frozen=True)
class StudyAnalysis:
    """The analysis of one study. `table` is the long table it rests on; `sections` the parts of its JSON."""

    study: str
    table: pd.DataFrame
    plan: Plan
    sections: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """One study of the JSON: plain numbers, text, lists and dicts; what is not known is None, never
        NaN.
        """
        return plain({"study": self.study, **self.sections})


def analyze_study(
    table: pd.DataFrame | NormalizedTable, plan: Mapping[str, Any] | None = None, tell: Tell = unheard
) -> StudyAnalysis:
    """Analyze one study's table (see `studies.analysis.tables`) by its plan (see
    `studies.analysis.plan`).

    `tell` hears of each part. Refuses a table that holds several studies: analyze each, or pool them first.
    """
    asked = check_plan(plan)
    normalized = normalize_table(table, asked.get("volume_formula") or DEFAULT_FORMULA)
    studies = list(pd.unique(normalized.frame["study"]))
    if len(studies) != 1:
        raise AnalysisError(
            f"the table holds {len(studies)} studies ({', '.join(studies[:5])}): "
            "analyze each alone or pool them"
        )
    resolved = resolve_plan(normalized, asked)
    by_status, gene_notes = with_status_of(normalized.frame, resolved.biomarker)
    normalized = replace(normalized, frame=by_status, notes=(*normalized.notes, *gene_notes))
    everyone = normalized.frame
    normalized = _without_excluded(normalized, resolved)
    frame = normalized.frame.assign(role=normalized.frame["arm"].map(resolved["roles"]))
    notes = [*normalized.notes, *resolved.notes, *suspicions(frame)]
    sections = {
        "input": _input(normalized, frame),
        "plan": resolved.to_dict(),
        "arms": _arms(frame, resolved),
        **_results(frame, everyone, resolved, notes, tell),
        "notes": notes,
        "versions": versions(),
    }
    return StudyAnalysis(studies[0], frame, resolved, sections)


def _results(
    frame: pd.DataFrame, everyone: pd.DataFrame, plan: Plan, notes: list[str], tell: Tell
) -> dict[str, Any]:
    tell("the mixed model", 0.0)
    curves = curves_of(frame)
    if not len(curves):
        raise AnalysisError("the table holds no volume")
    model, fit = mixed_model(frame, plan, notes)
    contrasts = model["contrasts"] if model else []
    tell("each PDX model alone", 0.2)
    by_model = fits_by_model(frame, plan, fit)
    own = synergy_rows(fit, plan, contrasts, notes)
    if frame["pdx_model"].nunique() > 1:
        for scope, single in by_model:
            if not isinstance(single, str):
                own += synergy_of_model(single, plan, scope["pdx_model"], scope["map2k4_status"])
    tell("the biomarker", 0.3)
    biomarker = biomarker_section(frame, plan, fit, contrasts, notes, own)
    tell("response, survival and weight", 0.4)
    described = sections_of(frame, curves, plan)
    tell("sensitivity", 0.7)
    sensitivity = sensitivity_rows(frame, everyone, plan, fit)
    return {
        **described,
        "mixed_model": model,
        "mixed_models_by_model": mixed_models_by_model(by_model, plan, fit, model),
        "map2k4": biomarker,
        "synergy": own,
        "synergy_curve": synergy_curve(own, plan["window"]),
        "synergy_scales": synergy_scale_rows(curves, plan),
        "families": family_rows(contrasts, own, biomarker["interaction"], plan),
        "sensitivity": sensitivity,
    }


def _without_excluded(table: NormalizedTable, plan: Plan) -> NormalizedTable:
    reasons = {row["mouse"]: row["reason"] for row in plan["exclusions"]}
    if not reasons:
        return table
    out = table.frame["mouse"].isin(list(reasons))
    dropped = [
        {
            "reason": f"mouse excluded by the plan: {reason}",
            "rows": int((table.frame["mouse"] == mouse).sum()),
            "examples": [mouse],
        }
        for mouse, reason in reasons.items()
    ]
    return replace(table, frame=table.frame[~out].reset_index(drop=True), dropped=(*table.dropped, *dropped))


def _input(table: NormalizedTable, frame: pd.DataFrame) -> dict[str, Any]:
    unread = int(frame["volume_mm3"].isna().sum())
    dropped = list(table.dropped)
    if unread:
        dropped.append(
            {"reason": "rows without a volume take no part in the statistics", "rows": unread, "examples": []}
        )
    return {
        "rows": table.rows,
        "mice": int(frame["mouse"].nunique()),
        "models": int(frame["pdx_model"].nunique()),
        "sha256": hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest(),
        "dropped": dropped,
    }


def _arms(frame: pd.DataFrame, plan: Plan) -> list[dict[str, Any]]:
    days = np.unique(frame.loc[frame["volume_mm3"].notna(), "day"])
    return [_arm(arm, role, frame[frame["arm"] == arm], plan, days) for arm, role in plan["roles"].items()]


def _arm(arm: str, role: str, rows: pd.DataFrame, plan: Plan, days: np.ndarray) -> dict[str, Any]:
    read = rows[rows["volume_mm3"].notna()]
    last = read.groupby("mouse")["day"].max().to_numpy()
    measured = read["day"].value_counts()
    return {
        "arm": arm,
        "role": role,
        "control": None if arm == plan["control"] else plan.control_of(arm),
        "n_mice": int(rows["mouse"].nunique()),
        "n_models": int(rows["pdx_model"].nunique()),
        "n_by_day": [
            {"day": float(day), "n": int((last >= day).sum()), "n_measured": int(measured.get(day, 0))}
            for day in days
        ],
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries whose numbers these are."""
    from importlib.metadata import version
    from platform import python_version

    return {"python": python_version()} | {
        name: version(name) for name in ("numpy", "pandas", "scipy", "patsy")
    }


def plain(value: Any) -> Any:
    """JSON's own kinds: NumPy numbers as Python's, NaN and infinities as None, tuples as lists."""
    if type(value) in PLAIN_KINDS:  # nearly all of them
        return value
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    raise TypeError(f"{type(value).__name__} has no place in the JSON")
