"""The analysis of many studies of one shape at once: the estimates and tests `analyze_study` gives, side by side.

The first study that holds every arm is fitted as the product fits it; its formula, its weights and its cap on the
degrees of freedom then serve all studies of that shape, fitted together. A study of another shape (an arm lost,
a tumor below detection) is analyzed alone, by the product's own functions. Nothing is left out: what is refused is
named.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from studies.analysis.biomarker import LOSS, WILD, interaction_tables
from studies.analysis.curves import curves_of
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import growth_rates
from studies.analysis.growth_models import (
    FEWEST_MICE,
    FEWEST_READINGS,
    RESPONSE_GROUP,
    GrowthFit,
    Weights,
    difference,
    fit_primary,
    growth_data,
)
from studies.analysis.inference import f1_pairs
from studies.analysis.mixed_model import Adjust
from studies.analysis.mixed_model_each import fit_lmm_each
from studies.analysis.plan import ARM_FOLLOWED, VEHICLE_FOLLOWED, Plan
from studies.analysis.synergy import bliss_weights

CONTRAST, BLISS, INTERACTION = "contrast", "bliss", "interaction"


@dataclass(frozen=True)
class ManyOutcomes:
    """`effects`: one row a study and effect, indexed by both: estimate, se, df, p_value, p_adjusted, ci_low, ci_high.

    Effects are named as (question, arm): a contrast with the control, a Bliss excess, a MAP2K4 interaction.
    `uncapped_df` is what Kenward and Roger gave before the cap. p_adjusted is worked out where a plain p of the study's
    family lies below alpha; elsewhere it cannot (NaN). `singular` says of each fitted study whether a variance came out
    as 0; `refused` why a study has no fit.
    """

    effects: pd.DataFrame
    singular: pd.Series
    refused: dict[int, str]

    def of(self, question: str, arm: str) -> pd.DataFrame:
        """One effect's rows, indexed by study; studies without it have none."""
        return self.effects.xs((question, arm), level=("question", "arm"))


def analyze_many(frame: pd.DataFrame, plan: Plan) -> ManyOutcomes:
    """Analyze a table of `simulate_many` by one plan. The plan names window and control, so every study has them."""
    studies = int(frame["study"].max()) + 1
    whole = _whole(frame, plan, studies)
    alone = np.flatnonzero(~whole)
    tables, singular, refused = [], {}, {}
    if whole.any():
        first = frame[frame["study"] == np.flatnonzero(whole)[0]]
        template = fit_primary(growth_data(first, plan), plan)
        data = _columns(frame[whole[frame["study"].to_numpy()]], plan, template)
        fits = fit_lmm_each(template.formula, data, "study")
        weights = effects_of(template, plan)
        table = _rows(fits.contrasts(_labeled(weights), plan["df"], "none"), template, plan, weights)
        if template.name == "M4" and not template.square:
            zero = fits.variance_is_zero(RESPONSE_GROUP)
            alike = frame[frame["study"].isin([int(key) for key in zero.index[zero]])]
            table = _with_model_level(table, alike, plan)
        tables.append(table.assign(p_adjusted=_adjusted(frame, data, table, template, plan, weights)))
        singular.update({int(key): bool(value) for key, value in fits.is_singular.items()})
        refused.update({int(key): reason for key, reason in fits.refused.items()})
    for study in alone:
        try:
            fit = fit_primary(growth_data(frame[frame["study"] == study], plan), plan)
            tables.append(_rows_alone(fit, frame, plan, int(study)))
            singular[int(study)] = fit.fit.at_boundary
        except AnalysisError as error:
            refused[int(study)] = str(error)
    if not tables:
        raise AnalysisError(
            f"no simulated study could be analyzed: {next(iter(refused.values()), 'none drawn')}"
        )
    return ManyOutcomes(pd.concat(tables).sort_index(), pd.Series(singular, dtype=bool), refused)


def effects_of(fit: GrowthFit, plan: Plan) -> dict[tuple[str, str], Weights]:
    """Weights of every contrast with a control, Bliss excess and interaction that a fit can speak of."""
    pairs = f1_pairs(fit.data, plan)
    weights = {(CONTRAST, arm): fit.effect(arm, control) for arm, control in pairs}
    for row in plan["combinations"]:
        if {row["arm"], *row["parts"]} <= set(fit.data.arms):
            named = bliss_weights(fit, row["arm"], list(row["parts"]), plan.control_of(row["arm"]))
            weights[BLISS, row["arm"]] = named
    if set(fit.data.mice["map2k4"]) == {LOSS, WILD}:
        for arm, control in pairs:
            weights[INTERACTION, arm] = difference(
                fit.effect(arm, control, {LOSS: 1.0}), fit.effect(arm, control, {WILD: 1.0})
            )
    return weights


def model_level_tests(frame: pd.DataFrame, plan: Plan, arm: str) -> pd.DataFrame:
    """Of every study the interaction by the pooled-variance t test on the effects of PDX models, as `compare_groups`.

    Columns difference, se, df, p_value, ci_low, ci_high; a study with fewer than two PDX models of a status has no row.
    """
    control = plan.control_of(arm)
    first, last = plan["window"]
    inside = frame[frame["day"].between(first, last) & frame["arm"].isin([arm, control])]
    curves = curves_of(inside)
    study = inside.drop_duplicates("mouse").set_index("mouse")["study"]
    mice = curves.mice.assign(rate=growth_rates(curves), study=curves.mice["mouse"].map(study)).dropna(
        subset="rate"
    )
    keys = ["study", "map2k4_status", "pdx_model", "arm"]
    rates = mice.groupby(keys)["rate"].mean().unstack()
    effects = (rates[arm] - rates[control]).dropna().groupby(level=[0, 1]).agg(["mean", "var", "size"])
    enough = effects[effects["size"] >= 2]
    one, other = (enough[enough.index.get_level_values(1) == status].droplevel(1) for status in (LOSS, WILD))
    one, other = one.align(other, join="inner", axis=0)
    df = one["size"] + other["size"] - 2
    pooled = ((one["size"] - 1) * one["var"] + (other["size"] - 1) * other["var"]) / df
    se = np.sqrt(pooled * (1 / one["size"] + 1 / other["size"]))
    difference = one["mean"] - other["mean"]
    half = stdtrit(df, 1 - plan["alpha"] / 2) * se
    found = pd.DataFrame({
        "difference": difference, "se": se, "df": df, "p_value": 2 * stdtr(df, -np.abs(difference / se)),
        "ci_low": difference - half, "ci_high": difference + half,
    })  # fmt: skip
    return found[found["se"] > 0]


def _with_model_level(table: pd.DataFrame, alike: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The table with the model-level test for every interaction of the studies whose tau2 is 0."""
    arms = {arm for _, question, arm in table.index if question == INTERACTION}
    for arm in arms if len(alike) else ():
        tests = model_level_tests(alike, plan, arm)
        places = [(int(study), INTERACTION, arm) for study in tests.index]
        for name, source in {"estimate": "difference", "uncapped_df": "df"}.items():
            table.loc[places, name] = tests[source].to_numpy()
        for name in ("se", "df", "p_value", "ci_low", "ci_high"):
            table.loc[places, name] = tests[name].to_numpy()
    return table


def days_by_rule(frame: pd.DataFrame, plan: Plan) -> np.ndarray:
    """The day of each study at which arms are compared, as `plan.day_rule`, to the window's end; NaN where none."""
    control, last_day = plan["control"], plan["window"][1]
    mice = frame.groupby("mouse", sort=False).agg(
        study=("study", "first"), arm=("arm", "first"), last=("day", "max")
    )
    days = np.unique(frame.loc[(frame["day"] > 0) & (frame["day"] <= last_day), "day"])
    followed = pd.DataFrame(mice["last"].to_numpy()[:, None] >= days[None, :], index=mice.index)
    share = followed.groupby([mice["study"], mice["arm"]]).mean()
    is_control = (share.index.get_level_values(1) == control)[:, None]
    found = np.full(int(frame["study"].max()) + 1, np.nan)
    for floor in (ARM_FOLLOWED, VEHICLE_FOLLOWED):  # the stricter rule overwrites its fallback
        enough = share >= np.where(is_control, floor, ARM_FOLLOWED)
        allowed = enough.groupby(level=0).all()
        any_day = allowed.any(axis=1).to_numpy()
        last = days[len(days) - 1 - allowed.to_numpy()[:, ::-1].argmax(axis=1)]
        found[allowed.index[any_day]] = last[any_day]
    return found


def _whole(frame: pd.DataFrame, plan: Plan, studies: int) -> np.ndarray:
    """Studies whose every arm has the mice and readings a fit needs, none below detection: those of one shape."""
    first, last = plan["window"]
    inside = frame[frame["day"].between(first, last)]
    small = inside["volume_mm3"] < plan["lod_mm3"]
    read = inside.groupby("mouse", sort=False).agg(
        study=("study", "first"), arm=("arm", "first"), n=("day", "size")
    )
    mice = read[read["n"] >= FEWEST_READINGS].groupby(["study", "arm"]).size().unstack(fill_value=0)
    mice = mice.reindex(index=range(studies), columns=list(plan["roles"]), fill_value=0)
    whole = (mice >= FEWEST_MICE).all(axis=1).to_numpy()
    whole[inside.loc[small, "study"].unique()] = False
    return np.asarray(whole)


def _columns(frame: pd.DataFrame, plan: Plan, template: GrowthFit) -> pd.DataFrame:
    first, last = plan["window"]
    inside = frame[frame["day"].between(first, last)]
    factors = {"arm": "arm", "map2k4": "map2k4_status"}
    day = inside["day"].to_numpy(float)
    data = pd.DataFrame({
        "study": inside["study"].to_numpy(), "log_volume": np.log(inside["volume_mm3"].to_numpy()), "day": day,
        "day2": day**2, "mouse": inside["mouse"].to_numpy(), "pdx_model": inside["pdx_model"].to_numpy(),
    })  # fmt: skip
    for name, source in factors.items():
        levels = template.data.frame[name].cat.categories
        data[name] = pd.Categorical(inside[source], categories=levels)
    return data


def _labeled(weights: Mapping[tuple[str, str], Weights]) -> dict[str, Weights]:
    return {"|".join(key): value for key, value in weights.items()}


def _adjusted(
    frame: pd.DataFrame,
    data: pd.DataFrame,
    table: pd.DataFrame,
    template: GrowthFit,
    plan: Plan,
    weights: Mapping,
) -> pd.Series:
    """Adjusted p, family by family, of the studies in which one of a family's effects is significant alone.

    Where degrees of freedom are capped (several PDX models) those studies are adjusted as the product does, alone.
    """
    adjusted = pd.Series(np.nan, index=table.index)
    for question in dict.fromkeys(key[0] for key in weights):
        family = {key: value for key, value in weights.items() if key[0] == question}
        rows = table[table.index.get_level_values("question") == question]
        if len(family) == 1 or question == BLISS or plan["adjust"] == "none":
            adjusted[rows.index] = rows["p_value"]
            continue
        studies = rows.index.get_level_values("study")[rows["p_value"] < plan["alpha"]].unique()
        if not len(studies):
            continue
        if template.df_cap is None:
            fits = fit_lmm_each(template.formula, data[data["study"].isin(studies)], "study")
            found = _indexed(fits.contrasts(_labeled(family), plan["df"], plan["adjust"]), family)[
                "p_adjusted"
            ]
        else:
            alone = [
                _rows_alone(
                    fit_primary(growth_data(frame[frame["study"] == study], plan), plan),
                    frame,
                    plan,
                    int(study),
                )
                for study in studies
            ]
            found = pd.concat(alone)["p_adjusted"]
        shared = found.index.intersection(rows.index)
        adjusted[shared] = found[shared]
    return adjusted


def _indexed(table: pd.DataFrame, weights: Mapping[tuple[str, str], Weights]) -> pd.DataFrame:
    names = dict(zip(_labeled(weights), weights, strict=True))
    index = [(int(study), *names[label]) for study, label in table.index]
    return table.set_index(pd.MultiIndex.from_tuples(index, names=["study", "question", "arm"]))


def _rows(table: pd.DataFrame, fit: GrowthFit, plan: Plan, weights: Mapping) -> pd.DataFrame:
    """With degrees of freedom never above the fit's cap."""
    table = _indexed(table, weights)[["estimate", "se", "df"]].copy()
    df = np.minimum(table["df"], np.inf if fit.df_cap is None else fit.df_cap)
    half = stdtrit(df, 1 - plan["alpha"] / 2) * table["se"]
    p = 2 * stdtr(df, -np.abs(table["estimate"] / table["se"]))
    return table.assign(
        df=df, uncapped_df=table["df"], p_value=p,
        ci_low=table["estimate"] - half, ci_high=table["estimate"] + half,
    )  # fmt: skip


def _rows_alone(fit: GrowthFit, frame: pd.DataFrame, plan: Plan, study: int) -> pd.DataFrame:
    weights = effects_of(fit, plan)
    rows = []
    for question in dict.fromkeys(key[0] for key in weights):
        family = {key: value for key, value in weights.items() if key[0] == question}
        adjust: Adjust = "none" if question == BLISS else plan["adjust"]
        if question == INTERACTION and fit.models_alike:
            part = frame[frame["study"] == study]
            tests = {arm: model_level_tests(part, plan, arm) for _, arm in family}
            first = {arm: found.iloc[0] for arm, found in tests.items() if len(found)}
            _, decided = interaction_tables(fit, plan, f1_pairs(fit.data, plan), first)
            rows.append(decided.set_axis(list(_labeled(family))))
        else:
            rows.append(fit.contrasts(_labeled(family), plan, adjust))
    table = pd.concat(rows)
    table.index = pd.MultiIndex.from_product([[study], table.index])
    return _indexed(table, weights)[["estimate", "se", "df", "p_value", "p_adjusted", "ci_low", "ci_high"]]
