"""The slope of every arm in every PDX model where readings are censored: what the forest and the t test rest on there.

At the variances of the study's fit each PDX model and arm has a line of its own, fitted by the same censored
likelihood: a mean of single mice's lines would leave readings below the limit out.
"""

import numpy as np
import pandas as pd

from studies.analysis.growth_models import GrowthFit
from studies.analysis.laplace import Likelihood, make_curves
from studies.analysis.lmm.design import build_design
from studies.analysis.lmm.structure import FixedTurn
from studies.analysis.tobit import SEEN

Array = np.ndarray
LINES = "log_volume ~ day + (1 + day | mouse) + (1 + day | pdx_model:arm)"
FREE = 1e4  # of residual SDs: lines so free of one another that each is what its own readings say
MOST_LEFT = 1e-4  # of that freedom, as a variance: a line with more of it is not held by its readings


def slopes_of_cells(fit: GrowthFit) -> pd.DataFrame:
    """One row a PDX model and arm: pdx_model, map2k4_status, arm, slope per day on ln V, variance, n mice.

    A cell whose slope its readings do not bound (hardly ever seen above the limit) has no row.
    """
    frame, sigma = fit.data.frame, fit.fit.sigma
    design = build_design(LINES, frame)
    x = design.fixed_matrix()
    line = np.linalg.lstsq(x, design.response, rcond=None)[0]
    below = (frame["kind"] != SEEN).to_numpy()
    curves = make_curves(design, FixedTurn([], np.zeros((0, 0))), design.response - x @ line, below)
    psi = curves.turns[0] @ _of_mice(fit) @ curves.turns[0].T / sigma**2
    mice = np.linalg.cholesky(psi + 1e-12 * (1 + np.trace(psi)) * np.eye(2))
    theta = np.concatenate([mice[np.tril_indices(2)], [FREE, 0.0, FREE], [np.log(sigma)]])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        top = Likelihood.of(curves).top(theta)
    member = np.zeros(len(curves.fixed), dtype=np.int64)
    rows = design.random[0].codes
    member[curves.class_of[rows[::-1]]] = np.arange(len(rows))[::-1]
    places, block = curves.places[1], curves.block_of
    spread = (top.factored.block.transpose(0, 2, 1) @ top.factored.block)[block]
    spread = spread[np.arange(len(block))[:, None, None], places[:, :, None], places[:, None, :]]
    weights = FREE * sigma * np.linalg.inv(curves.turns[1])[1]
    table = frame.iloc[member][["pdx_model", "map2k4", "arm"]].astype(str)
    table = table.rename(columns={"map2k4": "map2k4_status"}).assign(
        slope=top.effects.shared[block[:, None], places] @ weights + line[1],
        variance=(spread @ weights) @ weights, n=np.bincount(curves.class_of),
    )  # fmt: skip
    held = np.trace(spread, axis1=1, axis2=2) < MOST_LEFT
    return table[held].reset_index(drop=True)


def _of_mice(fit: GrowthFit) -> Array:
    """The covariance of a mouse's intercept and slope."""
    whole = np.zeros((2, 2))
    for block, psi in zip(fit.fit.assembled.model.blocks, fit.fit.psis, strict=True):
        if block.group == "mouse":
            at = [("Intercept", "day").index(name) for name in block.names]
            whole[np.ix_(at, at)] += psi
    return whole
