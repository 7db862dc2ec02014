"""Tumor growth inhibition in full: by method, by status, by PDX model and by day."""

import pandas as pd

from studies.plots.tgi_by_day import tgi_by_day
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    arms,
    confidence,
    gene,
    plan,
    rows_of,
    status_column,
    status_words,
)

METHODS = {
    "delta": "delta from mean changes, 100 (1 \N{MINUS SIGN} ΔT/ΔC)",
    "ratio": "ratio from mean volumes, 100 (1 \N{MINUS SIGN} T/C)",
    "rtv": "rtv from mean relative volumes V/V₀",
    "auc": "auc from mean areas under V \N{MINUS SIGN} V₀",
    "model": "model from geometric means at equal baseline",
}
MOST_MODEL_ROWS = 24


def section(study: Study, table: pd.DataFrame) -> Section:
    rows = [row for row in rows_of(study, "tgi") if row["scope"] in ("study", "map2k4")]
    if not rows:
        return Section(
            "tgi", "Tumor growth inhibition", [Paragraph("No day could be found to compare arms at.")]
        )
    blocks: list[Block] = [Paragraph(_day_sentence(study)), method_table(study, rows)]
    if study.get("tgi_by_day"):
        blocks.append(by_day(study))
    blocks += by_model(study)
    return Section("tgi", "Tumor growth inhibition", blocks)


def _day_sentence(study: Study) -> str:
    day, source = words.day(plan(study, "day")), study["plan"]["day"]["from"]
    if source == "given":
        chosen = f"Arms are compared at day {day}, as planned."
    else:
        chosen = (
            f"Arms are compared at day {day}: the last day to which at least 80 % of control mice and half of each "
            "other arm are followed. The rule looks at follow-up only, not at volumes."
        )
    return f"{chosen} Mice gone before are not in n; every mouse has the same weight. TGI is descriptive."


def method_table(study: Study, rows: list[Row]) -> Table:
    """One line an arm and stratum, a column a method: TGI with its interval."""
    groups: dict[tuple, dict] = {}
    for row in rows:
        line = groups.setdefault((row["arm"], row["map2k4_status"]), _counted(study, row))
        line[row["method"]] = _with_interval(row)
    shown = list(groups.values())
    methods = [method for method in METHODS if any(method in line for line in shown)]
    columns = [Column("arm", "Arm")]
    if any(line["stratum"] != "all" for line in shown):
        columns.append(Column("stratum", gene(study)))
    columns += [
        Column("counts", "n of n₀", "aligned"),
        Column("counts_control", "control, n of n₀", "aligned"),
    ]
    columns += [Column(method, f"TGI {method}, %", "aligned") for method in methods]
    notes = sorted({row["note"] for row in rows if row.get("note")})
    meaning = "; ".join(METHODS[method] for method in methods)
    note = f"TGI {meaning}. n of n₀: mice known at the day, of those with a baseline."
    note += f" Notes: {'; '.join(notes)}." if notes else ""
    day = words.day(plan(study, "day"))
    return Table(
        f"TGI at day {day} with {confidence(study)} intervals, by every method.", columns, shown, note
    )


def _with_interval(row: Row) -> str:
    if row["percent"] is None:
        return words.MISSING
    ends = "" if row["ci_low"] is None else f" ({words.interval(row['ci_low'], row['ci_high'], 'percent')})"
    return words.percent(row["percent"]) + ends


def _counted(study: Study, row: Row) -> dict:
    return {
        **row,
        "stratum": status_words(study).get(row["map2k4_status"] or "", "all"),
        "counts": f"{row['n']} of {row['n_baseline']}",
        "counts_control": f"{row.get('n_control', 0)} of {row.get('n_baseline_control', 0)}",
    }


def by_day(study: Study) -> Figure:
    caption = (
        f"TGI from mean changes at every visit day, with {confidence(study)} Fieller intervals as bands where they are "
        "bounded, so that no day is picked by its result. Thin where fewer than half of the arm's or control's mice "
        "with a baseline are known."
    )
    alt = "Line chart of TGI by day and arm; the numbers are in the sheet tgi_by_day of tables.xlsx."
    day = plan(study, "day")
    return Figure("tgi-by-day", caption, alt, lambda: tgi_by_day(study["tgi_by_day"], arms(study), day))


def by_model(study: Study) -> list[Block]:
    """TGI of each PDX model where they are few; one mouse an arm has no interval."""
    rows = rows_of(study, "tgi", method="delta", scope="pdx_model")
    if not rows or study["input"]["models"] == 1:
        return []
    if len(rows) > MOST_MODEL_ROWS:
        models = words.counted(study["input"]["models"], "PDX model")
        return [Paragraph(f"TGI of each of {models} is in the sheet tgi of tables.xlsx.", "quiet")]
    columns = [
        Column("pdx_model", "PDX model"),
        status_column(study),
        Column("arm", "Arm"),
        Column("percent", "TGI %", "percent"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "percent"),
        Column("counts", "n of n₀"),
        Column("counts_control", "control, n of n₀"),
        Column("note", "Note"),
    ]
    return [
        Heading("By PDX model"),
        Table("TGI delta within each PDX model.", columns, [_counted(study, row) for row in rows]),
    ]
