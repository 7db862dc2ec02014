"""The cells of a file, column by column: typed values, every defect, and what was assumed on the way."""

from dataclasses import dataclass
from typing import Any

from studies.columns import ROLE_WORDS, biomarker_status, canonical_header, fold
from studies.formula_safety import unguarded
from studies.imports.delimited import Records
from studies.imports.errors import RowError
from studies.imports.numbers import MISSING, decimal_mark, read_number
from studies.terms import BiomarkerStatus, ExitReason, MeasurementStatus, Term, YesNoUnknown


@dataclass(frozen=True)
class Quantity:
    """A numeric column: the range a reading may lie in, and whether a row may leave it empty."""

    smallest: float
    largest: float
    below: str
    required: bool = False


# The upper ends only stop what cannot be a reading (a date, a phone number) from reaching the statistics.
QUANTITIES: dict[str, Quantity] = {
    "day": Quantity(-36_500, 36_500, "is more than 100 years before day 0", required=True),
    "volume_mm3": Quantity(0, 1_000_000, "is a negative volume"),
    "length_mm": Quantity(0, 1_000, "is a negative length"),
    "width_mm": Quantity(0, 1_000, "is a negative length"),
    "height_mm": Quantity(0, 1_000, "is a negative length"),
    "weight_g": Quantity(-1_000, 1_000, "is a negative weight"),
}
VOCABULARIES: dict[str, type[Term]] = {
    "status": MeasurementStatus,
    "exit_reason": ExitReason,
    "treatment_related": YesNoUnknown,
}
IDENTITY = ("study", "pdx_model", "arm", "mouse")


class Reading:
    """One pass over the columns of a file: typed values, defects, and what was assumed on the way."""

    def __init__(self, records: Records, headers: dict[str, str]):
        self.records = records
        self.lines = records.lines
        self.spelling = {name: header for header, name in headers.items()}
        texts = zip(*records.cells, strict=True) if records.cells else ([] for _ in records.header)
        columns = zip(records.header, texts, strict=True)
        self.texts = {headers[header]: list(column) for header, column in columns}
        self.columns: dict[str, list[Any]] = {}
        self.defects: list[RowError] = []
        self.assumptions: list[str] = []
        self.set_aside: list[RowError] = []

    def read(self, file_stem: str) -> None:
        """Read every column, then hold what must agree between rows and columns."""
        mark = self._decimal_mark()
        for name, texts in self.texts.items():
            if name in QUANTITIES:
                self.columns[name] = self._numbers(name, texts, mark)
            elif name == "map2k4_status":
                self.columns[name] = self._statuses(texts)
            elif name in VOCABULARIES:
                self.columns[name] = self._words(name, texts)
            else:
                self.columns[name] = self._texts(name, texts)
        self._complete(file_stem)
        self._hold_one_role_a_treatment()
        self._hold_one_status_a_model()
        self._hold_caliper_pairs()
        self._hold_statuses()

    def _refuse(self, row: int, name: str, reason: str) -> None:
        self.defects.append(RowError(self.lines[row], self.spelling[name], self.texts[name][row], reason))

    def _decimal_mark(self) -> str | None:
        numeric = {self.spelling[name]: self.texts[name] for name in QUANTITIES if name in self.texts}
        found = decimal_mark(numeric, self.lines, self.records.delimiter)
        self.defects += found.errors
        if found.mark == ",":
            self.assumptions.append("Numbers were read with a decimal comma.")
        elif found.mark == "." and self.records.delimiter == ";":
            self.assumptions.append("Numbers were read with a decimal point.")
        self._told = {(error.line, error.column) for error in found.errors}
        return found.mark

    def _numbers(self, name: str, texts: list[str], mark: str | None) -> list[float | None]:
        """Each distinct text is judged once; a file repeats its days and many of its volumes."""
        quantity = QUANTITIES[name]
        verdicts = {text: _judge(text, mark, quantity) for text in set(texts)}
        values = [verdicts[text] for text in texts]
        for row, verdict in enumerate(values):
            if isinstance(verdict, str) and (self.lines[row], self.spelling[name]) not in self._told:
                self._refuse(row, name, verdict)
        numbers = [None if isinstance(value, str) else value for value in values]
        self._tell_missing(name, texts)
        return self._weighed(numbers) if name == "weight_g" else numbers

    def _tell_missing(self, name: str, texts: list[str]) -> None:
        count = texts.count("NA")
        if count:
            self.assumptions.append(f'{count} cell(s) "NA" of {name} were read as not measured.')

    def _weighed(self, weights: list[float | None]) -> list[float | None]:
        """No mouse weighs 0 g or less: scales write that for a failed weighing; the row stays."""
        failed = [row for row, weight in enumerate(weights) if weight is not None and weight <= 0]
        for row in failed:
            weights[row] = None
            reason = "no mouse weighs 0 g or less; read as not weighed, the tumor reading is kept"
            self.set_aside.append(
                RowError(self.lines[row], self.spelling["weight_g"], self.texts["weight_g"][row], reason)
            )
        if failed:
            where = ", ".join(str(self.lines[row]) for row in failed[:10])
            self.assumptions.append(
                f"{len(failed)} weight(s) of 0 g or less were read as not weighed (line {where}"
                f"{', …' if len(failed) > 10 else ''})."
            )
        return weights

    def _statuses(self, texts: list[str]) -> list[str]:
        meaning = {text: biomarker_status(text) for text in set(texts)}
        values = []
        for row, text in enumerate(texts):
            status, _ = meaning[text]
            if status is None:
                allowed = ", ".join(BiomarkerStatus.values())
                self._refuse(row, "map2k4_status", f"is no MAP2K4 status; use {allowed}")
            values.append(str(status or BiomarkerStatus.UNKNOWN))
        for text in sorted(meaning):
            if meaning[text][1]:
                self.assumptions.append(f"MAP2K4 status: {meaning[text][1]} ({texts.count(text)} rows).")
        return values

    def _words(self, name: str, texts: list[str]) -> list[str | None]:
        allowed = VOCABULARIES[name].values()
        folded = {text: fold(text) for text in set(texts)}
        values: list[str | None] = []
        for row, text in enumerate(texts):
            if text in MISSING:
                values.append(None)
                continue
            if folded[text] not in allowed:
                self._refuse(row, name, f"is no {name}; use one of {', '.join(allowed)}")
            values.append(folded[text])
        return values

    def _texts(self, name: str, texts: list[str]) -> list[str | None]:
        """Text as it stands, without the guard our own exports put before what looks like a formula."""
        plain = {text: unguarded(text) for text in set(texts)}
        if name in self.spelling and canonical_header(self.spelling[name]):
            self._refuse_unfit_names(name, texts, plain)
        return [plain[text] or None for text in texts]

    def _refuse_unfit_names(self, name: str, texts: list[str], plain: dict[str, str]) -> None:
        required = name in IDENTITY or (name == "treatment" and "arm" not in self.texts)
        unfit = {text: _unfit_name(value, required) for text, value in plain.items()}
        for row, text in enumerate(texts):
            if unfit[text]:
                self._refuse(row, name, unfit[text])

    def _complete(self, file_stem: str) -> None:
        """Fill in what a file of one study or one PDX model need not say."""
        if "arm" not in self.columns:
            self.columns["arm"] = self.columns.pop("treatment")
            self.assumptions.append(f'The column "{self.spelling["treatment"]}" names the arms.')
        if "study" not in self.columns:
            self.columns = {"study": [file_stem] * len(self.lines), **self.columns}
            self.assumptions.append(
                f'The file names no study; it was read as the study "{file_stem}", after the file.'
            )
        if "pdx_model" not in self.columns:
            self.columns["pdx_model"] = list(self.columns["study"])
            self.assumptions.append(
                "The file names no PDX model; each study was read as one PDX model of its name."
            )

    def _hold_one_role_a_treatment(self) -> None:
        """Where treatment names the arm, every row names it, and an arm is control or treated, not both."""
        if not arm_is_a_role(self.columns):
            return
        first: dict[tuple, tuple[bool, int]] = {}
        rows = zip(self.columns["study"], self.columns["treatment"], self.columns["arm"], strict=True)
        for row, (study, treatment, role) in enumerate(rows):
            if treatment is None:
                self._refuse(row, "treatment", "is empty, and the arm column only says control or treated")
                continue
            is_control = ROLE_WORDS[fold(role)]
            known, line = first.setdefault((study, treatment), (is_control, self.lines[row]))
            if known != is_control:
                other = "control" if known else "treated"
                self._refuse(row, "arm", f"marks {treatment}, which is marked {other} in line {line}")

    def _hold_one_status_a_model(self) -> None:
        """A PDX model has one MAP2K4 status; a row that tells it tells it for the rows that do not."""
        statuses = self.columns.get("map2k4_status")
        if statuses is None:
            return
        models = list(zip(self.columns["study"], self.columns["pdx_model"], strict=True))
        told: dict[tuple, tuple[str, int]] = {}
        for row, (model, status) in enumerate(zip(models, statuses, strict=True)):
            if status == BiomarkerStatus.UNKNOWN:
                continue
            known, line = told.setdefault(model, (status, self.lines[row]))
            if status != known:
                reason = f"PDX model {model[1]} is {known} in line {line}; a PDX model has one MAP2K4 status"
                self._refuse(row, "map2k4_status", reason)
        unknown = (str(BiomarkerStatus.UNKNOWN), 0)
        self.columns["map2k4_status"] = [told.get(model, unknown)[0] for model in models]

    def _hold_caliper_pairs(self) -> None:
        """0 x 0 mm is a tumor that was not palpable; 0 beside a length, or one length alone, is a slip."""
        if not {"length_mm", "width_mm"} <= self.columns.keys():
            return
        texts = zip(self.texts["length_mm"], self.texts["width_mm"], strict=True)
        pairs = zip(self.columns["length_mm"], self.columns["width_mm"], strict=True)
        for row, ((length_text, width_text), (length, width)) in enumerate(zip(texts, pairs, strict=True)):
            if (length_text in MISSING) != (width_text in MISSING):
                name, other = ("length", "width") if length_text in MISSING else ("width", "length")
                self._refuse(row, f"{name}_mm", f"is empty while the {other} was measured")
            elif None not in (length, width) and (length == 0) != (width == 0):
                name = "length_mm" if length == 0 else "width_mm"
                self._refuse(row, name, "is 0 beside a length above 0; a tumor not palpable has 0 in both")

    def _hold_statuses(self) -> None:
        """A tumor that was not palpable, or not looked at, has no size."""
        sizes = [name for name in ("volume_mm3", "length_mm", "width_mm") if name in self.columns]
        for row, status in enumerate(self.columns.get("status", ())):
            if status in (MeasurementStatus.NOT_PALPABLE, MeasurementStatus.NOT_DONE):
                for name in sizes:
                    if (self.columns[name][row] or 0) > 0:
                        self._refuse(
                            row, name, f"contradicts the status {status}, which says there is no size"
                        )


def _judge(text: str, mark: str | None, quantity: Quantity) -> float | str | None:
    """The number of a cell, None for a missing one, or the reason why it is refused."""
    if text in MISSING:
        return "is empty" if quantity.required else None
    number = read_number(text, mark)
    if isinstance(number, str):
        return number
    if number < quantity.smallest:
        return quantity.below
    return number if number <= quantity.largest else "is too large to be a measurement"


def _unfit_name(text: str, required: bool) -> str:
    if not text:
        return "is empty" if required else ""
    if any(not char.isprintable() for char in text):
        return "holds a line break or an invisible character"
    return "is longer than 200 characters" if len(text) > 200 else ""


def arm_names(columns: dict[str, list[Any]]) -> list[str]:
    """The arm of every row: its treatment, where `arm` only says control or treated."""
    return columns["treatment"] if arm_is_a_role(columns) else columns["arm"]


def arm_is_a_role(columns: dict[str, list[Any]]) -> bool:
    """Whether the table names its arms in `treatment` and only marks the control in `arm`."""
    if "treatment" not in columns:
        return False
    return {fold(arm or "") for arm in set(columns["arm"])} <= set(ROLE_WORDS)
