"""Growth curves: every mouse, and the means of the arms with their numbers of mice."""

from collections.abc import Sequence

import pandas as pd

from studies.plots.growth_curves import growth_curves, runs_past_axis
from studies.plots.mean_growth import geometric_growth, mean_growth
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    arms,
    biomarker_names,
    confidence,
    gene,
    in_arm_order,
    is_pooled,
    plan,
)

MOST_ROWS = 24


def section(study: Study, table: pd.DataFrame) -> Section:
    blocks: list[Block] = [every_mouse(study, table), means(study), *geometric_means(study)]
    rows = [row for row in study["mean_curves"] if row["map2k4_status"] is None]
    if len(rows) <= MOST_ROWS:
        blocks.append(mean_table(study, rows))
    return Section("growth", "Growth curves", [*blocks, *compared(study)])


def compared(study: Study) -> list[Block]:
    """Growth of arms by single mice's curves, whole curves by exchanged arms, and one day's tests."""
    blocks: list[Block] = []
    level = confidence(study)
    if rows := study.get("growth_comparison"):
        flat = [
            {
                **row,
                "rate": row["growth_rate"]["estimate"],
                "p": row["growth_rate"]["p_value"],
                "rate_low": row["growth_rate"]["ci_low"],
                "rate_high": row["growth_rate"]["ci_high"],
            }
            for row in rows
        ]
        columns = [
            Column("arm", "Arm"),
            Column("control", "Against"),
            Column("n", "Mice", "count"),
            Column("rate", "Rate less control's, per day", "estimate"),
            Column(("rate_low", "rate_high"), f"{level} interval", "estimate"),
            Column("p", "p (Welch)", "p"),
            Column("doubling_time_days", "Doubling time, days", "days"),
        ]
        note = "From single mice's curves, mice with equal weight; p unadjusted."
        blocks += [Table("Growth of arms by single mice's curves.", columns, flat, note), ratios(study, flat)]
    if rows := study.get("permutation_tests"):
        columns = [
            Column("arm", "Arm"),
            Column("control", "Against"),
            Column("statistic", "Mean t", "estimate"),
            Column("p_value", "p", "p"),
            Column("p_adjusted", "p, Holm", "p"),
            Column("arrangements", "Arrangements", "count"),
            Column("smallest_p", "Smallest p possible", "p"),
        ]
        note = "The arms of mice are exchanged within PDX models and blocks, as the randomization could have."
        blocks.append(Table("Whole curves by exchanged arms.", columns, rows, note))
    tested = [{**row, "p_anova": (row["welch"] or {}).get("p_value"), "p_ranks": (row["kruskal"] or {}).get("p_value")}
              for row in study.get("endpoint_tests") or []]  # fmt: skip
    if any(row["p_ranks"] is not None for row in tested):
        columns = [
            Column("pdx_model", "PDX model"),
            Column("day", "Day", "day"),
            Column("p_anova", "p, Welch's analysis of variance of ln V", "p"),
            Column("p_ranks", "p, Kruskal-Wallis", "p"),
            Column("reason", "Note"),
        ]
        if not any(row["reason"] for row in tested):
            columns.pop()
        note = "Arm by arm in the sheets games_howell, dunnett and dunn of tables.xlsx."
        blocks += [Table("Arms on one day.", columns, tested, note), *pairs(study)]
    return [*blocks, *ranked_with_culls(study)]


def ranked_with_culls(study: Study) -> list[Block]:
    """Ranks of one day in which mice culled for their tumor before it count as worst, where any was."""
    rows = [
        {"pdx_model": tested["pdx_model"], "day": tested["day"], **row}
        for tested in study.get("endpoint_tests") or []
        for row in tested.get("worst_rank") or []
    ]
    if not len(rows) <= MOST_ROWS or not any(row["n_culled"] or row["n_culled_control"] for row in rows):
        return []
    columns = [
        Column("pdx_model", "PDX model"),
        Column("day", "Day", "day"),
        Column("arm", "Arm"),
        Column("control", "Against"),
        Column("n", "Mice", "count"),
        Column("n_culled", "of them culled", "count"),
        Column("n_control", "Control mice", "count"),
        Column("n_culled_control", "of them culled", "count"),
        Column("better", "Share of pairs in which the arm's mouse is better", "ratio"),
        Column("p_adjusted", "p, Holm", "p"),
        Column("smallest_p", "Smallest p possible", "p"),
    ]
    note = (
        "Volumes on the day, ranked; a mouse culled for its tumor before it counts as worse than any read, the sooner "
        "the worse. Ties count half; p from exchanging the arms of mice. Mice that left otherwise take no part."
    )
    return [Table("Ranks on one day, culled mice worst.", columns, rows, note)]


def every_mouse(study: Study, table: pd.DataFrame) -> Figure:
    day = plan(study, "day")
    mice, models = study["input"]["mice"], study["input"]["models"]
    behind = "" if is_pooled(study) else "; behind each treated arm its control in gray"
    caption = f"Every mouse, on a log scale{behind}. A volume of 0 stands as none."
    if day is not None:
        caption += f" Dashed line: day {words.day(day)}."
    if runs_past_axis(table):
        caption += " The few longest curves, and long run-ins before day 0, go on beyond the axis."
    alt = (
        f"Line charts of tumor volume by day for {mice} mice of {models} PDX models in {len(study['arms'])} arms, "
        f"a panel an arm and {gene(study)} status."
    )
    return Figure(
        "growth-curves",
        caption,
        alt,
        lambda: growth_curves(table, study["arms"], day, biomarker=biomarker_names(study)),
    )


def means(study: Study) -> Figure:
    caption = (
        "Arithmetic mean and standard error (bars) over mice with a known volume, whose number stands under each day; "
        "between visits volumes are interpolated on the log scale, never extrapolated. Thin dotted where fewer than "
        "80 % of the arm's mice are still followed: from there the mean is that of the mice that remain."
    )
    alt = "Line charts of mean tumor volume by day and arm; the numbers are in the sheet mean_curves of tables.xlsx."
    day = plan(study, "day")
    return Figure(
        "mean-growth",
        caption,
        alt,
        lambda: mean_growth(study["mean_curves"], study["arms"], day, biomarker=biomarker_names(study)),
    )


def geometric_means(study: Study) -> list[Block]:
    if not any(row["geometric_mean_mm3"] for row in study["mean_curves"]):
        return []
    caption = (
        "Geometric means with 95 % intervals (bars) on a log scale, the scale of the tests; the interval is of the "
        "mean, not of mice. A mean stops where a volume is 0. Numbers and dotted lines as before."
    )
    alt = "Line charts of geometric mean volume by day and arm; the numbers are in the sheet mean_curves."
    day = plan(study, "day")
    return [
        Figure(
            "geometric-means",
            caption,
            alt,
            lambda: geometric_growth(
                study["mean_curves"], study["arms"], day, biomarker=biomarker_names(study)
            ),
        )
    ]


def mean_table(study: Study, rows: list) -> Table:
    order = {arm["arm"] for arm in arms(study)}
    columns = [
        Column("arm", "Arm"),
        Column("day", "Day", "day"),
        Column("n", "n", "count"),
        Column("mean_mm3", "Mean, mm³", "mm3"),
        Column("sem_mm3", "SEM, mm³", "mm3"),
        Column("geometric_mean_mm3", "Geometric mean, mm³", "mm3"),
        Column(("ci_low", "ci_high"), "95 % interval, mm³", "mm3"),
    ]
    shown = in_arm_order(study, [row for row in rows if row["arm"] in order])
    note = "No geometric mean is given where a volume is 0; the interval is that of the geometric mean."
    return Table("Mean tumor volume by arm and day.", columns, shown, note)


def ratios(study: Study, rows: Sequence[Row]) -> Table:
    """Volumes, rates and areas of each arm over its control's, with the intervals each has."""
    level = confidence(study)
    columns = [
        Column("arm", "Arm"),
        Column("tc_percent", "T/C, %", "percent"),
        Column("optimal_tc_percent", "Least T/C, %", "percent"),
        Column("optimal_tc_day", "on day", "day"),
        Column("rate_tc_percent", "Rate-based T/C, %", "percent"),
        Column(("rate_tc_ci_low", "rate_tc_ci_high"), f"{level} interval", "percent"),
        Column("aauc_ratio", "aAUC ratio", "ratio"),
        Column(("aauc_ratio_ci_low", "aauc_ratio_ci_high"), f"{level}, Fieller", "ratio"),
        Column(("aauc_ratio_bootstrap_low", "aauc_ratio_bootstrap_high"), f"{level}, bootstrap", "ratio"),
    ]
    note = "The least T/C picks its day by its result, and has no interval for that. aAUC: area under the curve over "
    note += "the days followed, less the baseline."
    return Table("Ratios of each arm to its control.", columns, rows, note)


def pairs(study: Study) -> list[Block]:
    """Games and Howell's comparisons of every two arms on one day, where they are few."""
    rows = [
        {"pdx_model": tested["pdx_model"], "day": tested["day"], **row}
        for tested in study.get("endpoint_tests") or []
        for row in tested["games_howell"] or []
    ]
    if not 0 < len(rows) <= MOST_ROWS:
        return []
    columns = [
        Column("pdx_model", "PDX model"),
        Column("arm", "Arm"),
        Column("control", "Against"),
        Column("estimate", "Difference of mean ln V", "estimate"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "estimate"),
        Column("df", "df", "df"),
        Column("p_adjusted", "p adjusted", "p"),
    ]
    note = "Unequal variances allowed for; intervals and p are adjusted over all pairs of the PDX model."
    return [Table("Every two arms on one day (Games-Howell).", columns, rows, note)]
