"""The mixed model of growth: what inference on the arms rests on."""

import pandas as pd

from studies.plots.diagnostics import diagnostics
from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Facts, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, confidence, general_table, in_arm_order, reason_for
from studies.reports.sections.summary import model_sentence, spoken_estimand

MOST_SENTENCES = 6
MOST_INFLUENTIAL = 8
MOST_MODEL_ROWS = 12


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
    blocks += [*_curvature(study, fit.get("curvature")), *_diagnostics(study, fit.get("diagnostics"))]
    blocks += _by_model(study)
    return Section("mixed-model", "Mixed model", blocks)


def _facts(fit: dict) -> list[tuple[str, str]]:
    window = fit.get("window")
    days = f"day {words.day(window[0])} to {words.day(window[1])}" if window else "all days"
    return [
        ("Formula", str(fit["formula"])),
        ("Degrees of freedom", words.spoken(str(fit["df_method"]))),
        ("Window", days),
    ]


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
        study, f"Arms against their control by {spoken_estimand(found.get('estimand'))}.", effects, ("scope",)
    )
    return [Paragraph(text + " The table compares the arms by a measure that allows for it."), table]


def _diagnostics(study: Study, found: object) -> list[Block]:
    """Whether the assumptions hold: a panel to look at first, tests beside it, and the mice the answer leans on."""
    if not isinstance(found, dict):
        return []
    blocks: list[Block] = [Heading("Diagnostics"), Facts(_checks(found))]
    if found.get("qq"):
        caption = (
            "Residuals and random effects against the normal distribution, and volumes observed on predicted by each "
            "mouse's own line, colored by arm. Points near the lines speak for the assumptions; large studies fail "
            "tests of them over departures too small to matter."
        )
        alt = "Normal quantile plots and a scatter of observed on predicted ln volume."
        blocks.append(Figure("diagnostics", caption, alt, lambda: diagnostics(found, study["arms"])))
    return [*blocks, *_influence(found.get("influence")), *_far_off(found.get("far_off"))]


def _checks(found: dict) -> list[tuple[str, str]]:
    pairs = [
        ("Readings, mice, PDX models", f"{found['n_rows']}, {found['n_mice']}, {found['n_models']}"),
        ("REML log-likelihood", words.significant(found["loglik"], 6)),
        ("Residual SD, ln volume", words.significant(found["sigma"])),
        ("Fit", "singular: a variance is at its boundary" if found["is_singular"] else "not singular"),
    ]
    if found.get("df_cap") is not None:
        pairs.append(("Largest df allowed", words.fixed(found["df_cap"], 0)))
    if test := found.get("residual_normality"):
        pairs.append(("Normality of residuals", f"Shapiro-Wilk {words.p_phrase(test['p_value'])}"))
    for name, test in (found.get("residual_spread") or {}).items():
        if test:
            pairs.append(
                (f"Equal spread by {name}", f"Brown-Forsythe {words.p_phrase(test['levene_p_value'])}")
            )
    pairs.append(("Readings beyond 3 SD", words.fixed(found.get("n_far_off") or 0, 0)))
    return pairs


def _influence(found: dict | None) -> list[Block]:
    if not found or not found.get("mice"):
        return []
    columns = [
        Column("mouse", "Mouse"),
        Column("arm", "Arm"),
        Column("cooks_distance", "Cook's distance", "estimate"),
        Column("likelihood_displacement", "Likelihood displacement", "estimate"),
    ]
    known = [row for row in found["mice"] if row["cooks_distance"] is not None]
    above = words.counted(found["n_above"], "mouse lies", "mice lie")
    note = f"{above} above 4/n = {words.significant(found['threshold'])}. "
    return [
        Table(
            "Mice the answer leans on most.",
            columns,
            known[:MOST_INFLUENTIAL],
            note + "None is left out for it." + _alone(len(found["mice"]) - len(known)),
        )
    ]


def _far_off(rows: list | None) -> list[Block]:
    if not rows:
        return []
    columns = [
        Column("mouse", "Mouse"),
        Column("arm", "Arm"),
        Column("day", "Day", "day"),
        Column("volume_mm3", "Volume, mm³", "mm3"),
        Column("scaled_residual", "Residual, SD", "estimate"),
    ]
    return [
        Table(
            "Readings far from their mouse's line.",
            columns,
            rows,
            "All stay in; the sensitivity table leaves them out.",
        )
    ]


def _by_model(study: Study) -> list[Block]:
    rows = [
        {"pdx_model": fit.get("pdx_model"), **row}
        for fit in study.get("mixed_models_by_model") or []
        for row in fit.get("contrasts") or []
    ]
    if not rows or study["input"]["models"] == 1:
        return []
    if len(rows) > MOST_MODEL_ROWS:
        text = (
            "The model fitted to each PDX model alone is in the sheet mixed_models_by_model of tables.xlsx."
        )
        return [Paragraph(text, "quiet")]
    leave_out = ("scope", "family", "n_models")
    return [
        Heading("Within each PDX model"),
        general_table(study, "The model fitted to each PDX model alone.", rows, leave_out),
    ]


def _alone(mice: int) -> str:
    if not mice:
        return ""
    return f" {words.counted(mice, 'mouse has', 'mice have')} no distance: without it a coefficient is not to be had."
