"""What was compared: arms, doses and schedule, PDX models, the unit, and how many mice were planned."""

from collections import Counter
from collections.abc import Mapping
from math import exp

import pandas as pd

from studies.analysis.errors import AnalysisError
from studies.analysis.power import ArmContrast, Interaction, Variability, detectable_effect
from studies.reports import words
from studies.reports.blocks import Block, Column, Facts, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    arms,
    gene,
    in_primary,
    plan,
    record,
    status_column,
    status_words,
    target,
)
from studies.reports.sections.welfare import limits_told

MOST_MODELS_LISTED = 40
POWER = 0.8


def section(study: Study, table: pd.DataFrame) -> Section:
    return Section("design", "Design", [arm_table(study), *protocol(study), *model_blocks(study, table)])


def arm_table(study: Study) -> Table:
    told = {row["arm"]: row for row in record(study).get("arms") or []}
    rows = [
        {**arm, "planned": told.get(arm["arm"], {}).get("planned_mice"),
         "treatment": "; ".join(told.get(arm["arm"], {}).get("treatment") or [])}
        for arm in arms(study)
    ]  # fmt: skip
    columns = [
        Column("arm", "Arm"),
        Column("role", "Role", "role"),
        Column("control", "Compared with"),
        Column("n_mice", "Mice", "count"),
        Column("n_models", "PDX models", "count"),
    ]
    if any(row["planned"] for row in rows):
        columns.append(Column("planned", "Planned mice", "count"))
    if any(row["treatment"] for row in rows):
        columns.append(Column("treatment", "Agent, dose, route, schedule"))
    return Table("Arms.", columns, rows, "The unit is the mouse; across PDX models, the PDX model.")


def protocol(study: Study) -> list[Block]:
    told = record(study)
    if not told:
        declared = target(study)
        said = target_told(declared) + "." if declared else "how it was decided is not told by a file"
        return [Facts([("Sample size", said)]), *planned_and_performed(study)]
    window = told["enrollment"]
    weight = f", body weight from {window['min_weight_g']:g} g" if window["min_weight_g"] else ""
    pairs = [
        ("Enrollment", f"tumor volume {window['min_mm3']:g} to {window['max_mm3']:g} mm³{weight}"),
        ("Measured on days", ", ".join(map(str, told["schedule_days"])) or "no schedule on record"),
    ]
    if limits := told["limits"]:
        pairs.append(("Humane limits", limits_told(limits)))
    return [Facts([*pairs, ("Sample size", sample_size(study))]), *planned_and_performed(study)]


def model_blocks(study: Study, table: pd.DataFrame) -> list[Block]:
    """PDX models by status of the biomarker, listed one by one where they are few."""
    models = table.groupby("pdx_model", sort=False).agg(
        map2k4_status=("map2k4_status", "first"), n_mice=("mouse", "nunique"), n_arms=("arm", "nunique")
    )
    counted = Counter(models["map2k4_status"])
    parts = [
        f"{word} in {counted[status]}" for status, word in status_words(study).items() if counted[status]
    ]
    sentence = f"{gene(study)} among {words.counted(len(models), 'PDX model')}: {words.joined(parts)}."
    if counted["unknown"] + counted["uncertain"]:
        sentence += " Models of unknown or uncertain status are described and enter no stratum."
    if len(models) == 1:
        [status] = counted
        sentence = (
            f"One PDX model, {models.index[0]}; its {gene(study)} status: {status_words(study)[status]}."
        )
    if len(models) > MOST_MODELS_LISTED or (len(models) == 1 and not record(study)):
        return [Paragraph(sentence)]
    told = {row["pdx_model"]: row for row in record(study).get("pdx_models") or []}
    rows = [
        _model(row, told.get(row["pdx_model"]), gene(study))
        for row in models.reset_index().to_dict("records")
    ]
    columns = [
        Column("pdx_model", "PDX model"),
        status_column(study),
        *(Column(key, title, kind) for key, title, kind in EXTRA if any(row.get(key) for row in rows)),
        Column("n_mice", "Mice", "count"),
        Column("n_arms", "Arms", "count"),
    ]
    return [Paragraph(sentence), Table("PDX models.", columns, rows)]


EXTRA = (("MAP2K4", "MAP2K4", "status"), ("MAP3K1", "MAP3K1", "status"), ("KRAS", "KRAS", "status"),
         ("tissue", "Tissue", "text"), ("passage", "Passage", "text"))  # fmt: skip


def _model(row: dict, told: dict | None, biomarker: str) -> dict:
    if not told:
        return row
    passages = ", ".join(f"P{number}" for number in told["passages"])
    genes = {gene: status for gene, status in told["genes"].items() if gene != biomarker}
    return {**row, **genes, "tissue": told["cancer_type"], "passage": passages}


def planned_and_performed(study: Study) -> list[Block]:
    """Each arm's mice as the plan declared them, as they came to be on study, and in the primary analysis."""
    declared = target(study)
    if not declared:
        return []
    analyzed = in_primary(study)
    rows = [
        {"arm": arm["arm"], "planned": declared["mice_per_arm"].get(arm["arm"]), "n_mice": arm["n_mice"],
         "analyzed": analyzed.get(arm["arm"], 0)}
        for arm in arms(study)
    ]  # fmt: skip
    columns = [
        Column("arm", "Arm"),
        Column("planned", "Planned", "count"),
        Column("n_mice", "On study", "count"),
        Column("analyzed", "In the primary analysis", "count"),
    ]
    note = f"In the primary analysis: {performed_told(study, declared)}."
    return [Table("Sample size, planned and performed.", columns, rows, note)]


def target_told(declared: Row) -> str:
    """The target as the plan declares it."""
    mice = declared["mice_per_arm"]
    same = len(set(mice.values())) == 1
    each = (
        f"{words.counted(next(iter(mice.values())), 'mouse', 'mice')} in each of {words.counted(len(mice), 'arm')}"
        if same
        else words.joined([f"{arm} {n}" for arm, n in mice.items()])
    )
    return (
        f"Planned: {each}, to show a TGI of {words.percent(declared['tgi_percent'])} % with a power of "
        f"{100 * declared['power']:g} % at a two-sided {declared['alpha']:g}; source: {declared['source'].rstrip('.')}"
    )


def performed_told(study: Study, declared: Row) -> str:
    """How many of the planned mice the primary analysis has, and in which arms they are fewer."""
    planned, analyzed = declared["mice_per_arm"], in_primary(study)
    short = [f"{arm} {analyzed.get(arm, 0)} of {n}" for arm, n in planned.items() if analyzed.get(arm, 0) < n]
    counts = f"{sum(analyzed.values())} mice of {sum(planned.values())} planned"
    return f"{counts}, fewer in {words.joined(short)}" if short else f"{counts}, no arm short of its number"


def sample_size(study: Study) -> str:
    """What the plan declares of power; and what the planned mice could show, their data unseen."""
    planned = {row["arm"]: row.get("planned_mice") for row in record(study)["arms"]}
    told = record(study).get("plan") or {}
    declared = "Not declared: the plan names no smallest effect of interest, no power and no variability"
    if found := target(study):
        declared = target_told(found)
    elif told.get("locked_version") and told.get("planned") is None:
        declared = "What the plan declares is not told while arms go by letters"
    if not planned or not all(planned.values()):
        return f"{declared}."
    after = "No power is computed from the data: it would repeat the p value."
    try:
        return f"{declared}. {_detectable(study, planned)} {after}"
    except AnalysisError as error:
        return f"{declared}; under the documented defaults: {error}. {after}"


def _detectable(study: Study, planned: Mapping[str, int]) -> str:
    """The smallest TGI the planned numbers show with 80 % power, under the default variability of `analysis.power`."""
    days = [float(day) for day in record(study)["schedule_days"] if day >= 0]
    spread, alpha, last = Variability(), plan(study, "alpha"), max(days, default=0.0)
    treated = {arm["arm"]: planned[arm["arm"]] for arm in study["arms"] if arm["control"]}
    least, control = min(treated.values(), default=0), planned[plan(study, "control")]
    models = study["input"]["models"]
    assumed = (
        "Under documented defaults (standard deviations on ln volume: slopes of mice "
        f"{spread.mouse_slope_sd:g} per day, a reading {spread.residual_sd:g}"
    )
    if models == 1:
        question = ArmContrast(days, spread, len(treated), "dunnett", control / least if least else 1.0)
        effect = detectable_effect(question, least, POWER, alpha)
        asked = f"{least} mice an arm"
        over = f", adjusted over {words.counted(len(treated), 'arm')} by Dunnett" if len(treated) > 1 else ""
    else:
        statuses = _models_by_status(study)
        mice = least / models
        effect = detectable_effect(Interaction(mice, days, spread), statuses, POWER, alpha)
        assumed += f", effects between PDX models {spread.effect_sd:g} per day"
        asked = f"{statuses} PDX models a status with {mice:g} mice an arm each, comparing the statuses"
        over = ""
    tgi = 100 * (1 - exp(-effect * last))
    return (
        f"{assumed}), {asked}, would show {words.significant(effect, 2)} per day, a TGI of {words.percent(tgi)} % "
        f"against no effect by day {words.day(last)}, with a power of {100 * POWER:g} % at a two-sided {alpha:g}{over}."
    )


def _models_by_status(study: Study) -> int:
    """PDX models in the smaller of the two statuses."""
    counts = Counter(row["genes"].get(gene(study)) for row in record(study)["pdx_models"])
    return min(counts["loss_of_function"], counts["wild_type"])
