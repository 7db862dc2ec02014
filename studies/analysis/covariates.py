"""What else tells PDX models of two statuses apart: other genes, tissue, growth of the vehicle, isogenic pair.

A genotype is not randomized, so a difference between statuses may be that of a companion. Each covariate enters a
regression of the models' effects on status and itself, PDX models as the unit, beside a table of how both go together.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from studies.analysis.scopes import STRATA
from studies.columns import NO_VARIANT, biomarker_status, fold
from studies.terms import BiomarkerStatus
from studies.wording import level

GENES = ("map2k4", "map3k1", "kras", "nras", "braf")
VEHICLE_GROWTH, TISSUE, PAIR = "growth rate of the vehicle", "tissue", "isogenic pair"
PAIR_COLUMNS = ("isogenic_pair", "parental_line")
LOSS, WILD = STRATA
NOT_TOLD = (str(BiomarkerStatus.UNKNOWN), "")


def covariates_of_models(frame: pd.DataFrame, gene: str = "map2k4") -> pd.DataFrame:
    """One row a PDX model, a column a covariate of at least two values, missing where it is not told."""
    models = frame.drop_duplicates("pdx_model").set_index("pdx_model")
    found: dict[str, pd.Series] = {}
    columns = {
        fold(str(name)).removesuffix("_status"): name for name in frame.columns if name != "map2k4_status"
    }
    for other in GENES:
        if other != gene and other in columns:
            found[other.upper()] = models[columns[other]].map(_called)
    found[TISSUE] = models["tumor_type"].replace("", None)
    if (pair := next((columns[name] for name in PAIR_COLUMNS if name in columns), None)) is not None:
        found[PAIR] = models[pair].map(lambda value: None if pd.isna(value) or value == "" else level(value))
    table = pd.DataFrame(found, index=models.index, dtype=object)
    return table.loc[:, [name for name in table if table[name].nunique() > 1]]


def _called(value: object) -> str | None:
    """A genotype call in the words of a status; other words stand as they are, since tables name mutations."""
    status, _ = biomarker_status(value)
    word = str(status) if status is not None else str(value).strip()
    if word.lower() in NO_VARIANT:
        word = str(BiomarkerStatus.WILD_TYPE)
    return None if word in NOT_TOLD else word


def companions(frame: pd.DataFrame, gene: str = "map2k4") -> list[dict[str, Any]]:
    """How each covariate goes with status: PDX models by both, and whether they can be told apart at all."""
    status = frame.drop_duplicates("pdx_model").set_index("pdx_model")["map2k4_status"]
    rows = []
    for name, values in covariates_of_models(frame, gene).items():
        known = pd.DataFrame({"status": status, "value": values}).dropna()
        known = known[known["status"].isin(STRATA)]
        counts = known.groupby(["value", "status"]).size()
        mixed = known.groupby("value")["status"].nunique()
        told_apart = bool((mixed > 1).any())
        note = (
            None
            if told_apart
            else f"no value of {name} has PDX models of both statuses: they cannot be told apart"
        )
        rows.append({
            "covariate": name, "confounded": not told_apart, "note": note,
            "n_models": [{"value": value, "map2k4_status": one, "n": int(n)} for (value, one), n in counts.items()],
        })  # fmt: skip
    return rows


def adjusted_differences(
    effects: pd.DataFrame, covariates: pd.DataFrame, vehicle_rates: pd.Series, confidence: float
) -> list[dict[str, Any]]:
    """The difference between statuses with one covariate held, a row each.

    `effects` has a row a PDX model (pdx_model, map2k4_status, effect); `vehicle_rates` its control's growth rate.
    """
    known = effects[effects["map2k4_status"].isin(STRATA)].set_index("pdx_model")
    table = covariates.reindex(known.index)
    table[VEHICLE_GROWTH] = vehicle_rates.reindex(known.index)
    return [{"covariate": str(name), **_adjusted(known, table[name], confidence)} for name in table]


def _adjusted(known: pd.DataFrame, covariate: pd.Series, confidence: float) -> dict[str, Any]:
    told = covariate.notna().to_numpy()
    effect = known["effect"].to_numpy()[told]
    loss = (known["map2k4_status"].to_numpy()[told] == LOSS).astype(float)
    design = np.column_stack([np.ones(len(effect)), loss, _columns(covariate[told])])
    empty = dict.fromkeys(("estimate", "se", "df", "p_value", "ci_low", "ci_high"))
    counts = {"n_models": {LOSS: int(loss.sum()), WILD: int(len(loss) - loss.sum())}}
    if not 0 < loss.sum() < len(loss):
        return {**empty, **counts, "note": "PDX models of both statuses are needed to compare them"}
    rank = np.linalg.matrix_rank(design)
    if np.linalg.matrix_rank(np.delete(design, 1, axis=1)) == rank:
        return {**empty, **counts, "note": "status and covariate cannot be told apart in these PDX models"}
    df = len(effect) - int(rank)
    inverse = np.linalg.pinv(design.T @ design)
    beta = inverse @ design.T @ effect
    estimate = float(beta[1])
    if df < 1:
        return {
            **empty,
            **counts,
            "estimate": estimate,
            "note": "no PDX model is left to judge the difference by",
        }
    se = float((((effect - design @ beta) ** 2).sum() / df * inverse[1, 1]) ** 0.5)
    if not se > 1e-12:
        return {**empty, **counts, "estimate": estimate, "note": "the effects are reproduced without error"}
    half = float(stdtrit(df, 0.5 + confidence / 2)) * se
    note = (
        "the vehicle's rate is part of every effect, so some relation between them is chance alone"
        if covariate.name == VEHICLE_GROWTH
        else None
    )
    return {"estimate": estimate, "se": se, "df": df, "p_value": float(2 * stdtr(df, -abs(estimate / se))),
            "ci_low": estimate - half, "ci_high": estimate + half, **counts, "note": note}  # fmt: skip


def _columns(values: pd.Series) -> np.ndarray:
    if values.name == VEHICLE_GROWTH:
        return values.to_numpy(float)[:, None]
    return pd.get_dummies(values.astype(str), drop_first=True, dtype=float).to_numpy()
