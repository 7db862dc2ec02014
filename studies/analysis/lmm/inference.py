"""Degrees of freedom for contrasts of the fixed effects: Kenward-Roger and Satterthwaite.

Kenward & Roger 1997, Biometrics 53:983, as pbkrtest computes it (Halekoh & Hojsgaard 2014, J Stat Softw
59(9)):
every variance parameter stays in, also those at the boundary. Satterthwaite with the observed information, as
lmerTest (Kuznetsova et al. 2017, J Stat Softw 82(13)).
"""

from dataclasses import dataclass

import numpy as np

from studies.analysis.lmm.derivatives import Derivatives, fixed_parts

Array = np.ndarray
SINGULAR = 1e-11


@dataclass(frozen=True)
class FixedInference:
    """Covariance of the (turned) fixed effects and what their degrees of freedom need, all in absolute units.

    `phi` is the plain covariance, `adjusted` Kenward and Roger's; `slopes[i]` is d phi / d parameter i;
    `expected` and `observed` are covariances of the variance parameters.
    """

    phi: Array
    adjusted: Array
    slopes: Array
    expected: Array
    observed: Array
    notes: tuple[str, ...] = ()

    def covariance(self, method: str) -> Array:
        return self.adjusted if method == "kenward-roger" else self.phi

    def df(self, contrast: Array, method: str) -> float:
        """2 f^2 / (g' W g) with f = l' phi l and g its derivatives: one formula, two informations."""
        information = self.expected if method == "kenward-roger" else self.observed
        f = float(contrast @ self.phi @ contrast)
        g = self.slopes @ contrast @ contrast
        spread = float(g @ information @ g)
        if not np.isfinite(f):
            return np.nan
        return 2 * f * f / spread if spread > 0 else np.inf

    def joint(self, contrasts: Array, estimates: Array) -> tuple[float, float, float]:
        """Kenward-Roger's scaled F of several contrasts being 0: (F, numerator df, denominator df)."""
        q = len(contrasts)
        middle = np.linalg.inv(contrasts @ self.phi @ contrasts.T)
        parts = np.array([middle @ contrasts @ slope @ contrasts.T for slope in self.slopes])
        traces = np.trace(parts, axis1=1, axis2=2)
        a1 = float(traces @ self.expected @ traces)
        a2 = float(np.einsum("ij,iab,jba->", self.expected, parts, parts))
        b = (a1 + 6 * a2) / (2 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        below = 3 * q + 2 * (1 - g)
        c1, c2, c3 = g / below, (q - g) / below, (q + 2 - g) / below
        expectation = 1 / (1 - a2 / q)
        rho = (1 / q) * ((1 - a2 / q) / (1 - c2 * b)) ** 2 * (1 + c1 * b) / (1 - c3 * b)
        df = 4 + (q + 2) / (q * rho - 1)
        scale = df / (expectation * (df - 2))
        statistic = float(estimates @ np.linalg.solve(contrasts @ self.adjusted @ contrasts.T, estimates)) / q
        return scale * statistic, float(q), float(df)


def infer(
    derivatives: Derivatives,
    p: int,
    sigma2: float,
    reml: bool,
    natural: Array,
    curved: Derivatives | None = None,
) -> FixedInference:
    """Inference for `p` fixed effects from the derivatives at the optimum (at V / sigma^2).

    `natural` takes parameters in the formula's units to those of the derivatives. Where V is not linear in a parameter
    the derivatives are to first order in it, and `curved` are the whole ones, for the observed information.
    """
    parts = fixed_parts(derivatives, p)
    phi, half = parts.phi, parts.half
    first, second = derivatives.r_first[:, :p, :p], derivatives.r_second[:, :, :p, :p]
    expected, notes = _inverse_information(-derivatives.logdet_second - parts.log_second, natural)
    n = len(first)
    adjustment = (expected.ravel() @ second.reshape(n * n, -1)).reshape(p, p) / 2
    adjustment -= (np.tensordot(expected, first, 1) @ half).sum(axis=0)
    adjusted = phi + 2 * phi @ adjustment @ phi
    whole = parts if curved is None else fixed_parts(curved, p)
    log_second = (derivatives if curved is None else curved).logdet_second
    hessian = log_second + reml * whole.log_second + whole.squares_second / sigma2
    observed = 2 * _safe_inverse(hessian)
    slopes = -half @ phi
    return FixedInference(sigma2 * phi, sigma2 * adjusted, sigma2 * slopes, expected, observed, notes)


def _inverse_information(information: Array, natural: Array) -> tuple[Array, tuple[str, ...]]:
    """2 / information; where parameters cannot be told apart, its pseudo-inverse in the formula's units as in R."""
    scale = np.sqrt(np.clip(np.diag(information), 0.0, None))
    if (scale > 0).all():
        scaled = information / np.outer(scale, scale)
        values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
        if values[0] > SINGULAR * values[-1]:
            return 2 * (vectors / values) @ vectors.T / np.outer(scale, scale), ()
    inverse = np.linalg.pinv(
        natural.T @ information @ natural, rcond=np.sqrt(np.finfo(float).eps), hermitian=True
    )
    note = (
        "Some variance parameters cannot be told apart; "
        "Kenward-Roger used the pseudo-inverse of their information."
    )
    return 2 * natural @ inverse @ natural.T, (note,)


def _safe_inverse(hessian: Array) -> Array:
    """Inverse on the positive part, after scaling to unit diagonal."""
    scale = np.sqrt(np.abs(np.diag(hessian)))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2 / np.outer(scale, scale))
    inverse = np.where(values > 1e-12, 1 / np.where(values > 1e-12, values, 1.0), 0.0)
    return (vectors * inverse) @ vectors.T / np.outer(scale, scale)
