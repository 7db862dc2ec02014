"""R29: what a correction or a void must bring."""

from collections.abc import Mapping
from typing import Any

from studies.validation.circumstances import text
from studies.validation.findings import Finding, hard, soft
from studies.validation.limits import Limits


def correction_findings(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    reason: str,
    n_corrections: int,
    limits: Limits,
) -> list[Finding]:
    """R29 and R30 on a revision that changes `old` into `new`, the reading having been corrected
    `n_corrections` times before."""
    found = reason_findings(reason, limits)
    if dict(old) == dict(new):
        found.append(hard("R29", "length_mm", "these are the values on record"))
    if n_corrections >= limits.corrections_high:
        found.append(soft("R29", "reason", f"this reading was corrected {n_corrections} times before"))
    return found


def reason_findings(reason: str, limits: Limits) -> list[Finding]:
    """R29 and R30 on the reason of a correction, a void or a choice."""
    found = list(text("reason", reason, limits.text_max))
    if not reason.strip():
        found.append(hard("R29", "reason", "a correction or void needs a reason"))
    return found
