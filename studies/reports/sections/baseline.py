"""How alike the arms were before the first dose. Standardized differences, no p: the drawing is known to be random."""

import pandas as pd

from studies.plots.balance import love_plot
from studies.randomization.balance import CovariateBalance, PairDifference
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Paragraph, Section, Table
from studies.reports.sections.study import Study, in_arm_order

TITLES = {"log_volume": ("Tumor volume, mm³", "mm3"), "weight": ("Body weight, g", "grams")}
MOST_PAIRS_DRAWN = 120


def section(study: Study, table: pd.DataFrame) -> Section | None:
    found = [row for row in study.get("baseline") or [] if row["covariate"] in TITLES]
    if not found:
        return None
    blocks: list[Block] = [Paragraph(_sentence(found)), arm_table(study, found)]
    drawn = [row for row in found if row["pairs"] and len(row["pairs"]) <= MOST_PAIRS_DRAWN]
    if drawn:
        caption = (
            "Standardized mean differences of every pair of arms (open), the pair furthest apart filled and named. "
            "Dashed: 0.10 and 0.25."
        )
        alt = "Dots of absolute standardized differences. " + "; ".join(_worst(row) for row in drawn)
        blocks.append(Figure("baseline", caption, alt, lambda: [love_plot([_balance(row) for row in drawn])]))
    return Section("baseline", "Baseline", blocks)


def _sentence(found: list) -> str:
    parts = [_worst(row) for row in found if row["largest_smd"] is not None]
    if not parts:
        return "With so few mice no standardized difference can be given."
    return f"Largest standardized differences between two arms: {words.joined(parts)}."


def _worst(row: dict) -> str:
    worst = max(row["pairs"], key=lambda pair: abs(pair["smd"]), default=None)
    name = TITLES[row["covariate"]][0].split(",")[0].lower()
    if worst is None:
        return f"{name}, none to be had"
    return f"{name} {words.fixed(abs(worst['smd']), 2)} ({worst['first']} and {worst['second']})"


def _balance(row: dict) -> CovariateBalance:
    pairs = tuple(PairDifference(**pair) for pair in row["pairs"])
    return CovariateBalance(row["covariate"], (), pairs, row["variance_ratio"], row["range_percent"])


def arm_table(study: Study, found: list) -> Table:
    lines: dict[str, dict] = {}
    columns = [Column("arm", "Arm")]
    for row in found:
        key, (title, kind) = row["covariate"], TITLES[row["covariate"]]
        for arm in row["arms"]:
            lines.setdefault(arm["arm"], {"arm": arm["arm"]}).update(
                {f"{key}_n": arm["n"], f"{key}_mean": arm["mean"], f"{key}_sd": arm["sd"]}
            )
        columns += [
            Column(f"{key}_n", "n", "count"),
            Column(f"{key}_mean", f"{title}: mean", kind),
            Column(f"{key}_sd", "SD", kind),
        ]
    note = "Each mouse's last reading before or on day 0. Differences of volume are taken on logarithms."
    return Table("Before the first dose.", columns, in_arm_order(study, list(lines.values())), note)
