"""Tumor growth inhibition in full: by method, by MAP2K4 status, by PDX model and by day."""

import pandas as pd

from studies.plots.tgi_by_day import tgi_by_day
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Row, Study, arms, confidence, plan, rows_of

METHODS = {
    "delta": "from mean changes, 100 (1 \N{MINUS SIGN} ΔT/ΔC)",
    "ratio": "from mean volumes, 100 (1 \N{MINUS SIGN} T/C)",
    "rtv": "from mean relative volumes V/V₀",
    "auc": "from mean areas under V \N{MINUS SIGN} V₀",
    "model": "from geometric means at equal baseline",
}
MOST_MODEL_ROWS = 40


def section(study: Study, table: pd.DataFrame) -> Section:
    rows = [row for row in rows_of(study, "tgi") if row["scope"] in ("study", "map2k4")]
    if not rows:
        return Section(
            "tgi", "Tumor growth inhibition", [Paragraph("No day could be found to compare arms at.")]
        )
    blocks: list[Block] = [Paragraph(_day_sentence(study)), *method_tables(study, rows)]
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


def method_tables(study: Study, rows: list[Row]) -> list[Block]:
    columns = [
        Column("arm", "Arm"),
        Column("stratum", "MAP2K4"),
        Column("percent", "TGI %", "percent"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "percent"),
        Column("counts", "n of n₀"),
        Column("counts_control", "control, n of n₀"),
        Column("n_interpolated", "Interpolated", "count"),
        Column("n_models", "PDX models", "count"),
        Column("note", "Note"),
    ]
    tables: list[Block] = []
    for method, meaning in METHODS.items():
        shown = [_counted(row) for row in rows if row["method"] == method]
        kept = [column for column in columns if column.key not in ("note", "stratum") or _says(shown, column)]
        if shown:
            caption = f"TGI {method}: {meaning}, at day {words.day(plan(study, 'day'))}."
            tables.append(
                Table(caption, kept, shown, "n of n₀: mice known at the day, of those with a baseline.")
            )
    return tables


def _says(rows: list[dict], column: Column) -> bool:
    values = {row.get(str(column.key)) for row in rows}
    return bool(values - {None, "", "all"})


def _counted(row: Row) -> dict:
    return {
        **row,
        "stratum": words.STATUS_WORDS.get(row["map2k4_status"] or "", "all"),
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
    if not rows:
        return []
    if len(rows) > MOST_MODEL_ROWS:
        where = f"TGI of each of {words.counted(study['input']['models'], 'PDX model')} is in the sheet tgi of tables.xlsx."
        return [Paragraph(where, "quiet")]
    columns = [
        Column("pdx_model", "PDX model"),
        Column("map2k4_status", "MAP2K4", "status"),
        Column("arm", "Arm"),
        Column("percent", "TGI %", "percent"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "percent"),
        Column("counts", "n of n₀"),
        Column("counts_control", "control, n of n₀"),
        Column("note", "Note"),
    ]
    return [
        Heading("By PDX model"),
        Table("TGI delta within each PDX model.", columns, [_counted(row) for row in rows]),
    ]
