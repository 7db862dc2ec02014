"""Sentences and tables that count: each arm once, by its interval, with what has none said."""

from studies.reports.blocks import Paragraph
from studies.reports.sections.baseline import arm_table
from studies.reports.sections.combination import against_parts
from studies.reports.sections.growth import MOST_ROWS, pairs
from studies.reports.sections.map2k4 import MOST_NAMED, _excluded
from studies.reports.sections.mixed_model import MOST_MODEL_ROWS, _by_model
from studies.reports.sections.sensitivity import MOST_REPEATED, _counted, _excludes_zero, _shared, _told
from studies.reports.sections.summary import (
    MOST_ARMS_IN_WORDS,
    _difference_sentences,
    _model_sentences,
    _tally,
    interaction_sentences,
    verdict,
)
from studies.reports.sections.survival import _endpoint

STUDY = {
    "plan": {"alpha": {"value": 0.05}},
    "arms": [{"arm": name, "control": "vehicle", "role": ""} for name in ("vehicle", "A", "B")],
    "input": {"models": 2},
}


def rows(*ends: tuple[float | None, float | None]) -> list[dict]:
    return [{"low": low, "high": high} for low, high in ends]


def test_arms_are_tallied_by_where_their_interval_lies():
    told = _tally(rows((1, 2), (3, 4), (-2, -1), (-1, 1), (0, 1)), "low", "high", STUDY)
    assert (
        told == "the 95 % interval of TGI lies above 0 for 2 of 5 arms, below 0 for 1, and includes 0 for 2."
    )


def test_an_interval_with_an_open_end_is_none():
    told = _tally(rows((1, 2), (1, None), (None, -1), (None, None)), "low", "high", STUDY)
    assert told == (
        "the 95 % interval of TGI lies above 0 for 1 of 4 arms, and includes 0 for 0; 3 have no interval."
    )
    assert verdict(1, None) == verdict(None, -1) == "without an interval this describes these mice only"


def contrasts(n: int) -> dict:
    found = [
        {"arm": f"D{place}", "control": "vehicle", "tgi_percent": 54, "tgi_day": 21, "tgi_ci_low": 40,
         "tgi_ci_high": 64, "p_value": 0.003}
        for place in range(n)
    ]  # fmt: skip
    arms = [{"arm": row["arm"], "control": "vehicle", "role": ""} for row in found]
    return STUDY | {"arms": arms, "mixed_model": {"contrasts": found}}


def test_few_arms_are_told_one_by_one_and_more_are_counted():
    [told] = _model_sentences(contrasts(MOST_ARMS_IN_WORDS))
    assert told.startswith(
        "By the mixed model, TGI against vehicle at day 21 was 54 % (95 % interval 40 to 64, adj"
    )
    assert [told.count(f"for D{place}, slower growth") for place in range(MOST_ARMS_IN_WORDS)] == [1, 1, 1, 1]
    assert _model_sentences(contrasts(MOST_ARMS_IN_WORDS + 1)) == [
        "By the mixed model, the 95 % interval of TGI lies above 0 for 5 of 5 arms, and includes 0 for 0. "
        "The table has each arm."
    ]
    assert _model_sentences(contrasts(0)) == []


def test_an_interval_that_touches_0_shows_no_difference():
    assert verdict(0, 1) == verdict(-1, 0) and verdict(0, 1).startswith("the interval includes 0")
    assert verdict(0.1, 1) == "tumors grew less than in the control"
    assert verdict(-1, -0.1) == "tumors grew more than in the control"


def test_a_note_said_often_stands_below_the_rows_and_the_others_stay():
    lines = [{"note": "often"}] * (MOST_REPEATED + 1) + [{"note": "once"}, {"note": ""}]
    short, said = _shared(lines)
    assert [line["note"] for line in short] == [""] * (MOST_REPEATED + 1) + ["once", ""]
    assert said == f" Of {MOST_REPEATED + 1} rows: often."
    assert _shared(lines[1:]) == (lines[1:], "")
    assert _shared([{"note": ""}]) == ([{"note": ""}], "")


def test_arms_are_counted_by_assumption():
    found = [
        {"variant": "plain", "ci_low": low, "ci_high": high}
        for low, high in ((-2, -1), (-2, -1), (1, 2), (-1, 1), (None, None))
    ]
    [line] = _counted([*found, {"variant": "other", "ci_low": -2, "ci_high": -1}], ["plain"], 5).rows
    assert line == {"variant": "plain", "slower": 2, "faster": 1, "neither": 1}


def by_model(n_rows: int, n_models: int = 2) -> list:
    contrasts = [{"arm": "A", "control": "vehicle", "estimate": -0.1}] * n_rows
    fits = [{"pdx_model": "P1", "contrasts": contrasts}, {"pdx_model": "P2"}]
    return _by_model(STUDY | {"input": {"models": n_models}, "mixed_models_by_model": fits})


def test_each_pdx_model_has_a_table_where_there_are_several_and_few_rows():
    heading, table = by_model(MOST_MODEL_ROWS)
    assert heading.text == "Within each PDX model" and len(table.rows) == MOST_MODEL_ROWS
    assert table.rows[0]["pdx_model"] == "P1"
    [paragraph] = by_model(MOST_MODEL_ROWS + 1)
    assert isinstance(paragraph, Paragraph) and "mixed_models_by_model of tables.xlsx" in paragraph.text
    assert by_model(1, n_models=1) == [] == by_model(0)


def test_an_arm_has_every_covariate_in_one_line():
    found = [
        {"covariate": name, "arms": [{"arm": arm, "n": 8, "mean": mean, "sd": 1} for arm in ("B", "A")]}
        for name, mean in (("log_volume", 150), ("weight", 21))
    ]
    table = arm_table(STUDY, found)
    assert [row["arm"] for row in table.rows] == ["A", "B"]
    assert (table.rows[0]["log_volume_mean"], table.rows[0]["weight_mean"], table.rows[0]["weight_n"]) == (
        150,
        21,
        8,
    )
    assert [column.key for column in table.columns] == [
        "arm", "log_volume_n", "log_volume_mean", "log_volume_sd", "weight_n", "weight_mean", "weight_sd",
    ]  # fmt: skip


def test_the_endpoint_of_a_curve_is_told_as_a_fold_or_a_volume():
    assert _endpoint({"endpoint": {"fold": 2.0}}).startswith(
        "The event is a tumor reaching 2 times its baseline, or"
    )
    told = _endpoint({"endpoint": {"volume_mm3": 1000.0}, "strata": "pdx_model"})
    assert "reaching 1000 mm³, or" in told and told.endswith("Comparisons are stratified by PDX model.")


def test_pdx_models_in_no_stratum_are_gathered_by_reason():
    found = [{"reason": "no vehicle", "pdx_model": f"P{n}"} for n in range(MOST_NAMED + 1)]
    heading, bullets = _excluded([*found, {"reason": "unknown status", "pdx_model": "Q"}])
    named = ", ".join(f"P{n}" for n in range(MOST_NAMED))
    assert heading.text == "In no stratum"
    assert bullets.items == [
        f"{MOST_NAMED + 1} PDX models ({named}, …): no vehicle.",
        "1 PDX model (Q): unknown status.",
    ]
    assert _excluded(found[:-1])[1].items == [f"{MOST_NAMED} PDX models ({named}): no vehicle."]
    assert _excluded([]) == []


def interactions(*claims: bool, **counts: int) -> dict:
    counts = counts or {"loss_of_function": 3, "wild_type": 5}
    found = [
        {"arm": f"D{place}", "estimate": -0.04, "ci_low": -0.06, "ci_high": -0.02, "p_value": 0.002, "claim": claim,
         "n_models": counts if not place else {"loss_of_function": 9, "wild_type": 9}}
        for place, claim in enumerate(claims)
    ]  # fmt: skip
    return STUDY | {"map2k4": {"interaction": found}}


def test_interactions_are_told_with_their_pdx_models_and_for_whom_a_difference_is_claimed():
    [told] = _difference_sentences(interactions(True, False))
    assert told.startswith(
        "MAP2K4 loss of function less wild type (3 and 5 PDX models), effect on growth per day"
    )
    assert told.endswith("below 0 is more effect in loss of function. A difference is claimed for D0 only.")
    assert _difference_sentences(interactions(True, True))[0].endswith(
        "A difference is claimed for D0 and D1."
    )
    assert _difference_sentences(interactions(False, False))[0].endswith("No difference is claimed.")
    [alone] = _difference_sentences(interactions(True, True, loss_of_function=1, wild_type=5))
    assert alone.endswith("With one PDX model in a status this is a case study.")


def test_five_interactions_are_counted_and_four_told():
    assert len(interaction_sentences(interactions(*[True] * MOST_ARMS_IN_WORDS))) == MOST_ARMS_IN_WORDS
    told = interaction_sentences(interactions(True, *[False] * MOST_ARMS_IN_WORDS))
    assert told == ["Of 5 arms tested for a difference by MAP2K4 status, one is claimed for D0."]
    told = interaction_sentences(interactions(*[False] * (MOST_ARMS_IN_WORDS + 1)))
    assert told == ["Of 5 arms tested for a difference by MAP2K4 status, one is claimed for none of them."]


def test_every_two_arms_of_a_day_stand_in_a_table_where_they_are_few():
    row = {"arm": "A", "control": "B", "estimate": 0.1, "ci_low": 0, "ci_high": 1, "df": 4, "p_adjusted": 0.1}

    def tables(n: int) -> list:
        tested = {"pdx_model": "P1", "day": 21, "games_howell": [row] * n}
        return pairs(STUDY | {"endpoint_tests": [tested, tested | {"games_howell": None}]})

    assert [len(table.rows) for table in tables(MOST_ROWS)] == [MOST_ROWS]
    assert tables(MOST_ROWS)[0].rows[0] == row | {"pdx_model": "P1", "day": 21}
    assert tables(0) == tables(MOST_ROWS + 1) == pairs(STUDY) == []


def test_a_combination_stands_against_its_parts_where_the_analysis_gave_them():
    part = {
        "map2k4_status": "wild_type", "arm": "A+B", "control": "A", "question": True, "inhibits": "MEK",
        "n_models": 3, "estimate": -0.04, "ci_low": -0.06, "ci_high": -0.02, "p_value": 0.002,
    }  # fmt: skip
    heading, bullets, table = against_parts(STUDY | {"map2k4": {"combination_against_parts": [part]}})
    assert heading.text == "Against its parts, by MAP2K4 status" and len(bullets.items) == 1
    assert "The question: the combination against the MEK inhibitor alone." in table.note
    assert against_parts(STUDY) == against_parts(STUDY | {"map2k4": {}}) == []


def test_an_assumption_s_interval_is_told_and_its_p_where_there_is_none():
    row = {"estimate": -0.04, "ci_low": -0.06, "ci_high": -0.02, "p_value": 0.002}
    assert [_excludes_zero(row | ends) for ends in ({}, {"ci_high": 0.0}, {"ci_low": 0.0, "ci_high": 1})] == [
        True,
        False,
        False,
    ]
    assert _told(row).endswith(")") and "p =" not in _told(row)
    assert _told(row | {"ci_low": None}).endswith("p = 0.002") and "(" not in _told(row | {"ci_low": None})
    assert _told(row | {"ci_low": None, "p_value": None}) == _told(row).split(" ")[0]
