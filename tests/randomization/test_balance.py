"""The balance report's numbers, by hand."""

import pytest

from studies.randomization import Candidate, balance
from studies.randomization.balance import RANGE_PERCENT_LIMITS, SMD_LIMITS, VARIANCE_RATIO_LIMITS, graded


def mice(*rows) -> list[Candidate]:
    return [Candidate(f"M{n}", volume, weight, cage=cage) for n, (volume, weight, cage) in enumerate(rows)]


def test_by_hand():
    found = balance(
        mice((100, 20, "a"), (100, 22, "a"), (200, 23, "b"), (200, 25, "c")),
        ["x", "x", "y", "y"],
        ["x", "y"],
        ["cage"],
    )
    volume, weight = found.covariates
    assert volume.pairs == ()  # no spread inside the arms
    assert volume.range_percent == pytest.approx(100 * 100 / 150)
    # weights 20, 22 and 23, 25: means 21 and 24, within-arm variance 2 in both
    assert weight.worst.smd == pytest.approx(-3 / 2**0.5)
    assert weight.variance_ratio == pytest.approx(1)
    assert (found.counts, found.cages) == ({"x": 2, "y": 2}, {"x": 1, "y": 2})
    assert found.factors["cage"] == {"a": {"x": 2, "y": 0}, "b": {"x": 0, "y": 1}, "c": {"x": 0, "y": 1}}
    assert found.grade == "red" and found.largest_smd == pytest.approx(3 / 2**0.5)


def test_grades_follow_the_limits_of_the_field():
    assert [graded(value, SMD_LIMITS) for value in (0.10, 0.11, 0.25, 0.26)] == [
        "green",
        "amber",
        "amber",
        "red",
    ]


def test_units_cancel():
    arms = ["x", "y", "x", "y"]
    small = balance(mice((100, 20, ""), (130, 22, ""), (170, 23, ""), (200, 25, "")), arms, ["x", "y"])
    large = balance(
        mice((1e5, 2e4, ""), (1.3e5, 2.2e4, ""), (1.7e5, 2.3e4, ""), (2e5, 2.5e4, "")), arms, ["x", "y"]
    )
    assert [one.worst.smd for one in small.covariates] == pytest.approx(
        [one.worst.smd for one in large.covariates]
    )


def test_one_mouse_an_arm_has_no_smd_and_says_nothing_wrong():
    found = balance(mice((100, 20, ""), (200, 21, "")), ["x", "y"], ["x", "y"])
    assert found.covariates[0].worst is None and found.covariates[0].variance_ratio is None


def test_weights_known_of_some_only_are_left_out_and_said():
    found = balance([Candidate("a", 100, 20), Candidate("b", 110)], ["x", "y"], ["x", "y"])
    assert [one.name for one in found.covariates] == ["log_volume"]
    assert found.left_out == ("weight is not known of every mouse",)


def test_a_single_mouse_has_a_mean_and_no_spread():
    found = balance(mice((100, 20, ""), (200, 22, ""), (300, 25, "")), ["x", "x", "y"], ["x", "y"])
    weight = found.covariates[1]
    assert [(arm.n, arm.mean, arm.sd) for arm in weight.arms] == [
        (2, 21, pytest.approx(2**0.5)),
        (1, 25, None),
    ]
    assert weight.variance_ratio is None and weight.worst.smd == pytest.approx(-4 / 2**0.5)


def test_only_the_range_of_the_volumes_is_graded():
    """Two scattered arms 11 or 12 % apart, at the same SMD: red for volumes, amber for weights."""
    found = balance(
        mice((100, 10, ""), (300, 30, ""), (120, 12, ""), (330, 33, "")), ["x", "x", "y", "y"], ["x", "y"]
    )
    assert [round(one.range_percent, 1) for one in found.covariates] == [11.8, 11.8]
    assert [one.largest_smd < 0.25 for one in found.covariates] == [True, True]
    assert [one.grade for one in found.covariates] == ["red", "amber"]


def test_the_limits_are_those_of_the_field():
    assert [graded(value, RANGE_PERCENT_LIMITS) for value in (5, 5.1, 10, 10.1)] == [
        "green",
        "amber",
        "amber",
        "red",
    ]
    assert [graded(value, VARIANCE_RATIO_LIMITS) for value in (2, 2.1, 4, 4.1)] == [
        "green",
        "amber",
        "amber",
        "red",
    ]


def test_tumors_that_do_not_grow_on_average_have_no_range_in_percent():
    still = [Candidate(f"M{n}", 100, growth_rate_per_day=rate) for n, rate in enumerate((-0.01, 0.01))]
    growth = balance(still, ["x", "y"], ["x", "y"]).covariates[1]
    assert (growth.name, growth.range_percent) == ("growth_rate", None)


def test_growth_below_1_a_day_has_a_range_in_percent():
    growing = [Candidate(f"M{n}", 100, growth_rate_per_day=rate) for n, rate in enumerate((0.1, 0.2))]
    growth = balance(growing, ["x", "y"], ["x", "y"]).covariates[1]
    assert growth.range_percent == pytest.approx(100 * 0.1 / 0.15)
