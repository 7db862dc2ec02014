"""The one table every analysis starts from, and the forgiving reader that makes it.

A normalized table has one row a mouse and day, sorted by PDX model, arm, mouse and day, with the columns

- study, source_study (the file's study where several were pooled, else the study), pdx_model;
- map2k4_status (loss_of_function, wild_type, uncertain, unknown), arm, role ("" where the table does not
  say);
- mouse (unique in the table: the id, or model/arm/id where ids repeat) and mouse_id (as given);
- day (days since first dose, fractions allowed), volume_mm3 (NaN not known, 0 not palpable), status;
- weight_g, exit_reason, treatment_related, block, cage, operator, passage, tumor_type (empty where not
  given);
- length_mm and width_mm where the table has them; any further column under its own name, such as other genes.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from studies.analysis import cells
from studies.analysis.errors import AnalysisError, Defect
from studies.analysis.readings import refuse_duplicates, sum_tumors, volumes_of_readings
from studies.columns import ALIASES, ROLE_WORDS, biomarker_status, canonical_header, fold
from studies.terms import ArmRole, BiomarkerStatus, ExitReason, MeasurementStatus, YesNoUnknown
from studies.volumes import DEFAULT_FORMULA, FORMULAS

NOT_RECORDED = "not recorded"
COLUMNS = [
    "study",
    "source_study",
    "pdx_model",
    "map2k4_status",
    "arm",
    "role",
    "mouse",
    "mouse_id",
    "day",
    "volume_mm3",
    "status",
    "weight_g",
    "exit_reason",
    "treatment_related",
    "block",
    "cage",
    "operator",
    "passage",
    "tumor_type",
]
LENGTHS = ("length_mm", "width_mm")
NUMERIC = ("day", "volume_mm3", "length_mm", "width_mm", "height_mm", "weight_g")
LABELS = ("block", "cage", "operator", "passage", "tumor_type")
UNITS_MM3 = {"mm3": 1.0, "cm3": 1000.0, "cc": 1000.0, "ml": 1000.0}


@dataclass(frozen=True)
class NormalizedTable:
    """`frame` as described above; `notes` say what was assumed; `dropped` what was left out (reason,
    rows, examples).
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    dropped: tuple[dict, ...] = ()
    rows: int = 0
    volume_formula: str = DEFAULT_FORMULA
    lengths_used: bool = False


@dataclass
class _Reading:
    """What is gathered while a table is read."""

    notes: list[str] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)

    def stop_if_defective(self) -> None:
        if self.defects:
            raise AnalysisError.from_defects(self.defects)


def normalize_table(
    frame: pd.DataFrame | NormalizedTable, volume_formula: str = DEFAULT_FORMULA
) -> NormalizedTable:
    """Read a table of measurements, its headers forgivingly, into the one described at the top of this
    module.

    Refuses, naming row, column and value: missing columns, an empty table, a second row for a mouse and
    day, negative or non-numeric numbers, unknown words, a mouse without an id, an arm without a name, and
    a PDX model with two MAP2K4 statuses.
    """
    if isinstance(frame, NormalizedTable):
        return frame
    if volume_formula not in FORMULAS:
        raise AnalysisError(f'volume formula "{volume_formula}" is not one of {", ".join(FORMULAS)}')
    gathered = _Reading()
    named = _with_canonical_headers(frame.reset_index(drop=True), gathered)
    _require_columns(named, volume_formula)
    table = _typed(named, gathered)
    gathered.stop_if_defective()
    _set_weights_aside(table, gathered)
    table["key"] = _mouse_keys(table)
    refuse_duplicates(table, gathered.defects)
    gathered.stop_if_defective()
    table = volumes_of_readings(table, volume_formula, gathered.defects, gathered.notes)
    gathered.stop_if_defective()
    table = sum_tumors(table, gathered.notes)
    _fill_mouse_facts(table, gathered)
    _fill_model_status(table, gathered)
    gathered.stop_if_defective()
    return _finished(table, len(frame), volume_formula, "length_mm" in named, gathered)


def pool_studies(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The studies of a table read as one study `name`; each row keeps its own as `source_study`."""
    renamed = _with_canonical_headers(frame, _Reading())
    source = cells.text(renamed["study"], NOT_RECORDED) if "study" in renamed else NOT_RECORDED
    return renamed.assign(source_study=source, study=name)


def study_names(frame: pd.DataFrame) -> list[str]:
    """The studies a table holds, in order of appearance; one, not recorded, where it has no such column."""
    renamed = _with_canonical_headers(frame, _Reading())
    if "study" not in renamed:
        return [NOT_RECORDED]
    return list(pd.unique(cells.text(renamed["study"], NOT_RECORDED)))


def _with_canonical_headers(frame: pd.DataFrame, gathered: _Reading) -> pd.DataFrame:
    meanings: dict[str, list[str]] = {}
    for header in frame.columns:
        if meaning := canonical_header(str(header)):
            meanings.setdefault(meaning, []).append(header)
    renames = {}
    for meaning, headers in meanings.items():
        exact = [header for header in headers if str(header) == meaning]
        if len(headers) > 1 and not exact:
            raise AnalysisError(
                f"columns {', '.join(map(str, headers))} all mean {meaning}: keep one of them"
            )
        renames[(exact or headers)[0]] = meaning
        for other in headers:
            if exact and other != meaning:
                gathered.notes.append(
                    f'column "{other}" was not read as {meaning}, since a column of that name is there'
                )
    taken = set(renames.values())
    if "arm" not in taken and "treatment" in taken:
        renames = {old: "arm" if new == "treatment" else new for old, new in renames.items()}
    return frame.rename(columns=renames)


def _require_columns(table: pd.DataFrame, formula: str) -> None:
    if table.empty:
        raise AnalysisError("the table holds no rows")
    missing = [name for name in ("arm", "mouse", "day") if name not in table.columns]
    if "volume_mm3" not in table and not {"length_mm", "width_mm"} <= set(table.columns):
        missing.append("volume_mm3 (or length_mm and width_mm)")
    if missing:
        found = ", ".join(map(str, table.columns))
        raise AnalysisError(f"the table lacks {', '.join(missing)}; its columns are {found}")
    if FORMULAS[formula].needs_height and "height_mm" not in table and "volume_mm3" not in table:
        raise AnalysisError(f"volume formula {formula} needs a column height_mm")


def _typed(named: pd.DataFrame, gathered: _Reading) -> pd.DataFrame:
    table = named.copy()
    for name in NUMERIC:
        if name in table:
            table[name] = cells.numbers(named[name], name, gathered.defects)
    cells.refuse(
        named["day"].astype(object),
        table["day"].isna() & _not_already(gathered, "day"),
        "day",
        "is missing",
        gathered.defects,
    )
    for name in ("mouse", "arm"):
        missing = cells.is_missing(named[name])
        hint = "; an arm called None or NA must be read as text" if name == "arm" else ""
        cells.refuse(named[name], missing, name, f"is missing{hint}", gathered.defects)
        table[name] = cells.text(named[name])
    for name in ("study", "pdx_model"):
        table[name] = cells.text(named[name], NOT_RECORDED) if name in named else NOT_RECORDED
    table["source_study"] = (
        cells.text(named["source_study"], NOT_RECORDED) if "source_study" in named else table["study"]
    )
    for name in (*LABELS, "tumor", "replicate"):
        if name in named:
            table[name] = cells.text(named[name])
    _read_words(table, named, gathered)
    _name_arms_by_treatment(table, named, gathered)
    _convert_units(table, named, gathered)
    return table


def _not_already(gathered: _Reading, column: str) -> bool:
    return not any(defect.column == column for defect in gathered.defects)


def _read_words(table: pd.DataFrame, named: pd.DataFrame, gathered: _Reading) -> None:
    vocabularies = {
        "status": MeasurementStatus,
        "exit_reason": ExitReason,
        "treatment_related": YesNoUnknown,
    }
    for name, terms in vocabularies.items():
        known = set(terms.values())
        if name not in named:
            table[name] = ""
            continue
        reason = f"is not one of {', '.join(terms.values())}"
        read = lambda word, known=known: word if (word := fold(word)) in known else None  # noqa: E731
        table[name] = cells.words(named[name], name, read, reason, gathered.defects)
    if "role" in named:
        table["role"] = cells.words(
            named["role"],
            "role",
            _role_of,
            f"is not one of {', '.join(ArmRole.values())}, control, treated",
            gathered.defects,
        )
    else:
        table["role"] = ""
    if "map2k4_status" in named:
        _read_biomarker(table, named["map2k4_status"], gathered)
    else:
        table["map2k4_status"] = str(BiomarkerStatus.UNKNOWN)


def _role_of(word: str) -> str | None:
    folded = fold(word)
    if folded in ArmRole.values():
        return folded
    if folded in ROLE_WORDS:
        return str(ArmRole.VEHICLE) if ROLE_WORDS[folded] else "treated"
    return None


def _read_biomarker(table: pd.DataFrame, given: pd.Series, gathered: _Reading) -> None:
    codes, uniques = pd.factorize(cells.text(given))
    read = [biomarker_status(word) for word in uniques]
    gathered.notes.extend(note for _, note in read if note)
    unknown = np.array([status is None for status, _ in read], dtype=bool)
    reason = "is not a MAP2K4 status (loss_of_function, wild_type, uncertain, unknown)"
    cells.refuse(given, pd.Series(unknown[codes]), "map2k4_status", reason, gathered.defects)
    meanings = np.array(["" if status is None else str(status) for status, _ in read], dtype=object)
    table["map2k4_status"] = meanings[codes]


def _name_arms_by_treatment(table: pd.DataFrame, named: pd.DataFrame, gathered: _Reading) -> None:
    """Where `arm` only says control or treated, the treatment names the arm and the word is its role."""
    if "treatment" not in named or not {fold(arm) for arm in pd.unique(table["arm"])} <= set(ROLE_WORDS):
        return
    missing = cells.is_missing(named["treatment"])
    cells.refuse(
        named["treatment"], missing, "treatment", "is missing; it names the arm here", gathered.defects
    )
    role = table["arm"].map(_role_of)
    table["arm"] = cells.text(named["treatment"])
    both = role.groupby(table["arm"]).nunique()
    for arm in both.index[both > 1]:
        gathered.defects.append(Defect(None, "treatment", arm, "is marked both control and treated"))
    table["role"] = table["role"].where(table["role"] != "", role)
    gathered.notes.append("the treatment names the arm; the arm column marks the control")


def _convert_units(table: pd.DataFrame, named: pd.DataFrame, gathered: _Reading) -> None:
    if "unit" not in named or "volume_mm3" not in table:
        return
    units = cells.text(named["unit"]).map(fold)
    for unit in pd.unique(units):
        factor = UNITS_MM3.get(unit)
        if factor is None and unit:
            gathered.notes.append(
                f'volumes are in "{unit}" and stand as given: limits in mm3 do not apply to them'
            )
        elif factor and factor != 1.0:
            table.loc[units == unit, "volume_mm3"] *= factor
            gathered.notes.append(f"volumes in {unit} were multiplied by {factor:g} to mm3")


def _set_weights_aside(table: pd.DataFrame, gathered: _Reading) -> None:
    """A weight that cannot be is left out and said; the volume beside it still counts."""
    if "weight_g" not in table or not (bad := table["weight_g"] <= 0).any():
        return
    examples = [f"row {row + 1}: {table['weight_g'][row]:g}" for row in np.flatnonzero(bad)[:5]]
    gathered.dropped.append(
        {"reason": "body weights not above 0 g were left out", "rows": int(bad.sum()), "examples": examples}
    )
    table.loc[bad, "weight_g"] = np.nan


def _mouse_keys(table: pd.DataFrame) -> pd.Series:
    """Each mouse's own name: its id, or as much of study, model, arm and id as tells it from its
    namesakes.
    """
    parts = ["source_study", "pdx_model", "arm", "mouse"]
    mice = table[parts].drop_duplicates()
    namesakes = mice["mouse"].duplicated(keep=False)
    telling = [name for name in parts[:-1] if mice[name].nunique() > 1]
    full = mice["mouse"].where(
        ~namesakes, mice[[*telling, "mouse"]].agg("/".join, axis=1) if telling else mice["mouse"]
    )
    keys = dict(zip(mice.itertuples(index=False, name=None), full, strict=True))
    codes, uniques = pd.factorize(pd.MultiIndex.from_frame(table[parts]))
    return pd.Series(np.array([keys[mouse] for mouse in uniques], dtype=object)[codes], index=table.index)


def _fill_mouse_facts(table: pd.DataFrame, gathered: _Reading) -> None:
    """Exit and its attribution are facts of the mouse: said on any row, they hold for all of its rows."""
    for name in ("exit_reason", "treatment_related"):
        told = table.loc[table[name] != "", ["key", name]].drop_duplicates()
        for key in told.loc[told["key"].duplicated(), "key"].unique():
            gathered.defects.append(Defect(None, name, key, "has two different values for one mouse"))
        facts = dict(zip(told["key"], told[name], strict=True))
        table[name] = table["key"].map(facts).fillna("")


def _fill_model_status(table: pd.DataFrame, gathered: _Reading) -> None:
    """MAP2K4 status belongs to the PDX model: one row that tells it tells it for all."""
    unknown = str(BiomarkerStatus.UNKNOWN)
    told = table.loc[table["map2k4_status"] != unknown, ["pdx_model", "map2k4_status"]].drop_duplicates()
    for model in told.loc[told["pdx_model"].duplicated(), "pdx_model"].unique():
        gathered.defects.append(
            Defect(None, "map2k4_status", model, "this PDX model has two different statuses")
        )
    status = dict(zip(told["pdx_model"], told["map2k4_status"], strict=True))
    table["map2k4_status"] = table["pdx_model"].map(status).fillna(unknown)


def _finished(
    table: pd.DataFrame, rows: int, formula: str, lengths_used: bool, gathered: _Reading
) -> NormalizedTable:
    table = table.rename(columns={"mouse": "mouse_id", "key": "mouse"})
    for name in LABELS:
        if name not in table:
            table[name] = ""
    if "weight_g" not in table:
        table["weight_g"] = np.nan
    extra = [name for name in table.columns if name not in COLUMNS and name not in ALIASES and name != "unit"]
    extra += ["treatment"] if "treatment" in table and not (table["treatment"] == table["arm"]).all() else []
    extra += [name for name in LENGTHS if name in table and table[name].notna().any()]
    ordered = table[[*COLUMNS, *extra]].sort_values(
        ["pdx_model", "arm", "mouse", "day"], key=_natural, kind="stable", ignore_index=True
    )
    return NormalizedTable(
        ordered, tuple(dict.fromkeys(gathered.notes)), tuple(gathered.dropped), rows, formula, lengths_used
    )


def _natural(values: pd.Series) -> pd.Series:
    """Sort keys that put mouse 2 before mouse 10."""
    if values.dtype != object:
        return values
    codes, uniques = pd.factorize(values)
    padded = [re.sub(r"\d+", lambda digits: digits.group().zfill(12), word) for word in uniques]
    ranks = np.argsort(np.argsort(np.array(padded, dtype=object), kind="stable"), kind="stable")
    return pd.Series(ranks[codes], index=values.index)
