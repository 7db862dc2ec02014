"""Which tests were made, in which order and at which level, so that no p is read outside its family."""

import pandas as pd

from studies.reports.blocks import Column, Paragraph, Section, Table
from studies.reports.sections.study import Study


def section(study: Study, table: pd.DataFrame) -> Section | None:
    rows = study.get("families") or []
    if not rows:
        return None
    columns = [
        Column("family", "Family"),
        Column("arm", "Arm"),
        Column("control", "Against"),
        Column("question", "Question"),
        Column("p_value", "p", "p"),
        Column("alpha", "Level", "p"),
        Column("shown", "Shown", "flag"),
        Column("gate", "Gate"),
        Column("q_value", "q if exploring", "p"),
    ]
    note = (
        "Each family is opened by the one before it, by that arm's own p (adjusted within F1; F2 one-sided). q: "
        "Benjamini and Hochberg's, of tests that only explore."
    )
    text = "Every other p of this report is unadjusted unless its column says so, and describes."
    return Section(
        "multiplicity", "Multiplicity", [Table("Families of tests.", columns, rows, note), Paragraph(text)]
    )
