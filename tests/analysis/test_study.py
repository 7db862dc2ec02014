"""The whole analysis of a study and its JSON."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, normalize_table, pool_studies, study_names
from studies.analysis.curves import curves_of
from studies.analysis.describe import response_sections, tgi_by_day_rows, tgi_rows
from studies.analysis.plan import resolve_plan
from studies.analysis.study import plain
from tests.analysis.builders import curve, together, two_arms

KEYS = {
    "study", "input", "plan", "arms", "notes", "versions", "tgi", "growth", "responses", "mixed_model",
    "mixed_models_by_model", "map2k4", "survival", "synergy", "weight", "sensitivity",
}  # fmt: skip


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, float) else []


def test_every_key_of_the_contract_is_there_and_every_number_is_finite():
    result = analyze_study(two_arms(), {"control": "V"}).to_dict()
    assert set(result) >= KEYS
    assert set(result["map2k4"]) >= {"strata", "interaction", "model_level", "excluded"}
    assert all(math.isfinite(number) for number in numbers(result))
    json.dumps(result, allow_nan=False)


def test_tgi_rows_carry_scope_counts_and_method():
    rows = analyze_study(two_arms().assign(MAP2K4="WT"), {"control": "V"}).to_dict()["tgi"]
    assert {(row["scope"], row["method"]) for row in rows} >= {
        ("study", "delta"),
        ("map2k4", "rtv"),
        ("pdx_model", "ratio"),
    }
    headline = next(row for row in rows if (row["scope"], row["method"]) == ("study", "delta"))
    assert headline["percent"] == pytest.approx(82.9840142)
    assert (headline["arm"], headline["control"], headline["day"]) == ("T", "V", 21)
    assert (headline["n_mice"], headline["n_models"], headline["n"], headline["n_baseline"]) == (6, 1, 6, 6)


def test_an_arm_is_compared_with_control_mice_of_the_models_it_was_given_to():
    table = together(
        curve("v1", "V", {0: 100, 21: 300}, pdx_model="P1"), curve("t1", "T", {0: 100, 21: 200}, pdx_model="P1"),
        curve("v2", "V", {0: 100, 21: 900}, pdx_model="P2"),
    )  # fmt: skip
    row = analyze_study(table, {"control": "V", "day": 21}).to_dict()["tgi"][0]
    assert (row["percent"], row["n_control"]) == (pytest.approx(50), 1)


def test_excluded_mice_are_left_out_and_told_with_the_reason():
    plan = {"control": "V", "exclusions": [{"mouse": "T0", "reason": "escaped"}]}
    result = analyze_study(two_arms(), plan).to_dict()
    assert result["input"]["mice"] == 11
    [dropped] = result["input"]["dropped"]
    assert dropped == {
        "reason": "mouse excluded by the plan: escaped", "rows": 2, "examples": [dropped["examples"][0]]
    }  # fmt: skip
    assert dropped["examples"][0].endswith("T0")


def test_n_by_day_counts_mice_still_followed():
    table = together(
        curve("a", "V", {0: 1, 7: 2}), curve("b", "V", {0: 1, 14: 2}), curve("c", "T", {0: 1, 14: 2})
    )
    arms = {row["arm"]: row for row in analyze_study(table, {"control": "V", "day": 7}).to_dict()["arms"]}
    assert [(row["day"], row["n"], row["n_measured"]) for row in arms["V"]["n_by_day"]] == [
        (0, 2, 2),
        (7, 2, 1),
        (14, 1, 1),
    ]
    assert (arms["V"]["role"], arms["T"]["control"]) == ("vehicle", "V")


def test_the_same_table_has_the_same_hash_whatever_its_row_order():
    one = analyze_study(two_arms(), {"control": "V"}).to_dict()
    other = analyze_study(two_arms().sample(frac=1, random_state=1), {"control": "V"}).to_dict()
    assert one == other


def test_several_studies_are_refused_unless_pooled():
    table = together(two_arms().assign(study="A"), two_arms().assign(study="B"))
    assert study_names(table) == ["A", "B"]
    with pytest.raises(AnalysisError, match="2 studies"):
        analyze_study(table, {"control": "V"})
    pooled = analyze_study(pool_studies(table, "both"), {"control": "V"})
    assert pooled.study == "both"
    assert pooled.to_dict()["input"]["mice"] == 24
    assert set(pooled.table["source_study"]) == {"A", "B"}


def test_pooled_studies_enter_the_model():
    table = together(*(
        curve(f"{arm}{i}", arm, {0: 100 + i, 7: 150 + 9 * i, 14: 300 - 11 * i}, study=study, pdx_model=model)
        for study, model in (("A", "P1"), ("B", "P2"), ("A", "P3"), ("B", "P4")) for arm in ("V", "T") for i in range(3)
    ))  # fmt: skip
    once = [curve(f"{arm}{i}", arm, {0: 100}, study="A", pdx_model="P5") for arm in "VT" for i in range(2)]
    result = analyze_study(pool_studies(together(table, *once), "both"), {"control": "V"}).to_dict()
    assert result["mixed_model"] is None or "day * source_study" in result["mixed_model"]["formula"]
    own = {row["pdx_model"]: row for row in result["mixed_models_by_model"]}
    assert own["P1"]["contrasts"]
    assert own["P5"]["contrasts"] == []
    assert 'the control "V" has 0 mice with two readings' in own["P5"]["notes"][0]


def test_a_normalized_table_may_be_given():
    table = normalize_table(two_arms())
    assert (
        analyze_study(table, {"control": "V"}).to_dict()
        == analyze_study(two_arms(), {"control": "V"}).to_dict()
    )


def test_a_table_without_any_volume_is_refused():
    table = two_arms().assign(volume_mm3=float("nan"))
    with pytest.raises(AnalysisError, match="no volume"):
        analyze_study(table, {"control": "V", "day": 21})


def test_unknown_plan_keys_are_refused():
    with pytest.raises(AnalysisError, match="unknown keys: colour"):
        analyze_study(two_arms(), {"control": "V", "colour": "red"})


@pytest.mark.parametrize("volume", [0.0, 100.0])
def test_pathological_studies_end_in_a_result(volume):
    table = together(
        *(curve(f"{arm}{i}", arm, {0: volume, 7: volume, 14: volume}) for arm in "VT" for i in range(2))
    )
    result = analyze_study(table, {"control": "V"}).to_dict()
    assert result["mixed_model"] is None
    json.dumps(result, allow_nan=False)


def test_every_published_study_is_analyzed(real_data):
    analyzed = 0
    for path in sorted((real_data / "studies").glob("*.csv")):
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        if not {"volume_mm3", "study"} <= set(table.columns) or len(table) > 5000:
            continue
        for study in study_names(table):
            result = analyze_study(table[table["study"] == study]).to_dict()
            json.dumps(result, allow_nan=False)
            analyzed += 1
    assert analyzed > 10


def test_the_pooled_binimetinib_study_makes_no_claim_from_two_models(real_data):
    table = pd.read_csv(real_data / "studies" / "pdxe_binimetinib.csv", keep_default_na=False, na_values=[""])
    result = analyze_study(pool_studies(table, "PDXE")).to_dict()
    assert (result["input"]["mice"], result["input"]["models"]) == (202, 101)
    [row] = result["map2k4"]["interaction"]
    assert row["n_models"]["loss_of_function"] == 2
    assert (row["claim"], row["reason"].split(":")[0]) == (False, "exploratory")
    assert "day * source_study" in result["mixed_model"]["formula"]
    assert any("altered" in note for note in result["notes"])


def test_numpy_s_own_kinds_are_plain_in_the_json():
    given = {
        1: np.bool_(True), "n": np.int64(3), "share": np.float32(0.5), "none": np.float64("nan"),
        "word": np.str_("V"), "pair": (1, float("inf")), "gate": True,
    }  # fmt: skip
    told = plain(given)
    assert told == {
        "1": True,
        "n": 3,
        "share": 0.5,
        "none": None,
        "word": "V",
        "pair": [1, None],
        "gate": True,
    }
    assert [type(value) for value in told.values()] == [bool, int, float, type(None), str, list, bool]
    with pytest.raises(TypeError, match="Timestamp has no place in the JSON"):
        plain({"when": pd.Timestamp("2026-01-01")})


def test_whoever_follows_hears_of_each_part():
    heard = []
    analyze_study(two_arms(), {"control": "V"}, lambda part, share: heard.append((part, share)))
    assert heard == [
        ("the mixed model", 0.0), ("each PDX model alone", 0.2), ("the biomarker", 0.3),
        ("response, survival and weight", 0.4), ("sensitivity", 0.7),
    ]  # fmt: skip


def test_rows_like_for_like_take_the_control_of_the_arm_s_own_models():
    """The drug was given to P1 alone: P2's controls take no part in its rows; P3 has no control at all."""
    table = together(
        *(curve(f"v{i}", "V", {0: 100, 10: 900, 14: 900}, pdx_model="P1") for i in range(2)),
        *(curve(f"w{i}", "V", {0: 100, 10: 10, 14: 10}, pdx_model="P2") for i in range(2)),
        *(curve(f"t{i}", "T", {0: 100, 10: 40, 14: 50}, pdx_model="P1") for i in range(2)),
        *(curve(f"u{i}", "U", {0: 100, 10: 40, 14: 50}, pdx_model="P3") for i in range(2)),
    )  # fmt: skip
    normalized = normalize_table(table)
    plan, curves = resolve_plan(normalized, {"control": "V", "day": 14}), curves_of(normalized)
    rows, responses = tgi_rows(curves, plan), response_sections(normalized.frame, plan)
    headline = {row["arm"]: row for row in rows if (row["scope"], row["method"]) == ("study", "ratio")}
    assert (headline["T"]["n_control"], headline["T"]["regression_percent"]) == (2, 50)
    assert headline["T"]["percent"] == pytest.approx(100 * (1 - 50 / 900))
    assert headline["U"]["percent"] is None
    [test] = responses["response_tests"]
    assert (test["arm"], test["n"], test["n_control"], test["orr_difference_percent"]) == ("T", 2, 2, 100)
    by_day = {
        (row["arm"], row["day"]): (row["n_control"], row["n_interpolated"])
        for row in tgi_by_day_rows(curves, plan)
    }
    assert by_day[("T", 10.0)] == (2, 0)
    assert set(by_day) == {(arm, day) for arm in "TU" for day in (10.0, 14.0)}
    methods = {row["method"] for row in rows if row["scope"] == "pdx_model"}
    assert methods == {"delta", "ratio", "rtv"}
