"""Other genes of the table as companions of the biomarker's status: each held in turn, by hand as an average."""

import pandas as pd
import pytest
from statsmodels.formula.api import ols

from studies.analysis.covariates import adjusted_differences, companions, covariates_of_models

MODELS = [f"P{number}" for number in range(8)]
LOSS, WILD = "loss_of_function", "wild_type"


def table(**genes: list[str]) -> pd.DataFrame:
    return pd.DataFrame({
        "pdx_model": MODELS, "map2k4_status": [LOSS, WILD] * 4, "tumor_type": "", **genes,
    })  # fmt: skip


@pytest.mark.parametrize(
    "header", ["MAP3K1", "KRAS", "NRAS", "BRAF", "map3k1_status", "kras_status", "NRAS_status", "braf"]
)
def test_each_gene_is_read_under_its_usual_headers(header):
    found = covariates_of_models(table(**{header: ["LOF", "LOF", "WT", "WT"] * 2}))
    assert list(found) == [header.upper().removesuffix("_STATUS")]
    assert dict(found.iloc[:, 0]) == dict(zip(MODELS, [LOSS, LOSS, WILD, WILD] * 2, strict=True))


def test_words_of_a_mutation_stand_and_0_is_none():
    found = covariates_of_models(table(KRAS=["G12C", "0"] * 4))
    assert set(found["KRAS"]) == {"G12C", WILD}


def test_a_gene_that_never_differs_or_goes_with_status_is_no_companion_to_hold():
    assert covariates_of_models(table(BRAF=["WT"] * 8)).empty
    [row] = companions(table(NRAS=["LOF", "WT"] * 4))
    assert row["confounded"] and "cannot be told apart" in row["note"]


def test_holding_a_gene_compares_within_its_classes():
    """Balanced: the difference of statuses within KRAS altered and within wild type, averaged."""
    effect = [-0.05, -0.01, -0.04, 0.00, -0.05, -0.02, -0.06, 0.01]
    genes = table(KRAS=["LOF", "LOF", "WT", "WT"] * 2)
    effects = genes[["pdx_model", "map2k4_status"]].assign(effect=effect)
    rates = pd.Series(0.1, index=MODELS) + pd.Series(range(8), index=MODELS) / 100
    rows = {
        row["covariate"]: row
        for row in adjusted_differences(effects, covariates_of_models(genes), rates, 0.95)
    }
    within = ((-0.05 + 0.01 - 0.05 + 0.02) / 2 + (-0.04 - 0.00 - 0.06 - 0.01) / 2) / 2
    assert rows["KRAS"]["estimate"] == pytest.approx(within)
    assert rows["KRAS"]["df"] == 8 - 3


def adjusted(effect: list[float], **columns: list[str]) -> dict[str, dict]:
    genes = table(**columns).iloc[: len(effect)]
    effects = genes[["pdx_model", "map2k4_status"]].assign(effect=effect)
    rates = pd.Series(0.1, index=effects["pdx_model"])
    rows = adjusted_differences(effects, covariates_of_models(genes), rates, 0.95)
    return {row["covariate"]: row for row in rows}


def test_three_models_hold_a_gene_but_leave_none_to_judge_by():
    """Loss G12C, wild type G12C, loss wild type: the difference is that within G12C, and no error is known."""
    row = adjusted([-0.05, -0.01, -0.04], KRAS=["G12C", "G12C", "WT", "WT"] * 2)["KRAS"]
    assert row["estimate"] == pytest.approx(-0.04)
    assert row["se"] is row["p_value"] is row["ci_low"] is None
    assert row["n_models"] == {LOSS: 2, WILD: 1}
    assert row["note"] == "no PDX model is left to judge the difference by"


def test_effects_without_error_have_no_p():
    row = adjusted([-0.05, -0.01] * 4, KRAS=["G12C", "G12C", "WT", "WT"] * 2)["KRAS"]
    assert (row["estimate"], row["p_value"]) == (pytest.approx(-0.04), None)
    assert row["note"] == "the effects are reproduced without error"


@pytest.mark.parametrize("told", [["G12C", "", "WT", "", "G12C", ""], ["", "G12C", "", "WT", "", "G12C"]])
def test_a_gene_told_for_one_status_alone_compares_nothing(told):
    row = adjusted([-0.05, -0.01, -0.04, 0.0, -0.03, 0.0], KRAS=[*told, "", ""])["KRAS"]
    assert row["note"] == "PDX models of both statuses are needed to compare them"
    assert row["estimate"] is None


def test_an_isogenic_pair_is_a_covariate_under_either_header():
    for header in ("isogenic pair", "Parental line"):
        found = covariates_of_models(table(**{header: ["a", "a", "b", "b", "c", "c", None, ""]}))
        assert list(found) == ["isogenic pair"]
        assert list(found["isogenic pair"])[:6] == ["a", "a", "b", "b", "c", "c"]
        assert found["isogenic pair"].isna().sum() == 2


def test_the_adjusted_difference_is_that_of_least_squares():
    effect = [-0.05, -0.01, -0.04, 0.00, -0.055, -0.02, -0.06, 0.012]
    genes = table(KRAS=["G12C", "G12C", "WT", "WT", "G12D", "WT", "G12C", "G12D"])
    effects = genes[["pdx_model", "map2k4_status"]].assign(effect=effect)
    rates = pd.Series([0.1, 0.08, 0.12, 0.07, 0.11, 0.09, 0.1, 0.06], index=MODELS)
    found = adjusted_differences(effects, covariates_of_models(genes), rates, 0.9)
    data = effects.assign(
        loss=(effects["map2k4_status"] == LOSS).astype(float), KRAS=genes["KRAS"], rate=rates.to_numpy()
    )
    for row, formula in zip(found, ("effect ~ loss + KRAS", "effect ~ loss + rate"), strict=True):
        fit = ols(formula, data).fit()
        low, high = fit.conf_int(0.1).loc["loss"]
        expected = (fit.params["loss"], fit.bse["loss"], fit.pvalues["loss"], low, high)
        names = ("estimate", "se", "p_value", "ci_low", "ci_high")
        assert tuple(row[name] for name in names) == pytest.approx(expected, rel=1e-8)
        assert row["n_models"] == {LOSS: 4, WILD: 4}
        assert (row["note"] is not None) == (row["covariate"] == "growth rate of the vehicle")
