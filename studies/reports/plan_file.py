"""The plan file of the command line: JSON to a plan, or a refusal in words."""

import json
from typing import Any

from studies.imports import ImportRefused, RowError


def read_plan(content: bytes, filename: str) -> dict[str, Any]:
    """The plan a JSON file holds; what is in it is judged by the analysis.

    Refused (ImportRefused): no JSON, not an object, a key twice, NaN or Infinity.
    """
    try:
        plan = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _refused(filename, error.lineno, f"is no JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise _refused(filename, None, str(error) or "is nested too deeply") from None
    if not isinstance(plan, dict):
        raise _refused(filename, None, "must hold one object, {...}")
    return plan


def _refused(filename: str, line: int | None, reason: str) -> ImportRefused:
    return ImportRefused([RowError(line, None, None, f"the plan {filename} {reason}")])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'names the key "{key}" twice')
        found[key] = value
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"holds {text}, which is no number")
