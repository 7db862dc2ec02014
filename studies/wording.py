"""Words that follow their number, and values as a person reads them. Standard library only."""

from typing import Any


def noun(number: int, one: str, many: str | None = None) -> str:
    """`one` beside 1, else `many`, which is `one` with an s unless it is given."""
    return one if number == 1 else many or one + "s"


def mice(number: int) -> str:
    """ "1 mouse", "12 mice"."""
    return f"{number} {noun(number, 'mouse', 'mice')}"


def readings(number: int) -> str:
    """ "1 reading", "12 readings"."""
    return f"{number} {noun(number, 'reading')}"


def in_words(value: Any) -> str:
    """A value of the audit trail: "yes" for True, "M001, M002" for a list, "none" for None or an empty one.

    Rows of a list, and the facts of a dict within a value, are parted by semicolons.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {in_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        has_rows = any(isinstance(one, list | dict) for one in value)
        return ("; " if has_rows else ", ").join(map(in_words, value)) or "none"
    return "none" if value is None else str(value)


def level(value: object) -> str:
    """A group of a column as it was meant: 12.0, as a column of numbers with gaps is read, is group 12."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
