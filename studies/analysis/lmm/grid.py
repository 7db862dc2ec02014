"""Rows of the fixed-effects matrix at chosen values: a reference grid, as the emmeans package calls it."""

import itertools
import re

import numpy as np
import pandas as pd
import patsy

from studies import wording
from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.design import Design

Array = np.ndarray


def slope_rows(design: Design, variable: str, by: str | None) -> tuple[list[str], Array]:
    """Levels of `by`, and for each the row of weights over the fixed effects that gives the slope in
    `variable`."""
    alias_of = {column: alias for alias, column in design.formula.aliases.items()}
    used = _fixed_columns(design)
    for name, role in ((variable, "variable"), (by, "by")):
        if name is not None and alias_of.get(name) not in used:
            raise AnalysisError(
                f'{role}="{name}" is not a fixed effect of the formula "{design.formula.text}".'
            )
    if isinstance(design.frame[alias_of[variable]].dtype, pd.CategoricalDtype):
        raise AnalysisError(f"{variable} is a factor: it has no slope.")
    levels = _levels(design.frame[alias_of[by]]) if by is not None else [None]
    rows = []
    for level in levels:
        fixed = {alias_of[by]: level} if by is not None else {}
        rows.append(_slope(design, used, alias_of[variable], fixed))
    return [wording.level(level) if by is not None else variable for level in levels], np.array(rows)


def _fixed_columns(design: Design) -> list[str]:
    codes = [factor.code for factor in design.info.factor_infos]
    return [alias for alias in design.formula.aliases if any(_mentions(code, alias) for code in codes)]


def _mentions(code: str, alias: str) -> bool:
    return re.search(rf"\b{alias}\b", code) is not None


def _levels(column: pd.Series) -> list:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories)
    return sorted(column.unique())


def _slope(design: Design, used: list[str], variable: str, fixed: dict[str, object]) -> Array:
    """The exact difference over one unit where the response is linear in the variable, else the slope at
    its mean."""
    center = float(design.frame[variable].mean())
    at = [_mean_row(design, used, {**fixed, variable: value}) for value in (0.0, 1.0, 2.0)]
    if np.allclose(at[2] - at[1], at[1] - at[0], rtol=1e-9, atol=1e-12):
        return at[1] - at[0]
    step = 1e-4 * float(np.ptp(design.frame[variable]))
    ends = [_mean_row(design, used, {**fixed, variable: center + sign * step}) for sign in (-1, 1)]
    return (ends[1] - ends[0]) / (2 * step)


def _mean_row(design: Design, used: list[str], fixed: dict[str, object]) -> Array:
    """Mean of the fixed-effects rows over all combinations of the other factors' levels."""
    choices = {}
    for alias in used:
        column = design.frame[alias]
        if alias in fixed:
            choices[alias] = [fixed[alias]]
        elif isinstance(column.dtype, pd.CategoricalDtype):
            choices[alias] = list(column.cat.categories)
        else:
            choices[alias] = [float(column.mean())]
    combinations = list(itertools.product(*choices.values()))
    table = {}
    for index, alias in enumerate(choices):
        values = [combination[index] for combination in combinations]
        column = design.frame[alias]
        if isinstance(column.dtype, pd.CategoricalDtype):
            table[alias] = pd.Categorical(values, categories=column.cat.categories)
        else:
            table[alias] = np.array(values, dtype=float)
    matrix = patsy.build_design_matrices([design.info], table, NA_action="raise")[0]
    return np.asarray(matrix).mean(axis=0)
