"""Power by simulation: the truth it states, what it counts, and that formulas agree where they hold."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from studies.analysis import normalize_table
from studies.analysis.intervals import wilson
from studies.analysis.plan import resolve_plan
from studies.analysis.power import ArmContrast, Variability, power_of
from studies.analysis.power_simulation import _power, simulated_power, variation_of, without_effects
from studies.analysis.simulation_design import ArmTruth, Design, Limits, PdxModelTruth
from studies.analysis.simulation_many import ModelSpread
from tests.analysis.builders import two_arms

PLAN = {"control": "Vehicle"}
STEADY = Variability(0.02, 0.15, 0.025)
CALM = {"missed_visit": 0.0, "found_dead": 0.0, "accident": 0.0, "ulceration": 0.0}
SLOPES = {"Vehicle": 0.08, "A": 0.06, "B": 0.05, "A+B": 0.0}
ARMS = (ArmTruth("Vehicle", "vehicle"), ArmTruth("A"), ArmTruth("B"), ArmTruth("A+B", "combination"))


def study(mice: int = 5, **fields) -> Design:
    limits = Limits(volume_cap_mm3=1e9, diameter_cap_mm=1e9)
    variation = variation_of(STEADY, **CALM)
    models = (PdxModelTruth("P", "wild_type", SLOPES),)
    return Design(models, fields.pop("arms", ARMS), mice, variation=variation, limits=limits, **fields)


def effect(found, question: str, arm: str):
    return next(one for one in found.effects if (one.question, one.arm) == (question, arm))


def test_a_lab_s_reading_error_is_shared_out_between_calipers_and_the_rest():
    variation = variation_of(STEADY)
    side = 600 ** (1 / 3)
    calipers = (variation.caliper_sd_mm / side) ** 2 + 4 * (variation.caliper_sd_mm / side) ** 2
    assert calipers + variation.log_reading_sd**2 == pytest.approx(0.15**2)
    exact = variation_of(Variability(0.02, 0.01))
    assert exact.log_reading_sd == 0 and exact.caliper_sd_mm < 0.1


def test_where_formulas_hold_simulation_agrees_with_them():
    found = simulated_power(study(), PLAN | {"adjust": "none"}, 300, np.random.default_rng(1))
    days = (0, 3, 7, 10, 14, 17, 21)
    for arm in ("A", "B"):
        truth = SLOPES[arm] - SLOPES["Vehicle"]
        expected = 100 * power_of(ArmContrast(days, STEADY, 3, "none"), truth, 5)
        one = effect(found, "contrast", arm)
        assert one.truth_per_day == pytest.approx(truth)
        assert one.shown_percent == pytest.approx(expected, abs=9)
        assert one.mean_estimate_per_day == pytest.approx(truth, abs=0.003)
        assert 90 < one.covered_percent < 99 and one.ci_low < one.shown_percent < one.ci_high
    assert effect(found, "bliss", "A+B").truth_per_day == pytest.approx(-0.03)
    assert found.mice == 20 and found.exits_percent == {"scheduled_end": 100.0} and not found.refused


def test_several_arms_share_alpha():
    plain, shared = (
        simulated_power(study(), PLAN | {"adjust": adjust}, 100, np.random.default_rng(1))
        for adjust in ("none", "holm")
    )
    assert effect(shared, "contrast", "B").shown_percent < effect(plain, "contrast", "B").shown_percent


def test_without_effects_the_share_shown_is_the_error():
    nothing = without_effects(study())
    found = simulated_power(nothing, PLAN | {"adjust": "none"}, 300, np.random.default_rng(2))
    for one in found.effects:
        assert one.truth_per_day == 0 and one.shown_percent < 10


def test_culls_toxicity_and_deaths_are_told_and_resistance_costs_power():
    arms = (
        *ARMS[:3],
        ArmTruth("A+B", "combination", weight_percent_per_day=-1.2, weight_sd_percent_per_day=0.5),
    )
    rough = replace(
        study(arms=arms), variation=variation_of(STEADY, found_dead=0.02), limits=Limits(volume_cap_mm3=800)
    )
    found = simulated_power(rough, PLAN | {"adjust": "none"}, 60, np.random.default_rng(3))
    assert {"tumor_size", "body_weight", "found_dead"} <= set(found.exits_percent)
    assert sum(found.exits_percent.values()) == pytest.approx(100)
    resistant = replace(study(), arms=(*ARMS[:2], replace(ARMS[2], resistant_fraction=0.6), ARMS[3]))

    def shown(design: Design) -> float:
        found = simulated_power(design, PLAN | {"adjust": "none"}, 120, np.random.default_rng(4))
        return effect(found, "contrast", "B").shown_percent

    assert shown(resistant) < shown(study()) - 10


def test_an_interaction_over_models_is_shown_as_often_as_models_allow():
    def program(models: int) -> Design:
        slopes = {"wild_type": {"Vehicle": 0.08, "A": 0.07}, "loss_of_function": {"Vehicle": 0.08, "A": 0.0}}
        truths = tuple(
            PdxModelTruth(f"{status}{n}", status, slopes[status]) for status in slopes for n in range(models)
        )
        return replace(study(2), models=truths, arms=ARMS[:2])

    shown = []
    for models in (2, 5):
        found = simulated_power(
            program(models), PLAN, 60, np.random.default_rng(5), ModelSpread(0.15, 0.015, 0.025)
        )
        one = effect(found, "interaction", "A")
        assert one.truth_per_day == pytest.approx(-0.07)
        shown.append(one.shown_percent)
    assert shown[0] < shown[1] > 60


def test_the_share_shown_has_wilson_s_interval_and_p_at_alpha_does_not_show():
    p = [0.01, 0.05, 0.0499, None]
    rows = pd.DataFrame({
        "p_value": p, "p_adjusted": p, "se": [0.1, 0.1, 0.1, None], "estimate": [1.0, 2.0, 3.0, None],
        "ci_low": [0.0, 1.0, 2.5, None], "ci_high": [2.0, 3.0, 4.0, None],
    }, dtype=float)  # fmt: skip
    plan = resolve_plan(normalize_table(two_arms()), {"control": "V"})
    found = _power(rows, "contrast", "T", 2.0, 4, plan, 1)
    low, high = wilson(2, 4)
    assert (found.shown_percent, found.ci_low, found.ci_high) == (50, low, high)
    assert (found.covered_percent, found.mean_estimate_per_day) == (
        pytest.approx(200 / 3),
        pytest.approx(2.0),
    )
    assert (found.mean_width_per_day, found.not_estimated, found.singular) == (pytest.approx(5.5 / 3), 1, 1)
    none = _power(rows[3:], "contrast", "T", 2.0, 1, plan, 0)
    assert (none.shown_percent, none.ci_low, none.covered_percent, none.mean_estimate_per_day) == (
        0,
        0,
        None,
        None,
    )


def test_mice_are_counted_over_arms_and_pdx_models():
    models = tuple(PdxModelTruth(f"P{number}", "wild_type", SLOPES) for number in range(3))
    found = simulated_power(replace(study(2), models=models), PLAN, 1, np.random.default_rng(1))
    assert (found.mice, found.exits_percent) == (2 * 4 * 3, {"scheduled_end": 100.0})
