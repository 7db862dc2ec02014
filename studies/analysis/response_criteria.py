"""Other rules of response beside mRECIST, mouse by mouse, and where they disagree.

PPTC  of the Pediatric Preclinical Testing Consortium: regression at any time, volume at the end, and a line of 100 mm3.
PDXNet's response on one day; RC of Bertotti et al. 2015, on the last day. One curve may be PD by one and CR by another,
so a table must say whose rule it shows.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from studies.analysis.curves import Curves, baselines, curves_of, volumes_at
from studies.analysis.kaplan_meier import kaplan_meier
from studies.analysis.response import DECIMALS, FEWEST_READINGS, FIRST_DAY, category_of, responses
from studies.analysis.survival import time_to_event
from studies.analysis.tables import NormalizedTable
from studies.terms import ExitReason

PPTC_LINE_MM3, PPTC_LEAST_V0_MM3 = 100.0, 200.0
PPTC_SCORES = {"PD": 0, "PD1": 0, "PD2": 2, "SD": 4, "PR": 6, "CR": 8, "MCR": 10}
PD2_ABOVE = 1.5
# what each rule's categories say in common: did the tumor respond, stand or progress?
MEANING = {
    "MCR": "response", "CR": "response", "PR": "response", "OR": "response", "SD": "stable", "PD": "progression",
    "PD1": "progression", "PD2": "progression",
}  # fmt: skip
CRITERIA = ("mrecist", "mrecist_time_weighted", "pptc", "pdxnet", "rc")


def response_criteria(
    table: pd.DataFrame | NormalizedTable,
    day: float | None,
    controls: Mapping[str, str],
    lod_mm3: float = 13.5,
) -> pd.DataFrame:
    """One row a mouse: mouse, pdx_model, map2k4_status, arm and its category by each rule, None where there is none.

    - mrecist; mrecist_time_weighted, the same limits with the running mean over time in place of over visits, and its
      best_time_weighted_average_percent: a sensitivity to the schedule of visits;
    - pptc: MCR, CR, PR, SD, PD2, PD1 (PD where the control's median time to 4 V0 is not known); pptc_score 0 to 10;
      pptc_rule: standard where V0 is at least 200 mm3, else modified, with the CR line at the limit of detection, since
      a tumor of 101 mm3 that dips to 99 has not gone;
    - pdxnet: CR at most -95 %, PR -30, SD 20, else PD, on `day`; rc: OR at most -35 %, PD above 35, else SD, on the
    last
      day;
    - tumor_free_survivor: below the limit of detection at its last two visits and still in the study at its end.

    `controls` names the control of each treated arm. A mouse whose V0 lies below the limit of detection has no
    category.
    """
    curves = curves_of(table)
    start = baselines(curves)
    v0 = np.where(start.volume_mm3 >= max(lod_mm3, 1e-9), start.volume_mm3, np.nan)
    after = curves.last_day > start.day
    change_last = np.where(after, _percent(curves.volume_mm3[curves.ends - 1], v0), np.nan)
    change_day = np.full(len(curves), np.nan)
    if day is not None:
        change_day = _percent(np.where(start.day < day, volumes_at(curves, day)[0], np.nan), v0)
    mine = responses(table, lod_mm3)
    weighted, weighted_category = _time_weighted(curves, start.position, v0, mine)
    facts = mine[["mouse", "pdx_model", "map2k4_status", "arm"]]
    pptc, score = _pptc(table, curves, start.position, v0, change_last, controls, lod_mm3)
    return facts.assign(
        mrecist=mine["category"],
        mrecist_time_weighted=weighted_category,
        best_time_weighted_average_percent=weighted,
        pptc=pptc,
        pptc_score=score,
        pptc_rule=np.where(v0 >= PPTC_LEAST_V0_MM3, "standard", "modified"),
        pdxnet=_by_limits(change_day, (("CR", -95.0), ("PR", -30.0), ("SD", 20.0)), "PD"),
        pdxnet_day=day,
        rc=_by_limits(change_last, (("OR", -35.0), ("SD", 35.0)), "PD"),
        tumor_free_survivor=_tumor_free(curves, lod_mm3),
    )


def response_discordance(criteria: pd.DataFrame) -> list[dict]:
    """How two rules agree, a row a pair of rules: first, second, n judged by both, n_agree (both say response,
    stable or
    progression), percent_discordant, and `table`, the count of each pair of categories."""
    rows = []
    for first, second in combinations(CRITERIA, 2):
        both = criteria[criteria[first].notna() & criteria[second].notna()]
        agree = int((both[first].map(MEANING) == both[second].map(MEANING)).sum())
        counts = both.groupby([first, second], sort=True).size()
        rows.append({
            "first": first, "second": second, "n": len(both), "n_agree": agree,
            "percent_discordant": 100 * (1 - agree / len(both)) if len(both) else None,
            "table": [{"first": a, "second": b, "n": int(n)} for (a, b), n in counts.items()],
        })  # fmt: skip
    return rows


def _percent(volume_mm3: np.ndarray, v0: np.ndarray) -> np.ndarray:
    return np.round(100 * (volume_mm3 - v0) / v0, DECIMALS)


def _by_limits(change: np.ndarray, limits: tuple[tuple[str, float], ...], worst: str) -> np.ndarray:
    """The first category whose limit the change does not exceed."""
    category = np.full(len(change), worst, dtype=object)
    for name, limit in reversed(limits):
        category[change <= limit] = name
    category[np.isnan(change)] = None
    return category


def _pptc(
    table: pd.DataFrame | NormalizedTable,
    curves: Curves,
    position: np.ndarray,
    v0: np.ndarray,
    change_last: np.ndarray,
    controls: Mapping[str, str],
    lod_mm3: float,
) -> tuple[np.ndarray, np.ndarray]:
    line = np.where(v0 >= PPTC_LEAST_V0_MM3, PPTC_LINE_MM3, lod_mm3)
    place = np.arange(len(curves.day))
    seen = np.where(place > position[curves.owner], curves.volume_mm3, np.inf)
    least = np.minimum.reduceat(seen, curves.starts)
    category = np.where(change_last > 25, "PD", "SD").astype(object)
    category[least <= 0.5 * v0] = "PR"
    category[least < line] = "CR"
    category[curves.volume_mm3[curves.ends - 1] < line] = "MCR"
    category[np.isnan(change_last)] = None
    progressed = category == "PD"
    category[progressed] = _split_progression(table, curves.mice[progressed], controls)
    return category, np.array([PPTC_SCORES.get(name, np.nan) for name in category], dtype=float)


def _split_progression(
    table: pd.DataFrame | NormalizedTable, mice: pd.DataFrame, controls: Mapping[str, str]
) -> list[str]:
    """PD1 or PD2 by the mouse's time to 4 V0 over the median of its control in the same PDX model."""
    times = time_to_event(table, fold=4.0)
    reference = set(controls.values())
    medians = {
        keys: kaplan_meier(group["time"].to_numpy(float), group["event"].to_numpy(int)).median
        for keys, group in times[times["arm"].isin(reference)].groupby(["pdx_model", "arm"], sort=False)
    }
    own = dict(zip(times["mouse"], zip(times["time"], times["event"], strict=True), strict=True))
    split = []
    for mouse, pdx_model, arm in zip(mice["mouse"], mice["pdx_model"], mice["arm"], strict=True):
        median, (time, event) = medians.get((pdx_model, controls.get(arm, arm))), own.get(mouse, (np.nan, 0))
        if median and time / median > PD2_ABOVE:
            split.append("PD2")
        else:
            split.append("PD1" if median and event else "PD")
    return split


def _time_weighted(
    curves: Curves, position: np.ndarray, v0: np.ndarray, mine: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """The least mean change over time since V0, at a visit on day 10 or later, and the category it gives."""
    place, owner = np.arange(len(curves.day)), curves.owner
    change = 100 * (curves.volume_mm3 - v0[owner]) / v0[owner]
    first = place <= position[owner]
    step = np.where(first, 0.0, np.diff(curves.day, prepend=curves.day[:1]))
    area = np.cumsum(np.nan_to_num(step * (change + np.concatenate([change[:1], change[:-1]])) / 2))
    elapsed = curves.day - curves.day[position][owner]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.round((area - area[position][owner]) / elapsed, DECIMALS)
    late = (curves.day >= FIRST_DAY) & (elapsed > 0) & ~np.isnan(change)
    least = np.minimum.reduceat(np.where(late, mean, np.inf), curves.starts)
    enough = (curves.count(late) >= FEWEST_READINGS) & ~np.isnan(v0)
    weighted = np.where(enough, least, np.nan)
    category = category_of(mine["best_response_percent"].to_numpy(float), weighted)
    category[~enough] = None
    early = mine["early_progression"].to_numpy(bool)
    category[early] = "PD"
    return weighted, category


def _tumor_free(curves: Curves, lod_mm3: float) -> np.ndarray:
    below = curves.volume_mm3 < lod_mm3
    last, before = curves.ends - 1, np.maximum(curves.ends - 2, 0)
    twice = below[last] & below[before] & (curves.ends - curves.starts >= 2)
    end = pd.Series(curves.last_day).groupby(curves.mice["pdx_model"].to_numpy()).transform("max").to_numpy()
    reason = curves.mice["exit_reason"].to_numpy()
    stayed = (reason == ExitReason.SCHEDULED_END) | ((reason == "") & (curves.last_day >= end))
    return twice & stayed
