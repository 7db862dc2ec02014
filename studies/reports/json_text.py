"""The JSON of the analysis as text."""

import json
from typing import Any


def dumps(document: dict[str, Any]) -> str:
    """The same text for the same numbers; NaN and Infinity are an error here, not in the reader."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
