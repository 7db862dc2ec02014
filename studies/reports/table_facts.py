"""What the long table itself tells of a study beside its statistics: baseline, who left, how well it was read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from studies.analysis.study import plain
from studies.randomization import balance
from studies.randomization.roster import Candidate
from studies.terms import MeasurementStatus

Row = dict[str, Any]
LEFT = {"": "followed to the last reading, no exit recorded"}


def table_facts(document: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """The parts `baseline`, `flow` and `data_quality` of the JSON."""
    return plain(
        {
            "baseline": baseline(document, table),
            "flow": flow(document, table),
            "data_quality": data_quality(document, table),
        }
    )


def baseline(document: Mapping[str, Any], table: pd.DataFrame) -> list[Row]:
    """Volume and weight before the first dose by arm, with standardized differences of every pair of arms; no p."""
    early = table[table["weight_g"].notna() & (table["day"] <= 0)].sort_values("day", kind="stable")
    weights = early.groupby("mouse")["weight_g"].last()
    mice = [
        (Candidate(row["mouse"], row["baseline_mm3"], _number(weights.get(row["mouse"]))), row["arm"])
        for row in document["growth"]
        if row["baseline_mm3"]
    ]
    if not mice:
        return []
    order = [arm["arm"] for arm in document["arms"]]
    found = balance([mouse for mouse, _ in mice], [arm for _, arm in mice], order)
    rows = []
    for one in found.covariates:
        arms = [{key: value for key, value in asdict(arm).items() if key != "values"} for arm in one.arms]
        pairs = [asdict(pair) for pair in one.pairs]
        rows.append(
            {"covariate": one.name, "arms": arms, "pairs": pairs, "largest_smd": one.largest_smd,
             "variance_ratio": one.variance_ratio, "range_percent": one.range_percent, "grade": one.grade}
        )  # fmt: skip
    return rows


def _number(value: Any) -> float | None:
    return None if value is None or value != value else float(value)


def flow(document: Mapping[str, Any], table: pd.DataFrame) -> list[Row]:
    """Each arm's mice: with a baseline, who left why and when, and how many enter each analysis."""
    read = table[table["volume_mm3"].notna()]
    last = read.groupby("mouse")["day"].max()
    mice = table.groupby("mouse", sort=False).agg(arm=("arm", "first"), reason=("exit_reason", "last"))
    mice["last"] = last
    rows = []
    for arm in document["arms"]:
        own = mice[mice["arm"] == arm["arm"]]
        exits = [
            {"reason": reason, "n": len(part), "days": sorted(part["last"].dropna().tolist())}
            for reason, part in own.groupby("reason")
            if reason
        ]
        rows.append(
            {
                "arm": arm["arm"],
                "n_mice": len(own),
                "n_baseline": _count(document["growth"], arm["arm"], "baseline_mm3"),
                "n_no_exit": int((own["reason"] == "").sum()),
                "exits": sorted(exits, key=lambda row: (-row["n"], row["reason"])),
                "analyzed": _analyzed(document, arm["arm"]),
            }
        )
    return rows


def _count(rows: Sequence[Mapping[str, Any]], arm: str, key: str) -> int:
    return sum(row["arm"] == arm and bool(row[key]) for row in rows)


def _analyzed(document: Mapping[str, Any], arm: str) -> dict[str, int]:
    """Analysis -> mice of the arm in it."""
    counts = {"response": _count(document["responses"], arm, "evaluable")}
    for row in document["tgi"]:
        if row["scope"] == "study" and row["method"] == "delta":
            if row["arm"] == arm:
                counts["TGI"] = row["n"]
            elif row["control"] == arm:
                counts["TGI"] = max(counts.get("TGI", 0), row["n_control"])
    if document.get("mixed_model"):
        counts |= _fitted(document["mixed_model"], arm, document["plan"]["control"]["value"])
    counts["time to event"] = sum(row["arm"] == arm for row in document["times_to_event"])
    return counts


def _fitted(fit: Mapping[str, Any], arm: str, control: str) -> dict[str, int]:
    """The arm's mice in the mixed model; the control has those that no other arm has."""
    mice = {row["arm"]: row["n_mice"] for row in fit["contrasts"] if row["scope"] == "study"}
    if arm == control:
        return {"mixed model": fit["diagnostics"]["n_mice"] - sum(mice.values())}
    return {"mixed model": mice[arm]} if arm in mice else {}


def data_quality(document: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """Readings by arm: below the limit of detection, not palpable, not done; and the hands that read."""
    lod = document["plan"]["lod_mm3"]["value"]
    read = table["volume_mm3"].notna()
    facts = pd.DataFrame(
        {
            "arm": table["arm"],
            "n_readings": read,
            "n_below_lod": read & (table["volume_mm3"] < lod),
            "n_not_palpable": table["status"] == MeasurementStatus.NOT_PALPABLE,
            "n_without_volume": ~read,
            "n_weights": table["weight_g"].notna(),
        }
    )
    sums = facts.groupby("arm", sort=False).sum()
    by_arm = [
        {"arm": arm, **{key: int(value) for key, value in row.items()},
         "percent_below_lod": 100 * row["n_below_lod"] / row["n_readings"] if row["n_readings"] else None}
        for arm, row in sums.to_dict("index").items()
    ]  # fmt: skip
    named = table[table["operator"] != ""]
    hands = named.groupby("mouse")["operator"].nunique()
    return {
        "by_arm": by_arm,
        "operators": [
            {"operator": name, "n_rows": int(n)} for name, n in named["operator"].value_counts().items()
        ],
        "n_mice_read_by_several": int((hands > 1).sum()),
    }
