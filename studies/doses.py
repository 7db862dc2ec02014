"""Doses and dose volumes as people write them, with their unit; a number alone is refused.

Pure: standard library only.
"""

import re

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
