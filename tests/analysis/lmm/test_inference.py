"""Degrees of freedom, standard errors and joint tests: by hand, by another way to the same number, against pbkrtest."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from studies.analysis import AnalysisError, fit_lmm
from studies.analysis.lmm.inference import FixedInference, _inverse_information, _safe_inverse
from studies.analysis.mixed_model import fit_lmm_near

REFERENCE = Path(__file__).parents[2] / "reference" / "lmm"
GROWTH = pd.read_csv(REFERENCE / "growth.csv", keep_default_na=False)
JOINT = json.loads((REFERENCE / "joint.json").read_text())
M1 = "log_volume ~ day * arm + (1 + day | mouse)"


def by_hand(**changes) -> FixedInference:
    """Two fixed effects and two variance parameters."""
    parts = {
        "phi": np.array([[4.0, 1.0], [1.0, 9.0]]),
        "adjusted": np.array([[5.0, 1.0], [1.0, 10.0]]),
        "slopes": np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.5, 0.5], [0.5, 3.0]]]),
        "expected": np.array([[2.0, 0.5], [0.5, 1.0]]),
        "observed": np.array([[3.0, 0.0], [0.0, 1.0]]),
    }
    return FixedInference(**parts | changes)


@pytest.mark.parametrize(
    ("method", "spread"), [("kenward-roger", 2 + 0.5 + 0.25), ("satterthwaite", 3 + 0.25)]
)
def test_degrees_of_freedom_by_hand(method, spread):
    """The contrast (1, 0): f = 4, g = (1, 0.5); df = 2 f^2 / g'Wg."""
    assert by_hand().df(np.array([1.0, 0.0]), method) == pytest.approx(2 * 16 / spread)


def test_a_variance_that_depends_on_no_parameter_has_infinite_degrees_of_freedom():
    contrast = np.array([1.0, 0.0])
    assert by_hand(slopes=np.zeros((2, 2, 2))).df(contrast, "kenward-roger") == np.inf
    assert np.isnan(by_hand().df(np.array([np.nan, 0.0]), "kenward-roger"))


def test_kenward_roger_alone_adjusts_the_covariance():
    assert (
        by_hand().covariance("kenward-roger")[0, 0] == 5 and by_hand().covariance("satterthwaite")[0, 0] == 4
    )


def test_a_joint_test_of_one_contrast_is_its_t_test_squared():
    fit = fit_lmm(M1, GROWTH)
    row = fit.contrasts({"A+B": {"day:arm[T.A+B]": 1.0}}).loc["A+B"]
    test = fit.joint_test({"A+B": {"day:arm[T.A+B]": 1.0}})
    assert (test["statistic"], test["df2"]) == pytest.approx((row["statistic"] ** 2, row["df"]), rel=1e-7)
    assert test["p_value"] == pytest.approx(row["p_value"], rel=1e-7)


@pytest.mark.parametrize(
    "expected", JOINT["tests"], ids=lambda test: f"{test['formula']} {len(test['terms'])}"
)
def test_joint_tests_of_several_contrasts_agree_with_pbkrtest(expected):
    fit = fit_lmm(expected["formula"], GROWTH)
    test = fit.joint_test({term: {term: 1.0} for term in expected["terms"]})
    assert test["df1"] == expected["ndf"] == len(expected["terms"])
    assert (test["statistic"], test["df2"]) == pytest.approx((expected["stat"], expected["ddf"]), rel=1e-5)
    assert test["p_value"] == pytest.approx(expected["p_value"], rel=1e-4)


def test_variances_that_cannot_be_told_apart_are_said_so_and_tests_are_those_of_their_sum():
    """Of two names of the same mice only the sum of variances is known, and only it matters to the fixed effects."""
    formula = "log_volume ~ day * arm + (1 | mouse)"
    twins = GROWTH.assign(twin=GROWTH["mouse"] + " again")
    one, two = fit_lmm(formula, twins), fit_lmm(formula + " + (1 | twin)", twins)
    assert any("cannot be told apart" in note and "pseudo-inverse" in note for note in two.notes)
    assert not any("cannot be told apart" in note for note in one.notes)
    assert two.loglik == pytest.approx(one.loglik, abs=1e-8)
    assert two.coefficients().to_numpy() == pytest.approx(one.coefficients().to_numpy(), rel=1e-5)


def test_the_columns_of_a_table_hold_together():
    table = fit_lmm(M1, GROWTH).coefficients(level=0.9)
    estimate, se, df = table["estimate"], table["se"], table["df"]
    assert table["statistic"].to_numpy() == pytest.approx((estimate / se).to_numpy())
    assert table["p_value"].to_numpy() == pytest.approx(2 * special.stdtr(df, -np.abs(estimate / se)))
    half = special.stdtrit(df, 0.95) * se
    assert table["ci_low"].to_numpy() == pytest.approx((estimate - half).to_numpy())
    assert table["ci_high"].to_numpy() == pytest.approx((estimate + half).to_numpy())


def test_integer_degrees_of_freedom_are_emmeans_and_touch_the_family_alone():
    """floor(df + 0.25), at least 1, and only where there is something to adjust for; the single p keeps its df."""
    fit = fit_lmm(M1, GROWTH)
    weights = {arm: {f"day:arm[T.{arm}]": 1.0} for arm in ("A+B", "Vehicle")}
    table = fit.contrasts(weights, adjust="mvt", integer_df=True)
    exact = fit.contrasts(weights, adjust="mvt")
    assert table["p_value"].tolist() == exact["p_value"].tolist()
    assert (table["p_adjusted"] > exact["p_adjusted"]).all()
    alone = [
        fit.contrasts({"A+B": weights["A+B"]}, adjust="mvt", integer_df=asked) for asked in (True, False)
    ]
    assert alone[0].equals(alone[1])
    assert fit.contrasts(weights, adjust="mvt").equals(exact)  # unasked they stay as they are
    assert fit.slope_contrasts().equals(fit.slope_contrasts(integer_df=False))


def test_contrasts_of_unknown_terms_or_arms_are_refused_and_the_known_ones_listed():
    fit = fit_lmm(M1, GROWTH)
    with pytest.raises(
        AnalysisError, match="Contrast x: there is no term dose; the terms are Intercept, arm"
    ):
        fit.contrasts({"x": {"dose": 1.0}})
    with pytest.raises(AnalysisError, match=r"arm has no level C; its levels are A, A\+B, Vehicle\."):
        fit.slope_contrasts(control="C")
    with pytest.raises(AnalysisError, match='df is "kenward-roger" or "satterthwaite", not "normal"'):
        fit.coefficients("normal")
    with pytest.raises(AnalysisError, match='adjust is "none", "holm" or "mvt", not "bonferroni"'):
        fit.slope_contrasts(adjust="bonferroni")


def test_the_correlation_of_residuals_is_said():
    fit = fit_lmm("log_volume ~ day * arm + (1 | mouse)", GROWTH, residual_correlation="day | mouse")
    phi = f"{fit.residual_correlation:.3g}"
    assert (
        f"Residuals one unit of time apart correlate by {phi}; Kenward-Roger counts this to first order."
        in fit.notes
    )


def test_residuals_are_divided_by_the_standard_deviation_of_their_row():
    weights = 1 + np.arange(len(GROWTH)) % 3
    fit = fit_lmm(M1, GROWTH, weights=weights)
    assert fit.residuals * fit.sigma / np.sqrt(weights) == pytest.approx(fit.design.response - fit.fitted)
    by_arm = fit_lmm(M1, GROWTH, residual_by="arm")
    of_arm = by_arm.variance_components.query("group == 'Residual'").set_index("term1")["value"]
    spread = np.sqrt(of_arm[GROWTH["arm"]].to_numpy())
    assert by_arm.residuals * spread == pytest.approx(by_arm.design.response - by_arm.fitted)


@pytest.mark.filterwarnings("ignore:(overflow|invalid)")
def test_a_fit_begun_near_another_is_the_same_fit():
    """Whatever the other fit holds: other terms, a variance of 0, or nothing that can be begun at."""
    fit = fit_lmm(M1, GROWTH)
    unusable = fit_lmm(M1, GROWTH)
    unusable.__dict__["psis"] = [np.eye(2) * 1e300]
    others = [None, fit, fit_lmm("flat ~ day * arm + (1 + day | mouse)", GROWTH), unusable,
              fit_lmm("log_volume ~ day * arm + (1 | mouse)", GROWTH),
              fit_lmm(M1, GROWTH, residual_by="arm")]  # fmt: skip
    for other in others:
        assert fit_lmm_near(M1, GROWTH, other).loglik == pytest.approx(fit.loglik, abs=1e-7)


@pytest.mark.parametrize("weights", [1e30, 1e300])
@pytest.mark.filterwarnings("ignore")
def test_numbers_of_very_different_size_are_refused_with_what_to_look_for(weights):
    with pytest.raises(AnalysisError, match="columns or weights of very different size"):
        fit_lmm(M1, GROWTH, weights=np.where(GROWTH.index % 2, 1 / weights, weights)).coefficients()


def test_a_contrast_of_nothing_has_neither_error_nor_p():
    row = fit_lmm(M1, GROWTH).contrasts({"nothing": {"day": 0.0}}).loc["nothing"]
    assert row["estimate"] == 0
    assert row[["se", "statistic", "p_value", "p_adjusted", "ci_low", "ci_high"]].isna().all()


def test_a_variance_of_0_is_told_of_the_one_effect_of_a_group_alone():
    """Of two correlated effects a singular covariance is no variance of 0; of an unknown group none is told."""
    single = fit_lmm("flat ~ day * arm + (0 + day | mouse) + (1 | cage)", GROWTH)
    pair = fit_lmm("flat ~ day * arm + (1 + day | mouse)", GROWTH)
    assert [single.variance_is_zero(group) for group in ("mouse", "cage")] == [
        bool(psi[0, 0] < 1e-8 * single.sigma**2) for psi in single.psis
    ]
    assert pair.at_boundary and not pair.variance_is_zero("mouse") and not pair.variance_is_zero("rack")
    assert not fit_lmm(M1, GROWTH).variance_is_zero("mouse")


def test_a_sound_fit_has_no_notes():
    assert fit_lmm(M1, GROWTH).notes == []


def test_a_parameter_without_information_is_left_out_and_said():
    inverse, notes = _inverse_information(np.diag([2.0, 0.0, 4.0]), np.eye(3))
    assert inverse == pytest.approx(np.diag([1.0, 0.0, 0.5])) and "cannot be told apart" in notes[0]
    inverse, notes = _inverse_information(np.diag([2.0, 8e-20]), np.eye(2))  # small, in another unit
    assert inverse == pytest.approx(np.diag([1.0, 2.5e19])) and notes == ()


@pytest.mark.parametrize(
    ("diagonal", "inverse"),
    [
        ([1e-20, 2.0], [1e20, 0.5]),
        ([0.0, 2.0], [0.0, 0.5]),
        ([-1.0, 2.0], [0.0, 0.5]),
        ([4.0, 2.0], [0.25, 0.5]),
    ],
)
def test_observed_information_is_inverted_on_its_positive_part_in_any_unit(diagonal, inverse):
    assert _safe_inverse(np.diag(diagonal)) == pytest.approx(np.diag(inverse))
