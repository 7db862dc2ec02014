"""R's `ns(x, df)`: natural cubic splines, remembered so that a reference grid can use them."""

import numpy as np
from patsy import stateful_transform
from scipy.interpolate import BSpline

Array = np.ndarray
ORDER = 4


class NaturalSpline:
    """Cubic B-splines whose second derivative is 0 at the boundary, straight beyond it, as splines::ns.

    `df` columns: df - 1 inner knots at equal quantiles, or `knots`; `intercept` adds the constant's column.
    Source: Hastie 1992, in Statistical Models in S, ch. 7.
    """

    def __init__(self) -> None:
        self._chunks: list[Array] = []
        self._asked: tuple[int | None, object, bool] = (None, None, False)

    def memorize_chunk(
        self, x: Array, df: int | None = None, knots: object = None, intercept: bool = False
    ) -> None:
        self._chunks.append(np.asarray(x, dtype=float).ravel())
        self._asked = (df, knots, intercept)

    def memorize_finish(self) -> None:
        x = np.concatenate(self._chunks)
        self._chunks = []
        df, knots, self._intercept = self._asked
        if knots is None:
            count = (1 if df is None else int(df)) - 1 - self._intercept
            if count < 0:
                raise ValueError(f"ns needs df of at least {1 + self._intercept}")
            inner = np.quantile(x, np.linspace(0, 1, count + 2)[1:-1])
        else:
            inner = np.atleast_1d(np.asarray(knots, dtype=float))
        self._low, self._high = float(x.min()), float(x.max())
        sorted_knots = np.r_[self._low, inner, self._high]
        if (np.diff(sorted_knots) <= 0).any():
            raise ValueError("ns needs knots that differ and lie within the readings: take fewer df")
        self._knots = np.r_[[self._low] * (ORDER - 1), sorted_knots, [self._high] * (ORDER - 1)]
        bends = self._columns(np.array([self._low, self._high]), 2)[:, 0 if self._intercept else 1 :]
        self._turn = np.linalg.qr(bends.T, mode="complete")[0][:, 2:]

    def transform(
        self, x: Array, df: int | None = None, knots: object = None, intercept: bool = False
    ) -> Array:
        x = np.asarray(x, dtype=float).ravel()
        inside = np.clip(x, self._low, self._high)
        basis = self._columns(inside, 0) + (x - inside)[:, None] * self._columns(inside, 1)
        return basis[:, 0 if self._intercept else 1 :] @ self._turn

    def _columns(self, x: Array, derivative: int) -> Array:
        count = len(self._knots) - ORDER
        splines = BSpline(self._knots, np.eye(count), ORDER - 1)
        columns = splines.derivative(derivative)(x) if derivative else splines(x)
        return np.asarray(columns)


ns = stateful_transform(NaturalSpline)
