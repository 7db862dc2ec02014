"""The same effects by other defensible ways, beside the primary one: does the answer depend on a choice?

Each row is an arm's effect against its control, per day on ln V, by a named variant. No row replaces the primary. A
variant that does not apply, or could not be fitted, has one row with the reason in place of numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from studies import wording
from studies.analysis.curves import curves_of
from studies.analysis.diagnostics import without_far_off
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import growth_rates
from studies.analysis.growth_models import (
    BELOW_LIMIT,
    GrowthData,
    GrowthFit,
    Weights,
    difference,
    fit_growth,
    fit_m1,
    fit_m4,
    fit_primary,
    growth_data,
    square_of,
    tgi_day,
)
from studies.analysis.growth_shapes import (
    fit_days,
    fit_spline,
    fit_through_origin,
    with_caliper_errors,
    with_errors,
)
from studies.analysis.inference import ESTIMATES, effect_rows, f1_pairs
from studies.analysis.influence import MOST_ROWS_IN_BLOCK, effects_without_models
from studies.analysis.intervals import welch
from studies.analysis.leaving import early_exits, with_visits_after_culls
from studies.analysis.permutation import permutation_test
from studies.analysis.plan import Plan, days_followed

MOST_MODELS_LEFT_OUT, MOST_READINGS_LEFT_OUT, MOST_MICE_PERMUTED = 12, 20_000, 400
MOST_ARMS_FITTED_ANEW = 6
CHANGE_AFTER_EXIT = 0.25
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What a variant may draw on: the table, the same with the mice the plan excludes, the plan, the primary fit."""

    frame: pd.DataFrame
    everyone: pd.DataFrame
    plan: Plan
    primary: GrowthFit

    @property
    def data(self) -> GrowthData:
        return self.primary.data

    @property
    def several_models(self) -> bool:
        return self.primary.name.startswith("M4")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return f1_pairs(self.data, self.plan)


class NotApplicableError(Exception):
    """A variant has nothing to say of this study; the message says why."""


def sensitivity_rows(
    frame: pd.DataFrame, everyone: pd.DataFrame, plan: Plan, primary: GrowthFit | None
) -> list[dict[str, Any]]:
    """Every variant, in the order a report shows them; `everyone` is the table with the mice the plan excludes."""
    if primary is None or plan["window"] is None:
        return []
    asked = Asked(frame, everyone, plan, primary)
    rows: Rows = []
    for name, make in _variants(asked):
        try:
            rows += [{"variant": name, **row} for row in make()]
        except (NotApplicableError, AnalysisError, np.linalg.LinAlgError, ArithmeticError) as reason:
            rows.append({"variant": name, **_nothing(str(reason))})
    return rows


def _variants(asked: Asked) -> Iterator[tuple[str, Callable[[], Rows]]]:
    for name, fit in _fits(asked):
        yield name, partial(_of_fit, asked, fit)
    yield from _without_models(asked)
    yield "growth rates of single mice, Welch's t", partial(_two_stage, asked)
    yield "growth rates of single mice, permuted within blocks", partial(_permuted, asked)
    for change in (CHANGE_AFTER_EXIT, -CHANGE_AFTER_EXIT):
        name = f"growth {'+' if change > 0 else '-'}{100 * abs(change):.0f} % after an exit the readings do not explain"
        yield name, partial(_after_exits, asked, change)


def _fits(asked: Asked) -> Iterator[tuple[str, Callable[[], GrowthFit]]]:
    """Variants that are another fit of the same effect."""
    plan, limit = asked.plan, f"{asked.plan['lod_mm3']:g} mm3"
    yield "primary", lambda: asked.primary
    yield "main effect of the arms", partial(_main_effect, asked)
    yield "common intercept of all arms (M1a)", partial(_common_intercept, asked)
    yield "curved growth, eGaIT (M2)", partial(_refit, asked, square=square_of("egait", tgi_day(plan)))
    yield "curved growth by a spline, eGaIT (M2)", lambda: fit_spline(shaped(asked), plan)
    yield "every day a mean of its own, eGaIT (M3)", lambda: fit_days(shaped(asked), plan)
    yield "relative volumes, lines through the origin (M1c)", lambda: fit_through_origin(shaped(asked), plan)
    yield "residual spread of each arm its own", lambda: with_errors(asked.primary, residual_by="arm")
    correlation = {"residual_correlation": "day | mouse"}
    yield "residuals of a mouse correlated in time", lambda: with_errors(asked.primary, **correlation)
    yield "readings weighted by their calipers' error", lambda: with_caliper_errors(asked.primary)
    yield "intercept and slope of a mouse uncorrelated", partial(_refit, asked, mouse="(1 + day || mouse)")
    yield "random intercept only", partial(_refit, asked, mouse="(1 | mouse)")
    yield "cages as a random effect", partial(_cages, asked)
    yield f"readings below {limit} left-censored", partial(_censored, asked)
    yield "readings below detection left out", partial(_seen_only, asked)
    yield "0 read as half the limit of detection", partial(_half_limit, asked)
    yield "1 mm3 added to every volume", partial(_plus_one, asked)
    yield "visits after a cull for size right-censored", partial(_culls, asked)
    yield "without readings beyond 3 residual SD", partial(_without_far_off, asked)
    yield "window while half of every arm is followed", partial(_window_by_share, asked, 0.5)
    yield "window while every mouse is followed", partial(_window_by_share, asked, 1.0)
    yield "all readings from day 0 on", partial(_to_the_end, asked)
    yield "excluded mice included", partial(_with_excluded, asked)
    yield f"without {plan.biomarker.name} terms", partial(_without_status, asked)


def near(asked: Asked, data: GrowthData) -> GrowthData:
    """These data, to be fitted from the variances of the primary on."""
    return replace(data, near=asked.primary.fit)


def shaped(asked: Asked) -> GrowthData:
    """The primary's data, for a curve of another shape."""
    if asked.plan["model"] != "auto":
        raise NotApplicableError("the plan names its own formula")
    return near(asked, asked.data)


def _refit(asked: Asked, **changes: Any) -> GrowthFit:
    if asked.plan["model"] != "auto":
        raise NotApplicableError("the plan names its own formula")
    if asked.several_models:
        return fit_m4(asked.data, asked.plan, **changes)
    if "mouse" in changes:
        changes["random"] = changes.pop("mouse")
    return fit_m1(asked.data, asked.plan, **changes)


def _main_effect(asked: Asked) -> GrowthFit:
    if not asked.several_models:
        raise NotApplicableError("the primary has it: every arm has an intercept of its own")
    return _refit(asked, main_effect=True)


def _common_intercept(asked: Asked) -> GrowthFit:
    if asked.several_models:
        raise NotApplicableError(
            f"the primary has it: arms share the intercept of their {asked.plan.biomarker.name} status"
        )
    return _refit(asked, fixed="day + day:arm")


def _cages(asked: Asked) -> GrowthFit:
    named = asked.data.frame[asked.data.frame["cage"] != ""]
    cages = named.groupby("arm", observed=True)["cage"].nunique().reindex(asked.data.arms).fillna(0)
    if not len(named):
        raise NotApplicableError("no cage is recorded")
    if (cages < 2).any():
        arms = ", ".join(cages.index[cages < 2])
        raise NotApplicableError(
            f"one cage an arm ({arms}): what the cage did cannot be told from what the arm did"
        )
    return _refit(asked, mouse="(1 + day | mouse) + (1 | cage)")


def _censored(asked: Asked) -> GrowthFit:
    if asked.data.n_censored:
        raise NotApplicableError("the primary is this fit")
    if asked.data.left_out.get(BELOW_LIMIT):
        raise NotApplicableError("that likelihood has no maximum here: the primary leaves these readings out")
    if asked.data.left_out.get("volume of 0"):
        raise NotApplicableError("the plan names its own formula")
    raise NotApplicableError("no reading in the window lies below the limit of detection")


def _seen_only(asked: Asked) -> GrowthFit:
    if asked.data.n_censored:
        return fit_growth(near(asked, asked.data.seen()), asked.plan, asked.primary.square)
    if asked.data.left_out.get("volume of 0") or asked.data.left_out.get(BELOW_LIMIT):
        raise NotApplicableError("the primary leaves them out")
    raise NotApplicableError("no reading in the window lies below the limit of detection")


def _half_limit(asked: Asked) -> GrowthFit:
    """What putting a number in place of 0 would do: shown since others do it, biased since the number is made up."""
    limit = asked.data.limit_mm3 or asked.plan["lod_mm3"]
    below = asked.frame["volume_mm3"] < limit if asked.data.limit_mm3 else asked.frame["volume_mm3"] == 0
    if not below.any():
        raise NotApplicableError("no reading lies below the limit of detection")
    filled = asked.frame.assign(volume_mm3=asked.frame["volume_mm3"].mask(below, limit / 2))
    return fit_primary(near(asked, growth_data(filled, asked.plan, censor=False)), asked.plan)


def _plus_one(asked: Asked) -> GrowthFit:
    shifted = asked.frame.assign(volume_mm3=asked.frame["volume_mm3"] + 1)
    return fit_primary(near(asked, growth_data(shifted, asked.plan, censor=False)), asked.plan)


def _culls(asked: Asked) -> GrowthFit:
    if asked.several_models:
        raise NotApplicableError("not fitted over several PDX models, whose mice share random effects")
    data = with_visits_after_culls(asked.frame, asked.data)
    if data is None:
        raise NotApplicableError("no cull for tumor size is recorded before the window's end")
    return _refit(
        replace(asked, primary=replace(asked.primary, data=near(asked, data))), square=asked.primary.square
    )


def _without_far_off(asked: Asked) -> GrowthFit:
    rest = without_far_off(asked.primary)
    if rest is None:
        raise NotApplicableError("no reading lies beyond 3 residual SD")
    fit = fit_primary(near(asked, rest), asked.plan)
    return replace(fit, notes=(f"{wording.readings(rest.left_out['far off'])} left out",))


def _window_by_share(asked: Asked, share: float) -> GrowthFit:
    first, last = asked.plan["window"]
    day = days_followed(asked.frame, dict.fromkeys(asked.plan["roles"], share))
    if day is None:
        raise NotApplicableError(f"on no day after day 0 is {100 * share:g} % of every arm followed")
    if day == last:
        raise NotApplicableError("the primary has this window")
    return _in_window(asked, first, day)


def _to_the_end(asked: Asked) -> GrowthFit:
    first, last = asked.plan["window"]
    end = float(asked.frame.loc[asked.frame["volume_mm3"].notna(), "day"].max())
    if end <= last:
        raise NotApplicableError("the primary has all readings")
    return _in_window(asked, first, end)


def _in_window(asked: Asked, first: float, last: float) -> GrowthFit:
    if last <= first:
        raise NotApplicableError(f"day {last:g} ends the window where it begins")
    plan = with_values(asked.plan, window=[first, last])
    return fit_primary(near(asked, growth_data(asked.frame, plan)), plan)


def _with_excluded(asked: Asked) -> GrowthFit:
    if not asked.plan["exclusions"]:
        raise NotApplicableError("the plan excludes no mouse")
    return fit_primary(near(asked, growth_data(asked.everyone, asked.plan)), asked.plan)


def _without_status(asked: Asked) -> GrowthFit:
    if asked.data.gene not in asked.primary.formula.split():
        raise NotApplicableError("the primary has none")
    return _refit(asked, by_status=False)


def _without_models(asked: Asked) -> Iterator[tuple[str, Callable[[], Rows]]]:
    """Each PDX model left out in turn; of many, for each arm the two whose loss moves its effect furthest."""
    models = sorted(set(asked.data.mice["pdx_model"]))
    if len(models) < 2 or asked.plan["model"] != "auto":
        reason = "there is one PDX model" if len(models) < 2 else "the plan names its own formula"
        yield "without one PDX model", partial(_of_fit, asked, partial(_refuse, reason))
    elif len(models) <= MOST_MODELS_LEFT_OUT:
        for model in models:
            yield f"without PDX model {model}", partial(_of_fit, asked, partial(_without_model, asked, model))
    else:
        for lowest, word in ((True, "lowers"), (False, "raises")):
            name = f"without the PDX model whose loss {word} the effect most"
            yield name, partial(_without_extreme, asked, lowest)


def _without_model(asked: Asked, model: str) -> GrowthFit:
    frame = asked.data.frame[asked.data.frame["pdx_model"] != model]
    return fit_growth(near(asked, replace(asked.data, frame=frame)), asked.plan, asked.primary.square)


def _without_extreme(asked: Asked, lowest: bool) -> Rows:
    """Found at the primary's variances, then fitted anew; of many arms only the estimate, at these variances."""
    if len(asked.data.frame) > MOST_READINGS_LEFT_OUT:
        raise NotApplicableError(f"not sought above {MOST_READINGS_LEFT_OUT} readings")
    if max(asked.data.frame["pdx_model"].value_counts()) > MOST_ROWS_IN_BLOCK:
        raise NotApplicableError(f"a PDX model has more than {MOST_ROWS_IN_BLOCK} readings")
    pairs = asked.pairs
    effects = effects_without_models(asked.primary, pairs)
    rows: Rows = []
    for number, pair in enumerate(pairs):
        known = effects[number].dropna()
        if known.empty:
            continue
        model = str(known.idxmin() if lowest else known.idxmax())
        if len(pairs) > MOST_ARMS_FITTED_ANEW:
            row = _nothing(f"{model} left out, of {len(effects)}, the primary's variances held")
            rows.append({**row, "arm": pair[0], "control": pair[1], "estimate": float(known[model])})
            continue
        fit = _without_model(asked, model)
        [row] = _effects(asked, fit, [pair], [fit.effect(*pair)])
        rows.append({**row, "note": f"{model} left out, of {len(effects)}"})
    return rows


def _refuse(reason: str) -> GrowthFit:
    raise NotApplicableError(reason)


def _of_fit(asked: Asked, fit: Callable[[], GrowthFit]) -> Rows:
    fitted = fit()
    pairs = f1_pairs(fitted.data, asked.plan)
    return _effects(asked, fitted, pairs, [fitted.effect(arm, control) for arm, control in pairs])


def _effects(asked: Asked, fit: GrowthFit, pairs: list[tuple[str, str]], weights: list[Weights]) -> Rows:
    note = "; ".join(fit.notes) if fit is not asked.primary and fit.notes else None
    return [
        {**{key: row[key] for key in ("arm", "control", *ESTIMATES)},
         "formula": fit.formula, "window": list(fit.data.window), "note": note}
        for row in effect_rows(fit, asked.plan, pairs, weights, "none")
    ]  # fmt: skip


def _two_stage(asked: Asked) -> Rows:
    """Welch's t on the growth rates of single mice, one PDX model only: mice of several are not independent."""
    if asked.data.mice["pdx_model"].nunique() > 1:
        raise NotApplicableError("mice of one PDX model are not independent: see the model-level effects")
    first, last = asked.plan["window"]
    by_arm = {arm: part["rate"].to_numpy() for arm, part in _rates(asked).groupby("arm")}
    rows = []
    for arm, control in asked.pairs:
        test = welch(by_arm.get(arm, np.zeros(0)), by_arm.get(control, np.zeros(0)), 1 - asked.plan["alpha"])
        shared = {"arm": arm, "control": control, "formula": None, "window": [first, last]}
        if test is None:
            reason = "fewer than two mice with a growth rate, or all alike"
            rows.append({**_nothing(reason), **shared})
        else:
            rows.append({**shared, **test, "p_adjusted": test["p_value"], "note": None})
    return rows


def _rates(asked: Asked) -> pd.DataFrame:
    """The growth rate of each mouse within the window, with its arm and the block it was randomized within."""
    first, last = asked.plan["window"]
    curves = curves_of(asked.frame[asked.frame["day"].between(first, last)])
    blocks = [name for name in ("source_study", "pdx_model", *asked.plan["blocks"]) if name in asked.frame]
    block = asked.frame.drop_duplicates("mouse").set_index("mouse")[blocks].astype(str).agg("/".join, axis=1)
    mice = curves.mice.assign(rate=growth_rates(curves))
    return mice.assign(block=mice["mouse"].map(block)).dropna(subset="rate")


def _permuted(asked: Asked) -> Rows:
    """The arms of mice exchanged within their PDX model and block: p of the mean difference of growth rates there."""
    rates, rows = _rates(asked), []
    for arm, control in asked.pairs:
        mice = rates[rates["arm"].isin([arm, control])]
        shared = {"arm": arm, "control": control, "formula": None, "window": list(asked.plan["window"])}
        if len(mice) > MOST_MICE_PERMUTED:
            rows.append(
                {**_nothing(f"more than {MOST_MICE_PERMUTED} mice, where t and permutation agree"), **shared}
            )
            continue
        treated, block = (mice["arm"] == arm).to_numpy(), pd.factorize(mice["block"])[0]
        statistic = partial(_difference_within, rate=mice["rate"].to_numpy(), block=block)
        test = permutation_test(treated, block, statistic, asked.plan["random_seed"])
        if test.p_value is None:
            rows.append({**_nothing("no block holds mice of both arms"), **shared})
            continue
        least = (
            ""
            if test.smallest_p is None
            else f"; the smallest p these mice could give is {test.smallest_p:.3g}"
        )
        numbers = {"estimate": test.statistic, "p_value": test.p_value, "p_adjusted": test.p_value}
        note = f"{test.arrangements} arrangements{' drawn' if not test.exhaustive else ''}{least}"
        rows.append({**dict.fromkeys(ESTIMATES), **numbers, **shared, "note": note})
    return rows


def _difference_within(arrangements: np.ndarray, rate: np.ndarray, block: np.ndarray) -> np.ndarray:
    """The difference of mean rates within blocks, blocks weighed by n1 n2 / (n1 + n2), for each arrangement."""
    total, weight = np.zeros(len(arrangements)), 0.0
    for level in range(block.max() + 1):
        mine = block == level
        treated = float(arrangements[0, mine].sum())
        others = float(mine.sum()) - treated
        if treated and others:
            sums = arrangements[:, mine] @ rate[mine]
            difference_here = sums / treated - (rate[mine].sum() - sums) / others
            share = treated * others / (treated + others)
            total, weight = total + share * difference_here, weight + share
    return total / weight if weight else total


def _after_exits(asked: Asked, change: float) -> Rows:
    """Pattern mixture: mice that left for reasons other than their tumor go on, unseen, at a changed rate.

    An arm's mean rate to the window's end then is its rate plus |rate| x change x the share of mouse time unseen.
    """
    unseen = early_exits(asked.frame, asked.data)
    if not any(unseen.values()):
        raise NotApplicableError("no mouse left for another reason than its tumor before the window's end")
    fit = asked.primary
    weights = []
    for arm, control in asked.pairs:
        shares = fit.shares(arm, control)
        weights.append(
            difference(*(_changed(fit, name, shares, change * unseen[name]) for name in (arm, control)))
        )
    return _effects(asked, fit, asked.pairs, weights)


def _changed(fit: GrowthFit, arm: str, shares: dict[str, float], change: float) -> Weights:
    slope = fit.slope(arm, shares)
    rate = sum(weight * fit.coefficient(name) for name, weight in slope.items())
    return {name: weight * (1 + np.sign(rate) * change) for name, weight in slope.items()}


def _nothing(reason: str) -> dict[str, Any]:
    return {
        "arm": None,
        "control": None,
        **dict.fromkeys(ESTIMATES),
        "formula": None,
        "window": None,
        "note": reason,
    }


def with_values(plan: Plan, **values: Any) -> Plan:
    """The plan with some values in place of its own."""
    return replace(plan, values={**plan.values, **values})
