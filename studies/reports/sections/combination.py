"""Combinations against their parts and against what the parts would do together."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Paragraph, Section, Table
from studies.reports.sections.study import Row, Study, confidence, plan, reason_for, rows_of

TITLE = "Combinations"


def section(study: Study, table: pd.DataFrame) -> Section | None:
    combinations = plan(study, "combinations")
    rows = rows_of(study, "synergy")
    if not combinations and not rows:
        return None
    if not rows:
        return Section("combination", TITLE, [Paragraph(reason_for(study, "synergy"))])
    flat: list[Row] = [
        {**row, "parts": " and ".join(row["parts"])} if isinstance(row.get("parts"), list) else row
        for row in rows
    ]
    blocks: list[Block] = []
    conclusions = [f"{row['arm']}: {row['conclusion']}" for row in rows if row.get("conclusion")]
    if conclusions:
        blocks.append(Bullets(list(dict.fromkeys(conclusions))))
    return Section(
        "combination", TITLE, [*blocks, effect_table(study, flat), *other_scales(study), *families(study)]
    )


def other_scales(study: Study) -> list[Block]:
    """The same question on other tools' scales, at the plan's day."""
    day = plan(study, "day")
    rows = [row for row in study.get("synergy_scales") or [] if row["day"] in (None, day)]
    if not rows:
        return []
    columns = [
        Column("arm", "Combination"),
        Column("scale", "Scale"),
        Column("null", "Null"),
        Column("estimate", "Estimate", "estimate"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "estimate"),
        Column("direction", "Direction"),
    ]
    note = (
        "Descriptive, not tested: a null that holds on one scale may fail on another. Every null value is 0."
    )
    return [Table(f"Nulls on other scales, day {words.day(day)}.", columns, rows, note)]


def families(study: Study) -> list[Block]:
    """The order of tests, and which of them confirm."""
    rows = study.get("families") or []
    if not rows:
        return []
    columns = [
        Column("family", "Family"),
        Column("arm", "Arm"),
        Column("control", "Against"),
        Column("question", "Question"),
        Column("p_value", "p", "p"),
        Column("alpha", "Level", "p"),
        Column("gate", "Gate"),
        Column("q_value", "q if exploring", "p"),
    ]
    note = (
        "Each family is opened by the one before it, by that arm's own p (adjusted within F1; F2 one-sided)."
    )
    return [Table("Families of tests.", columns, rows, note)]


def effect_table(study: Study, rows: list[Row]) -> Table:
    """Each combination under each null: the test's estimate and the combination index."""
    level = confidence(study)
    columns = [
        Column("arm", "Combination"),
        Column("null", "Null"),
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
    one_sided = " p under hsa is one-sided." if any(row.get("one_sided") for row in rows) else ""
    note = (
        f"Scale: {'; '.join(scales)}. {'; '.join(directions)}.{one_sided} Index at day {_day(study, rows)}."
    )
    return Table("Combination effects.", columns, rows, note)


def _directions(rows: list[Row]) -> dict[str, str]:
    """What the sign means under each null."""
    return {str(row["null"]): str(row["direction"]) for row in rows if row.get("direction")}


def _day(study: Study, rows: list[Row]) -> str:
    days = sorted({row["day"] for row in rows if row.get("day") is not None})
    return words.joined([words.day(day) for day in days]) or "–"
