"""Comparing hazards between groups of mice: log-rank, Cox's model with Efron's ties, Firth's penalty, and the check
of proportional hazards.

All of them rest on two counts for each day with an event, within each stratum: how many mice of each group were at
risk, and how many had the event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaincc

LARGEST_LOG_HAZARD = 15.0


@dataclass(frozen=True)
class RiskTable:
    """`at_risk` and `events` have one row a (stratum, day) with an event and one column a group; `free` is the share
    of all mice, whatever their stratum, still free of the event just before the day."""

    at_risk: np.ndarray
    events: np.ndarray
    free: np.ndarray

    @classmethod
    def of(
        cls, time: np.ndarray, event: np.ndarray, group: np.ndarray, groups: int, stratum: np.ndarray
    ) -> "RiskTable":
        """From one entry a mouse: time, event (1 or 0), group (0..groups-1), stratum (any code)."""
        at_risk, events, days = [], [], []
        for rows in _by_stratum(stratum):
            t, e, g = time[rows], event[rows], group[rows]
            day = np.unique(t[e == 1])
            days.append(day)
            at_risk.append(np.column_stack([_at_least(t[g == k], day) for k in range(groups)]))
            died = [_at_least(t[(g == k) & (e == 1)], day, exactly=True) for k in range(groups)]
            events.append(np.column_stack(died))
        free = _free_before(time, event)
        return cls(np.concatenate(at_risk), np.concatenate(events), free(np.concatenate(days)))

    @cached_property
    def ties(self) -> tuple[np.ndarray, np.ndarray]:
        """For every single event its row, and the share of that day's events taken out before it (Efron)."""
        count = self.events.sum(axis=1).astype(int)
        row = np.repeat(np.arange(len(count)), count)
        first = np.concatenate([[0], np.cumsum(count)[:-1]]) if len(count) else count
        return row, (np.arange(len(row)) - first[row]) / count[row]


def log_rank(table: RiskTable) -> tuple[float | None, int]:
    """Chi-square and degrees of freedom: events less expected events by group, with their hypergeometric covariance.

    None with 0 degrees of freedom where two groups are never at risk together.
    """
    n, d = table.at_risk.sum(axis=1), table.events.sum(axis=1)
    share = table.at_risk / n[:, None]
    excess = (table.events - d[:, None] * share).sum(axis=0)
    factor = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)
    variance = np.diag(factor @ share) - share.T @ (factor[:, None] * share)
    exposed = np.flatnonzero((table.at_risk > 0).any(axis=0))[1:]
    if not len(exposed) or not np.diag(variance).any():
        return None, 0
    inverse = np.linalg.pinv(variance[np.ix_(exposed, exposed)])
    return float(excess[exposed] @ inverse @ excess[exposed]), len(exposed)


@dataclass(frozen=True)
class CoxFit:
    """`beta` is the log hazard of each group but the first against the first; `information` its inverse covariance."""

    beta: np.ndarray
    information: np.ndarray

    @property
    def se(self) -> np.ndarray:
        return np.sqrt(np.diag(np.linalg.inv(self.information)))


def cox(table: RiskTable, penalized: bool = False) -> CoxFit | None:
    """The maximum of Efron's partial likelihood (1977, J Am Stat Assoc 72:557) by Newton's method.

    `penalized` adds Firth's half log determinant of the information (1993, Biometrika 80:27; for Cox's model Heinze &
    Schemper 2001, Biometrics 57:114), which has a maximum where the plain likelihood has none. None where there is
    none.
    """
    groups = table.at_risk.shape[1] - 1
    found = _maximum(table, np.zeros(groups), np.arange(groups), penalized)
    return None if found is None else CoxFit(found[0], found[2])


def penalized_gain(table: RiskTable, fit: CoxFit, group: int, held_at: float = 0.0) -> float:
    """Twice the penalized log likelihood lost by holding one group's log hazard at a value: chi-square of 1 df.

    The penalty is still that of all groups. NaN where nothing is left that has a maximum.
    """
    beta = np.where(np.arange(len(fit.beta)) == group - 1, held_at, fit.beta)
    held = _maximum(table, beta, np.flatnonzero(np.arange(len(beta)) != group - 1), True)
    return float("nan") if held is None else max(0.0, 2 * (_likelihood(table, fit.beta, True)[0] - held[1]))


def profile_interval(table: RiskTable, fit: CoxFit, group: int, chisq: float) -> tuple[float, float]:
    """The log hazards that lose no more than `chisq` (Heinze & Schemper 2001); NaN for an end that is not found.

    Unlike Wald's, these intervals agree with the likelihood ratio test where an arm has few events or none.
    """
    return _profile_end(table, fit, group, chisq, -1), _profile_end(table, fit, group, chisq, 1)


def _profile_end(table: RiskTable, fit: CoxFit, group: int, chisq: float, side: int) -> float:
    from scipy.optimize import brentq

    best, width = fit.beta[group - 1], np.sqrt(chisq) * fit.se[group - 1]

    def lost(value: float) -> float:
        return penalized_gain(table, fit, group, value) - chisq

    near, far = best, best + side * width
    while (found := lost(far)) < 0 and abs(far) < 2 * LARGEST_LOG_HAZARD:
        near, far = far, far + side * width
    return float(brentq(lost, near, far, xtol=1e-6)) if found >= 0 else float("nan")


def _maximum(
    table: RiskTable, beta: np.ndarray, free: np.ndarray, penalized: bool
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Log hazards, log likelihood and information at the maximum over the free log hazards; None without one."""
    value, score, information = _likelihood(table, beta, penalized)
    if not len(free):
        return beta, value, information
    for _ in range(100):
        step = np.zeros(len(beta))
        try:
            step[free] = np.linalg.solve(information[np.ix_(free, free)], score[free])
        except np.linalg.LinAlgError:
            return None
        for _ in range(40):
            tried = _likelihood(table, beta + step, penalized)
            if tried[0] >= value - 1e-12:
                break
            step = step / 2
        beta = beta + step
        value, score, information = tried
        if np.abs(beta[free]).max() > LARGEST_LOG_HAZARD or not np.isfinite(value):
            return None
        if np.abs(step).max() < 1e-10:
            return beta, value, information
    return None


def proportional_hazards(table: RiskTable, fit: CoxFit) -> tuple[float, int, float]:
    """Chi-square, df and p of the score test that log hazard ratios do not change with time.

    Time enters as one less the Kaplan-Meier share still free before the day, as in R's `cox.zph` (Grambsch & Therneau
    1994, Biometrika 81:515, in the score form of R's survival 3).
    """
    row, _ = table.ties
    q = _shares(table, fit.beta)[:, 1:]
    spread = q[:, :, None] * np.eye(q.shape[1]) - q[:, :, None] * q[:, None, :]
    g = (1 - table.free)[row]
    residual = ((1 - table.free)[:, None] * table.events[:, 1:]).sum(axis=0) - (g[:, None] * q).sum(axis=0)
    plain, cross, squared = (np.einsum("t,tij->ij", weight, spread) for weight in (np.ones(len(g)), g, g * g))
    information = squared - cross @ np.linalg.pinv(plain) @ cross
    chisq = float(residual @ np.linalg.pinv(information) @ residual)
    df = int(np.linalg.matrix_rank(information))
    return chisq, df, chisq_p(chisq, df)


def chisq_p(chisq: float, df: int) -> float:
    return float(gammaincc(df / 2, chisq / 2)) if df else float("nan")


def _shares(table: RiskTable, beta: np.ndarray) -> np.ndarray:
    """For every single event, each group's share of the hazard at risk then, ties by Efron."""
    row, share = table.ties
    weight = (table.at_risk[row] - share[:, None] * table.events[row]) * np.exp(np.append(0.0, beta))
    return weight / weight.sum(axis=1, keepdims=True)


def _likelihood(table: RiskTable, beta: np.ndarray, penalized: bool) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood, score and information; groups are told by 0/1 columns, so a risk set is a multinomial whose
    second and third central moments are polynomials of its shares."""
    row, share = table.ties
    weight = (table.at_risk[row] - share[:, None] * table.events[row]) * np.exp(np.append(0.0, beta))
    total = weight.sum(axis=1)
    q = weight[:, 1:] / total[:, None]
    value = float(table.events[:, 1:].sum(axis=0) @ beta - np.log(total).sum())
    score = table.events[:, 1:].sum(axis=0) - q.sum(axis=0)
    information = np.diag(q.sum(axis=0)) - q.T @ q
    if not penalized:
        return value, score, information
    sign, log_determinant = np.linalg.slogdet(information)
    if sign <= 0:
        return -np.inf, score, information
    skew = _skew(q, np.linalg.inv(information))
    return value + 0.5 * log_determinant, score + 0.5 * skew, information


def _skew(q: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """The third central moments of multinomials with shares q (and the first group's rest), summed over events and
    over their first two places with the weights of `inverse`."""
    products = q.T @ q
    squares = ((q @ inverse) * q).sum(axis=1)
    diagonal = np.diag(inverse)
    return (
        diagonal * q.sum(axis=0)
        - diagonal @ products
        - 2 * (inverse * products).sum(axis=0)
        + 2 * squares @ q
    )


def _by_stratum(stratum: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(stratum, kind="stable")
    _, first = np.unique(stratum[order], return_index=True)
    return np.split(order, first[1:])


def _at_least(time: np.ndarray, day: np.ndarray, exactly: bool = False) -> np.ndarray:
    """How many times lie at or after each day, or exactly on it."""
    ordered = np.sort(time)
    from_day = len(ordered) - np.searchsorted(ordered, day, side="left")
    if not exactly:
        return from_day.astype(float)
    return (from_day - (len(ordered) - np.searchsorted(ordered, day, side="right"))).astype(float)


def _free_before(time: np.ndarray, event: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The Kaplan-Meier share of all mice still free of the event just before a day, as a function of the day."""
    days = np.unique(time[event == 1])
    left = np.cumprod(1 - _at_least(time[event == 1], days, exactly=True) / _at_least(time, days))
    steps = np.append(1.0, left)
    return lambda day: steps[np.searchsorted(days, day, side="left")]
