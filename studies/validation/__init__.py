"""The measurement rules R1 to R30: one table for the form, the API, the importer and the replay."""

from studies.validation.corrections import correction_findings, reason_findings
from studies.validation.devices import DeviceLine, read_device_line
from studies.validation.expected import Windows, windows
from studies.validation.export import limit_values, limits_json
from studies.validation.findings import Finding, Severity
from studies.validation.limits import Limits, LimitsRefused, with_overrides
from studies.validation.numbers import read_number
from studies.validation.rows import (
    DeviceFacts,
    MouseFacts,
    Reading,
    Row,
    SheetFacts,
    Visit,
    day_number,
    read_row,
    stored_reading,
    volume_of,
)
from studies.validation.rules import BY_ID, RULES, Rule
from studies.validation.verdicts import Verdict, judge

__all__ = [
    "BY_ID",
    "RULES",
    "DeviceFacts",
    "DeviceLine",
    "Finding",
    "Limits",
    "LimitsRefused",
    "MouseFacts",
    "Reading",
    "Row",
    "Rule",
    "Severity",
    "SheetFacts",
    "Verdict",
    "Visit",
    "Windows",
    "correction_findings",
    "day_number",
    "judge",
    "limit_values",
    "limits_json",
    "read_device_line",
    "read_number",
    "read_row",
    "reason_findings",
    "stored_reading",
    "volume_of",
    "windows",
    "with_overrides",
]
