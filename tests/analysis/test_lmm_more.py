"""More of lme4's syntax, a corpus of random sets, odd tables, and statsmodels beside them."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import mixedlm

from studies.analysis import AnalysisError, fit_lmm
from studies.analysis.lmm import serial
from tests.bench.corpus import corpus_set

REFERENCE = Path(__file__).parent.parent / "reference" / "lmm"
EXPECTED = json.loads((REFERENCE / "more.json").read_text())
GROWTH = pd.read_csv(REFERENCE / "growth.csv", keep_default_na=False)
M1 = "log_volume ~ day * arm + (1 + day | mouse)"
COLUMNS = ["estimate", "se", "df", "p_value"]


def r_name(term: str) -> str:
    """This project's and R's spelling of a term, made one."""
    term = (
        term.replace("C(day)", "factor(day)")
        .replace("[T.", "")
        .replace("(Intercept)", "Intercept")
        .replace(" ", "")
    )
    term = re.sub(r"\)\[(\d+)\]", lambda match: f"){int(match.group(1)) + 1}", term).replace("]", "")
    return ":".join(sorted(re.sub(r"(?<=\d)\.0\b", "", term).split(":")))


@pytest.mark.parametrize("expected", EXPECTED["fits"], ids=lambda fit: fit["formula"])
def test_splines_factors_and_crossed_terms_agree_with_lme4_and_pbkrtest(expected):
    fit = fit_lmm(expected["formula"], GROWTH)
    assert expected["loglik"] - 1e-8 <= fit.loglik <= expected["loglik"] + 1e-6
    assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-5)
    table = fit.coefficients()
    mine = table.set_axis([r_name(str(term)) for term in table.index])
    assert len(mine) == len(expected["terms"])
    for term, estimate, se, df in zip(*(expected[k] for k in ("terms", "estimate", "se", "df")), strict=True):
        row = mine.loc[r_name(term)]
        assert row["estimate"] == pytest.approx(estimate, rel=1e-5, abs=1e-5 * se), term
        assert (row["se"], row["df"]) == pytest.approx((se, df), rel=1e-4), term


@pytest.mark.parametrize(
    "expected", EXPECTED["serial"], ids=lambda fit: f"{fit['formula']} {fit['by'] or ''}"
)
def test_correlated_residuals_agree_with_nlme(expected):
    fixed, random = expected["formula"].rsplit(" ~ ", 1)
    fit = fit_lmm(
        f"{fixed} + ({random})",
        GROWTH,
        residual_by=expected["by"] or None,
        residual_correlation="day | mouse",
    )
    assert expected["loglik"] - 1e-8 <= fit.loglik <= expected["loglik"] + 1e-4
    assert fit.residual_correlation == pytest.approx(expected["phi"], rel=3e-3)
    residual = fit.variance_components.query("group == 'Residual'").set_index("term1")["value"]
    for level, ratio in dict(expected["ratios"] or {}).items():
        assert np.sqrt(residual[level]) == pytest.approx(expected["sigma"] * ratio, rel=1e-2)
    table = fit.coefficients("satterthwaite")
    mine = table.set_axis([r_name(str(term)) for term in table.index])
    for term, estimate, se in zip(*(expected[k] for k in ("terms", "estimate", "se")), strict=True):
        row = mine.loc[r_name(term)]
        assert row["estimate"] == pytest.approx(estimate, abs=1e-2 * se)
        assert row["se"] == pytest.approx(se, rel=3e-3)


def test_degrees_of_freedom_of_correlated_residuals_are_refused_for_blocks_too_large(monkeypatch):
    monkeypatch.setattr(serial, "LARGEST_BLOCK", 5)
    fit = fit_lmm("log_volume ~ day + (1 | mouse)", GROWTH, residual_correlation="day | mouse")
    with pytest.raises(AnalysisError, match=r"fewer than 5 readings .* here \d+ do\. Fit PDX models apart"):
        fit.coefficients("satterthwaite")


def test_the_search_for_a_correlation_is_newtons_and_may_be_cut_short(monkeypatch):
    def bowl(x):
        return x - 1 + (x - 1) ** 3, 1 + 3 * (x - 1) ** 2

    assert serial._lowest(bowl, 0.0) == pytest.approx(1, abs=1e-9)
    monkeypatch.setattr(serial, "MOST_STEPS", 1)
    assert serial._lowest(bowl, 0.0) == pytest.approx(0.5)  # one step: 2 / 4


@pytest.mark.parametrize("number", sorted(EXPECTED["corpus"], key=int))
def test_no_random_set_lies_below_lme4(number):
    formula, table = corpus_set(int(number))
    fit, expected = fit_lmm(formula, table), EXPECTED["corpus"][number]
    assert fit.optimum.converged
    assert fit.loglik >= expected["default"] - 1e-9
    assert expected["tight"] - 1e-8 <= fit.loglik <= expected["tight"] + 1e-5


@pytest.mark.parametrize(
    ("formula", "random"),
    [
        (M1, "~ day"),
        ("log_volume ~ day * arm + (1 | mouse)", "~ 1"),
        ("log_volume ~ bs(day, df=4) + (1 | mouse)", "~ 1"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(optimization|boundary)")
def test_statsmodels_finds_the_same_fit(formula, random):
    fit = fit_lmm(formula, GROWTH)
    fixed = formula.rsplit(" + (", 1)[0]
    other = mixedlm(fixed, GROWTH, groups="mouse", re_formula=random).fit(
        method=["lbfgs", "powell"], reml=True
    )
    assert other.llf - 1e-8 <= fit.loglik <= other.llf + 1e-4
    assert fit.beta == pytest.approx(
        other.fe_params.reindex(fit.assembled.names).to_numpy(), rel=1e-3, abs=1e-4
    )
    assert fit.coefficients("satterthwaite")["se"].to_numpy() == pytest.approx(
        other.bse_fe.reindex(fit.assembled.names).to_numpy(), rel=2e-3
    )


# Odd tables


def changed(name: str) -> pd.DataFrame:
    table = GROWTH
    match name:
        case "arms called nan, None and nothing":
            return table.assign(arm=table["arm"].map({"A": "None", "A+B": "nan", "Vehicle": ""}))
        case "text of pandas' own kind":
            return table.astype({"arm": "string", "mouse": "string"})
        case "cells that may be missing":
            return table.convert_dtypes()
        case "group ids that are numbers":
            return table.assign(mouse=pd.factorize(table["mouse"])[0])
        case "a repeated index":
            return table.set_axis([0] * len(table))
        case "day 40000":
            return table.assign(day=table["day"] + 40000)
        case "a response far from 0":
            return table.assign(log_volume=table["log_volume"] + 1e7)
        case "empty rows":
            empty = table.iloc[:9].assign(log_volume=np.nan)
            return pd.concat([empty, table], ignore_index=True)
    raise ValueError(name)


@pytest.mark.parametrize(
    "name",
    ["text of pandas' own kind", "cells that may be missing", "group ids that are numbers", "a repeated index",
     "day 40000", "a response far from 0", "empty rows"],
)  # fmt: skip
def test_what_does_not_change_the_study_changes_no_answer(name):
    mine = fit_lmm(M1, changed(name)).slope_contrasts(control="Vehicle")
    assert mine[COLUMNS].to_numpy() == pytest.approx(
        fit_lmm(M1, GROWTH).slope_contrasts(control="Vehicle")[COLUMNS].to_numpy(), rel=1e-5
    )


def test_an_arm_may_be_called_nan_or_nothing():
    mine = fit_lmm(M1, changed("arms called nan, None and nothing")).slope_contrasts(control="")
    assert mine.index.tolist() == ["None - ", "nan - "]
    other = fit_lmm(M1, GROWTH).slope_contrasts(control="Vehicle")
    assert mine[COLUMNS].to_numpy() == pytest.approx(other[COLUMNS].to_numpy(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("by_arm", {"residual_by": "arm"}),
        ("in_time", {"residual_correlation": "day | mouse"}),
        ("both", {"residual_by": "arm", "residual_correlation": "day | mouse"}),
    ],
)
def test_residuals_of_their_own_under_three_nested_levels_agree_with_nlme(name, asked):
    expected = json.loads((REFERENCE / "nested_errors.json").read_text())[name]
    fit = fit_lmm(
        "log_volume ~ day * arm + (1 | pdx_model) + (0 + day | pdx_model:arm) + (1 | mouse)", GROWTH, **asked
    )
    assert fit.loglik == pytest.approx(expected["loglik"], abs=1e-6)
    found = fit.coefficients()["estimate"].rename(lambda term: term.replace("[T.", "").replace("]", ""))
    theirs = pd.Series(expected["coefficients"]).rename({"(Intercept)": "Intercept"})
    assert found[theirs.index].to_numpy() == pytest.approx(theirs.to_numpy(), rel=1e-3, abs=1e-5)
    if "residual_correlation" in asked:
        assert fit.residual_correlation == pytest.approx(expected["phi"], rel=1e-4)
    if "residual_by" in asked:
        rows = fit.variance_components.query("group == 'Residual'").set_index("term1")["value"] ** 0.5
        ratios = pd.Series(expected["ratio"])
        assert (rows / rows["A"])[ratios.index].to_numpy() == pytest.approx(ratios.to_numpy(), rel=1e-3)


def test_an_origin_of_time_far_away_makes_no_fit_singular_that_is_not():
    fit = fit_lmm(M1, changed("day 40000"))
    assert fit.is_singular and not fit.at_boundary  # lme4 would say so in these units
    assert any("Counted from a day among the readings it is not" in note for note in fit.notes)
    assert np.isfinite(fit.coefficients("satterthwaite").to_numpy()).all()


def test_an_empty_cell_is_dropped_and_named_and_what_rests_on_it_is_missing():
    table = GROWTH.query("not (arm == 'A' and map2k4 == 'wild_type')")
    fit = fit_lmm("log_volume ~ day * arm * map2k4 + (1 + day | mouse)", table)
    assert any(
        "arm[T.A+B]:map2k4[T.wild_type]" in note or "arm[T.Vehicle]:map2k4" in note for note in fit.notes
    )
    cells = table.assign(cell=table["arm"] + "/" + table["map2k4"])
    other = fit_lmm("log_volume ~ day * cell + (1 + day | mouse)", cells)
    assert fit.loglik == pytest.approx(other.loglik, abs=1e-7) and fit.beta.size == other.beta.size
    slopes = fit.slope_contrasts(control="Vehicle")["estimate"]
    assert slopes.isna().tolist() == [True, False]  # over both statuses A has no slope


def test_an_arm_read_on_one_day_only_has_no_slope_and_the_rest_stands():
    """Counted from that day its column of slopes is all zeros, from another it is the arm's column again."""
    arms = pd.CategoricalDtype(["Vehicle", "A", "A+B"])
    table = GROWTH.query("arm != 'A' or day == 0").astype({"arm": arms})
    fit, other = (fit_lmm(M1, table.assign(day=table["day"] + origin)) for origin in (0, 1))
    assert any("day:arm[T.A]" in note for note in fit.notes)
    assert fit.loglik == pytest.approx(other.loglik, abs=1e-8)
    slopes = [one.slope_contrasts(control="Vehicle")["estimate"].to_numpy() for one in (fit, other)]
    assert np.isnan(slopes[0][0]) and slopes[0][1] == pytest.approx(slopes[1][1])


def test_mice_with_one_reading_are_kept():
    firsts = GROWTH["mouse"].isin(GROWTH["mouse"].unique()[::4])
    fit = fit_lmm(M1, GROWTH[~firsts | (GROWTH["day"] == 0)])
    assert len(fit.random_effects[0]) == GROWTH["mouse"].nunique()
    assert np.isfinite(fit.coefficients().to_numpy()).all()


def test_an_arm_without_residual_variance_of_its_own_is_refused():
    computed = GROWTH.assign(
        log_volume=np.where(GROWTH["arm"] == "A", 5 + 0.1 * GROWTH["day"], GROWTH["log_volume"])
    )
    with pytest.raises(AnalysisError, match="arm A .*residual variance is 0"):
        fit_lmm(M1, computed, residual_by="arm")


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_unit_of_the_response_does_not_matter(scale):
    mine = fit_lmm(
        "y ~ day * arm + (1 + day | mouse)", GROWTH.assign(y=GROWTH["log_volume"] * scale)
    ).slope_contrasts()
    other = fit_lmm(M1, GROWTH).slope_contrasts()
    assert mine["p_value"].to_numpy() == pytest.approx(other["p_value"].to_numpy(), rel=1e-6)
    assert mine["estimate"].to_numpy() == pytest.approx(other["estimate"].to_numpy() * scale, rel=1e-6)


def test_ns_is_straight_beyond_its_readings_and_refuses_more_knots_than_days():
    fit = fit_lmm("log_volume ~ ns(day, 3) + (1 | mouse)", GROWTH)
    slopes = fit.slopes("day", by=None)
    assert np.isfinite(slopes.to_numpy()).all()
    with pytest.raises(AnalysisError, match="fewer df"):
        fit_lmm("log_volume ~ ns(day, 30) + (1 | mouse)", GROWTH)
