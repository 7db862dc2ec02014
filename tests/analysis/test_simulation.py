"""Simulated studies hold exactly the truth they declare, and the analysis finds it again."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from studies.analysis import AnalysisError, normalize_table
from studies.analysis.plan import DEFAULTS
from studies.analysis.simulation import (
    _exits,
    _true_mm3,
    _Visits,
    _visits,
    _weights,
    balanced_arms,
    draw_mice,
    follow_mice,
    simulate_study,
)
from studies.analysis.simulation_design import (
    ArmTruth,
    Design,
    Limits,
    PdxModelTruth,
    Variation,
    bliss,
    effects,
    with_fold,
    with_tgi,
)
from studies.analysis.tgi import tgi

EXACT = Variation(
    log_enrollment_sd=0, mouse_slope_sd=0, log_aspect_mean=0, log_aspect_sd=0, caliper_sd_mm=0,
    weight_sd_g=0, weight_gain_percent_per_day=0, weighing_sd_g=0,
    missed_visit=0, found_dead=0, accident=0, ulceration=0,
)  # fmt: skip
ARMS = (ArmTruth("Vehicle", "vehicle"), ArmTruth("A"))


def two_model_design(variation: Variation = EXACT, mice_per_arm: int = 2, **fields) -> Design:
    models = (
        PdxModelTruth("P1", "wild_type", {"Vehicle": 0.07, "A": 0.05}),
        PdxModelTruth("P2", "loss_of_function", {"Vehicle": 0.05, "A": -0.02}),
    )
    return Design(models, ARMS, mice_per_arm, variation=variation, **fields)


def declared_design(mice_per_arm: int = 5) -> Design:
    """Three models a status whose slopes differ in drug effect too; 20 % and 80 % ratio TGI at day 21."""
    slopes = [(-0.004, 0.0), (0.0, 0.004), (0.004, -0.004)]
    models = tuple(
        PdxModelTruth(f"{status}-{place}", status, {"Vehicle": vehicle, "A": treated})
        for status in ("wild_type", "loss_of_function")
        for place, (vehicle, treated) in enumerate(slopes)
    )
    design = Design(models, ARMS, mice_per_arm)
    for status, percent in (("wild_type", 20), ("loss_of_function", 80)):
        design = with_tgi(with_fold(design, "Vehicle", 4, 21, status), "A", percent, 21, status)
    return design


def effect_of(design: Design, status: str, arm: str = "A", day: float = 21):
    return next(e for e in effects(design, day) if (e.status, e.arm) == (status, arm))


# By hand


def test_without_variation_a_mouse_follows_its_slopes_and_changes_slope_on_day_0():
    study = simulate_study(two_model_design(), np.random.default_rng(1))
    treated = study.table[(study.table["pdx_model"] == "P1") & (study.table["arm"] == "A")].iloc[:8]
    true_mm3 = [150 * exp(0.07 * (min(day, 0) + 1) + 0.05 * max(day, 0)) for day in treated["day"]]
    assert list(treated["day"]) == [-1, 0, 3, 7, 10, 14, 17, 21]
    sphere_mm = np.cbrt(2 * np.array(true_mm3))  # length and width are equal: V = L^3 / 2
    np.testing.assert_allclose(treated["length_mm"], sphere_mm, atol=0.05001)
    np.testing.assert_allclose(treated["width_mm"], sphere_mm, atol=0.05001)


def test_the_ratio_and_delta_tgi_follow_from_the_slopes():
    effect = effect_of(two_model_design(), "loss_of_function")
    start, treated, control = 150 * exp(0.05), 150 * exp(0.05 - 0.42), 150 * exp(0.05 + 1.05)
    assert effect.tgi_ratio_percent == pytest.approx(100 * (1 - treated / control))
    assert effect.tgi_delta_percent == pytest.approx(100 * (1 - (treated - start) / (control - start)))
    assert effect.tgi_model_percent == pytest.approx(100 * (1 - exp(-0.07 * 21)))
    assert effect.fold == pytest.approx(exp(-0.42))


def test_80_percent_against_a_fourfold_control_ends_below_baseline():
    effect = effect_of(declared_design(), "loss_of_function")
    assert effect.fold == pytest.approx(0.8)
    assert effect.tgi_ratio_percent == pytest.approx(80)
    assert effect.tgi_delta_percent == pytest.approx(100 * (1 - (0.8 - 1) / (4 - 1)))


def test_bliss_excess_is_zero_when_slopes_add_and_the_index_is_the_ratio_at_the_day():
    slopes = {"Vehicle": 0.06, "A": 0.05, "B": 0.04, "AB": 0.03}
    arms = (*ARMS, ArmTruth("B"), ArmTruth("AB", "combination"))
    additive = Design((PdxModelTruth("P", "wild_type", slopes),), arms, 3)
    assert bliss(additive, "AB", ("A", "B"), 21)[0].excess_per_day == pytest.approx(0)
    synergy = Design((PdxModelTruth("P", "wild_type", {**slopes, "AB": 0.01}),), arms, 3)
    found = bliss(synergy, "AB", ("A", "B"), 21)[0]
    assert found.excess_per_day == pytest.approx(-0.02)
    assert found.combination_index == pytest.approx(exp(-0.42))


# By reference


def test_the_expected_volume_is_that_of_a_cut_log_normal_by_quadrature():
    design = two_model_design(Variation(log_enrollment_sd=0.3, mouse_slope_sd=0.03))
    sd, low, high = 0.3, log(100 / 150), log(200 / 150)
    density = lambda x: stats.norm.pdf(x, 0, sd)  # noqa: E731
    mean = 150 * integrate.quad(lambda x: exp(x) * density(x), low, high)[0]
    mean /= integrate.quad(density, low, high)[0]
    slopes = integrate.quad(lambda b: exp(22 * b) * stats.norm.pdf(b, 0, 0.03), -0.4, 0.4)[0]
    expected = mean * exp(0.07 + 0.05 * 21) * slopes
    assert design.expected_mm3("A", 21, "wild_type") == pytest.approx(expected, rel=1e-9)


def test_means_of_many_drawn_mice_meet_the_expected_volumes():
    variation = replace(EXACT, log_enrollment_sd=0.2, mouse_slope_sd=0.02)
    no_limits = Limits(volume_cap_mm3=1e9, diameter_cap_mm=1e9)
    design = two_model_design(variation, 4000, limits=no_limits)
    table = simulate_study(design, np.random.default_rng(7)).table
    volume = table["length_mm"] * table["width_mm"] ** 2 / 2
    for (arm, status, day), mean in volume.groupby([table["arm"], table["map2k4_status"], table["day"]]):
        assert mean.mean() == pytest.approx(design.expected_mm3(arm, day, status), rel=0.03)


def test_a_drug_acts_from_its_day_on_and_growth_may_flag():
    design = two_model_design()
    late = replace(design, arms=(ARMS[0], ArmTruth("A", delay_days=7)))
    slopes = design.models[0].slopes
    assert late.growth(slopes, "A", 21) == pytest.approx(0.07 * 8 + 0.05 * 14)
    assert late.growth(slopes, "A", 5) == pytest.approx(0.07 * 6)
    flagging = replace(late, slowing_per_day=0.05)
    lived = [(1 - exp(-0.05 * day)) / 0.05 for day in (7, 21)]
    assert flagging.growth(slopes, "A", 21) == pytest.approx(
        0.07 + 0.07 * lived[0] + 0.05 * (lived[1] - lived[0])
    )
    table = simulate_study(late, np.random.default_rng(1)).table
    treated = table[(table["pdx_model"] == "P1") & (table["arm"] == "A")].iloc[:8]
    true_mm3 = [150 * exp(late.growth(slopes, "A", day)) for day in treated["day"]]
    np.testing.assert_allclose(treated["length_mm"], np.cbrt(2 * np.array(true_mm3)), atol=0.05001)


def test_a_resistant_mouse_grows_as_the_control():
    arms = (ARMS[0], ArmTruth("A", resistant_fraction=0.3))
    design = replace(two_model_design(mice_per_arm=300), arms=arms)
    table = simulate_study(design, np.random.default_rng(1)).table
    last = table[(table["pdx_model"] == "P2") & (table["day"] == 21)]
    length = last.groupby("arm")["length_mm"]
    control = length.first()["Vehicle"]
    share = (last.loc[last["arm"] == "A", "length_mm"] == control).mean()
    assert share == pytest.approx(0.3, abs=0.08) and length.nunique()["A"] == 2
    mean = (last["length_mm"] ** 3 / 2)[last["arm"] == "A"].mean()
    assert design.expected_mm3("A", 21, "loss_of_function") == pytest.approx(mean, rel=0.1)


def test_slopes_may_follow_the_volume_at_enrollment_and_readings_err_on_the_log_scale():
    variation = replace(
        EXACT, log_enrollment_sd=0.2, mouse_slope_sd=0.02, slope_correlation=-0.6, log_reading_sd=0.1
    )
    limits = Limits(enrollment_mm3=(1e-9, 1e12), volume_cap_mm3=1e9, diameter_cap_mm=1e9)
    design = two_model_design(variation, 4000, limits=limits)
    study = simulate_study(design, np.random.default_rng(3))
    mice = study.mice
    tied = np.corrcoef(np.log(mice["enrollment_mm3"]), mice["slope_deviation"])[0, 1]
    assert tied == pytest.approx(-0.6, abs=0.02)
    assert mice["slope_deviation"].std() == pytest.approx(0.02, rel=0.03)
    table = study.table[study.table["day"] == 21].merge(mice, on=["mouse", "arm", "pdx_model"])
    read = np.log(table["length_mm"] * table["width_mm"] ** 2 / 2)
    slopes = {model.code: model.slopes for model in design.models}
    true = np.log(table["enrollment_mm3"]) + 22 * table["slope_deviation"] + [
        design.growth(slopes[model], arm, 21) for model, arm in zip(table["pdx_model"], table["arm"], strict=True)
    ]  # fmt: skip
    assert (read - true).std() == pytest.approx(0.1, rel=0.05)
    errors = exp(0.1**2 / 2)  # of a reading, which the expected volume is without
    mean = np.exp(read[table["pdx_model"].eq("P1") & table["arm"].eq("A")]).mean() / errors
    assert design.expected_mm3("A", 21, "wild_type") == pytest.approx(mean, rel=0.03)


# By law


def test_the_same_seed_gives_the_same_study_and_another_seed_another():
    design = declared_design()
    first, again, other = (simulate_study(design, np.random.default_rng(seed)) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first.table, again.table)
    pd.testing.assert_frame_equal(first.mice, again.mice)
    assert not first.table["weight_g"].equals(other.table["weight_g"])


@pytest.mark.parametrize("percent", [-30, 0, 20, 80, 99])
@pytest.mark.parametrize("day", [7, 21])
def test_a_tgi_asked_for_is_exactly_true_and_leaves_the_other_status_alone(percent, day):
    before = declared_design()
    after = with_tgi(before, "A", percent, day, "wild_type")
    assert effect_of(after, "wild_type", day=day).tgi_ratio_percent == pytest.approx(percent)
    assert effect_of(after, "loss_of_function") == effect_of(before, "loss_of_function")


def test_the_intervals_of_the_analysis_hold_the_truth_about_as_often_as_they_say():
    design, held = declared_design(), []
    for seed in range(60):
        table = simulate_study(design, np.random.default_rng(seed)).table
        for status, percent in (("wild_type", 20), ("loss_of_function", 80)):
            found = tgi(table[table["map2k4_status"] == status], "Vehicle", 21, method="ratio")[0]
            held.append(found.ci_low <= percent <= found.ci_high)
    assert 0.90 <= np.mean(held) <= 0.99


def test_the_analysis_reads_the_table_as_it_is():
    study = simulate_study(declared_design(), np.random.default_rng(11))
    read = normalize_table(study.table)
    assert len(read.frame) == len(study.table)
    assert not [note for note in read.notes if "hold no volume" in note]


def test_every_reading_is_possible_at_the_hood():
    study = simulate_study(declared_design(20), np.random.default_rng(5))
    table = study.table
    measured = table["status"] == "measured"
    assert (table.loc[measured, "length_mm"] >= table.loc[measured, "width_mm"]).all()
    for name in ("length_mm", "width_mm", "weight_g"):
        values = table[name].dropna()
        assert (values > 0).all()
        np.testing.assert_allclose(values, values.round(1), atol=1e-12)
    assert table.loc[table["status"].isin(["not_done", "dead", "not_palpable"]), "length_mm"].isna().all()
    assert table.loc[~table["status"].isin(["not_done", "dead"]), "weight_g"].notna().all()
    assert (table.loc[table["day"] <= 0, "status"] == "measured").all()


def test_mice_are_enrolled_on_a_reading_within_the_window():
    mice = draw_mice(declared_design(50), np.random.default_rng(8))
    read = mice["first_length_mm"] * mice["first_width_mm"] ** 2 / 2
    assert read.between(100, 200).all() and mice["enrollment_mm3"].between(100, 200).all()
    assert (read - mice["enrollment_mm3"]).abs().max() > 10  # the reading is not the truth


def test_tumors_that_melt_away_are_too_small_and_then_not_palpable():
    models = (PdxModelTruth("P", "wild_type", {"Vehicle": 0.06, "A": -0.5}),)
    design = Design(models, ARMS, 4, variation=EXACT)
    table = simulate_study(design, np.random.default_rng(2)).table
    one = table[(table["arm"] == "A") & (table["mouse"] == table.loc[table["arm"] == "A", "mouse"].iloc[0])]
    assert list(one["status"]) == [
        *["measured"] * 3,
        "too_small",
        *["not_palpable"] * 4,
    ]
    assert normalize_table(table).frame.query("arm == 'A' and day == 21")["volume_mm3"].eq(0).all()


def test_a_mouse_past_the_cap_leaves_with_the_reading_that_showed_it():
    models = (PdxModelTruth("P", "wild_type", {"Vehicle": 0.2, "A": 0.0}),)
    design = Design(models, ARMS, 3, variation=EXACT)
    study = simulate_study(design, np.random.default_rng(2))
    vehicle = study.mice[study.mice["arm"] == "Vehicle"]
    assert set(vehicle["exit_reason"]) == {"tumor_size"} and set(vehicle["exit_day"]) == {14.0}
    last = study.table[study.table["arm"] == "Vehicle"].groupby("mouse").last()
    assert (last["length_mm"] * last["width_mm"] ** 2 / 2 >= 2000).all() and set(last["day"]) == {14.0}
    assert set(study.mice.loc[study.mice["arm"] == "A", "exit_reason"]) == {"scheduled_end"}


def test_weight_loss_past_the_limit_ends_a_mouse_as_treatment_related():
    arms = (ARMS[0], ArmTruth("A", weight_percent_per_day=-2.5))
    models = (PdxModelTruth("P", "wild_type", {"Vehicle": 0.0, "A": 0.0}),)
    study = simulate_study(Design(models, arms, 3, variation=EXACT), np.random.default_rng(2))
    treated = study.mice[study.mice["arm"] == "A"]
    assert set(treated["exit_reason"]) == {"body_weight"} and set(treated["treatment_related"]) == {"yes"}
    assert set(treated["exit_day"]) == {10.0}


def test_deaths_missed_visits_and_ulcers_happen_at_about_their_rates():
    often = Variation(missed_visit=0.1, found_dead=0.01, accident=0.01, ulceration=0.01)
    study = simulate_study(two_model_design(often, 400), np.random.default_rng(9))
    after = study.table[study.table["day"] > 0]
    assert (after["status"] == "not_done").mean() == pytest.approx(0.1, abs=0.01)
    reasons = study.mice["exit_reason"].value_counts(normalize=True)
    for reason in ("found_dead", "accident", "ulceration"):
        assert reasons[reason] == pytest.approx(1 - 0.99**6, abs=0.02)
    dead = study.mice[study.mice["exit_reason"].isin(["found_dead", "accident"])]
    last = study.table.groupby("mouse").last(skipna=False).loc[dead["mouse"]]
    assert set(last["status"]) == {"dead"}


def test_a_study_that_goes_on_has_no_scheduled_end():
    design = replace(two_model_design(), ends=False, days=(-1, 0, 3))
    mice = simulate_study(design, np.random.default_rng(2)).mice
    assert set(mice["exit_reason"]) == {""} and mice["exit_day"].isna().all()


def test_arms_are_balanced_within_each_model_and_do_not_change_the_mice():
    design = declared_design(3)
    arms = balanced_arms(design, np.random.default_rng(1))
    mice = draw_mice(design, np.random.default_rng(2))
    counts = mice.assign(arm=arms).groupby(["pdx_model", "arm"]).size()
    assert set(counts) == {3}
    followed = follow_mice(design, mice, arms[::-1], np.random.default_rng(3)).mice
    assert followed["enrollment_mm3"].equals(mice["enrollment_mm3"])
    assert list(followed["arm"]) == arms[::-1]


# By refusal


def test_a_design_without_a_control_or_with_a_slope_missing_is_refused():
    model = PdxModelTruth("P", "wild_type", {"A": 0.05})
    with pytest.raises(AnalysisError, match="arm of role vehicle"):
        Design((model,), (ArmTruth("A"),), 3)
    with pytest.raises(AnalysisError, match="P has no slope for Vehicle"):
        Design((model,), ARMS, 3)


@pytest.mark.parametrize("days", [(), (1, 3), (0, 3, 3), (0, 7, 3)])
def test_days_that_do_not_rise_from_an_enrollment_day_are_refused(days):
    with pytest.raises(AnalysisError, match="days must rise"):
        replace(two_model_design(), days=days)


def test_a_truth_no_slope_can_have_is_refused():
    with pytest.raises(AnalysisError, match="stays below 100"):
        with_tgi(two_model_design(), "A", 100, 21)
    with pytest.raises(AnalysisError, match="after day 0"):
        with_fold(two_model_design(), "A", 4, 0)
    with pytest.raises(AnalysisError, match="no PDX model of status uncertain"):
        with_fold(two_model_design(), "A", 4, 21, "uncertain")


def test_arms_that_do_not_fit_the_mice_are_refused():
    design = two_model_design()
    mice = draw_mice(design, np.random.default_rng(1))
    with pytest.raises(AnalysisError, match="each of 8 mice needs one of the arms Vehicle, A"):
        follow_mice(design, mice, ["Vehicle"] * 7, np.random.default_rng(1))
    with pytest.raises(AnalysisError, match="needs one of the arms"):
        follow_mice(design, mice, ["C"] * 8, np.random.default_rng(1))


def test_where_mice_enroll_at_one_volume_slopes_have_nothing_to_follow():
    alike = replace(EXACT, mouse_slope_sd=0.02, slope_correlation=-0.6)
    tied, free = (
        simulate_study(two_model_design(variation, 50), np.random.default_rng(3)).mice["slope_deviation"]
        for variation in (alike, replace(alike, slope_correlation=0.0))
    )
    assert tied.tolist() == free.tolist() and tied.std() == pytest.approx(0.02, rel=0.3)


def test_readings_are_too_small_below_the_limit_that_the_analysis_takes():
    """3 x 3 x 3 / 2 mm3."""
    assert Limits().lod_mm3 == DEFAULTS["lod_mm3"] == 27 / 2


def test_a_drug_takes_weight_from_its_first_day_on_from_each_mouse_its_own_way():
    arms = (ARMS[0], ArmTruth("A", weight_percent_per_day=-1, weight_sd_percent_per_day=0.5))
    design = replace(
        two_model_design(replace(EXACT, weight_gain_percent_per_day=0.1)), arms=arms, days=(-2, 0, 10)
    )
    mice = pd.DataFrame(
        {"arm": ["A", "A", "Vehicle"], "weight_score": [1.0, -2, 3], "weight_g": [20.0, 20, 30]}
    )
    weights = _weights(design, mice, np.array([[0.0, 0, 1000]] * 3), np.random.default_rng(1))
    gained = np.array([0.0, 0.2, 1.2])
    lost = np.array([[0, 0, -5], [0, 0, -20], [0, 0, 0]])
    tumor_g = np.array([0, 0, 1])
    expected = mice[["weight_g"]].to_numpy() * (1 + (gained + lost) / 100) + tumor_g
    assert weights == pytest.approx(np.round(expected, 1))


def test_what_mice_differ_in_is_drawn_about_0():
    """A thousand mice an arm and model: means within four standard errors."""
    varied = Variation(mouse_slope_sd=0.02)
    mice = draw_mice(two_model_design(varied, 1000), np.random.default_rng(3))
    for name, sd in (("slope_deviation", 0.02), ("weight_score", 1.0)):
        assert abs(mice[name].mean()) < 4 * sd / len(mice) ** 0.5
        assert mice[name].std() == pytest.approx(sd, rel=0.05)
    assert list(mice["mouse"].iloc[[0, 1, -1]]) == ["M001", "M002", "M4000"]


def test_a_mouse_s_own_slope_acts_from_the_day_it_was_enrolled():
    design = two_model_design(days=(-2, 0, 10))
    mice = pd.DataFrame({
        "arm": "Vehicle", "model_number": [0, 0], "slope_deviation": [0.0, 0.01], "enrollment_mm3": 150.0,
    })  # fmt: skip
    plain, own = _true_mm3(design, mice, np.random.default_rng(1))
    assert plain[0] == own[0] == 150
    assert own / plain == pytest.approx(np.exp(0.01 * np.array([0, 2, 12])))


def test_a_tumor_is_felt_from_two_millimeters_of_width_on():
    """Four times as long as wide, 16 mm3 are 8 x 2 mm."""
    design = Design(
        (PdxModelTruth("P", "wild_type", {"Vehicle": 0.0, "A": 0.0}),), ARMS, 2, variation=EXACT, days=(0, 7)
    )
    mice = pd.DataFrame({
        "arm": "Vehicle", "model_number": 0, "slope_deviation": 0.0, "enrollment_mm3": [15.0, 16, 1, 100],
        "aspect": [4.0, 4, 1, 1], "first_length_mm": 9.0, "first_width_mm": 5.0, "first_weight_g": 20.0,
        "weight_g": 20.0, "weight_score": 0.0,
    })  # fmt: skip
    found = _visits(design, mice, np.random.default_rng(1)).status
    assert list(found[:, 1]) == ["not_palpable", "measured", "not_palpable", "measured"]


@pytest.mark.parametrize(
    ("length", "width", "reason"),
    [(20.0, 5.0, "tumor_size"), (19.9, 5.0, ""), (10.0, 20.0, "tumor_size"), (9.9, 20.0, "")],
)
def test_a_tumor_at_its_limit_of_2000_mm3_or_20_mm_ends_a_mouse(length, width, reason):
    design = two_model_design(days=(0, 7))
    visits = _Visits(
        np.array([[5.0, length]]),
        np.array([[5.0, width]]),
        np.full((1, 2), 20.0),
        np.full((1, 2), "measured", object),
    )
    visit, reasons = _exits(design, visits, np.random.default_rng(1))
    assert (list(visit), list(reasons)) == ([1 if reason else 2], [reason])
