"""P values adjusted for the number of contrasts."""

import numpy as np

from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.multivariate_t import adjusted_p

Array = np.ndarray


def adjust_p(p_values: Array, statistics: Array, dfs: Array, covariance: Array, method: str) -> Array:
    """Adjusted p by "none", "holm" or "mvt"; contrasts without a p value or an error count neither in nor out."""
    if method == "none":
        return p_values.copy()
    has_error = np.diag(covariance) > 0  # without a standard error there is no statistic
    known = np.isfinite(p_values) & has_error
    result = np.full(p_values.size, np.nan)
    if method == "holm":
        result[known] = holm(p_values[known])
    elif method == "mvt":
        errors = np.sqrt(np.diag(covariance)[known])
        correlation = covariance[np.ix_(known, known)] / np.outer(errors, errors)
        if known.any():
            result[known] = adjusted_p(statistics[known], dfs[known], correlation)
    else:
        raise AnalysisError(f'adjust is "none", "holm" or "mvt", not "{method}".')
    return result


def holm(p_values: Array) -> Array:
    """Holm 1979: the smallest p times n, the next times n - 1, never decreasing, at most 1."""
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    adjusted = np.empty(p_values.size)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
