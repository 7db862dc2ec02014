"""The rules for the browser: the same limits, words and device formats, as JSON; the server decides."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

from studies.terms import MeasurementStatus
from studies.validation.circumstances import WITHOUT_SIZE
from studies.validation.devices import FORMATS, browser_pattern
from studies.validation.limits import Limits
from studies.validation.rules import RULES


def limits_json(limits: Limits) -> dict[str, Any]:
    """`limits` by name, the rules' words, statuses and device formats."""
    return {
        "version": limits.version,
        "limits": limit_values(limits),
        "rules": [{"id": rule.id, "name": rule.name, "hard": rule.hard, "soft": rule.soft} for rule in RULES],
        "statuses": [
            {"value": str(status), "label": status.label, "without_size": status in WITHOUT_SIZE}
            for status in MeasurementStatus
        ],
        "devices": [
            {
                "id": known.id,
                "name": known.name,
                "pattern": browser_pattern(known.pattern),
                "unit": known.unit,
                "refused": known.refused,
            }
            for known in FORMATS
        ],
    }


def limit_values(limits: Limits) -> dict[str, Any]:
    """Each limit by name, decimals as text."""
    values: dict[str, Any] = {}
    for limit in fields(Limits):
        value = getattr(limits, limit.name)
        if isinstance(value, Decimal):
            values[limit.name] = str(value)
        elif limit.name == "strain_weights_g":
            values[limit.name] = {key: [str(low), str(high)] for key, (low, high) in value.items()}
        elif limit.name != "version":
            values[limit.name] = value
    return values
