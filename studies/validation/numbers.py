"""One number as a person, a caliper or a balance wrote it: R1 syntax, R2 precision, R3 unit.

`float()` and `Decimal()` read "1_000", "١٢", "1e3" and "nan"; a reading is none of these, so the
syntax is decided here first.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from studies.validation.findings import Finding, hard

_TRIMMED = " \t\r\n"
_NUMBER = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?")
_WITH_UNIT = re.compile(r"([0-9]+(?:[.,][0-9]+)?)[ \t]*([A-Za-z\"µ]+)")
UNITS = {"length_mm": "mm", "width_mm": "mm", "height_mm": "mm", "weight_g": "g"}
LONGEST_DIGITS = 12


@dataclass(frozen=True)
class Number:
    """What a field holds: a value, or nothing (`is_blank`), or findings that refuse it."""

    value: Decimal | None = None
    is_blank: bool = False
    findings: tuple[Finding, ...] = ()


BLANK = Number(is_blank=True)


def read_number(field: str, raw: Any, decimals: int = 2) -> Number:
    """The value of `field` in its unit, from text or a JSON number (int or Decimal); R1 to R3 hard."""
    if raw is None:
        return BLANK
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        return _refused("R1", field, "is no number")
    text = str(raw).strip(_TRIMMED)
    if not text:
        return BLANK
    if with_unit := _WITH_UNIT.fullmatch(text):
        text, unit = with_unit.groups()
        if unit.lower() != UNITS[field]:
            return _refused("R3", field, f"is in {unit}; this field is in {UNITS[field]}")
    found = _NUMBER.fullmatch(text)
    if found is None:
        return _refused("R1", field, _why_not(text))
    if len(found[1]) > LONGEST_DIGITS:
        return _refused("R1", field, "has too many digits")
    if len(found[2] or "") > decimals:
        return _refused("R2", field, f"has more than {decimals} decimals")
    return Number(Decimal(text.replace(",", ".")))


def _refused(rule: str, field: str, why: str) -> Number:
    return Number(findings=(hard(rule, field, why),))


def _why_not(text: str) -> str:
    if any(char.isdigit() and not char.isascii() for char in text):
        return "is not written in the digits 0 to 9"
    if text[0] in "+-−":
        return "has a sign; write the digits alone"
    if re.fullmatch(r"[0-9.,]+[eE][+-]?[0-9]+", text):
        return "has an exponent; write the digits alone"
    if re.fullmatch(r"[0-9][0-9.,' _]*", text):
        return "has a thousands mark, or more than one decimal mark"
    return "is no number"
