"""R's `poly(x, degree)`: polynomials orthonormal over the readings, remembered so that a reference grid
can use them.
"""

import numpy as np
from patsy import stateful_transform


class Poly:
    """Orthonormal polynomials by the three-term recurrence (Kennedy & Gentle 1980, section 8.2), as R's
    poly().
    """

    def __init__(self) -> None:
        self._chunks: list[np.ndarray] = []
        self._degree = 1

    def memorize_chunk(self, x: np.ndarray, degree: int = 1) -> None:
        self._chunks.append(np.asarray(x, dtype=float).ravel())
        self._degree = degree

    def memorize_finish(self) -> None:
        x = np.concatenate(self._chunks)
        self._chunks = []
        if np.unique(x).size <= self._degree:
            raise ValueError(f"poly of degree {self._degree} needs more than {self._degree} distinct values")
        self._centers, self._norms = [], [float(x.size)]
        before, current = np.zeros_like(x), np.ones_like(x)
        for _ in range(self._degree):
            self._centers.append(float((x * current**2).sum() / (current**2).sum()))
            ratio = self._norms[-1] / self._norms[-2] if len(self._norms) > 1 else 0.0
            before, current = current, (x - self._centers[-1]) * current - ratio * before
            self._norms.append(float((current**2).sum()))

    def transform(self, x: np.ndarray, degree: int = 1) -> np.ndarray:
        x = np.asarray(x, dtype=float).ravel()
        before, current, columns = np.zeros_like(x), np.ones_like(x), []
        for index in range(self._degree):
            ratio = self._norms[index] / self._norms[index - 1] if index else 0.0
            before, current = current, (x - self._centers[index]) * current - ratio * before
            columns.append(current / np.sqrt(self._norms[index + 1]))
        return np.column_stack(columns)


poly = stateful_transform(Poly)
