"""Studies with planted errors: how many of the errors the rules stop or question, and how often they ask in vain.

    python -m tests.validation.planted_errors     (with PDX_REAL_DATA; prints a table by kind and by study)

Growth is resampled from the mice of real studies; lengths follow from their volumes, weights are theirs where
they were weighed. Half of each study's mice tuned the limits, the other half is reported. An error is gross
where it puts the volume off by more than 2 times or the weight by more than 10 %. One row in a hundred is
wrong, the nine kinds in equal shares: ten times as often as people who type mistype.
"""

import csv
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import exp
from pathlib import Path
from random import Random

from studies.validation import MouseFacts, Row, SheetFacts, Visit, judge, volume_of

STUDIES = (
    "invivosyn_ls1034", "invivosyn_sw837", "kulgap_example", "pdxe_binimetinib", "pdxe_brca_xeva", "pdxe_cm",
    "repdx_xeva", "slmm_mas98_her_trast", "synergylmm_grwth_data", "tumgrowth_testlong", "tumr_melanoma1",
)  # fmt: skip
KINDS = (
    "decimal slip", "digit swap", "digit doubled", "L/W swapped", "neighbor's row", "value in wrong field",
    "cm for mm", "copied visit", "wrong day",
)  # fmt: skip
ERROR_RATE = 0.01
RUN_LENGTH = 4  # mice whose last visit is copied down together
FIELDS = 4  # a row's length, width, weight and day
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
TENTH = Decimal("0.1")


@dataclass(frozen=True)
class Truth:
    """One true row: a mouse on a day. Lengths None where nothing was palpable or it was too small."""

    mouse: int
    day: float
    length: Decimal | None
    width: Decimal | None
    weight: Decimal

    @property
    def volume(self) -> float:
        return float(volume_of(self.length, self.width)) if self.length and self.width else 0.0


@dataclass
class Written:
    """A row as it was written down: `kind` says which error, none where it is right."""

    truth: Truth
    length: Decimal | None
    width: Decimal | None
    weight: Decimal | None
    day: float
    kind: str = ""

    @property
    def wrong_fields(self) -> int:
        truth = self.truth
        pairs = zip((self.length, self.width, self.weight, self.day),
                    (truth.length, truth.width, truth.weight, truth.day), strict=True)  # fmt: skip
        return sum(now != then for now, then in pairs)

    @property
    def is_gross(self) -> bool:
        ratio = 1.0
        if self.length and self.width and self.truth.volume:
            ratio = float(volume_of(self.length, self.width)) / self.truth.volume
        elif self.wrong_fields:
            ratio = 9.0 if bool(self.length) != bool(self.truth.length) else 1.0
        off = abs(float(self.weight or 0) / float(self.truth.weight) - 1)
        return not 0.5 <= ratio <= 2 or off > 0.1 or self.kind == "wrong day"


@dataclass
class Tally:
    """Counts over rows: clean and asked in vain, by kind wrong and caught, fields left wrong."""

    clean: int = 0
    asked: int = 0
    asked_by: Counter = field(default_factory=Counter)
    gross: Counter = field(default_factory=Counter)
    caught: Counter = field(default_factory=Counter)
    small: Counter = field(default_factory=Counter)
    small_caught: Counter = field(default_factory=Counter)
    left: int = 0
    fields: int = 0

    def add(self, other: "Tally") -> None:
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(mine, Counter):
                mine.update(value)
            else:
                setattr(self, name, mine + value)

    @property
    def false_percent(self) -> float:
        return 100 * self.asked / self.clean

    @property
    def caught_percent(self) -> float:
        return 100 * self.caught.total() / max(1, self.gross.total())

    @property
    def residual_percent(self) -> float:
        return 100 * self.left / self.fields


def real_mice(path: Path) -> list[list[tuple[float, float, float | None]]]:
    """(day, mm3, g or None) of every mouse of a file with at least three visits, in order of days."""
    mice: dict[tuple, dict[float, tuple[float, float | None]]] = defaultdict(dict)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["volume_mm3"] not in ("", "NA"):
                weight = row.get("body_weight_g") or ""
                grams = float(weight) if weight not in ("", "NA") and float(weight) > 5 else None
                mice[row["model"], row["mouse"]][float(row["day"])] = float(row["volume_mm3"]), grams
    found = [sorted((day, *values) for day, values in visits.items()) for visits in mice.values()]
    return [visits for visits in found if len(visits) >= 3]


def simulate(mice: list, n_mice: int, rng: Random) -> dict[float, list[Truth]]:
    """True rows by day: `n_mice` drawn with replacement, lengths and missing weights made for them."""
    by_day: dict[float, list[Truth]] = defaultdict(list)
    for number in range(n_mice):
        aspect = exp(rng.gauss(0.18, 0.12))
        grams, before = rng.gauss(22, 1.6), None
        size, build = exp(rng.gauss(0, 0.15)), exp(rng.gauss(0, 0.04))  # a mouse drawn twice is two mice
        for day, volume, weighed in rng.choice(mice):
            gap = 1.0 if before is None else day - before
            before, grams = day, grams * exp(rng.gauss(0.0, 0.012 * gap**0.5))
            seen = max(1.02, aspect * exp(rng.gauss(0, 0.07)))
            width = (2 * size * volume / seen) ** (1 / 3)
            length, width = _tenth(width * seen), _tenth(width)
            sizes = (length, width) if width >= 1 else (None, None)
            by_day[day].append(Truth(number, day, *sizes, _tenth(build * weighed if weighed else grams)))
    return dict(sorted(by_day.items()))


def _tenth(value: float) -> Decimal:
    return Decimal(str(value)).quantize(TENTH)


def write_down(sheet: list[Truth], last: dict[int, Truth], rng: Random, rate: float) -> list[Written]:
    """The sheet as it is written, with errors planted in about `rate` of its rows."""
    rows = [Written(truth, truth.length, truth.width, truth.weight, truth.day) for truth in sheet]
    for place in range(len(rows)):
        if not rows[place].kind and rng.random() < rate:
            _plant(rng.choice(KINDS), place, rows, last, rng)
    return rows


def _plant(kind: str, place: int, rows: list[Written], last: dict[int, Truth], rng: Random) -> None:
    row = rows[place]
    if kind == "wrong day":
        row.day, row.kind = row.day + rng.choice([-7, -3, -2, -1, 1, 2, 3, 7]), kind
    elif kind == "copied visit":
        if rng.random() < 1 / RUN_LENGTH:  # so that rows, not runs, come in equal shares
            for copied in rows[place : place + RUN_LENGTH]:
                before = last.get(copied.truth.mouse)
                if before and not copied.kind:
                    copied.length, copied.width, copied.weight = before.length, before.width, before.weight
                    copied.kind = kind if copied.wrong_fields else ""
    elif kind == "neighbor's row":
        other = rows[place + 1] if place + 1 < len(rows) else rows[place - 1]
        values = other.length, other.width, other.weight
        if rng.random() < 0.5 and other is not row and not other.kind:
            other.length, other.width, other.weight, other.kind = row.length, row.width, row.weight, kind
        row.length, row.width, row.weight, row.kind = *values, kind
    else:
        _plant_in_one_row(kind, row, rng)
    for one in rows:
        if one.kind and not one.wrong_fields:
            one.kind = ""  # what was planted changed nothing


def _plant_in_one_row(kind: str, row: Written, rng: Random) -> None:
    if not (row.length and row.width and row.weight):
        return
    name = rng.choice(["length", "width", "weight"])
    value = getattr(row, name)
    if kind == "L/W swapped":
        row.length, row.width = row.width, row.length
    elif kind == "cm for mm":
        row.length, row.width = row.length / 10, row.width / 10
    elif kind == "value in wrong field":
        name = rng.choice(["length", "width"])
        value, row.weight = row.weight, getattr(row, name)
        setattr(row, name, value)
    elif kind == "decimal slip":
        setattr(row, name, value * 10 if rng.random() < 0.5 else value / 10)
    else:
        text = str(value)
        changed = _swap_digits(text, rng) if kind == "digit swap" else _double_digit(text, rng)
        setattr(row, name, Decimal(changed))
    row.kind = kind


def _swap_digits(text: str, rng: Random) -> str:
    digits = [place for place, char in enumerate(text) if char.isdigit()]
    pairs = [(a, b) for a, b in pairwise(digits) if text[a] != text[b]]
    if not pairs:
        return text
    a, b = rng.choice(pairs)
    swapped = list(text)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return "".join(swapped)


def _double_digit(text: str, rng: Random) -> str:
    place = rng.choice([place for place, char in enumerate(text) if char.isdigit()])
    return text[: place + 1] + text[place] + text[place + 1 :]


def rows_for_the_rules(
    rows: list[Written], day: float, history: dict[int, list[Visit]], weights: dict[int, list]
) -> Iterator[tuple[Row, MouseFacts]]:
    for row in rows:
        mouse = row.truth.mouse
        seen = START + timedelta(days=row.day)
        facts = MouseFacts(
            str(mouse), visits=tuple(history[mouse]), weights=tuple(weights[mouse]),
            baseline_weight_g=weights[mouse][0][1] if weights[mouse] else None,
        )  # fmt: skip
        status = "measured" if row.length else "not_palpable"
        yield Row(str(mouse), 1, 1, seen, row.length, row.width, None, row.weight, status), facts


def run_study(mice: list, n_mice: int, rng: Random, rate: float = ERROR_RATE) -> Tally:
    """One study, sheet by sheet: write, judge, and go on with the truth, as if each question was answered."""
    tally = Tally()
    history: dict[int, list[Visit]] = defaultdict(list)
    weights: dict[int, list] = defaultdict(list)
    last: dict[int, Truth] = {}
    for day, sheet in simulate(mice, n_mice, rng).items():
        rows = write_down(sheet, last, rng, rate)
        facts = SheetFacts(tuple(str(truth.mouse) for truth in sheet))
        now = START + timedelta(days=day, minutes=1)
        pairs = list(rows_for_the_rules(rows, day, history, weights))
        for row, verdict in zip(rows, judge(pairs, facts, now), strict=True):
            stopped = bool(verdict.refusals or verdict.open_questions)
            _count(tally, row, stopped, {one.rule for one in verdict.open_questions + verdict.refusals})
        for truth in sheet:
            scale = float((START + timedelta(days=truth.day)).toordinal())
            volume = volume_of(truth.length, truth.width) if truth.length and truth.width else Decimal(0)
            history[truth.mouse].append(Visit(scale, truth.length, truth.width, volume, truth.weight))
            weights[truth.mouse].append((scale, truth.weight))
            last[truth.mouse] = truth
    return tally


def _count(tally: Tally, row: Written, stopped: bool, rules: set[str]) -> None:
    tally.fields += FIELDS
    if not row.kind:
        tally.clean += 1
        tally.asked += stopped
        tally.asked_by.update(rules)
        return
    wrong, caught = (tally.gross, tally.caught) if row.is_gross else (tally.small, tally.small_caught)
    wrong[row.kind] += 1
    caught[row.kind] += stopped
    tally.left += 0 if stopped else row.wrong_fields


def run_all(folder: Path, half: int, n_rows: int, seed: int) -> dict[str, Tally]:
    """Every study on one half of its mice (0 tuned, 1 reported), each until `n_rows` rows were judged."""
    found = {}
    for name in STUDIES:
        mice = real_mice(folder / "studies" / f"{name}.csv")[half::2]
        tally, rng = Tally(), Random(f"{seed} {name} {half}")
        while tally.fields < n_rows * FIELDS:
            tally.add(run_study(mice, 40, rng))
        found[name] = tally
    return found


def table(found: dict[str, Tally]) -> Iterator[str]:
    """The lines of the table: by error kind over all studies, then by study."""
    total = Tally()
    for tally in found.values():
        total.add(tally)
    yield f"{'error kind':24}{'gross':>8}{'caught':>9}{'smaller':>9}{'caught':>9}"
    for kind in KINDS:
        gross, small = total.gross[kind], total.small[kind]
        share = f"{100 * total.caught[kind] / gross:.1f} %" if gross else "-"
        lesser = f"{100 * total.small_caught[kind] / small:.1f} %" if small else "-"
        yield f"{kind:24}{gross:>8}{share:>9}{small:>9}{lesser:>9}"
    yield ""
    head = f"{'study':24}{'rows':>8}{'gross caught':>14}{'false questions':>17}{'fields left wrong':>19}"
    yield f"{head}  asked in vain by"
    for name, tally in {**found, "all": total}.items():
        often = ", ".join(f"{rule} {n}" for rule, n in tally.asked_by.most_common(4))
        yield (
            f"{name:24}{tally.fields // FIELDS:>8}{tally.caught_percent:>12.1f} %{tally.false_percent:>15.2f} %"
            f"{tally.residual_percent:>17.3f} %  {often}"
        )
    yield ""
    yield f"{'gross: caught of planted':24}" + "".join(f"{kind:>{len(kind) + 2}}" for kind in KINDS)
    for name, tally in found.items():
        counts = [
            f"{tally.caught[kind]} of {tally.gross[kind]}" if tally.gross[kind] else "-" for kind in KINDS
        ]
        yield f"{name:24}" + "".join(f"{n:>{len(kind) + 2}}" for n, kind in zip(counts, KINDS, strict=True))


def main() -> int:
    folder = Path(os.environ["PDX_REAL_DATA"])
    half = 0 if "--tune" in sys.argv else 1
    n_rows = int(next((word for word in sys.argv[1:] if word.isdigit()), 10_000))
    print("\n".join(table(run_all(folder, half, n_rows, seed=2026))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
