"""The answer first: what the arms did, with intervals, in one paragraph, one figure, one table."""

from typing import Any

import pandas as pd

from studies.plots.forest import ForestLine, forest
from studies.plots.style import arm_colors, look_of
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    altered,
    arms,
    biomarker_names,
    confidence,
    gene,
    interval_phrase,
    plan,
    primary_contrasts,
    rows_of,
)

MOST_ARMS_IN_WORDS = 4
TGI_LIMITS = (-50.0, 150.0)


def section(study: Study, table: pd.DataFrame) -> Section:
    blocks: list[Block] = [Paragraph(answer(study), "lead"), Paragraph(scope(study))]
    if rows_of(study, "tgi", method="delta", scope="study"):
        blocks += [tgi_figure(study), headline_table(study)]
    return Section("summary", "Summary", blocks)


def scope(study: Study) -> str:
    read = study["input"]
    treated = len(study["arms"]) - 1
    return (
        f"{words.counted(read['mice'], 'mouse', 'mice')} of {words.counted(read['models'], 'PDX model')}, "
        f"{words.counted(treated, 'treated arm')} and the control {plan(study, 'control')}; "
        f"{words.counted(read['rows'], 'reading')} in {read.get('file', 'the record')}."
    )


def answer(study: Study) -> str:
    """The main finding in sentences: from the mixed model and the interaction where there are such."""
    day = plan(study, "day")
    if day is None:
        return "No day after the first dose has enough mice in every arm to compare them."
    parts = [*_model_sentences(study), *_bend_sentence(study), *_difference_sentences(study)]
    parts += _synergy_sentences(study)
    return " ".join(parts or _tgi_sentences(study))


def _synergy_sentences(study: Study) -> list[str]:
    """What Bliss's null allows to be said of each combination over all PDX models."""
    rows = [row for row in study.get("synergy") or [] if row["null"] == "bliss" and row["scope"] == "study"]
    said = [f"{row['arm']}: {row['conclusion']}{_index(row, study)}" for row in rows if row.get("conclusion")]
    return [f"Against Bliss's null, {'; '.join(said)}."] if 0 < len(said) <= MOST_ARMS_IN_WORDS else []


def _index(row: Row, study: Study) -> str:
    """ " (index 0.59, 95 % interval 0.41 to 0.85, p = 0.016)": geometric mean volume over what the null expects."""
    low, high = row.get("combination_index_ci_low"), row.get("combination_index_ci_high")
    if row.get("combination_index") is None or low is None:
        return ""
    ends = f"{confidence(study)} interval {words.interval(low, high, 'ratio')}"
    p = f", {words.p_phrase(row['p_value'])}" if row.get("p_value") is not None else ""
    return f" (combination index {words.fixed(row['combination_index'], 2)}, {ends}{p})"


def _difference_sentences(study: Study) -> list[str]:
    """The interactions in as few words as can be; their section has the full sentences."""
    rows = (study.get("map2k4") or {}).get("interaction") or []
    known = [row for row in rows if row.get("estimate") is not None]
    if not 2 <= len(rows) <= MOST_ARMS_IN_WORDS or len(known) < len(rows):
        return interaction_sentences(study)
    parts = [_difference(row) for row in known]
    claims = [row["arm"] for row in known if row.get("claim")]
    only = " only" if len(claims) < len(known) else ""
    said = (
        f"A difference is claimed for {words.joined(claims)}{only}" if claims else "No difference is claimed"
    )
    counts = known[0].get("n_models") or {}
    models = f" ({counts['loss_of_function']} and {counts['wild_type']} PDX models)" if counts else ""
    case = " With one PDX model in a status this is a case study." if 1 in counts.values() else ""
    return [
        f"{gene(study)} {altered(study)} less wild type{models}, effect on growth per day with {confidence(study)} "
        f"intervals: "
        f"{'; '.join(parts)}; below 0 is more effect in {altered(study)}. {said}.{case}"
    ]


def _difference(row: Row) -> str:
    p = f", {words.p_phrase(row['p_value'])}" if row.get("p_value") is not None else ""
    ends = words.interval(row["ci_low"], row["ci_high"], "estimate")
    return f"{words.significant(row['estimate'])} for {row['arm']} ({ends}{p})"


def _model_sentences(study: Study) -> list[str]:
    contrasts = [row for row in primary_contrasts(study) if row.get("tgi_percent") is not None]
    if len(contrasts) > MOST_ARMS_IN_WORDS:
        tally = _tally(contrasts, "tgi_ci_low", "tgi_ci_high", study)
        return [f"By the mixed model, {tally} The table has each arm."]
    if len(contrasts) < 2:
        return [model_sentence(row, study) for row in contrasts]
    day = words.day(contrasts[0]["tgi_day"])
    clauses = [_clause(row, confidence(study) if place == 0 else "") for place, row in enumerate(contrasts)]
    controls = {row["control"] for row in contrasts}
    against = f"against {controls.pop()}" if len(controls) == 1 else "against each arm's control"
    return [f"By the mixed model, TGI {against} at day {day} was {'; '.join(clauses)}."]


def _clause(row: Row, level: str) -> str:
    """ "54 % (95 % interval 40 to 64, adjusted p = 0.003) for A" and what it shows."""
    low, high = row.get("tgi_ci_low"), row.get("tgi_ci_high")
    p = row.get("p_adjusted") if row.get("p_adjusted") is not None else row.get("p_value")
    named = f"{level} interval " if level else ""
    p_text = f", adjusted {words.p_phrase(p)}" if p is not None else ""
    told = f"{words.percent(row['tgi_percent'])} % ({named}{words.interval(low, high, 'percent')}{p_text})"
    return f"{told} for {row['arm']}, {_shown(low, high)}"


def _shown(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "without an interval"
    return "slower growth" if low > 0 else "faster growth" if high < 0 else "no difference shown"


def _bend_sentence(study: Study) -> list[str]:
    """Slopes alone would mislead where growth is no straight line on the log scale: the other measure stands beside."""
    found = (study.get("mixed_model") or {}).get("curvature") or {}
    effects = found.get("effects") or []
    if not found.get("bends") or not effects:
        return []
    clear = [row["arm"] for row in effects if row["ci_high"] is not None and row["ci_high"] < 0]
    some = f"for {words.joined(clear)} only" if len(clear) < len(effects) else "for every arm"
    shown = some if clear else "for no arm"
    return [
        f"The curves bend on the log scale ({words.p_phrase(found['p_value'])}), so slopes are averages; by "
        f"{spoken_estimand(found.get('estimand'))}, which allows for bends, slower growth than in the control is "
        f"shown {shown}."
    ]


def spoken_estimand(estimand: object) -> str:
    return "average growth over the window (eGaIT)" if estimand == "egait" else str(estimand)


def model_sentence(row: Row, study: Study) -> str:
    """One contrast of the mixed model: its TGI, interval, p, and what that does and does not show."""
    p = row.get("p_adjusted") if row.get("p_adjusted") is not None else row.get("p_value")
    interval = interval_phrase(row, "tgi_ci_low", "tgi_ci_high", "percent", confidence(study))
    adjusted = " adjusted" if row.get("p_adjusted") not in (None, row.get("p_value")) else ""
    p_text = (
        f", {words.p_phrase(p)}{adjusted} on {words.cell(row.get('df'), 'df')} df" if p is not None else ""
    )
    first = (
        f"By the mixed model, {row['arm']} against {row['control']} had a TGI of {words.percent(row['tgi_percent'])} % "
        f"{interval}{p_text} at day {words.day(row['tgi_day'])}"
    )
    said = verdict(row.get("tgi_ci_low"), row.get("tgi_ci_high"), f"under {row['control']}")
    return f"{first}: {said}."


def verdict(low: float | None, high: float | None, control: str = "in the control") -> str:
    """What an interval of TGI lets one say, and no more."""
    if low is None or high is None:
        return "without an interval this describes these mice only"
    if low > 0:
        return f"tumors grew less than {control}"
    if high < 0:
        return f"tumors grew more than {control}"
    return "the interval includes 0, so no difference is shown, which is not to show that there is none"


def _tally(rows: list[Row], low: str, high: str, study: Study) -> str:
    known = [row for row in rows if row[low] is not None and row[high] is not None]
    above = sum(row[low] > 0 for row in known)
    below = sum(row[high] < 0 for row in known)
    across = len(known) - above - below
    none = f"; {len(rows) - len(known)} have no interval" if len(known) < len(rows) else ""
    worse = f", below 0 for {below}" if below else ""
    return (
        f"the {confidence(study)} interval of TGI lies above 0 for {above} of "
        f"{words.counted(len(rows), 'arm')}{worse}, "
        f"and includes 0 for {across}{none}."
    )


def _tgi_sentences(study: Study) -> list[str]:
    """Without a mixed model: TGI of mean changes, called descriptive."""
    rows = rows_of(study, "tgi", method="delta", scope="study")
    if not rows:
        return ["TGI could not be computed; the notes say why."]
    day = words.day(plan(study, "day"))
    if len(rows) > MOST_ARMS_IN_WORDS:
        tally = _tally(rows, "ci_low", "ci_high", study)
        return [
            f"At day {day}, {tally} These are separate intervals, not adjusted for {len(rows)} comparisons."
        ]
    return [tgi_sentence(row, study) for row in rows]


def tgi_sentence(row: Row, study: Study) -> str:
    if row["percent"] is None:
        return f"TGI of {row['arm']} at day {words.day(row['day'])} is not defined: {row['note']}."
    n = f"n = {row['n']} and {row['n_control']}"
    interval = interval_phrase(row, "ci_low", "ci_high", "percent", confidence(study))
    return (
        f"At day {words.day(row['day'])}, {row['arm']} had a TGI of {words.percent(row['percent'])} % {interval} "
        f"against {row['control']} ({n}): {verdict(row['ci_low'], row['ci_high'])}."
    )


def interaction_sentences(study: Study) -> list[str]:
    """One sentence an arm on whether its effect differs by status; a claim only where the analysis claims."""
    rows = (study.get("map2k4") or {}).get("interaction") or []
    if len(rows) > MOST_ARMS_IN_WORDS:
        claims = [row["arm"] for row in rows if row.get("claim")]
        found = words.joined(claims) if claims else "none of them"
        return [
            f"Of {len(rows)} arms tested for a difference by {gene(study)} status, one is claimed for {found}."
        ]
    return [interaction_sentence(row, study) for row in rows]


def interaction_sentence(row: Row, study: Study) -> str:
    """The difference of the effect between strata: its size first, then claim or why none."""
    if row.get("estimate") is None:
        reason = row.get("reason") or "no data"
        return f"For {row['arm']}, a difference by {gene(study)} status cannot be estimated: {reason}."
    interval = interval_phrase(row, "ci_low", "ci_high", "estimate", confidence(study))
    p = f", {words.p_phrase(row['p_value'])}" if row.get("p_value") is not None else ""
    size = (
        f"The effect of {row['arm']} on growth in {altered(study)} minus wild type was "
        f"{words.significant(row['estimate'])} per day {interval}{p}; negative means more effect in {altered(study)}"
    )
    if row.get("claim"):
        return f"{size}. The effect differs by {gene(study)} status."
    reason = (row.get("reason") or "the analysis makes no claim").rstrip(".")
    return f"{size}. A difference by {gene(study)} status is not claimed: {reason}."


def tgi_figure(study: Study) -> Figure:
    colors = arm_colors(arms(study))
    rows = rows_of(study, "tgi", method="delta")
    shown = [row for row in rows if row["scope"] in ("study", "map2k4")]
    by_status = any(row["scope"] == "map2k4" for row in shown)
    lines = [
        ForestLine(
            label=look_of(row["map2k4_status"], biomarker_names(study)).short if by_status else row["arm"],
            value=row["percent"],
            low=row["ci_low"],
            high=row["ci_high"],
            text=_beside(row),
            color=colors[row["arm"]],
            status=row["map2k4_status"],
            heading=row["arm"] if by_status and row["scope"] == "study" else None,
        )
        for row in shown
    ]
    day = words.day(plan(study, "day"))
    caption = (
        f"Tumor growth inhibition (TGI) at day {day}, from mean changes since baseline, with {confidence(study)} "
        "Fieller intervals; n is mice in the arm and in its control. 0 is growth as in the control, "
        "100 no net growth. "
        f"{_marks(study, by_status)}Arrows mark what lies outside the axis; a point without a line has no interval."
    )
    alt = "Forest plot. " + "; ".join(
        f"{line.heading or ''} {line.label}: {line.text}".strip() for line in lines[:12]
    )
    return Figure(
        "tgi",
        caption,
        alt,
        lambda: forest(
            lines, f"TGI at day {day} (%)", (0, 100), TGI_LIMITS, biomarker=biomarker_names(study)
        ),
    )


def _marks(study: Study, by_status: bool) -> str:
    told = f"Squares: all PDX models; circles: {gene(study)} {altered(study)} filled, wild type open. "
    return told if by_status else ""


def _beside(row: Row) -> str:
    if row["percent"] is None:
        return "not defined"
    interval = words.interval(row["ci_low"], row["ci_high"], "percent")
    return f"{words.percent(row['percent'])} ({interval}), n {row['n']}, {row['n_control']}"


def headline_table(study: Study) -> Table:
    """One line an arm: mice, TGI, mixed-model TGI where there is one, response and disease-control rate."""
    sources = {
        "": {row["arm"]: row for row in study.get("response_rates") or [] if row["scope"] == "study"},
        "delta_": {row["arm"]: row for row in rows_of(study, "tgi", method="delta", scope="study")},
        "model_": {row["arm"]: row for row in primary_contrasts(study)},
    }
    rows = []
    for arm in arms(study):
        row: dict[str, Any] = {}
        for prefix, found in sources.items():
            row |= {f"{prefix}{key}": value for key, value in found.get(arm["arm"], {}).items()}
        rows.append(row | {key: arm[key] for key in ("arm", "n_mice", "n_models")})
    return Table(
        f"Each arm at a glance, day {words.day(plan(study, 'day'))}.",
        _headline_columns(study, bool(sources["model_"])),
        rows,
        "TGI: from mean changes, interval by Fieller. ORR: complete and partial responses, DCR: those and stable "
        "disease, of all mice of the arm; not evaluable counts as no response.",
    )


def _headline_columns(study: Study, with_model: bool) -> list[Column]:
    level = confidence(study)
    columns = [
        Column("arm", "Arm"),
        Column("n_mice", "Mice", "count"),
        Column("n_models", "PDX models", "count"),
        Column("delta_n", "n at day", "count"),
        Column("delta_percent", "TGI %", "percent"),
        Column(("delta_ci_low", "delta_ci_high"), f"{level} interval", "percent"),
    ]
    if with_model:
        columns += [
            Column("model_tgi_percent", "TGI model %", "percent"),
            Column(("model_tgi_ci_low", "model_tgi_ci_high"), f"{level} interval", "percent"),
            Column("model_p_adjusted", "p adjusted", "p"),
        ]
    return [*columns, Column("orr_percent", "ORR %", "percent"), Column("dcr_percent", "DCR %", "percent")]
