"""One mixed model for each part of a table, fitted side by side."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import special

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.adjust import adjust_p
from studies.analysis.lmm.assemble_many import AssembledMany, assemble_many
from studies.analysis.lmm.derivatives import Derivatives, complete_with_residual, from_natural_units
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.inference import FixedInference, infer
from studies.analysis.lmm.lockstep import optimize_many
from studies.analysis.lmm.many import ManySolution
from studies.analysis.lmm.optimum import at_boundary

Array = np.ndarray


@dataclass(frozen=True)
class SideBySide:
    """The models that could be fitted together: positions among the keys, estimates, inference on demand."""

    assembled: AssembledMany
    solution: ManySolution
    reml: bool

    @property
    def members(self) -> Array:
        return self.assembled.members

    @property
    def loglik(self) -> Array:
        return -self.solution.deviance / 2

    @cached_property
    def beta(self) -> Array:
        """Fixed effects, models x terms."""
        turned = self.assembled.ordinary + self.solution.beta
        return (self.assembled.back @ turned[:, :, None])[:, :, 0]

    def psis(self, index: int) -> list[Array]:
        """Relative covariances of one model, in turned coordinates."""
        return [psi[index] for psi in self.solution.psis]

    def at_boundary(self, index: int) -> bool:
        return at_boundary(self.psis(index))

    def variance_is_zero(self, group: str, index: int) -> bool:
        """Whether the one random effect of `group` has a variance estimated as 0 in one model."""
        return any(
            block.group == group and block.size == 1 and at_boundary([psi])
            for block, psi in zip(self.assembled.models.blocks, self.psis(index), strict=True)
        )

    @cached_property
    def inferences(self) -> list[FixedInference]:
        """Kenward-Roger and Satterthwaite of every model."""
        models, p = self.assembled.models, self.assembled.models.p_fixed
        r, logdet = models.jets(self.solution.psis)
        n = sum(len(block.pairs()) for block in models.blocks) + 1
        count, size = len(models.n_rows), p + 1
        first, second = np.zeros((count, n, size, size)), np.zeros((count, n, n, size, size))
        log_first, log_second = np.zeros((count, n)), np.zeros((count, n, n))
        for key, part in r.first.items():
            first[:, key] = part
        for (i, j), part in r.second.items():
            second[:, i, j] = second[:, j, i] = (part + np.swapaxes(part, 1, 2)) / 2
        for key, part in logdet.first.items():
            log_first[:, key] = part
        for (i, j), part in logdet.second.items():
            log_second[:, i, j] = log_second[:, j, i] = part
        natural = from_natural_units(models)
        values = np.concatenate(
            [psi[:, block.places[0], block.places[1]]
             for psi, block in zip(self.solution.psis, models.blocks, strict=True)], axis=1)  # fmt: skip
        result = []
        for index in range(count):
            derivatives = Derivatives(
                r.value[index], first[index], second[index], log_first[index], log_second[index]
            )
            complete_with_residual(derivatives, int(models.n_rows[index]), values[index])
            result.append(infer(derivatives, p, float(self.solution.sigma2[index]), self.reml, natural))
        return result


def fit_side_by_side(design: Design, owner: Array, n_owners: int, reml: bool) -> SideBySide | None:
    """Fit the models that share one shape; None where none do."""
    assembled = assemble_many(design, owner, n_owners, reml)
    if assembled is None:
        return None
    theta, settled = optimize_many(assembled.models)
    if not settled.any():
        return None
    if not settled.all():
        assembled = AssembledMany(assembled.models.take(settled), assembled.members[settled],
                                  assembled.back[settled], assembled.ordinary[settled])  # fmt: skip
    return SideBySide(assembled, assembled.models.detailed(theta[settled]), reml)


def rows_table(
    keys: list[str],
    labels: list[str],
    rows: Array,
    together: SideBySide,
    method: str,
    adjust: str | None,
    level: float,
) -> pd.DataFrame:
    """Linear combinations of every model's fixed effects, indexed by model and label."""
    if method not in ("kenward-roger", "satterthwaite"):
        raise AnalysisError(f'df is "kenward-roger" or "satterthwaite", not "{method}".')
    estimates = together.beta @ rows.T
    shape = estimates.shape
    errors, dfs, adjusted = np.empty(shape), np.empty(shape), np.full(shape, np.nan)
    for index, inference in enumerate(together.inferences):
        turned = rows @ together.assembled.back[index]
        covariance = turned @ inference.covariance(method) @ turned.T
        errors[index] = np.sqrt(np.maximum(np.diag(covariance), 0))
        unknown = method == "satterthwaite" and together.at_boundary(index)
        dfs[index] = [np.nan if unknown else inference.df(row, method) for row in turned]
        if adjust is not None:
            statistics = estimates[index] / errors[index]
            p_values = 2 * special.stdtr(dfs[index], -np.abs(statistics))
            adjusted[index] = adjust_p(p_values, statistics, dfs[index], covariance, adjust)
    half = special.stdtrit(dfs, 0.5 + level / 2) * errors
    statistics = estimates / errors
    table = pd.DataFrame(
        {"estimate": estimates.ravel(), "se": errors.ravel(), "df": dfs.ravel(), "statistic": statistics.ravel(),
         "p_value": 2 * special.stdtr(dfs, -np.abs(statistics)).ravel(), "ci_low": (estimates - half).ravel(),
         "ci_high": (estimates + half).ravel()},
        index=pd.MultiIndex.from_product([[keys[member] for member in together.members], labels]),
    )  # fmt: skip
    if adjust is not None:
        table["p_adjusted"] = adjusted.ravel()
    return table
