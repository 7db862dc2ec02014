"""The same question under other assumptions, one a row, the arms beside one another."""

from collections import Counter

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Column, Paragraph, Section, Table
from studies.reports.sections.study import Row, Study, arms, confidence

MOST_ARMS_BESIDE = 4
MOST_REPEATED = 3


def section(study: Study, table: pd.DataFrame) -> Section | None:
    rows = study.get("sensitivity") or []
    if not rows:
        return None
    done = {row["variant"]: None for row in rows if row.get("estimate") is not None}
    names = [arm["arm"] for arm in arms(study) if any(row.get("arm") == arm["arm"] for row in rows)]
    blocks: list[Block] = [Paragraph(_agreement(rows, names))]
    if len(names) <= MOST_ARMS_BESIDE:
        blocks.append(_beside(study, rows, list(done), names))
    else:
        blocks.append(_counted(rows, list(done), len(names)))
    reasons = {row["variant"]: row["note"] for row in rows if row.get("note") and row["variant"] not in done}
    if reasons:
        columns = [Column("variant", "Not made"), Column("note", "Why")]
        left = [
            {"variant": words.spoken(variant), "note": words.spoken(note)}
            for variant, note in reasons.items()
        ]
        blocks.append(Table("Assumptions that change nothing here, or cannot be tried.", columns, left))
    return Section("sensitivity", "Sensitivity", blocks)


def _excludes_zero(row: Row) -> bool | None:
    low, high = row.get("ci_low"), row.get("ci_high")
    return None if low is None or high is None else low > 0 or high < 0


def _agreement(rows: list[Row], names: list[str]) -> str:
    """For each arm, in how many variants the interval is on the primary's side of 0."""
    parts = []
    for name in names[:MOST_ARMS_BESIDE]:
        own = [row for row in rows if row.get("arm") == name and _excludes_zero(row) is not None]
        primary = next((row for row in own if row["variant"] == "primary"), None)
        if primary is None:
            continue
        same = sum(_excludes_zero(row) == _excludes_zero(primary) for row in own) - 1
        said = "excludes" if _excludes_zero(primary) else "includes"
        parts.append(f"{name}: the primary interval {said} 0, and so do {same} of {len(own) - 1} others")
    return f"{'; '.join(parts)}." if parts else "The primary result has no interval to hold others against."


def _beside(study: Study, rows: list[Row], variants: list[str], names: list[str]) -> Table:
    found = {(row["variant"], row.get("arm")): row for row in rows}
    lines = []
    for variant in variants:
        own = [found[variant, name] for name in names if (variant, name) in found]
        notes = dict.fromkeys(str(row["note"]) for row in own if row.get("note"))
        lines.append(
            {
                "variant": words.spoken(variant),
                "note": "; ".join(notes),
                **{row["arm"]: _told(row) for row in own},
            }
        )
    lines, shared = _shared(lines)
    columns = [Column("variant", "Assumption"), *(Column(name, name, "aligned") for name in names)]
    if any(line["note"] for line in lines):
        columns.append(Column("note", "Note"))
    note = (
        f"Difference of growth per day from the control with its {confidence(study)} interval, unadjusted; below 0 is "
        f"slower growth. Formulas, df and p are in the sheet sensitivity of tables.xlsx.{shared}"
    )
    return Table("One assumption changed a row.", columns, lines, note)


def _told(row: Row) -> str:
    ends = _excludes_zero(row)
    interval = "" if ends is None else f" ({words.interval(row['ci_low'], row['ci_high'], 'estimate')})"
    p = f" {words.p_phrase(row['p_value'])}" if ends is None and row.get("p_value") is not None else ""
    return words.significant(row["estimate"]) + interval + p


def _counted(rows: list[Row], variants: list[str], arms_in_all: int) -> Table:
    lines = []
    for variant in variants:
        own = [row for row in rows if row["variant"] == variant and _excludes_zero(row) is not None]
        slower = sum(row["ci_high"] < 0 for row in own)
        faster = sum(row["ci_low"] > 0 for row in own)
        lines.append(
            {"variant": variant, "slower": slower, "faster": faster, "neither": len(own) - slower - faster}
        )
    columns = [
        Column("variant", "Assumption"),
        Column("slower", "Arms shown slower", "count"),
        Column("faster", "Shown faster", "count"),
        Column("neither", "Neither", "count"),
    ]
    note = f"Of {arms_in_all} arms, by unadjusted intervals. Each arm is in the sheet sensitivity of tables.xlsx."
    return Table("One assumption changed a row.", columns, lines, note)


def _shared(lines: list[dict[str, str]]) -> tuple[list[dict[str, str]], str]:
    """A note said of many rows stands below them once: the lines without it, and what is said."""
    notes = Counter(line["note"] for line in lines if line["note"])
    often, count = max(notes.items(), key=lambda pair: pair[1], default=("", 0))
    if count <= MOST_REPEATED:
        return lines, ""
    return [
        line | {"note": ""} if line["note"] == often else line for line in lines
    ], f" Of {count} rows: {often}."
