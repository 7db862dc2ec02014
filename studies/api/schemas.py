"""The shapes of requests and replies; what a value must be is the rules' to say, row by row."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

ANY_NUMBER = 'A number, or text such as "12.3", "12,3" or "12.3 mm"; anything else is refused for its row.'


class Strict(Schema):
    model_config = ConfigDict(strict=True, extra="forbid")


class Problem(Schema):
    """Why a request as a whole was not carried out; nothing was stored."""

    detail: Any = Field(description="In words, or a list of what is wrong where.")


class ConfirmationIn(Strict):
    """The answer to one question: which rule asked, and why the value stands."""

    rule: str = Field(examples=["R8"])
    reason: str = Field(examples=["measured again"])


class RowIn(Strict):
    """One reading of one tumor of one mouse."""

    client_id: str = Field(description="A UUID of the client's own; the same one for every try.")
    mouse: str = Field(description="The mouse's key, as the sheet gives it.")
    tumor: int = 1
    replicate: int = Field(1, description="2 and up for a reading taken again beside the first.")
    observed_at: str = Field(description="ISO 8601 with a time zone.")
    length_mm: Any = Field(None, description=ANY_NUMBER)
    width_mm: Any = Field(None, description=ANY_NUMBER)
    height_mm: Any = Field(None, description=ANY_NUMBER)
    weight_g: Any = Field(None, description=ANY_NUMBER)
    status: str | None = Field(None, description="measured, or why there is no size.")
    device: str | None = None
    confirmations: list[ConfirmationIn] = []
    scanned: str | None = Field(None, description="The mouse whose tag was scanned last.")
    shortest_interval_ms: int | None = Field(
        None, description="Between two readings a device sent for this row."
    )


class SheetIn(Strict):
    """A sheet, or the rows of it that are ready."""

    rows: list[RowIn] = Field(max_length=500)


class RuleOut(Schema):
    """One rule's word: hard refuses, soft asks, a notice was stored and wants an action."""

    id: str
    field: str
    message: str
    severity: Literal["hard", "soft", "notice"]


class ReadingOut(Schema):
    """A reading on record."""

    mouse: str
    tumor: int
    replicate: int
    revision: int
    length_mm: float | None
    width_mm: float | None
    height_mm: float | None
    weight_g: float | None
    status: str
    device: str
    observed_at: datetime | None
    recorded_at: datetime
    client_id: UUID | None


class SentOut(Schema):
    """A row as it was sent, beside a conflict or a refusal."""

    mouse: str
    tumor: int
    replicate: int
    length_mm: Any
    width_mm: Any
    height_mm: Any
    weight_g: Any
    status: str
    device: str
    observed_at: str
    confirmations: list[ConfirmationIn]


class ResultOut(Schema):
    """What became of one row."""

    client_id: str
    http_status: Literal[200, 201, 409, 422] = Field(
        description="201 stored, 200 stored before, 409 another reading is there, 422 refused by its rules."
    )
    id: int | None
    stored: ReadingOut | None
    rules: list[RuleOut]
    sent: SentOut | None
    parked: bool = Field(description="Refused by R28 alone, and kept for the study director to decide on.")


class ResultsOut(Schema):
    """One result a row, in the order they were sent."""

    results: list[ResultOut]
