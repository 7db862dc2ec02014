"""The same mixed model for each PDX model of a program, or each study of a simulation: `fit_lmm_each`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.design import Design, build_design, group_codes
from studies.analysis.lmm.each import SideBySide, fit_side_by_side, rows_table
from studies.analysis.lmm.grid import slope_rows
from studies.analysis.mixed_model import Adjust, DfMethod, LmmFit, fit_lmm

Array = np.ndarray


def fit_lmm_each(formula: str, data: pd.DataFrame, by: str, reml: bool = True) -> "LmmFits":
    """Fit `formula` to each part of `data`, one part a value of the column `by`.

    Answers are those of `fit_lmm` on each part. Parts of the same shape are fitted side by side, some hundred times
    faster than one by one; a part with a rank deficiency is fitted alone, one that cannot be fitted is named in
    `refused` with the reason.
    """
    if by not in data.columns:
        raise AnalysisError(f"by names the column {by}, which the table does not have.")
    design = build_design(formula, data)
    owner, _, label = group_codes([data[by].iloc[design.kept_rows].reset_index(drop=True)])
    keys = label()
    together = fit_side_by_side(design, owner, len(keys), reml)
    members = set() if together is None else set(together.members.tolist())
    alone: dict[str, LmmFit] = {}
    refused: dict[str, str] = {}
    for index, key in enumerate(keys):
        if index not in members:
            part = data.iloc[design.kept_rows[owner == index]]
            try:
                alone[key] = fit_lmm(formula, part, reml)
            except AnalysisError as error:
                refused[key] = str(error)
    return LmmFits(formula, by, list(keys), design, together, alone, refused)


@dataclass(frozen=True)
class LmmFits:
    """Fits of one formula to many parts. Tables are indexed by part, then by term or label."""

    formula: str
    by: str
    keys: list[str]
    design: Design = field(repr=False)
    together: SideBySide | None = field(repr=False)
    alone: dict[str, LmmFit] = field(repr=False)
    refused: dict[str, str]

    @cached_property
    def loglik(self) -> pd.Series:
        """Restricted log-likelihood of each part that could be fitted."""
        values = {key: fit.loglik for key, fit in self.alone.items()}
        if self.together is not None:
            values |= {
                self.keys[m]: float(v)
                for m, v in zip(self.together.members, self.together.loglik, strict=True)
            }
        return pd.Series({key: values[key] for key in self.keys if key in values}, dtype=float)

    @cached_property
    def is_singular(self) -> pd.Series:
        """Whether a variance is 0 or a correlation 1 or -1 (columns scaled to length 1), by part."""
        values = {key: fit.at_boundary for key, fit in self.alone.items()}
        if self.together is not None:
            values |= {
                self.keys[m]: self.together.at_boundary(i) for i, m in enumerate(self.together.members)
            }
        return pd.Series({key: values[key] for key in self.keys if key in values}, dtype=bool)

    def variance_is_zero(self, group: str) -> pd.Series:
        """As `LmmFit.variance_is_zero`, by part."""
        values = {key: fit.variance_is_zero(group) for key, fit in self.alone.items()}
        if self.together is not None:
            values |= {
                self.keys[m]: self.together.variance_is_zero(group, i)
                for i, m in enumerate(self.together.members)
            }
        return pd.Series({key: values[key] for key in self.keys if key in values}, dtype=bool)

    def coefficients(self, df: DfMethod = "kenward-roger", level: float = 0.95) -> pd.DataFrame:
        """As `LmmFit.coefficients`, for every part."""
        names = self.design.names
        return self._all(names, np.eye(len(names)), df, None, level, lambda fit: fit.coefficients(df, level))

    def contrasts(
        self,
        weights: Mapping[str, Mapping[str, float]],
        df: DfMethod = "kenward-roger",
        adjust: Adjust = "none",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """As `LmmFit.contrasts`, for every part; a part without one of the terms has no row."""
        names = self.design.names
        rows = np.zeros((len(weights), len(names)))
        for index, (label, combination) in enumerate(weights.items()):
            for term, weight in combination.items():
                if term not in names:
                    raise AnalysisError(
                        f"Contrast {label}: there is no term {term}; the terms are {', '.join(names)}."
                    )
                rows[index, names.index(term)] = weight
        return self._all(list(weights), rows, df, adjust, level,
                         lambda fit: fit.contrasts(weights, df, adjust, level=level))  # fmt: skip

    def slope_contrasts(
        self,
        variable: str = "day",
        by: str = "arm",
        control: str | None = None,
        df: DfMethod = "kenward-roger",
        adjust: Adjust = "mvt",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """As `LmmFit.slope_contrasts`, for every part that holds the control."""
        labels, rows = slope_rows(self.design, variable, by)
        control = labels[0] if control is None else control
        if control not in labels:
            raise AnalysisError(f"{by} has no level {control}; its levels are {', '.join(labels)}.")
        at = labels.index(control)
        others = [index for index in range(len(labels)) if index != at]
        names = [f"{labels[index]} - {control}" for index in others]
        return self._all(names, rows[others] - rows[at], df, adjust, level,
                         lambda fit: fit.slope_contrasts(variable, by, control, df, adjust, level=level))  # fmt: skip

    def _all(
        self,
        labels: list[str],
        rows: Array,
        df: DfMethod,
        adjust: str | None,
        level: float,
        ask: Callable[[LmmFit], pd.DataFrame],
    ) -> pd.DataFrame:
        tables = []
        if self.together is not None:
            tables.append(rows_table(self.keys, labels, rows, self.together, df, adjust, level))
        tables += [
            table.set_index(pd.MultiIndex.from_product([[key], table.index]))
            for key, table in self._asked(ask)
        ]
        if not tables:
            raise AnalysisError(
                f"No part of {self.by} gives an answer: "
                f"{next(iter(self.refused.values()), 'none has all that was asked for')}"
            )
        order = {key: index for index, key in enumerate(self.keys)}
        table = pd.concat(tables)
        return table.iloc[np.argsort([order[key] for key in table.index.get_level_values(0)], kind="stable")]

    def _asked(self, ask) -> Iterator[tuple[str, pd.DataFrame]]:  # type: ignore[no-untyped-def]
        for key, fit in self.alone.items():
            try:
                yield key, ask(fit)
            except AnalysisError:
                continue
