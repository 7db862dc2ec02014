"""What one piece of a cell (a few hundred studies) tells, as sums, so that pieces add up."""

from collections import Counter

import numpy as np
import pandas as pd
from scipy.special import stdtr

from studies.analysis.curves import Curves
from studies.analysis.growth_models import tgi_percent
from studies.analysis.many_studies import (
    BLISS,
    CONTRAST,
    INTERACTION,
    ManyOutcomes,
    analyze_many,
    days_by_rule,
    model_level_tests,
)
from studies.analysis.plan import Plan
from studies.analysis.tgi import METHODS, MiceAtDay, Tgi, compare_arms, mice_at_day
from tests.simulate.cells import EFFECT, LAST, Cell

ALPHA = 0.05


def measure(cell: Cell, piece: int) -> Counter[str]:
    """Counts and sums of one piece. Names: question:what; studies refused or without the effect never reject."""
    frame = cell.draw(piece)
    plan = cell.plan(frame)
    outcomes = analyze_many(frame, plan)
    sums = Counter(studies=cell.batch, refused=len(outcomes.refused), singular=int(outcomes.singular.sum()))
    mice = frame.drop_duplicates("mouse")
    sums.update(mice=len(mice), culled=int((mice["exit_reason"] == "tumor_size").sum()))
    if cell.kind == "program":
        _effect(sums, outcomes, INTERACTION, "A", 0.0)
        _effect(sums, outcomes, CONTRAST, "A", EFFECT)
        _model_level(sums, frame, plan, 0.0)
    else:
        effect = cell.slope("B") - cell.slope("Vehicle")
        _effect(sums, outcomes, CONTRAST, "A", 0.0)
        _effect(sums, outcomes, CONTRAST, "B", effect)
        _effect(sums, outcomes, BLISS, "A+B", 0.0)
        if cell.kind == "null":
            _family(sums, outcomes)
        else:
            _inhibition(sums, frame, plan, cell, outcomes)
    return sums


def _effect(sums: Counter[str], outcomes: ManyOutcomes, question: str, arm: str, truth: float) -> None:
    rows, name = outcomes.of(question, arm), f"{question} {arm}"
    held = rows["ci_low"].le(truth) & rows["ci_high"].ge(truth)
    uncapped = 2 * stdtr(rows["uncapped_df"].fillna(rows["df"]), -np.abs(rows["estimate"] / rows["se"]))
    known = rows["p_value"].notna()
    sums.update({
        f"{name}:estimated": int(known.sum()), f"{name}:rejected": int((rows["p_value"] < ALPHA).sum()),
        f"{name}:rejected uncapped": int((uncapped < ALPHA).sum()), f"{name}:held": int(held.sum()),
        f"{name}:error": float((rows["estimate"] - truth)[known].sum()),
        f"{name}:width": float((rows["ci_high"] - rows["ci_low"])[known].sum()),
    })  # fmt: skip
    if question in (INTERACTION, BLISS) or truth == 0:
        single = outcomes.singular.reindex(rows.index).to_numpy(bool)
        sums[f"{name}:rejected singular"] += int((rows["p_value"][single] < ALPHA).sum())


def _family(sums: Counter[str], outcomes: ManyOutcomes) -> None:
    rows = outcomes.effects.xs(CONTRAST, level="question")
    smallest = rows["p_adjusted"].groupby(level="study").min()
    plain = rows["p_value"].groupby(level="study").min()
    sums["family:rejected"] += int((smallest < ALPHA).sum())
    sums["family:rejected unadjusted"] += int((plain < ALPHA).sum())


def _model_level(sums: Counter[str], frame: pd.DataFrame, plan: Plan, truth: float) -> None:
    """The interaction by the pooled-variance t test on model-level effects, in every study."""
    rows = model_level_tests(frame, plan, "A")
    held = rows["ci_low"].le(truth) & rows["ci_high"].ge(truth)
    sums.update({
        "model level:estimated": len(rows), "model level:rejected": int((rows["p_value"] < ALPHA).sum()),
        "model level:held": int(held.sum()), "model level:error": float((rows["difference"] - truth).sum()),
        "model level:width": float((rows["ci_high"] - rows["ci_low"]).sum()),
    })  # fmt: skip


def _inhibition(
    sums: Counter[str], frame: pd.DataFrame, plan: Plan, cell: Cell, outcomes: ManyOutcomes
) -> None:
    """TGI of arm B by every method at the rule's day, and at day 21 by available cases and by carrying forward."""
    days = days_by_rule(frame, plan)
    curves = curves_of_many(frame)
    places = curves.mice.groupby(["study", "arm"]).indices
    slopes = outcomes.of(CONTRAST, "B")
    for method in METHODS if cell.biases else ("delta",):
        for day in np.unique(days[~np.isnan(days)]):
            mice, truth = (
                mice_at_day(curves, float(day), None, method),
                true_percent(cell, method, float(day)),
            )
            for study in np.flatnonzero(days == day):
                _add_percent(sums, f"tgi {method}", _compare(mice, places, study), truth)
    for study, row in slopes.iterrows():
        day = days[study]
        if np.isfinite(day):
            values = [tgi_percent(row[name], day) for name in ("estimate", "ci_high", "ci_low")]
            _add(sums, "tgi mixed model", *values, true_percent(cell, "model", float(day)))
    if cell.biases:
        _last_day(sums, curves, places, cell, slopes)


def _last_day(sums: Counter[str], curves: Curves, places: dict, cell: Cell, slopes: pd.DataFrame) -> None:
    truth = true_percent(cell, "model", LAST)
    for _, row in slopes.iterrows():
        values = [tgi_percent(row[name], LAST) for name in ("estimate", "ci_high", "ci_low")]
        _add(sums, "last day mixed model", *values, truth)
    for name, source in (("available cases", curves), ("carried forward", carried_forward(curves))):
        for method in ("delta", "rtv"):
            mice, truth = mice_at_day(source, LAST, None, method), true_percent(cell, method, LAST)
            for study in range(cell.batch):
                _add_percent(sums, f"last day {method}, {name}", _compare(mice, places, study), truth)


def _compare(mice: MiceAtDay, places: dict, study: int) -> Tgi:
    return compare_arms(mice, ("B", places[study, "B"]), ("Vehicle", places[study, "Vehicle"]))


def _add_percent(sums: Counter[str], name: str, found: Tgi, truth: float) -> None:
    _add(sums, name, found.percent, found.ci_low, found.ci_high, truth)


def _add(
    sums: Counter[str], name: str, percent: float | None, low: float | None, high: float | None, truth: float
) -> None:
    """Errors are cut at +-200 points: a vehicle that hardly grew makes TGI as large as one likes."""
    if percent is None:
        sums[f"{name}:undefined"] += 1
        return
    sums[f"{name}:estimated"] += 1
    sums[f"{name}:truth"] += truth
    sums[f"{name}:error"] += float(np.clip(percent - truth, -200.0, 200.0))
    sums[f"{name}:absolute"] += float(np.clip(abs(percent - truth), 0.0, 200.0))
    if low is None or high is None:
        sums[f"{name}:unbounded"] += 1
    else:
        sums[f"{name}:held"] += int(low <= truth <= high)


def true_percent(cell: Cell, method: str, day: float) -> float:
    """The truth a method aims at, from expected volumes (a reading's own error multiplies them all alike).

    The area runs over the visits; relative volumes and "model" compare growth alone, so the start drops out.
    """
    design, arms = cell.design, ("B", "Vehicle")
    start = design.expected_mm3("B", 0)
    if method in ("rtv", "model"):
        slopes = design.models[0].slopes
        grown = [float(design.growth(slopes, arm, day) - design.growth(slopes, arm, 0.0)) for arm in arms]
        return -100 * float(np.expm1(grown[0] - grown[1]))
    if method == "auc":
        visits = np.array([visit for visit in design.days if 0 <= visit <= day], dtype=float)
        over = [[design.expected_mm3(arm, visit) - start for visit in visits] for arm in arms]
        treated, vehicle = (float(np.trapezoid(values, visits)) for values in over)
    else:
        less = start if method == "delta" else 0.0
        treated, vehicle = (design.expected_mm3(arm, day) - less for arm in arms)
    return 100 * (1 - treated / vehicle)


def curves_of_many(frame: pd.DataFrame) -> Curves:
    """The curves of all mice of all studies; rows stand by mouse and day already."""
    starts = np.flatnonzero(np.r_[True, frame["mouse"].to_numpy()[1:] != frame["mouse"].to_numpy()[:-1]])
    mice = frame.iloc[starts].reset_index(drop=True)
    return Curves(mice, starts, frame["day"].to_numpy(float), frame["volume_mm3"].to_numpy())


def carried_forward(curves: Curves) -> Curves:
    """Each curve's last reading carried to day 21: what the product never does, for comparison."""
    short = curves.last_day < LAST
    at = curves.ends[short]
    day = np.insert(curves.day, at, LAST)
    volume = np.insert(curves.volume_mm3, at, curves.volume_mm3[at - 1])
    return Curves(curves.mice, curves.starts + np.r_[0, np.cumsum(short)[:-1]], day, volume)
