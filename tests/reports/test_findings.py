"""The sentences of the report: what an interval allows, and no more."""

import pytest

from studies.reports import words
from studies.reports.sections import flow
from studies.reports.sections.study import general_table, reason_for
from studies.reports.sections.summary import (
    answer,
    interaction_sentence,
    model_sentence,
    tgi_sentence,
    verdict,
)

PLAN = {
    "alpha": {"value": 0.05, "from": "default"},
    "day": {"value": 21.0, "from": "table"},
    "lod_mm3": {"value": 13.5, "from": "default"},
    "volume_formula": {"value": "half_lw2", "from": "default"},
}
STUDY = {"plan": PLAN, "notes": ["mixed_model is null: too few mice."]}
TGI = {
    "arm": "A",
    "control": "V",
    "day": 21.0,
    "percent": 64.4,
    "ci_low": 12.0,
    "ci_high": 88.0,
    "n": 5,
    "n_control": 6,
    "note": None,
}
INTERACTION = {
    "arm": "A",
    "estimate": -0.05,
    "ci_low": -0.09,
    "ci_high": -0.01,
    "p_value": 0.02,
    "claim": False,
    "reason": "2 PDX models in a status, a claim needs 3",
}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (5, 80, "grew less"),
        (-80, -5, "grew more"),
        (-5, 80, "includes 0"),
        (0, 80, "includes 0"),
        (None, 80, "without an interval"),
    ],
)
def test_a_verdict_follows_the_interval(low, high, said):
    assert said in verdict(low, high)


def test_tgi_is_told_with_its_interval_and_its_mice():
    sentence = tgi_sentence(TGI, STUDY)
    assert "64 % (95 % interval 12 to 88)" in sentence and "n = 5 and 6" in sentence
    assert "grew less" in sentence


def test_tgi_without_an_interval_says_why():
    sentence = tgi_sentence({**TGI, "ci_low": None, "note": "too few vehicle mice to bound TGI"}, STUDY)
    assert "no interval: too few vehicle mice" in sentence and "describes these mice only" in sentence


def test_tgi_that_is_not_defined_is_not_called_a_number():
    sentence = tgi_sentence({**TGI, "percent": None, "note": "the vehicle did not grow"}, STUDY)
    assert "not defined: the vehicle did not grow" in sentence


def test_the_confidence_follows_alpha():
    study = {**STUDY, "plan": {**PLAN, "alpha": {"value": 0.1, "from": "given"}}}
    assert "90 % interval" in tgi_sentence(TGI, study)


def test_an_interaction_is_claimed_only_where_the_analysis_claims_it():
    unclaimed = interaction_sentence(INTERACTION, STUDY)
    assert "is not claimed: 2 PDX models in a status" in unclaimed and "p = 0.02" in unclaimed
    claimed = interaction_sentence({**INTERACTION, "claim": True}, STUDY)
    assert claimed.endswith("The effect differs by MAP2K4 status.")


def test_an_interaction_that_cannot_be_estimated_says_why():
    assert "cannot be estimated" in interaction_sentence({**INTERACTION, "estimate": None}, STUDY)


def test_a_contrast_of_the_mixed_model_carries_p_and_df():
    row = {
        "arm": "A",
        "control": "V",
        "tgi_percent": 50.0,
        "tgi_ci_low": -10.0,
        "tgi_ci_high": 80.0,
        "tgi_day": 21.0,
        "p_value": 0.03,
        "p_adjusted": 0.06,
        "df": 4.2,
    }
    sentence = model_sentence(row, STUDY)
    assert "p = 0.06 adjusted on 4.2 df" in sentence and "no difference is shown" in sentence


def test_a_bend_is_told_beside_the_slopes_with_what_the_other_measure_shows():
    effects = [{"arm": "A", "ci_high": -0.01}, {"arm": "B", "ci_high": 0.02}]
    curvature = {"bends": True, "p_value": 0.001, "estimand": "egait", "effects": effects}
    study = {
        **STUDY,
        "arms": [],
        "map2k4": {},
        "tgi": [],
        "mixed_model": {"contrasts": [], "curvature": curvature},
    }
    assert "slower growth than in the control is shown for A only" in answer(study)
    effects[0]["ci_high"] = 0.01
    assert "shown for no arm" in answer(study)


def test_without_a_day_no_answer_is_made_up():
    study = {**STUDY, "plan": {**PLAN, "day": {"value": None, "from": "table"}}}
    assert "No day" in answer(study)


def test_a_missing_part_gives_the_reason_of_the_notes():
    assert reason_for(STUDY, "mixed_model") == "mixed_model is null: too few mice."
    assert "gives no synergy" in reason_for(STUDY, "synergy")


def test_what_was_dropped_is_listed_with_its_reason():
    dropped = [{"reason": "no volume", "rows": 3, "examples": ["line 4"]}]
    study = {**STUDY, "input": {"rows": 10, "sha256": "x", "dropped": dropped}}
    table = flow.dropped(study)[-1]
    assert table.rows == [{"reason": "no volume", "rows": 3, "examples": "line 4"}]


def test_a_general_table_pairs_interval_ends_and_hoists_a_common_note():
    rows = [{"arm": "A", "ci_low": 1.0, "ci_high": 2.0, "note": "few mice", "empty": None}] * 2
    table = general_table(STUDY, "Caption.", rows)
    assert [column.title for column in table.columns] == ["Arm", "95 % interval"]
    assert table.note == "Few mice."


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (12345.6, "mm3", "12\N{THIN SPACE}346"),
        (-0.4, "percent", "\N{MINUS SIGN}0.4"),
        (-0.04, "percent", "0.0"),
        (63.6, "percent", "64"),
        (-19725.0, "percent", "< \N{MINUS SIGN}999"),
        (0.0004, "p", "< 0.001"),
        (0.0123, "p", "0.012"),
        (0.5, "p", "0.5"),
        (-0.056789, "estimate", "\N{MINUS SIGN}0.0568"),
        (1234.5, "estimate", "1\N{THIN SPACE}230"),
        (0.0, "estimate", "0"),
        (-3.0, "day", "\N{MINUS SIGN}3"),
        (None, "percent", "\N{EN DASH}"),
        ((1.0, 2.0), "percent", "1 to 2"),
        ((None, 2.0), "percent", "\N{EN DASH}"),
        (True, "flag", "yes"),
    ],
)
def test_numbers_are_written_one_way(value, kind, text):
    assert words.cell(value, kind) == text


def test_words_are_counted_and_joined():
    assert words.counted(1, "mouse", "mice") == "1 mouse"
    assert words.counted(2, "mouse", "mice") == "2 mice"
    assert words.joined(["a", "b", "c"]) == "a, b and c"
    assert words.p_phrase(0.0001) == "p < 0.001"
