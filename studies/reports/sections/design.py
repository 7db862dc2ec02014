"""What was compared: arms, PDX models, the number of mice by day, and what was left out."""

from collections import Counter

import pandas as pd

from studies.plots.mice_by_day import mice_by_day
from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Facts, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, arms, plan
from studies.volumes import FORMULAS

MOST_MODELS_LISTED = 40
DAYS_IN_TABLE = 10


def section(study: Study, table: pd.DataFrame) -> Section:
    blocks: list[Block] = [
        arm_table(study),
        *model_blocks(table),
        *flow_blocks(study),
        *dropped_blocks(study),
    ]
    return Section("design", "Design and flow", blocks)


def arm_table(study: Study) -> Table:
    columns = [
        Column("arm", "Arm"),
        Column("role", "Role", "role"),
        Column("control", "Compared with"),
        Column("n_mice", "Mice", "count"),
        Column("n_models", "PDX models", "count"),
    ]
    return Table("Arms.", columns, arms(study), "The unit is the mouse; across PDX models, the PDX model.")


def model_blocks(table: pd.DataFrame) -> list[Block]:
    """PDX models by MAP2K4 status, listed one by one where they are few."""
    models = table.groupby("pdx_model", sort=False).agg(
        map2k4_status=("map2k4_status", "first"), n_mice=("mouse", "nunique"), n_arms=("arm", "nunique")
    )
    counted = Counter(models["map2k4_status"])
    parts = [
        f"{words.STATUS_WORDS[status]} in {counted[status]}"
        for status in words.STATUS_WORDS
        if counted[status]
    ]
    sentence = f"MAP2K4 among {words.counted(len(models), 'PDX model')}: {words.joined(parts)}."
    if counted["unknown"] + counted["uncertain"]:
        sentence += " Models of unknown or uncertain status are described and enter no stratum."
    if len(models) == 1:
        [status] = counted
        return [
            Paragraph(f"One PDX model, {models.index[0]}; its MAP2K4 status: {words.STATUS_WORDS[status]}.")
        ]
    if len(models) > MOST_MODELS_LISTED:
        return [Paragraph(sentence)]
    columns = [
        Column("pdx_model", "PDX model"),
        Column("map2k4_status", "MAP2K4", "status"),
        Column("n_mice", "Mice", "count"),
        Column("n_arms", "Arms", "count"),
    ]
    return [Paragraph(sentence), Table("PDX models.", columns, models.reset_index().to_dict("records"))]


def flow_blocks(study: Study) -> list[Block]:
    """Mice still followed, as a figure and at a few days as a table."""
    day = plan(study, "day")
    figure = Figure(
        "mice-by-day",
        "Mice not yet past their last reading."
        + (f" Dashed line: day {words.day(day)}, at which arms are compared." if day is not None else ""),
        "Steps of the number of mice followed by day and arm; the table below has the numbers.",
        lambda: [mice_by_day(study["arms"], day)],
    )
    return [Heading("Mice by day"), figure, count_table(study)]


def count_table(study: Study) -> Table:
    days = _chosen_days(study)
    rows = []
    for arm in arms(study):
        counts = {row["day"]: row["n"] for row in arm["n_by_day"]}
        rows.append({"arm": arm["arm"]} | {str(day): counts.get(day, 0) for day in days})
    columns = [Column("arm", "Arm"), *(Column(str(day), f"Day {words.day(day)}", "count") for day in days)]
    note = "All days are in the sheet n_by_day of tables.xlsx."
    return Table("Mice followed, by day.", columns, rows, note)


def _chosen_days(study: Study) -> list[float]:
    """A few of the visit days, evenly taken, with day 0 and the day of comparison among them."""
    days = sorted({row["day"] for arm in study["arms"] for row in arm["n_by_day"] if row["n"] > 0})
    step = -(-len(days) // DAYS_IN_TABLE)
    chosen = set(days[::step]) | ({plan(study, "day")} & set(days)) | ({0.0} & set(days))
    return sorted(chosen)


def dropped_blocks(study: Study) -> list[Block]:
    read = study["input"]
    blocks: list[Block] = [Heading("What was read and what was left out")]
    pairs = [
        ("File", str(read.get("file", "record of the study"))),
        ("Rows read", words.fixed(read["rows"], 0)),
        ("Volume formula", _formula(study)),
        ("Limit of detection", f"{plan(study, 'lod_mm3'):g} mm³"),
    ]
    blocks.append(Facts(pairs))
    if not read["dropped"]:
        return [
            *blocks,
            Paragraph(
                "No row was left out on reading. What a single analysis leaves out is said beside it and in the notes."
            ),
        ]
    rows = [{**row, "examples": "; ".join(map(str, row.get("examples", [])))} for row in read["dropped"]]
    columns = [
        Column("reason", "Reason"),
        Column("rows", "Rows", "count"),
        Column("examples", "Where (the first few)"),
    ]
    return [*blocks, Table("Left out, with the reason.", columns, rows)]


def _formula(study: Study) -> str:
    formula = FORMULAS[plan(study, "volume_formula")]
    return f"{formula.name}, used where the file holds lengths and no volume"


def assumption_bullets(study: Study) -> Bullets:
    return Bullets(study["notes"])
