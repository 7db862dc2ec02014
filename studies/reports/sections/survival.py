"""Time to the endpoint: log-rank, medians, Cox."""

import pandas as pd

from studies.plots.survival_curves import CAUSES, MOST_ARMS_TOGETHER, competing_exits, survival_curves
from studies.reports import words
from studies.reports.blocks import Block, Column, Figure, Heading, Paragraph, Section, Table
from studies.reports.sections.study import (
    Row,
    Study,
    arms,
    biomarker_names,
    confidence,
    gene,
    in_arm_order,
    plan,
    reason_for,
    status_words,
)

TITLE = "Time to event"
MOST_MODELS = 3
MOST_ARMS_BESIDE = 6


def section(study: Study, table: pd.DataFrame) -> Section:
    found = study.get("survival") or []
    if not found:
        return Section("survival", TITLE, [Paragraph(reason_for(study, "survival"))])
    blocks: list[Block] = [Paragraph(_endpoint(found[0])), curves(study, found)]
    shown = _shown(study, found)
    for row in shown:
        if len(shown) > 1:
            blocks.append(Heading(_scope(study, row)))
        blocks += _blocks_of(study, row)
    if len(shown) < len(found) and study["input"]["models"] > 1:
        blocks.append(Paragraph("Each PDX model alone is in the sheet survival of tables.xlsx.", "quiet"))
    return Section(
        "survival", TITLE, [*blocks, *between_statuses(study, found), *competing(study), *endpoints(study)]
    )


def curves(study: Study, found: list[Row]) -> Figure:
    tests = {row["map2k4_status"]: _test(row) for row in found if row["scope"] != "pdx_model"}
    notes = {status: f"log-rank {words.p_phrase(test['p_value'])}" for status, test in tests.items() if test}
    caption = (
        "Share of mice without an event (Kaplan-Meier); ticks are mice censored, numbers under the axis mice at "
        "risk."
    )
    if notes and len(study["arms"]) <= MOST_ARMS_TOGETHER:
        caption += " p over all arms, unadjusted."
    alt = (
        "Kaplan-Meier curves by arm with a table of mice at risk; medians and tests are in the tables below."
    )
    return Figure(
        "survival",
        caption,
        alt,
        lambda: survival_curves(
            study["times_to_event"], study["arms"], notes, biomarker=biomarker_names(study)
        ),
    )


def competing(study: Study) -> list[Block]:
    """Exits that make the event impossible: their incidence as figure and table."""
    times = study["times_to_event"]
    if not {row["cause"] for row in times} - {"threshold", "size_cull", "censored"}:
        return [Paragraph("No mouse left for a cause that competes with the event.")]
    caption = (
        "Share of mice that had reached the endpoint, or left for a cause that makes it impossible, by day (Aalen and "
        "Johansen). One less the Kaplan-Meier share would overstate the first."
    )
    alt = "Step curves of cumulative incidence by cause and arm; the table below has the last day's."
    blocks: list[Block] = [
        Heading("Competing exits"),
        Figure("competing-exits", caption, alt, lambda: competing_exits(times, study["arms"])),
    ]
    rows = [
        row for part in study["survival"] if part["scope"] == "study" for row in part.get("incidence") or []
    ]
    columns = [
        Column("arm", "Arm"),
        Column("cause_told", "Cause"),
        Column("day", "By day", "day"),
        Column("percent", "Mice, %", "percent"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "percent"),
    ]
    shown = [
        {**row, "cause_told": CAUSES.get(row["cause"], (row["cause"],))[0]}
        for row in in_arm_order(study, rows)
    ]
    return (
        [*blocks, Table("Incidence of each cause by the arm's last day.", columns, shown)]
        if shown
        else blocks
    )


def endpoints(study: Study) -> list[Block]:
    """The same mice by other endpoints: whether the answer hangs on the one planned."""
    rows = [
        {"endpoint": words.spoken(row["endpoint"]), "p_value": (row["logrank"] or {}).get("p_value"),
         "reason": row["reason"], **{f"median {arm}": median for arm, median in row["medians"].items()}}
        for row in study.get("survival_endpoints") or []
    ]  # fmt: skip
    names = [arm["arm"] for arm in arms(study)]
    if not rows or len(names) > MOST_ARMS_BESIDE:
        return []
    columns = [
        Column("endpoint", "Endpoint"),
        *(Column(f"median {name}", f"Median {name}, days", "days") for name in names),
        Column("p_value", "p, log-rank", "p"),
        Column("reason", "Note"),
    ]
    if not any(row["reason"] for row in rows):
        columns.pop()
    return [Heading("Other endpoints"), Table("Medians by other endpoints; p unadjusted.", columns, rows)]


def _shown(study: Study, found: list[Row]) -> list[Row]:
    """The study and its strata; PDX models one by one only where they are few, and more than the study itself."""
    models = [row for row in found if row["scope"] == "pdx_model"]
    if study["input"]["models"] > 1 and len(models) <= MOST_MODELS:
        return found
    return [row for row in found if row["scope"] != "pdx_model"]


def _scope(study: Study, row: Row) -> str:
    if row["scope"] == "pdx_model":
        return f"PDX model {row['pdx_model']}"
    status = row.get("map2k4_status")
    return f"{gene(study)} {status_words(study)[status]}" if status else "All PDX models"


def _endpoint(row: Row) -> str:
    endpoint = row["endpoint"]
    what = (
        f"{endpoint['fold']:g} times its baseline"
        if "fold" in endpoint
        else f"{endpoint['volume_mm3']:g} mm³"
    )
    strata = f" Comparisons are stratified by {words.spoken(row['strata'])}." if row.get("strata") else ""
    return (
        f"The event is a tumor reaching {what}, or leaving the study for its size or ulceration; mice without an event "
        f"are censored at their last reading.{strata}"
    )


def _is_single(row: Row) -> bool:
    """Whether an arm is one mouse, whose event time no test can generalize."""
    return min((row.get("n") or {}).values(), default=2) < 2


def _test(row: Row) -> Row | None:
    """The log-rank test over the arms, where there is one to be shown."""
    test = row.get("logrank")
    return test if test and test.get("p_value") is not None and not _is_single(row) else None


def _blocks_of(study: Study, row: Row) -> list[Block]:
    blocks: list[Block] = []
    if _is_single(row):
        blocks.append(Paragraph("An arm of one mouse: its time is told, and no test over all arms is shown."))
    elif test := _test(row):
        count = f"χ² = {words.fixed(test['chisq'], 1)}, df = {test['df']}, {words.p_phrase(test['p_value'])}"
        shown = (
            "the arms differ"
            if test["p_value"] < study["plan"]["alpha"]["value"]
            else "a difference is not shown"
        )
        blocks.append(Paragraph(f"Log-rank test over all arms: {count}; {shown}."))
    cox = {line["arm"]: line for line in row.get("cox") or []}
    rows = []
    for arm in arms(study):
        name = arm["arm"]
        if name in (row.get("n") or {}):
            line = {"arm": name, "n": row["n"][name], "events": row.get("events", {}).get(name)}
            line["median"] = (row.get("medians") or {}).get(name)
            low, high = (row.get("median_intervals") or {}).get(name) or (None, None)
            line |= {"median_low": low, "median_high": high}
            line["beyond"] = (row.get("median_lower_bounds") or {}).get(name)
            line["followed"] = (row.get("median_lower_bound_mice") or {}).get(name)
            rows.append(
                line
                | {
                    key: cox.get(name, {}).get(key)
                    for key in ("hazard_ratio", "ci_low", "ci_high", "p_value")
                }
            )
    blocks.append(
        Table(
            f"Time to event by arm: {_scope(study, row)}.",
            _columns(study, bool(cox)),
            rows,
            "A median stays empty (–) where fewer than half of the mice had an event; it then lies beyond the "
            "last day the arm was followed to, which says little where few mice still were. Intervals of medians are "
            "on the log-log scale.",
        )
    )
    if reason := (row.get("logrank") or {}).get("reason"):
        blocks.append(Paragraph(f"No log-rank test: {reason}.", "quiet"))
    blocks += [*_small_samples(study, row), *_between_visits(study, row), *_restricted_means(study, row)]
    if held := row.get("proportionality"):
        text = f"Proportional hazards: χ² = {words.fixed(held['chisq'], 1)}, df = {held['df']}, "
        doubt = "; read the restricted means instead" if held["p_value"] < plan(study, "alpha") else ""
        blocks.append(Paragraph(f"{text}{words.p_phrase(held['p_value'])}{doubt}.", "quiet"))
    if not cox and row.get("cox_reason"):
        blocks.append(Paragraph(f"No hazard ratios of Cox's model: {row['cox_reason']}.", "quiet"))
    ratios = row.get("cox") or row.get("firth") or []
    notes = dict.fromkeys(line["note"] for line in ratios if line.get("note"))
    blocks += [Paragraph(f"{note[0].upper()}{note[1:]}.", "quiet") for note in notes]
    return blocks


def _small_samples(study: Study, row: Row) -> list[Block]:
    """Tests that hold with few mice, where there are any: exchanged labels, and Firth's penalized ratios."""
    blocks: list[Block] = []
    if exact := row.get("exact_logrank"):
        columns = [
            Column("arm", "Arm"),
            Column("control", "Against"),
            Column("p_value", "p", "p"),
            Column("arrangements", "Arrangements", "count"),
            Column("smallest_p", "Smallest p possible", "p"),
        ]
        blocks.append(Table("Log-rank by exchanging the mice's arms.", columns, exact))
    if not row.get("cox") and row.get("firth"):
        columns = [
            Column("arm", "Arm"),
            Column("hazard_ratio", "Hazard ratio", "ratio"),
            Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "ratio"),
            Column("p_value", "p", "p"),
        ]
        blocks.append(Table("Hazard ratios with Firth's penalty.", columns, row["firth"]))
    return blocks


def _between_visits(study: Study, row: Row) -> list[Block]:
    """The same question with nothing assumed of when between two visits the event came."""
    rows = row.get("interval_censored") or []
    if not rows:
        return []
    columns = [
        Column("arm", "Arm"),
        Column("n", "Mice", "count"),
        Column(("median_after", "median_by"), "Median between days", "day"),
        Column("control", "Against"),
        Column("p_value", "p", "p"),
        Column("smallest_p", "Smallest p possible", "p"),
    ]
    note = (
        "The event is taken to lie somewhere between the two visits around it (Turnbull's curve); p by exchanging "
        "the mice's arms, unadjusted."
    )
    return [
        Table(
            f"With the day of the event known only to lie between visits: {_scope(study, row)}.",
            columns,
            rows,
            note,
        )
    ]


def _restricted_means(study: Study, row: Row) -> list[Block]:
    rows = in_arm_order(study, row.get("restricted_means") or [])
    if not rows:
        return []
    columns = [
        Column("arm", "Arm"),
        Column("tau", "Up to day", "days"),
        Column("rmst_days", "Mean days without an event", "days"),
        Column("se", "SE", "estimate"),
        Column("gain", "Gain over the control, days", "days"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "days"),
        Column("p_value", "p", "p"),
    ]
    note = "An arm without an event has a standard error of 0; how it might have varied is not known, so no p is given."
    told = note if any(line["se"] == 0 for line in rows) else ""
    return [Table(f"Restricted mean time without an event: {_scope(study, row)}.", columns, rows, told)]


def _columns(study: Study, with_cox: bool) -> list[Column]:
    columns = [
        Column("arm", "Arm"),
        Column("n", "Mice", "count"),
        Column("events", "Events", "count"),
        Column("median", "Median, days", "days"),
        Column(("median_low", "median_high"), f"{confidence(study)} interval", "days"),
        Column("beyond", "Beyond, days", "days"),
        Column("followed", "Mice followed then", "count"),
    ]
    if not with_cox:
        return columns
    return [
        *columns,
        Column("hazard_ratio", "Hazard ratio", "ratio"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "ratio"),
        Column("p_value", "p", "p"),
    ]


def between_statuses(study: Study, found: list[Row]) -> list[Block]:
    """How hazard ratios differ between the statuses, which the curves of each alone do not tell."""
    rows = [line for row in found if row["scope"] == "study" for line in row.get("cox_by_status") or []]
    if not rows:
        return []
    columns = [
        Column("arm", "Arm"),
        Column("hazard_ratio_ratio", "Ratio of hazard ratios", "ratio"),
        Column(("ci_low", "ci_high"), f"{confidence(study)} interval", "ratio"),
        Column("p_value", "p", "p"),
    ]
    note = "Altered over wild type; below 1 the arm delays the event more where the gene is altered. The unit is the "
    note += "mouse, not the PDX model, so no claim rests on it."
    return [Table("Hazard ratios between the statuses (Cox).", columns, in_arm_order(study, rows), note)]
