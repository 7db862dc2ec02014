"""Where every mouse went: into the arms, out of the study, into each analysis."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from studies.plots.mice_by_day import mice_by_day
from studies.reports import words
from studies.reports.blocks import Block, Column, Facts, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, arms, in_arm_order, plan, record
from studies.terms import ExitReason

DAYS_IN_TABLE = 10


def section(study: Study, table: pd.DataFrame) -> Section:
    day = plan(study, "day")
    figure = Figure(
        "mice-by-day",
        "Mice not yet past their last reading."
        + (f" Dashed line: day {words.day(day)}, at which arms are compared." if day is not None else ""),
        "Steps of the number of mice followed by day and arm; the table below has the numbers.",
        lambda: [mice_by_day(study["arms"], day)],
    )
    blocks: list[Block] = [*before_arms(study), arm_flow(study), exits(study)]
    return Section(
        "flow",
        "Flow of animals",
        [*blocks, Heading("Mice by day"), figure, count_table(study), *dropped(study)],
    )


def before_arms(study: Study) -> list[Block]:
    """From implantation to the drawing, where the record tells it."""
    animals = record(study).get("animals")
    if not animals:
        text = "Implantation, enrollment and randomization are not told by a file; the flow begins with the mice in it."
        return [Paragraph(text, "quiet")]
    left = "; ".join(f"{reason} {n}" for reason, n in animals["not_randomized"].items()) or "none"
    names = ("implanted", "enrolled", "randomized", "dosed")
    pairs = [(name.capitalize(), words.cell(animals[name], "count")) for name in names]
    drawn = record(study)["randomization"]
    how = [
        f"{row['mice']} mice by {row['method']}"
        + _within(row)
        + (f", seed {row['seed']}" if row.get("seed") else "")
        + f", {row['made_at']}"
        for row in drawn
    ]
    return [Facts([*pairs, ("Not randomized", left), ("Drawn", "; ".join(how) or "no drawing on record")])]


def _within(drawn: Mapping[str, Any]) -> str:
    """The strata of a drawing, where its method's name does not tell them."""
    strata = [name.replace("_", " ").replace("pdx", "PDX") for name in drawn.get("strata") or []]
    told = [name for name in strata if name not in drawn["method"]]
    return f" within {words.joined(told)}" if told else ""


def arm_flow(study: Study) -> Table:
    analyses = list(dict.fromkeys(name for row in study["flow"] for name in row["analyzed"]))
    rows = [
        {**row, **{f"in {name}": row["analyzed"].get(name) for name in analyses},
         "exited": sum(exit["n"] for exit in row["exits"] if exit["reason"] != ExitReason.SCHEDULED_END),
         "completed": sum(exit["n"] for exit in row["exits"] if exit["reason"] == ExitReason.SCHEDULED_END)}
        for row in in_arm_order(study, study["flow"])
    ]  # fmt: skip
    columns = [
        Column("arm", "Arm"),
        Column("n_mice", "In the arm", "count"),
        Column("n_baseline", "With a baseline", "count"),
        Column("exited", "Left early", "count"),
        Column("completed", "To the scheduled end", "count"),
        Column("n_no_exit", "No exit recorded", "count"),
        *(Column(f"in {name}", f"In {name}", "count") for name in analyses),
    ]
    if not analyses:
        return Table("Mice by arm, from allocation on.", columns, rows)
    note = "The last columns are the mice of each analysis; a mouse without a known volume at the day is not in TGI. "
    note += "A dash: the analysis gives no number for the arm itself."
    return Table("Mice by arm, from allocation to each analysis.", columns, rows, note)


def exits(study: Study) -> Block:
    rows = [
        {
            "arm": row["arm"],
            "reason": ExitReason(exit["reason"]).label,
            "n": exit["n"],
            "days": _days(exit["days"]),
        }
        for row in in_arm_order(study, study["flow"])
        for exit in row["exits"]
        if exit["reason"] != ExitReason.SCHEDULED_END
    ]
    if not rows:
        return Paragraph("No mouse is recorded to have left before the scheduled end.")
    columns = [Column("arm", "Arm"), Column("reason", "Left for"), Column("n", "Mice", "count"),
               Column("days", "Day of the last reading")]  # fmt: skip
    return Table("Early exits by reason.", columns, rows)


def _days(days: list[float]) -> str:
    shown = ", ".join(words.day(day) for day in days[:12])
    return shown + (", …" if len(days) > 12 else "") or words.MISSING


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


def dropped(study: Study) -> list[Block]:
    read = study["input"]
    blocks: list[Block] = [Heading("What was read and what was left out")]
    blocks.append(
        Facts(
            [
                ("File", str(read.get("file", "record of the study"))),
                ("Rows read", words.fixed(read["rows"], 0)),
            ]
        )
    )
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
