"""Text that a spreadsheet shows instead of runs.

A cell that starts with = + - @ is taken for a formula by Excel, LibreOffice and Sheets, also in a
CSV. Such text gets an apostrophe in front; `unguarded` takes it off again, so that our own exports
are read back unchanged. Numbers are written as numbers and need no guard.
"""

import re

_STARTS_A_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def guarded(text: str) -> str:
    return f"'{text}" if _STARTS_A_FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The inverse of `guarded`; other text is given back as it is."""
    return text[1:] if text.startswith("'") and _STARTS_A_FORMULA.match(text) else text
