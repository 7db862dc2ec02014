"""One row a caliper reading to one row a mouse and day: replicates averaged, tumors summed."""

import numpy as np
import pandas as pd

from studies import wording
from studies.analysis.cells import refuse
from studies.analysis.errors import Defect
from studies.terms import MeasurementStatus as Status
from studies.volumes import FORMULAS

# The status of a mouse's day is the gravest of its tumors'.
SEVERITY = (
    "",
    Status.NOT_PALPABLE,
    Status.TOO_SMALL,
    Status.MEASURED,
    Status.ULCERATED,
    Status.NOT_DONE,
    Status.EXCLUDED,
    Status.DEAD,
)
VALUELESS = (Status.NOT_PALPABLE, Status.NOT_DONE)
KEYS = ["key", "day"]


def volumes_of_readings(
    table: pd.DataFrame, formula: str, defects: list[Defect], notes: list[str]
) -> pd.DataFrame:
    """Fill `volume_mm3`, NaN where not known, 0 where not palpable, and `status`, never empty.

    A volume given beside lengths is kept: it is the reported value at full precision. Lengths of a
    replicated reading are averaged, longer with longer, before the formula is applied.
    """
    _refuse_impossible(table, defects)
    if defects:
        return table
    table = average_replicates(table)
    computed = _computed(table, formula)
    if "volume_mm3" in table:
        _note_disagreement(table["volume_mm3"], computed, formula, notes)
        table["volume_mm3"] = table["volume_mm3"].fillna(computed)
    else:
        table["volume_mm3"] = computed
    return _settle_status(table, notes)


def average_replicates(table: pd.DataFrame) -> pd.DataFrame:
    """Readings of one tumor on one day, told apart by `replicate`, as one row of mean lengths (or mean
    volume).
    """
    lengths = [name for name in ("length_mm", "width_mm") if name in table]
    if len(lengths) == 2:
        ordered = np.sort(table[lengths].to_numpy(float), axis=1)
        table = table.assign(length_mm=ordered[:, 1], width_mm=ordered[:, 0])
    if "replicate" not in table:
        return table
    keys = [*KEYS, *(["tumor"] if "tumor" in table else [])]
    averaged = {
        name: "mean"
        for name in ("length_mm", "width_mm", "height_mm", "volume_mm3", "weight_g")
        if name in table
    }
    kept = {name: "first" for name in table.columns if name not in averaged and name not in keys}
    return table.groupby(keys, sort=False, as_index=False).agg({**kept, **averaged})[list(table.columns)]


def sum_tumors(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """One row a mouse and day, volumes of its tumors summed.

    A tumor not palpable adds 0; one not measured, or without a row once it has been seen, makes the sum
    missing, since the burden of that day is not known.
    """
    if "tumor" not in table:
        return table
    tumors = table.groupby("key")["tumor"].nunique()
    if (tumors <= 1).all():
        return table
    notes.append(
        f"{wording.mice(int((tumors > 1).sum()))} with several tumors; the volumes of a mouse are summed"
    )
    rank = {status: place for place, status in enumerate(SEVERITY)}
    table = table.assign(severity=table["status"].map(rank))
    grouped = table.groupby(KEYS, sort=False, as_index=False)
    summed = grouped.agg(
        {
            name: "first"
            for name in table.columns
            if name not in (*KEYS, "volume_mm3", "severity", "status", "tumor")
        }
        | {"volume_mm3": lambda volumes: volumes.sum(skipna=False), "severity": "max", "tumor": "nunique"}
    )
    summed["status"] = summed.pop("severity").map(dict(enumerate(SEVERITY)))
    first_seen = table.groupby(["key", "tumor"])["day"].min().reset_index()
    due = summed[KEYS].merge(first_seen, on="key", suffixes=("", "_first"))
    due = due[due["day_first"] <= due["day"]].groupby(KEYS).size().rename("due").reset_index()
    lacking = summed.merge(due, on=KEYS, how="left")["due"].to_numpy() > summed.pop("tumor").to_numpy()
    if lacking.any():
        notes.append(
            f"on {int(lacking.sum())} mouse-days a tumor was not measured, so the mouse's volume is missing"
        )
        summed.loc[lacking, "volume_mm3"] = np.nan
    return summed


def refuse_duplicates(table: pd.DataFrame, defects: list[Defect]) -> None:
    """Two rows for one mouse (tumor, replicate) and day cannot both be true."""
    keys = [*KEYS, *(name for name in ("tumor", "replicate") if name in table)]
    twice = table.duplicated(keys, keep="first")
    if not twice.any():
        return
    arms = table["pdx_model"] + ", arm " + table["arm"] + ", mouse " + table["mouse"]
    days = table["day"].map(lambda day: f"{day:g}")
    reason = (
        "this mouse already has a reading on this day (a second caliper reading needs a replicate column)"
    )
    refuse(arms + ", day " + days, twice, "mouse and day", reason, defects)


def _refuse_impossible(table: pd.DataFrame, defects: list[Defect]) -> None:
    for name in ("length_mm", "width_mm", "height_mm"):
        if name in table:
            bad = (table[name] < 0) | ((table[name] == 0) & ~_zero_is_absence(table))
            refuse(table[name], bad, name, "is not above 0", defects)
    if "volume_mm3" in table:
        refuse(
            table["volume_mm3"], table["volume_mm3"] < 0, "volume_mm3", "a volume cannot be negative", defects
        )
        absent = table["status"].isin(VALUELESS) & (table["volume_mm3"] > 0)
        refuse(
            table["volume_mm3"],
            absent,
            "volume_mm3",
            "contradicts a status that says nothing was measured",
            defects,
        )


def _zero_is_absence(table: pd.DataFrame) -> pd.Series:
    """0 x 0 mm is how caliper sheets write a tumor that cannot be felt."""
    if "length_mm" not in table or "width_mm" not in table:
        return pd.Series(False, index=table.index)
    return (table["length_mm"] == 0) & (table["width_mm"] == 0)


def _computed(table: pd.DataFrame, formula: str) -> pd.Series:
    if "length_mm" not in table or "width_mm" not in table:
        return pd.Series(np.nan, index=table.index)
    chosen = FORMULAS[formula]
    if chosen.needs_height and "height_mm" not in table:
        return pd.Series(np.nan, index=table.index)
    heights = (table["height_mm"],) if chosen.needs_height else ()
    return chosen.compute(table["length_mm"], table["width_mm"], *heights)


def _note_disagreement(given: pd.Series, computed: pd.Series, formula: str, notes: list[str]) -> None:
    differs = (given - computed).abs() > 0.05 * computed.where(computed > 0)
    if differs.any():
        both = int((given.notna() & computed.notna()).sum())
        notes.append(
            f"{int(differs.sum())} of {both} volumes given differ by more than 5 % from "
            f"{FORMULAS[formula].name} of the lengths beside them; the volumes given were used"
        )


def _settle_status(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    volume, status = table["volume_mm3"].copy(), table["status"].astype(object).copy()
    absent = status.isin([Status.NOT_PALPABLE, Status.TOO_SMALL]) & volume.isna()
    volume[absent] = 0.0
    if too_small := int((absent & (status == Status.TOO_SMALL)).sum()):
        notes.append(
            f"{too_small} {wording.noun(too_small, 'tumor')} too small to measure, taken as 0 mm3, below the "
            "limit of detection"
        )
    excluded = (status == Status.EXCLUDED) & volume.notna()
    if excluded.any():
        notes.append(f"{wording.readings(int(excluded.sum()))} with status excluded set aside")
        volume[excluded] = np.nan
    claimed = (status == Status.MEASURED) & volume.isna()
    if claimed.any():
        rows = int(claimed.sum())
        notes.append(
            f"{rows} {wording.noun(rows, 'row')} marked measured but without a volume, counted as not done"
        )
    status[(status == "") & (volume > 0)] = Status.MEASURED
    status[(volume == 0) & status.isin(["", Status.MEASURED])] = Status.NOT_PALPABLE
    status[((status == "") & volume.isna()) | claimed] = Status.NOT_DONE
    return table.assign(volume_mm3=volume, status=status.map(str))
