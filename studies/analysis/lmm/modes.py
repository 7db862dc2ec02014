"""Predicted random effects (BLUPs), by one pass up through the levels and one down.

u = Psi B'T'V^-1 (y - X beta). Going up, T'V_l^-1 e of every group is formed with the lower levels integrated out;
going down, each level's effects are predicted after those above it were taken from e.
"""

import numpy as np

from studies.analysis.lmm.assemble import whitening
from studies.analysis.lmm.criterion import Model
from studies.analysis.lmm.design import Design
from studies.analysis.lmm.elimination import Level, sum_by
from studies.analysis.lmm.structure import Plan, common_basis, crossed_columns, make_blocks

Array = np.ndarray


def conditional_modes(
    design: Design, plan: Plan, model: Model, psis: list[Array], precision: Array, errors: Array, phi: float
) -> list[Array]:
    """Random effects of each term (groups x effects) in the formula's units; `errors` are y - X beta by row."""
    bases = common_basis(design.random, plan, [])
    blocks, levels = make_blocks(design, plan, bases)
    white = whitening(design, phi)
    t, errors = white(bases.t), white(errors)
    weights = np.ones(len(errors)) if design.residual_codes is None else precision[design.residual_codes]
    turned: dict[int, Array] = {}
    if plan.crossed:
        dummies = white(crossed_columns(design, plan, model.blocks).toarray())
        turned, errors = _crossed_modes(dummies, plan, model, psis, weights, errors, levels, t)
    effects = _nested_modes(plan, model, psis, weights, errors, levels, t)
    for index, block in enumerate(blocks):
        if not block.crossed:
            turned[index] = effects[block.level][:, block.offset : block.offset + block.size]
    return [np.linalg.solve(block.turn, turned[index].T).T for index, block in enumerate(blocks)]


def _nested_modes(
    plan: Plan, model: Model, psis: list[Array], weights: Array, errors: Array, levels: list[Level], t: Array
) -> list[Array]:
    ups = _upward(plan, model, psis, weights, errors, levels, t)
    effects: list[Array] = [np.empty(0)] * len(levels)
    shift = np.zeros((plan.n_groups[-1], t.shape[1]))
    for number in range(len(levels) - 1, -1, -1):
        p, q, e = ups[number]
        basis = levels[number].basis
        left = q - (p @ shift[:, :, None])[:, :, 0]
        effects[number] = (e @ (left @ basis)[:, :, None])[:, :, 0]
        if number:
            below = levels[number - 1].parent
            shift = (shift + effects[number] @ basis.T)[below]
    return effects


def _upward(
    plan: Plan, model: Model, psis: list[Array], weights: Array, errors: Array, levels: list[Level], t: Array
) -> list[tuple[Array, Array, Array]]:
    """(T'V^-1 T, T'V^-1 e, E) of every group of every level, the lower levels integrated out."""
    weighted = t * weights[:, None]
    p = sum_by(weighted[:, :, None] * t[:, None, :], plan.codes[0], plan.n_groups[0])
    q = sum_by(weighted * errors[:, None], plan.codes[0], plan.n_groups[0])[:, :, None]
    result = []
    for number, level in enumerate(levels):
        up, _ = level.forward(p, q, model.level_psi(psis, number))
        result.append((p, q[:, :, 0], up.e))
        if level.parent is not None:
            p, q = level.gather(up.p), level.gather(up.q)
    return result


def _crossed_modes(
    dummies: Array,
    plan: Plan,
    model: Model,
    psis: list[Array],
    weights: Array,
    errors: Array,
    levels: list[Level],
    t: Array,
) -> tuple[dict[int, Array], Array]:
    """Effects of the crossed terms, and the errors less these effects."""
    dense = np.column_stack([dummies, errors])
    root = np.sqrt(weights)[:, None]
    p = sum_by((t * root)[:, :, None] * (t * root)[:, None, :], plan.codes[0], plan.n_groups[0])
    q = np.stack([sum_by((t * root)[:, [k]] * root * dense, plan.codes[0], plan.n_groups[0])
                  for k in range(t.shape[1])], axis=1)  # fmt: skip
    r = (dense * root).T @ (dense * root)
    for number, level in enumerate(levels):
        up, taken = level.forward(p, q, model.level_psi(psis, number))
        r = r - taken
        if level.parent is not None:
            p, q = level.gather(up.p), level.gather(up.q)
    psi = model.crossed_psi(psis)
    effects = psi @ np.linalg.solve(np.eye(len(psi)) + r[:-1, :-1] @ psi, r[:-1, -1])
    result = {}
    for index in plan.crossed:
        block = model.blocks[index]
        stop = block.offset + block.size * block.n_groups
        result[index] = effects[block.offset : stop].reshape(block.n_groups, block.size)
    return result, errors - dummies @ effects
