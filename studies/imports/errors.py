"""What a file is refused with: every defect, each with its place, so that one reading mends the file."""

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_VALUE_SHOWN = 60
DEFECTS_SHOWN = 200  # of a refused file; the count says how many there are


@dataclass(frozen=True)
class RowError:
    """One defect of a file. `line` counts from 1; `column` is the header as the file spells it."""

    line: int | None
    column: str | None
    value: str | None
    reason: str

    def __str__(self) -> str:
        place = [f"line {self.line}"] if self.line is not None else []
        if self.column is not None:
            place.append(f'column "{shown(self.column)}"')
        if self.value is not None:
            place.append(f'value "{shown(self.value)}"')
        return f"{', '.join(place)}: {self.reason}" if place else self.reason


class ImportRefused(ValueError):
    """A file that was not read. `errors` holds all of its defects in the order of their lines."""

    def __init__(self, errors: Iterable[RowError]):
        self.errors = tuple(sorted(errors, key=lambda error: error.line or 0))
        first = f", the first: {self.errors[0]}" if self.errors else ""
        super().__init__(f"{len(self.errors)} defect(s){first}")


def shown(text: str) -> str:
    """`text` fit for one line of a terminal: short, without control characters."""
    printable = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return printable if len(printable) <= LONGEST_VALUE_SHOWN else printable[: LONGEST_VALUE_SHOWN - 1] + "…"
