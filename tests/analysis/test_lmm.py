"""Linear mixed models: by hand, against lme4, lmerTest, pbkrtest, emmeans and nlme, by law, by refusal."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from studies.analysis import AnalysisError, fit_lmm

REFERENCE = Path(__file__).parent.parent / "reference" / "lmm"
EXPECTED = json.loads((REFERENCE / "growth.json").read_text())
M1 = "log_volume ~ day * arm + (1 + day | mouse)"
M4 = (
    "log_volume ~ day * map2k4 + day:arm + day:arm:map2k4"
    " + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 + day | mouse)"
)


def growth() -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "growth.csv", keep_default_na=False)
    table["arm"] = pd.Categorical(table["arm"], categories=["Vehicle", "A", "A+B"])
    table["map2k4"] = pd.Categorical(table["map2k4"], categories=["wild_type", "loss_of_function"])
    return table


def r_name(term: str) -> str:
    """This project's and R's spelling of a term, made one."""
    for ours, theirs in (("Intercept", "(Intercept)"), ("C(", "factor("), (" ** ", "^")):
        term = term.replace(ours, theirs) if theirs not in term else term
    for degree in (0, 1):
        term = term.replace(f"poly(day, 2)[{degree}]", f"poly(day, 2){degree + 1}")
    return ":".join(sorted(term.replace("[T.", "").replace("[", "").replace("]", "").split(":")))


def by_term(table: pd.DataFrame) -> dict[str, pd.Series]:
    return {r_name(str(term)): row for term, row in table.iterrows()}


# By hand


def balanced(mice: int = 4, seed: int = 0) -> pd.DataFrame:
    random, days = np.random.default_rng(seed), np.array([0.0, 3.0, 7.0, 10.0, 14.0])
    rows = []
    for arm, slope in (("V", 0.09), ("T", 0.05)):
        for mouse in range(mice):
            level, own = random.normal(5, 0.3), random.normal(slope, 0.02)
            rows += [(arm, f"{arm}{mouse}", day, level + own * day + random.normal(0, 0.1)) for day in days]
    return pd.DataFrame(rows, columns=["arm", "mouse", "day", "y"])


def test_in_a_balanced_study_the_test_is_students_t_on_mouse_slopes():
    table = balanced()
    slopes = {arm: [np.polyfit(mouse["day"], mouse["y"], 1)[0] for _, mouse in group.groupby("mouse")]
              for arm, group in table.groupby("arm")}  # fmt: skip
    difference = np.mean(slopes["T"]) - np.mean(slopes["V"])
    pooled = np.sqrt((np.var(slopes["T"], ddof=1) + np.var(slopes["V"], ddof=1)) / 2 * (2 / 4))
    row = fit_lmm("y ~ day * arm + (1 + day | mouse)", table).slope_contrasts(control="V").loc["T - V"]
    assert row["estimate"] == pytest.approx(difference, rel=1e-9)
    assert row["se"] == pytest.approx(pooled, rel=1e-7)
    assert row["df"] == pytest.approx(6, rel=1e-6)
    assert row["p_value"] == pytest.approx(2 * special.stdtr(6, -abs(difference / pooled)), rel=1e-6)


def test_one_way_variance_components_of_a_balanced_layout():
    """Analysis of variance: sigma^2 = MSE, group variance = (MSB - MSE) / n per group (Searle 1992, ch. 4)."""
    table = pd.DataFrame({"y": [1.0, 2.0, 4.0, 6.0, 5.0, 9.0, 2.0, 3.0, 1.0], "g": list("aaabbbccc")})
    groups = table.groupby("g")["y"]
    between = 3 * groups.mean().var(ddof=1)
    within = groups.var(ddof=1).mean()
    fit = fit_lmm("y ~ 1 + (1 | g)", table)
    components = fit.variance_components.set_index("group")["value"]
    assert components["Residual"] == pytest.approx(within, rel=1e-8)
    assert components["g"] == pytest.approx((between - within) / 3, rel=1e-7)
    row = fit.coefficients().loc["Intercept"]
    assert (row["estimate"], row["se"]) == pytest.approx((table["y"].mean(), np.sqrt(between / 9)), rel=1e-8)
    assert row["df"] == pytest.approx(2, rel=1e-6)


# By reference


@pytest.mark.parametrize(
    "expected", EXPECTED["fits"], ids=lambda fit: f"{fit['formula']} {fit['weights'] or ''}"
)
def test_agrees_with_lme4_pbkrtest_and_lmertest(expected):
    fit = fit_lmm(expected["formula"], growth(), weights=expected["weights"] or None)
    assert expected["loglik"] - 1e-8 <= fit.loglik <= expected["loglik"] + 1e-6
    assert fit.is_singular == expected["singular"]
    assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-5)
    kenward_roger, satterthwaite = by_term(fit.coefficients()), by_term(fit.coefficients("satterthwaite"))
    assert len(kenward_roger) == len(expected["fixed"])
    for row in expected["fixed"]:
        mine, other = kenward_roger[r_name(row["term"])], satterthwaite[r_name(row["term"])]
        assert mine["estimate"] == pytest.approx(row["estimate"], rel=1e-5, abs=1e-5 * row["se"])
        if not expected["weights"]:  # pbkrtest leaves weights out of the covariance it adjusts
            assert mine["se"] == pytest.approx(row["kr_se"], rel=1e-5)
            assert mine["df"] == pytest.approx(row["kr_df"], rel=1e-4)
        assert other["se"] == pytest.approx(row["se"], rel=1e-5)
        if expected["singular"]:
            assert np.isnan(other["df"]) and np.isnan(other["p_value"])
        else:
            assert other["df"] == pytest.approx(row["df"], rel=1e-3)


@pytest.mark.parametrize(
    "expected", EXPECTED["fits"], ids=lambda fit: f"{fit['formula']} {fit['weights'] or ''}"
)
def test_variance_components_agree_with_lme4(expected):
    table = fit_lmm(expected["formula"], growth(), weights=expected["weights"] or None).variance_components
    mine = {
        (row.group, r_name(str(row.term1)), row.term2 and r_name(row.term2)): row.value
        for row in table.itertuples()
    }
    for row in expected["components"]:
        group = row["grp"].split(".")[0]
        key = (group, r_name(str(row.get("var1"))), r_name(row["var2"]) if row.get("var2") else None)
        assert mine[key] == pytest.approx(row["vcov"], rel=1e-4, abs=1e-6)


def test_slopes_and_contrasts_agree_with_emmeans():
    expected, fit = EXPECTED["slopes"], fit_lmm(M1, growth())
    slopes = fit.slopes()
    for row in expected["slopes"]:
        mine = slopes.loc[row["arm"]]
        assert mine["estimate"] == pytest.approx(row["day.trend"], rel=1e-6)
        assert (mine["se"], mine["df"]) == pytest.approx((row["SE"], row["df"]), rel=1e-4)
        assert (mine["ci_low"], mine["ci_high"]) == pytest.approx(
            (row["lower.CL"], row["upper.CL"]), rel=1e-4
        )
    for adjust, tolerance in (("none", 1e-4), ("holm", 1e-4), ("mvt", 1e-2)):
        contrasts = fit.slope_contrasts(control="Vehicle", adjust=adjust, integer_df=adjust == "mvt")
        for row in expected[adjust]:
            mine = contrasts.loc[row["contrast"].replace("(A+B)", "A+B")]
            assert mine["estimate"] == pytest.approx(row["estimate"], rel=1e-6)
            assert mine["p_adjusted"] == pytest.approx(row["p.value"], rel=tolerance)


def test_the_joint_test_agrees_with_pbkrtest():
    expected = EXPECTED["slopes"]["joint"]
    test = fit_lmm(M1, growth()).joint_test({arm: {f"day:arm[T.{arm}]": 1.0} for arm in ("A", "A+B")})
    assert test["df1"] == expected["ndf"]
    assert test["df2"] == pytest.approx(expected["ddf"], rel=1e-5)
    assert test["statistic"] == pytest.approx(expected["stat"], rel=1e-5)
    assert test["p_value"] == pytest.approx(expected["p.value"], rel=1e-4)


def test_residual_variance_by_arm_agrees_with_nlme():
    expected = EXPECTED["by_arm"]
    fit = fit_lmm(M1, growth(), residual_by="arm")
    assert expected["loglik"] - 1e-6 <= fit.loglik <= expected["loglik"] + 1e-4
    residual = fit.variance_components.query("group == 'Residual'").set_index("term1")["value"]
    for arm, ratio in expected["ratios"].items():
        assert np.sqrt(residual[arm]) == pytest.approx(expected["sigma"] * ratio, rel=1e-3)
    estimates = by_term(fit.coefficients())
    for term, value in expected["estimates"].items():
        assert estimates[r_name(term)]["estimate"] == pytest.approx(value, rel=1e-3, abs=1e-5)


def test_golden_numbers_of_the_published_combination_example(real_data):
    """lmerTest 3.1-3, pbkrtest 0.5.2, emmeans on the synthetic four-arm study."""
    table = pd.read_csv(real_data / "studies" / "synthetic_combination.csv")
    table["arm"] = pd.Categorical(table["arm"], categories=["V", "A", "B", "AB"])
    fit = fit_lmm("logV ~ day + day:arm + (day || mouse)", table)
    assert -2 * fit.loglik == pytest.approx(-4.073573, abs=1e-6)
    kenward_roger, satterthwaite = fit.coefficients(), fit.coefficients("satterthwaite")
    estimates = [4.99915447, 0.08903281, -0.02000448, -0.02376498, -0.06731265]
    assert kenward_roger["estimate"].to_list() == pytest.approx(estimates, rel=1e-6)
    slope = kenward_roger.loc["day:arm[T.AB]"]
    assert (slope["se"], slope["df"]) == pytest.approx((0.012319676, 20), rel=1e-6)
    assert slope["p_value"] == pytest.approx(2.389346e-05, rel=1e-5)
    slope = satterthwaite.loc["day:arm[T.AB]"]
    assert (slope["se"], slope["df"]) == pytest.approx((0.012304942, 19.971105), rel=1e-6)
    assert slope["p_value"] == pytest.approx(2.366102e-05, rel=1e-5)
    deviations = np.sqrt(fit.variance_components["value"])
    assert deviations.to_list() == pytest.approx([0.2765025, 0.0198291, 0.1510337], abs=6e-8)
    row = fit.contrasts({"Bliss": BLISS}, df="satterthwaite").loc["Bliss"]
    assert (row["estimate"], row["se"]) == pytest.approx((-0.02354319, 0.017401816), rel=1e-6)
    assert row["p_value"] == pytest.approx(0.1912013, rel=1e-5)
    row = fit.contrasts({"Bliss": BLISS}).loc["Bliss"]
    assert (row["se"], row["df"], row["p_value"]) == pytest.approx((0.017422653, 20, 0.1916887), rel=1e-6)
    assert at_day_21(row, "estimate", "ci_low", "ci_high") == pytest.approx(
        (0.6099, 0.28433, 1.30839), abs=6e-5
    )
    fit = fit_lmm("logV ~ day * arm + (1 + day | mouse)", table)
    assert fit.loglik == pytest.approx(0.5403058, abs=1e-7)
    slopes = fit.slope_contrasts(control="V")
    assert slopes["p_adjusted"].to_list()[:2] == pytest.approx((0.3409, 0.1622), abs=5e-4)
    row = slopes.loc["AB - V"]
    assert (row["estimate"], row["se"], row["df"]) == pytest.approx((-0.06713977, 0.012610986, 20), rel=1e-6)
    assert row["p_value"] == pytest.approx(3.279244e-05, rel=1e-5)
    inhibition = [100 * (1 - ratio) for ratio in at_day_21(row, "estimate", "ci_high", "ci_low")]
    assert inhibition == pytest.approx((75.584, 57.578, 85.947), abs=6e-4)
    row = fit.contrasts({"Bliss": BLISS}).loc["Bliss"]
    assert (row["estimate"], row["se"]) == pytest.approx((-0.02415231, 0.017834628), rel=1e-6)
    assert row["p_value"] == pytest.approx(0.1907653, rel=1e-5)
    assert at_day_21(row, "estimate", "ci_low", "ci_high") == pytest.approx(
        (0.60218, 0.27570, 1.31528), abs=6e-6
    )


BLISS = {"day:arm[T.AB]": 1.0, "day:arm[T.A]": -1.0, "day:arm[T.B]": -1.0}


def at_day_21(row, *names) -> list[float]:
    """Ratios of volumes that these differences of slopes make by day 21."""
    return [float(np.exp(21 * row[name])) for name in names]


# Laws


def numbers(fit) -> np.ndarray:
    return fit.slope_contrasts(control="Vehicle")[
        ["estimate", "se", "df", "p_value", "p_adjusted"]
    ].to_numpy()


def test_the_order_of_rows_does_not_matter():
    shuffled = growth().sample(frac=1, random_state=3)
    assert numbers(fit_lmm(M1, shuffled)) == pytest.approx(numbers(fit_lmm(M1, growth())), rel=1e-6)


@pytest.mark.parametrize(
    ("factor", "shift"), [(24.0, 0.0), (1 / 7, 0.0), (1e-6, 0.0), (1e6, 0.0), (1.0, 1000.0)]
)
@pytest.mark.parametrize("formula", [M1, M4])
def test_the_unit_and_origin_of_time_do_not_matter(formula, factor, shift):
    moved = growth().assign(day=lambda t: t["day"] * factor + shift)
    if formula == M4 and shift:
        pytest.skip("a random slope without intercept has its origin in the model")
    before, after = fit_lmm(formula, growth()), fit_lmm(formula, moved)
    scale = np.array([factor, factor, 1, 1, 1])
    assert numbers(after) * scale == pytest.approx(numbers(before), rel=2e-5, abs=1e-9)
    n_slopes = sum(name.startswith("day") for name in before.design.names)
    assert after.loglik + n_slopes * np.log(factor) == pytest.approx(before.loglik, abs=1e-6)


def test_the_unit_of_volume_shifts_the_intercept_alone():
    other = growth().assign(log_volume=lambda t: t["log_volume"] + np.log(1000))
    assert numbers(fit_lmm(M1, other)) == pytest.approx(numbers(fit_lmm(M1, growth())), rel=1e-6)


def test_exchanging_two_arms_turns_the_sign():
    table = growth().query("arm != 'A'")
    forward = fit_lmm(M1, table).slope_contrasts(control="Vehicle").iloc[0]
    backward = fit_lmm(M1, table).slope_contrasts(control="A+B").iloc[0]
    assert backward["estimate"] == pytest.approx(-forward["estimate"])
    assert backward["p_value"] == pytest.approx(forward["p_value"])


def test_names_of_mice_and_arms_do_not_matter():
    renamed = growth().assign(
        mouse=lambda t: t["mouse"].map({name: 900 - index for index, name in enumerate(t["mouse"].unique())}),
        arm=lambda t: t["arm"].cat.rename_categories(["None", "NA [1]", "x:y"]),
    )
    fit = fit_lmm(M1, renamed)
    mine = fit.slope_contrasts(control="None")[["estimate", "se", "df", "p_value", "p_adjusted"]].to_numpy()
    assert mine == pytest.approx(numbers(fit_lmm(M1, growth())), rel=1e-6)


def test_weights_of_two_are_not_rows_counted_twice_but_half_the_variance():
    fit, doubled = fit_lmm(M1, growth()), fit_lmm(M1, growth(), weights=np.full(len(growth()), 2.0))
    assert doubled.sigma**2 == pytest.approx(2 * fit.sigma**2, rel=1e-6)
    assert numbers(doubled) == pytest.approx(numbers(fit), rel=1e-6)


def test_groups_written_nested_or_as_combination_are_the_same():
    table = growth().assign(number=lambda t: t["mouse"].str[-1])
    nested = fit_lmm("log_volume ~ day + (1 | pdx_model/arm/number)", table)
    crossed = fit_lmm(
        "log_volume ~ day + (1|pdx_model) + (1|pdx_model:arm) + (1|pdx_model:arm:number)", table
    )
    assert nested.loglik == pytest.approx(crossed.loglik, abs=1e-9)


def test_a_dropped_column_is_named_and_other_contrasts_stand():
    table = growth().assign(twice=lambda t: 2.0 * t["day"])
    fit = fit_lmm("log_volume ~ day * arm + twice + (1 + day | mouse)", table)
    assert "twice" in fit.notes[0] and "twice" not in fit.coefficients().index
    assert numbers(fit)[:, :3] == pytest.approx(numbers(fit_lmm(M1, growth()))[:, :3], rel=1e-5)
    alone = fit.contrasts({"day": {"day": 1.0}}).loc["day"]
    assert np.isnan(alone["estimate"]) and np.isnan(alone["p_value"])


def test_maximum_likelihood_is_above_and_has_no_kenward_roger():
    fit = fit_lmm(M1, growth(), reml=False)
    assert np.isfinite(fit.coefficients("satterthwaite").to_numpy()).all()
    with pytest.raises(AnalysisError, match="REML"):
        fit.coefficients()


# Refusals


def test_every_time_point_alone_is_refused():
    with pytest.raises(AnalysisError, match="too few readings a mouse"):
        fit_lmm(M1, growth().query("day == 0"))


def test_one_mouse_an_arm_is_refused():
    firsts = growth().query("pdx_model == 'P1'").groupby("arm", observed=True)["mouse"].first()
    with pytest.raises(AnalysisError, match="single mouse"):
        fit_lmm(M1, growth()[growth()["mouse"].isin(firsts)])


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda t: np.full(len(t), 5.0), "constant"),
        (lambda t: 5 + 0.1 * t["day"], "reproduce y exactly"),
        (lambda t: 5 + 0.1 * t["day"] * t["mouse"].str[-1].astype(float), "own curve reproduce y exactly"),
        (lambda t: np.where(t.index == 3, -np.inf, t["log_volume"]), "row 4"),
        (lambda t: t["arm"].astype(str), "holds text"),
        (lambda t: np.full(len(t), np.nan), "No row"),
    ],
)
def test_a_response_that_leaves_nothing_to_judge_is_refused(response, reason):
    with pytest.raises(AnalysisError, match=reason):
        fit_lmm("y ~ day * arm + (1 + day | mouse)", growth().assign(y=response))


def test_exact_data_are_refused_where_no_single_term_reproduces_them():
    """Mouse offsets and a common slope together leave nothing; on unequal days neither does so alone."""
    uneven = growth()[lambda t: (t.index % 3 != 0) | (t["day"] < 8)]
    offset = uneven["mouse"].astype("category").cat.codes % 7
    model = uneven["pdx_model"].astype("category").cat.codes
    for response, formula in (
        (5 + 0.1 * uneven["day"] + offset, "y ~ day * arm + (1 | mouse)"),
        (5 + 0.1 * uneven["day"] * model + offset, "y ~ day * arm + (0 + day | pdx_model) + (1 | mouse)"),
    ):
        with pytest.raises(AnalysisError, match="residual variance is 0"):
            fit_lmm(formula, uneven.assign(y=response))
        noise = np.random.default_rng(0).normal(0, 1e-4, len(uneven))
        assert fit_lmm(formula, uneven.assign(y=response + noise)).sigma == pytest.approx(1e-4, rel=0.2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"weights": [1.0, 2.0]}, "2 weights"),
        ({"weights": "nothing"}, "column nothing"),
        ({"weights": np.r_[0.0, np.ones(len(growth()) - 1)]}, "row 1"),
        ({"residual_by": "nothing"}, "column nothing"),
    ],
)
def test_unusable_weights_are_refused(options, reason):
    with pytest.raises(AnalysisError, match=reason):
        fit_lmm(M1, growth(), **options)


def test_questions_the_fit_cannot_answer_are_refused():
    fit = fit_lmm(M1, growth())
    for ask in (
        lambda: fit.coefficients("normal"),
        lambda: fit.slopes("weight"),
        lambda: fit.slopes(by="cage"),
        lambda: fit.slope_contrasts(control="C"),
        lambda: fit.slope_contrasts(adjust="bonferroni"),
        lambda: fit.contrasts({"x": {"day:arm[T.C]": 1.0}}),
    ):
        with pytest.raises(AnalysisError):
            ask()


def test_a_random_column_given_twice_is_refused():
    with pytest.raises(AnalysisError, match="linearly dependent"):
        fit_lmm("log_volume ~ day * arm + (1 + day + I(2 * day) | mouse)", growth())


def test_a_singular_fit_says_so():
    fit = fit_lmm("flat ~ day * arm + (1 + day | mouse)", growth())
    assert fit.is_singular and any("singular" in note for note in fit.notes)
    assert np.isfinite(fit.coefficients().to_numpy()).all()


# Residuals correlated in time

CAR1 = {"formula": "log_volume ~ day * arm + (1 | mouse)", "residual_correlation": "day | mouse"}


def test_residuals_correlated_in_time_agree_with_nlme():
    expected = EXPECTED["car1"]
    fit = fit_lmm(data=growth(), **CAR1)
    assert expected["loglik"] - 1e-8 <= fit.loglik <= expected["loglik"] + 1e-4
    assert fit.residual_correlation == pytest.approx(expected["phi"], rel=1e-3)
    assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-3)
    mine = by_term(fit.coefficients("satterthwaite"))
    for term, estimate in expected["estimates"].items():
        row = mine[r_name(term)]
        assert row["estimate"] == pytest.approx(estimate, rel=1e-3, abs=1e-3 * row["se"])
        assert row["se"] == pytest.approx(expected["se"][term], rel=1e-3)


def test_no_correlation_in_time_is_the_fit_without_and_said():
    alternating = growth().assign(y=lambda t: t["log_volume"] + 0.8 * (-1.0) ** np.arange(len(t)))
    formula = "y ~ day * arm + (1 | mouse)"
    fit = fit_lmm(formula, alternating, residual_correlation="day | mouse")
    assert fit.residual_correlation == 0 and any("No correlation" in note for note in fit.notes)
    assert fit.loglik == pytest.approx(fit_lmm(formula, alternating).loglik, abs=1e-9)


def test_the_unit_of_time_does_not_matter_to_correlated_residuals():
    days, hours = (
        fit_lmm(data=growth().assign(day=lambda t, f=factor: t["day"] * f), **CAR1) for factor in (1.0, 24.0)
    )
    assert hours.residual_correlation**24 == pytest.approx(days.residual_correlation, rel=1e-5)
    scale = np.array([24.0, 24.0, 1, 1, 1])
    assert numbers(hours) * scale == pytest.approx(numbers(days), rel=1e-5)


@pytest.mark.parametrize(
    ("correlation", "change", "reason"),
    [
        ("day", {}, "time \\| series"),
        ("day | cask", {}, "column cask"),
        ("arm | mouse", {}, "as numbers"),
        ("day | pdx_model", {}, "two readings at day 0"),
        (
            "day | mouse",
            {"mouse": lambda t: np.arange(len(t)), "cage": lambda t: t.index % 5},
            "No mouse has two",
        ),
    ],
)
def test_a_correlation_that_cannot_be_read_is_refused(correlation, change, reason):
    with pytest.raises(AnalysisError, match=reason):
        fit_lmm(
            "log_volume ~ day * arm + (1 | cage)", growth().assign(**change), residual_correlation=correlation
        )
