"""What sections ask of the JSON of a study."""

from collections.abc import Mapping, Sequence
from typing import Any

from studies.plots.style import DEFAULT_NAMES, BiomarkerNames, in_reading_order
from studies.reports import words
from studies.reports.blocks import Column, Table

Study = Mapping[str, Any]
Row = Mapping[str, Any]

# How a key of the JSON is headed and written; keys not named here are headed by their own words.
COLUMNS: dict[str, tuple[str, str]] = {
    "arm": ("Arm", "text"),
    "control": ("Control", "text"),
    "pdx_model": ("PDX model", "text"),
    "mouse": ("Mouse", "text"),
    "scope": ("Scope", "role"),
    "n": ("n", "count"),
    "n_mice": ("Mice", "count"),
    "n_models": ("PDX models", "count"),
    "n_baseline": ("n at baseline", "count"),
    "day": ("Day", "day"),
    "estimate": ("Estimate", "estimate"),
    "se": ("SE", "estimate"),
    "df": ("df", "df"),
    "statistic": ("Statistic", "estimate"),
    "p_value": ("p", "p"),
    "p_adjusted": ("p adjusted", "p"),
    "percent": ("TGI %", "percent"),
    "tgi_percent": ("TGI %", "percent"),
    "hazard_ratio": ("Hazard ratio", "ratio"),
    "time": ("Day", "days"),
    "value": ("Value", "estimate"),
    "tau2": ("τ²", "estimate"),
    "i2_percent": ("I², %", "percent"),
    "k": ("PDX models", "count"),
    "tgi_day": ("Day", "day"),
    "welch_p_value": ("p, Welch", "p"),
    "permutation_p_value": ("p, permutation", "p"),
    "smallest_permutation_p_value": ("Smallest p of it", "p"),
    "claim": ("Claim", "flag"),
    "expected_sign": ("Expected", "role"),
}
INTERVALS = {
    ("ci_low", "ci_high"): "interval",
    ("tgi_ci_low", "tgi_ci_high"): "interval",
    ("prediction_low", "prediction_high"): "prediction interval",
}


def is_pooled(study: Study) -> bool:
    """Whether all mice stand together, the arms being closed to the reader."""
    return study.get("view") == "pooled"


def plan(study: Study, key: str) -> Any:
    return study["plan"][key]["value"]


def target(study: Study) -> Row | None:
    """What the plan declares the mice were to show; None where it declares nothing."""
    return (study["plan"].get("sample_size") or {}).get("value")


def in_primary(study: Study) -> dict[str, int]:
    """Arm -> mice in the primary analysis: the mixed model, or TGI where none was fitted."""
    analyzed = {row["arm"]: row["analyzed"] for row in study["flow"]}
    return {arm: found.get("mixed model", found.get("TGI", 0)) for arm, found in analyzed.items()}


def gene(study: Study) -> str:
    """The gene that divides the study's PDX models."""
    return (study.get("map2k4") or {}).get("gene", DEFAULT_NAMES.gene)


def status_words(study: Study) -> dict[str, str]:
    """What the study's statuses are called: the altered class of a gene like KRAS is no loss of function."""
    altered = (study.get("map2k4") or {}).get("classes", {}).get("loss_of_function", "")
    return words.status_words(altered.startswith(f"{gene(study)} {words.ALTERED}"))


def altered(study: Study) -> str:
    """The first of the two strata in words: "loss of function" or "altered"."""
    return status_words(study)["loss_of_function"]


def biomarker_names(study: Study) -> BiomarkerNames:
    """What figures of the study call its biomarker."""
    return BiomarkerNames(gene(study), altered(study))


def status_column(study: Study, key: str = "map2k4_status") -> Column:
    """A column of statuses, headed by the gene."""
    return Column(key, gene(study), "altered_status" if altered(study) == words.ALTERED else "status")


def record(study: Study) -> Row:
    """What the record tells beside the measurements; empty for a file, which has none."""
    return study.get("record") or {}


def confidence(study: Study) -> str:
    """The confidence of the intervals as they are named: "95 %"."""
    return f"{100 * (1 - plan(study, 'alpha')):g} %"


def arms(study: Study) -> list[Row]:
    """Controls first, combinations last."""
    return in_reading_order(study["arms"])


def in_arm_order(study: Study, rows: list[Row]) -> list[Row]:
    """Rows by arm as `arms` orders them, all mice before strata of the biomarker."""
    order = {arm["arm"]: place for place, arm in enumerate(arms(study))}
    scopes = {"study": 0, "map2k4": 1, "pdx_model": 2}
    return sorted(rows, key=lambda row: (order.get(row.get("arm"), -1), scopes.get(row.get("scope", ""), 3)))


def rows_of(study: Study, key: str, **wanted: Any) -> list[Row]:
    """The rows of a list in the JSON whose fields have the wanted values, in the order of the arms."""
    found = [
        row for row in study.get(key) or [] if all(row.get(name) == value for name, value in wanted.items())
    ]
    return in_arm_order(study, found)


def primary_contrasts(study: Study) -> list[Row]:
    """The mixed model's contrasts of each arm with its own control, over all PDX models."""
    controls = {arm["arm"]: arm["control"] for arm in study["arms"]}
    rows = (study.get("mixed_model") or {}).get("contrasts") or []
    own = [
        row
        for row in rows
        if row["control"] == controls.get(row["arm"]) and row.get("scope") in (None, "study")
    ]
    return in_arm_order(study, own)


def reason_for(study: Study, key: str) -> str:
    """Why a part of the analysis is missing: the note that names it."""
    spoken = key.replace("_", " ")
    told = [note for note in study["notes"] if key in note or spoken in note.lower()]
    return " ".join(told) or f"The analysis gives no {spoken} for this study."


def general_table(
    study: Study, caption: str, rows: Sequence[Row], leave_out: tuple[str, ...] = (), note: str = ""
) -> Table:
    """A table of all keys the rows have, pairs of interval ends as one column, empty columns left out."""
    keys = list(dict.fromkeys(key for row in rows for key in row if key not in leave_out))
    keys = [key for key in keys if any(_plain(row.get(key)) and row.get(key) is not None for row in rows)]
    notes = {row.get("note") for row in rows}
    if len(notes) == 1 and notes != {None}:  # one note for all rows stands below them once
        keys, note = [key for key in keys if key != "note"], f"{note} {_as_sentence(notes.pop())}".strip()
    columns = []
    for key in keys:
        pair = next((pair for pair in INTERVALS if key in pair), None)
        if key == "map2k4_status":
            columns.append(status_column(study))
        elif pair is None:
            columns.append(_column(key, rows))
        elif key == pair[0]:
            kind = "percent" if pair[0].startswith("tgi") else "estimate"
            columns.append(Column(pair, f"{confidence(study)} {INTERVALS[pair]}", kind))
    return Table(caption, columns, rows, note)


def _as_sentence(text: Any) -> str:
    return f"{str(text)[:1].upper()}{str(text)[1:].rstrip('.')}."


def _plain(value: Any) -> bool:
    return not isinstance(value, (list, dict))


def _column(key: str, rows: Sequence[Row]) -> Column:
    if key in COLUMNS:
        return Column(key, *COLUMNS[key])
    title = key.removesuffix("_percent").removesuffix("_days").replace("_", " ")
    title = title[:1].upper() + title[1:]
    values = [row[key] for row in rows if row.get(key) is not None]
    if all(isinstance(value, bool) for value in values):
        return Column(key, title, "flag")
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return Column(key, title, "count")
    if all(isinstance(value, (int, float)) for value in values):
        unit = ", %" if key.endswith("_percent") else ", days" if key.endswith("_days") else ""
        kind = "percent" if key.endswith("_percent") else "days" if key.endswith("_days") else "estimate"
        return Column(key, title + unit, kind)
    return Column(key, title)


def interval_phrase(row: Row, low: str, high: str, kind: str, level: str) -> str:
    """ "(95 % interval 66 to 90)", or why there is none."""
    if row.get(low) is None or row.get(high) is None:
        note = row.get("note")
        return f"(no interval: {note})" if note else "(no interval can be given)"
    return f"({level} interval {words.interval(row[low], row[high], kind)})"
