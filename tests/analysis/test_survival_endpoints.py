"""Other endpoints than the plan's: a multiple, a volume, the humane endpoint, overall survival, each by its exits."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis import normalize_table
from studies.analysis.plan import resolve_plan
from studies.analysis.survival import time_to_event, time_to_exit
from studies.analysis.survival_rows import endpoint_rows, interval_rows, survival_rows
from tests.analysis.builders import curve, exponential, together

DAYS = [0, 7, 14, 21]
HUMANE = ("tumor_size", "ulceration", "body_weight", "clinical_signs", "treatment_toxicity")


def left(reasons: dict[str, str]) -> pd.DataFrame:
    """A mouse a reason, all growing at 0.1 a day from 200 mm3: doubled at day 6.9, 1000 mm3 at day 16.1."""
    return together(*(
        curve(mouse, "vehicle" if number % 2 else "drug", exponential(0.1, DAYS), exit_reason=reason)
        for number, (mouse, reason) in enumerate(reasons.items())
    ))  # fmt: skip


@pytest.mark.parametrize("reason", [*HUMANE, "found_dead", "scheduled_end", "accident", "sampled", ""])
def test_which_exits_are_a_humane_endpoint_and_which_a_death(reason):
    table = left({"m": reason, "n": ""})
    humane = time_to_exit(table).set_index("mouse").loc["m"]
    survival = time_to_exit(table, found_dead=True).set_index("mouse").loc["m"]
    assert humane["event"] == int(reason in HUMANE)
    assert survival["event"] == int(reason in (*HUMANE, "found_dead"))
    assert humane["time"] == 21
    assert humane["cause"] == (reason if reason in HUMANE else "censored")


def test_every_endpoint_has_its_medians_and_test():
    """Days by hand: ln 2 / 0.1, ln 4 / 0.1, ln 5 / 0.1; 1500 mm3 is at ln 7.5 / 0.1 = 20.1."""
    table = left({f"m{number}": "body_weight" if number < 3 else "" for number in range(6)})
    plan = resolve_plan(normalize_table(table), {"control": "vehicle"})
    rows = {row["endpoint"]: row for row in endpoint_rows(normalize_table(table).frame, plan)}
    folds = {"doubling": 2, "quadrupling": 4, "volume 1000 mm3": 5, "volume 1500 mm3": 7.5}
    for name, fold in folds.items():
        assert rows[name]["medians"]["vehicle"] == pytest.approx(np.log(fold) / 0.1)
    assert rows["humane endpoint"]["events"] == {"vehicle": 1, "drug": 2}
    assert rows["overall survival"]["median_lower_bounds"] == {"vehicle": 21}
    assert {row["control"] for row in rows.values()} == {"vehicle"}


def test_beside_the_day_a_median_lies_beyond_stand_the_mice_followed_then():
    """Of five mice of the drug two leave for other reasons after day 7 and one after day 14: two are left on day 21."""
    slow = [
        curve(f"d{number}", "drug", exponential(0.01, DAYS[:visits]))
        for number, visits in enumerate((2, 2, 3, 4, 4))
    ]
    fast = [curve(f"v{number}", "vehicle", exponential(0.1, DAYS)) for number in range(3)]
    row = compared(together(*slow, *fast))
    assert row["medians"]["drug"] is None and row["medians"]["vehicle"] is not None
    assert row["median_lower_bounds"] == {"drug": 21}
    assert row["median_lower_bound_mice"] == {"drug": 2}


def test_without_an_exit_there_is_no_test_and_a_reason():
    table = left({f"m{number}": "" for number in range(4)})
    plan = resolve_plan(normalize_table(table), {"control": "vehicle"})
    rows = {row["endpoint"]: row for row in endpoint_rows(normalize_table(table).frame, plan)}
    assert rows["humane endpoint"]["logrank"]["p_value"] is None
    assert "no mouse had the event" in rows["humane endpoint"]["reason"]


def grown(**rates: list[float]) -> pd.DataFrame:
    return together(*(
        curve(f"{arm} {number}", arm, exponential(rate, DAYS), pdx_model="P1", map2k4_status="wt")
        for arm, mice in rates.items() for number, rate in enumerate(mice)
    ))  # fmt: skip


def compared(table: pd.DataFrame) -> dict:
    normalized = normalize_table(table)
    plan = resolve_plan(normalized, {"control": "vehicle"})
    return survival_rows(normalized.frame, plan)[1][0]


def test_an_arm_of_one_mouse_has_a_note_in_place_of_hazard_ratios_and_no_p_of_its_mean():
    vehicle, drug = [0.1, 0.12, 0.09, 0.11], [0.08, 0.1, 0.07, 0.09]
    row = compared(grown(vehicle=vehicle, alone=[0.085], drug=drug))
    for name in ("cox", "firth"):
        ratios = {one["arm"]: one for one in row[name]}
        assert ratios["alone"].pop("note") == "no hazard ratio: alone is one mouse"
        assert set(ratios["alone"].values()) == {"alone", None}
        assert ratios["drug"]["note"] is None
        assert ratios["drug"]["ci_low"] < ratios["drug"]["hazard_ratio"] < ratios["drug"]["ci_high"]
    means = {one["arm"]: one for one in row["restricted_means"]}
    assert means["alone"]["gain"] == pytest.approx(
        means["alone"]["rmst_days"] - means["vehicle"]["rmst_days"]
    )
    assert means["alone"]["se"] is means["alone"]["p_value"] is means["alone"]["ci_low"] is None
    assert means["drug"]["p_value"] is not None
    shares = {one["arm"]: one for one in row["incidence"]}
    assert shares["alone"]["percent"] in (0, 100)
    assert shares["alone"]["se_percent"] is shares["alone"]["ci_low"] is None
    assert shares["drug"]["se_percent"] is not None
    assert row["logrank"]["df"] == 2


def test_a_control_of_one_mouse_has_nothing_held_against_it():
    row = compared(grown(vehicle=[0.1], drug=[0.08, 0.11, 0.07]))
    [ratio] = row["cox"]
    assert ratio["note"] == "no hazard ratio: vehicle is one mouse"
    assert ratio["hazard_ratio"] is ratio["p_value"] is None
    [_, gain] = row["restricted_means"]
    assert gain["se"] is not None
    assert gain["p_value"] is gain["gain_se"] is gain["ci_high"] is None


def test_two_mice_an_arm_have_ratios():
    [ratio] = compared(grown(vehicle=[0.1, 0.08], drug=[0.09, 0.07]))["cox"]
    assert ratio["note"] is None
    assert ratio["hazard_ratio"] is not None


def many(control: int, drug: int, last: float) -> dict:
    """Each vehicle mouse quadruples on a day of its own; the drug's mice reach `last` mm3 from 200."""
    table = together(
        *(curve(f"v{i}", "vehicle", {0: 200, 10: 900 + i}) for i in range(control)),
        *(curve(f"t{i}", "drug", {0: 200, 10: last + i}) for i in range(drug)),
    )
    return compared(table)


@pytest.mark.parametrize(
    ("control", "drug", "last", "has_one"),
    [
        (10, 10, 950, True),
        (10, 11, 950, False),
        (11, 10, 950, False),
        (10, 30, 300, True),
        (10, 31, 300, False),
    ],
)
def test_arms_of_ten_mice_or_without_an_event_are_exchanged(control, drug, last, has_one):
    assert bool(many(control, drug, last)["exact_logrank"]) == has_one


def test_a_pdx_model_is_compared_with_two_mice_an_arm_and_the_study_with_one():
    one, two = grown(vehicle=[0.1], drug=[0.08]), grown(vehicle=[0.1, 0.12], drug=[0.08, 0.09])
    table = together(one, two.assign(pdx_model="P2", mouse="x" + two["mouse"]))
    normalized = normalize_table(table)
    rows = survival_rows(normalized.frame, resolve_plan(normalized, {"control": "vehicle"}))[1]
    assert [row["pdx_model"] for row in rows] == [None, None, "P2"]
    assert [row["strata"] for row in rows] == ["pdx_model", "pdx_model", None]
    alone = normalize_table(one)
    [study, stratum] = survival_rows(alone.frame, resolve_plan(alone, {"control": "vehicle"}))[1]
    assert (study["n"], study["strata"]) == ({"vehicle": 1, "drug": 1}, None)
    assert len(stratum["restricted_means"]) == 2
    assert rows[2]["firth"] is None, "within one PDX model of several, plain ratios alone"
    assert (rows[2]["exact_logrank"], rows[2]["restricted_means"]) == ([], [])


def test_a_ratio_of_medians_is_a_lower_bound_where_the_arm_s_was_not_reached():
    row = many(4, 4, 300)
    assert row["medians"]["drug"] is None
    [ratio] = row["efs_ratios"]
    assert ratio["lower_bound"]
    assert ratio["ratio"] == pytest.approx(10 / row["medians"]["vehicle"])
    assert ratio["delay_days"] == pytest.approx(10 - row["medians"]["vehicle"])
    assert ratio["delay_percent"] == pytest.approx(100 * (ratio["ratio"] - 1))
    [reached] = many(4, 4, 950)["efs_ratios"]
    assert not reached["lower_bound"]
    table = together(
        *(curve(f"v{i}", "vehicle", {0: 200, 10: 300}) for i in range(3)),
        *(curve(f"t{i}", "drug", {0: 200, 10: 250}) for i in range(3)),
    )
    [unknown] = compared(table)["efs_ratios"]
    assert (unknown["ratio"], unknown["delay_days"], unknown["delay_percent"]) == (None, None, None)
    assert not unknown["lower_bound"]


def of_two_statuses() -> pd.DataFrame:
    loss = grown(vehicle=[0.1, 0.12, 0.09, 0.11], drug=[0.08, 0.1, 0.07, 0.115], single=[0.1, 0.09])
    wild = grown(vehicle=[0.1, 0.13, 0.09, 0.12], drug=[0.095, 0.11, 0.085, 0.125])
    return together(
        loss.assign(map2k4_status="lof"),
        wild.assign(pdx_model="P2", map2k4_status="wt", mouse="w" + wild["mouse"]),
    )


def test_hazard_ratios_of_statuses_differ_by_the_two_fits_of_arms_in_both():
    normalized = normalize_table(of_two_statuses())
    rows = survival_rows(normalized.frame, resolve_plan(normalized, {"control": "vehicle"}))[1]
    [row] = rows[0]["cox_by_status"]
    loss, wild = (
        next(one for one in stratum["cox"] if one["arm"] == "drug")
        for stratum in rows
        if stratum["scope"] == "map2k4"
    )
    assert row["arm"] == "drug"
    assert row["estimate"] == pytest.approx(loss["estimate"] - wild["estimate"])
    assert row["se"] == pytest.approx(np.hypot(loss["se"], wild["se"]))
    assert row["ci_low"] == pytest.approx(np.exp(row["estimate"] - 1.959964 * row["se"]))
    assert all(other["cox_by_status"] == [] for other in rows[1:])


def test_endpoints_are_stratified_where_there_are_several_pdx_models():
    for table, strata in ((of_two_statuses(), "pdx_model"), (grown(vehicle=[0.1], drug=[0.1]), None)):
        normalized = normalize_table(table)
        plan = resolve_plan(normalized, {"control": "vehicle"})
        assert {row["strata"] for row in endpoint_rows(normalized.frame, plan)} == {strata}


def test_between_visits_each_arm_has_its_mice_and_the_control_no_test():
    rows = {
        row["arm"]: row
        for row in compared(grown(vehicle=[0.1, 0.12], drug=[0.08, 0.09, 0.07]))["interval_censored"]
    }
    assert (rows["vehicle"]["n"], rows["vehicle"]["control"], rows["vehicle"]["p_value"]) == (2, None, None)
    assert (rows["drug"]["n"], rows["drug"]["control"], rows["drug"]["arrangements"]) == (3, "vehicle", 10)
    assert rows["drug"]["statistic"] < 0, "the drug's tumors reach the volume later"
    # ln 4 / 0.12 and / 0.1 are days 11.6 and 13.9: both between the visits of day 7 and 14
    assert (rows["vehicle"]["median_after"], rows["vehicle"]["median_by"]) == (7, 14)


def test_between_visits_an_arm_whose_control_is_not_there_has_no_test():
    normalized = normalize_table(grown(vehicle=[0.1, 0.12], drug=[0.08, 0.09, 0.07]))
    plan = resolve_plan(normalized, {"control": "vehicle"})
    times = time_to_event(normalized.frame, **plan["endpoint"])
    [alone] = interval_rows(times[times["arm"] == "drug"], plan, None)
    assert (alone["arm"], alone["n"], alone["control"], alone["p_value"]) == ("drug", 3, None, None)
