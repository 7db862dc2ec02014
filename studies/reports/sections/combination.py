"""Combinations against their parts and against what the parts would do together."""

import pandas as pd

from studies.reports.blocks import Block, Bullets, Paragraph, Section
from studies.reports.sections.study import Study, general_table, plan, reason_for, rows_of

TITLE = "Combinations"


def section(study: Study, table: pd.DataFrame) -> Section | None:
    combinations = plan(study, "combinations")
    rows = rows_of(study, "synergy")
    if not combinations and not rows:
        return None
    if not rows:
        return Section("combination", TITLE, [Paragraph(reason_for(study, "synergy"))])
    flat = [
        {**row, "parts": " and ".join(row["parts"])} if isinstance(row.get("parts"), list) else row
        for row in rows
    ]
    blocks: list[Block] = []
    conclusions = [f"{row['arm']}: {row['conclusion']}" for row in rows if row.get("conclusion")]
    if conclusions:
        blocks.append(Bullets(list(dict.fromkeys(conclusions))))
    note = "Each row states its null and scale; descriptive rows carry no test."
    blocks.append(
        general_table(study, "Combination effects.", flat, ("scope", "pdx_model", "conclusion"), note)
    )
    return Section("combination", TITLE, blocks)
