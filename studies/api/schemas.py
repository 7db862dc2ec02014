"""The shapes of requests and replies; what a value must be is the rules' to say, row by row."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

ANY_NUMBER = 'A number, or text such as "12.3", "12,3" or "12.3 mm"; anything else is refused for its row.'


class Strict(BaseModel):
    """What is sent is plain JSON: ninja's own base would wrap each row of it, to read attributes and resolvers."""

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
    signs: list[str] = Field([], description="Clinical signs by their codes.")
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
    signs: list[str]
    device: str
    observed_at: datetime | None
    recorded_at: datetime
    client_id: UUID | None
    observer: str | None = Field(None, description="Whose reading it is; told with a conflict.")


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
    signs: list[str] = []
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


class StoredOut(ReadingOut):
    """A reading on record in this session, by its id."""

    id: int
    observer: str


class SessionOut(Schema):
    """One session of measuring, and how far it is."""

    id: int
    study: str
    due_on: date | None
    is_baseline: bool
    state: Literal["due", "overdue", "partly done", "measured"]
    n_mice: int
    n_done: int
    places: list[str] = Field(description="Room / rack, in order.")


class SessionsOut(Schema):
    """What the caller may measure today, across studies, the longest overdue first."""

    sessions: list[SessionOut]


class WindowsOut(Schema):
    """Values that ask no question, lowest and highest as text; shown to nobody before entry."""

    volume_mm3: tuple[str, str] | None
    length_mm: tuple[str, str] | None
    width_mm: tuple[str, str] | None
    aspect: tuple[str, str] | None = Field(
        description="Longer over shorter diameter; R9 asks where both fail."
    )
    weight_g: tuple[str, str] | None


class PreviousOut(Schema):
    """The tumor's last visit, to be compared after entry."""

    days_ago: float
    length_mm: float | None
    width_mm: float | None
    volume_mm3: float | None
    weight_g: float | None


class TumorOut(Schema):
    """One tumor of a mouse: what is on record for this session, and what may be expected."""

    number: int
    readings: list[StoredOut]
    cv_percent: float | None = Field(description="Of the volumes of its replicates.")
    previous: PreviousOut | None
    expected: WindowsOut


class SheetMouseOut(Schema):
    """One mouse of the sheet, without a word of arms."""

    mouse: str
    label: str
    room: str
    rack: str
    cage: str
    ear_tag: str
    rfid: str
    exited_on: date | None
    tumors: list[TumorOut]


class SheetOut(Schema):
    """A session's sheet: its mice in order, the limits that hold, and why it takes nothing if it is closed."""

    id: int
    study: str
    due_on: date | None
    is_baseline: bool
    time_zone: str
    volume_formula: str
    server_time: datetime
    closed_because: str
    order: Literal["rack", "random"]
    limits: dict[str, Any]
    mice: list[SheetMouseOut]


class RevisionOut(ReadingOut):
    """One revision of one reading, and who made it why."""

    id: int
    session_id: int
    due_on: date | None
    study_day: float | None
    is_void: bool
    is_current: bool
    observer: str
    reason: str
    confirmations: list[ConfirmationIn]
    limits_version: str


class HistoryOut(Schema):
    """Every revision of every reading, the newest first."""

    revisions: list[RevisionOut]


class RemeasureOut(Schema):
    """Mice to measure again, and how well readings taken again agree so far."""

    mice: list[str]
    n_agreement: int
    cv_percent: float | None
    icc: float | None


class CorrectionIn(Strict):
    """The values that should stand instead, and why."""

    client_id: str = Field(description="A UUID of the client's own; the same one for every try.")
    reason: str
    observed_at: str
    length_mm: Any = Field(None, description=ANY_NUMBER)
    width_mm: Any = Field(None, description=ANY_NUMBER)
    height_mm: Any = Field(None, description=ANY_NUMBER)
    weight_g: Any = Field(None, description=ANY_NUMBER)
    status: str | None = None
    signs: list[str] = []
    device: str | None = None
    confirmations: list[ConfirmationIn] = []


class VoidIn(Strict):
    """Why the reading is taken away."""

    client_id: str = Field(description="A UUID of the client's own; the same one for every try.")
    reason: str


class ChoiceIn(Strict):
    """How the second of two people settles a conflict: which values stand, and why."""

    choice: Literal["stored", "sent", "both"]
    reason: str
    row: RowIn


class SignatureIn(Strict):
    """User id and password, given again by the person who signs."""

    username: str = Field(max_length=150)
    password: str = Field(max_length=500)


class SignatureOut(Schema):
    """The signature that closed the session."""

    id: int
    signer: str
    signed_at: datetime
    record_sha256: str
