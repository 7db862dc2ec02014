"""What is read off a table and what is refused, with the row, the column or the group that is at fault."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, fit_lmm
from studies.analysis.lmm.design import build_design, compact_codes
from studies.analysis.lmm.elimination import sum_by
from studies.analysis.lmm.grid import slope_rows
from studies.analysis.lmm.structure import plan_levels

DAYS = np.array([0.0, 1.0, 3.0, 6.0])


def table(**columns) -> pd.DataFrame:
    """Three arms of two mice, four days each."""
    arms, mice = np.repeat(["A", "B", "C"], 8), np.repeat(np.arange(6), 4)
    rows = pd.DataFrame({"y": np.sin(np.arange(24.0)), "day": np.tile(DAYS, 6), "arm": arms, "mouse": mice})
    return rows.assign(**columns)


M1 = "y ~ day * arm + (1 + day | mouse)"


@pytest.mark.parametrize(
    ("formula", "changes", "options", "reason"),
    [
        (M1, {"arm": pd.Timestamp("2026-03-01")}, {}, "The column arm holds dates: give study days as numbers"),
        (M1, {"day": pd.Timedelta(days=2)}, {}, "The column day holds dates"),
        (M1, {}, {"residual_correlation": "day"}, 'reads "time | series", "day | mouse" say, not "day"'),
        (M1, {}, {"residual_correlation": "day |"}, 'reads "time | series", "day | mouse" say, not "day |"'),
        (M1, {}, {"residual_correlation": "day | cage"}, "residual_correlation names the column cage"),
        (M1, {}, {"residual_by": "cage"}, "residual_by names the column cage, which the table does not have"),
        (
            M1,
            {"reader": np.tile(["x", "y"], 12)},
            {"residual_by": "reader", "residual_correlation": "day | mouse"},
            "residual_by=reader changes within a mouse, whose residuals correlate in time",
        ),
        (M1, {}, {"weights": "cage"}, "weights names the column cage, which the table does not have"),
        (M1, {}, {"weights": [1.0]}, "1 weights were given for 24 rows"),
        (M1, {}, {"weights": np.r_[np.ones(2), -2.0, np.ones(21)]}, "The weight -2.0 of row 3 must be a positive"),
        (M1, {}, {"weights": np.r_[np.ones(3), 0.0, np.ones(20)]}, "The weight 0.0 of row 4 must be a positive"),
        (M1, {}, {"weights": np.r_[np.inf, np.ones(23)]}, "The weight inf of row 1 must be a positive"),
        (M1, {"y": np.nan}, {}, "No row has a value in each of y, day, arm, mouse"),
        (
            "y ~ log(day) + (1 | mouse)",
            {"day": np.tile([1.0, 0.0, 2.0, 3.0], 6)},
            {},
            "log(day) is not a finite number in row 2 of those used",
        ),
        (
            "log(volume) ~ day + (1 | mouse)",
            {"volume": np.r_[1.0, np.nan, 0.0, 0.0, np.ones(20)]},
            {},
            "The response log(volume) is -inf in row 3 (2 such rows): a volume of 0 has no logarithm",
        ),
        ("arm ~ day + (1 | mouse)", {}, {}, "The response arm holds text, not numbers"),
        ("C(day) ~ arm + (1 | mouse)", {}, {}, "The response C(day) holds text, not numbers"),
        ("y ~ day + (0 | mouse)", {}, {}, "The random term (0 | mouse) has no columns"),
        ("y ~ nothing(day) + (1 | mouse)", {}, {}, 'Cannot read "nothing(day)" in the formula'),
        ("y ~ poly(day, 4) + (1 | mouse)", {}, {}, "poly of degree 4 needs more than 4 distinct values"),
        ("y ~ ns(day, 0) + (1 | mouse)", {}, {}, "ns needs df of at least 1"),
        ("y ~ ns(day, 1, intercept=True) + (1 | mouse)", {}, {}, "ns needs df of at least 2"),
        ("y ~ ns(day, knots=c(3, 6)) + (1 | mouse)", {}, {}, "ns needs knots that differ and lie within"),
        ("y ~ ns(day, knots=c(2, 2)) + (1 | mouse)", {}, {}, "ns needs knots that differ and lie within"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_cannot_be_read_is_refused_and_named(formula, changes, options, reason):
    with pytest.raises(AnalysisError) as refused:
        build_design(formula, table(**changes), **options)
    assert reason in str(refused.value)


def test_the_data_must_be_a_table_without_two_columns_of_one_name():
    with pytest.raises(AnalysisError, match="must be a pandas DataFrame, one row a reading"):
        build_design(M1, {"y": [1.0]})
    twice = pd.concat([table(), table()[["day"]]], axis=1)
    with pytest.raises(AnalysisError, match="The table has two columns called day"):
        build_design(M1, twice)


@pytest.mark.parametrize(
    ("formula", "changes", "options", "reason"),
    [
        ("y ~ day + (1 | cage)", {"cage": "C1"}, {}, "The group cage has a single member: its variance cannot"),
        (
            "y ~ C(day) * arm + (1 | batch)",
            {"batch": np.tile(["x", "y"], 12), "day": np.tile(np.arange(8.0), 3)},
            {},
            "24 fixed effects cannot be estimated from 24 readings",
        ),
        ("y ~ day + (1 + day | mouse)", {"mouse": np.repeat(np.arange(12), 2)}, {},
         "24 readings cannot tell 2 random effects of each of 12 mouse groups from the residual variation"),
        ("y ~ day + (1 | mouse)", {"mouse": np.arange(24)}, {}, "24 readings cannot tell 1 random effect of each"),
        ("y ~ day + (1 | mouse)", {"y": 5.0}, {}, "The response y is constant: nothing varies"),
        ("y ~ arm + (1 | arm)", {}, {}, "The fixed effects leave nothing to estimate the variance of Intercept"),
        (
            "y ~ day + (1 | mouse)",
            {"y": np.tile(DAYS, 6) + np.repeat(np.arange(6.0) ** 2, 4), "w": np.tile([1.0, 2.0, 5.0, 0.5], 6)},
            {"weights": "w"},
            "Fixed effects and every group's own curve reproduce y exactly",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_refused_and_named(formula, changes, options, reason):
    with pytest.raises(AnalysisError) as refused:
        fit_lmm(formula, table(**changes), **options)
    assert reason in str(refused.value)


def test_one_reading_more_than_random_effects_is_enough():
    assert fit_lmm("y ~ 1 + (1 | mouse)", table(mouse=np.r_[0, np.arange(23)])).n_rows == 24


def test_crossed_groups_of_too_many_members_are_refused(monkeypatch):
    rows = table(cage=np.tile([1, 2, 3], 8))
    design = build_design("y ~ day + (1 | cage) + (1 | mouse)", rows)
    monkeypatch.setattr("studies.analysis.lmm.structure.LARGEST_CROSSED", 3)
    assert plan_levels(design.random).crossed == (0,)
    monkeypatch.setattr("studies.analysis.lmm.structure.LARGEST_CROSSED", 2)
    with pytest.raises(AnalysisError, match="The groups mouse, cage are not nested .* ids are unique within"):
        plan_levels(design.random)


# What a column holds


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (np.tile([True, False], 12), ["arm[T.True]"]),
        (pd.array(np.tile([1, 2], 12), dtype="Int64"), ["arm"]),
        (pd.Series(np.tile([1, 2.5], 12), dtype=object), ["arm"]),
        (pd.Series(np.tile(["b", "a"], 12), dtype=object), ["arm[T.b]"]),
        (pd.Series([10, 2, "x"] * 8, dtype=object), ["arm[T.10]", "arm[T.x]"]),
        (pd.Categorical(np.tile(["b", "a"], 12), categories=["b", "unused", "a"]), ["arm[T.a]"]),
    ],
)
def test_numbers_are_slopes_and_all_else_is_levels_the_first_the_reference(values, names):
    design = build_design("y ~ arm + (1 | mouse)", table(arm=values))
    assert design.names == ["Intercept", *names]
    second = design.fixed_matrix()[:4, 1]
    if names == ["arm"]:
        assert second.tolist() == [float(value) for value in values[:4]]
    else:
        assert second.tolist() == [float(f"arm[T.{value}]" == names[0]) for value in list(values[:4])]


def test_an_empty_cell_among_numbers_leaves_its_row_out():
    holed = pd.Series([None, 2, *np.tile([1, 2], 11)], dtype=object)
    design = build_design("y ~ dose + (1 | mouse)", table(dose=holed))
    assert design.kept_rows.tolist() == list(range(1, 24))
    assert design.fixed_matrix()[:3, 1].tolist() == [2.0, 1.0, 2.0]
    assert design.notes == ("1 row with a missing value left out.",)


def test_a_missing_weight_leaves_its_row_out():
    design = build_design(M1, table(), weights=np.r_[np.nan, np.arange(1.0, 24.0)])
    assert design.kept_rows.tolist() == list(range(1, 24)) and design.weights.tolist() == list(range(1, 24))


def test_groups_are_labeled_by_their_columns_joined():
    design = build_design("y ~ day + (1 | arm:mouse)", table(mouse=np.repeat(list("uvwxyz"), 4)))
    assert design.random[0].levels.tolist() == ["A:u", "A:v", "B:w", "B:x", "C:y", "C:z"]


def test_groups_of_a_column_of_numbers_are_labeled_as_they_were_written():
    """A cage missing somewhere makes a column of whole numbers one of floats."""
    rows = table(cage=np.repeat([12.0, 3.0, 7.0], 8))
    design = build_design("y ~ day + (1 | cage)", rows, residual_by="cage")
    assert design.random[0].levels.tolist() == list(design.residual_levels) == ["3", "7", "12"]


@pytest.mark.parametrize("codes", [[3, 0, 3, 9], [5_000, 0, 5_000, 70_000]])
def test_codes_are_renumbered_in_their_order(codes):
    renumbered, present = compact_codes(np.array(codes))
    assert renumbered.tolist() == [1, 0, 1, 2] and present.tolist() == sorted(set(codes))


def test_sums_by_group_are_0_for_a_group_without_items():
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert sum_by(values, np.array([3, 1, 3]), 5).tolist() == [[0, 0], [2, 20], [0, 0], [5, 50], [0, 0]]
    assert sum_by(values, np.array([0, 1, 1]), 2).tolist() == [[1, 10], [6, 60]]
    assert sum_by(values[:0], np.zeros(0, dtype=int), 2).tolist() == [[0, 0], [0, 0]]


# Slopes


def test_slopes_by_a_number_are_at_each_of_its_values_and_at_the_mean_of_others():
    rows = table(dose=np.repeat([3.0, 0.0, 1.0], 8), weight=np.tile([20.0, 22.0, 27.0], 8))
    labels, weights = slope_rows(
        build_design("y ~ day * dose + day:weight + (1 | mouse)", rows), "day", "dose"
    )
    assert labels == ["0", "1", "3"]
    assert weights.tolist() == [[0, 1, 0, dose, 23] for dose in (0, 1, 3)]


def test_the_slope_of_a_curve_is_that_at_the_mean_day():
    fit = fit_lmm("y ~ day + I(day^2) + (1 | mouse)", table())
    _, weights = slope_rows(fit.design, "day", None)
    assert weights[0] == pytest.approx([0, 1, 2 * DAYS.mean()], abs=1e-9)
    assert fit.slopes(by=None)["estimate"].iloc[0] == pytest.approx(fit.beta @ [0, 1, 2 * DAYS.mean()])


@pytest.mark.parametrize(
    ("variable", "by", "reason"),
    [
        ("arm", "day", "arm is a factor: it has no slope"),
        ("mouse", "arm", 'variable="mouse" is not a fixed effect of the formula "y ~ day'),
        ("day", "mouse", 'by="mouse" is not a fixed effect of the formula "y ~ day'),
    ],
)
def test_a_slope_that_does_not_exist_is_refused(variable, by, reason):
    with pytest.raises(AnalysisError) as refused:
        slope_rows(build_design(M1, table()), variable, by)
    assert reason in str(refused.value)


# The same in every unit


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_variance_that_fixed_effects_swallow_is_refused_in_every_unit_of_time(unit):
    rows = table(day=np.tile(DAYS, 6) * unit)
    with pytest.raises(AnalysisError, match="variance of day between arm"):
        fit_lmm("y ~ day * arm + (0 + day | arm)", rows)
    assert fit_lmm("y ~ day + (0 + day | mouse)", rows).n_rows == 24


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_computed_values_are_refused_in_every_unit_of_volume(unit):
    exact = (np.tile(DAYS, 6) + np.repeat(np.arange(6.0) ** 2, 4)) * unit
    with pytest.raises(AnalysisError, match="every group's own curve reproduce y exactly"):
        fit_lmm("y ~ day + (1 | mouse)", table(y=exact))
    noise = np.random.default_rng(0).normal(0, 1e-5 * unit, 24)
    assert fit_lmm("y ~ day + (1 | mouse)", table(y=exact + noise)).sigma == pytest.approx(
        1e-5 * unit, rel=0.4
    )


def test_a_class_of_as_few_readings_as_columns_is_not_called_computed():
    """Three readings on a line of their own say nothing of their residual variance."""
    rows = table(reader=np.r_[np.repeat("x", 3), np.repeat("y", 21)])
    assert fit_lmm("y ~ day + (1 | mouse)", rows, residual_by="reader").n_rows == 24
