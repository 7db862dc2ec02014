"""What the analysis refuses, said so that a scientist can act on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One cell that cannot be used. `row` counts the table's data rows from 1; None where no one row is
    at fault.
    """

    row: int | None
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        place = f"row {self.row}, " if self.row is not None else ""
        value = f' "{self.value}"' if self.value else ""
        return f"{place}{self.column}{value}: {self.reason}"


class AnalysisError(ValueError):
    """A refusal. `defects` names every cell at fault; the message shows the first few of them."""

    def __init__(self, message: str, defects: tuple[Defect, ...] | list[Defect] = ()):
        super().__init__(message)
        self.defects = tuple(defects)

    @classmethod
    def from_defects(cls, defects: list[Defect]) -> "AnalysisError":
        shown = "; ".join(str(defect) for defect in defects[:3])
        more = f"; and {len(defects) - 3} more" if len(defects) > 3 else ""
        return cls(shown + more, defects)
