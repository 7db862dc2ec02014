"""What a file of measurements says of one study: its mice, arms, tumors, and what of it cannot be stored."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import models

from studies.actions.registry import GENE_SYMBOL
from studies.imports import MeasurementTable, RowError
from studies.models import (
    Allocation,
    Arm,
    Cage,
    GenotypeCall,
    Measurement,
    Mouse,
    PdxModel,
    Tumor,
)
from studies.terms import ArmRole

MOUSE_FACTS = ("block", "cage", "passage", "exit_reason", "treatment_related")
LARGEST_NUMBER = 32_767  # of a passage, tumor or replicate, in both databases
# Where each column's text is stored; SQLite would take more than its field says, PostgreSQL does not.
STORED_IN: dict[str, tuple[type[models.Model], str]] = {
    "study": (Mouse, "source_study"),
    "pdx_model": (PdxModel, "code"),
    "mouse": (Mouse, "source_id"),
    "cage": (Cage, "code"),
    "block": (Allocation, "block"),
    "operator": (Measurement, "observer_name"),
    "tumor": (Tumor, "site"),
    "tumor_type": (PdxModel, "cancer_type"),
}


@dataclass
class MouseDraft:
    """One mouse of the file: where its rows stand, and the facts they tell about it."""

    source_study: str
    pdx_model: str
    arm: str
    source_id: str
    rows: list[int] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    label: str = ""


@dataclass
class StudyDraft:
    """The rows of a file that become one study."""

    code: str
    table: MeasurementTable
    rows: list[int]
    is_pooled: bool
    control: str | None

    @property
    def lines(self) -> list[int]:
        return self.rows

    def column(self, name: str) -> list[Any] | None:
        return self.table.columns.get(name)

    @cached_property
    def mice(self) -> list[MouseDraft]:
        columns, arms = self.table.columns, self.table.arm_names
        found: dict[tuple, MouseDraft] = {}
        studies, models, ids = columns["study"], columns["pdx_model"], columns["mouse"]
        for row in self.rows:
            key = (studies[row], models[row], arms[row], ids[row])
            mouse = found.get(key)
            if mouse is None:
                mouse = found[key] = MouseDraft(*key)
            mouse.rows.append(row)
        mice = list(found.values())
        _label(mice)
        for mouse in mice:
            self._gather_facts(mouse)
        return mice

    def _gather_facts(self, mouse: MouseDraft) -> None:
        """The last row that tells a fact tells it for the mouse: a mouse that moved is where it moved to."""
        for name in MOUSE_FACTS:
            told = self.column(name)
            if told is not None:
                values = [told[row] for row in mouse.rows if told[row] is not None]
                if values:
                    mouse.facts[name] = values[-1]

    @cached_property
    def roles(self) -> dict[str, str]:
        """arm -> role: vehicle where the file or the caller marks it, else what the file says, else blank."""
        arms, told = self.table.arm_names, self.column("role")
        roles = dict.fromkeys((arms[row] for row in self.rows), "")
        for row in self.rows if told is not None else ():
            if told[row] in ArmRole.values():
                roles[arms[row]] = told[row]
            elif told[row] in ("control", "untreated"):
                roles[arms[row]] = ArmRole.VEHICLE
        for study in {self.table.columns["study"][row] for row in self.rows}:
            for arm in self.table.marked_controls.get(study, ()):
                roles[arm] = ArmRole.VEHICLE
        if self.control in roles:
            roles[self.control] = ArmRole.VEHICLE
        return roles

    @cached_property
    def tumors(self) -> list[tuple[int, str]]:
        """(number, site) of every row of the file: the file's own numbers, else places among its names."""
        told = self.column("tumor")
        if told is None:
            return [(1, "")] * len(self.table)
        places = _numbered(told)
        by_name = any(str(place) != name for name, place in places.items())
        return [(places[name], (name or "") if by_name else "") for name in told]

    @cached_property
    def replicates(self) -> list[int]:
        told = self.column("replicate")
        if told is None:
            return [1] * len(self.table)
        places = _numbered(told)
        return [places[name] for name in told]

    def errors(self) -> Iterable[RowError]:
        """What keeps these rows from being stored, each with its line."""
        yield from self.control_errors()
        yield from self._two_facts()
        yield from self._too_long()

    def control_errors(self) -> Iterable[RowError]:
        if self.control is not None and self.control not in self.roles:
            arms = ", ".join(self.roles)
            yield RowError(None, "arm", self.control, f"is not an arm of study {self.code} (arms: {arms})")

    def _two_facts(self) -> Iterable[RowError]:
        for name in ("exit_reason", "treatment_related"):
            told = self.column(name)
            for mouse in self.mice if told is not None else ():
                values = {told[row] for row in mouse.rows} - {None}
                if len(values) > 1:
                    line = self.table.lines[mouse.rows[-1]]
                    reason = f"mouse {mouse.source_id} has two of them: {', '.join(sorted(values))}"
                    yield RowError(line, name, told[mouse.rows[-1]], reason)

    def _too_long(self) -> Iterable[RowError]:
        genes = {
            name: (GenotypeCall, "variant") for name in self.table.columns if GENE_SYMBOL.fullmatch(name)
        }
        arm = "treatment" if self.table.arm_names is self.column("treatment") else "arm"
        for name, (model, field_name) in {**STORED_IN, arm: (Arm, "name"), **genes}.items():
            limit = model._meta.get_field(field_name).max_length
            for row in self._first_rows_of(name):
                text = str(self.column(name)[row])
                if len(text) > limit:
                    yield self._error(row, name, f"is longer than the {limit} characters the record holds")
                elif len(text.splitlines()) > 1:
                    yield self._error(row, name, "holds a line break")
        for row in self._first_rows_of("passage"):
            digits = passage_digits(self.column("passage")[row])
            if digits and int(digits) > LARGEST_NUMBER:
                yield self._error(row, "passage", f"is no passage: the record counts to {LARGEST_NUMBER}")
        limit = Mouse._meta.get_field("label").max_length
        for mouse in self.mice:
            if len(mouse.label) > limit >= len(mouse.source_id):
                reason = f"with its study, PDX model and arm the id is longer than {limit} characters"
                yield self._error(mouse.rows[0], "mouse", reason)

    def _first_rows_of(self, name: str) -> Iterable[int]:
        """The first row of each value a column holds in this study."""
        told, seen = self.column(name), {None}
        for row in self.rows if told is not None else ():
            if told[row] not in seen:
                seen.add(told[row])
                yield row

    def _error(self, row: int, name: str, reason: str) -> RowError:
        header = self.table.headers.get(name, name)
        return RowError(self.table.lines[row], header, str(self.column(name)[row]), reason)


def passage_digits(text: str) -> str:
    """The number in "P4" or "4"; empty where the text holds anything else."""
    digits = text.lstrip("Pp")
    return digits if digits.isdecimal() and digits.isascii() else ""


def _numbered(told: Sequence[str | None]) -> dict[str | None, int]:
    """Each name's number: its own where every name is one, else its place, a row without a name first."""
    names = set(told)
    if all(_is_number(name) for name in names):
        numbers = {name: int(name) for name in names if name is not None}
        if len(set(numbers.values())) == len(names):  # "1" and "01" are two names
            return numbers
    return {name: place for place, name in enumerate(sorted(names, key=lambda name: name or ""), start=1)}


def _is_number(name: str | None) -> bool:
    return name is not None and name.isdecimal() and name.isascii() and 0 < int(name) <= LARGEST_NUMBER


def _label(mice: Sequence[MouseDraft]) -> None:
    """The file's own id where it tells the mice apart, else as much of study, model and arm as does."""
    parts = ("source_study", "pdx_model", "arm")
    telling = [part for part in parts if len({getattr(mouse, part) for mouse in mice}) > 1]
    count: dict[str, int] = defaultdict(int)
    for mouse in mice:
        count[mouse.source_id] += 1
    for mouse in mice:
        namesakes = count[mouse.source_id] > 1
        path = [getattr(mouse, part) for part in telling] if namesakes else []
        mouse.label = "/".join([*path, mouse.source_id])
