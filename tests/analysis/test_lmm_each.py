"""One mixed model for each part of a table: the same answers as one by one, whatever the part holds."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, fit_lmm, fit_lmm_each

M1 = "y ~ day * arm + (1 + day | mouse)"
COLUMNS = ["estimate", "se", "df"]


def program(parts: int = 12, seed: int = 3, models: int = 1) -> pd.DataFrame:
    """Studies of 3 arms x 5 mice (in `models` PDX models), a third of the mice leaving early; mouse names repeat."""
    random = np.random.default_rng(seed)
    rows = []
    for part in range(parts):
        spread = random.choice([0.0, 0.02])
        for model in range(models):
            drift = random.normal(0, 0.02)
            for arm, effect in (("V", 0.0), ("A", -0.02), ("B", -0.04)):
                for mouse in range(5):
                    last = random.choice([10, 14, 21, 21])
                    level, slope = random.normal(5, 0.3), random.normal(0.09 + effect + drift, spread)
                    rows += [(f"study {part}", f"P{model}", arm, f"{model}{arm}{mouse}", float(day),
                              level + slope * day + random.normal(0, 0.15))
                             for day in (0, 3, 7, 10, 14, 17, 21) if day <= last]  # fmt: skip
    return pd.DataFrame(rows, columns=["study", "pdx_model", "arm", "mouse", "day", "y"])


@pytest.mark.parametrize(
    ("formula", "models"),
    [
        (M1, 1),
        ("y ~ day * arm + (day || mouse)", 1),
        ("y ~ day * arm + (1 + day | pdx_model/mouse)", 3),
        ("y ~ day * arm + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 + day | mouse)", 3),
    ],
)
def test_side_by_side_is_one_by_one(formula, models):
    table = program(8, models=models)
    fits = fit_lmm_each(formula, table, "study")
    contrasts = fits.slope_contrasts(control="V", adjust="holm")
    assert fits.together is not None and not fits.refused
    for study, part in table.groupby("study"):
        alone = fit_lmm(formula, part)
        assert fits.loglik[study] == pytest.approx(alone.loglik, abs=1e-7)
        assert fits.is_singular[study] == alone.at_boundary
        expected = alone.slope_contrasts(control="V", adjust="holm")
        mine = contrasts.loc[study]
        assert mine[COLUMNS].to_numpy() == pytest.approx(expected[COLUMNS].to_numpy(), rel=1e-4, abs=1e-7)
        assert mine["p_adjusted"].to_numpy() == pytest.approx(expected["p_adjusted"].to_numpy(), rel=1e-3)


def test_satterthwaite_is_one_by_one_and_not_given_at_the_boundary():
    table = program(8)
    fits = fit_lmm_each(M1, table, "study")
    dfs = fits.coefficients("satterthwaite")["df"]
    for study, part in table.groupby("study"):
        assert dfs.loc[study].isna().all() == fits.is_singular[study]
        expected = fit_lmm(M1, part).coefficients("satterthwaite")["df"]
        assert dfs.loc[study].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-3, nan_ok=True)


def test_a_part_of_another_shape_is_fitted_alone_and_one_that_cannot_be_fitted_is_named():
    table = program(4)
    table = table[~((table["study"] == "study 1") & (table["arm"] == "B"))]
    table = table[~((table["study"] == "study 2") & (table["day"] > 0))]
    table.loc[table["study"] == "study 3", "y"] = 5.0
    fits = fit_lmm_each(M1, table, "study")
    assert set(fits.refused) == {"study 2", "study 3"}
    assert "too few readings" in fits.refused["study 2"]
    assert list(fits.alone) == ["study 1"]
    contrasts = fits.slope_contrasts(control="V")
    assert contrasts.loc["study 1"].index.tolist() == ["A - V"]
    assert contrasts.loc["study 0"].index.tolist() == ["A - V", "B - V"]


def test_parts_and_mice_coded_in_few_bits_are_the_same_parts():
    """Pandas codes up to 127 levels in 8 bits: their products must not wrap around."""
    table = program(40)
    coded = table.assign(**{name: table[name].astype("category") for name in ("study", "mouse", "arm")})
    plain, short = (fit_lmm_each(M1, rows, "study") for rows in (table, coded))
    assert short.loglik.to_numpy() == pytest.approx(plain.loglik.to_numpy(), abs=1e-8)


def test_a_wild_step_of_one_model_does_not_stop_the_others():
    """Where a trial step leaves a matrix not positive definite, only that model's deviance is lost."""
    fits = fit_lmm_each(M1, program(3), "study")
    models = fits.together.assembled.models
    theta = np.ones((3, 3))
    sane = models.detailed(theta).deviance
    theta[1] = 1e8
    with np.errstate(all="ignore"):
        found = models.detailed(theta).deviance
    assert found[[0, 2]] == pytest.approx(sane[[0, 2]]) and not np.isfinite(found[1])


def test_the_order_of_rows_does_not_matter():
    table = program(5)
    straight, shuffled = (
        fit_lmm_each(M1, rows, "study").coefficients()
        for rows in (table, table.sample(frac=1, random_state=1))
    )
    assert shuffled[COLUMNS].to_numpy() == pytest.approx(straight[COLUMNS].to_numpy(), rel=1e-4, abs=1e-7)


def test_a_missing_column_or_an_unknown_question_is_refused():
    with pytest.raises(AnalysisError, match="column clinic"):
        fit_lmm_each(M1, program(2), "clinic")
    fits = fit_lmm_each(M1, program(2), "study")
    with pytest.raises(AnalysisError, match="no level"):
        fits.slope_contrasts(control="C")
    with pytest.raises(AnalysisError, match="no term"):
        fits.contrasts({"x": {"day:arm[T.Z]": 1.0}})


def test_the_maximum_likelihood_side_by_side_is_that_of_one_by_one():
    table = program(3)
    fits = fit_lmm_each(M1, table, "study", reml=False)
    for study, part in table.groupby("study"):
        alone = fit_lmm(M1, part, reml=False)
        assert fits.loglik[study] == pytest.approx(alone.loglik, abs=1e-7)
        mine = fits.coefficients("satterthwaite").loc[study]
        expected = alone.coefficients("satterthwaite")
        assert mine[COLUMNS].to_numpy() == pytest.approx(expected[COLUMNS].to_numpy(), rel=1e-3, nan_ok=True)


@pytest.mark.parametrize(
    ("formula", "limit", "value"),
    [
        ("y ~ day * arm + (1 | mouse) + (1 | reader)", None, None),
        ("y ~ day * arm + first + (1 | mouse)", "cells.MOST_DISTINCT", 3),
        (M1, "assemble_many.MOST_BASIS_COLUMNS", 1),
    ],
)
def test_what_cannot_be_fitted_side_by_side_is_fitted_one_by_one(monkeypatch, formula, limit, value):
    """Crossed groups, a value of its own for each of too many mice, a shape of too many columns."""
    table = program(2)
    table = table.assign(
        reader=np.arange(len(table)) % 3,
        first=table.groupby(["study", "mouse"])["y"].transform("first"),
    )
    if limit:
        monkeypatch.setattr(f"studies.analysis.lmm.{limit}", value)
    fits = fit_lmm_each(formula, table, "study")
    assert fits.together is None and list(fits.alone) == ["study 0", "study 1"]
    one = fit_lmm(formula, table[table["study"] == "study 1"])
    assert fits.loglik["study 1"] == one.loglik and fits.is_singular["study 1"] == one.at_boundary
    assert fits.variance_is_zero("mouse")["study 1"] == one.variance_is_zero("mouse")
    assert fits.coefficients().loc["study 1"].equals(one.coefficients())


def test_where_no_part_can_be_fitted_the_first_reason_is_told():
    table = program(2)
    table = table[table["day"] == table["study"].map({"study 0": 0, "study 1": 3})]
    fits = fit_lmm_each(M1, table, "study")
    assert fits.together is None and not len(fits.loglik)
    with pytest.raises(AnalysisError, match="No part of study gives an answer: .* too few readings a mouse"):
        fits.coefficients()


def test_where_every_part_lacks_an_arm_each_is_fitted_alone():
    """Of the three arms' columns no part fills all, so that none shares the common shape."""
    table = program(3)
    absent = table["study"].map({"study 0": "B", "study 1": "V", "study 2": "V"})
    fits = fit_lmm_each(M1, table[table["arm"] != absent], "study")
    assert fits.together is None and len(fits.alone) == 3 and fits.loglik.notna().all()
    assert fits.slope_contrasts(control="A").index.tolist() == [
        ("study 0", "V - A"), ("study 1", "B - A"), ("study 2", "B - A"),
    ]  # fmt: skip
    with pytest.raises(
        AnalysisError, match="No part of study gives an answer: none has all that was asked for"
    ):
        fits.contrasts({"both": {"day:arm[T.B]": 1.0, "day:arm[T.V]": -1.0}})


def test_which_parts_have_a_variance_of_0_is_told():
    formula = "y ~ day * arm + (1 | mouse) + (0 + day | mouse)"
    table = program(6)
    fits = fit_lmm_each("y ~ day * arm + (1 | mouse)", table, "study")
    zero = fits.variance_is_zero("mouse")
    for study, part in table.groupby("study"):
        assert zero[study] == fit_lmm("y ~ day * arm + (1 | mouse)", part).variance_is_zero("mouse")
    assert not fits.variance_is_zero("cage").any()
    assert fit_lmm_each(formula, table, "study").variance_is_zero("mouse").any()


def test_an_unknown_method_is_refused():
    with pytest.raises(AnalysisError, match='df is "kenward-roger" or "satterthwaite", not "normal"'):
        fit_lmm_each(M1, program(2), "study").coefficients("normal")


def test_each_part_has_its_own_row_of_what_a_contrast_needs():
    """Every column of a part fitted beside others is that of the part alone: p, interval and family."""
    table = program(3)
    fits = fit_lmm_each(M1, table, "study")
    weights = {"V - A": {"day:arm[T.V]": 1.0}, "B - V": {"day:arm[T.B]": 1.0, "day:arm[T.V]": -1.0}}
    found = fits.contrasts(weights, adjust="mvt", level=0.9)
    for study, part in table.groupby("study"):
        alone = fit_lmm(M1, part).contrasts(weights, adjust="mvt", level=0.9)
        assert found.loc[study].columns.tolist() == alone.columns.tolist()
        assert found.loc[study].to_numpy(float) == pytest.approx(alone.to_numpy(float), rel=2e-3, abs=1e-6)


def test_a_part_of_computed_values_is_refused_beside_others():
    """Each of its mice on a straight line of its own, which the shared search must not take for a fit."""
    table = program(3)
    number = table["mouse"].map({name: place for place, name in enumerate(table["mouse"].unique())})
    computed = 5 + 0.1 * number + 0.01 * (number % 4) * table["day"]
    fits = fit_lmm_each(M1, table.assign(y=table["y"].where(table["study"] != "study 1", computed)), "study")
    assert set(fits.refused) == {"study 1"} and "residual variance is 0" in fits.refused["study 1"]
    assert len(fits.together.members) == 2


@pytest.mark.parametrize(
    ("limit", "value", "alone"),
    [("MOST_STEPS", 1, {4}), ("MOST_STEPS", 11, {1, 2, 3}), ("MOST_SHORTENINGS", 1, range(5))],
)
def test_what_does_not_come_to_rest_side_by_side_is_fitted_alone(monkeypatch, limit, value, alone):
    table = program(4, seed=11)
    usual = fit_lmm_each(M1, table, "study")
    monkeypatch.setattr(f"studies.analysis.lmm.lockstep.{limit}", value)
    fits = fit_lmm_each(M1, table, "study")
    assert len(fits.alone) in alone
    assert fits.loglik.to_numpy() == pytest.approx(usual.loglik.to_numpy(), abs=1e-6)
