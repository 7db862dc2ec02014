"""Distances between the curves of two arms as published tools compute them, for comparability: not for inference.

Xeva  on arms' mean volumes: slope, the angle of the line through the first point; angle, control's slope less the
arm's;
ABC, area of the control less the arm's. Angles hang on the unit of volume: above 60 mm3 a day all are near 89 degrees.
KuLGaP (Ortmann et al. 2021, Sci Transl Med 13:eabf4969)  symmetric Kullback-Leibler divergence between Gaussian
processes
of ln volume, averaged over days. It has no sign: an arm that grows faster scores too.
"""

from typing import Any

import numpy as np

from studies.analysis.curves import Curves
from studies.analysis.errors import AnalysisError
from studies.analysis.plan import Plan

MOST_MODELS = 12
SMALL_MM3 = 0.01
FIRST_LENGTH_DAYS = 10.0


def slope_degrees(day: np.ndarray, volume_mm3: np.ndarray) -> float:
    """The angle of the least-squares line through the first point, in degrees."""
    x, y = day - day[0], volume_mm3 - volume_mm3[0]
    if not (x @ x) > 0:
        raise AnalysisError("a slope needs volumes of at least two days")
    return float(np.degrees(np.arctan(x @ y / (x @ x))))


def mean_curve(curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """Days, and the mean volume of the mice read on each."""
    days, code, count = np.unique(curves.day, return_inverse=True, return_counts=True)
    return days, np.bincount(code, curves.volume_mm3) / count


def xeva_distance(control: Curves, treated: Curves) -> dict[str, float]:
    """slope_control_degrees, slope_degrees, angle_degrees and abc_mm3_days over the days both mean curves span."""
    one, other = mean_curve(control), mean_curve(treated)
    last = min(one[0][-1], other[0][-1])
    (day_c, c), (day_t, t) = ((day[day <= last], volume[day <= last]) for day, volume in (one, other))
    slope_c, slope_t = slope_degrees(day_c, c), slope_degrees(day_t, t)
    areas = float(np.trapezoid(c, day_c)), float(np.trapezoid(t, day_t))
    return {
        "slope_control_degrees": slope_c, "slope_degrees": slope_t, "angle_degrees": slope_c - slope_t,
        "abc_mm3_days": areas[0] - areas[1],
    }  # fmt: skip


def kulgap_divergence(control: Curves, treated: Curves) -> float:
    """The divergence averaged from the first day to the last that both arms share.

    A process an arm (squared-exponential kernel and noise, by maximum likelihood), replicates pooled, on
    ln((V + 0.01)/V0) + 1. Refuses an arm with fewer than three days, or a V0 of 0.
    """
    processes = [_process(curves) for curves in (control, treated)]
    first = max(process.day[0] for process in processes)
    last = min(process.day[-1] for process in processes)
    if not last > first:
        raise AnalysisError("the arms share no span of days")
    grid = np.linspace(first, last, 101)
    (mean_c, var_c), (mean_t, var_t) = (process.predict(grid) for process in processes)
    gap = (mean_c - mean_t) ** 2
    density = (var_c + gap) / (2 * var_t) + (var_t + gap) / (2 * var_c) - 1
    return float(np.trapezoid(density, grid) / (last - first))


class _Process:
    """A Gaussian process on the means of replicates by day, their spread kept in the likelihood of the noise."""

    def __init__(self, day: np.ndarray, mean: np.ndarray, count: np.ndarray, within: float):
        self.day, self.mean, self.count, self.within = day, mean, count, within
        self.square = (day[:, None] - day[None, :]) ** 2
        self.theta = self._fit()

    def _kernel(self, square: np.ndarray, theta: np.ndarray) -> np.ndarray:
        return np.exp(theta[0] - square / (2 * np.exp(2 * theta[1])))

    def _loss(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        noise, kernel = np.exp(theta[2]), self._kernel(self.square, theta)
        covariance = kernel + np.diag(noise / self.count + 1e-10)
        factor = np.linalg.cholesky(covariance)
        inverse = np.linalg.inv(covariance)
        weight = inverse @ self.mean
        spare = float((self.count - 1).sum())
        loss = 0.5 * self.mean @ weight + np.log(np.diag(factor)).sum()
        loss += 0.5 * (spare * theta[2] + self.within / noise)
        pull = np.outer(weight, weight) - inverse
        slopes = (kernel, kernel * self.square / np.exp(2 * theta[1]), np.diag(noise / self.count))
        gradient = np.array([-0.5 * (pull * slope).sum() for slope in slopes])
        gradient[2] += 0.5 * (spare - self.within / noise)
        return float(loss), gradient

    def _fit(self) -> np.ndarray:
        from scipy.optimize import minimize

        start = np.array([0.0, np.log(FIRST_LENGTH_DAYS), np.log(0.05)])
        bounds = [(-10, 10), (np.log(0.5), np.log(1000)), (-14, 5)]
        return np.asarray(minimize(self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)

    def predict(self, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of a new reading on each day."""
        noise = np.exp(self.theta[2])
        covariance = self._kernel(self.square, self.theta) + np.diag(noise / self.count + 1e-10)
        cross = self._kernel((grid[:, None] - self.day[None, :]) ** 2, self.theta)
        solved = np.linalg.solve(covariance, cross.T)
        variance = np.exp(self.theta[0]) + noise - (cross * solved.T).sum(axis=1)
        return cross @ np.linalg.solve(covariance, self.mean), np.maximum(variance, 1e-12)


def _process(curves: Curves) -> _Process:
    start = curves.volume_mm3[curves.starts][curves.owner]
    if not (start > 0).all():
        raise AnalysisError("a mouse starts at a volume of 0, so its relative volume is not defined")
    value = np.log((curves.volume_mm3 + SMALL_MM3) / start) + 1
    days, code, count = np.unique(curves.day, return_inverse=True, return_counts=True)
    if len(days) < 3:
        raise AnalysisError("a curve needs volumes of at least three days")
    mean = np.bincount(code, value) / count
    return _Process(days, mean, count.astype(float), float(((value - mean[code]) ** 2).sum()))


def distance_rows(curves: Curves, plan: Plan) -> list[dict[str, Any]]:
    """Each arm against its control within each PDX model, for up to 12 models: Xeva's measures and KuLGaP's divergence,
    with `use` saying that none of them is a test."""
    models = list(dict.fromkeys(curves.mice["pdx_model"]))
    rows: list[dict[str, Any]] = []
    for model in models if len(models) <= MOST_MODELS else []:
        within = (curves.mice["pdx_model"] == model).to_numpy()
        for arm in plan.treated_arms:
            control = plan.control_of(arm)
            pair = [
                curves.subset(within & (curves.mice["arm"] == name).to_numpy()) for name in (control, arm)
            ]
            if not all(map(len, pair)):
                continue
            row: dict[str, Any] = {
                "pdx_model": model,
                "arm": arm,
                "control": control,
                "kulgap": None,
                "reason": None,
            }
            try:
                row |= xeva_distance(*pair)
                row["kulgap"] = kulgap_divergence(*pair)
            except (AnalysisError, np.linalg.LinAlgError) as error:
                row["reason"] = str(error)
            rows.append({**row, "use": "for comparison with other tools, not for inference"})
    return rows
