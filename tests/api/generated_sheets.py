"""Thousands of generated sheets against a second reading of the rules, through the action and the database.

    python -m tests.api.generated_sheets 10000     (`make sheets`)

The second reading shares no code with `studies.validation`: it was written from the table in
docs/measurement-rules.md. Every mouse has one earlier visit of 10 x 8 mm and 22 g, three days before.
"""

import os
import re
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from random import Random
from uuid import UUID

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


def draw_row(rng: Random) -> dict:
    """One row: mostly plausible, some at a limit, some junk, some contradicting themselves."""
    row = {
        "mouse": rng.randrange(6) if rng.random() < 0.85 else rng.choice([*range(N_MICE), 99]),
        "length": rng.choice(GOOD_LENGTHS),
        "width": rng.choice(GOOD_WIDTHS),
        "weight": rng.choice(GOOD_WEIGHTS),
        "status": rng.choice(["measured", ""]),
        "seconds": rng.choice(SECONDS[:3]),
        "device": rng.choice(["", "C1"]),
        "answers": {} if rng.random() < 0.6 else EVERY_ANSWER,
        "tumor": 1 if rng.random() < 0.98 else 2,
    }
    for name, edges in (("length", EDGE_LENGTHS), ("width", EDGE_WIDTHS), ("weight", EDGE_WEIGHTS)):
        if rng.random() < 0.2:
            row[name] = rng.choice(edges)
        elif rng.random() < 0.05:
            row[name] = rng.choice(JUNK)
    if rng.random() < 0.12:
        row["status"] = rng.choice(STATUSES)
        if rng.random() < 0.7:
            row["length"] = row["width"] = None
    if rng.random() < 0.1:
        row["seconds"] = rng.choice(SECONDS)
    if rng.random() < 0.08:
        row["device"] = rng.choice(DEVICES)
    return row


def draw_sheet(rng: Random) -> list[dict]:
    """Up to eight rows of different mice, in the order of the sheet; now and then all in cm, or copied down."""
    rows = {row["mouse"]: row for row in (draw_row(rng) for _ in range(rng.randint(1, 8)))}
    sheet = [rows[mouse] for mouse in sorted(rows)]
    whole = rng.random()
    for row in sheet if whole < 0.08 else ():
        row["length"], row["width"] = ("1.04", "0.84") if whole < 0.04 else ("10.0", "8.0")
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
        for place, rule in places:
            verdicts[place][1].add(rule)
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
    off = (abs(big - 10) > D("3.5"), abs(small - 8) > 3)  # 35 % of 10 is 3.5 mm, of 8 less than 3
    aspect = big / small
    if any(off) and not D("1.25") / D("1.35") <= aspect <= D("1.25") * D("1.35"):
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


def run_sheets(n_sheets: int, seed: int) -> Counter:
    """Send generated sheets, one session each, and count rows by what they should and did become."""
    from django.db import transaction

    from studies.actions.record_measurements import record_measurements
    from studies.models import Measurement, MeasurementSession

    study, mice, user = prepare()
    rng, counts = Random(seed), Counter()
    for _ in range(n_sheets):
        sheet = draw_sheet(rng)
        with transaction.atomic():  # taken back after each sheet, so that none is another's earlier visit
            session = MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 10))
            rows = [sent_row(row, mice, rng) for row in sheet]
            results = record_measurements(session, rows, user=user, at=NOON)
            stored = {str(one.client_id): one for one in Measurement.objects.filter(session=session)}
            transaction.set_rollback(True)
        for row, result, reading in zip(sheet, results, second_reading(sheet), strict=True):
            count(counts, row, result, reading, stored.get(result.client_id))
    return counts


def sent_row(row: dict, mice: list, rng: Random):
    from studies.actions.record_measurements import SentRow
    from studies.validation import Row

    return SentRow(
        str(UUID(int=rng.getrandbits(128), version=4)),
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


def count(counts: Counter, row: dict, result, reading: tuple[set[str], set[str]], stored) -> None:
    """Add one row: what it should have become by the second reading, and what it became."""
    hard, soft = reading
    should, did = not hard and (not soft or bool(row["answers"])), result.http_status == 201
    counts["rows"] += 1
    counts["valid" if should else "invalid"] += 1
    counts["invalid accepted"] += did and not should
    counts["valid refused"] += should and not did
    counts["lost"] += did != (stored is not None)
    if should != did:
        told = {(one.rule, str(one.severity)) for one in result.findings}
        counts[f"disagreed on {row}: second reading {hard} {soft}, rules {told}"] += 1
    elif did:
        fields = (("length", "mm"), ("width", "mm"), ("weight", "g"))
        values = [number(row[name], unit)[0] for name, unit in fields]
        kept = [stored.length_mm, stored.width_mm, stored.weight_g]
        counts["stored wrong"] += kept != [None if value is None else float(value) for value in values]


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    try:
        n_sheets = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
        counts = run_sheets(n_sheets, seed=2026)
        print(f"{n_sheets} sheets, {counts['rows']} rows: {counts['valid']} valid, {counts['invalid']} invalid by "
              f"the second reading; {counts['invalid accepted']} invalid accepted, {counts['valid refused']} valid "
              f"refused, {counts['lost']} lost, {counts['stored wrong']} stored wrong")  # fmt: skip
        for line in [key for key in counts if key.startswith("disagreed")][:20]:
            print(line)
        return int(
            any(counts[name] for name in ("invalid accepted", "valid refused", "lost", "stored wrong"))
        )
    finally:
        connection.creation.destroy_test_db(":memory:", verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
