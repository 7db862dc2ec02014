"""What a reader must know besides: every note of the analysis, and the plan with where each value came from."""

import json

import pandas as pd

from studies.reports.blocks import Block, Bullets, Column, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study


def section(study: Study, table: pd.DataFrame) -> Section:
    notes = list(study["notes"])
    blocks: list[Block] = [
        Bullets(notes) if notes else Paragraph("The analysis made no notes."),
        Heading("The plan as used"),
    ]
    rows = [
        {"key": key.replace("_", " "), "value": _spoken(entry["value"]), "from": entry["from"]}
        for key, entry in study["plan"].items()
    ]
    columns = [Column("key", "Setting"), Column("value", "Value"), Column("from", "From")]
    note = "given: by the plan; table: told by the data; guessed: from names; default: as documented."
    return Section("notes", "Notes and plan", [*blocks, Table("Settings.", columns, rows, note)])


def _spoken(value: object) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict) and len(value) > 8:
        return f"{len(value)} entries, see analysis.json"
    return json.dumps(value, ensure_ascii=False)
