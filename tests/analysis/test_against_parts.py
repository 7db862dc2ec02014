"""A combination against its parts: which are compared, within which status, over how many PDX models.

The numbers are tested with the biomarker's section.
"""

from types import SimpleNamespace

import pandas as pd

from studies.analysis import against_parts
from studies.analysis.against_parts import combination_against_parts

PLAN = {"combinations": [{"arm": "trametinib+B", "parts": ["trametinib", "B"]}]}
LOSS, WILD = "loss_of_function", "wild_type"


def fit_of(*cells: tuple[str, str, str]) -> SimpleNamespace:
    """A fit of mice by PDX model, status and arm, whose effects say what was asked of them."""
    mice = pd.DataFrame(cells, columns=["pdx_model", "map2k4", "arm"])
    data = SimpleNamespace(
        arms=list(dict.fromkeys(mice["arm"])),
        mice=mice,
        count=lambda arm, status: {"n_mice": f"{arm} in {status}"},
    )
    return SimpleNamespace(data=data, effect=lambda arm, part, shares: (arm, part, shares))


def test_a_combination_without_its_own_fit_or_that_of_any_part_has_no_row():
    for fitted in (["vehicle", "trametinib", "B"], ["vehicle", "trametinib+B"]):
        assert combination_against_parts(fit_of(*(("P1", WILD, arm) for arm in fitted)), PLAN, []) == []


def test_each_part_is_met_in_the_statuses_whose_models_hold_both(monkeypatch):
    monkeypatch.setattr(against_parts, "effect_rows", lambda fit, plan, pairs, weights, adjust: [
        {"arm": arm, "control": part, "weights": weight} for (arm, part), weight in zip(pairs, weights, strict=True)
    ])  # fmt: skip
    fit = fit_of(
        *((model, WILD, arm) for model in ("P1", "P2") for arm in ("trametinib+B", "trametinib")),
        ("P1", WILD, "B"), ("P3", LOSS, "trametinib+B"), ("P4", LOSS, "trametinib"), ("P3", LOSS, "B"),
    )  # fmt: skip
    synergy = [
        {"arm": "trametinib+B", "scope": "map2k4", "map2k4_status": WILD, "null": "hsa", "p_value": 0.01},
        {"arm": "trametinib+B", "scope": "study", "map2k4_status": None, "null": "hsa", "p_value": 0.5},
    ]
    rows = combination_against_parts(fit, PLAN, synergy)
    told = [
        (row["map2k4_status"], row["part"], row["n_models"], row["inhibits"], row["question"]) for row in rows
    ]
    assert told == [
        (WILD, "trametinib", 2, "MEK", True), (WILD, "B", 1, None, False), (LOSS, "B", 1, None, False),
    ]  # fmt: skip
    assert [row["weights"] for row in rows] == [
        ("trametinib+B", row["part"], {row["map2k4_status"]: 1.0}) for row in rows
    ]
    assert [row["intersection_union_p_value"] for row in rows] == [0.01, 0.01, None]
    assert rows[0]["n_mice"] == f"trametinib+B in {WILD}"


def test_a_study_of_one_status_has_its_tests_as_that_status_s(monkeypatch):
    monkeypatch.setattr(against_parts, "effect_rows", lambda fit, plan, pairs, weights, adjust: [
        {"arm": arm, "control": part} for arm, part in pairs
    ])  # fmt: skip
    fit = fit_of(*(("P1", WILD, arm) for arm in ("trametinib+B", "trametinib", "B")))
    bliss = {"arm": "trametinib+B", "scope": "study", "map2k4_status": None, "null": "bliss", "p_value": 0.02,
             "estimate": -0.1, "ci_low": -0.2, "ci_high": 0.0}  # fmt: skip
    for row in combination_against_parts(fit, PLAN, [bliss, {**bliss, "arm": "other", "estimate": 9.0}]):
        assert (row["bliss_estimate"], row["bliss_ci_low"], row["bliss_ci_high"]) == (-0.1, -0.2, 0.0)
        assert row["bliss_p_value"] == 0.02
