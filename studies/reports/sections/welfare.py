"""Welfare alerts as they were raised at the cage, by rule and arm, and the limits they were raised under."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Column, Facts, Paragraph, Section, Table
from studies.reports.sections.study import Study, in_arm_order, record

RULES = {
    "volume": "tumor volume",
    "diameter": "longest diameter",
    "burden": "tumor, % of body weight",
    "weight_loss": "loss of body weight",
    "net_weight_loss": "loss of body weight, net of tumor",
    "sign_score": "clinical signs",
    "ulceration": "ulceration",
    "body_condition": "body condition",
    "predicted_volume": "tumor volume, forecast",
    "predicted_diameter": "longest diameter, forecast",
    "predicted_burden": "tumor, % of body weight, forecast",
}


def section(study: Study, table: pd.DataFrame) -> Section | None:
    """None for a file, which tells of no alert."""
    if "welfare" not in record(study):
        return None
    rows = record(study)["welfare"]
    blocks: list[Block] = []
    if limits := record(study)["limits"]:
        blocks.append(Facts([("Humane limits", limits_told(limits))]))
    if not rows:
        return Section("welfare", "Welfare alerts", [*blocks, Paragraph("No alert was raised.")])
    columns = [
        Column("arm", "Arm"),
        Column("told", "Alert"),
        Column("level", "Level"),
        Column("n", "Alerts", "count"),
        Column("n_mice", "Mice", "count"),
    ]
    shown = [{**row, "told": RULES.get(row["rule"], row["rule"])} for row in in_arm_order(study, rows)]
    note = "Amber asks to look, red for an action on the animal; one mouse may raise an alert at every visit."
    return Section("welfare", "Welfare alerts", [*blocks, Table("Alerts raised.", columns, shown, note)])


def limits_told(limits: dict) -> str:
    parts = [
        f"volume {limits['volume_cap_mm3']:g} mm³",
        f"diameter {limits['diameter_cap_mm']:g} mm",
        f"tumor {limits['burden_cap_percent']:g} % of body weight",
        f"weight loss {limits['weight_loss_limit_percent']:g} %",
    ]
    return words.joined(parts)
