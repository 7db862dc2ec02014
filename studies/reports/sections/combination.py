"""Combinations against their parts and against what the parts would do together."""

import pandas as pd

from studies.plots.synergy_curve import synergy_curve
from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    confidence,
    gene,
    plan,
    reason_for,
    rows_of,
    status_column,
    status_words,
)

TITLE = "Combinations"
NULLS = {"bliss": "Bliss", "hsa": "better part (HSA)", "response_additivity": "response additivity"}


def section(study: Study, table: pd.DataFrame) -> Section | None:
    combinations = plan(study, "combinations")
    rows = rows_of(study, "synergy")
    if not combinations and not rows:
        return None
    if not rows:
        return Section("combination", TITLE, [Paragraph(reason_for(study, "synergy"))])
    flat: list[Row] = [
        {**row, "null_told": NULLS.get(row["null"], row["null"]), "stratum": _stratum(study, row)}
        for row in rows
        if row["scope"] != "pdx_model"
    ]
    blocks: list[Block] = [Bullets([conclusion(row) for row in flat if row.get("conclusion")])]
    if len(flat) < len(rows):
        blocks.append(Paragraph("Each PDX model alone is in the sheet synergy of tables.xlsx.", "quiet"))
    return Section(
        "combination",
        TITLE,
        [*blocks, effect_table(study, flat), *curve(study), *against_parts(study), *other_scales(study)],
    )


def conclusion(row: Row) -> str:
    """What one null allows to be said of one combination in one stratum."""
    p = f" ({words.p_phrase(row['p_value'])})" if row.get("p_value") is not None else ""
    explored = ", exploratory" if row.get("exploratory") else ""
    return f"{row['arm']}, {row['stratum']}, {row['null_told']}: {row['conclusion']}{p}{explored}."


def _stratum(study: Study, row: Row) -> str:
    return status_words(study)[row["map2k4_status"]] if row.get("map2k4_status") else "all PDX models"


def other_scales(study: Study) -> list[Block]:
    """The same question on other tools' scales, at the plan's day."""
    day = plan(study, "day")
    rows = [
        {**row, "null_told": NULLS.get(row["null"], row["null"])}
        for row in study.get("synergy_scales") or []
        if row["day"] in (None, day)
    ]
    if not rows:
        return []
    columns = [
        Column("arm", "Combination"),
        Column("scale", "Scale"),
        Column("null_told", "Null"),
        Column("estimate", "Estimate", "estimate"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "estimate"),
        Column("direction", "Direction"),
    ]
    note = (
        "Descriptive, not tested: a null that holds on one scale may fail on another. Every null value is 0."
    )
    return [Table(f"Nulls on other scales, day {words.day(day)}.", columns, rows, note)]


def curve(study: Study) -> list[Block]:
    rows = study.get("synergy_curve") or []
    if not rows:
        return []
    caption = (
        f"Combination index by day with pointwise {confidence(study)} intervals (bands), from the mixed model; 1 is "
        "what the null expects. It describes: no day of it is tested, and the planned day is marked."
    )
    alt = "Line charts of the combination index by day; the numbers are in the sheet synergy_curve of tables.xlsx."
    day = plan(study, "day")
    return [Figure("combination-index", caption, alt, lambda: synergy_curve(rows, study["arms"], day))]


def against_parts(study: Study) -> list[Block]:
    """Each combination against its parts within a status, the study's question first."""
    rows = (study.get("map2k4") or {}).get("combination_against_parts") or []
    if not rows:
        return []
    columns = [
        status_column(study),
        Column("arm", "Combination"),
        Column("control", "Against"),
        Column("question", "The question", "flag"),
        Column("n_models", "PDX models", "count"),
        Column("estimate", "Difference of growth rates", "estimate"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "estimate"),
        Column("df", "df", "df"),
        Column("p_value", "p", "p"),
        Column("tgi_percent", "TGI %", "percent"),
        Column(("tgi_ci_low", "tgi_ci_high"), f"{confidence(study)} interval", "percent"),
    ]
    targets = " or ".join(sorted({row["inhibits"] for row in rows if row["question"]}))
    question = f" The question: the combination against the {targets} inhibitor alone." if targets else ""
    note = f"TGI against the part, not the control.{question}"
    sentences = [
        question_sentence(row, study) for row in rows if row["question"] and row["estimate"] is not None
    ]
    return [
        Heading(f"Against its parts, by {gene(study)} status"),
        *([Bullets(sentences)] if sentences else []),
        Table("Combination against each part within a status.", columns, rows, note),
    ]


def question_sentence(row: Row, study: Study) -> str:
    """What the combination adds to one of its parts within one status, as far as its interval goes."""
    interval = f"{confidence(study)} interval {words.interval(row['ci_low'], row['ci_high'], 'estimate')}"
    status = status_words(study)[row["map2k4_status"]]
    if row["ci_high"] is not None and row["ci_high"] < 0:
        said = f"tumors grew slower than under {row['control']} alone"
    elif row["ci_low"] is not None and row["ci_low"] > 0:
        said = f"tumors grew faster than under {row['control']} alone"
    else:
        said = f"no difference from {row['control']} alone is shown"
    case = " One PDX model: a case study." if row["n_models"] == 1 else ""
    return (
        f"Within {status} ({words.counted(row['n_models'], 'PDX model')}), {row['arm']} against {row['control']}: "
        f"{words.significant(row['estimate'])} per day ({interval}, {words.p_phrase(row['p_value'])}): {said}.{case}"
    )


def effect_table(study: Study, rows: list[Row]) -> Table:
    """Each combination under each null: the test's estimate and the combination index."""
    level = confidence(study)
    columns = [
        Column("arm", "Combination"),
        Column("stratum", gene(study)),
        Column("null_told", "Null"),
        Column("against", "Against"),
        Column("estimate", "Estimate", "estimate"),
        Column("se", "SE", "estimate"),
        Column("df", "df", "df"),
        Column(("ci_low", "ci_high"), f"{level} interval", "estimate"),
        Column("p_value", "p", "p"),
        Column("combination_index", "Index", "ratio"),
        Column(("combination_index_ci_low", "combination_index_ci_high"), f"{level} interval", "ratio"),
    ]
    scales = sorted({str(row["scale"]) for row in rows if row.get("scale")})
    directions = [f"{null}: {direction}" for null, direction in _directions(rows).items()]
    one_sided = " p under HSA is one-sided." if any(row.get("one_sided") for row in rows) else ""
    note = (
        f"Scale: {'; '.join(scales)}. {'; '.join(directions)}.{one_sided} Index at day {_day(study, rows)}."
    )
    return Table("Combination effects.", columns, rows, note)


def _directions(rows: list[Row]) -> dict[str, str]:
    """What the sign means under each null."""
    return {str(row["null_told"]): str(row["direction"]) for row in rows if row.get("direction")}


def _day(study: Study, rows: list[Row]) -> str:
    days = sorted({row["day"] for row in rows if row.get("day") is not None})
    return words.joined([words.day(day) for day in days]) or "–"
