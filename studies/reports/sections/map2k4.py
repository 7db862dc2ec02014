"""Effects by MAP2K4 status. A difference is claimed from the interaction alone, never from two separate p values."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Bullets, Facts, Heading, Paragraph, Section
from studies.reports.sections.study import Study, general_table, in_arm_order, plan, reason_for
from studies.reports.sections.summary import interaction_sentence

MOST_MODEL_ROWS = 60


def section(study: Study, table: pd.DataFrame) -> Section:
    found = study.get("map2k4") or {}
    strata = in_arm_order(study, found.get("strata") or [])
    interaction = in_arm_order(study, found.get("interaction") or [])
    if not strata and not interaction:
        return Section("map2k4", "MAP2K4 status", [Paragraph(_why_not(study, table))])
    blocks: list[Block] = []
    if interaction:
        blocks.append(Bullets([interaction_sentence(row, study) for row in interaction]))
        flat = [row | _models_by_status(row) for row in interaction]
        blocks.append(
            general_table(
                "Interaction: effect in loss of function minus effect in wild type.",
                flat,
                ("scope", "n_models", "reason", "pdx_model", "map2k4_status"),
                "The unit is the PDX model. Negative: more effect in loss of function.",
            )
        )
    if strata:
        blocks.append(
            general_table(
                "Effects within each status.",
                strata,
                ("scope", "pdx_model"),
                "An effect shown in one stratum and not in the other is no difference between them.",
            )
        )
    blocks += _model_level(found.get("model_level"))
    blocks += _excluded(found.get("excluded"))
    return Section("map2k4", "MAP2K4 status", blocks)


def _why_not(study: Study, table: pd.DataFrame) -> str:
    statuses = set(table["map2k4_status"]) - {"unknown", "uncertain"}
    if not statuses:
        return "No PDX model of this study has a known MAP2K4 status, so there are no strata to compare."
    if len(statuses) == 1:
        [only] = statuses
        return f"All PDX models of known status are {words.STATUS_WORDS[only]}: there is no other stratum to compare with."
    return reason_for(study, "map2k4") + f" Expected direction declared: {_expected(study)}."


def _expected(study: Study) -> str:
    signs = plan(study, "expected_sign")
    return "; ".join(f"{arm}: {sign.replace('_', ' ')}" for arm, sign in signs.items()) or "none"


def _models_by_status(row: dict) -> dict:
    counts = row.get("n_models")
    return (
        {f"models_{status}": number for status, number in counts.items()} if isinstance(counts, dict) else {}
    )


def _model_level(found: object) -> list[Block]:
    """Per-model effects and their spread, in whatever shape the analysis gives them: rows, or facts and rows."""
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list) or not found:
        return []
    blocks: list[Block] = [Heading("By PDX model")]
    for part in found:
        inner = {key: value for key, value in part.items() if isinstance(value, list)}
        if not inner:
            continue
        named = part.get("arm")
        scalars = {
            key: value
            for key, value in part.items()
            if not isinstance(value, (list, dict)) and value is not None
        }
        facts = [(key.replace("_", " "), _scalar(value)) for key, value in scalars.items()]
        blocks.append(Facts(facts))
        for key, rows in inner.items():
            if rows and isinstance(rows[0], dict) and len(rows) <= MOST_MODEL_ROWS:
                caption = f"{key.replace('_', ' ').capitalize()}{f', {named}' if named else ''}."
                blocks.append(general_table(caption, rows, ("scope",)))
    flat = [part for part in found if not any(isinstance(value, list) for value in part.values())]
    if flat and len(flat) <= MOST_MODEL_ROWS:
        blocks.append(general_table("Effects by PDX model.", flat, ("scope",)))
    elif flat:
        blocks.append(Paragraph("Effects by PDX model are in analysis.json and tables.xlsx.", "quiet"))
    return blocks


def _scalar(value: object) -> str:
    return words.significant(value) if isinstance(value, float) else str(value)


def _excluded(found: object) -> list[Block]:
    if not isinstance(found, list) or not found:
        return []
    if isinstance(found[0], dict):
        if len(found) <= MOST_MODEL_ROWS:
            return [general_table("PDX models in no stratum.", found)]
        return [Paragraph(f"{len(found)} PDX models are in no stratum; analysis.json names them.", "quiet")]
    return [Paragraph("In no stratum: " + ", ".join(map(str, found)) + ".")]
