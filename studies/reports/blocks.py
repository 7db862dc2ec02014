"""What a report is made of. Sections give blocks; renderers turn blocks into pages. Nothing here knows either."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Tone = Literal["plain", "lead", "quiet", "warning"]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section, one level below the section's own."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text. `lead` states the answer; `warning` must not be overlooked."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Name and value, one pair a line."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Column:
    """One column of a table: the row's key (two keys make an interval), its title with the unit, its kind.

    Kinds are those of `studies.reports.words`.
    """

    key: str | tuple[str, str]
    title: str
    kind: str = "text"

    def value(self, row: Mapping[str, Any]) -> Any:
        if isinstance(self.key, tuple):
            return tuple(row.get(key) for key in self.key)
        return row.get(self.key)


@dataclass(frozen=True)
class Table:
    """Rows as they stand in the JSON, shown by columns; `note` explains marks and empty cells."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of one or more pages. `draw` makes Matplotlib figures; `alt` says what they show in words."""

    id: str
    caption: str
    alt: str
    draw: Callable[[], Sequence[Any]]


Block = Heading | Paragraph | Bullets | Facts | Table | Figure


@dataclass(frozen=True)
class Section:
    """A numbered part of the report."""

    id: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
