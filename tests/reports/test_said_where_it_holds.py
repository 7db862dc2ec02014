"""Small rows of results in, sentences and tables out: what stands there, and only where there is something to tell."""

import pandas as pd
import pytest

from studies.reports.blocks import Heading, Paragraph, Table
from studies.reports.sections import (
    arrive,
    combination,
    flow,
    identity,
    map2k4,
    methods,
    mixed_model,
    planned,
    quality,
    responses,
    sensitivity,
    summary,
    survival,
    tgi,
    welfare,
)
from studies.reports.sheets import sheets_of
from studies.reports.table_facts import baseline, data_quality

STUDY = {
    "study": "PILOT-1",
    "plan": {key: {"value": value, "from": "default"} for key, value in {
        "alpha": 0.05, "control": "vehicle", "day": 21.0, "expected_sign": {}, "lod_mm3": 13.5,
        "volume_formula": "half_lw2",
    }.items()},
    "arms": [{"arm": name, "control": None if name == "vehicle" else "vehicle", "role": "vehicle" if name == "vehicle"
              else "single_agent", "n_mice": 8, "n_models": 2, "n_by_day": []} for name in ("vehicle", "A", "B")],
    "input": {"models": 2, "mice": 24, "rows": 168, "file": "pilot.csv", "sha256": "0", "table_sha256": "1"},
    "versions": {"python": "3.11"},
    "notes": [],
}  # fmt: skip


def planned_with(**values) -> dict:
    return STUDY | {
        "plan": STUDY["plan"] | {key: {"value": value, "from": "given"} for key, value in values.items()}
    }


def texts(blocks: list) -> list[str]:
    return [block.text for block in blocks if isinstance(block, (Heading, Paragraph))]


def titles(table: Table) -> list[str]:
    return [column.title for column in table.columns]


def test_the_summary_counts_mice_pdx_models_and_treated_arms():
    assert summary.scope(STUDY) == (
        "24 mice of 2 PDX models, 2 treated arms and the control vehicle; 168 readings in pilot.csv."
    )


def test_bends_of_the_curves_are_told_where_there_are_any():
    effects = [{"arm": "A", "ci_high": -0.1}, {"arm": "B", "ci_high": 0.0}]
    found = {"bends": True, "p_value": 0.002, "estimand": "egait", "effects": effects}
    [told] = summary._bend_sentence({"mixed_model": {"curvature": found}})
    assert told.startswith("The curves bend on the log scale (p = 0.002)") and told.endswith(
        "shown for A only."
    )
    for without in ({"bends": False}, {"effects": []}):
        assert summary._bend_sentence({"mixed_model": {"curvature": found | without}}) == []


def test_the_rates_at_a_glance_are_those_over_all_pdx_models():
    rates = [
        {"arm": "A", "scope": scope, "orr_percent": percent}
        for scope, percent in (("study", 25), ("map2k4", 50))
    ]
    table = summary.headline_table(STUDY | {"response_rates": rates})
    assert {row["arm"]: row.get("orr_percent") for row in table.rows} == {"vehicle": None, "A": 25, "B": None}
    assert "TGI model %" not in titles(table)


def test_what_was_signed_is_shown_and_no_table_of_nothing():
    record = {"title": "Pilot", "protocol_number": "", "plan": None, "director": "", "state": "archived",
              "blinding": "open", "signatures": [{"act": "lock_data"}]}  # fmt: skip
    facts, heading, table = identity.section(STUDY | {"record": record}, pd.DataFrame()).blocks
    assert heading.text == "Signatures" and table.rows == [{"act": "lock_data"}]
    assert dict(facts.pairs)["Day of comparison"].startswith("day 21, by the rule")
    [facts] = identity.section(
        planned_with(day=None) | {"record": record | {"signatures": []}}, pd.DataFrame()
    ).blocks
    assert dict(facts.pairs)["Day of comparison"] == "none"


@pytest.fixture
def forest(monkeypatch):
    """The lines and limits that the forest of the effects by PDX model is drawn from."""
    monkeypatch.setattr(map2k4, "forest", lambda lines, label, marks, limits, **look: (lines, limits))
    effects = [
        {"pdx_model": name, "effect": effect, "se": se, "n": 4, "n_control": 4, "map2k4_status": status}
        for name, effect, se, status in (
            ("P1", -0.02, 0.01, "wild_type"), ("P2", -0.04, None, "wild_type"), ("P3", -0.05, 0.01, "loss_of_function"),
            ("P4", -0.08, 0.02, "loss_of_function"),
        )
    ]  # fmt: skip
    return map2k4.model_forest(STUDY, {"arm": "A", "control": "vehicle", "effects": effects}).draw()


def test_each_pdx_model_stands_with_one_standard_error_to_either_side(forest):
    lines, _ = forest
    by_label = {line.label: line for line in lines}
    assert (by_label["P1"].low, by_label["P1"].high) == pytest.approx((-0.03, -0.01))
    assert (by_label["P2"].low, by_label["P2"].high) == (None, None)


def test_the_first_pdx_model_of_a_status_bears_its_heading(forest):
    lines, _ = forest
    assert [bool(line.heading) for line in lines] == [True, False, True, False]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_forest_reaches_from_0_to_its_furthest_end_with_some_room(monkeypatch, sign):
    monkeypatch.setattr(map2k4, "forest", lambda lines, label, marks, limits, **look: limits)
    effect = {"pdx_model": "P1", "effect": sign * 0.08, "se": 0.02, "map2k4_status": "wild_type"}
    drawn = map2k4.model_forest(STUDY, {"arm": "A", "control": "vehicle", "effects": [effect]}).draw()
    assert drawn == pytest.approx(sorted((sign * -0.015, sign * 0.115)))


def test_pdx_models_have_a_forest_an_arm_where_they_are_few():
    part = {"arm": "A", "control": "vehicle", "effects": [{"pdx_model": "P1", "effect": -0.1, "se": None, "n": 1,
            "n_control": 1, "map2k4_status": "wild_type"}]}  # fmt: skip
    assert [getattr(block, "id", "") for block in map2k4.model_level(STUDY, [part])] == [
        "",
        "map2k4-models-1",
    ]
    many = part | {"effects": part["effects"] * (map2k4.MOST_MODELS_DRAWN + 1)}
    for parts in ([many], [part] * (map2k4.MOST_FORESTS + 1)):
        assert "map2k4_effects of tables.xlsx" in texts(map2k4.model_level(STUDY, parts))[1]


def test_the_direction_declared_is_told_by_arm():
    assert map2k4._expected(STUDY) == "none"
    assert map2k4._expected(planned_with(expected_sign={"A": "more_in_loss", "B": "none"})) == (
        "A: more in loss; B: none"
    )


CHECKED = {"n_rows": 168, "n_mice": 24, "n_models": 2, "loglik": -12.5, "sigma": 0.21, "is_singular": False}


def test_the_cap_on_degrees_of_freedom_is_told_where_there_is_one():
    assert dict(mixed_model._checks(CHECKED)) == {
        "Readings, mice, PDX models": "168, 24, 2", "REML log-likelihood": "\N{MINUS SIGN}12.5000",
        "Residual SD, ln volume": "0.210", "Fit": "not singular", "Readings beyond 3 SD": "0",
    }  # fmt: skip
    more = dict(mixed_model._checks(CHECKED | {"df_cap": 21.0, "n_far_off": 3}))
    assert (more["Largest df allowed"], more["Readings beyond 3 SD"]) == ("21", "3")


def test_mice_without_a_distance_are_counted_below_those_that_have_one():
    mice = [
        {"mouse": f"M{n}", "cooks_distance": distance} for n, distance in enumerate((0.9, None, None, 0.2))
    ]
    [table] = mixed_model._influence({"mice": mice, "n_above": 1, "threshold": 0.16})
    assert [row["mouse"] for row in table.rows] == ["M0", "M3"]
    assert table.note.startswith(
        "1 mouse lies above 4/n = 0.160. None is left out for it. 2 mice have no distance"
    )


def test_a_fit_without_contrasts_shows_no_table_of_them():
    fit = {"formula": "log(v) ~ day", "df_method": "satterthwaite", "contrasts": None}
    blocks = mixed_model.section(STUDY | {"mixed_model": fit}, pd.DataFrame()).blocks
    assert not [block for block in blocks if isinstance(block, Table)]
    row = {"arm": "A", "control": "vehicle", "estimate": -0.1, "tgi_percent": None}
    *_, table = mixed_model.section(
        STUDY | {"mixed_model": fit | {"contrasts": [row]}}, pd.DataFrame()
    ).blocks
    assert table.rows == [row]


def test_methods_name_the_day_and_the_tests_that_were_made():
    assert "inhibition at day 21. TGI" in methods._tgi(STUDY)
    assert "inhibition at no day (no day had enough mice). TGI" in methods._tgi(planned_with(day=None))
    for exact in ([], [{"p_value": 0.1}]):
        told = methods._survival({"survival": [{"scope": "study", "exact_logrank": exact}]})
        assert ("by exchanging the mice's arms" in told) == bool(exact)
    assert "against the better part (intersection-union test, one-sided)." in methods._combination(
        {"synergy": [{"null": "hsa"}]}
    )


def test_authors_are_left_to_say_what_no_record_tells():
    record = {"enrollment": {"min_mm3": 100, "max_mm3": 200}, "exclusions": [], "arms": None}
    assert arrive._criteria(STUDY) == arrive._procedures(STUDY) == arrive.UNTOLD
    assert arrive._criteria({"record": record}) == "enrolled from 100 to 200 mm³; no mouse excluded after"
    assert arrive._procedures({"record": record}) == "treatments withheld while arms go by letters"
    treated = [{"arm": "A", "treatment": ["HRX 10 mg/kg", "MEK"]}, {"arm": "vehicle", "treatment": []}]
    assert arrive._procedures({"record": record | {"arms": treated}}) == "A: HRX 10 mg/kg; MEK"


def tgi_rows(*statuses: str | None) -> list[dict]:
    return [{"arm": "A", "map2k4_status": status, "method": "delta", "percent": 50.0, "ci_low": 40.0, "ci_high": 60.0,
             "n": 7, "n_baseline": 8} for status in statuses]  # fmt: skip


def test_tgi_has_a_column_of_strata_where_there_are_some():
    assert "MAP2K4" not in titles(tgi.method_table(STUDY, tgi_rows(None)))
    table = tgi.method_table(STUDY, tgi_rows(None, "wild_type"))
    assert "MAP2K4" in titles(table) and [row["stratum"] for row in table.rows] == ["all", "wild type"]


def test_a_locked_plan_is_said_plainly_and_none_is_a_warning():
    locked = {
        "version": 1,
        "locked_version": 1,
        "locked_at": "2026-01-01 09:00 UTC",
        "planned": {"alpha": 0.05},
    }
    tones = [
        planned.section(STUDY | {"record": {"plan": plan, "amendments": []}}, pd.DataFrame()).blocks[0].tone
        for plan in (locked, None)
    ]
    assert tones == ["plain", "warning"]


@pytest.mark.parametrize(("n", "more"), [(12, []), (13, ["and 1 more, in the section on multiplicity"])])
def test_twelve_explored_questions_are_listed_and_the_others_counted(n, more):
    row = {"arm": "A", "control": "vehicle", "question": "slope", "gate": "open", "exploratory": True}
    _, bullets = planned.exploring({"families": [row] * n + [row | {"exploratory": False}]})
    assert list(bullets.items) == ["A against vehicle: slope (open)"] * 12 + more


def test_settings_are_told_in_words_and_long_ones_counted():
    assert planned.spoken(list("abcdefgh")) == "a, b, c, d, e, f, g, h"
    assert planned.spoken(list("abcdefghi")) == "9 entries, see analysis.json"
    assert planned._spoken("roles", {"drug_A": "single_agent"}) == "drug_A: single agent"
    assert planned._spoken("sample_size", {"source": "PDX_01"}) == "source: PDX_01"


EVENTS = {
    "scope": "study", "map2k4_status": None, "endpoint": {"fold": 4.0}, "n": {"vehicle": 2, "A": 8},
    "events": {"vehicle": 2, "A": 3}, "logrank": {"p_value": 0.02, "df": 1, "chisq": 5.0},
}  # fmt: skip
STRATUM = EVENTS | {"scope": "map2k4", "map2k4_status": "wild_type"}
ONE_MODEL = EVENTS | {"scope": "pdx_model", "pdx_model": "P1"}
SHEET = "Each PDX model alone is in the sheet survival of tables.xlsx."


def of_survival(*rows: dict, models: int = 2) -> list:
    study = STUDY | {
        "input": STUDY["input"] | {"models": models},
        "survival": list(rows),
        "times_to_event": [],
    }
    return survival.section(study, pd.DataFrame()).blocks


def test_strata_have_headings_where_there_are_several():
    assert [block.text for block in of_survival(EVENTS) if isinstance(block, Heading)] == []
    assert [block.text for block in of_survival(EVENTS, STRATUM) if isinstance(block, Heading)] == [
        "All PDX models", "MAP2K4 wild type",
    ]  # fmt: skip


def test_the_sheet_of_pdx_models_is_named_where_they_are_left_out():
    assert SHEET in texts(of_survival(EVENTS, *[ONE_MODEL] * (survival.MOST_MODELS + 1)))
    assert SHEET not in texts(of_survival(EVENTS, ONE_MODEL))
    assert SHEET not in texts(of_survival(EVENTS, ONE_MODEL, models=1))


def test_a_log_rank_test_is_told_from_two_mice_an_arm_on_or_why_there_is_none():
    assert any(text.startswith("Log-rank test over all arms") for text in texts(of_survival(EVENTS)))
    without = EVENTS | {"logrank": {"p_value": None, "reason": "no arm has an event"}}
    told = texts(of_survival(without))
    assert "No log-rank test: no arm has an event." in told and not any(
        "over all arms:" in text for text in told
    )


def test_restricted_means_stand_where_they_were_computed():
    means = [{"arm": "A", "tau": 21.0, "rmst_days": 18.0, "se": 1.2}]
    assert [
        table.rows for table in survival._restricted_means(STUDY, EVENTS | {"restricted_means": means})
    ] == [means]
    assert survival._restricted_means(STUDY, EVENTS) == []


@pytest.mark.parametrize(("reason", "notes"), [(None, []), ("no event", ["Note"])])
def test_other_endpoints_have_their_p_and_a_note_where_one_has_none(reason, notes):
    found = {"endpoint": "doubling", "logrank": {"p_value": 0.04}, "reason": None, "medians": {"A": 12.0}}
    other = found | {"logrank": None, "reason": reason}
    _, table = survival.endpoints(STUDY | {"survival_endpoints": [found, other]})
    assert [row["p_value"] for row in table.rows] == [0.04, None]
    assert titles(table)[4:] == ["p, log-rank", *notes]


def test_no_alert_is_said_and_alerts_are_counted_in_a_table():
    row = {"arm": "A", "rule": "volume", "level": "red", "n": 2, "n_mice": 1}
    for alerts in ([], [row]):
        blocks = welfare.section(
            STUDY | {"record": {"welfare": alerts, "limits": None}}, pd.DataFrame()
        ).blocks
        assert texts(blocks) == ([] if alerts else ["No alert was raised."])
        assert [table.rows[0]["n"] for table in blocks if isinstance(table, Table)] == [2] * len(alerts)


def test_emergency_unblindings_are_named_once_arms_are_open():
    row = {"mouse": "M001", "arm": "A"}
    assert texts(quality.reveals({"n": 0, "rows": []})) == ["No mouse was unblinded in an emergency."]
    assert texts(quality.reveals({"n": 1, "rows": []}))[0].startswith("1 emergency unblinding took place")
    assert quality.reveals({"n": 1, "rows": [row]})[0].rows == [row]


@pytest.mark.parametrize(("reason", "columns"), [("", 8), ("one reading alone", 9)])
def test_why_a_mouse_is_not_evaluable_has_a_column_where_one_is_not(reason, columns):
    found = {"mouse": "M1", "arm": "A", "category": "NE", "reason": reason}
    _, table = responses.each_mouse(STUDY | {"responses": [found, found | {"reason": None}]})
    assert len(table.columns) == columns and ("Why not evaluable" in titles(table)) == bool(reason)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.06, -0.01, "grew slower"),
        (-0.06, 0.0, "no difference"),
        (0.0, 0.05, "no difference"),
        (0.01, 0.05, "faster"),
    ],
)
def test_an_interval_that_touches_0_answers_nothing(low, high, said):
    row = {"map2k4_status": "wild_type", "arm": "A+B", "control": "A", "n_models": 3, "estimate": -0.02, "ci_low": low,
           "ci_high": high, "p_value": 0.05}  # fmt: skip
    assert said in combination.question_sentence(row, STUDY)


def test_days_shown_are_every_second_of_twenty_with_day_0_and_the_day_of_comparison():
    days = [-3.0, *map(float, range(0, 36, 2)), 21.0]
    arm = STUDY["arms"][0] | {"n_by_day": [{"day": day, "n": 8} for day in days]}
    shown = flow._chosen_days(STUDY | {"arms": [arm]})
    assert (
        len(days) == 20
        and set(sorted(days)[::2]) | {0.0, 21.0} == set(shown)
        and 0.0 not in sorted(days)[::2]
    )


def test_the_others_that_agree_with_the_primary_are_counted_without_it():
    rows = [{"arm": "A", "variant": name, "ci_low": low, "ci_high": high}
            for name, low, high in (("primary", -2, -1), ("x", -3, -1), ("y", -1, 1), ("z", None, None))]  # fmt: skip
    assert sensitivity._agreement(rows, ["A", "B"]) == (
        "A: the primary interval excludes 0, and so do 1 of 2 others."
    )
    assert sensitivity._agreement(rows, ["B"]).startswith("The primary result has no interval")


def test_the_workbook_has_each_contrast_with_its_pdx_model_and_each_stratum_with_its_test():
    study = STUDY | {
        "mixed_models_by_model": [
            {"pdx_model": "P1", "contrasts": [{"arm": "A"}, {"arm": "B"}]},
            {"pdx_model": "P2"},
        ],
        "weight_model": {"contrasts": [{"arm": "A", "estimate": -0.3}]},
        "survival": [EVENTS | {"medians": {"A": 21.0}, "cox": [{"arm": "A", "hazard_ratio": 0.4}]}],
    }
    sheets = sheets_of(study)
    assert sheets["mixed_models_by_model"] == [
        {"pdx_model": "P1", "arm": "A"},
        {"pdx_model": "P1", "arm": "B"},
    ]
    assert sheets["weight_model"] == [{"arm": "A", "estimate": -0.3}]
    tested = {
        "scope": "study",
        "map2k4_status": None,
        "logrank_p_value": 0.02,
        "logrank_df": 1,
        "logrank_chisq": 5.0,
        "median_beyond_day": None,
        "mice_followed_then": None,
    }
    assert sheets["survival"] == [
        tested | {"arm": "vehicle", "n": 2, "events": 2, "median_days": None},
        tested | {"arm": "A", "n": 8, "events": 3, "median_days": 21.0, "hazard_ratio": 0.4},
    ]


def readings(**columns) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    plain = {"arm": ["A"] * n, "mouse": ["M1"] * n, "status": ["measured"] * n, "operator": [""] * n,
             "weight_g": [None] * n}  # fmt: skip
    return pd.DataFrame(plain | columns)


def test_a_volume_at_the_limit_of_detection_is_not_below_it():
    [row] = data_quality(STUDY, readings(volume_mm3=[13.4, 13.5, 13.6, None]))["by_arm"]
    assert (row["n_readings"], row["n_below_lod"], row["percent_below_lod"]) == (3, 1, pytest.approx(100 / 3))


def test_the_weight_at_baseline_is_the_last_up_to_day_0():
    table = pd.DataFrame(
        [
            (f"M{mouse}", day, weight + mouse)
            for mouse in range(4)
            for day, weight in ((-3, 20.0), (0, 22.0), (7, 30.0))
        ],
        columns=["mouse", "day", "weight_g"],
    )
    growth = [
        {"mouse": f"M{mouse}", "arm": "AB"[mouse % 2], "baseline_mm3": 150.0 + mouse} for mouse in range(4)
    ]
    of_arms = {"growth": growth, "arms": [{"arm": "A"}, {"arm": "B"}]}
    found = {row["covariate"]: row for row in baseline(of_arms, table)}
    assert [(arm["arm"], arm["mean"]) for arm in found["weight"]["arms"]] == [("A", 23.0), ("B", 24.0)]
    assert all("values" not in arm and arm["n"] == 2 for row in found.values() for arm in row["arms"])
    assert [row["covariate"] for row in baseline(of_arms, table[table["mouse"] != "M0"])] == ["log_volume"]
