"""What the sections tell: counts that add up, plans held against what ran, nothing claimed past its interval."""

import pytest

from studies.reports import words
from studies.reports.blocks import Facts, Paragraph, Table
from studies.reports.build import report_sections
from studies.reports.sections import (
    arrive,
    flow,
    growth,
    map2k4,
    multiplicity,
    planned,
    quality,
    sensitivity,
    survival,
    weight,
)
from studies.reports.sections.combination import conclusion, question_sentence
from studies.reports.sections.study import COLUMNS

ORDER = [
    "summary", "identity", "design", "flow", "baseline", "quality", "growth", "mixed-model", "tgi", "combination",
    "map2k4", "responses", "survival", "weight", "sensitivity", "multiplicity", "planned", "arrive", "methods",
    "notes", "glossary",
]  # fmt: skip
PART = {
    "map2k4_status": "wild_type", "arm": "A+B", "control": "A", "n_models": 3, "estimate": -0.04, "ci_low": -0.06,
    "ci_high": -0.02, "p_value": 0.002,
}  # fmt: skip


@pytest.fixture(scope="module")
def sections(analyzed):
    return {section.id: section for section in report_sections(analyzed)}


def tables(section):
    return [block for block in section.blocks if isinstance(block, Table)]


def facts(section):
    return dict(pair for block in section.blocks if isinstance(block, Facts) for pair in block.pairs)


def test_ranks_with_culled_mice_stand_where_a_mouse_was_culled(analyzed):
    study = analyzed.document
    row = {
        "arm": "A", "control": "vehicle", "n": 8, "n_culled": 0, "n_control": 8, "n_culled_control": 3, "better": 0.9,
        "p_value": 0.01, "p_adjusted": 0.02, "arrangements": 12_870, "smallest_p": 0.00016,
    }  # fmt: skip
    tested = [{**study["endpoint_tests"][0], "worst_rank": [row]}]
    [table] = growth.ranked_with_culls({**study, "endpoint_tests": tested})
    assert table.rows[0]["n_culled_control"] == 3
    nobody = [{**tested[0], "worst_rank": [{**row, "n_culled_control": 0}]}]
    assert growth.ranked_with_culls({**study, "endpoint_tests": nobody}) == []


def test_what_a_one_mouse_arm_leaves_out_is_told_by_its_name(analyzed):
    """The log-rank by exchange and Firth's ratios stay: neither may stand under a sentence that denies it."""
    exchanged = {"arm": "A", "control": "vehicle", "p_value": 0.17, "arrangements": 9, "smallest_p": 0.11}
    ratio = {"arm": "A", "hazard_ratio": 0.4, "ci_low": 0.1, "ci_high": 2.0, "p_value": 0.3, "note": None}
    row = {
        "scope": "study", "n": {"vehicle": 8, "A": 1}, "logrank": {"p_value": 0.02, "df": 1, "chisq": 5},
        "cox_reason": "one arm is one mouse", "exact_logrank": [exchanged], "firth": [ratio],
    }  # fmt: skip
    blocks = survival._blocks_of(analyzed.document, row)
    told = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert told == [
        "An arm of one mouse: its time is told, and no test over all arms is shown.",
        "No hazard ratios of Cox's model: one arm is one mouse.",
    ]
    assert [table.rows for table in blocks if isinstance(table, Table)][1:] == [[exchanged], [ratio]]


def test_a_median_that_was_not_reached_is_told_with_the_mice_followed_to_its_bound(analyzed):
    row = {
        "scope": "study", "n": {"vehicle": 8, "A": 7}, "events": {"vehicle": 8, "A": 1}, "medians": {"vehicle": 15.0},
        "median_lower_bounds": {"A": 262.0}, "median_lower_bound_mice": {"A": 3},
    }  # fmt: skip
    table = next(block for block in survival._blocks_of(analyzed.document, row) if isinstance(block, Table))
    by_title = {column.title: column for column in table.columns}
    told = {
        line["arm"]: (by_title["Beyond, days"].value(line), by_title["Mice followed then"].value(line))
        for line in table.rows
    }
    assert told == {"vehicle": (None, None), "A": (262.0, 3)}


def test_sections_stand_in_the_order_of_the_contract(sections):
    assert list(sections) == ORDER


def test_every_arm_s_mice_are_counted_into_each_analysis(analyzed):
    study = analyzed.document
    for row in study["flow"]:
        assert row["n_mice"] == 8 == row["n_no_exit"] + sum(exit["n"] for exit in row["exits"])
        assert row["analyzed"] == {"response": 8, "TGI": 8, "mixed model": 8, "time to event": 8}
    table = flow.arm_flow(study)
    assert [row["arm"] for row in table.rows] == ["vehicle", "A", "B", "A+B"]
    assert [column.title for column in table.columns][-2:] == ["In mixed model", "In time to event"]


def test_baseline_differences_are_those_of_the_mice_and_have_no_p(analyzed, sections):
    volume = next(row for row in analyzed.document["baseline"] if row["covariate"] == "log_volume")
    v0 = [row["baseline_mm3"] for row in analyzed.document["growth"] if row["arm"] == "A"]
    own = next(arm for arm in volume["arms"] if arm["arm"] == "A")
    assert own["mean"] == pytest.approx(sum(v0) / len(v0)) and own["n"] == len(v0)
    assert not any(column.kind == "p" for table in tables(sections["baseline"]) for column in table.columns)


def test_a_file_is_said_to_tell_neither_plan_nor_animals(analyzed, sections):
    warning = next(block for block in sections["planned"].blocks if isinstance(block, Paragraph))
    assert warning.tone == "warning" and "exploratory" in warning.text
    told = {row["item"]: row["told"] for row in arrive.items(analyzed.document)}
    assert len(told) == 10 and told["8 Experimental animals"] == arrive.UNTOLD
    assert "32 mice in all" in told["2 Sample size"]
    assert facts(sections["identity"])["Data SHA-256"] == analyzed.document["input"]["table_sha256"]


def with_plan(analyzed, used=(), **locked):
    plan = {**analyzed.document["plan"], **dict(used)}
    told = {
        "version": 1,
        "locked_version": 1,
        "locked_at": "2026-01-01 09:00 UTC",
        "later": [],
        "planned": locked,
    }
    return {**analyzed.document, "plan": plan, "record": {"plan": told, "amendments": []}}


def test_a_setting_that_differs_from_the_locked_plan_is_post_hoc(analyzed):
    study = with_plan(analyzed, {"alpha": {"value": 0.1, "from": "given"}}, alpha=0.05, control="vehicle")
    standing = {row["key"]: row["status"] for row in planned.compared(study)}
    assert standing["alpha"] == "post hoc: changed" and standing["control"] == "as planned"
    texts = [
        block.text for block in planned.section(study, analyzed.table).blocks if isinstance(block, Paragraph)
    ]
    assert "Post hoc: alpha." in texts


def test_a_plan_kept_is_called_kept(analyzed):
    day = analyzed.document["plan"]["day"]["value"]
    study = with_plan(analyzed, day=int(day), control="vehicle")
    assert not [row for row in planned.compared(study) if row["status"].startswith("post hoc")
                and row["key"] in ("day", "control")]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.06, -0.02, "grew slower"),
        (0.01, 0.05, "grew faster"),
        (-0.06, 0.01, "no difference from A alone is shown"),
    ],
)
def test_the_question_is_answered_as_far_as_its_interval_goes(analyzed, low, high, said):
    assert said in question_sentence({**PART, "ci_low": low, "ci_high": high}, analyzed.document)


def test_one_pdx_model_is_a_case_study(analyzed):
    assert question_sentence({**PART, "n_models": 1}, analyzed.document).endswith(
        "One PDX model: a case study."
    )
    assert "case study" not in question_sentence(PART, analyzed.document)


def test_a_conclusion_names_its_stratum_its_null_and_that_it_explores():
    row = {"arm": "A+B", "stratum": "wild type", "null_told": "Bliss", "conclusion": "additive not excluded",
           "p_value": 0.13, "exploratory": True}  # fmt: skip
    assert conclusion(row) == "A+B, wild type, Bliss: additive not excluded (p = 0.13), exploratory."


def test_sensitivity_has_a_row_an_assumption_and_a_reason_for_each_not_made(analyzed):
    section = sensitivity.section(analyzed.document, analyzed.table)
    made, left = tables(section)
    rows = analyzed.document["sensitivity"]
    assert {row["variant"] for row in made.rows} == {
        words.spoken(row["variant"]) for row in rows if row.get("estimate") is not None
    }
    assert {row["variant"] for row in left.rows} | {row["variant"] for row in made.rows} == {
        words.spoken(row["variant"]) for row in rows
    }
    primary = next(row for row in rows if row["variant"] == "primary" and row["arm"] == "A")
    shown = next(row for row in made.rows if row["variant"] == "primary")["A"]
    ends = words.interval(primary["ci_low"], primary["ci_high"], "estimate")
    assert shown == f"{words.significant(primary['estimate'])} ({ends})"


def test_families_are_shown_whole(analyzed):
    [table] = tables(multiplicity.section(analyzed.document, analyzed.table))
    assert table.rows == analyzed.document["families"]


def test_a_cap_that_was_passed_is_told(analyzed):
    quality_of = {"remeasure_cv_percent": 4.2, "n_remeasured": 3, "missed_by_day": [], "n_visits_due": 10,
                  "n_visits_missed": 0, "largest_volume_mm3": 1600.0, "n_confirmed_warnings": 1, "n_corrected": 2,
                  "n_void": 0}  # fmt: skip
    study = {**analyzed.document, "record": {"quality": quality_of, "limits": {"volume_cap_mm3": 1500.0}}}
    told = dict(quality.recorded(study))
    assert (
        told["Largest tumor"].endswith("was exceeded") and "CV of one volume 4.2 %" in told["Measured twice"]
    )


def test_every_kind_of_column_can_be_written():
    assert {kind for _, kind in COLUMNS.values()} <= set(words.KINDS)


def table_of(section, *titles):
    return next(
        table
        for table in tables(section)
        if [column.title for column in table.columns][: len(titles)] == list(titles)
    )


def test_the_tables_of_the_contract_s_smaller_print_hold_what_was_computed(analyzed, sections):
    """Ratios with both intervals, every two arms on a day, covariates, time to a loss, a forest an arm."""
    study = analyzed.document
    ratio = next(row for row in table_of(sections["growth"], "Arm", "T/C, %").rows if row["arm"] == "A")
    [own] = [row for row in study["growth_comparison"] if row["arm"] == "A"]
    assert ratio["aauc_ratio_bootstrap_low"] == own["aauc_ratio_bootstrap_low"] is not None
    two = [row for tested in study["endpoint_tests"] for row in tested["games_howell"] or []]
    assert two and len(table_of(sections["growth"], "PDX model", "Arm", "Against").rows) == len(two)
    forests = [
        block.id
        for block in sections["map2k4"].blocks
        if getattr(block, "id", "").startswith("map2k4-models")
    ]
    assert forests == ["map2k4-models-1", "map2k4-models-2", "map2k4-models-3"]


def test_hazard_ratios_between_statuses_are_shown_and_make_no_claim(analyzed):
    line = {"arm": "A", "hazard_ratio_ratio": 0.4, "ci_low": 0.1, "ci_high": 1.6, "p_value": 0.2}
    [table] = survival.between_statuses(analyzed.document, [{"scope": "study", "cox_by_status": [line]}])
    assert table.rows == [line] and "no claim" in table.note
    assert survival.between_statuses(analyzed.document, [{"scope": "study", "cox_by_status": []}]) == []


def test_covariates_of_pdx_models_are_told_with_the_adjusted_difference(analyzed):
    adjusted = {"covariate": "tissue", "estimate": -0.03, "se": 0.01, "df": 2, "n_models": {"wild_type": 2}}
    found = {
        "covariates": [{"covariate": "tissue", "confounded": True, "note": None}],
        "model_level": [{"arm": "A", "adjusted": [adjusted]}],
    }
    _, bullets, table = map2k4.covariates(analyzed.document, found)
    assert list(bullets.items) == ["tissue: goes with status altogether"]
    assert table.rows[0]["estimate"] == -0.03
    assert map2k4.covariates(analyzed.document, {}) == []


def test_time_to_a_loss_of_weight_is_told_once_a_mouse_came_to_it(analyzed):
    found = {"loss_percent": 15.0, "n": {"A": 8}, "events": {"A": 2}, "logrank": {"p_value": 0.03},
             "incidence": [{"arm": "A", "cause": "event", "day": 20.0, "percent": 25.0, "ci_low": 2,
                            "ci_high": 60}]}  # fmt: skip
    [table] = weight.loss_times({**analyzed.document, "weight_times": [found]})
    assert table.rows[0]["percent"] == 25.0 and table.rows[0]["p_value"] == 0.03
    assert weight.loss_times({**analyzed.document, "weight_times": [found | {"events": {"A": 0}}]}) == []
