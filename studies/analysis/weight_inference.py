"""Is an arm's weight loss more than its control's? A mixed model of the change, and the time to a loss of 15 or 20
%."""

from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.errors import AnalysisError
from studies.analysis.mixed_model import fit_lmm
from studies.analysis.plan import Plan
from studies.analysis.survival import compare_survival, competing_incidence
from studies.analysis.tables import NormalizedTable
from studies.analysis.weight import frame_of, weight_change
from studies.terms import ExitReason, SurvivalCoding

LOSSES_PERCENT = (15.0, 20.0)
FEWEST_MICE = 2
SHOWN = ("estimate", "se", "df", "p_value", "p_adjusted", "ci_low", "ci_high")
PERCENT = "percent ~ day * arm + {models}(1 + day | mouse)"


def weight_model(frame: pd.DataFrame, plan: Plan) -> dict[str, Any] | None:
    """The mixed model of percent change after day 0 within the window, and each arm's difference from its control at
    the
    arm's nadir and at the window's end; None where there is nothing to fit, with a `reason` where the fit failed.

    `formula`, `contrasts` (arm, control, day, at, estimate in percent points and the rest). The nadir is picked from
    the
    same weighings, so its rows describe; p values are adjusted over the arms by the plan's way.
    """
    changes = weight_change(frame)
    if plan["window"] is None or changes.empty:
        return None
    last = plan["window"][1]
    data = changes[(changes["day"] > 0) & (changes["day"] <= last)]
    visits = data.groupby("mouse")["day"].transform("nunique")
    data = data[visits >= 2]
    mice = data.groupby("arm")["mouse"].nunique()
    arms = [arm for arm in plan["roles"] if mice.get(arm, 0) >= FEWEST_MICE]
    control = plan["control"]
    if control not in arms or len(arms) < 2:
        return None
    arms = [control, *(arm for arm in arms if arm != control)]
    data = data[data["arm"].isin(arms)].assign(arm=lambda rows: pd.Categorical(rows["arm"], categories=arms))
    formula = PERCENT.format(models="(1 + day | pdx_model) + " if data["pdx_model"].nunique() > 1 else "")
    try:
        return {"formula": formula, "contrasts": _contrasts(formula, data, arms, plan), "reason": None}
    except (AnalysisError, np.linalg.LinAlgError, ArithmeticError) as error:
        return {"formula": formula, "contrasts": [], "reason": str(error)}


def _contrasts(formula: str, data: pd.DataFrame, arms: list[str], plan: Plan) -> list[dict[str, Any]]:
    fit = fit_lmm(formula, data)
    nadir = (
        data.groupby(["arm", "day"], observed=True)["percent"].mean().groupby(level=0, observed=True).idxmin()
    )
    rows = []
    for at in ("nadir", "end of window"):
        days = {arm: nadir[arm][1] if at == "nadir" else float(data["day"].max()) for arm in arms[1:]}
        pairs = [(arm, plan.control_of(arm)) for arm in arms[1:] if plan.control_of(arm) in arms]
        weights = {arm: _difference(arm, control, days[arm], arms[0]) for arm, control in pairs}
        table = fit.contrasts(weights, df=plan["df"], adjust=plan["adjust"], level=1 - plan["alpha"])
        for (arm, control), (_, row) in zip(pairs, table.iterrows(), strict=True):
            rows.append(
                {
                    "arm": arm,
                    "control": control,
                    "at": at,
                    "day": float(days[arm]),
                    **{k: float(row[k]) for k in SHOWN},
                }
            )
    return rows


def _difference(arm: str, control: str, day: float, reference: str) -> dict[str, float]:
    weights = {f"arm[T.{arm}]": 1.0, f"day:arm[T.{arm}]": day}
    if control != reference:
        weights |= {f"arm[T.{control}]": -1.0, f"day:arm[T.{control}]": -day}
    return weights


def time_to_weight_loss(table: pd.DataFrame | NormalizedTable, loss_percent: float) -> pd.DataFrame:
    """One row a mouse: mouse, pdx_model, map2k4_status, arm, time, event, cause.

    The event (threshold) is the first day at which the mouse has lost that many percent, a straight line between
    weighings, or leaving for body weight before that; leaving for the tumor (tumor_cull) and any other exit that
    censors no tumor curve (other) compete; the rest is censored at the last weighing. Refuses a loss not above 0.
    """
    if not loss_percent > 0:
        raise AnalysisError(f"a loss of {loss_percent:g} % is reached at the start: it must be above 0")
    frame = frame_of(table)
    changes = weight_change(frame).sort_values(["mouse", "day"], kind="stable", ignore_index=True)
    facts = frame.drop_duplicates("mouse").set_index("mouse")
    last = changes.groupby("mouse", sort=False)["day"].last()
    found = _first_below(changes, -loss_percent)
    reasons = facts["exit_reason"].reindex(last.index)
    reached = last.index.isin(found.index)
    cause = np.where(reached, "threshold", [_cause(reason) for reason in reasons])
    told = changes.drop_duplicates("mouse")[["mouse", "pdx_model", "map2k4_status", "arm"]].reset_index(
        drop=True
    )
    time = np.where(reached, found.reindex(last.index), last)
    return told.assign(time=time, event=(cause == "threshold").astype(int), cause=cause)


def weight_time_rows(frame: pd.DataFrame, plan: Plan) -> list[dict[str, Any]]:
    """Time to a loss of 15 and of 20 %, over the study: events, incidence with competing culls, log-rank over arms."""
    if not frame["weight_g"].notna().any():
        return []
    rows = []
    for loss in LOSSES_PERCENT:
        times = time_to_weight_loss(frame, loss)
        if not len(times) or plan["control"] not in set(times["arm"]):
            continue
        strata = "pdx_model" if times["pdx_model"].nunique() > 1 else None
        result = compare_survival(times, plan["control"], strata, 1 - plan["alpha"], ratios=False)
        incidence = competing_incidence(times, 1 - plan["alpha"]).to_dict("records")
        rows.append({
            "loss_percent": loss, "control": plan["control"], "strata": strata, "n": result.n, "events": result.events,
            "logrank": vars(result.logrank), "incidence": incidence,
        })  # fmt: skip
    return rows


def _first_below(changes: pd.DataFrame, limit: float) -> pd.Series:
    """The day each mouse's change first reaches the limit, straight between weighings; mice that never do are
    absent."""
    below = changes["percent"].to_numpy() <= limit
    first = changes[below].groupby("mouse", sort=False).head(1)
    at = first.index.to_numpy()
    before = np.maximum(at - 1, 0)
    day, percent = changes["day"].to_numpy(float), changes["percent"].to_numpy(float)
    same = (changes["mouse"].to_numpy()[before] == changes["mouse"].to_numpy()[at]) & (before < at)
    gap = np.where(same, percent[at] - percent[before], 1.0)
    share = np.where(same, (limit - percent[before]) / gap, 1.0)
    return pd.Series(
        np.where(same, day[before] + share * (day[at] - day[before]), day[at]),
        index=first["mouse"].to_numpy(),
    )


def _cause(reason: str) -> str:
    if not reason:
        return "censored"
    if reason == ExitReason.BODY_WEIGHT:
        return "threshold"
    coding = ExitReason(reason).survival_coding
    if coding is SurvivalCoding.EVENT:
        return "tumor_cull"
    return "censored" if coding is SurvivalCoding.CENSORED else "other"
