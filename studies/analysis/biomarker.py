"""Does MAP2K4 status change what a drug does? The PDX model is the unit, and only the interaction can
claim it.

Status belongs to the PDX model, so the effect of an arm in loss-of-function models less its effect in
wild-type models is judged against how much models differ, never against how much mice or readings do. A p
value needs two models in each status, a claim three, an open gate (the arm acts at all) and the direction
declared beforehand, where one was.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.against_parts import combination_against_parts
from studies.analysis.covariates import adjusted_differences, companions, covariates_of_models
from studies.analysis.curves import curves_of
from studies.analysis.effects_of_models import slopes_of_cells
from studies.analysis.errors import AnalysisError
from studies.analysis.growth import growth_rates
from studies.analysis.growth_models import GrowthFit, difference, fit_m4, growth_data, square_of, tgi_day
from studies.analysis.inference import ESTIMATES, effect_rows, f1_pairs, is_below, number
from studies.analysis.meta_analysis import compare_groups, pool
from studies.analysis.plan import Plan
from studies.analysis.scopes import STRATA
from studies.terms import ExpectedSign

LOSS, WILD = STRATA
FEWEST_FOR_P, FEWEST_FOR_CLAIM = 2, 3
MIXED, MODEL_LEVEL = "mixed model", "model-level t test"
ALIKE = (
    "PDX models differ in their response by no more than their mice make them (tau2 is estimated as 0), so the t test "
    "on the effects of the PDX models decides, as the plan's rule is; the mixed model's numbers stand beside it"
)


def biomarker_section(
    frame: pd.DataFrame,
    plan: Plan,
    primary: GrowthFit | None,
    contrasts: list[dict[str, Any]],
    notes: list[str],
    synergy: list[dict[str, Any]],
) -> dict[str, Any]:
    """Strata, interaction, model-level effects, what goes with status, combinations against their parts, and the PDX
    models whose status is not proven."""
    gene = plan.biomarker.name
    section: dict[str, Any] = {
        "gene": gene,
        "classes": plan.biomarker.classes,
        "strata": [],
        "interaction": [],
        "model_level": model_level_rows(frame, plan, primary),
        "excluded": _excluded(frame, gene),
        "covariates": companions(frame, plan.biomarker.gene),
        "combination_against_parts": [],
        "formula": None,
    }
    notes.extend(f"{gene} status: {row['note']}" for row in section["covariates"] if row["confounded"])
    known = frame.loc[frame["map2k4_status"].isin(STRATA), ["pdx_model", "map2k4_status"]].drop_duplicates()
    if len(known) < 2:
        if primary is not None and set(primary.data.mice["map2k4"]) <= set(STRATA):
            section["combination_against_parts"] = combination_against_parts(primary, plan, synergy)
        notes.append(f"no {gene} strata: fewer than two PDX models have a proven status")
        return section
    try:
        fit = _fit(frame, plan, primary)
    except AnalysisError as error:
        notes.append(f"no {gene} strata: {error}")
        return section
    section["formula"] = fit.formula
    section["strata"] = _strata(fit, plan)
    section["combination_against_parts"] = [
        _case_study(row, row["n_models"]) for row in combination_against_parts(fit, plan, synergy)
    ]
    if known["map2k4_status"].nunique() < 2:
        notes.append(f"no {gene} interaction: the PDX models with a proven status all have the same one")
        return section
    gates = {
        row["arm"]: is_below(row["p_adjusted"], plan["alpha"]) for row in contrasts if row["family"] == "F1"
    }
    section["interaction"] = _interaction(fit, plan, gates, section["model_level"])
    if any(row["test"] == MODEL_LEVEL for row in section["interaction"]):
        notes.append(f"{gene} interaction: {ALIKE}")
    _note_disagreement(section, plan, notes)
    return section


def model_level_rows(
    frame: pd.DataFrame, plan: Plan, primary: GrowthFit | None = None
) -> list[dict[str, Any]]:
    """For each arm: every PDX model's effect (mean growth rate less its control's, within the window),
    pooled by status and compared between statuses.

    Where the `primary` fit censors readings, rates are those of lines that censor them too (`slopes_of_cells`).
    """
    if plan["window"] is None:
        return []
    cells = _cells(frame, plan, primary)
    rows = []
    covariates = covariates_of_models(frame, plan.biomarker.gene)
    for arm in plan.treated_arms:
        control = plan.control_of(arm)
        effects = _model_effects(cells[cells["arm"].isin([arm, control])], arm, control)
        if effects.empty:
            continue
        rates = cells[cells["arm"] == control].set_index("pdx_model")["mean"]
        adjusted = adjusted_differences(effects, covariates, rates, 1 - plan["alpha"])
        pooled = _pooled_by_status(effects, 1 - plan["alpha"])
        rows.append({"arm": arm, "control": control, **pooled, "adjusted": adjusted})
    return rows


def _fit(frame: pd.DataFrame, plan: Plan, primary: GrowthFit | None) -> GrowthFit:
    """The primary fit where all its models have a proven status, else M4 of those that have."""
    if (
        primary is not None
        and primary.name.startswith("M4")
        and set(primary.data.mice["map2k4"]) <= set(STRATA)
    ):
        return primary
    data = growth_data(frame, plan, STRATA)
    if data.mice["pdx_model"].nunique() < 2:
        raise AnalysisError("fewer than two PDX models of a proven status can be fitted")
    return fit_m4(data, plan, square_of(plan["primary"].get("estimand", "slope"), tgi_day(plan)))


def _strata(fit: GrowthFit, plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for status in STRATA:
        pairs = [pair for pair in f1_pairs(fit.data, plan) if _models(fit, *pair, status)]
        if not pairs:
            continue
        shares = {status: 1.0}
        weights = [fit.effect(arm, control, shares) for arm, control in pairs]
        for row in effect_rows(fit, plan, pairs, weights, plan["adjust"]):
            models = _models(fit, row["arm"], row["control"], status)
            counts = fit.data.count(row["arm"], status)
            rows.append({"scope": "map2k4", "map2k4_status": status, **_case_study(row, models), **counts})
    return rows


def _case_study(row: dict[str, Any], models: int) -> dict[str, Any]:
    """One PDX model cannot say how models of its status differ: the estimate stands without p and interval."""
    if models >= FEWEST_FOR_P:
        return {**row, "note": None}
    silent = dict.fromkeys(
        ("se", "df", "p_value", "p_adjusted", "ci_low", "ci_high", "tgi_ci_low", "tgi_ci_high")
    )
    return {**row, **silent, "note": "one PDX model: a case study, no test"}


def interaction_tables(
    fit: GrowthFit, plan: Plan, pairs: list[tuple[str, str]], tests: Mapping[str, Mapping[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(M4's, the one that decides): the interaction of each arm, one row each.

    They are one table but where M4 holds tau2 at 0. There the t test on the effects of single PDX models stands: its
    standard error is the one M4 would give were tau2 free to come out below 0, M4's own is too large for its degrees of
    freedom. `tests`, by arm, are `meta_analysis.TwoGroups` as mappings; an arm without one keeps M4's.
    """
    weights = {
        arm: difference(fit.effect(arm, control, {LOSS: 1.0}), fit.effect(arm, control, {WILD: 1.0}))
        for arm, control in pairs
    }
    mixed = fit.contrasts(weights, plan)
    if not fit.models_alike:
        return mixed, mixed
    decided = mixed.copy()
    for arm in decided.index:
        test = tests.get(arm)
        if test is not None and test["p_value"] is not None:
            numbers = [test[name] for name in ("difference", "se", "df", "p_value", "ci_low", "ci_high")]
            decided.loc[arm, ["estimate", "se", "df", "p_value", "ci_low", "ci_high"]] = numbers
            decided.loc[arm, "statistic"] = test["difference"] / test["se"]
    return mixed, decided.assign(p_adjusted=fit.adjusted(decided, weights, plan, plan["adjust"]))


def _interaction(
    fit: GrowthFit, plan: Plan, gates: dict[str, bool], model_level: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    pairs = [
        (arm, control) for arm, control in f1_pairs(fit.data, plan)
        if all(_models(fit, arm, control, status) for status in STRATA)
    ]  # fmt: skip
    if not pairs:
        return []
    tests = {row["arm"]: row["test"] for row in model_level if row["test"]}
    mixed, decided = interaction_tables(fit, plan, pairs, tests)
    rows = []
    for arm, control in pairs:
        models = {status: _models(fit, arm, control, status) for status in STRATA}
        silent: dict[str, float | None] = (
            {"p_value": None, "p_adjusted": None} if min(models.values()) < FEWEST_FOR_P else {}
        )
        numbers, of_m4 = (
            {name: number(table.loc[arm, name]) for name in ESTIMATES} | silent for table in (decided, mixed)
        )
        kept = {"arm": arm, "control": control, **numbers}
        sign = plan["expected_sign"].get(arm)
        claim, reason = _claim(kept, models, sign, gates.get(arm, False), plan)
        rows.append(
            {
                **kept,
                "test": MIXED if decided.loc[arm].equals(mixed.loc[arm]) else MODEL_LEVEL,
                "mixed_model": of_m4,
                "n_models": models,
                "expected_sign": sign,
                "family": "F4",
                "claim": claim,
                "reason": reason,
            }
        )
    return rows


def _claim(
    row: dict[str, Any], models: dict[str, int], sign: str | None, gate_open: bool, plan: Plan
) -> tuple[bool, str]:
    fewest, alpha, names = min(models.values()), plan["alpha"], plan.biomarker.adjectives
    counts = f"{models[LOSS]} {names[LOSS]} and {models[WILD]} {names[WILD]} PDX models"
    if row["estimate"] is None:
        return False, "the interaction is not estimable from these data"
    if fewest < FEWEST_FOR_P:
        return False, f"{counts}: below {FEWEST_FOR_P} in a status there is an estimate but no test"
    if fewest < FEWEST_FOR_CLAIM:
        return False, f"exploratory: {counts}, a claim needs {FEWEST_FOR_CLAIM} in each status"
    p = row["p_adjusted"]
    if p is None or p >= alpha:
        return False, f"the interaction is not shown at the level of {alpha:g}"
    if not gate_open:
        return (
            False,
            "exploratory: the arm's effect over all models is not shown, so this test was not reached",
        )
    more = LOSS if row["estimate"] < 0 else WILD
    direction = ExpectedSign.LOSS_OF_FUNCTION if more == LOSS else ExpectedSign.WILD_TYPE
    if sign is not None and sign != direction:
        return False, "the interaction runs against the direction declared beforehand"
    return True, f"{names[more].replace('-', ' ')} more sensitive: {counts}"


def _models(fit: GrowthFit, arm: str, control: str, status: str) -> int:
    """PDX models of a status that hold both arms."""
    mice = fit.data.mice[fit.data.mice["map2k4"] == status]
    held = (set(mice.loc[mice["arm"] == name, "pdx_model"]) for name in (arm, control))
    return len(set.intersection(*held))


def _cells(frame: pd.DataFrame, plan: Plan, primary: GrowthFit | None) -> pd.DataFrame:
    """Each PDX model's mean growth rate in each arm, with how many mice and, where known, the variance of that mean."""
    if primary is not None and primary.data.n_censored:
        cells = slopes_of_cells(primary).rename(columns={"slope": "mean", "n": "size"})
        return cells if (cells["size"] > 1).any() else cells.assign(variance=np.nan)
    first, last = plan["window"]
    curves = curves_of(frame[frame["day"].between(first, last)])
    if not len(curves):
        return pd.DataFrame(columns=["pdx_model", "map2k4_status", "arm", "mean", "size", "var"])
    mice = curves.mice.assign(rate=growth_rates(curves)).dropna(subset="rate")
    grouped = mice.groupby(["pdx_model", "map2k4_status", "arm"])["rate"]
    return grouped.agg(["mean", "size", "var"]).reset_index()


def _model_effects(cells: pd.DataFrame, arm: str, control: str) -> pd.DataFrame:
    """One row a PDX model that holds both arms; its standard error from the mouse variance pooled over
    models and arms, missing where every model and arm has one mouse."""
    treated, vehicle = (cells[cells["arm"] == name].set_index("pdx_model") for name in (arm, control))
    both = treated.join(vehicle, lsuffix="_t", rsuffix="_v", how="inner")
    if "variance" in cells:
        variance = both["variance_t"] + both["variance_v"]
    else:
        spare = (cells["size"] - 1).sum()
        pooled = ((cells["size"] - 1) * cells["var"].fillna(0.0)).sum() / spare if spare else np.nan
        variance = pooled * (1 / both["size_t"] + 1 / both["size_v"])
    return pd.DataFrame({
        "pdx_model": both.index, "map2k4_status": both["map2k4_status_t"].to_numpy(),
        "effect": (both["mean_t"] - both["mean_v"]).to_numpy(),
        "se": np.sqrt(variance).to_numpy(),
        "n": both["size_t"].to_numpy(), "n_control": both["size_v"].to_numpy(),
    })  # fmt: skip


def _pooled_by_status(effects: pd.DataFrame, confidence: float) -> dict[str, Any]:
    replicated = effects["se"].notna().all() and (effects["se"] > 0).all()
    groups = {"all": effects, **{status: effects[effects["map2k4_status"] == status] for status in STRATA}}
    pooled = [
        {"map2k4_status": None if status == "all" else status,
         **vars(pool(part["effect"].to_numpy(), part["se"].to_numpy() if replicated else None, confidence))}
        for status, part in groups.items() if len(part)
    ]  # fmt: skip
    loss, wild = (groups[status]["effect"].to_numpy() for status in STRATA)
    test = vars(compare_groups(loss, wild, confidence)) if len(loss) and len(wild) else None
    return {"effects": effects.to_dict("records"), "pooled": pooled, "test": test}


def _excluded(frame: pd.DataFrame, gene: str) -> list[dict[str, Any]]:
    unproven = frame[~frame["map2k4_status"].isin(STRATA)]
    mice = unproven.groupby(["pdx_model", "map2k4_status"], sort=False)["mouse"].nunique()
    return [
        {"pdx_model": model, "map2k4_status": status, "n_mice": int(n),
         "reason": f"{gene} status {status}: in the overall rows, not in strata or interaction"}
        for (model, status), n in mice.items()
    ]  # fmt: skip


def _note_disagreement(section: dict[str, Any], plan: Plan, notes: list[str]) -> None:
    alpha = plan["alpha"]
    tests = {row["arm"]: row["test"]["p_value"] for row in section["model_level"] if row["test"]}
    for row in section["interaction"]:
        one, other = row["mixed_model"]["p_value"], tests.get(row["arm"])
        if one is not None and other is not None and (one < alpha) != (other < alpha):
            notes.append(
                f"{plan.biomarker.name} interaction of {row['arm']}: the mixed model (p = {one:.3g}) and the test on "
                f"model-level effects (p = {other:.3g}) disagree across {alpha:g}; the {row['test']} decides"
            )
