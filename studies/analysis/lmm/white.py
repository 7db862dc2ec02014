"""Known structure of the residuals taken out of the rows: caliper weights and correlation in continuous time.

Residuals of one series (a mouse) at times t and s correlate by phi^|t - s|, 0 < phi < 1 (continuous-time AR(1),
Jones 1993, Longitudinal Data with Serial Correlation; nlme's corCAR1). Given phi, x_j - rho_j x_(j-1) over
sqrt(1 - rho_j^2) with rho_j = phi^(t_j - t_(j-1)) has independent residuals.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, diags

from studies.analysis.errors import AnalysisError

Array = np.ndarray


@dataclass(frozen=True)
class Series:
    """Each row's series and time; `order` sorts rows by both, `gaps` is each sorted row's time since the one before."""

    codes: Array
    times: Array
    order: Array
    gaps: Array

    def correlations(self, phi: float) -> Array:
        """rho of each sorted row with the one before it; 0 for a series' first."""
        return np.where(np.isinf(self.gaps), 0.0, phi ** np.where(np.isinf(self.gaps), 1.0, self.gaps))


def make_series(codes: Array, times: Array, labels: Array, name: str, time_name: str) -> Series:
    """Refused: two readings of one series at the same time."""
    order = np.lexsort((times, codes))
    gaps = np.r_[np.inf, np.diff(times[order])]
    gaps[np.r_[True, np.diff(codes[order]) != 0]] = np.inf
    if (gaps == 0).any():
        row = order[int(np.argmin(gaps))]
        raise AnalysisError(
            f"{name} {labels[codes[row]]} has two readings at {time_name} {times[row]:g}: residuals correlated in time "
            "need one; average them first."
        )
    if np.isinf(gaps).all():
        raise AnalysisError(
            f"No {name} has two readings: there is no correlation in {time_name} to estimate."
        )
    return Series(codes, times, order, gaps)


@dataclass(frozen=True)
class Whitening:
    """Takes columns to coordinates in which residuals are independent with equal variance (within their class)."""

    root: Array | None = None
    series: Series | None = None
    phi: float = 0.0

    def __call__(self, columns: Array) -> Array:
        """`columns` is rows, or rows x columns."""
        result = columns if self.root is None else (columns.T * self.root).T
        if self.series is None or self.phi == 0:
            return result
        rho = self.series.correlations(self.phi)
        ordered = result[self.series.order]
        before = np.concatenate([np.zeros_like(ordered[:1]), ordered[:-1]])
        filtered = np.empty_like(ordered)
        filtered[self.series.order] = ((ordered.T - rho * before.T) / np.sqrt(1 - rho**2)).T
        return filtered

    def sparse(self, columns: csr_matrix) -> csr_matrix:
        """The same for columns that are mostly 0."""
        if self.series is not None and self.phi > 0:
            return csr_matrix(self(columns.toarray()))
        return columns if self.root is None else diags(self.root).tocsr() @ columns

    @property
    def logdet(self) -> float:
        """Log determinant of the residuals' covariance but for their variances."""
        result = 0.0 if self.root is None else -2 * float(np.log(self.root).sum())
        if self.series is not None and self.phi > 0:
            result += float(np.log1p(-(self.series.correlations(self.phi) ** 2)).sum())
        return result
