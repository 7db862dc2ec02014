"""Doses as people write them, with their unit; a number alone is refused. When doses are due, and mg/kg to mL.

Pure: standard library only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Unit, folded -> how many mg/kg (or mL/kg) one of it is.
DOSE_UNITS = {"mg/kg": 1.0, "g/kg": 1000.0, "ug/kg": 0.001}
VOLUME_UNITS = {"ml/kg": 1.0, "ul/g": 1.0, "l/kg": 1000.0, "ul/kg": 0.001}
_QUANTITY = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*([a-zµμ]+\s*/\s*[a-z]+)?\.?", re.I)


def dose_mg_per_kg(text: str) -> float:
    """ "10 mg/kg" -> 10.0. Raises ValueError for no unit, another unit, no number, or nothing given."""
    return _quantity(text, DOSE_UNITS, "dose", "10 mg/kg")


def volume_ml_per_kg(text: str) -> float:
    """ "10 mL/kg" -> 10.0; "10 µL/g" is the same. Raises ValueError as `dose_mg_per_kg` does."""
    return _quantity(text, VOLUME_UNITS, "volume", "10 mL/kg")


def _quantity(text: str, units: dict[str, float], what: str, example: str) -> float:
    found = _QUANTITY.fullmatch(text.strip())
    if not found:
        raise ValueError(f'the {what} "{text.strip()}" cannot be read; write it as {example}')
    number, unit = found.groups()
    if not unit:
        raise ValueError(f"the {what} {number} has no unit; write it as {number} {example.split()[1]}")
    folded = re.sub(r"\s", "", unit).lower().replace("µ", "u").replace("μ", "u")
    if folded not in units:
        known = ", ".join(units)
        raise ValueError(f'the {what} "{text.strip()}" has the unit {unit}; known are {known}')
    value = float(f"{float(number.replace(',', '.')) * units[folded]:.12g}")
    if value <= 0:
        raise ValueError(f"the {what} is above 0")
    return value


def doses_due(
    day: int,
    frequency: str,
    dosing_days: Sequence[int] = (),
    first_day: int | None = None,
    last_day: int | None = None,
) -> int:
    """How many doses of an agent are due on a study day; 0 outside its window, 2 for BID.

    Cycles count from the first dosing day, day 0 where none is set. An agent without a frequency is given
    once a day.
    """
    first = first_day or 0
    if day < first or (last_day is not None and day > last_day):
        return 0
    since = day - first
    due = {
        "5_on_2_off": since % 7 < 5,
        "q2d": since % 2 == 0,
        "q7d": since % 7 == 0,
        "day_list": day in dosing_days,
    }.get(frequency, True)
    return 2 if frequency == "bid" else int(due)


@dataclass(frozen=True)
class Amount:
    """What one mouse gets: mg of the agent (None where the dose is a volume only) in mL."""

    mg: float | None
    ml: float


def amount(
    weight_g: float,
    mg_per_kg: float | None,
    mg_per_ml: float | None,
    ml_per_kg: float | None,
    max_ml_per_kg: float | None = None,
) -> Amount:
    """mg/kg -> mg -> mL at the formulation's concentration; by mL/kg where there is none.

    Raises ValueError where nothing says the volume, and above the maximum volume. A volume on the maximum
    passes: 10.000000000000002 mL/kg is 10 mL/kg.
    """
    if mg_per_kg and mg_per_ml:
        per_kg = mg_per_kg / mg_per_ml
    elif ml_per_kg:
        per_kg = ml_per_kg
    else:
        raise ValueError("no concentration and no volume per kg are on record")
    if max_ml_per_kg is not None and round(per_kg, 9) > max_ml_per_kg:
        raise ValueError(f"{per_kg:.3g} mL/kg is above the maximum of {max_ml_per_kg:g} mL/kg")
    mg = mg_per_kg * weight_g / 1000 if mg_per_kg else None
    return Amount(mg, round(per_kg * weight_g / 1000, 6))
