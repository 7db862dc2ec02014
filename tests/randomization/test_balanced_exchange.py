"""The default's figures, reduced; `make randomization-figures` measures them in full."""

import time

import numpy as np
import pytest

from studies.randomization import ArmShare, Candidate, Plan, balance, draw, redraw
from studies.randomization.exchange import Cohort, calibrate, cohort_generator, meetings, search
from studies.randomization.units import units_of
from tests.bench.randomization import balance_figures, fairness_figures, plan_of, simulated_cohort


@pytest.mark.parametrize(("arms", "per_arm"), [(4, 8), (6, 10)])
@pytest.mark.parametrize(("variances", "limit"), [(False, 0.05), (True, 0.10)])
def test_arms_are_alike(arms, per_arm, variances, limit):
    found = balance_figures(arms, per_arm, cohorts=5, balance_variances=variances)
    assert found.smd <= limit
    assert not variances or found.variance_ratio <= 2


@pytest.mark.parametrize(("arms", "per_arm"), [(4, 8), (6, 10)])
def test_no_mouse_favors_an_arm_and_no_two_are_bound_to_meet(arms, per_arm):
    mice, plan = simulated_cohort(arms * per_arm, np.random.default_rng(5)), plan_of(arms)
    found = fairness_figures(mice, plan, redraw(mice, plan, 1000, np.random.default_rng(1)))
    assert found.least_p > 0.01 / len(mice)
    assert found.meeting[-1] <= 0.75
    assert found.distinct > 0.97


def test_two_mice_an_arm_that_would_always_meet_widen_the_limits_and_it_is_said():
    mice = [
        Candidate(f"M{n}", volume, 22 + n / 10)
        for n, volume in enumerate((400.0, 90.0, 150.0, 160.0, 170.0, 120.0))
    ]
    drawing = draw(mice, plan_of(3), "1")
    assert drawing.limits["factor"] > 1
    assert any("widened" in note or "no limit was set" in note for note in drawing.notes)
    labels = redraw(mice, plan_of(3), 1000, np.random.default_rng(2))
    assert np.triu(meetings(labels), k=1).max() <= 0.75


def test_the_limits_are_the_cohorts_own_and_not_the_seeds():
    mice, plan = simulated_cohort(24, np.random.default_rng(3)), plan_of(4)
    assert draw(mice, plan, "1").limits == draw(mice, plan, "2").limits


def test_the_two_largest_tumors_are_kept_apart_more_often_than_by_chance():
    mice, plan = simulated_cohort(32, np.random.default_rng(8)), plan_of(4)
    found = fairness_figures(mice, plan, redraw(mice, plan, 600, np.random.default_rng(1)))
    assert found.extremes < 7 / 31


def test_a_larger_control_arm_is_as_alike_as_the_others():
    mice = simulated_cohort(40, np.random.default_rng(4))
    plan = Plan((ArmShare("vehicle", 2), ArmShare("second control"), ArmShare("a"), ArmShare("b")))
    drawing = draw(mice, plan, "abc")
    found = balance(mice, drawing.arms, plan.names)
    assert found.counts == {"vehicle": 16, "second control": 8, "a": 8, "b": 8}
    assert found.largest_smd <= 0.10


def test_within_unequal_arms_no_mouse_strays_far_from_its_share():
    mice = simulated_cohort(40, np.random.default_rng(4))
    plan = Plan((ArmShare("vehicle", 2), ArmShare("a"), ArmShare("b"), ArmShare("c")))
    labels = redraw(mice, plan, 1500, np.random.default_rng(1))
    in_vehicle = (labels == 0).mean(axis=0)
    assert np.abs(in_vehicle - 0.4).max() < 0.25


def test_arms_are_alike_within_each_pdx_model_too():
    rng = np.random.default_rng(6)
    mice = [
        Candidate(m.mouse, m.volume_mm3 * (1 + n // 20), m.weight_g, pdx_model=f"P{n // 20}")
        for n, m in enumerate(simulated_cohort(60, rng))
    ]
    plan = plan_of(4, strata=("pdx_model",))
    drawn, chance = (
        [
            _within(mice, draw(mice, plan_of(4, strata=("pdx_model",), method=method), f"{s:x}"))
            for s in range(5)
        ]
        for method in ("balanced_exchange", "simple")
    )
    assert np.mean(drawn) < 0.5 * np.mean(chance)
    assert draw(mice, plan, "1").limits["stratum_smd"] > 0


def _within(mice, drawing) -> float:
    """The largest |SMD| of log volume inside a PDX model."""
    worst = []
    for model in {mouse.pdx_model for mouse in mice}:
        inside = [(m, a) for m, a in zip(mice, drawing.arms, strict=True) if m.pdx_model == model]
        found = balance([m for m, _ in inside], [a for _, a in inside], sorted(set(drawing.arms)))
        worst.append(abs(found.covariates[0].worst.smd))
    return max(worst)


def test_sums_kept_while_exchanging_are_those_of_the_labels():
    """Every accepted allocation, added up afresh, is within the limits it was accepted by."""
    mice, plan = simulated_cohort(32, np.random.default_rng(9)), plan_of(4)
    cohort = Cohort(units_of(mice, plan), plan, [0] * 4)
    limits = calibrate(cohort, cohort_generator(mice, plan))
    for labels in search(cohort, limits, 40, np.random.default_rng(1)):
        found = balance(mice, [plan.names[label] for label in labels], plan.names)
        assert found.largest_smd <= limits.smd + 0.01
        assert all(one.variance_ratio <= limits.variance_ratio + 0.1 for one in found.covariates)


def test_six_arms_of_ten_take_well_under_a_second():
    mice = simulated_cohort(60, np.random.default_rng(1))
    timings = []
    for seed in ("1", "2", "3"):
        started = time.process_time()
        draw(mice, plan_of(6), seed)
        timings.append(time.process_time() - started)
    assert min(timings) < 1.0
