"""The mixed model of growth: what inference on the arms rests on."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Facts, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, confidence, general_table, in_arm_order, reason_for
from studies.reports.sections.summary import model_sentence

MOST_SENTENCES = 6


def section(study: Study, table: pd.DataFrame) -> Section:
    fit = study.get("mixed_model")
    if not fit:
        return Section("mixed-model", "Mixed model", [Paragraph(reason_for(study, "mixed_model"))])
    contrasts = in_arm_order(study, fit.get("contrasts") or [])
    stated = [row for row in contrasts if row.get("tgi_percent") is not None]
    blocks: list[Block] = [Facts(_facts(fit))]
    if stated and len(stated) <= MOST_SENTENCES:
        blocks.append(Bullets([model_sentence(row, study) for row in stated]))
    if contrasts:
        blocks.append(contrast_table(study, contrasts))
    if fit.get("coefficients"):
        blocks.append(general_table(study, "Fixed effects.", fit["coefficients"]))
    if fit.get("variance_components"):
        blocks.append(general_table(study, "Variance components.", fit["variance_components"]))
    blocks += [*_curvature(study, fit.get("curvature")), *_diagnostics(fit.get("diagnostics"))]
    blocks += _by_model(study)
    return Section("mixed-model", "Mixed model", blocks)


def _facts(fit: dict) -> list[tuple[str, str]]:
    window = fit.get("window")
    days = f"day {words.day(window[0])} to {words.day(window[1])}" if window else "all days"
    return [("Formula", str(fit["formula"])), ("Degrees of freedom", str(fit["df_method"])), ("Window", days)]


def contrast_table(study: Study, rows: list) -> Table:
    level = confidence(study)
    columns = [
        Column("arm", "Arm"),
        Column("control", "Control"),
        Column("estimate", "Estimate", "estimate"),
        Column("se", "SE", "estimate"),
        Column("df", "df", "df"),
        Column(("ci_low", "ci_high"), f"{level} interval", "estimate"),
        Column("p_value", "p", "p"),
        Column("p_adjusted", "p adjusted", "p"),
        Column("tgi_percent", "TGI %", "percent"),
        Column(("tgi_ci_low", "tgi_ci_high"), f"{level} interval", "percent"),
    ]
    note = "Estimate: arm minus control on the scale of the formula (per day for slopes); below 0 is slower growth."
    return Table("Arms against their control.", columns, rows, note)


def _curvature(study: Study, found: dict | None) -> list[Block]:
    """Whether growth bends on the log scale, and what the arms do by the measure that does not mind."""
    if not found or found.get("p_value") is None:
        return []
    test = f"{words.p_phrase(found['p_value'])} for a bend of the curves on the log scale"
    if not found.get("bends"):
        return [Paragraph(f"Straight lines on the log scale are not contradicted: {test}.")]
    text = f"The curves bend on the log scale, {test}: slopes are averages over the window."
    effects = in_arm_order(study, found.get("effects") or [])
    if not effects:
        return [Paragraph(text)]
    table = general_table(
        study, f"Arms against their control by {found.get('estimand')}.", effects, ("scope",)
    )
    return [Paragraph(text + " The table compares the arms by a measure that allows for it."), table]


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.significant(value) if isinstance(value, float) else str(value)


def _diagnostics(found: object) -> list[Block]:
    if not isinstance(found, dict):
        return []
    pairs = [
        (name.replace("_", " "), _told(value))
        for name, value in found.items()
        if isinstance(value, (str, int, float, bool))
    ]
    return [Heading("Diagnostics"), Facts(pairs)] if pairs else []


def _by_model(study: Study) -> list[Block]:
    rows = [
        {"pdx_model": fit.get("pdx_model"), **row}
        for fit in study.get("mixed_models_by_model") or []
        for row in fit.get("contrasts") or []
    ]
    if not rows or study["input"]["models"] == 1:
        return []
    leave_out = ("scope", "family", "n_models")
    return [
        Heading("Within each PDX model"),
        general_table(study, "The model fitted to each PDX model alone.", rows, leave_out),
    ]
