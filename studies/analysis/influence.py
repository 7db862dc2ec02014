"""How much each mouse bends the fixed effects of a growth model: deletion without fitting again.

Sources: Christensen, Pearson & Johnson 1992, Technometrics 34:38 (deletion in mixed models, variances held); Cook 1977,
Technometrics 19:15.
"""

from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.growth_models import GrowthFit

MOST_LISTED = 20
MOST_ROWS = 20_000
MOST_ROWS_IN_BLOCK = 1500
LEAST_INFORMATION = 1e-9


def influence_of_mice(fit: GrowthFit) -> dict[str, Any]:
    """Cook's distance and likelihood displacement of the mice that matter most, variance components held.

    With the rows D of a mouse left out, the information of the fixed effects loses B' P_DD^-1 B and their score
    B' P_DD^-1 c, where P = V^-1, B = (P X)_D, c = (P y)_D: exact for any nested random part, and a mouse costs a few
    small solves. Cook's distance is the displacement divided by the number of fixed effects; above 4 / mice a mouse is
    usually looked at. `reason` says why there is none.
    """
    mice = len(fit.data.mice)
    if len(fit.fit.design.random) > 3 or fit.name == "plan":
        return _none("not computed for a formula of the plan's own")
    if fit.fit.n_rows > MOST_ROWS:
        return _none(f"not computed above {MOST_ROWS} readings, where no single mouse weighs")
    x, y = _fixed(fit), fit.fit.design.response
    outer = _outermost(fit)
    if np.bincount(outer).max() > MOST_ROWS_IN_BLOCK:
        return _none(f"not computed where a PDX model has more than {MOST_ROWS_IN_BLOCK} readings")
    mouse = pd.factorize(fit.data.frame["mouse"])[0]
    information, score = np.zeros((x.shape[1], x.shape[1])), np.zeros(x.shape[1])
    lost: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for rows in _groups(outer):
        inverse = np.linalg.inv(_covariance(fit, rows))
        px, py = inverse @ x[rows], inverse @ y[rows]
        information, score = information + x[rows].T @ px, score + x[rows].T @ py
        for mine in _groups(mouse[rows]):
            root = np.linalg.solve(
                np.linalg.cholesky(inverse[np.ix_(mine, mine)]), np.column_stack([px, py])[mine]
            )
            lost[int(mouse[rows[mine[0]]])] = root[:, :-1].T @ root[:, :-1], root[:, :-1].T @ root[:, -1]
    beta = np.linalg.solve(information, score)
    displacement = np.array(
        [_displacement(information, score, beta, *lost[place]) for place in range(len(lost))]
    )
    names = fit.data.frame.drop_duplicates("mouse")
    order = np.argsort(-displacement, kind="stable")[:MOST_LISTED]
    listed = [
        {
            "mouse": str(names["mouse"].iloc[place]),
            "arm": str(names["arm"].iloc[place]),
            "cooks_distance": float(displacement[place] / len(beta)),
            "likelihood_displacement": float(displacement[place]),
        }
        for place in order
    ]
    return {"threshold": 4 / mice, "n_above": int((displacement / len(beta) > 4 / mice).sum()), "mice": listed,
            "reason": None}  # fmt: skip


def effects_without_models(fit: GrowthFit, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """The effects of arms against controls (columns, as `pairs`) with each PDX model left out (rows), variances held.

    V falls apart by PDX model, so leaving one out takes its share off the information and the score: exact at these
    variances. NaN where an effect cannot be had without that model.
    """
    x, y, names = _fixed(fit), fit.fit.design.response, list(fit.fit.assembled.names)
    parts = _groups(_outermost(fit))
    shares = [_share(x[part], y[part], _covariance(fit, part)) for part in parts]
    information, score = (sum(one) for one in zip(*shares, strict=True))
    found = {}
    for part, (lost, pulled) in zip(parts, shares, strict=True):
        model, rest = str(fit.data.frame["pdx_model"].iloc[part[0]]), information - lost
        effects = [fit.effect(*pair, fit.shares(*pair, without=model)) for pair in pairs]
        rows = (
            pd.DataFrame(effects).reindex(columns=names).fillna(0.0).to_numpy() @ fit.fit.assembled.turn.back
        )
        values = np.linalg.eigvalsh(rest)
        known = values[0] > LEAST_INFORMATION * values[-1]
        found[model] = rows @ np.linalg.solve(rest, score - pulled) if known else np.full(len(pairs), np.nan)
    return pd.DataFrame.from_dict(found, orient="index")


def _share(x: np.ndarray, y: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What some rows add to the information of the fixed effects and to their score."""
    solved = np.linalg.solve(covariance, np.column_stack([x, y]))
    return x.T @ solved[:, :-1], x.T @ solved[:, -1]


def _fixed(fit: GrowthFit) -> np.ndarray:
    """The fixed columns kept, in the fit's own coordinates."""
    assembled = fit.fit.assembled
    return fit.fit.design.fixed_matrix()[:, assembled.turn.kept] @ assembled.turn.back


def _none(reason: str) -> dict[str, Any]:
    return {"threshold": None, "n_above": None, "mice": [], "reason": reason}


def _displacement(
    information: np.ndarray, score: np.ndarray, beta: np.ndarray, lost: np.ndarray, pulled: np.ndarray
) -> float:
    """Twice the log-likelihood lost at the estimates without a mouse; infinite where they cannot be had without it."""
    rest = information - lost
    values = np.linalg.eigvalsh(rest)
    if values[0] <= LEAST_INFORMATION * values[-1]:
        return float("inf")
    moved = beta - np.linalg.solve(rest, score - pulled)
    return float(moved @ information @ moved)


def _outermost(fit: GrowthFit) -> np.ndarray:
    """Codes of the largest groups of rows that share random effects."""
    codes = [term.codes for term in fit.fit.design.random]
    return min(codes, key=lambda code: int(code.max()))


def _groups(codes: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _covariance(fit: GrowthFit, rows: np.ndarray) -> np.ndarray:
    """V of some rows, in absolute units."""
    weights = fit.fit.design.weights
    total = np.eye(len(rows)) * fit.fit.sigma**2 / (1.0 if weights is None else weights[rows])
    for term, psi in zip(fit.fit.design.random, fit.fit.psis, strict=True):
        columns, codes = term.columns[rows], term.codes[rows]
        total += (columns @ psi @ columns.T) * (codes[:, None] == codes)
    return total
