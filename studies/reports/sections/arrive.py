"""ARRIVE 2.0, the Essential 10 (Percie du Sert et al. 2020, PLoS Biol 18:e3000410), filled from the record."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Column, Section, Table
from studies.reports.sections.design import performed_told, target_told
from studies.reports.sections.study import (
    Study,
    arms,
    gene,
    plan,
    record,
    target,
)

UNTOLD = "not told by a file: to be added by the authors"


def section(study: Study, table: pd.DataFrame) -> Section:
    columns = [Column("item", "Item"), Column("told", "What this study reports"), Column("where", "Section")]
    note = "What the record does not hold is named as missing, not filled in."
    return Section(
        "arrive", "ARRIVE 2.0 checklist", [Table("The Essential 10.", columns, items(study), note)]
    )


def items(study: Study) -> list[dict[str, str]]:
    rows = [
        ("1 Study design", _design(study), "Design"),
        ("2 Sample size", _size(study), "Design; Flow of animals"),
        ("3 Inclusion and exclusion", _criteria(study), "Flow of animals; Data quality"),
        ("4 Randomization", _drawing(study), "Flow of animals; Baseline"),
        ("5 Blinding", record(study).get("blinding") or UNTOLD, "What was analyzed"),
        ("6 Outcome measures", _outcome(study), "Mixed model; Tumor growth inhibition"),
        ("7 Statistical methods", _methods(study), "Methods; Mixed model; Multiplicity"),
        ("8 Experimental animals", _animals(study), "Design"),
        ("9 Experimental procedures", _procedures(study), "Design"),
        (
            "10 Results",
            "effects with intervals and exact n for each arm and analysis",
            "Summary and those after it",
        ),
    ]
    return [{"item": item, "told": told, "where": where} for item, told, where in rows]


def _design(study: Study) -> str:
    models = study["input"]["models"]
    unit = (
        f"the mouse within a PDX model, the PDX model for {gene(study)} status" if models > 1 else "the mouse"
    )
    names = words.joined([arm["arm"] for arm in arms(study)[:8]])
    more = " and more" if len(study["arms"]) > 8 else ""
    groups = words.counted(len(study["arms"]), "group")
    return f"{groups}: {names}{more}; control {plan(study, 'control')}; experimental unit: {unit}"


def _size(study: Study) -> str:
    if declared := target(study):
        return f"{target_told(declared)}. Performed: {performed_told(study, declared)}"
    counts = ", ".join(f"{arm['arm']} {arm['n_mice']}" for arm in arms(study)[:12])
    told = [row.get("planned_mice") for row in record(study).get("arms") or []]
    planned = f"; planned {sum(n for n in told if n)}" if any(told) else "; how it was decided: " + UNTOLD
    return f"{words.counted(study['input']['mice'], 'mouse', 'mice')} in all ({counts}){planned}"


def _criteria(study: Study) -> str:
    told = record(study)
    if not told:
        return UNTOLD
    window = told["enrollment"]
    out = words.counted(len(told["exclusions"]), "mouse", "mice")
    excluded = (
        f"{out} excluded after that, each with its reason"
        if told["exclusions"]
        else "no mouse excluded after"
    )
    return f"enrolled from {window['min_mm3']:g} to {window['max_mm3']:g} mm³; {excluded}"


def _drawing(study: Study) -> str:
    told = record(study)
    if not told:
        return UNTOLD
    drawn = [
        f"{row['method']}" + (f" (seed {row['seed']})" if row.get("seed") else "")
        for row in told["randomization"]
    ]
    return "; ".join(dict.fromkeys(drawn)) or "no randomization on record: to be added by the authors"


def _outcome(study: Study) -> str:
    estimand = {"slope": "growth rate of ln volume", "egait": "growth over the window (eGaIT)",
                "day_difference": "ln volume at the day"}.get(plan(study, "primary")["estimand"], "")  # fmt: skip
    day = plan(study, "day")
    at = f"; TGI at day {words.day(day)}" if day is not None else ""
    return f"primary: {estimand} against the control{at}; others: response, time to event, body weight"


def _methods(study: Study) -> str:
    fit = study.get("mixed_model")
    checked = "residuals and random effects by QQ plots" if fit and fit.get("diagnostics") else "none fitted"
    versions = study["versions"]
    return (
        f"{fit['formula'] if fit else 'no mixed model could be fitted'}; assumptions checked: {checked}; "
        f"Python {versions['python']}, SciPy {versions['scipy']}"
    )


def _animals(study: Study) -> str:
    told = record(study).get("animals")
    if not told:
        return UNTOLD

    def counted(field: str) -> str:
        return ", ".join(f"{value} {n}" for value, n in told[field].items())

    facts = "; ".join(f"{field}: {counted(field)}" for field in ("strain", "sex", "supplier"))
    return f"mouse; {facts}; {words.counted(told['cages'], 'cage')}"


def _procedures(study: Study) -> str:
    given = [
        f"{row['arm']}: {'; '.join(row['treatment'])}"
        for row in record(study).get("arms") or []
        if row.get("treatment")
    ]
    return ". ".join(given) or (
        UNTOLD if not record(study) else "treatments withheld while arms go by letters"
    )
