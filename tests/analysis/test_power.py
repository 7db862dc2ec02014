"""Sample sizes by formula: published figures, R's noncentral t, and the laws that bind both directions."""

import json
from math import log, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, power
from studies.analysis.power import (
    ArmContrast,
    BlissExcess,
    Interaction,
    PastStudy,
    Variability,
    detectable_effect,
    dunnett_critical,
    lab_variability,
    mice_per_arm,
    mice_per_arm_for_bliss,
    models_or_mice,
    models_per_status,
    past_study,
    power_of,
    slope_effect,
    units_needed,
)
from studies.analysis.simulation import simulate_study
from studies.analysis.simulation_design import ArmTruth, Design, PdxModelTruth

REFERENCE = json.loads((Path(__file__).parent.parent / "reference/power/power.json").read_text())
DAYS = (0, 3, 7, 10, 14, 17, 21)
STEADY, RESTLESS = Variability(0.02, 0.15), Variability(0.03, 0.15)


# By hand


def test_the_variance_of_a_slope_is_that_of_mice_and_that_of_readings_over_the_spread_of_days():
    assert STEADY.slope_variance(DAYS) == pytest.approx(0.0004 + 0.0225 / (2404 / 7))


def test_a_tgi_is_a_difference_of_slopes():
    assert slope_effect(80, 21) == pytest.approx(log(0.2) / 21)
    assert slope_effect(80, 1) == pytest.approx(log(0.2))
    assert slope_effect(80, 0.5) == pytest.approx(2 * log(0.2))


@pytest.mark.parametrize(
    ("variability", "treated_arms", "correction", "mice"),
    [
        (STEADY, 3, "none", (8, 5, 3)),
        (RESTLESS, 3, "none", (15, 9, 6)),
        (STEADY, 3, "dunnett", (10, 6, 4)),
        (STEADY, 3, "bonferroni", (10, 6, 4)),
        (RESTLESS, 3, "dunnett", (19, 12, 7)),  # the exact critical value saves one mouse an arm
        (RESTLESS, 3, "bonferroni", (20, 12, 7)),
    ],
)
def test_mice_an_arm_for_a_tgi_of_50_60_and_70_percent(variability, treated_arms, correction, mice):
    found = tuple(
        mice_per_arm(
            slope_effect(tgi, 21), variability, DAYS, treated_arms=treated_arms, correction=correction
        ).n
        for tgi in (50, 60, 70)
    )
    assert found == mice


def test_nineteen_mice_suffice_by_dunnett_and_twenty_by_bonferroni():
    """R's own integrals on both sides of each boundary: the 20, 12 and 7 mice often named are Bonferroni's."""
    power = {row["n"]: row for row in REFERENCE["three"]}
    assert power[18]["dunnett"] < 0.8 <= power[19]["dunnett"]
    assert power[19]["bonferroni"] < 0.8 <= power[20]["bonferroni"]
    design = ArmContrast(DAYS, RESTLESS, treated_arms=3)
    assert power_of(design, slope_effect(50, 21), 19) == pytest.approx(power[19]["dunnett"], abs=1e-7)


def test_synergy_takes_many_more_mice():
    assert [mice_per_arm_for_bliss(-d, STEADY, DAYS).n for d in (0.02, 0.03, 0.04)] == [38, 17, 10]


def test_more_models_take_fewer_mice_than_more_mice_a_model():
    rows = models_or_mice(0.04, Variability(0.02, 0.15, 0.025), DAYS, mice=(1, 3, 5, 8))
    assert [row["models_per_status"] for row in rows] == [17, 11, 10, 9]
    assert [row["mice"] for row in rows] == [68, 132, 200, 288]
    first, second = (rows[index]["power_curve"] for index in (0, 1))
    assert first[15] == {"models_per_status": 17, "mice": 68, "power": pytest.approx(rows[0]["power"])}
    assert second[15]["mice"] == 204 and second[15]["power"] > first[15]["power"]
    assert [row["models_per_status"] for row in second] == list(range(2, 17 + 6 + 1))
    assert [row["mice_per_arm"] for row in models_or_mice(0.1, STEADY)] == [1, 2, 3, 4, 5, 6, 8, 10]


def test_dropout_inflates_what_is_randomized_and_not_what_is_analyzed():
    size = mice_per_arm(slope_effect(50, 21), STEADY, DAYS, treated_arms=3, correction="none", dropout=0.1)
    assert (size.n_analyzed, size.n, size.mice) == (8, 9, 36)
    models = models_per_status(0.04, 3, Variability(0.02, 0.15, 0.025), DAYS, dropout=0.2)
    assert (models.n, models.mice) == (11, 11 * 2 * 2 * 4)


def test_a_vehicle_shared_by_arms_may_hold_more_mice():
    size = mice_per_arm(slope_effect(60, 21), STEADY, DAYS, treated_arms=4, vehicle_ratio=2.0)
    equal = mice_per_arm(slope_effect(60, 21), STEADY, DAYS, treated_arms=4)
    assert size.n < equal.n and size.mice == size.n * 4 + size.n * 2


# By reference


@pytest.mark.parametrize("row", REFERENCE["contrast"], ids=str)
def test_the_power_of_a_contrast_is_that_of_power_t_test(row):
    question = ArmContrast(DAYS, Variability(row["sb"], 0.15))
    assert power_of(question, row["effect"], row["n"]) == pytest.approx(row["power"], abs=1e-9)


@pytest.mark.parametrize("row", REFERENCE["shared"], ids=str)
def test_dunnetts_critical_value_and_its_power_are_those_of_numerical_integration(row):
    question = ArmContrast(DAYS, STEADY, row["k"], "dunnett", row["ratio"])
    assert question.df(row["n"]) == row["df"]
    assert question.critical(row["n"], 0.05) == pytest.approx(row["critical"], abs=1e-6)
    assert power_of(question, 0.05, row["n"]) == pytest.approx(row["power"], abs=1e-8)


@pytest.mark.parametrize("row", REFERENCE["bliss"], ids=str)
def test_the_power_of_synergy_is_that_of_r(row):
    assert power_of(BlissExcess(DAYS, STEADY), -0.03, row["n"]) == pytest.approx(row["power"], abs=1e-9)


@pytest.mark.parametrize("row", REFERENCE["interaction"], ids=str)
def test_the_power_of_an_interaction_is_that_of_r(row):
    question = Interaction(row["mice"], DAYS, Variability(0.02, 0.15, 0.025))
    assert power_of(question, 0.04, row["models"]) == pytest.approx(row["power"], abs=1e-9)


def test_dunnetts_tabled_critical_value():
    assert dunnett_critical(3, 20, 0.05) == pytest.approx(2.54, abs=0.005)  # Dunnett 1964, Biometrics 20:482


# By law


@pytest.mark.parametrize(
    "question",
    [ArmContrast(DAYS, STEADY, 3), BlissExcess(DAYS, STEADY), BlissExcess(DAYS, STEADY, 3), Interaction(4)],
    ids=lambda question: type(question).__name__,
)
def test_units_power_and_detectable_effect_agree_with_each_other(question):
    size = units_needed(question, 0.04, power=0.9)
    assert power_of(question, 0.04, size.n) >= 0.9 > power_of(question, 0.04, size.n - 1)
    assert detectable_effect(question, size.n, 0.9) <= 0.04 < detectable_effect(question, size.n - 1, 0.9)
    effect = detectable_effect(question, 6, 0.8)
    assert power_of(question, effect, 6) == pytest.approx(0.8, abs=1e-9)
    assert power_of(question, -effect, 6) == pytest.approx(0.8, abs=1e-9)


def test_without_an_effect_power_is_alpha():
    assert power_of(ArmContrast(DAYS, STEADY), 0.0, 5, alpha=0.1) == pytest.approx(0.1, abs=1e-12)


def test_the_fitted_models_test_is_the_one_the_formula_counts_on():
    """On a balanced study the engine's SE and df of the contrast, of Bliss and of the interaction have the form
    the formulas take: v from the fit's own variance components."""
    slopes = {"Vehicle": 0.06, "A": 0.04, "B": 0.05, "A+B": 0.01}
    names = [*slopes]
    arms = (ArmTruth("Vehicle", "vehicle"), *(ArmTruth(name) for name in names[1:]))
    still = Design((PdxModelTruth("P", "wild_type", slopes),), arms, 6, days=DAYS)
    table = simulate_study(still, np.random.default_rng(4)).table
    table = pd.DataFrame(table[table["status"] == "measured"])
    full = table.groupby("mouse")["day"].transform("size") == len(DAYS)
    keep = table[full].groupby("arm")["mouse"].unique().map(lambda mice: list(mice[:4]))
    table = table[table["mouse"].isin([mouse for mice in keep for mouse in mice])]
    result = analyze_study(table, {"control": "Vehicle", "window": [0, 21]}).to_dict()
    past = past_study(result)
    assert past is not None and (past.n_mice, past.n_arms, past.effect_variance) == (16, 4, None)
    own = Variability(sqrt(past.slope_variance), sqrt(past.residual_variance))
    contrast = result["mixed_model"]["contrasts"][0]
    question = ArmContrast(DAYS, own, 3)
    assert contrast["se"] == pytest.approx(question.se(4), rel=1e-6)
    assert contrast["df"] == pytest.approx(question.df(4), rel=1e-6)
    bliss = next(row for row in result["synergy"] if row["null"] == "bliss")
    assert bliss["se"] == pytest.approx(BlissExcess(DAYS, own).se(4), rel=1e-6)
    assert bliss["df"] == pytest.approx(BlissExcess(DAYS, own).df(4), rel=1e-6)


def test_past_studies_weigh_in_by_their_degrees_of_freedom():
    small = PastStudy("S", 0.0001, 0.02, None, 8, 1, 4)
    large = PastStudy("L", 0.0004, 0.03, 0.0006, 96, 6, 4)
    pooled = lab_variability([small, large])
    assert pooled.mouse_slope_sd**2 == pytest.approx((4 * 0.0001 + 72 * 0.0004) / 76)
    assert pooled.residual_sd**2 == pytest.approx((4 * 0.02 + 72 * 0.03) / 76)
    assert pooled.effect_sd**2 == pytest.approx(0.0006)
    assert lab_variability([small], Variability(0.1, 0.1, 0.07)).effect_sd == 0.07
    assert lab_variability([]) == Variability()
    third = PastStudy("T", 0.0004, 0.03, 0.0002, 24, 4, 3)
    both = lab_variability([large, third])
    assert both.effect_sd**2 == pytest.approx((15 * 0.0006 + 6 * 0.0002) / 21), "(models - 1) x (arms - 1)"


def test_a_program_of_several_models_tells_how_much_models_differ():
    models = tuple(
        PdxModelTruth(f"P{n}", "wild_type", {"Vehicle": 0.06, "A": 0.06 - 0.02 * n}) for n in range(4)
    )
    design = Design(models, (ArmTruth("Vehicle", "vehicle"), ArmTruth("A")), 4, days=DAYS)
    past = past_study(analyze_study(simulate_study(design, np.random.default_rng(2)).table).to_dict())
    truth = np.var([-0.02 * n for n in range(4)], ddof=1)
    assert past is not None and past.n_models == 4
    assert past.effect_variance == pytest.approx(truth, rel=0.5)
    assert past_study({"mixed_model": None}) is None


# By refusal


def test_what_no_number_of_mice_can_show_is_refused():
    with pytest.raises(AnalysisError, match="effect of 0"):
        mice_per_arm(0.0)
    with pytest.raises(AnalysisError, match="more than 10000 mice per arm"):
        mice_per_arm(1e-6)
    with pytest.raises(AnalysisError, match="at least two days"):
        mice_per_arm(0.03, days=(7,))
    with pytest.raises(AnalysisError, match="dropout is a share"):
        mice_per_arm(0.03, dropout=1.0)
    for share in (80, 1.0, 0.0):
        with pytest.raises(AnalysisError, match="power is a share"):
            mice_per_arm(0.03, power=share)
    with pytest.raises(AnalysisError, match="alpha is a share"):
        mice_per_arm(0.03, alpha=0.0)
    for percent, day in ((100, 21), (80, 0)):
        with pytest.raises(AnalysisError, match="below 100 % by a day after day 0"):
            slope_effect(percent, day)
    with pytest.raises(AnalysisError, match="a slope needs readings on at least two days"):
        STEADY.slope_variance(())
    with pytest.raises(AnalysisError, match="no degree of freedom"):
        detectable_effect(Interaction(3), 1)
    assert power_of(ArmContrast(DAYS, STEADY), 0.1, 1) == 0.0


def test_a_fit_without_a_slope_of_each_mouse_tells_no_variability():
    def past(*components: tuple[str, str | None]):
        rows = [{"group": group, "term1": term, "term2": None, "value": 0.1} for group, term in components]
        return past_study({"study": "S", "mixed_model": {"variance_components": rows}, "arms": []})

    assert past(("mouse", "Intercept"), ("Residual", None)) is None
    assert past(("mouse", "day"), ("Residual", "A"), ("Residual", "B")) is None
    assert past(("mouse", "day"), ("Residual", None)) == PastStudy("S", 0.1, 0.1, None, 0, 1, 0)
    assert past_study({"mixed_model": {"variance_components": None}}) is None


def test_the_days_and_variability_asked_for_are_those_counted_with():
    assert power.DAYS == DAYS
    bliss = units_needed(BlissExcess(DAYS, RESTLESS, 2), 0.05, 0.8, 0.05, 0.0)
    assert [BlissExcess(DAYS, STEADY, parts).mice(10) for parts in (2, 3)] == [40, 50]
    assert mice_per_arm_for_bliss(0.05, RESTLESS) == bliss != mice_per_arm_for_bliss(0.05)


def test_mice_that_are_left_after_dropout_are_enough_to_the_mouse():
    """8 of 10 stay: 10 are randomized, not 11."""
    assert [power._inflated(8, share) for share in (0.0, 0.2, 0.21)] == [8, 10, 11]
