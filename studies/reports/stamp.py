"""The time a report is stamped with, so that the same snapshot gives the same bytes in every file."""

import os
from datetime import UTC, datetime


def stamp(otherwise: datetime) -> datetime:
    """SOURCE_DATE_EPOCH where set; else `otherwise`: of a study on record its last event, of a file the present."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else otherwise
