"""Thousands of generated sheets against a second reading of the rules, through the action and the database.

    python -m tests.api.generated_sheets 10000     (`make sheets`)

A Hypothesis machine sends a sheet, then what was stored of it again, whole and altered, in any order, and stops at
the first row on which the readings differ. The second reading shares no code with `studies.validation`: it was
written from the table in docs/measurement-rules.md. Every mouse has one earlier visit of 10 x 8 mm and 22 g, three
days before.
"""

import os
import re
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from random import Random
from uuid import uuid4

from django.db import transaction
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
N_MICE = 10
LEFT, LEFT_TODAY, UNBORN, UNPLANTED = 6, 7, 8, 9  # places of mice with a date that matters
GOOD_LENGTHS = ["10.2", "10,4", "10.9 mm", " 11 ", "9.8", "10.0", "11.31", "12", "9.05", "10.6mm"]
GOOD_WIDTHS = ["8.1", "8,3", "8.6 mm", "7.9", "8.0", "8.44", " 9\t", "7.75"]
GOOD_WEIGHTS = ["22.4", "21,9 g", "22.0", "23.1", "20.85", "24.2", "19.8", "22"]
EDGE_LENGTHS = ["0", "0.00", "0.99", "1", "1.00", "25", "25.01", "50", "50.00", "50.01", "13.5", "13.51", "24", "24.01",
                "18", "32", "64.5", "16.3", "20", "2.5", "0.3", "1.02", "1.1", "5", "30.5"]  # fmt: skip
EDGE_WIDTHS = [
    "0",
    "0.80",
    "0.81",
    "1",
    "3",
    "3.12",
    "3.4",
    "8.5",
    "15.82",
    "20",
    "20.01",
    "25.01",
    "50.01",
    "11.1",
    "5.2",
]
EDGE_WEIGHTS = ["0", "4.99", "5", "13.99", "14", "17.5", "17.6", "18.69", "18.7", "19.79", "24.21", "26.4", "40",
                "40.01", "80", "80.01", "0.022", "220"]  # fmt: skip
JUNK = ["", None, "-1", "+3", "1e1", "nan", "inf", "1_0", "1 0", "1.234,5", "10.125", "1,234", "١٢", "12.", ".5", "abc",
        "1.2 cm", "12 g", "12 mm", "22 kg", "0x10", True, "9" * 14]  # fmt: skip
STATUSES = ["measured", "", "not_palpable", "not_done", "too_small", "ulcerated", "dead", "excluded", "fine"]
SECONDS = [
    0,
    -60,
    -300,
    119,
    120,
    121,
    299,
    300,
    301,
    -86_400,
    -86_401,
    -7 * 3600,
    -8 * 3600,
    -9 * 3600,
    -12 * 3600,
]
DEVICES = ["", "C1", "C retired", "C overdue", "=C", "C\n", "x" * 2000, "x" * 2001]
EVERY_ANSWER = {f"R{number}": "looked again" for number in range(1, 31)}


def happens(rng: Random, percent: int) -> bool:
    """Whether something of that chance happens."""
    return rng.randrange(100) >= 100 - percent


def draw_row(rng: Random) -> dict:
    """One row: mostly plausible, some at a limit, some junk, some contradicting themselves."""
    row = {
        "mouse": rng.choice([*range(N_MICE), 99]) if happens(rng, 15) else rng.randrange(6),
        "length": rng.choice(GOOD_LENGTHS),
        "width": rng.choice(GOOD_WIDTHS),
        "weight": rng.choice(GOOD_WEIGHTS),
        "status": rng.choice(["measured", ""]),
        "seconds": rng.choice(SECONDS[:3]),
        "device": rng.choice(["", "C1"]),
        "answers": EVERY_ANSWER if happens(rng, 40) else {},
        "tumor": 2 if happens(rng, 2) else 1,
    }
    for name, edges in (("length", EDGE_LENGTHS), ("width", EDGE_WIDTHS), ("weight", EDGE_WEIGHTS)):
        if happens(rng, 20):
            row[name] = rng.choice(edges)
        elif happens(rng, 5):
            row[name] = rng.choice(JUNK)
    if happens(rng, 12):
        row["status"] = rng.choice(STATUSES)
        if happens(rng, 70):
            row["length"] = row["width"] = None
    if happens(rng, 10):
        row["seconds"] = rng.choice(SECONDS)
    if happens(rng, 8):
        row["device"] = rng.choice(DEVICES)
    return row


def draw_sheet(rng: Random) -> list[dict]:
    """Up to eight rows of different mice, in the order of the sheet; now and then all in cm, or copied down."""
    rows = {row["mouse"]: row for row in (draw_row(rng) for _ in range(rng.randint(1, 8)))}
    sheet = [rows[mouse] for mouse in sorted(rows)]
    whole = rng.choice(["as read"] * 23 + ["in cm", "copied down"])
    for row in sheet if whole != "as read" else ():
        row["length"], row["width"] = ("1.04", "0.84") if whole == "in cm" else ("10.0", "8.0")
    return sheet


# The second reading.

NUMBER = re.compile(r"[ \t\r\n]*([0-9]+)(?:[.,]([0-9]+))?[ \t]*([A-Za-z\"µ]*)[ \t\r\n]*", re.ASCII)
SIZELESS = {"not_palpable", "not_done", "too_small"}
KNOWN = {"measured", "ulcerated", "dead", "excluded", *SIZELESS}


def number(raw: object, unit: str) -> tuple[D | None, bool, set[str]]:
    """(value, whether blank, rules broken) of one field."""
    if raw is None or (isinstance(raw, str) and not raw.strip(" \t\r\n")):
        return None, True, set()
    found = NUMBER.fullmatch(raw) if isinstance(raw, str) else None
    if found is None:
        return None, False, {"R1"}
    if found[3] and found[3].lower() != unit:
        return None, False, {"R3"}
    if len(found[1]) > 12:
        return None, False, {"R1"}
    if len(found[2] or "") > 2:
        return None, False, {"R2"}
    return D(f"{found[1]}.{found[2] or 0}"), False, set()


def second_reading(sheet: list[dict]) -> list[tuple[set[str], set[str]]]:
    """(hard rules, soft rules) of each row, soft ones of the whole sheet included."""
    verdicts = [read_one(row) for row in sheet]
    standing = [place for place, (hard, _, _) in enumerate(verdicts) if not hard]
    parsed = {place: verdicts[place][2] for place in standing}
    for places in (
        copied_runs(sheet, standing, parsed),
        tenths(standing, parsed),
        coded(sheet, standing, parsed),
    ):
        for place, asked in places:
            verdicts[place][1].add(asked)
    return [(hard, soft) for hard, soft, _ in verdicts]


def read_one(row: dict) -> tuple[set[str], set[str], tuple]:
    hard: set[str] = set()
    soft: set[str] = set()
    (length, no_length, one), (width, no_width, two) = number(row["length"], "mm"), number(row["width"], "mm")
    weight, _, three = number(row["weight"], "g")
    hard |= one | two | three
    for value in (length, width):
        if value is not None:
            if value <= 0 or value > 50:
                hard.add("R4")
            elif value < 1 or value > 25:
                soft.add("R4")
    if length and width:
        sizes(length, width, 3 if row["seconds"] >= -43200 else 2, hard, soft)
    if weight is not None:
        if weight < 5 or weight > 80:
            hard.add("R11")
        elif weight < 14 or weight > 40:
            soft.add("R11")
        if weight and not D("19.8") <= weight <= D("24.2"):
            soft.add("R12")
    status = row["status"] or "measured"
    if status not in KNOWN:
        hard.add("R25")
    elif status == "measured" or (no_length != no_width):
        if no_length or no_width:
            hard.add("R25")
    elif status in SIZELESS and not (no_length and no_width):
        hard.add("R25")
    if status == "not_palpable" and 350 * D("0.4") - 30 > D("13.5"):
        soft.add("R8")
    when(row, status, no_length and no_width, hard, soft)
    return hard, soft, (length, width, status, no_length and no_width)


def sizes(length: D, width: D, days: int, hard: set[str], soft: set[str]) -> None:
    big, small = max(length, width), min(length, width)
    volume = big * small * small / 2
    if length < width:
        soft.add("R5")
    if big > 8 * small:
        hard.add("R6")
    elif big > 3 * small:
        soft.add("R6")
    if volume > 10000:
        hard.add("R7")
    elif volume > 3000:
        soft.add("R7")
    if volume + 30 > 350 * D("1.5") * D(2) ** (D(days) / 3) or volume + 30 < 350 * D("0.4"):
        soft.add("R8")
    off = (abs(big - 10) > 3, abs(small - 8) > D("2.4"))  # 30 % of each
    aspect = big / small
    if any(off) and not D("1.25") / D("1.3") <= aspect <= D("1.25") * D("1.3"):
        soft.add("R9")


def when(row: dict, status: str, is_blank: bool, hard: set[str], soft: set[str]) -> None:
    seen = NOON + timedelta(seconds=row["seconds"])
    if row["seconds"] > 300:
        hard.add("R19")
    elif row["seconds"] > 120:
        soft.add("R19")
    if row["seconds"] < -86400:
        soft.add("R20")
    if seen.hour < 4:
        soft.add("R21")
    mouse = row["mouse"]
    if mouse == 99 or row["tumor"] != 1:
        hard.add("R15")
    if mouse == LEFT and status != "dead" and seen.date() > date(2026, 6, 8):
        hard.add("R17")
    if mouse == LEFT_TODAY and status != "dead" and seen.date() >= date(2026, 6, 10):
        soft.add("R17")
    if mouse == UNBORN and seen.date() < date(2026, 6, 12):
        hard.add("R18")
    if mouse == UNPLANTED and not is_blank and seen.date() < date(2026, 6, 12):
        hard.add("R18")
    device = row["device"]
    if device == "C retired":
        hard.add("R26")
    if device == "C overdue":
        soft.add("R26")
    if len(device) > 2000 or "\n" in device:
        hard.add("R30")
    if device[:1] in ("=", "+", "-", "@") and device:
        soft.add("R30")


def copied_runs(sheet: list[dict], standing: list[int], parsed: dict) -> list[tuple[int, str]]:
    found, run = [], []
    for place in [*standing, None]:
        if place is not None and parsed[place][:2] == (D(10), D(8)):
            run.append(place)
            continue
        found += [(one, "R23") for one in run if len(run) >= 3]
        run = []
    return found


def tenths(standing: list[int], parsed: dict) -> list[tuple[int, str]]:
    compared = [place for place in standing if parsed[place][0] and parsed[place][1]]
    found = []
    for factor in (D(10), D("0.1")):
        near = [
            place
            for place in compared
            if all(1 / D("1.6") < value / then / factor < D("1.6")
                   for value, then in zip(parsed[place][:2], (D(10), D(8)), strict=True))
        ]  # fmt: skip
        if len(compared) >= 3 and len(near) * 10 >= 6 * len(compared):
            found += [(place, "R3") for place in near]
    return found


def coded(sheet: list[dict], standing: list[int], parsed: dict) -> list[tuple[int, str]]:
    blank = [p for p in standing if parsed[p][3] and parsed[p][2] not in ("measured", "not_palpable")]
    return [(place, "R25") for place in blank] if len(blank) * 5 > N_MICE else []


# The machine.


def prepare():
    """A study with ten mice, each with one earlier visit; returns it, its mice and the technician."""
    from studies.models import Device, Exit, MeasurementSession, Tumor
    from studies.terms import ExitReason, Role
    from tests.factories import make_measurement, make_mouse, make_study
    from tests.people import join, make_user

    study = make_study("SHEETS-01")
    user = join(make_user("sheets"), study, Role.TECHNICIAN)
    earlier = MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 7))
    mice = [make_mouse(study, f"M{place:03d}") for place in range(N_MICE)]
    for mouse in mice:
        make_measurement(earlier, mouse, length_mm=10.0, width_mm=8.0, weight_g=22.0)
    leaving = ((LEFT, datetime(2026, 6, 8, 12, tzinfo=UTC)), (LEFT_TODAY, NOON))
    for place, at in leaving:
        Exit.objects.create(mouse=mice[place], reason=ExitReason.SAMPLED, exited_at=at)
    mice[UNBORN].born_on = date(2026, 6, 12)
    mice[UNBORN].save()
    Tumor.objects.filter(mouse=mice[UNPLANTED]).update(implanted_on=date(2026, 6, 12))
    Device.objects.create(code="C retired", retired_on=date(2026, 1, 1))
    Device.objects.create(code="C overdue", calibration_due_on=date(2026, 1, 1))
    return study, mice, user


class SheetMachine(RuleBasedStateMachine):
    """One session at a time: a sheet is sent, then rows of it again; the next sheet takes the last one back."""

    counts: Counter = Counter()
    prepared: tuple = ()

    def __init__(self):
        super().__init__()
        self.before = None

    @initialize(rng=st.randoms(use_true_random=False))
    def first_sheet(self, rng: Random) -> None:
        self.send(rng)

    @rule(rng=st.randoms(use_true_random=False))
    def another_sheet(self, rng: Random) -> None:
        self.send(rng)

    def send(self, rng: Random) -> None:
        from studies.models import MeasurementSession

        study, mice, _ = self.prepared
        self.teardown()
        self.before = transaction.savepoint()
        self.session = MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 10))
        sheet = draw_sheet(rng)
        rows = [sent_row(row, mice) for row in sheet]
        results, stored = self.record(rows), self.stored()
        self.counts["sheets"] += 1
        self.kept = [row for row, result in zip(rows, results, strict=True) if result.http_status == 201]
        for row, result, reading in zip(sheet, results, second_reading(sheet), strict=True):
            check(self.counts, row, result, reading, stored.get(result.client_id))

    @precondition(lambda self: self.kept)
    @rule(rng=st.randoms(use_true_random=False))
    def sent_again(self, rng: Random) -> None:
        again = rng.sample(self.kept, rng.randint(1, len(self.kept)))
        assert {result.http_status for result in self.record(again)} == {200}
        self.counts["rows sent again"] += len(again)

    @precondition(lambda self: self.kept)
    @rule(rng=st.randoms(use_true_random=False))
    def sent_altered(self, rng: Random) -> None:
        kept = rng.choice(self.kept)
        (result,) = self.record([replace(kept, row=replace(kept.row, weight_g="23.45", status="dead"))])
        assert result.http_status == 422 and {one.rule for one in result.findings} == {"R22"}
        self.counts["rows sent altered"] += 1

    @invariant()
    def what_was_acknowledged_is_there_once(self) -> None:
        if self.before:
            assert sorted(self.stored()) == sorted(row.client_id for row in self.kept)

    def record(self, rows: list) -> list:
        from studies.actions.record_measurements import record_measurements

        return record_measurements(self.session, rows, user=self.prepared[2], at=NOON)

    def stored(self) -> dict:
        from studies.models import Measurement

        return {str(one.client_id): one for one in Measurement.objects.filter(session=self.session)}

    def teardown(self) -> None:
        if self.before:
            transaction.savepoint_rollback(self.before)
            self.before = None


def run_sheets(n_sheets: int) -> Counter:
    """Let the machine send at least `n_sheets` sheets; returns what it counted. Call it inside a transaction."""
    SheetMachine.counts, SheetMachine.prepared = Counter(), prepare()
    at_most = settings(
        max_examples=max(1, min(100, n_sheets // 10)), stateful_step_count=20, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), derandomize=False, phases=[Phase.generate],
    )  # fmt: skip
    start = 0
    while SheetMachine.counts["sheets"] < n_sheets:
        run_state_machine_as_test(seed(start)(SheetMachine), settings=at_most)
        start += 1
    return SheetMachine.counts


def sent_row(row: dict, mice: list):
    from studies.actions.record_measurements import SentRow
    from studies.validation import Row

    return SentRow(
        str(uuid4()),
        Row(
            mouse=mice[row["mouse"]].key if row["mouse"] < N_MICE else "SHEETS-01/M999",
            tumor=row["tumor"],
            observed_at=NOON + timedelta(seconds=row["seconds"]),
            length_mm=row["length"],
            width_mm=row["width"],
            weight_g=row["weight"],
            status=row["status"],
            device=row["device"],
            confirmations=row["answers"],
        ),
    )


def check(counts: Counter, row: dict, result, reading: tuple[set[str], set[str]], stored) -> None:
    """One row: what it should have become by the second reading, what it became, and what of it is stored."""
    hard, soft = reading
    should, did = not hard and (not soft or bool(row["answers"])), result.http_status == 201
    told = {(one.rule, str(one.severity)) for one in result.findings}
    assert should == did, f"{row}: by the second reading {hard} {soft}, by the rules {told}"
    assert did == (stored is not None), f"{row}: acknowledged and not stored, or stored and not acknowledged"
    counts["valid rows" if should else "invalid rows"] += 1
    if did:
        fields = (("length", "mm"), ("width", "mm"), ("weight", "g"))
        values = [number(row[name], unit)[0] for name, unit in fields]
        kept = [stored.length_mm, stored.width_mm, stored.weight_g]
        assert kept == [None if value is None else float(value) for value in values], row


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        n_sheets = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
        with transaction.atomic():
            counts = run_sheets(n_sheets)
            transaction.set_rollback(True)
        told = ", ".join(f"{n:,} {what}" for what, n in counts.items())
        print(f"{told}: 0 invalid accepted, 0 valid refused, 0 lost, 0 stored twice")
        return 0
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
