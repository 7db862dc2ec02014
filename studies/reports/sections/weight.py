"""Body weight: each mouse's curve, and the losses of each arm."""

import pandas as pd

from studies.plots.body_weight import body_weight
from studies.reports.blocks import Block, Column, Figure, Paragraph, Section, Table
from studies.reports.sections.study import Row, Study, confidence, is_pooled, plan, rows_of


def section(study: Study, table: pd.DataFrame) -> Section | None:
    if not table["weight_g"].notna().any():
        return None
    day = plan(study, "day")
    caption = "Body weight of each mouse as read, tumor included."
    alt = "Line charts of body weight by day, one panel an arm."
    blocks: list[Block] = [
        Figure("body-weight", caption, alt, lambda: body_weight(table, study["arms"], day))
    ]
    rows = rows_of(study, "weight", scope="study")
    blocks.append(
        loss_table(rows, is_pooled(study)) if rows else Paragraph("No loss of weight could be computed.")
    )
    if (tested := study.get("weight_model")) and tested["contrasts"]:
        blocks.append(model_table(study, tested))
    return Section("weight", "Body weight", [*blocks, *loss_times(study)])


def loss_table(rows: list, pooled: bool = False) -> Table:
    columns = [
        Column("arm", "Arm"),
        Column("n_mice", "Mice", "count"),
        Column("max_mean_loss_percent", "Loss of the mean, %", "percent"),
        Column("nadir_day", "Day", "day"),
        Column("n_at_nadir", "n that day", "count"),
        Column("mean_max_loss_percent", "Mean of largest losses, %", "percent"),
        Column("n_loss_10", "Lost ≥ 10 %", "count"),
        Column("n_loss_15", "≥ 15 %", "count"),
        Column("n_loss_20", "≥ 20 %", "count"),
        Column("net_mean_max_loss_percent", "Net of tumor, %", "percent"),
        Column("n_exits_weight", "Left for weight", "count"),
        Column("n_deaths_treatment", "Treatment deaths", "count"),
        Column("n_deaths_unknown", "Of unknown cause", "count"),
        Column("mtd_reason", "Above the tolerated dose"),
    ]
    note = (
        "Loss of the mean: the lowest mean change of the mice weighed that day, which may be few. Mean of largest "
        "losses: over mice, each at its own worst day. Net of tumor takes 1 g per 1000 mm³ off first. A dose is "
        "above the "
        "tolerated one by a mean loss over 20 % on a day with at least three mice and half of the arm, or by "
        "deaths: more "
        "than one, and than one in ten mice, those of unknown cause counted. Efficacy of such an arm is not to "
        "be claimed."
    )
    if not any(row.get("mtd_reason") for row in rows):
        columns.pop()
    if pooled:
        note = note.partition(" A dose is above")[0]
    return Table("Loss of body weight.", columns, rows, note)


def model_table(study: Study, tested: Row) -> Table:
    columns = [
        Column("arm", "Arm"),
        Column("control", "Against"),
        Column("at", "At"),
        Column("day", "Day", "day"),
        Column("estimate", "Difference, % points", "percent"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "percent"),
        Column("p_adjusted", "p, adjusted", "p"),
    ]
    note = f"{tested['formula']}. An arm's nadir is picked from the same weighings, so its rows describe."
    return Table("Change of body weight by mixed model.", columns, tested["contrasts"], note)


def loss_times(study: Study) -> list[Block]:
    """Time to a loss of 15 and 20 %: how many mice came to it, and by when, culls for size competing."""
    rows = []
    for found in study.get("weight_times") or []:
        shares = {line["arm"]: line for line in found["incidence"] if line["cause"] == "event"}
        test = found["logrank"] or {}
        for arm, n in found["n"].items():
            share = shares.get(arm, {})
            rows.append({"loss": found["loss_percent"], "arm": arm, "n": n, "events": found["events"][arm],
                         "p_value": test.get("p_value"),
                         **{key: share.get(key) for key in ("day", "percent", "ci_low", "ci_high")}})  # fmt: skip
    if not any(row["events"] for row in rows):
        return []
    columns = [
        Column("loss", "Loss of, %", "percent"),
        Column("arm", "Arm"),
        Column("n", "Mice", "count"),
        Column("events", "Came to it", "count"),
        Column("percent", "Incidence, %", "percent"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "percent"),
        Column("day", "by day", "day"),
        Column("p_value", "p over all arms", "p"),
    ]
    note = "Incidence after Aalen and Johansen; leaving for the tumor competes. p: log-rank, unadjusted."
    return [Table("Time to a loss of body weight.", columns, rows, note)]
