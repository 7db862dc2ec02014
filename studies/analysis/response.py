"""Response categories of single mice: mRECIST by the rule of Gao et al. 2015 as the Xeva package carries
it out.

Change from V0 of reading j is d_j = 100 (V_j - V0) / V0. Best response is the least d_j at day 10 or
later; the average response at j is the mean of d_0..d_j, day 0 (0 %) included, and best average response
the least of these at day 10 or later. A mouse with fewer than two readings at day 10 or later has no
category.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.curves import Baseline, Curves, baselines, curves_of
from studies.analysis.errors import AnalysisError
from studies.analysis.intervals import clopper_pearson, wilson
from studies.analysis.tables import NormalizedTable
from studies.terms import ExitReason

IMPLEMENTATION = "mRECIST after Gao et al. 2015, rule as in Xeva (running mean includes day 0, from day 10)"
FIRST_DAY = 10.0
FEWEST_READINGS = 2
DECIMALS = 9  # of a percent, so that a change of exactly a limit is on it whatever the division's last bit
# Category, and what best and best average response must lie below; the last rule that holds decides.
RULES = (("SD", 35.0, 30.0), ("PR", -50.0, -20.0), ("CR", -95.0, -40.0))
CATEGORIES = ("CR", "PR", "SD", "PD")
PROGRESSION_EXITS = {str(ExitReason.TUMOR_SIZE), str(ExitReason.ULCERATION)}


@dataclass(frozen=True)
class Response:
    """One mouse's response. `category` is CR, PR, SD or PD, or None with the `reason`."""

    category: str | None
    best_response_percent: float | None
    best_response_day: float | None
    best_average_response_percent: float | None
    best_average_response_day: float | None
    reason: str | None = None


def mrecist(days: np.ndarray | list[float], volumes_mm3: np.ndarray | list[float]) -> Response:
    """The mRECIST category of one mouse; V0 is the first volume given, days count from the first dose.

    Readings without a volume are passed over. Refuses unequal lengths, days out of order and negative
    volumes.
    """
    day, volume = np.asarray(days, dtype=float), np.asarray(volumes_mm3, dtype=float)
    if day.shape != volume.shape or day.ndim != 1:
        raise AnalysisError(f"{day.size} days do not pair with {volume.size} volumes")
    day, volume = day[~np.isnan(volume)], volume[~np.isnan(volume)]
    if (np.diff(day) < 0).any():
        raise AnalysisError("the days are not in order, so the first volume is not V0")
    if (volume < 0).any():
        raise AnalysisError("a volume cannot be negative")
    if not len(day):
        return Response(None, None, None, None, None, "no volume is known")
    curves = Curves(pd.DataFrame(index=[0]), np.zeros(1, dtype=int), day, volume)
    start = Baseline(np.zeros(1, dtype=int), volume[:1], day[:1], np.zeros(1, dtype=bool))
    row = _best_responses(curves, start, 0.0).iloc[0]
    known = {name: None if pd.isna(row[name]) else row[name] for name in Response.__dataclass_fields__}
    plain: dict[str, Any] = {
        name: float(value) if isinstance(value, float) else value for name, value in known.items()
    }
    return Response(**plain)


def responses(table: pd.DataFrame | NormalizedTable, lod_mm3: float = 13.5) -> pd.DataFrame:
    """mRECIST of every mouse of a table, a row each.

    V0 is the last reading in day -3..0, else the first. A mouse culled for tumor size or ulceration
    before it has two readings at day 10 is progressive disease (`early_progression`); other mice without
    a category are not evaluable, with the `reason`, as are those whose V0 lies below the limit of
    detection.
    """
    curves = curves_of(table)
    best = _best_responses(curves, baselines(curves), lod_mm3)
    exits = curves.mice["exit_reason"].isin(PROGRESSION_EXITS).to_numpy() & (curves.last_day < FIRST_DAY)
    early = exits & best["category"].isna().to_numpy() & ~best["below_lod"].to_numpy()
    best.loc[early, "category"] = "PD"
    best.loc[early, "reason"] = f"culled for its tumor before day {FIRST_DAY:g}"
    facts = curves.mice[["mouse", "pdx_model", "map2k4_status", "arm"]]
    evaluable = best["category"].notna()
    return pd.concat([facts, best.drop(columns="below_lod")], axis=1).assign(
        evaluable=evaluable, early_progression=early
    )


def response_rates(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Objective response (CR + PR) and disease control (CR + PR + SD) by arm, from the rows of
    `responses`.

    Percent of all mice, one not evaluable counting as no response, and of the evaluable mice, each with
    Wilson's interval and the exact one (exact_ci). Expects the columns arm and category.
    """
    rows = [
        {"arm": arm, **_rates(group["category"], confidence)}
        for arm, group in table.groupby("arm", sort=False)
    ]
    return pd.DataFrame(rows)


def _rates(categories: pd.Series, confidence: float) -> dict[str, float | int | None]:
    counts = {category: int((categories == category).sum()) for category in CATEGORIES}
    evaluable = sum(counts.values())
    row: dict[str, float | int | None] = {
        "n": len(categories), "n_evaluable": evaluable, **counts, "NE": len(categories) - evaluable,
    }  # fmt: skip
    responders = {"orr": counts["CR"] + counts["PR"], "dcr": counts["CR"] + counts["PR"] + counts["SD"]}
    for name, successes in responders.items():
        for suffix, n in (("", len(categories)), ("_evaluable", evaluable)):
            low, high = wilson(successes, n, confidence)
            row[f"{name}{suffix}_percent"] = 100 * successes / n if n else None
            row[f"{name}{suffix}_ci_low"], row[f"{name}{suffix}_ci_high"] = low, high
            exact = clopper_pearson(successes, n, confidence)
            row[f"{name}{suffix}_exact_ci_low"], row[f"{name}{suffix}_exact_ci_high"] = exact
    return row


def _best_responses(curves: Curves, start: Baseline, lod_mm3: float) -> pd.DataFrame:
    """Best and best average response of every mouse by one pass over visits: first readings first, then
    second...
    """
    lengths = curves.ends - start.position
    order = np.argsort(-lengths, kind="stable")
    position, lengths, v0 = start.position[order], lengths[order], start.volume_mm3[order]
    scale = np.where(v0 > 0, v0, np.nan)
    best, best_average = np.full(len(order), np.inf), np.full(len(order), np.inf)
    best_day, average_day = np.full(len(order), np.nan), np.full(len(order), np.nan)
    running, late = np.zeros(len(order)), np.zeros(len(order), dtype=int)
    active = len(order)
    for visit in range(int(lengths[0]) if len(lengths) else 0):
        active = int(np.searchsorted(-lengths[:active], -visit, side="left"))
        reading = position[:active] + visit
        change = np.round(100 * (curves.volume_mm3[reading] - scale[:active]) / scale[:active], DECIMALS)
        running[:active] += change
        day = curves.day[reading]
        counts = day >= FIRST_DAY
        late[:active] += counts
        _keep_least(best[:active], best_day[:active], change, day, counts)
        average = np.round(running[:active] / (visit + 1), DECIMALS)
        _keep_least(best_average[:active], average_day[:active], average, day, counts)
    back = np.argsort(order, kind="stable")
    frame = pd.DataFrame({
        "best_response_percent": best, "best_response_day": best_day,
        "best_average_response_percent": best_average, "best_average_response_day": average_day,
    }).iloc[back].reset_index(drop=True).replace(np.inf, np.nan)  # fmt: skip
    return _with_category(frame, late[back], start.volume_mm3, lod_mm3)


def category_of(best: np.ndarray, average: np.ndarray) -> np.ndarray:
    """mRECIST's category of best and best average response, in percent; the last rule that holds decides."""
    category = np.full(len(best), "PD", dtype=object)
    for name, best_below, average_below in RULES:
        category[(best < best_below) & (average < average_below)] = name
    return category


def _keep_least(
    least: np.ndarray, least_day: np.ndarray, value: np.ndarray, day: np.ndarray, counts: np.ndarray
) -> None:
    lower = counts & (value < least)
    np.copyto(least, value, where=lower)
    np.copyto(least_day, day, where=lower)


def _with_category(frame: pd.DataFrame, late: np.ndarray, v0: np.ndarray, lod_mm3: float) -> pd.DataFrame:
    category = category_of(
        frame["best_response_percent"].to_numpy(), frame["best_average_response_percent"].to_numpy()
    )
    below_lod = ~(v0 > 0) | (v0 < lod_mm3)
    too_few = late < FEWEST_READINGS
    reason = np.full(len(frame), None, dtype=object)
    reason[too_few] = f"fewer than {FEWEST_READINGS} readings at day {FIRST_DAY:g} or later"
    reason[below_lod] = "the baseline volume is below the limit of detection"
    category[too_few | below_lod] = None
    return frame.assign(category=category, reason=reason, below_lod=below_lod)
