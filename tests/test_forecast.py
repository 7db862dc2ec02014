from math import exp, log

import pytest

from studies.forecast import course, crossing_day, growth_rate_per_day

DAYS = [0, 3, 7, 10]


def exponential(rate, first=100.0):
    return [first * exp(rate * day) for day in DAYS]


def test_exponential_growth_gives_its_rate_and_the_day_it_reaches_a_volume():
    assert growth_rate_per_day(DAYS, exponential(0.07)) == pytest.approx(0.07)
    assert crossing_day(DAYS, exponential(0.1), 100 * exp(2)) == pytest.approx(20)


def test_the_order_of_visits_and_the_unit_of_days_do_not_matter():
    shuffled = crossing_day(DAYS[::-1], exponential(0.1)[::-1], 400)
    assert shuffled == pytest.approx(crossing_day(DAYS, exponential(0.1), 400))
    assert growth_rate_per_day([2 * day for day in DAYS], exponential(0.1)) == pytest.approx(0.05)


def test_only_the_last_three_visits_tell_where_a_tumor_is_heading():
    days, volumes = [-20, -10, *DAYS], [900, 800, 50, *exponential(0.1)[1:]]
    assert crossing_day(days, volumes, 1000) == pytest.approx(crossing_day(DAYS, exponential(0.1), 1000))


def test_a_tumor_that_is_there_already_crossed_on_the_day_it_was_seen():
    assert crossing_day([0, 7, 14], [100, 2100, 1500], 2000) == 7
    assert crossing_day([0, 7, 14], [100, 2000, 1500], 2000) == 7


def test_a_crossing_is_never_forecast_before_the_last_visit():
    assert crossing_day([0, 1, 2, 3], [1000, 1900, 1990, 1999], 2000) >= 3


@pytest.mark.parametrize(
    "volumes", [[400, 300, 200], [100, 100, 100], [None, None, 200], [0, 0, 0], [None] * 3]
)
def test_what_shrinks_stays_or_is_seen_too_rarely_has_no_crossing(volumes):
    assert crossing_day([0, 7, 14], volumes, 2000) is None


def test_the_welfare_rules_and_the_desk_see_the_same_course():
    heading = course([0, 4, 7], [100, None, 200])
    assert heading.value_on(14) == pytest.approx(400)
    assert crossing_day([0, 4, 7], [100, None, 200], 400) == pytest.approx(14) == heading.day_of(400)


def test_one_day_alone_has_no_rate():
    assert growth_rate_per_day([7, 7, 7], [100, 110, 120]) is None
    assert growth_rate_per_day([], []) is None


def test_a_rate_wants_three_days():
    assert growth_rate_per_day([0, 7], [100, 200]) is None
    assert growth_rate_per_day([0, 7, 14], [100, 200, 400]) == pytest.approx(log(2) / 7)
