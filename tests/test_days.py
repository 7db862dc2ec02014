"""Day boundaries follow the study's own clock, changes of clock included."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.days import local_date, study_day

AMSTERDAM = "Europe/Amsterdam"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-06-01T21:59", AMSTERDAM, 0),
        ("2026-06-01T22:01", AMSTERDAM, 1),  # past midnight in Amsterdam, not in London's winter
        ("2026-06-02T03:00", "America/New_York", 0),
        ("2026-06-01T13:00", "Pacific/Auckland", 1),
    ],
)
def test_midnight_is_where_the_mice_are(moment, zone, day):
    assert study_day(at(moment), date(2026, 6, 1), zone) == day


def test_the_day_of_23_hours_is_one_day():
    # Clocks go forward in Amsterdam on 29 March 2026, at 01:00 UTC.
    assert study_day(at("2026-03-28T23:30"), date(2026, 3, 28), AMSTERDAM) == 1
    assert study_day(at("2026-03-29T21:59"), date(2026, 3, 28), AMSTERDAM) == 1
    assert study_day(at("2026-03-29T22:00"), date(2026, 3, 28), AMSTERDAM) == 2


def test_the_day_of_25_hours_is_one_day():
    assert study_day(at("2026-10-24T22:00"), date(2026, 10, 24), AMSTERDAM) == 1
    assert study_day(at("2026-10-25T22:59"), date(2026, 10, 24), AMSTERDAM) == 1
    assert study_day(at("2026-10-25T23:00"), date(2026, 10, 24), AMSTERDAM) == 2


@given(st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)), st.integers(-400, 400))
def test_the_same_clock_time_a_number_of_days_on_is_that_many_days_on(naive, days):
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(AMSTERDAM)
    noon = naive.replace(hour=12, tzinfo=zone)
    later = (naive.replace(hour=12) + timedelta(days=days)).replace(tzinfo=zone)
    assert study_day(later, local_date(noon, AMSTERDAM), AMSTERDAM) == days


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        local_date(datetime(2026, 6, 1, 12), AMSTERDAM)
