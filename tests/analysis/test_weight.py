"""Body weight: by hand, against R, by law, by refusal."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, normalize_table
from studies.analysis.plan import resolve_plan
from studies.analysis.weight import weight_change, weight_summary
from studies.analysis.weight_inference import time_to_weight_loss, weight_time_rows
from tests.analysis.builders import together

REFERENCE = Path(__file__).parent.parent / "reference" / "weight"


def mouse(
    name: str, weights: dict[float, float], arm: str = "T", volume_mm3: float = 100.0, **facts: str
) -> pd.DataFrame:
    days, values = list(weights), list(weights.values())
    return pd.DataFrame(
        {"mouse": name, "arm": arm, "day": days, "weight_g": values, "volume_mm3": volume_mm3, **facts}
    )


def summary(*mice: pd.DataFrame) -> pd.Series:
    return weight_summary(together(*mice)).set_index("arm").loc["T"]


# By hand


def test_change_counts_from_the_last_weight_before_dosing():
    change = weight_change(mouse("1", {-4: 30, 0: 20, 7: 18, 14: 22}))
    assert list(change["percent"]) == pytest.approx([0, -10, 10])


def test_the_mean_curve_and_each_mouse_s_own_least_differ():
    row = summary(mouse("1", {0: 20, 7: 16, 14: 20}), mouse("2", {0: 20, 7: 20, 14: 18}))
    assert (row["max_mean_loss_percent"], row["nadir_day"]) == pytest.approx((10, 7))
    assert row["mean_max_loss_percent"] == pytest.approx(15)
    assert (row["n_loss_10"], row["n_loss_15"], row["n_loss_20"]) == (2, 1, 1)


def test_a_growing_tumor_hides_a_loss():
    weights = pd.DataFrame(
        {"mouse": "1", "arm": "T", "day": [0, 21], "weight_g": [22.0, 22.0], "volume_mm3": [0.0, 1500]}
    )
    row = weight_summary(weights).iloc[0]
    assert row["max_mean_loss_percent"] == 0
    assert row["net_max_mean_loss_percent"] == pytest.approx(100 * 1.5 / 22)


def test_deaths_of_unknown_cause_count_against_the_dose():
    mice = [mouse(str(i), {0: 20, 7: 20}) for i in range(8)]
    one = [mouse("8", {0: 20, 7: 20}, exit_reason="found_dead")]
    spared = [mouse("9", {0: 20, 7: 20}, exit_reason="found_dead", treatment_related="no")]
    assert not summary(*mice, *one, *spared)["over_mtd"]
    assert summary(*mice, *one, mouse("9", {0: 20, 7: 20}, exit_reason="treatment_toxicity"))["over_mtd"]


def test_a_mean_loss_above_a_fifth_is_over_the_tolerated_dose():
    assert summary(*(mouse(name, {0: 20, 7: 15.9}) for name in "123"))["over_mtd"]
    assert not summary(*(mouse(name, {0: 20, 7: 16}) for name in "123"))["over_mtd"]


def test_the_last_mouse_of_an_arm_does_not_judge_the_dose():
    row = summary(*(mouse(name, {0: 20, 7: 19}) for name in "1234"), mouse("5", {0: 20, 7: 19, 14: 14}))
    assert (row["max_mean_loss_percent"], row["n_at_nadir"]) == (pytest.approx(30), 1)
    assert (row["tolerated_loss_percent"], row["over_mtd"]) == (pytest.approx(5), False)


def test_one_death_is_tolerated_and_two_are_not_below_ten_mice():
    alive = [mouse(str(i), {0: 20, 7: 20}) for i in range(4)]
    dead = [mouse(f"d{i}", {0: 20, 7: 20}, exit_reason="found_dead") for i in range(2)]
    assert not summary(*alive, dead[0])["over_mtd"]
    row = summary(*alive, *dead)
    assert (row["over_mtd"], row["over_mtd_attributed"], row["n_deaths_unknown"]) == (True, False, 2)
    assert "2 deaths" in row["mtd_reason"]


def test_days_below_and_recovery_are_read_along_straight_lines():
    # 0 to -20 % in 4 days: below -15 % from day 3; back to 0 at day 8: below until day 5
    row = summary(mouse("1", {0: 20, 4: 16, 8: 20}))
    assert (row["days_below_15"], row["recovery_day"]) == (pytest.approx(2), 8)
    assert summary(mouse("1", {0: 20, 4: 16, 8: 17}))["recovery_day"] is None


@pytest.mark.parametrize(
    ("weights", "reason", "expected"),
    [
        ({0: 20, 4: 16, 8: 20}, "scheduled_end", (3, 1, "threshold")),
        ({0: 20, 4: 19}, "body_weight", (4, 1, "threshold")),
        ({0: 20, 4: 19}, "tumor_size", (4, 0, "tumor_cull")),
        ({0: 20, 4: 19}, "found_dead", (4, 0, "other")),
        ({0: 20, 4: 19}, "", (4, 0, "censored")),
    ],
)
def test_time_to_a_loss_of_15_percent(weights, reason, expected):
    row = time_to_weight_loss(mouse("1", weights, exit_reason=reason), 15).iloc[0]
    assert (row["time"], row["event"], row["cause"]) == (pytest.approx(expected[0]), *expected[1:])


# Against R


def weighed() -> pd.DataFrame:
    table = pd.read_csv(REFERENCE / "weight.csv", keep_default_na=False)
    return table.assign(volume_mm3=100.0)


def test_the_mixed_model_of_weight_agrees_with_r():
    expected = json.loads((REFERENCE / "weight.json").read_text())
    plan = {"control": "vehicle", "window": [0, 21], "day": 21}
    section = analyze_study(weighed(), plan).to_dict()["weight_model"]
    rows = {(row["arm"], row["at"]): row for row in section["contrasts"]}
    assert len(rows) == len(expected["contrasts"]) == 4
    for told in expected["contrasts"]:
        mine = rows[(told["arm"], told["at"])]
        assert mine["day"] == told["day"]
        assert (mine["estimate"], mine["se"]) == pytest.approx((told["estimate"], told["se"]), rel=1e-5)
        assert (mine["df"], mine["p_value"]) == pytest.approx((told["df"], told["p"]), rel=1e-3)


@pytest.mark.reference
def test_r_still_gives_the_stored_values(rscript, tmp_path):
    for name in ("weight.R", "weight.csv"):
        shutil.copy(REFERENCE / name, tmp_path)
    subprocess.run([rscript, "weight.R"], cwd=tmp_path, check=True, capture_output=True)
    fresh, stored = (json.loads((folder / "weight.json").read_text()) for folder in (tmp_path, REFERENCE))
    for mine, told in zip(fresh["contrasts"], stored["contrasts"], strict=True):
        assert mine["estimate"] == pytest.approx(told["estimate"], rel=1e-6)


# By law


def test_units_cancel_and_row_order_does_not_matter():
    table = together(mouse("1", {0: 20, 7: 16, 14: 20}), mouse("2", {0: 21, 7: 20, 14: 18}))
    kilograms = table.assign(weight_g=table["weight_g"] / 1000).sample(frac=1, random_state=2)
    assert weight_change(kilograms)["percent"].sum() == pytest.approx(weight_change(table)["percent"].sum())


# By refusal


def test_a_table_without_weights_has_no_rows():
    table = mouse("1", {0: 20}).drop(columns="weight_g")
    assert weight_summary(table).empty
    assert weight_change(table).empty


def test_a_loss_reached_at_the_start_is_refused():
    with pytest.raises(AnalysisError, match="above 0"):
        time_to_weight_loss(mouse("1", {0: 20}), 0)


def test_one_mouse_an_arm_has_no_mixed_model_of_weight():
    table = together(mouse("1", {0: 20, 7: 19, 14: 18}), mouse("2", {0: 20, 7: 19, 14: 18}, arm="V"))
    assert analyze_study(table, {"control": "V", "day": 14}).to_dict()["weight_model"] is None


def test_weights_without_volumes_have_no_net_loss():
    row = summary(mouse("1", {0: 20, 7: 15}, volume_mm3=float("nan")))
    assert (row["n_mice"], row["max_mean_loss_percent"]) == (1, 25)
    assert row["net_max_mean_loss_percent"] is row["net_nadir_day"] is None
    assert row["net_n_at_nadir"] == 0


def test_an_arm_with_a_control_of_its_own_is_held_against_it():
    """Each arm falls along a line of its own, so that every difference is known on paper."""
    random, losses = np.random.default_rng(3), {"V": 0.0, "IgG": 0.2, "T": 0.6}
    table = together(*(
        mouse(f"{arm}{i}", {
            day: 20 * (1 - (loss * day + (random.normal(0, 0.3) if day else 0)) / 100) for day in (0, 3, 7, 10, 14)
        }, arm)
        for arm, loss in losses.items() for i in range(6)
    ))  # fmt: skip
    plan = {"control": "V", "controls": {"T": "IgG"}, "day": 14}
    rows = analyze_study(table, plan).to_dict()["weight_model"]["contrasts"]
    at_end = {(row["arm"], row["control"]): row["estimate"] for row in rows if row["at"] == "end of window"}
    assert at_end == {
        ("IgG", "V"): pytest.approx(-0.2 * 14, abs=0.4), ("T", "IgG"): pytest.approx(-0.4 * 14, abs=0.4),
    }  # fmt: skip


def test_a_control_never_weighed_has_no_times_to_compare_with():
    table = together(mouse("1", {0: 20, 7: 15}), mouse("2", {0: float("nan"), 7: float("nan")}, arm="V"))
    assert analyze_study(table, {"control": "V", "day": 7}).to_dict()["weight_times"] == []


def test_weights_without_error_have_no_model_and_it_says_why():
    table = together(*(
        mouse(f"{arm}{i}", dict.fromkeys((0, 7, 14), 20.0), arm) for arm in "VT" for i in range(3)
    ))  # fmt: skip
    section = analyze_study(table, {"control": "V", "day": 14}).to_dict()["weight_model"]
    assert section["contrasts"] == []
    assert section["formula"] == "percent ~ day * arm + (1 + day | mouse)"
    assert section["reason"]


# Exactly at a limit


@pytest.mark.parametrize(("start", "percent"), [(22.0, 20), (19.4, 20), (23.0, 15), (18.2, 10), (21.4, 10)])
def test_a_loss_of_exactly_the_limit_is_one_whatever_the_last_bit_of_a_division(start, percent):
    weight = round(start * (100 - percent) / 100, 2)
    row = summary(mouse("1", {0: start, 7: weight}))
    assert row["max_mean_loss_percent"] == row["mean_max_loss_percent"] == percent
    assert [row[f"n_loss_{limit}"] for limit in (10, 15, 20)] == [
        int(percent >= limit) for limit in (10, 15, 20)
    ]
    just_above = summary(mouse("1", {0: start, 7: weight + 0.01}))
    assert just_above[f"n_loss_{percent}"] == 0


def test_a_mean_loss_of_exactly_a_fifth_is_tolerated():
    exact = summary(*(mouse(name, {0: 22, 7: 17.6}) for name in "123"))
    assert (exact["tolerated_loss_percent"], exact["over_mtd"], exact["mtd_reason"]) == (20, False, None)
    above = summary(*(mouse(name, {0: 22, 7: 17.59}) for name in "123"))
    assert (above["over_mtd"], above["mtd_reason"]) == (True, "mean loss of 20.0 %")
    assert above["over_mtd_attributed"]


def test_half_of_the_mice_and_three_of_them_make_a_mean_that_judges_the_dose():
    def tolerated(n: int, heavy: int) -> float:
        return summary(*(
            mouse(str(i), {0: 20, 7: 19} | ({14: 14} if i < heavy else {})) for i in range(n)
        ))["tolerated_loss_percent"]  # fmt: skip

    assert [tolerated(6, 3), tolerated(7, 3), tolerated(8, 4)] == pytest.approx([30, 5, 30])
    assert [tolerated(4, 2), tolerated(3, 3)] == pytest.approx([5, 30])
    assert summary(mouse("1", {0: 20, 7: 14}), mouse("2", {0: 20, 7: 14}))["tolerated_loss_percent"] is None


@pytest.mark.parametrize(
    ("mice", "deaths", "over"), [(19, 2, True), (20, 2, False), (20, 3, True), (9, 1, False)]
)
def test_one_death_in_ten_is_tolerated_and_no_more(mice, deaths, over):
    lost = {"exit_reason": "treatment_toxicity"}
    row = summary(*(mouse(str(i), {0: 20, 7: 20}, **(lost if i < deaths else {})) for i in range(mice)))
    assert (row["n_enrolled"], row["n_deaths_treatment"]) == (mice, deaths)
    assert (row["over_mtd"], row["over_mtd_attributed"]) == (over, over)
    assert (row["mtd_reason"] is not None) == over


@pytest.mark.parametrize(
    ("reason", "related", "counted"),
    [
        ("found_dead", "", "unknown"), ("found_dead", "yes", "treatment"), ("found_dead", "no", "other"),
        ("found_dead", "unknown", "unknown"), ("treatment_toxicity", "no", "treatment"),
        ("body_weight", "", "unknown"), ("clinical_signs", "yes", "treatment"), ("tumor_size", "yes", None),
        ("accident", "", None),
    ],
)  # fmt: skip
def test_whose_death_counts_as_whose(reason, related, counted):
    row = summary(
        mouse("1", {0: 20, 7: 20}, exit_reason=reason, treatment_related=related), mouse("2", {0: 20})
    )
    found = {name: row[f"n_deaths_{name}"] for name in ("treatment", "other", "unknown")}
    assert found == {name: int(name == counted) for name in found}
    assert row["n_exits_weight"] == int(reason == "body_weight")


def test_the_mean_has_recovered_at_exactly_five_percent_below_its_start():
    assert summary(mouse("1", {0: 20, 4: 16, 8: 19}))["recovery_day"] == 8
    assert summary(mouse("1", {0: 20, 4: 16, 8: 18.99, 11: 20}))["recovery_day"] == 11
    # one that never fell below it has nothing to recover from
    assert summary(mouse("1", {0: 20, 4: 19, 8: 20}))["recovery_day"] is None
    assert summary(mouse("1", {0: 20, 4: 18.99, 8: 19}))["recovery_day"] == 8


def test_days_below_count_each_mouse_s_own_lines():
    # -15 exactly is not below it; two mice below for 4 and 2 days; a line from -20 up to -15 lies below to its end
    assert summary(mouse("1", {0: 20, 4: 17, 8: 17}))["days_below_15"] == 0
    two = summary(mouse("1", {0: 20, 4: 16, 8: 16, 9: 20}), mouse("2", {0: 20, 4: 16, 8: 17}))
    assert two["days_below_15"] == pytest.approx((1 + 4 + 0.25) + (1 + 4))


def test_weighings_before_the_first_dose_and_those_of_0_g_are_no_change():
    change = weight_change(together(mouse("1", {-4: 30, 0: 20, 7: 18}), mouse("2", {2: 20, 7: 19})))
    assert [list(part["day"]) for _, part in change.groupby("mouse")] == [[0, 7], [2, 7]]
    assert list(change["percent"]) == [0, -10, 0, -5]
    net = weight_change(mouse("1", {0: 20, 7: 0.1, 9: 20}), net=True)
    assert list(net["day"]) == [0, 9]


def test_a_loss_reached_before_the_first_weighing_after_the_start_has_that_day():
    row = time_to_weight_loss(together(mouse("1", {-4: 20, 2: 16}), mouse("2", {-4: 20, 3: 16})), 15)
    assert list(row["time"]) == [2, 3]
    assert list(row["event"]) == [1, 1]
    exact = time_to_weight_loss(mouse("1", {0: 22, 4: 18.7, 8: 18}), 15).iloc[0]
    assert (exact["time"], exact["event"]) == (4, 1)


def test_two_mice_weighed_twice_after_the_first_dose_have_a_model():
    random = np.random.default_rng(5)

    def arm(name: str, weighings: int, mice: int) -> list[pd.DataFrame]:
        days = (0, 7, 14, 21)[: weighings + 1]
        return [
            mouse(f"{name}{i}", {day: 20 + (random.normal(0, 0.5) if day else 0) for day in days}, name)
            for i in range(mice)
        ]

    def contrasts(weighings: int, mice: int) -> set | None:
        table = together(*arm("V", 3, 4), *arm("A", 3, 4), *arm("T", weighings, mice))
        section = analyze_study(table, {"control": "V", "window": [0, 21], "day": 21}).to_dict()[
            "weight_model"
        ]
        return section and {row["arm"] for row in section["contrasts"]}

    assert contrasts(2, 2) == {"A", "T"}
    assert contrasts(1, 4) == contrasts(2, 1) == {"A"}


def test_a_study_has_a_row_of_weight_an_arm():
    table = together(*(mouse(f"{arm}{i}", {0: 20, 7: 19 - i}, arm) for arm in "VT" for i in range(3)))
    rows = analyze_study(table, {"control": "V", "day": 7}).to_dict()["weight"]
    assert [(row["arm"], row["control"], row["n_models"], row["n_mice"]) for row in rows] == [
        ("T", "V", 1, 3), ("V", None, 1, 3),
    ]  # fmt: skip
    assert rows[0]["max_mean_loss_percent"] == 10


def test_a_loss_of_exactly_the_limit_at_the_last_weighing_is_reached():
    row = time_to_weight_loss(mouse("1", {0: 22, 4: 18.7}), 15).iloc[0]
    assert (row["time"], row["event"]) == (4, 1)


@pytest.mark.parametrize(("models", "strata"), [(["P1", "P1"], None), (["P1", "P2"], "pdx_model")])
def test_weight_losses_are_compared_within_pdx_models_where_there_are_several(models, strata):
    normalized = normalize_table(together(*(
        mouse(f"{arm} {number}", {0: 20, 7: 20 - loss}, arm=arm, pdx_model=model)
        for arm, loss in (("vehicle", 0.2), ("drug", 5.0)) for number, model in enumerate(models)
    )))  # fmt: skip
    rows = weight_time_rows(normalized.frame, resolve_plan(normalized, {"control": "vehicle"}))
    assert [(row["loss_percent"], row["strata"]) for row in rows] == [(15, strata), (20, strata)]
