"""The second question by name: does a combination do more than the MEK or KRAS inhibitor alone, in wild-type models?

Loss of function stands beside. Each row is a slope contrast of the combination against one part within a status; the
intersection-union test and the Bliss excess of the same status are among the rows of `synergy`.
"""

from typing import Any

from studies.analysis.growth_models import GrowthFit
from studies.analysis.inference import effect_rows
from studies.analysis.plan import Plan
from studies.analysis.scopes import STRATA
from studies.columns import fold

INHIBITORS = {
    "MEK": ("trametinib", "selumetinib", "binimetinib", "cobimetinib", "mirdametinib", "pimasertib", "refametinib",
            "avutometinib", "tunlametinib", "pd0325901", "azd6244", "mek162", "mek", "meki", "mek_inhibitor"),
    "KRAS": ("sotorasib", "adagrasib", "divarasib", "glecirasib", "fulzerasib", "garsorasib", "olomorasib", "opnurasib",
             "amg510", "amg_510", "mrtx849", "mrtx1133", "kras", "krasi", "kras_inhibitor"),
}  # fmt: skip


def inhibited_by(arm: str) -> str | None:
    """MEK or KRAS where the arm's name is, or holds as a word, the name of such an inhibitor; else None."""
    words = f"_{fold(arm)}_"
    return next(
        (target for target, names in INHIBITORS.items() if any(f"_{name}_" in words for name in names)), None
    )


def combination_against_parts(
    fit: GrowthFit, plan: Plan, synergy: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Each combination against each of its parts within each status, wild type first.

    `question` marks the rows that ask it: wild type, the part an inhibitor of MEK or KRAS. The tests of the status that
    belong to it come along as `intersection_union_p_value`, `bliss_estimate` and `bliss_p_value`.
    """
    rows: list[dict[str, Any]] = []
    for combination in plan["combinations"]:
        arm, parts = combination["arm"], [part for part in combination["parts"] if part in fit.data.arms]
        if arm not in fit.data.arms or not parts:
            continue
        for status in reversed(STRATA):
            held = [part for part in parts if _models(fit, arm, part, status)]
            if not held:
                continue
            pairs = [(arm, part) for part in held]
            weights = [fit.effect(arm, part, {status: 1.0}) for part in held]
            for row in effect_rows(fit, plan, pairs, weights, "none"):
                target = inhibited_by(row["control"])
                rows.append({
                    "scope": "map2k4", "map2k4_status": status, **row, "part": row["control"], "inhibits": target,
                    "question": status == STRATA[1] and target is not None,
                    "n_mice": fit.data.count(arm, status)["n_mice"],
                    "n_models": _models(fit, arm, row["control"], status),
                    **_tests(synergy, fit, arm, status),
                })  # fmt: skip
    return rows


def _tests(synergy: list[dict[str, Any]], fit: GrowthFit, arm: str, status: str) -> dict[str, Any]:
    """The status's own intersection-union test and Bliss excess; a study of one status has them as its own."""
    one_status = set(fit.data.mice["map2k4"]) == {status}
    mine = {
        row["null"]: row for row in synergy if row["arm"] == arm
        and ((row["scope"] == "map2k4" and row["map2k4_status"] == status) or (row["scope"] == "study" and one_status))
    }  # fmt: skip
    hsa, bliss = mine.get("hsa", {}), mine.get("bliss", {})
    return {
        "intersection_union_p_value": hsa.get("p_value"), "bliss_estimate": bliss.get("estimate"),
        "bliss_ci_low": bliss.get("ci_low"), "bliss_ci_high": bliss.get("ci_high"),
        "bliss_p_value": bliss.get("p_value"),
    }  # fmt: skip


def _models(fit: GrowthFit, arm: str, other: str, status: str) -> int:
    mice = fit.data.mice[fit.data.mice["map2k4"] == status]
    held = (set(mice.loc[mice["arm"] == name, "pdx_model"]) for name in (arm, other))
    return len(set.intersection(*held))
