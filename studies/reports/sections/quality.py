"""How well the study was read: detection, repeats, warnings, missed visits, hands; and what did not go by protocol."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Facts, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, in_arm_order, record


def section(study: Study, table: pd.DataFrame) -> Section:
    found = study["data_quality"]
    columns = [
        Column("arm", "Arm"),
        Column("n_readings", "Volumes", "count"),
        Column("n_below_lod", "Below detection", "count"),
        Column("percent_below_lod", "%", "percent"),
        Column("n_not_palpable", "Not palpable", "count"),
        Column("n_without_volume", "Rows without a volume", "count"),
        Column("n_weights", "Weights", "count"),
    ]
    blocks: list[Block] = [
        Table("Readings by arm.", columns, in_arm_order(study, found["by_arm"])),
        Facts([*recorded(study), *hands(found)]),
    ]
    return Section("quality", "Data quality", [*blocks, *deviations(study)])


def recorded(study: Study) -> list[tuple[str, str]]:
    told = record(study).get("quality")
    if not told:
        return [("Repeats, corrections, missed visits", "not told by a file")]
    cv, visits = told["remeasure_cv_percent"], words.counted(told["n_remeasured"], "visit")
    missed = ", ".join(f"day {words.day(row['day'])}: {row['n']}" for row in told["missed_by_day"])
    caps = record(study)["limits"]
    largest = words.cell(told["largest_volume_mm3"], "mm3") + " mm³"
    if caps:
        over = (told["largest_volume_mm3"] or 0) > caps["volume_cap_mm3"]
        largest += f"; the cap of {caps['volume_cap_mm3']:g} mm³ was {'' if over else 'not '}exceeded"
    return [
        (
            "Measured twice",
            f"{visits}; CV of one volume {words.fixed(cv, 1)} %" if cv is not None else "no visit",
        ),
        ("Caliper warnings confirmed", words.fixed(told["n_confirmed_warnings"], 0)),
        ("Readings corrected, voided", f"{told['n_corrected']}, {told['n_void']}"),
        (
            "Scheduled visits missed",
            f"{told['n_visits_missed']} of {told['n_visits_due']}" + (f" ({missed})" if missed else ""),
        ),
        ("Largest tumor", largest),
    ]


def hands(found: dict) -> list[tuple[str, str]]:
    if not found["operators"]:
        return [("Operators", "not recorded")]
    named = ", ".join(f"{row['operator']} {row['n_rows']}" for row in found["operators"][:12])
    changed = words.counted(found["n_mice_read_by_several"], "mouse", "mice")
    return [("Operators and their readings", named), ("Read by more than one", changed)]


def deviations(study: Study) -> list[Block]:
    """What did not go by the protocol, what was amended, who was excluded."""
    told = record(study)
    if not told:
        return []
    blocks: list[Block] = [Heading("Deviations and exclusions")]
    if told["deviations"]:
        columns = [
            Column("number", "No.", "count"),
            Column("happened_on", "On"),
            Column("what", "What"),
            Column("impact", "Impact"),
            Column("measure", "What was done"),
            Column("mice", "Mice", "count"),
        ]
        blocks.append(Table("Deviations from the protocol.", columns, told["deviations"]))
    else:
        blocks.append(Paragraph("No deviation from the protocol is on record."))
    if told["exclusions"]:
        items = [
            f"{row['mouse']} ({row['arm'] or 'no arm'}): {row.get('reason') or 'reason withheld while arms are hidden'}"
            for row in told["exclusions"]
        ]
        blocks += [Bullets(items), Paragraph("The section on sensitivity has the result with them.", "quiet")]
    else:
        blocks.append(Paragraph("No mouse was excluded."))
    return blocks
