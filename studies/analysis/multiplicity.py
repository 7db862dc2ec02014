"""Which tests of a study confirm and which explore: families tested in one order, each opened by the one before it.

With a combination: F1 the arm against its control, F2 against each of its parts, F3 more than additive, F4 MAP2K4. For
other arms F1, then F4. A gate opens on that arm's own adjusted p; tests behind a closed gate explore, and carry the
false
discovery rate q of Benjamini and Hochberg (1995, J R Stat Soc B 57:289) among themselves.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from studies.analysis.biomarker import FEWEST_FOR_CLAIM
from studies.analysis.plan import Plan

QUESTIONS = {
    "F1": "does the arm differ from its control?",
    "F2": "is the combination better than each of its parts?",
    "F3": "does the combination do more than its parts would add up to?",
    "F4": "does {gene} status change the arm's effect?",
}


def family_rows(
    contrasts: list[dict[str, Any]],
    synergy: list[dict[str, Any]],
    interaction: list[dict[str, Any]],
    plan: Plan,
) -> list[dict[str, Any]]:
    """One row a test of the study as a whole: family, question, arm, control, p_value (adjusted within F1), alpha it is
    held against (half for F2, one-sided), shown, gate (open, the family that closed it, or too few PDX models),
    exploratory, q_value. F4 is shown where the interaction itself is claimed."""
    rows = [row for arm in plan.treated_arms for row in _of_arm(arm, contrasts, synergy, interaction, plan)]
    exploring = [row for row in rows if row["exploratory"] and row["p_value"] is not None]
    for row, q in zip(exploring, false_discovery_rates([row["p_value"] for row in exploring]), strict=True):
        row["q_value"] = q
    return rows


def false_discovery_rates(p_values: list[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p, in the order given."""
    p = np.array(p_values, dtype=float)
    order = np.argsort(-p)
    factor = len(p) / np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * factor)) if len(p) else []
    return [float(value) for value in q]


def _of_arm(
    arm: str,
    contrasts: list[dict[str, Any]],
    synergy: list[dict[str, Any]],
    interaction: list[dict[str, Any]],
    plan: Plan,
) -> Iterator[dict[str, Any]]:
    closed_by = None
    for family, control, p, alpha, holds, lacking in _tests(arm, contrasts, synergy, interaction, plan):
        shown = p is not None and p < alpha and holds
        gate = f"closed by {closed_by}" if closed_by else lacking or "open"
        yield {
            "family": family,
            "question": QUESTIONS[family].format(gene=plan.biomarker.name),
            "arm": arm,
            "control": control,
            "p_value": p,
            "alpha": alpha,
            "shown": bool(shown and gate == "open"),
            "gate": gate,
            "exploratory": gate != "open",
            "q_value": None,
        }
        closed_by = closed_by or (None if shown else family)


def _tests(
    arm: str,
    contrasts: list[dict[str, Any]],
    synergy: list[dict[str, Any]],
    interaction: list[dict[str, Any]],
    plan: Plan,
) -> Iterator[tuple[str, str, float | None, float, bool, str | None]]:
    """The arm's tests in order: family, control, p, its level, whether the effect is one that may be claimed (the
    direction asked for), and what it lacks to confirm anything at all.
    """
    alpha = plan["alpha"]
    for row in contrasts:
        if row["arm"] == arm and row["family"] == "F1":
            yield "F1", row["control"], row["p_adjusted"], alpha, True, None
    for null, family, level in (("hsa", "F2", alpha / 2), ("bliss", "F3", alpha)):
        for row in synergy:
            if row["arm"] == arm and row["null"] == null and row["scope"] == "study":
                against = row.get("against") or row["control"]
                yield family, against, row["p_value"], level, (row["estimate"] or 0.0) < 0, None
    for row in interaction:
        if row["arm"] == arm:
            p = row.get("p_adjusted")
            lacking = "too few PDX models" if min(row["n_models"].values()) < FEWEST_FOR_CLAIM else None
            yield "F4", row["control"], row["p_value"] if p is None else p, alpha, row["claim"], lacking
