"""Which day a moment belongs to, in the study's own time zone.

Pure: standard library only. A study day is a difference of local calendar dates, so a 23- or
25-hour day at a change of clocks is still one day.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo


def local_date(moment: datetime, time_zone: str) -> date:
    """The calendar date of an aware moment at the study's place. A naive moment is a ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone has no local date")
    return moment.astimezone(ZoneInfo(time_zone)).date()


def study_day(moment: datetime, day0: date, time_zone: str) -> int:
    """Days from the first dose (`day0`, a local date) to an aware moment; negative before it."""
    return (local_date(moment, time_zone) - day0).days
