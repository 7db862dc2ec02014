"""Responses compared: rates of arms, and the call of a PDX model whose arm holds several mice."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, gammaln

from studies.analysis.errors import AnalysisError
from studies.analysis.intervals import clopper_pearson, wilson
from studies.analysis.response import CATEGORIES, category_of

WORST_FIRST = ("PD", "SD", "PR", "CR")
RESPONDERS, CONTROLLED = ("CR", "PR"), ("CR", "PR", "SD")


def fisher_exact(table: tuple[tuple[int, int], tuple[int, int]]) -> float:
    """Fisher's two-sided p of a 2 x 2 table: all tables of the same margins no likelier than the one seen."""
    (a, b), (c, d) = table
    if min(a, b, c, d) < 0:
        raise AnalysisError(f"a count cannot be negative: {table}")
    row, column, total = a + b, a + c, a + b + c + d
    seen = np.arange(max(0, row + column - total), min(row, column) + 1)
    log_p = -(
        gammaln(seen + 1) + gammaln(row - seen + 1) + gammaln(column - seen + 1)
        + gammaln(total - row - column + seen + 1)
    )  # fmt: skip
    share = np.exp(log_p - log_p.max())
    return min(1.0, float(share[share <= share[seen == a] * (1 + 1e-7)].sum() / share.sum()))


def trend_in_categories(treated: list[int], control: list[int]) -> tuple[float, float] | None:
    """Cochran and Armitage's chi-square and p of a shift along ordered categories, scored 0, 1, 2...

    Counts of both groups by category. None where a group is empty or all mice share a category.
    """
    one, two = np.array(treated, dtype=float), np.array(control, dtype=float)
    n, score = one + two, np.arange(len(one))
    total, share = n.sum(), one.sum() / max(n.sum(), 1)
    spread = (n * score**2).sum() - (n * score).sum() ** 2 / max(total, 1)
    if not 0 < share < 1 or not spread > 0:
        return None
    chisq = float((score * (one - n * share)).sum() ** 2 / (share * (1 - share) * spread))
    return chisq, float(chdtrc(1, chisq))


def compare_responses(mice: pd.DataFrame, arm: str, control: str) -> dict[str, Any]:
    """An arm's responses against its control's, from rows with arm and category (None: not evaluable).

    Difference of response rates over all mice in percent points, Fisher's p for response and for disease control with
    a mouse not evaluable counting as none, and Cochran and Armitage's trend over the evaluable. Refuses an arm
    without a
    mouse.
    """
    groups = [mice.loc[mice["arm"] == name, "category"] for name in (arm, control)]
    for name, group in zip((arm, control), groups, strict=True):
        if not len(group):
            raise AnalysisError(f'arm "{name}" has no mouse whose response could be compared')
    row: dict[str, Any] = {"arm": arm, "control": control, "n": len(groups[0]), "n_control": len(groups[1])}
    for name, wanted in (("orr", RESPONDERS), ("dcr", CONTROLLED)):
        yes = [int(group.isin(wanted).sum()) for group in groups]
        no = [len(group) - count for group, count in zip(groups, yes, strict=True)]
        row[f"{name}_difference_percent"] = 100 * (yes[0] / len(groups[0]) - yes[1] / len(groups[1]))
        row[f"{name}_p_value"] = fisher_exact(((yes[0], no[0]), (yes[1], no[1])))
    trend = trend_in_categories(*([int((group == name).sum()) for name in WORST_FIRST] for group in groups))
    return row | {"trend_chisq": trend and trend[0], "trend_p_value": trend and trend[1]}


def model_responses(mice: pd.DataFrame) -> pd.DataFrame:
    """The call of each PDX model under each arm, from the rows of `responses`.

    One row a PDX model and arm: n_mice, n_evaluable, median best and best average response, `category` by mRECIST's
    limits on these medians, `majority_category`, the commonest of its mice's (the worse of two as common). A mouse of
    early progression counts as worse than any other; mice not evaluable do not count. With one mouse both are that
    mouse's.
    """
    rows = []
    for (pdx_model, arm), group in mice.groupby(["pdx_model", "arm"], sort=False):
        judged = group[group["evaluable"]]
        best, average = (
            float(np.median(judged[name].fillna(np.inf).to_numpy(float))) if len(judged) else np.nan
            for name in ("best_response_percent", "best_average_response_percent")
        )
        counts = [int((judged["category"] == name).sum()) for name in WORST_FIRST]
        rows.append({
            "pdx_model": pdx_model, "map2k4_status": group["map2k4_status"].iloc[0], "arm": arm,
            "n_mice": len(group), "n_evaluable": len(judged), "median_best_response_percent": best,
            "median_best_average_response_percent": average,
            "category": category_of(np.array([best]), np.array([average]))[0] if len(judged) else None,
            "majority_category": WORST_FIRST[int(np.argmax(counts))] if len(judged) else None,
        })  # fmt: skip
    return pd.DataFrame(rows)


def model_rates(calls: pd.DataFrame, confidence: float = 0.95) -> list[dict[str, Any]]:
    """Response rates with the PDX model as the unit, from the rows of `model_responses`: one row an arm."""
    rows = []
    for arm, group in calls.groupby("arm", sort=False):
        counts = {name: int((group["category"] == name).sum()) for name in CATEGORIES}
        row: dict[str, Any] = {
            "arm": arm,
            "n_models": len(group),
            **counts,
            "NE": len(group) - sum(counts.values()),
        }
        for name, wanted in (("orr", RESPONDERS), ("dcr", CONTROLLED)):
            yes = sum(counts[category] for category in wanted)
            row[f"{name}_percent"] = 100 * yes / len(group)
            row[f"{name}_ci_low"], row[f"{name}_ci_high"] = wilson(yes, len(group), confidence)
            exact = clopper_pearson(yes, len(group), confidence)
            row[f"{name}_exact_ci_low"], row[f"{name}_exact_ci_high"] = exact
        rows.append(row)
    return rows
