"""Small tables for the analysis tests, written the way a scientist would say them."""

import pandas as pd

CURVE_X_DAYS = [0, 3, 7, 11, 18, 22, 26, 30, 32, 35]
CURVE_X_VOLUMES = [250.8, 320.4, 402.3, 382.6, 384, 445.9, 460.2, 546.8, 554.3, 617.9]
VEHICLE_START, VEHICLE_END = [148, 152, 139, 160, 151, 145], [980, 1120, 1310, 870, 1205, 1040]
DRUG_START, DRUG_END = [150, 147, 155, 141, 158, 149], [310, 260, 420, 205, 365, 298]


def curve(mouse: str, arm: str, readings: dict[float, float], **facts: object) -> pd.DataFrame:
    """One mouse's rows from {day: volume}."""
    days, volumes = list(readings), list(readings.values())
    return pd.DataFrame({"mouse": mouse, "arm": arm, "day": days, "volume_mm3": volumes, **facts})


def together(*curves: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(curves, ignore_index=True)


def two_arms(day: float = 21) -> pd.DataFrame:
    """Six vehicle and six treated mice, read at day 0 and `day`."""
    vehicle = [
        curve(f"V{i}", "V", {0: a, day: b})
        for i, (a, b) in enumerate(zip(VEHICLE_START, VEHICLE_END, strict=True))
    ]
    drug = [
        curve(f"T{i}", "T", {0: a, day: b}) for i, (a, b) in enumerate(zip(DRUG_START, DRUG_END, strict=True))
    ]
    return together(*vehicle, *drug)


def exponential(rate: float, days: list[float], start: float = 200.0) -> dict[float, float]:
    """{day: volume} of a curve growing at `rate` per day."""
    from math import exp

    return {day: start * exp(rate * day) for day in days}
