"""How well the study was read: detection, repeats, warnings, missed visits, hands; and what did not go by protocol."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Facts, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, in_arm_order, is_pooled, record


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
    return Section("quality", "Data quality", [*blocks, *dosing(study), *deviations(study)])


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


def dosing(study: Study) -> list[Block]:
    """What was given of what was planned, and whether those who dosed kept from measuring."""
    told = record(study).get("dosing")
    if not told:
        return []
    both = ", ".join(
        f"{row['person']} ({words.counted(row['doses'], 'dose')}, {words.counted(row['readings'], 'reading')})"
        for row in told["did_both"]
    )
    apart = f"not apart: {both} did both" if both else "apart: nobody who dosed measured"
    blocks: list[Block] = [Heading("Dosing"), Facts([("Doser and measurer", apart)])]
    if told["by_arm"]:
        columns = [
            Column("arm", "Arm"),
            Column("n_planned", "Doses planned", "count"),
            Column("n_given", "Given", "count"),
            Column("n_partial", "In part", "count"),
            Column("n_omitted", "Omitted", "count"),
            Column("n_not_recorded", "Not recorded", "count"),
            Column("percent_of_planned", "% of planned dose", "percent"),
        ]
        blocks.append(Table("Doses by arm.", columns, in_arm_order(study, told["by_arm"])))
    return blocks


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
    blocks: list[Block] = [Heading("Deviations and exclusions"), *reveals(told.get("reveals"))]
    if told["deviations"]:
        columns = [
            Column("number", "No."),  # U1, U2 are unlockings after the lock
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
        blocks.append(Bullets(items))
        if not is_pooled(study):
            blocks.append(Paragraph("The section on sensitivity has the result with them.", "quiet"))
    else:
        blocks.append(Paragraph("No mouse was excluded."))
    return blocks


def reveals(told: dict | None) -> list[Block]:
    """Mice unblinded in an emergency; while arms go by letters, how many."""
    if not told:
        return []
    if not told["n"]:
        return [Paragraph("No mouse was unblinded in an emergency.")]
    counted = words.counted(told["n"], "emergency unblinding", "emergency unblindings")
    if not told["rows"]:
        return [Paragraph(f"{counted} took place; mice and arms are named once arms are open.")]
    columns = [
        Column("mouse", "Mouse"),
        Column("arm", "Arm"),
        Column("revealed_at", "When"),
        Column("revealed_to", "Told to"),
        Column("notified", "Second person"),
        Column("reason", "Why"),
    ]
    return [Table("Mice unblinded in an emergency.", columns, told["rows"])]
