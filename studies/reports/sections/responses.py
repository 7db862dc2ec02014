"""Response of each mouse by mRECIST: rates by arm and status, and the waterfall."""

import pandas as pd

from studies.plots.swimmer import MOST_MICE, swimmer
from studies.plots.waterfall import waterfall
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    altered,
    arms,
    biomarker_names,
    confidence,
    gene,
    in_arm_order,
    plan,
    rows_of,
    status_words,
)

MOST_MICE_LISTED = 48


def section(study: Study, table: pd.DataFrame) -> Section:
    rates = rows_of(study, "response_rates")
    if not study.get("responses"):
        return Section("responses", "Response", [Paragraph("No mouse could be judged.")])
    blocks: list[Block] = [
        Paragraph(_rule(rates)),
        rate_table(study, rates),
        waterfall_figure(study),
        *swimmer_figure(study, table),
        *compared(study),
        *each_mouse(study),
    ]
    return Section("responses", "Response", blocks)


def _rule(rates: list[Row]) -> str:
    named = next((row["implementation"] for row in rates if row.get("implementation")), "mRECIST")
    return (
        f"{named}. From day 10 on: PD unless best response < 35 % and best average < 30 % (SD), < \N{MINUS SIGN}50 % "
        "and < \N{MINUS SIGN}20 % (PR), < \N{MINUS SIGN}95 % and < \N{MINUS SIGN}40 % (CR). NE: not evaluable."
    )


def rate_table(study: Study, rates: list[Row]) -> Table:
    shown = [
        {**row, "stratum": status_words(study).get(row["map2k4_status"] or "", "all")}
        for row in rates
        if row["scope"] in ("study", "map2k4")
    ]
    level = confidence(study)
    columns = [Column("arm", "Arm")]
    if any(row["scope"] == "map2k4" for row in shown):
        columns.append(Column("stratum", gene(study)))
    columns += [
        Column("n", "Mice", "count"),
        *(Column(word, word, "count") for word in ("CR", "PR", "SD", "PD", "NE")),
    ]
    columns += [
        Column("orr_percent", "ORR %", "percent"),
        Column(("orr_ci_low", "orr_ci_high"), f"{level} interval", "percent"),
        Column("dcr_percent", "DCR %", "percent"),
        Column(("dcr_ci_low", "dcr_ci_high"), f"{level} interval", "percent"),
    ]
    note = "Rates of all mice, NE counting as no response; Wilson intervals treat mice as independent."
    return Table("Responses by arm.", columns, shown, note)


def compared(study: Study) -> list[Block]:
    """Rates against the control's, and how the rules of response disagree."""
    tests = rows_of(study, "response_tests", scope="study")
    blocks: list[Block] = []
    if tests:
        columns = [
            Column("arm", "Arm"),
            Column("control", "Against"),
            Column("orr_difference_percent", "ORR less control's, % points", "percent"),
            Column("orr_p_value", "p, ORR (Fisher)", "p"),
            Column("dcr_p_value", "p, DCR (Fisher)", "p"),
            Column("trend_p_value", "p, trend (Cochran-Armitage)", "p"),
            Column("n_tumor_free", "Tumor-free", "count"),
        ]
        note = "p values are unadjusted and treat mice as independent. Tumor-free: below the limit of detection at the "
        note += "last two visits and in the study to its end."
        blocks.append(Table("Responses against the control.", columns, tests, note))
    if pairs := study.get("response_discordance"):
        columns = [
            Column("first", "Rule"),
            Column("second", "Other rule"),
            Column("n", "Mice judged by both", "count"),
            Column("n_agree", "Agree", "count"),
            Column("percent_discordant", "Disagree, %", "percent"),
        ]
        note = "Agreement on response, stable disease or progression. PPTC is called by its 100 mm³ line only from a "
        note += "baseline of 200 mm³ on; below, the line is the limit of detection (modified)."
        told = [
            {**row, "first": words.spoken(row["first"]), "second": words.spoken(row["second"])}
            for row in pairs
        ]
        blocks.append(Table("The same mice by other rules.", columns, told, note))
    return blocks


def waterfall_figure(study: Study) -> Figure:
    names = [arm["arm"] for arm in arms(study)]
    rows = study["responses"]
    clipped = sum((row["best_average_response_percent"] or 0) > 150 for row in rows)
    missing = sum(row["best_average_response_percent"] is None for row in rows)
    caption = (
        "Best average response of each mouse (bars, by category) and best response (dots). Lines are the limits of the "
        "categories: dashed for the average (+30, \N{MINUS SIGN}20, \N{MINUS SIGN}40), dotted for the best response "
        f"(+35, \N{MINUS SIGN}50, \N{MINUS SIGN}95).{_marks(study, 'below')}"
    )
    if clipped:
        caption += f" {words.counted(clipped, 'bar')} past +150 % cut, with the value or a wedge above."
    if missing:
        caption += f" {words.counted(missing, 'mouse', 'mice')} without a value not drawn."
    alt = "Waterfall charts, one an arm: " + "; ".join(
        _in_words(row) for row in rows_of(study, "response_rates", scope="study")
    )
    return Figure("waterfall", caption, alt, lambda: waterfall(rows, names, biomarker=biomarker_names(study)))


def swimmer_figure(study: Study, table: pd.DataFrame) -> list[Block]:
    rows, dosing = study["responses"], plan(study, "dosing")
    if len(rows) > MOST_MICE:
        return [
            Paragraph(f"Time on study of {len(rows)} mice is in the sheets responses and growth.", "quiet")
        ]
    caption = (
        "Time on study of each mouse, colored by mRECIST category: dot, day of the best response; mark at the end, "
        f"why it left.{_marks(study, 'at the left')}"
    )
    caption += f" Gray: dosing, day {words.day(dosing[0])} to {words.day(dosing[1])}." if dosing else ""
    alt = f"Swimmer chart of {len(rows)} mice by arm; the numbers are in the sheet responses of tables.xlsx."
    return [
        Figure(
            "swimmer",
            caption,
            alt,
            lambda: swimmer(rows, table, study["arms"], dosing, biomarker=biomarker_names(study)),
        )
    ]


def _marks(study: Study, place: str) -> str:
    """What the marks of status say, where the status of any mouse is known."""
    known = {row["map2k4_status"] for row in study["responses"]} & {"loss_of_function", "wild_type"}
    return f" Marks {place}: {gene(study)} {altered(study)} filled, wild type open." if known else ""


def _in_words(row: Row) -> str:
    counts = ", ".join(f"{row[word]} {word}" for word in ("CR", "PR", "SD", "PD", "NE") if row[word])
    return f"{row['arm']}: {counts}"


def each_mouse(study: Study) -> list[Block]:
    rows = study["responses"]
    if len(rows) > MOST_MICE_LISTED:
        text = f"The response of each of {len(rows)} mice is in the sheet responses of tables.xlsx."
        return [Paragraph(text, "quiet")]
    columns = [
        Column("mouse", "Mouse"),
        Column("pdx_model", "PDX model"),
        Column("arm", "Arm"),
        Column("category", "Category"),
        Column("best_response_percent", "Best, %", "percent"),
        Column("best_response_day", "Day", "day"),
        Column("best_average_response_percent", "Best average, %", "percent"),
        Column("best_average_response_day", "Day", "day"),
        Column("reason", "Why not evaluable"),
    ]
    if not any(row.get("reason") for row in rows):
        columns.pop()
    return [Heading("Each mouse"), Table("Response of each mouse.", columns, in_arm_order(study, rows))]
