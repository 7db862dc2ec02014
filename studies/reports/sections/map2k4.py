"""Effects by status of the biomarker, MAP2K4 or another gene. A difference is claimed from the interaction alone, never
from two separate p values."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from studies.plots.forest import ForestLine, forest
from studies.plots.model_heatmap import model_heatmap
from studies.plots.style import STATUS_ORDER, arm_colors, look_of
from studies.reports import words
from studies.reports.blocks import Block, Bullets, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    altered,
    arms,
    biomarker_names,
    confidence,
    gene,
    general_table,
    in_arm_order,
    plan,
    reason_for,
    status_words,
)
from studies.reports.sections.summary import interaction_sentence

MOST_MODELS_DRAWN = 30
MOST_FORESTS = 4
MOST_NAMED = 12
MOST_MODELS_IN_HEATMAP = 240


def section(study: Study, table: pd.DataFrame) -> Section:
    found = study.get("map2k4") or {}
    strata = in_arm_order(study, found.get("strata") or [])
    interaction = in_arm_order(study, found.get("interaction") or [])
    blocks: list[Block] = []
    if interaction:
        blocks += [
            Bullets([interaction_sentence(row, study) for row in interaction]),
            _interaction(study, interaction),
        ]
    else:
        blocks.append(Paragraph(_why_not(study, table)))
    if strata:
        note = "An effect shown in one stratum and not in the other is no difference between them."
        blocks.append(
            general_table(study, "Effects within each status.", strata, ("scope", "pdx_model"), note)
        )
    blocks += [
        *heatmap(study, table),
        *model_level(study, found.get("model_level") or []),
        *covariates(study, found),
        *_excluded(found.get("excluded") or []),
    ]
    return Section("map2k4", f"{gene(study)} status", blocks)


def heatmap(study: Study, table: pd.DataFrame) -> list[Block]:
    """PDX models by arms, with what is known of the models beside them."""
    rows = study.get("model_responses") or []
    if (
        study["input"]["models"] == 1
        or not rows
        or len({row["pdx_model"] for row in rows}) > MOST_MODELS_IN_HEATMAP
    ):
        return []
    caption = (
        "Median best average response of each PDX model in each arm, blue shrinking, orange growing, gray not known. "
        f"{_marks(study, rows)}The colors end at +100 %."
    )
    alt = f"Heatmap of {len(rows)} PDX models and arms; the numbers are in the sheet model_responses of tables.xlsx."
    tracks = annotations(study, table)
    return [
        Figure(
            "models-by-arm",
            caption,
            alt,
            lambda: model_heatmap(rows, study["arms"], tracks, biomarker=biomarker_names(study)),
        )
    ]


def _marks(study: Study, rows: list[Row]) -> str:
    known = {row["map2k4_status"] for row in rows} & {"loss_of_function", "wild_type"}
    return f"{gene(study)} {altered(study)} filled, wild type open. " if known else ""


def annotations(study: Study, table: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Track -> PDX model -> what it says; tracks that say nothing are left out."""
    first = table.groupby("pdx_model", sort=False).first()
    named = {"map2k4": "MAP2K4", "MAP3K1": "MAP3K1", "KRAS": "KRAS", "tumor_type": "Tissue"}
    tracks = {
        title: {
            str(model): _call(value) for model, value in first[column].items() if value and value != "unknown"
        }
        for column, title in named.items()
        if column in first and title != gene(study)
    }
    return {title: values for title, values in tracks.items() if values}


def _call(value: str) -> str:
    """A genotype call in words; "0" is how tables of mutations say none."""
    return words.STATUS_WORDS.get(value, "wild type" if value == "0" else str(value))


def _interaction(study: Study, rows: list[Row]) -> Table:
    return general_table(
        study,
        f"Interaction: effect in {altered(study)} minus effect in wild type.",
        [{**row, **_models_by_status(study, row)} for row in _with_held(rows)],
        ("scope", "n_models", "reason", "pdx_model", "map2k4_status"),
        f"The unit is the PDX model. Negative: more effect in {altered(study)}.",
    )


def _with_held(rows: list[Row]) -> list[Row]:
    """After a row decided by the test between PDX models the mixed model's own, which holds their variance at 0."""
    shown: list[Row] = []
    for row in rows:
        shown.append(row)
        if row.get("test", "mixed model") != "mixed model":
            beside = {"test": "mixed model, beside", "claim": None, "family": None}
            shown.append({**row, **row["mixed_model"], **beside})
    return shown


def _why_not(study: Study, table: pd.DataFrame) -> str:
    statuses = set(table["map2k4_status"]) - {"unknown", "uncertain"}
    if not statuses:
        return (
            f"No PDX model of this study has a known {gene(study)} status, so there are no strata to compare."
        )
    if len(statuses) == 1:
        [only] = statuses
        status = status_words(study)[only]
        return f"All PDX models of known status are {status}: there is no other stratum to compare with."
    return reason_for(study, "map2k4") + f" Expected direction declared: {_expected(study)}."


def _expected(study: Study) -> str:
    signs = plan(study, "expected_sign")
    return "; ".join(f"{arm}: {sign.replace('_', ' ')}" for arm, sign in signs.items()) or "none"


def _models_by_status(study: Study, row: Mapping[str, Any]) -> dict[str, Any]:
    counts, told = row.get("n_models"), status_words(study)
    return (
        {f"models_{told[status].replace(' ', '_')}": number for status, number in counts.items()}
        if isinstance(counts, dict)
        else {}
    )


def model_level(study: Study, found: list[Row]) -> list[Block]:
    """Per arm: the effect of each PDX model as a forest, their pooled means, and the test between statuses."""
    parts = [part for part in in_arm_order(study, found) if part.get("effects")]
    if not parts or study["input"]["models"] == 1:
        return []
    blocks: list[Block] = [Heading("By PDX model")]
    if len(parts) <= MOST_FORESTS and all(len(part["effects"]) <= MOST_MODELS_DRAWN for part in parts):
        blocks += [model_forest(study, part, place) for place, part in enumerate(parts, start=1)]
    else:
        blocks.append(
            Paragraph("The effect of each PDX model is in the sheet map2k4_effects of tables.xlsx.", "quiet")
        )
    pooled = [{"arm": part["arm"], **row} for part in parts for row in part.get("pooled") or []]
    if pooled:
        shown = [
            {**row, "stratum": status_words(study).get(row["map2k4_status"] or "", "all")} for row in pooled
        ]
        note = "k: PDX models; τ²: variance of effects between them; prediction interval: for one more PDX model."
        blocks.append(
            general_table(study, "Effects pooled over PDX models.", shown, ("scope", "map2k4_status"), note)
        )
    tests = [{"arm": part["arm"], **part["test"]} for part in parts if isinstance(part.get("test"), dict)]
    if tests:
        caption = f"{altered(study).capitalize()} against wild type, a PDX model counting once."
        blocks.append(general_table(study, caption, tests, ("scope",)))
    return blocks


def model_forest(study: Study, part: Row, place: int = 1) -> Figure:
    colors = arm_colors(arms(study))
    effects = sorted(
        part["effects"], key=lambda row: (STATUS_ORDER.index(row["map2k4_status"]), row["effect"])
    )
    lines = [
        ForestLine(
            label=row["pdx_model"],
            value=row["effect"],
            low=None if row.get("se") is None else row["effect"] - row["se"],
            high=None if row.get("se") is None else row["effect"] + row["se"],
            text=f"{words.significant(row['effect'])}, n {row.get('n')}, {row.get('n_control')}",
            color=colors[part["arm"]],
            status=row["map2k4_status"],
            heading=_first_of_status(study, effects, place),
        )
        for place, row in enumerate(effects)
    ]
    values = [end for line in lines for end in (line.value, line.low, line.high) if end is not None]
    lines += _pooled_lines(study, part, colors[part["arm"]])
    room = 0.15 * (max(*values, 0.0) - min(*values, 0.0) or 1.0)
    limits = (min(*values, 0.0) - room, max(*values, 0.0) + room)
    caption = (
        f"Effect of {part['arm']} on growth in each PDX model, per day against {part['control']}; below "
        "0 is slower growth. "
        f"{altered(study).capitalize()} filled, wild type open; n is mice in the arm and in its control. "
        f"Bars: one standard error of a PDX model's effect; {confidence(study)} interval of a mean over PDX models; "
        "for one more PDX model, the prediction interval. Arrows mark what lies outside the axis."
    )
    alt = f"Forest plot of {len(lines)} PDX models. " + "; ".join(
        f"{line.label}: {line.text}" for line in lines[:12]
    )
    label = "Effect on growth rate (per day)"
    return Figure(
        f"map2k4-models-{place}",
        caption,
        alt,
        lambda: forest(lines, label, (0,), limits, biomarker=biomarker_names(study)),
    )


def _first_of_status(study: Study, effects: list[Row], place: int) -> str | None:
    status = effects[place]["map2k4_status"]
    if place and effects[place - 1]["map2k4_status"] == status:
        return None
    return look_of(status, biomarker_names(study)).label


def _excluded(found: list[Row]) -> list[Block]:
    """PDX models in no stratum, gathered by reason."""
    by_reason: dict[str, list[str]] = {}
    for row in found:
        by_reason.setdefault(row["reason"], []).append(str(row["pdx_model"]))
    items = []
    for reason, models in by_reason.items():
        named = ", ".join(models[:MOST_NAMED]) + (", …" if len(models) > MOST_NAMED else "")
        items.append(f"{words.counted(len(models), 'PDX model')} ({named}): {reason}.")
    return [Heading("In no stratum"), Bullets(items)] if items else []


def _pooled_lines(study: Study, part: Row, color: str) -> list[ForestLine]:
    """The mean over all PDX models and over each status with its interval, and where one more model is expected."""
    lines: list[ForestLine] = []
    for row in part.get("pooled") or []:
        if row["estimate"] is None:
            continue
        stratum, status = status_words(study).get(row["map2k4_status"] or "", "all"), row["map2k4_status"]
        text = f"{words.significant(row['estimate'])}, {words.counted(row['k'], 'PDX model')}"
        heading = None if lines else "Mean over PDX models"
        lines.append(
            ForestLine(
                f"mean, {stratum}",
                row["estimate"],
                row["ci_low"],
                row["ci_high"],
                text,
                color,
                status,
                heading,
            )
        )
        if row.get("prediction_low") is not None:
            lines.append(
                ForestLine(f"one more, {stratum}", None, row["prediction_low"], row["prediction_high"],
                           words.interval(row["prediction_low"], row["prediction_high"], "estimate"), color, status)
            )  # fmt: skip
    return lines


def covariates(study: Study, found: Mapping[str, Any]) -> list[Block]:
    """Whether status goes with another property of the PDX models, and the difference adjusted for it."""
    told = found.get("covariates") or []
    if not told:
        return []
    items = [
        f"{row['covariate']}: {row['note']}" if row["note"] else
        f"{row['covariate']}: {'goes' if row['confounded'] else 'does not go'} with status altogether"
        for row in told
    ]  # fmt: skip
    rows = [
        {"arm": part["arm"], **row}
        for part in in_arm_order(study, found.get("model_level") or [])
        for row in part.get("adjusted") or []
        if row.get("estimate") is not None
    ]
    blocks: list[Block] = [Heading("Other properties of the PDX models"), Bullets(items)]
    if rows:
        caption = "Difference between the statuses, adjusted for one property of the PDX models at a time."
        blocks.append(general_table(study, caption, [row | {"n_models": None} for row in rows]))
    return blocks
