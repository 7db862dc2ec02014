"""The tables of the JSON as the sheets of a workbook, every number in full."""

from collections.abc import Mapping, Sequence
from typing import Any

Rows = list[dict[str, Any]]
# Lists of the JSON that are sheets as they stand.
PLAIN_LISTS = (
    "tgi",
    "tgi_by_day",
    "responses",
    "response_rates",
    "response_tests",
    "response_discordance",
    "model_responses",
    "model_response_rates",
    "growth",
    "growth_comparison",
    "curve_distances",
    "endpoint_tests",
    "permutation_tests",
    "mean_curves",
    "times_to_event",
    "survival_endpoints",
    "synergy",
    "synergy_scales",
    "synergy_curve",
    "weight",
    "weight_times",
    "sensitivity",
    "families",
)
OF_RECORD = (
    "arms",
    "pdx_models",
    "randomization",
    "exclusions",
    "deviations",
    "amendments",
    "signatures",
    "chains",
)


def sheets_of(study: Mapping[str, Any]) -> dict[str, Rows]:
    """Sheet name -> rows, empty ones left out; a first sheet says what the others hold."""
    sheets: dict[str, Rows] = {"arms": [_scalars(arm) for arm in study["arms"]], "n_by_day": _n_by_day(study)}
    sheets |= {name: [_flat(row) for row in study.get(name) or []] for name in PLAIN_LISTS}
    fit = study.get("mixed_model") or {}
    for part in ("contrasts", "coefficients", "variance_components"):
        sheets[f"mixed_model_{part}"[:31]] = [_flat(row) for row in fit.get(part) or []]
    sheets["mixed_models_by_model"] = [
        {"pdx_model": model.get("pdx_model"), **_flat(row)}
        for model in study.get("mixed_models_by_model") or []
        for row in model.get("contrasts") or []
    ]
    sheets |= {
        test: [
            {"pdx_model": row["pdx_model"], "day": row["day"], **_flat(line)}
            for row in study.get("endpoint_tests") or []
            for line in row.get(test) or []
        ]
        for test in ("games_howell", "dunnett", "dunn", "worst_rank")
    }
    sheets |= _map2k4(study.get("map2k4") or {})
    sheets["survival"] = _survival(study.get("survival") or [])
    sheets |= {
        f"survival_{part}": [
            {
                "scope": row["scope"],
                "pdx_model": row["pdx_model"],
                "map2k4_status": row["map2k4_status"],
                **_flat(line),
            }
            for row in study.get("survival") or []
            for line in row.get(part) or []
        ]
        for part in (
            "restricted_means",
            "incidence",
            "exact_logrank",
            "interval_censored",
            "firth",
            "efs_ratios",
        )
    }
    sheets["weight_model"] = [_flat(row) for row in (study.get("weight_model") or {}).get("contrasts") or []]
    sheets |= _facts(study)
    sheets["plan"] = [
        {"key": key, "value": str(entry["value"]), "from": entry["from"]}
        for key, entry in study["plan"].items()
    ]
    sheets["notes"] = [{"note": note} for note in study["notes"]]
    filled = {name: rows for name, rows in sheets.items() if rows}
    return {"contents": _contents(study, filled), **filled}


def _contents(study: Mapping[str, Any], sheets: Mapping[str, Rows]) -> Rows:
    facts = [
        ("study", study["study"]),
        ("input", study["input"].get("file")),
        ("sha256", study["input"]["sha256"]),
        *((f"version of {name}", version) for name, version in study["versions"].items()),
    ]
    return [{"item": name, "value": value} for name, value in facts] + [
        {"item": f"sheet {name}", "value": len(rows)} for name, rows in sheets.items()
    ]


def _facts(study: Mapping[str, Any]) -> dict[str, Rows]:
    """Baseline, flow and quality of the table; and what the record tells, under names that say so."""
    baseline, told = study.get("baseline") or [], study.get("record") or {}
    return {
        "baseline": [{"covariate": row["covariate"], **arm} for row in baseline for arm in row["arms"]],
        "baseline_pairs": [
            {"covariate": row["covariate"], **pair} for row in baseline for pair in row["pairs"]
        ],
        "flow": [_flat(row | {"exits": None}) for row in study.get("flow") or []],
        "exits": [
            {"arm": row["arm"], **_flat(exit)} for row in study.get("flow") or [] for exit in row["exits"]
        ],
        "readings": (study.get("data_quality") or {}).get("by_arm") or [],
        **{f"record_{part}": [_flat(row) for row in told.get(part) or []] for part in OF_RECORD},
    }


def _map2k4(found: Mapping[str, Any]) -> dict[str, Rows]:
    """Strata, interaction and exclusions as they stand; the model level as its effects, pools and tests by arm."""
    levels = found.get("model_level") or []
    parts = ("strata", "interaction", "combination_against_parts")
    sheets = {f"map2k4_{part}"[:31]: [_flat(row) for row in found.get(part) or []] for part in parts}
    for part in ("effects", "pooled", "adjusted"):
        sheets[f"map2k4_{part}"] = [
            {"arm": level["arm"], "control": level["control"], **_flat(row)}
            for level in levels
            for row in level.get(part) or []
        ]
    tests = [
        {"arm": level["arm"], **_flat(level["test"])}
        for level in levels
        if isinstance(level.get("test"), dict)
    ]
    return {
        **sheets,
        "map2k4_test": tests,
        "map2k4_covariates": [_flat(row) for row in found.get("covariates") or []],
        "map2k4_excluded": [_flat(row) for row in found.get("excluded") or []],
    }


def _n_by_day(study: Mapping[str, Any]) -> Rows:
    return [{"arm": arm["arm"], **row} for arm in study["arms"] for row in arm["n_by_day"]]


def _survival(found: Sequence[Mapping[str, Any]]) -> Rows:
    """One row a stratum and arm: counts, median and hazard ratio beside the stratum's log-rank test."""
    rows = []
    for stratum in found:
        cox = {line["arm"]: line for line in stratum.get("cox") or []}
        test = {f"logrank_{key}": value for key, value in (stratum.get("logrank") or {}).items()}
        for arm, mice in (stratum.get("n") or {}).items():
            counts = {"arm": arm, "n": mice, "events": (stratum.get("events") or {}).get(arm)}
            median = {
                "median_days": (stratum.get("medians") or {}).get(arm),
                "median_beyond_day": (stratum.get("median_lower_bounds") or {}).get(arm),
                "mice_followed_then": (stratum.get("median_lower_bound_mice") or {}).get(arm),
            }
            rows.append(_scalars(stratum) | counts | median | test | cox.get(arm, {}))
    return rows


def _scalars(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, (list, dict))}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """One level of nesting as columns of their own; lists as text."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": deep for inner, deep in value.items()}
        elif isinstance(value, list):
            flat[key] = ", ".join(map(str, value))
        else:
            flat[key] = value
    return flat
