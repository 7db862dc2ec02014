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
