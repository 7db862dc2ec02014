"""lme4's formula syntax, taken apart."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError
from studies.analysis.lmm.design import build_design
from studies.analysis.lmm.formula import parse_formula

COLUMNS = ["y", "day", "arm", "mouse", "batch", "cask", "study.day", "tumor volume", "class"]


def random_terms(text: str) -> list[tuple[str, str]]:
    parsed = parse_formula(text, COLUMNS)
    return [(parsed.spelled(term.columns).replace(" ", ""), term.name) for term in parsed.random]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("y ~ day + (1 + day | mouse)", [("1+day", "mouse")]),
        ("y ~ day + (day || mouse)", [("1", "mouse"), ("0+day", "mouse")]),
        ("y ~ (0 + day | mouse)", [("0+day", "mouse")]),
        ("y ~ (1 | batch/cask)", [("1", "cask:batch"), ("1", "batch")]),
        ("y ~ (1 | batch:cask) + (1|mouse)", [("1", "batch:cask"), ("1", "mouse")]),
        ("y ~ (1 | batch/cask/mouse)", [("1", "mouse:cask:batch"), ("1", "cask:batch"), ("1", "batch")]),
        ("y ~ (1 | factor(mouse))", [("1", "mouse")]),
    ],
)
def test_random_terms_expand_as_in_lme4(text, terms):
    assert random_terms(text) == terms


def test_the_fixed_part_is_what_remains():
    parsed = parse_formula("y ~ (1|mouse) + day*arm", COLUMNS)
    assert parsed.spelled(parsed.fixed) == "day*arm"
    assert parse_formula("y ~ (1|mouse)", COLUMNS).fixed == "1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("y ~ day", "no random term"),
        ("y ~ dose + (1 | mouse)", "column dose"),
        ("y ~ day + (1 | cage)", "column cage"),
        ("y ~ day ~ arm + (1 | mouse)", 'one "~"'),
        ("day + (1 | mouse)", 'one "~"'),
        ("y ~ day + (1 | mouse", "parentheses"),
        ("y ~ day - (1 | mouse)", 'added with "\\+"'),
        ("y ~ day | mouse", "random term"),
        ("y ~ day + (1 | mouse + batch)", "joined by"),
        ("y ~ day + ( | mouse)", "columns \\| group"),
    ],
)
def test_a_formula_that_cannot_be_read_is_refused(text, reason):
    with pytest.raises(AnalysisError, match=reason):
        parse_formula(text, COLUMNS)


def table() -> pd.DataFrame:
    arms, mice = np.repeat(["A", "B", "C"], 8), np.repeat(np.arange(6), 4)
    days = np.tile([0.0, 1.0, 3.0, 6.0], 6)
    return pd.DataFrame({"y": np.sin(np.arange(24.0)), "day": days, "arm": arms, "mouse": mice})


@pytest.mark.parametrize(
    ("fixed", "names"),
    [
        ("day * arm", ["Intercept", "arm[T.B]", "arm[T.C]", "day", "day:arm[T.B]", "day:arm[T.C]"]),
        ("0 + day:arm", ["day:arm[A]", "day:arm[B]", "day:arm[C]"]),
        ("day + day:arm", ["Intercept", "day", "day:arm[T.B]", "day:arm[T.C]"]),
        ("day + I(day^2)", ["Intercept", "day", "I(day ** 2)"]),
    ],
)
def test_fixed_columns_carry_treatment_coded_names(fixed, names):
    assert build_design(f"y ~ {fixed} + (1 | mouse)", table()).names == names


def test_columns_of_any_name_are_usable():
    odd = table().rename(columns={"day": "study.day", "y": "tumor volume", "arm": "class"})
    design = build_design("`tumor volume` ~ study.day * class + (1 | mouse)", odd)
    assert design.names[-1] == "study.day:class[T.C]"


def test_fixed_columns_equal_the_product_of_their_factors():
    design = build_design("y ~ poly(day, 2) * arm + (1 | mouse)", table())
    matrix = pd.DataFrame(design.fixed_matrix(), columns=design.names)
    product = matrix["poly(day, 2)[1]"] * (table()["arm"] == "C")
    assert np.array_equal(matrix["poly(day, 2)[1]:arm[T.C]"], product)


def test_an_arm_may_be_called_none_and_unused_levels_vanish():
    named = table().assign(arm=lambda t: t["arm"].replace("B", "None"))
    named["arm"] = pd.Categorical(named["arm"], categories=["C", "None", "A", "never used"])
    design = build_design("y ~ arm + (1 | mouse)", named)
    assert design.names == ["Intercept", "arm[T.None]", "arm[T.A]"]


def test_rows_with_missing_cells_are_left_out_and_counted():
    holed = table()
    holed.loc[[2, 5], "y"] = np.nan
    holed.loc[7, "arm"] = None
    design = build_design("y ~ arm + (1 | mouse)", holed)
    assert len(design.response) == 21
    assert design.notes == ("3 rows with a missing value left out.",)
    assert set(design.kept_rows) == set(range(24)) - {2, 5, 7}


def test_a_response_without_a_logarithm_names_the_row():
    with_zero = table().assign(volume=lambda t: np.where(t.index == 4, 0.0, 1.0 + t["day"]))
    with pytest.raises(AnalysisError, match="row 5"), np.errstate(divide="ignore"):
        build_design("log(volume) ~ day + (1 | mouse)", with_zero)


def test_text_in_quotes_is_no_column_and_the_reference_arm_may_be_named():
    design = build_design("y ~ C(arm, Treatment('B')) + (1 | mouse)", table())
    assert design.names[1:] == [f"C(arm, Treatment('B'))[T.{arm}]" for arm in "AC"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("y ~ day) + (1 | mouse", 'The parentheses of the formula "y ~ day) + (1 | mouse" do not match.'),
        ("y ~ (day + (1 | mouse)", "do not match"),
        ("y ~ day + (1 | mouse))", "do not match"),
        ("y ~ day + (day + || mouse)", 'Cannot read "day +" in the formula "y ~ day + (day + || mouse)"'),
        ("y ~ day + (1 | mouse | batch)", "The random term (1 | mouse | batch) of"),
        ("y ~ day (1 | mouse)", 'In "y ~ day (1 | mouse)" the random term (1 | mouse) must be added with "+".'),
        ("y ~ day + 1 | mouse + (1 | batch)", "a random term must stand in parentheses: (1 + day | mouse)"),
        ("y ~ day + (1 | mouse) | batch", "a random term must stand in parentheses"),
        (" ~ day + (1 | mouse)", 'needs one "~" with the response before it'),
        ("y ~ day.x + (1 | mouse)", "names the column day.x, which the table does not have"),
        ("y ~ `no such` + (1 | mouse)", "names the column no such, which the table does not have"),
        ("y ~ day == dose + (1 | mouse)", "names the column dose"),
        ("y ~ dose == day + (1 | mouse)", "names the column dose"),
        ("y ~ day + (1 | log(mouse))", 'The group "log(mouse)" of'),
        ("y ~ day + (1 | )", 'The group "" of'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_formula_is_said(text, reason):
    with pytest.raises(AnalysisError) as refused:
        parse_formula(text, COLUMNS)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("y ~ (1 | mouse) + day", "day"),
        ("y ~ day + (1 | mouse) + arm", "day + arm"),
        ("y ~ (1 | mouse) + (1 | batch)", "1"),
        ("y ~ 0 + day:arm + (1 | mouse)", "0 + day:arm"),
        ("y ~ (day + arm) + (1 | mouse) + poly(day, degree=2)", "(day + arm) + poly(day, degree=2)"),
        ("y ~ I(day ^ 2) + factor(arm) + (1 | mouse)", "I(day ** 2) + C(arm)"),
        ("y ~ np.log(day + 1) + (1 | mouse)", "np.log(day + 1)"),
        ("y ~ `study.day` + study.day + (1 | mouse)", "study.day + study.day"),
    ],
)
def test_the_fixed_part_keeps_its_order_functions_and_options(text, fixed):
    parsed = parse_formula(text, COLUMNS)
    assert parsed.spelled(parsed.fixed) == fixed and parsed.spelled(parsed.response) == "y"


def test_the_columns_of_a_formula_are_those_it_names():
    parsed = parse_formula("log(`tumor volume`) ~ day*arm + day + (1 | batch/mouse)", COLUMNS)
    assert parsed.columns == ["tumor volume", "day", "arm", "batch", "mouse"]
