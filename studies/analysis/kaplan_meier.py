"""Curves of the share still free of an event, their medians and restricted means, and the incidence of events that
compete."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

TOLERANCE = 1e-9
MOST_MICE_FOR_INTERVALS = 1000


@dataclass(frozen=True)
class KaplanMeier:
    """The share still free of the event after each day with one; intervals on the log-log scale, variance by Greenwood.

    `ci_low` and `ci_high` are NaN where the share is 0, as in R's survfit.
    """

    day: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    free: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray

    @property
    def median(self) -> float | None:
        """Where the curve falls below one half, or the middle of a rest on it; None where it stays above."""
        return _falls_below_half(self.day, self.free)

    @property
    def median_interval(self) -> tuple[float | None, float | None]:
        """Where the limits of the curve fall below one half (Brookmeyer & Crowley 1982, Biometrics 38:29)."""
        return _falls_below_half(self.day, self.ci_low), _falls_below_half(self.day, self.ci_high)


def kaplan_meier(time: np.ndarray, event: np.ndarray, confidence: float = 0.95) -> KaplanMeier:
    """The curve of mice with these times and events (1 or 0)."""
    day = np.unique(time[event == 1])
    at_risk, events = _counts(time, event == 1, day)
    free = np.cumprod(1 - events / np.maximum(at_risk, 1))
    z = float(ndtri(0.5 + confidence / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        width = z * np.sqrt(greenwood) / np.abs(np.log(free))
        low, high = free ** np.exp(width), free ** np.exp(-width)
    return KaplanMeier(day, at_risk, events, free, low, high)


@dataclass(frozen=True)
class RestrictedMean:
    """Mean days free of the event within the first `tau` days, and its standard error."""

    tau: float
    days: float
    se: float


def restricted_mean(time: np.ndarray, event: np.ndarray, tau: float) -> RestrictedMean:
    """The area under the Kaplan-Meier curve to `tau`, with R's `print(survfit, rmean=tau)` standard error."""
    curve = kaplan_meier(np.minimum(time, tau), np.where(time <= tau, event, 0))
    edges = np.concatenate([[0.0], curve.day, [tau]])
    areas = np.diff(edges) * np.concatenate([[1.0], curve.free])
    left = areas.sum() - np.cumsum(areas)[:-1] if len(curve.day) else np.zeros(0)
    # Where none is left, the area after is 0.
    hazard = curve.events / np.maximum(curve.at_risk * (curve.at_risk - curve.events), 1)
    return RestrictedMean(float(tau), float(areas.sum()), float(np.sqrt((left**2 * hazard).sum())))


def restricted_mean_difference(
    one: RestrictedMean, other: RestrictedMean, confidence: float = 0.95
) -> dict[str, float | None]:
    """Days gained by `one` over `other`, with a normal interval; no p and no interval where neither varies."""
    se = float(np.hypot(one.se, other.se))
    estimate = one.days - other.days
    if not se > 0:
        return {"estimate": estimate, "se": None, "p_value": None, "ci_low": None, "ci_high": None}
    half = float(ndtri(0.5 + confidence / 2)) * se
    p = float(2 * ndtr(-abs(estimate / se)))
    return {
        "estimate": estimate,
        "se": se,
        "p_value": p,
        "ci_low": estimate - half,
        "ci_high": estimate + half,
    }


@dataclass(frozen=True)
class Incidence:
    """The share of mice that have had each cause of leaving by each day, with standard errors (None for many mice)."""

    day: np.ndarray
    share: dict[str, np.ndarray]
    se: dict[str, np.ndarray] | None


def cumulative_incidence(time: np.ndarray, cause: np.ndarray, censored: str = "censored") -> Incidence:
    """Aalen and Johansen's incidence of competing causes; `cause` names each mouse's, `censored` is none.

    Standard errors by the infinitesimal jackknife, as R's multi-state survfit: the curve's derivative by each mouse's
    weight, squared and summed.
    """
    causes = sorted(set(cause) - {censored})
    day = np.unique(time[cause != censored])
    at_risk, left = _counts(time, cause != censored, day)
    free_before = np.append(1.0, np.cumprod(1 - left / np.maximum(at_risk, 1)))[:-1]
    hazard = {name: _counts(time, cause == name, day)[1] / np.maximum(at_risk, 1) for name in causes}
    share = {name: np.cumsum(free_before * hazard[name]) for name in causes}
    if len(time) > MOST_MICE_FOR_INTERVALS:
        return Incidence(day, share, None)
    exposed = time[:, None] >= day[None, :]
    gone = (time[:, None] == day[None, :]) & (cause != censored)[:, None]
    step = 1 / np.maximum(at_risk - left, 1)
    pull = np.cumsum(-(gone - exposed * (left / at_risk)) * step, axis=1)
    before = np.column_stack([np.zeros(len(time)), pull[:, :-1]]) if len(day) else pull
    se = {}
    for name in causes:
        mine = gone & (cause == name)[:, None]
        own = (mine - exposed * hazard[name]) / at_risk
        influence = np.cumsum(free_before * (before * hazard[name] + own), axis=1)
        se[name] = np.sqrt((influence**2).sum(axis=0))
    return Incidence(day, share, se)


def _falls_below_half(day: np.ndarray, share: np.ndarray) -> float | None:
    low = np.flatnonzero(share < 0.5 + TOLERANCE)
    if not len(low):
        return None
    below = np.flatnonzero(share < 0.5 - TOLERANCE)
    rests = abs(share[low[0]] - 0.5) <= TOLERANCE
    return float((day[low[0]] + day[below[0]]) / 2) if rests and len(below) else float(day[low[0]])


def _counts(time: np.ndarray, happened: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mice at risk on each day, and those to which it happened on that day."""
    ordered, dates = np.sort(time), np.sort(time[happened])
    at_risk = len(ordered) - np.searchsorted(ordered, day, side="left")
    on_day = np.searchsorted(dates, day, side="right") - np.searchsorted(dates, day, side="left")
    return at_risk, on_day
