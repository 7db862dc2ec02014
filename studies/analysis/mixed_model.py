"""Linear mixed models of growth curves: `fit_lmm`, what it estimates, and tests that hold at small numbers
of mice."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import special

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.adjust import adjust_p
from studies.analysis.lmm.assemble import Assembled, assemble
from studies.analysis.lmm.criterion import Model
from studies.analysis.lmm.derivatives import differentiate, from_natural_units
from studies.analysis.lmm.design import Design, build_design
from studies.analysis.lmm.grid import slope_rows
from studies.analysis.lmm.inference import FixedInference, infer
from studies.analysis.lmm.modes import conditional_modes
from studies.analysis.lmm.optimum import (
    Optimum,
    at_boundary,
    curvature_at,
    find_optimum,
    join,
    semidefinite_cholesky,
)
from studies.analysis.lmm.serial import dense_derivatives, fit_serial

Array = np.ndarray
DfMethod = Literal["kenward-roger", "satterthwaite"]
Adjust = Literal["none", "holm", "mvt"]
SINGULAR_TOLERANCE = 1e-4
START_LIFT = 0.01  # share of the mean variance added to each where a search starts
COLUMNS = ["estimate", "se", "df", "statistic", "p_value", "ci_low", "ci_high"]


def fit_lmm(
    formula: str,
    data: pd.DataFrame,
    reml: bool = True,
    weights: object = None,
    residual_by: str | None = None,
    residual_correlation: str | None = None,
) -> "LmmFit":
    """Fit a linear mixed model written in lme4's formula syntax.

    `data` has one row a reading. `weights` (values or a column's name) divide the residual variance of
    their row;
    `residual_by` names a column whose levels each get a residual variance of their own. `residual_correlation`,
    "day | mouse" say, lets residuals of one mouse correlate by phi to the power of the days between them
    (continuous-time AR(1)); this takes some five fits. Rows with missing values are left out, fixed columns
    that depend on others dropped, both with a note.

    Refused with an AnalysisError: columns the table does not have, too few readings to tell random effects
    from residuals, a response that is constant or reproduced exactly. Source: Bates et al. 2015, J Stat Softw
    67(1).
    """
    design = build_design(formula, data, weights, residual_by, residual_correlation)
    try:
        return _fitted(formula, design, reml)
    except np.linalg.LinAlgError as error:
        raise _rounded(formula, error) from error


def fit_lmm_near(formula: str, data: pd.DataFrame, near: "LmmFit | None", **errors: Any) -> "LmmFit":
    """`fit_lmm`, the search begun at the variances of another fit for the random terms both have; `errors` are its
    weights and residuals.

    For a variant of that fit: the same maximum in fewer steps. Where variances are 0 the search begins a little above,
    and where it does not end at a maximum it begins anew without.
    """
    if near is None:
        return fit_lmm(formula, data, **errors)
    design = build_design(formula, data, **errors)
    with suppress(np.linalg.LinAlgError):
        fit = _fitted(formula, design, True, near)
        if fit.optimum.converged:
            return fit
    return fit_lmm(formula, data, **errors)


def _rounded(formula: str, error: np.linalg.LinAlgError) -> AnalysisError:
    return AnalysisError(
        f'"{formula}" could not be fitted to these numbers: rounding leaves nothing of them ({error}). '
        "Look for columns or weights of very different size, or for too few readings."
    )


def _fitted(formula: str, design: Design, reml: bool, near: "LmmFit | None" = None) -> "LmmFit":
    assembled = assemble(design, reml)
    start, bend = (None, None) if near is None else _start_near(assembled.model, near)
    optimum = find_optimum(assembled.model, start, bend)
    if design.series is None:
        return LmmFit(formula, design, assembled, optimum, reml)
    assembled, optimum, phi = fit_serial(design, assembled, optimum)
    return LmmFit(formula, design, assembled, optimum, reml, phi)


def _start_near(model: Model, near: "LmmFit") -> tuple[Array, Array | None]:
    """Where a search begins near another fit, and that fit's second derivatives if its parameters are the same."""
    start = join(model, factors_near(model, near), np.ones(model.bottom.n_classes))
    terms = [[(block.group, block.names) for block in one.blocks] for one in (model, near.assembled.model)]
    alike = terms[0] == terms[1] and len(start) == near.assembled.model.n_theta
    return start, near.bend if alike else None


def factors_near(model: Model, near: "LmmFit") -> list[Array]:
    """Lambdas of another fit's covariances, in the units of this one's blocks and none of them 0; the identity for a
    term it has not."""
    found = {
        (block.group, block.names): psi / near.sigma**2
        for block, psi in zip(near.assembled.model.blocks, near.psis, strict=True)
    }
    factors = []
    for block in model.blocks:
        size = len(block.names)
        psi = found.get((block.group, block.names))
        turned = np.eye(size) if psi is None else block.turn @ psi @ block.turn.T
        lift = START_LIFT * np.trace(turned) / size + START_LIFT**2
        factors.append(semidefinite_cholesky(turned + lift * np.eye(size)))
    return factors


@dataclass(frozen=True)
class LmmFit:
    """A fitted linear mixed model. Every table is a DataFrame; `notes` say what a reader must know."""

    formula: str
    design: Design = field(repr=False)
    assembled: Assembled = field(repr=False)
    optimum: Optimum = field(repr=False)
    reml: bool = True
    residual_correlation: float | None = None  # of one mouse's residuals a unit of time apart

    @property
    def loglik(self) -> float:
        """Restricted log-likelihood (REML) or log-likelihood, all constants included, on lme4's scale."""
        return -self.optimum.solution.deviance / 2

    @property
    def sigma(self) -> float:
        """Residual standard deviation; with `residual_by` that of its first level."""
        return float(np.sqrt(self.optimum.solution.sigma2))

    @property
    def n_rows(self) -> int:
        return len(self.design.response)

    @cached_property
    def psis(self) -> list[Array]:
        """Covariance of each random term's effects in the formula's units."""
        result = []
        sigma2 = self.optimum.solution.sigma2
        blocks = self.assembled.model.blocks
        for block, psi in zip(blocks, self.optimum.solution.state.psis, strict=True):
            back = np.linalg.inv(block.turn)
            result.append(sigma2 * back @ psi @ back.T)
        return result

    @cached_property
    def bend(self) -> Array:
        """Second derivatives of the deviance in the optimum's parameters."""
        return curvature_at(self.assembled.model, self.optimum.theta)

    @cached_property
    def is_singular(self) -> bool:
        """True where a variance is 0 or a correlation +-1, as lme4's isSingular with tolerance 1e-4."""
        factors = [semidefinite_cholesky(psi / self.optimum.solution.sigma2) for psi in self.psis]
        return any(float(np.diag(factor).min()) < SINGULAR_TOLERANCE for factor in factors)

    @cached_property
    def at_boundary(self) -> bool:
        """The same whatever the units of time: judged on columns scaled to length 1."""
        return at_boundary(self.optimum.solution.state.psis, SINGULAR_TOLERANCE)

    def variance_is_zero(self, group: str) -> bool:
        """Whether the one random effect of `group` has a variance estimated as 0; False where there is no such term."""
        states = zip(self.assembled.model.blocks, self.optimum.solution.state.psis, strict=True)
        return any(
            block.group == group and block.size == 1 and at_boundary([psi], SINGULAR_TOLERANCE)
            for block, psi in states
        )

    @cached_property
    def variance_components(self) -> pd.DataFrame:
        """Columns group, term1, term2 (None for a variance), value: a variance or covariance."""
        rows: list[tuple[str, str | None, str | None, float]] = []
        for block, psi in zip(self.assembled.model.blocks, self.psis, strict=True):
            names = block.names
            rows += [(block.group, name, None, float(psi[i, i])) for i, name in enumerate(names)]
            rows += [(block.group, names[c], names[r], float(psi[r, c])) for r, c in block.pairs() if r != c]
        ratios = 1 / self.optimum.solution.state.precision
        levels: tuple[str | None, ...] = self.design.residual_levels or (None,)
        rows += [("Residual", level, None, self.sigma**2 * float(ratio))
                 for level, ratio in zip(levels, ratios, strict=True)]  # fmt: skip
        table = pd.DataFrame(rows, columns=["group", "term1", "term2", "value"])
        return table.astype({"group": object, "term1": object, "term2": object})

    @cached_property
    def notes(self) -> list[str]:
        """What was left out, dropped or doubtful."""
        found = [*self.design.notes, *self.assembled.notes]
        if self.assembled.dropped:
            found.append(
                "Fixed effects that cannot be told from the others were dropped: "
                + ", ".join(self.assembled.dropped) + "."
            )  # fmt: skip
        if self.at_boundary:
            found.append(
                "The fit is singular: a variance is estimated as 0 or a correlation as 1 or -1. "
                "Kenward-Roger keeps every variance parameter, as pbkrtest does; Satterthwaite's degrees of freedom "
                "are not given."
            )
        elif self.is_singular:
            found.append(
                "The fit is singular in these units, as lme4 judges it: levels far from the readings' days follow "
                "from the slopes. Counted from a day among the readings it is not; tests are the same."
            )
        if self.residual_correlation is not None:
            found.append(_correlation_note(self.residual_correlation))
        if not self.optimum.converged:
            found.append(f"The optimum is not certain: gradient {self.optimum.gradient:.2g}.")
        return found + list(self.inference.notes)

    @cached_property
    def inference(self) -> FixedInference:
        """Covariances and degrees of freedom of the fixed effects (in the engine's coordinates)."""
        try:
            return self._inferred()
        except np.linalg.LinAlgError as error:
            raise _rounded(self.formula, error) from error

    def _inferred(self) -> FixedInference:
        model, solution = self.assembled.model, self.optimum.solution
        if self.residual_correlation:
            fixed = self.design.fixed_matrix()[:, self.assembled.turn.kept] @ self.assembled.turn.back
            variances = self.sigma**2 / solution.state.precision
            linear, whole = dense_derivatives(
                self.design, fixed, self.psis, variances, self.residual_correlation
            )
            return infer(linear, model.p_fixed, 1.0, model.reml, np.eye(len(linear.r_first)), whole)
        derivatives = differentiate(model, solution.state.psis, solution.state.precision)
        return infer(derivatives, model.p_fixed, solution.sigma2, model.reml, from_natural_units(model))

    @cached_property
    def beta(self) -> Array:
        """Estimates of the fixed effects kept."""
        return self.assembled.turn.back @ (self.assembled.ordinary + self.optimum.solution.beta)

    @cached_property
    def fixed_fitted(self) -> Array:
        """X beta, one value a row used."""
        return self.design.fixed_matrix()[:, self.assembled.turn.kept] @ self.beta

    @cached_property
    def _modes(self) -> list[Array]:
        state = self.optimum.solution.state
        errors = self.design.response - self.fixed_fitted
        return conditional_modes(
            self.design,
            self.assembled.plan,
            self.assembled.model,
            state.psis,
            state.precision,
            errors,
            self.residual_correlation or 0.0,
        )

    @cached_property
    def random_effects(self) -> list[pd.DataFrame]:
        """Predicted effects (BLUPs) of each random term, one row a group; `.attrs["group"]` names the factor."""
        tables = []
        for term, modes in zip(self.design.random, self._modes, strict=True):
            table = pd.DataFrame(modes, index=pd.Index(term.levels, dtype=object), columns=list(term.names))
            table.attrs["group"] = term.term.name
            tables.append(table)
        return tables

    @cached_property
    def fitted(self) -> Array:
        """X beta + Z u, one value a row used (`design.kept_rows` tells which rows of the table these are)."""
        terms = zip(self.design.random, self._modes, strict=True)
        return self.fixed_fitted + sum(
            (term.columns * modes[term.codes]).sum(axis=1) for term, modes in terms
        )

    @cached_property
    def residuals(self) -> Array:
        """Response less `fitted`, divided by each row's residual standard deviation."""
        ratios = np.ones(1) / self.optimum.solution.state.precision
        codes = self.design.residual_codes
        spread = self.sigma * np.sqrt(ratios[codes] if codes is not None else np.ones(self.n_rows))
        if self.design.weights is not None:
            spread = spread / np.sqrt(self.design.weights)
        return (self.design.response - self.fitted) / spread

    def vcov(self, df: DfMethod = "kenward-roger") -> pd.DataFrame:
        """Covariance of the fixed effects: Kenward and Roger's adjusted one, or the plain one."""
        back = self.assembled.turn.back
        values = back @ self.inference.covariance(self._method(df)) @ back.T
        return pd.DataFrame(values, index=self.assembled.names, columns=self.assembled.names)

    def coefficients(self, df: DfMethod = "kenward-roger", level: float = 0.95) -> pd.DataFrame:
        """The fixed effects, one row a term: estimate, se, df, statistic, p_value, ci_low, ci_high."""
        return self._table(self.assembled.names, np.eye(len(self.assembled.names)), df, level)

    def contrasts(
        self,
        weights: Mapping[str, Mapping[str, float]],
        df: DfMethod = "kenward-roger",
        adjust: Adjust = "none",
        integer_df: bool = False,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Linear combinations of fixed effects, {label: {term: weight}}, with p_adjusted.

        "mvt" is the single-step multivariate t (Dunnett's when all compare with one control), each contrast
        at its own degrees of freedom; `integer_df` floors df + 0.25 there as emmeans does, for comparison
        only. The intervals are not adjusted.
        """
        names = self.design.names
        rows = np.zeros((len(weights), len(names)))
        for index, (label, combination) in enumerate(weights.items()):
            for term, weight in combination.items():
                if term not in names:
                    raise AnalysisError(
                        f"Contrast {label}: there is no term {term}; the terms are {', '.join(names)}."
                    )
                rows[index, names.index(term)] = weight
        return self._contrast_table(list(weights), rows, df, adjust, integer_df, level)

    def slopes(
        self,
        variable: str = "day",
        by: str | None = "arm",
        df: DfMethod = "kenward-roger",
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Change of the response per unit of `variable`, one row a level of `by` (None: one row).

        Other factors are averaged with equal weight over their levels, other numbers held at their mean.
        """
        labels, rows = slope_rows(self.design, variable, by)
        return self._table(labels, self._kept(rows, labels), df, level)

    def slope_contrasts(
        self,
        variable: str = "day",
        by: str = "arm",
        control: str | None = None,
        df: DfMethod = "kenward-roger",
        adjust: Adjust = "mvt",
        integer_df: bool = False,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Each level's slope less the control's, rows "treated - control"; the control defaults to the
        first level."""
        labels, rows = slope_rows(self.design, variable, by)
        control = labels[0] if control is None else str(control)
        if control not in labels:
            raise AnalysisError(f"{by} has no level {control}; its levels are {', '.join(labels)}.")
        at = labels.index(control)
        others = [index for index in range(len(labels)) if index != at]
        names = [f"{labels[index]} - {control}" for index in others]
        return self._contrast_table(names, rows[others] - rows[at], df, adjust, integer_df, level)

    def joint_test(self, weights: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Kenward-Roger F test that all the contrasts are 0: statistic, df1, df2, p_value."""
        names, turn = self.assembled.names, self.assembled.turn
        rows = np.zeros((len(weights), len(names)))
        for index, combination in enumerate(weights.values()):
            for term, weight in combination.items():
                rows[index, names.index(term)] = weight
        statistic, df1, df2 = self.inference.joint(rows @ turn.back, rows @ self.beta)
        return {"statistic": statistic, "df1": df1, "df2": df2,
                "p_value": float(special.fdtrc(df1, df2, statistic))}  # fmt: skip

    def _method(self, df: str) -> str:
        if df not in ("kenward-roger", "satterthwaite"):
            raise AnalysisError(f'df is "kenward-roger" or "satterthwaite", not "{df}".')
        if df == "kenward-roger" and not self.reml:
            raise AnalysisError(
                "Kenward-Roger needs a REML fit: fit with reml=True or ask for Satterthwaite."
            )
        return df

    def _kept(self, rows: Array, labels: list[str]) -> Array:
        """Rows over all the formula's terms reduced to those kept; NaN where the data cannot say (not
        estimable)."""
        turn = self.assembled.turn
        kept = rows[:, turn.kept].astype(float)
        missing = self.assembled.estimability @ rows.T
        kept[(np.abs(missing) > 1e-7 * (1 + np.abs(rows).sum(axis=1))).any(axis=0)] = np.nan
        return kept

    def _table(self, labels: list[str], rows: Array, df: DfMethod, level: float) -> pd.DataFrame:
        method = self._method(df)
        covariance = self.inference.covariance(method)
        turned = rows @ self.assembled.turn.back
        estimates = rows @ self.beta
        variances = ((turned @ covariance) * turned).sum(axis=1)
        # Rounding may leave nothing of a variance: no error, no test.
        errors = np.sqrt(np.where(variances > 0, variances, np.nan))
        if method == "satterthwaite" and self.at_boundary:
            dfs = np.full(len(rows), np.nan)
        else:
            dfs = np.array([self.inference.df(row, method) for row in turned])
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics = estimates / errors
        half = special.stdtrit(dfs, 0.5 + level / 2) * errors
        values = [estimates, errors, dfs, statistics, 2 * special.stdtr(dfs, -np.abs(statistics)),
                  estimates - half, estimates + half]  # fmt: skip
        return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)), index=pd.Index(labels, dtype=object))

    def _contrast_table(
        self, labels: list[str], rows: Array, df: DfMethod, adjust: str, integer_df: bool, level: float
    ) -> pd.DataFrame:
        kept = self._kept(rows, labels)
        table = self._table(labels, kept, df, level)
        turned = kept @ self.assembled.turn.back
        covariance = turned @ self.inference.covariance(df) @ turned.T
        dfs = table["df"].to_numpy()
        if (
            integer_df and len(rows) > 1
        ):  # a single comparison needs no adjustment, there emmeans keeps its df
            dfs = np.maximum(np.floor(dfs + 0.25), 1.0)
        p_values, statistics = table["p_value"].to_numpy(), table["statistic"].to_numpy()
        table["p_adjusted"] = adjust_p(p_values, statistics, dfs, covariance, adjust)
        return table


def _correlation_note(phi: float) -> str:
    if phi == 0:
        return "No correlation of residuals in time was found: this is the fit without."
    return (
        f"Residuals one unit of time apart correlate by {phi:.3g}; Kenward-Roger counts this to first order."
    )
