"""The rules of the whole sheet: units, swapped mice, copies, and what the browser is given."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from math import log
from types import SimpleNamespace

import pytest

from studies.validation import (
    BY_ID,
    DeviceFacts,
    Limits,
    MouseFacts,
    Row,
    SheetFacts,
    Visit,
    day_number,
    judge,
    limits_json,
    read_device_line,
    read_row,
    sheets,
    windows,
    with_overrides,
)
from studies.validation.numbers import read_number
from studies.validation.replicates import agreement, cv_percent
from studies.validation.sheets import SheetRow, common_growth, misfit

D = Decimal
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
TODAY = day_number(NOW, "UTC")
SHEET = SheetFacts(mice=tuple(f"M{number}" for number in range(10)))


def mouse(number: int, length: str, width: str, weight: str, days_ago: float = 3) -> MouseFacts:
    last = D(length), D(width)
    visit = Visit(TODAY - days_ago, *last, last[0] * last[1] ** 2 / 2, D(weight))
    return MouseFacts(f"M{number}", visits=(visit,), weights=((TODAY - days_ago, D(weight)),))


def rows(*values: tuple[str, str, str]) -> list[Row]:
    return [
        Row(f"M{number}", observed_at=NOW, length_mm=length, width_mm=width, weight_g=weight)
        for number, (length, width, weight) in enumerate(values)
    ]


MICE = [mouse(0, "10.0", "8.0", "22.0"), mouse(1, "6.1", "5.0", "25.0"), mouse(2, "12.2", "9.0", "20.1"),
        mouse(3, "8.0", "7.0", "23.4"), mouse(4, "9.0", "7.5", "21.7")]  # fmt: skip
CLEAN = rows(("10.6", "8.4", "22.2"), ("6.4", "5.3", "25.1"), ("12.9", "9.4", "20.0"), ("8.5", "7.3", "23.5"),
             ("9.4", "7.9", "21.5"))  # fmt: skip


def asked(rule: str, sheet: list[Row], stored: int = 0) -> list[int]:
    """Places of the rows that `rule` asks about, the first `stored` being on record already."""
    pairs = list(zip(sheet, MICE, strict=False))
    kept = [(judge([pair], SHEET, NOW)[0].reading, pair[1]) for pair in pairs[:stored]]
    verdicts = judge(pairs[stored:], SHEET, NOW, kept)
    return [
        place
        for place, verdict in enumerate(verdicts, stored)
        if rule in {one.rule for one in verdict.findings}
    ]


def test_a_clean_sheet_raises_no_question():
    assert [verdict.findings for verdict in judge(list(zip(CLEAN, MICE, strict=True)), SHEET, NOW)] == [
        ()
    ] * 5


@pytest.mark.parametrize("n_slipped, expected", [(2, []), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4])])
def test_r3_asks_for_the_unit_when_most_of_the_sheet_is_a_tenth(n_slipped, expected):
    """3 of 5 is 60 %: at the limit."""
    slipped = [
        replace(row, length_mm=str(D(row.length_mm) / 10), width_mm=str(D(row.width_mm) / 10))
        if place < n_slipped
        else row
        for place, row in enumerate(CLEAN)
    ]
    assert asked("R3", slipped) == [
        place for place in expected if D(slipped[place].length_mm).as_tuple().exponent >= -2
    ]


@pytest.mark.parametrize(
    "last, now, asks",
    [
        ("16", "1.00", False),
        ("16", "1.01", True),
        ("10", "1.59", True),
        ("10", "1.60", False),
        ("1.2", "7.50", False),
        ("1.2", "7.51", True),
        ("1.2", "19.19", True),
        ("1.2", "19.20", False),
    ],
)
def test_r3_takes_for_a_slip_what_growth_cannot_explain(last, now, asks):
    """Within 1.6 times of a tenth, or of ten times, the last value."""
    mice = [mouse(number, last, last, "22") for number in range(3)]
    found = judge(list(zip(rows(*[(now, now, "22")] * 3), mice, strict=True)), SHEET, NOW)
    assert {"R3" in {one.rule for one in verdict.findings} for verdict in found} == {asks}
    told = {(one.field, one.message) for verdict in found for one in verdict.findings if one.rule == "R3"}
    times = "0.1" if D(now) < D(last) else "10"
    message = f"3 of 3 rows are near {times} times their last values: were these read in cm?"
    assert told == ({("length_mm", message)} if asks else set())


@pytest.mark.parametrize(
    "now, asks",
    [("0.03", True), ("0.04", False), ("12500", False), ("12501", True), ("31999", True), ("32010", False)],
)
def test_r3_asks_for_the_unit_of_weights_where_a_studys_limits_let_them_pass(now, asks):
    wide = with_overrides(Limits(), {"weight_min_g": 0, "weight_max_g": 100000}, "1.1")
    mice = [mouse(number, "9", "8", "20") for number in range(3)]
    sheet = replace(SHEET, limits=wide)
    found = judge(list(zip(rows(*[("9.5", "8.4", now)] * 3), mice, strict=True)), sheet, NOW)
    assert {"R3" in {one.rule for one in verdict.findings} for verdict in found} == {asks}


def test_r3_compares_rows_whose_length_and_width_are_both_known():
    """Of three mice slipped alike, the third has no last width: two are too few."""
    mice = [mouse(number, "10", "9", "22") for number in range(3)]
    without = replace(mice[2], visits=(replace(mice[2].last, width_mm=None),))
    for third, n_asked in ((mice[2], 3), (without, 0)):
        pairs = list(zip(rows(*[("1.0", "0.9", "22")] * 3), [*mice[:2], third], strict=True))
        found = judge(pairs, SHEET, NOW)
        assert sum("R3" in {one.rule for one in verdict.findings} for verdict in found) == n_asked


def test_r3_wants_three_rows_to_compare():
    mice = [mouse(number, "10", "9", "22") for number in range(2)]
    found = judge(list(zip(rows(*[("1.0", "0.9", "22")] * 2), mice, strict=True)), SHEET, NOW)
    assert not any(one.rule == "R3" for verdict in found for one in verdict.findings)


def test_r3_asks_about_new_rows_only():
    tenth = [replace(r, length_mm=str(D(r.length_mm) / 10), width_mm=str(D(r.width_mm) / 10)) for r in CLEAN]
    assert asked("R3", tenth, stored=4) == [4]


def test_r16_finds_two_mice_that_were_swapped_and_no_others():
    swapped = [replace(CLEAN[0], mouse="M1"), replace(CLEAN[1], mouse="M0"), *CLEAN[2:]]
    in_order = [swapped[1], swapped[0], *swapped[2:]]
    assert asked("R16", in_order) == [0, 1]
    assert asked("R16", in_order, stored=1) == [1]
    assert asked("R16", CLEAN) == []


@pytest.mark.parametrize("n_copied, expected", [(2, []), (3, [0, 1, 2]), (4, [0, 1, 2, 3])])
def test_r23_finds_the_last_visit_copied_for_three_mice_running(n_copied, expected):
    copied = [
        replace(row, length_mm=MICE[p].last.length_mm, width_mm=MICE[p].last.width_mm)
        if p < n_copied
        else row
        for p, row in enumerate(CLEAN)
    ]
    assert asked("R23", copied) == expected
    assert asked("R23", copied, stored=2) == [place for place in expected if place >= 2]


def test_neighbors_are_those_of_the_sheet_whatever_the_order_rows_were_sent_in():
    """M0, M1 and M2 run on the sheet; M3 was sent between them."""
    copied = [
        replace(CLEAN[p], length_mm=MICE[p].last.length_mm, width_mm=MICE[p].last.width_mm) for p in range(3)
    ]
    sent = [(copied[0], MICE[0]), (CLEAN[3], MICE[3]), (copied[1], MICE[1]), (copied[2], MICE[2])]
    found = judge(sent, SHEET, NOW)
    assert ["R23" in {one.rule for one in v.findings} for v in found] == [True, False, True, True]


def test_r23_finds_the_row_above_written_again_where_it_does_not_fit():
    assert asked("R23", [CLEAN[0], replace(CLEAN[0], mouse="M1"), *CLEAN[2:]]) == [1]
    same = [(replace(CLEAN[0], mouse=one.key), one) for one in (MICE[0], replace(MICE[0], key="M1"))]
    assert not any(verdict.findings for verdict in judge(same, SHEET, NOW))


def test_r23_asks_about_no_plain_sheet_of_equal_numbers():
    """First visits have nothing to compare with; where many rows are alike no single one was written twice."""
    first = [MouseFacts(one.key) for one in MICE]
    apart = [mouse(0, "9", "7.5", "20"), *MICE[1:]]
    for n_rows, mice, expected in (
        (2, first, set()),
        (5, first, set()),
        (2, apart, {"R23"}),
        (5, apart, set()),
    ):
        alike = [replace(row, length_mm="10.4", width_mm="8.3", weight_g="22.3") for row in CLEAN[:n_rows]]
        found = judge(list(zip(alike, mice[:n_rows], strict=True)), SHEET, NOW)
        assert {one.rule for verdict in found for one in verdict.findings} & {"R16", "R23"} == expected


@pytest.mark.parametrize("is_felt, expected", [(True, [0]), (False, [])])
def test_r23_asks_later_about_two_mice_without_a_tumor_that_weigh_the_same(is_felt, expected):
    """The first mouse's 22 g lie 5.7 off its own 20 g and 0.3 off its neighbor's 21.5 g."""
    size = (D(10), D(8), D(320)) if is_felt else (None, None, D(0))
    mice = [
        MouseFacts(f"M{p}", visits=(Visit(TODAY - 3, *size, D(g)),)) for p, g in enumerate(("20", "21.5"))
    ]
    told = {"length_mm": "10.1", "width_mm": "8"} if is_felt else {"status": "not_palpable"}
    sheet = [Row(one.key, observed_at=NOW, weight_g="22", **told) for one in mice]
    found = judge(list(zip(sheet, mice, strict=True)), SHEET, NOW)
    assert [
        p for p, verdict in enumerate(found) if "R23" in {one.rule for one in verdict.findings}
    ] == expected


def test_r23_needs_a_last_visit_of_both_neighbors():
    for mice in ([MouseFacts("M0"), MICE[1]], [MICE[1], MouseFacts("M0")]):
        alike = [replace(CLEAN[0], mouse=one.key) for one in mice]
        found = judge(list(zip(alike, mice, strict=True)), SHEET, NOW)
        assert not any(one.rule == "R23" for verdict in found for one in verdict.findings)


def test_r23_asks_about_no_rows_alike_that_fit_either_mouse_as_badly_or_were_not_weighed():
    last = ("10.0", "8.0", "22.0")
    alike = rows(*[("13.0", "11.0", "30")] * 2)
    far = [mouse(0, "9", "7.5", "20"), MICE[1]]
    unweighed = [replace(row, length_mm="10.4", width_mm="8.3", weight_g=None) for row in alike]
    for sheet, mice in ((alike, [mouse(0, *last), mouse(1, *last)]), (unweighed, far)):
        found = judge(list(zip(sheet, mice, strict=True)), SHEET, NOW)
        assert not any(one.rule == "R23" for verdict in found for one in verdict.findings)


def test_r23_counts_no_row_as_its_own_neighbor():
    """A row sent twice in one sheet, and a reading taken again, are the same mouse's."""
    for again in (CLEAN[0], replace(CLEAN[0], replicate=2)):
        for one in (MICE[0], MouseFacts(MICE[0].key)):
            found = judge([(CLEAN[0], one), (again, one)], SHEET, NOW)
            assert not any(told.rule == "R23" for verdict in found for told in verdict.findings)


def test_r16_and_r23_know_a_mouse_whose_tumor_cannot_be_felt():
    """One mouse without a tumor and one with: swapped, or the one written in both rows."""
    gone = replace(mouse(0, "1", "1", "24.9"), visits=(Visit(TODAY - 3, None, None, D(0), D("24.9")),))
    felt = replace(mouse(1, "8.0", "7.0", "21.0"))
    nothing = Row("M0", observed_at=NOW, status="not_palpable", weight_g="24.7")
    something = Row("M1", observed_at=NOW, length_mm="8.3", width_mm="7.1", weight_g="21.2")

    def found(*sheet: Row) -> list[set[str]]:
        verdicts = judge(list(zip(sheet, (gone, felt), strict=True)), SHEET, NOW)
        return [{one.rule for one in verdict.findings} & {"R16", "R23"} for verdict in verdicts]

    assert found(nothing, something) == [set(), set()]
    assert found(replace(something, mouse="M0"), replace(nothing, mouse="M1")) == [{"R16"}, {"R16"}]
    assert found(nothing, replace(nothing, mouse="M1")) == [set(), {"R23"}]


@pytest.mark.parametrize("apart, expected", [(5, [0, 5]), (6, [])])
def test_r16_looks_as_far_as_a_cage_reaches(apart, expected):
    """Five mice to a cage: the sixth row before or after is never the same cage's."""
    mice = [mouse(number, f"{6 + number}", f"{5 + number}", f"{20 + number}") for number in range(7)]
    values = [(f"{6.3 + number:.1f}", f"{5.2 + number:.1f}", f"{20 + number}") for number in range(7)]
    values[0], values[apart] = values[apart], values[0]
    found = judge(list(zip(rows(*values), mice, strict=True)), SHEET, NOW)
    assert [
        p for p, verdict in enumerate(found) if "R16" in {one.rule for one in verdict.findings}
    ] == expected


@pytest.mark.parametrize("one, other, expected", [(0, 1, [0, 1]), (1, 2, [1, 2]), (0, 2, [])])
def test_r16_suspects_neighbors_sooner(one, other, expected):
    """Crosswise both fit, straight they are 8 off: enough for two rows running, not for two further apart."""
    values = [("8.0", "7.0", "30")] * 3
    values[one], values[other] = ("10.00", "8.00", "22"), ("14.33", "11.46", "22")
    mice = [mouse(number, *typed) for number, typed in enumerate(values)]
    values[one], values[other] = values[other], values[one]
    found = judge(list(zip(rows(*values), mice, strict=True)), SHEET, NOW)
    assert [
        p for p, verdict in enumerate(found) if "R16" in {one.rule for one in verdict.findings}
    ] == expected


def test_what_is_not_told_is_the_first_reading_of_the_only_tumor_to_two_decimals():
    assert Row("M0", observed_at=NOW).replicate == 1
    assert MouseFacts("M0").other_tumors_mm3 == 0
    assert not DeviceFacts().is_retired
    assert read_number("length_mm", "10.25").value == D("10.25")
    assert [one.rule for one in read_number("length_mm", "10.251").findings] == ["R2"]


def suspected(monkeypatch, misfits: dict[str, float | None], between: int = 0) -> bool:
    """Whether R16 asks about mouse A beside B, "AB" being how far A's reading lies from B's last visit."""
    monkeypatch.setattr(
        sheets, "misfit", lambda reading, last, growth: misfits.get(f"{reading.row.mouse}{last}")
    )
    labels = ["A", *"xyz"[:between], "B"]
    beside = [
        SheetRow(
            SimpleNamespace(row=SimpleNamespace(mouse=label), length_mm=None),
            SimpleNamespace(last=label),
        )
        for label in labels
    ]
    return 0 in [place for place, _ in sheets.swapped_mice(beside, len(beside), Limits())]


@pytest.mark.parametrize(
    ("straight", "across", "between", "expected"),
    [
        (30, 7.99, 0, True),
        (30, 8.0, 0, False),
        (8.01, 2, 0, True),
        (8.0, 2, 0, False),
        (12.01, 2, 1, True),
        (12.0, 2, 1, False),
        (6.0, 0, 0, False),
    ],
)
def test_r16_asks_where_two_rows_fit_crosswise_and_gain_enough_by_it(
    monkeypatch, straight, across, between, expected
):
    """Below 8 crosswise, and more than 6 gained between neighbors, more than 10 between others of a cage."""
    half = {"AA": straight / 2, "BB": straight / 2, "AB": across / 2, "BA": across / 2}
    assert suspected(monkeypatch, half, between) is expected


@pytest.mark.parametrize("unknown", ["AA", "BB", "AB", "BA"])
def test_r16_asks_nothing_where_one_fit_cannot_be_told(monkeypatch, unknown):
    assert not suspected(monkeypatch, {"AA": 20, "BB": 20, "AB": 1, "BA": 1, unknown: None})


@pytest.mark.parametrize(
    ("own", "others", "length_mm", "expected"),
    [
        (3.0, 0, D(9), False),
        (3.5, 0, D(9), True),
        (5.0, 4.5, D(9), True),
        (5.0, 5.0, D(9), False),
        (10.0, 3.99, None, True),
        (10.0, 4.0, None, False),
    ],
)
def test_r23_asks_where_a_row_misfits_its_own_mouse_and_fits_its_neighbors_better(
    monkeypatch, own, others, length_mm, expected
):
    """Its own by more than 3; where nothing was felt, whose weights are often alike, better by more than 6."""
    monkeypatch.setattr(sheets, "misfit", lambda reading, last, growth: {"own": own, "other": others}[last])
    reading = SimpleNamespace(length_mm=length_mm)
    row, other = (SheetRow(reading, SimpleNamespace(last=whose)) for whose in ("own", "other"))
    assert sheets._is_neighbors(row, other, 0.0) is expected


def test_r16_passes_over_a_mouse_on_its_first_visit():
    sheet = [replace(CLEAN[1], mouse="M0"), replace(CLEAN[0], mouse="M1"), CLEAN[2]]
    found = judge(list(zip(sheet, [MICE[0], MICE[1], MouseFacts("M2")], strict=True)), SHEET, NOW)
    assert ["R16" in {one.rule for one in verdict.findings} for verdict in found] == [True, True, False]


@pytest.mark.parametrize(
    "length, width, weight, growth, expected",
    [
        ("10", "8", "20", 0, 0),
        ("11", "8.8", "20", 0, (log(1.1) / 0.18) ** 2),
        ("11", "8.8", "20", log(1.1), 0),
        ("11", "8", "20", 0, (log(1.1) / 2 / 0.18) ** 2 + (log(1.1) / 0.12) ** 2),
        ("10", "8", "21", 0, (log(1.05) / 0.04) ** 2),
        ("10", "8", "40", 0, 9),
        ("40", "8", "40", 0, 27),
        ("11", "8.8", None, 0, (log(1.1) / 0.18) ** 2),
        (None, None, "20", 0, None),
        (None, "8", "20", 0, None),
    ],
)
def test_how_far_a_reading_lies_from_a_last_visit(length, width, weight, growth, expected):
    last = Visit(TODAY - 3, D(10), D(8), D(320), D(20))
    reading = read_row(Row("M0", length_mm=length, width_mm=width, weight_g=weight), SHEET)
    assert misfit(reading, last, growth) == (expected if expected is None else pytest.approx(expected))
    assert misfit(reading, None, growth) is None


@pytest.mark.parametrize(
    "now_mm3, then_mm3, expected",
    [(0, "0", 0), (0, "30", (log(2) / 0.54) ** 2), (32, "0", (log(62 / 30) / 0.54) ** 2)],
)
def test_a_tumor_that_cannot_be_felt_lies_at_0_mm3_with_the_calipers_error(now_mm3, then_mm3, expected):
    size = {"length_mm": "4", "width_mm": "4"} if now_mm3 else {"status": "not_palpable"}
    reading = read_row(Row("M0", weight_g="20", **size), SHEET)
    last = Visit(TODAY - 3, None, None, D(then_mm3), D(20))
    assert misfit(reading, last, 0.0) == pytest.approx(expected)
    assert misfit(reading, replace(last, volume_mm3=None), 0.0) is None


@pytest.mark.parametrize(
    "factors, expected", [((1.1, 1.3), 0), ((1.3, 1.1, 1.2), log(1.2)), ((0.9, 1, 1.2, 1.5), log(1.2))]
)
def test_the_growth_of_a_sheet_is_the_median_of_three_and_more(factors, expected):
    sheet = [
        SheetRow(read_row(Row(f"M{p}", length_mm=f"{10 * factor:.1f}"), SHEET), mouse(p, "10", "8", "22"))
        for p, factor in enumerate(factors)
    ]
    first = SheetRow(read_row(Row("M8", length_mm="30"), SHEET), MouseFacts("M8"))
    blank = SheetRow(read_row(Row("M9"), SHEET), mouse(9, "10", "8", "22"))
    assert common_growth([*sheet, first, blank]) == pytest.approx(expected)


@pytest.mark.parametrize("size, expected", [("3.00", [0, 1, 2]), ("2.99", [])])
def test_r23_lets_a_tumor_at_the_limit_of_detection_read_the_same_again(size, expected):
    mice = [mouse(number, size, "2.5", f"{20 + number}") for number in range(3)]
    found = judge(
        list(zip(rows(*[(size, "2.5", f"{20 + n}") for n in range(3)]), mice, strict=True)), SHEET, NOW
    )
    assert [
        p for p, verdict in enumerate(found) if "R23" in {one.rule for one in verdict.findings}
    ] == expected


def test_r16_knows_mice_by_the_shape_of_their_tumors():
    """Same volume, same weight: a long tumor and a round one, written in each other's row."""
    long, round_one = (D("12.0"), D("6.0")), (D("7.6"), D("7.5"))
    mice = [replace(MICE[p], key=f"M{p}", visits=(Visit(TODAY - 3, *size, size[0] * size[1] ** 2 / 2, D(22)),))
            for p, size in enumerate((long, round_one))]  # fmt: skip
    rows = [replace(CLEAN[p], mouse=f"M{p}", length_mm=str(size[0]), width_mm=str(size[1]), weight_g="22")
            for p, size in enumerate((round_one, long))]  # fmt: skip
    found = [{one.rule for one in v.findings} for v in judge(list(zip(rows, mice, strict=True)), SHEET, NOW)]
    assert all("R16" in rules for rules in found)


def test_a_row_that_a_rule_refuses_takes_no_part_in_the_sheet():
    copied = [
        replace(r, length_mm=m.last.length_mm, width_mm=m.last.width_mm)
        for r, m in zip(CLEAN, MICE, strict=True)
    ]
    copied[1] = replace(copied[1], length_mm="60")
    assert asked("R23", copied) == [0, 2, 3, 4]


def test_what_the_browser_gets_is_json_with_every_rule_and_limit():
    told = json.loads(json.dumps(limits_json(Limits())))
    assert [rule["id"] for rule in told["rules"]] == list(BY_ID)
    assert told["limits"]["length_max_mm"] == "50" and told["limits"]["burst_ms"] == 250
    assert {one["value"] for one in told["statuses"] if one["without_size"]} == {
        "not_palpable", "too_small", "not_done",
    }  # fmt: skip


def test_windows_by_hand():
    """12 x 8 mm three days ago: (384 + 30) x 3 - 30 at most, x 0.4 - 30 at least."""
    found = windows(mouse(0, "12", "8", "20"), TODAY, Limits())
    assert found.volume_mm3 == (D("135.6"), D("1212"))
    assert found.length_mm == (D("8.4"), D("15.6")) and found.width_mm == (D("5.6"), D("10.4"))
    assert [round(one, 4) for one in found.aspect] == [D("1.1538"), D("1.95")]
    assert found.weight_g == (18, 22)
    twice_a_day = windows(mouse(0, "12", "8", "20", days_ago=0), TODAY, Limits())
    assert twice_a_day.volume_mm3 == (D("135.6"), 591) and twice_a_day.weight_g == (18, 22)


def test_windows_of_a_tiny_tumor_end_at_0():
    found = windows(mouse(0, "1.2", "1.0", "20"), TODAY, Limits())
    assert found.volume_mm3[0] == found.length_mm[0] == found.width_mm[0] == 0
    assert found.aspect == (1, D("1.56"))


@pytest.mark.parametrize(
    "days_ago, low, high", [(3, "18.2", "24.2"), (6, "16.4", "26.4"), (30, "16.0", "26.4")]
)
def test_a_weight_is_compared_with_the_median_of_the_last_three_too(days_ago, low, high):
    """22 g last and a median of 20 g: 10 % of one, 9 % of the other, twice as much after six days, 20 % at most."""
    weights = tuple((TODAY - days_ago - gap, D(g)) for gap, g in ((9, 30), (6, 20), (3, 20), (0, 22)))
    found = windows(MouseFacts("M0", weights=weights), TODAY, Limits())
    assert found.weight_g == (D(low), D(high))


def test_the_windows_a_browser_compares_with_are_those_of_the_rules():
    found = windows(MICE[0], TODAY, Limits())
    for weight in (found.weight_g[0], found.weight_g[1], found.weight_g[1] + D("0.01")):
        row = replace(CLEAN[0], weight_g=f"{weight:.2f}")
        (verdict,) = judge([(row, MICE[0])], SHEET, NOW)
        is_inside = found.weight_g[0] <= D(f"{weight:.2f}") <= found.weight_g[1]
        assert is_inside == ("R12" not in {one.rule for one in verdict.findings})
    assert windows(MouseFacts("M0"), TODAY, Limits()) == type(found)()


@pytest.mark.parametrize(
    "line, value, unit, tag, refused",
    [
        ("12.34 mm\r\n", "12.34", "mm", "", ""),
        ("22,4 g\t", "22.4", "g", "", ""),
        ("12.3", "12.3", "", "", ""),
        ("01A+00014.21\r", "14.21", "mm", "", ""),
        ("ST,GS,+ 22.41 g", "22.41", "g", "", ""),
        ("S S     22.41 g", "22.41", "g", "", ""),
        ("N     +  22.41 g", "22.41", "g", "", ""),
        ("+012.34", "12.34", "mm", "", ""),
        ("900123456789012", "", "", "900123456789012", ""),
        ("12345678", "", "", "12345678", ""),
        ("C-014", "", "", "C-014", ""),
        ("US,GS,+ 22.41 g", "", "", "", "rest"),
        ("S D     22.41 g", "", "", "", "rest"),
        ("22.4 g ?", "", "", "", "rest"),
        ("911", "", "", "", "no reading"),
        ("01A-00000.02", "", "", "", "below 0"),
        ("0.4857 in", "", "", "", "inches"),
        ("22.4 kg", "", "", "", "kg"),
        ("12.3.4", "", "", "", "no line"),
        ("", "", "", "", "no line"),
    ],
)
def test_lines_of_devices(line, value, unit, tag, refused):
    found = read_device_line(line)
    assert found.value == (D(value) if value else None) and found.tag == tag
    assert refused in found.refused if refused else (found.unit, found.refused) == (unit, "")


def test_agreement_of_unequal_numbers_of_readings():
    """Means 10, 21 and 16: mean squares 74.4286 between, 3 within; 2.2857 readings a tumor on average."""
    found = agreement([[8, 10, 12], [20, 22], [15, 17]])
    assert found.icc == pytest.approx((74.428571 - 3) / (74.428571 + 1.285714 * 3), rel=1e-6)


def test_agreement_of_readings_taken_again_by_hand():
    assert cv_percent([100.0]) is None and cv_percent([]) is None and cv_percent([0.0, 0.0]) is None
    assert cv_percent([90, 110]) == pytest.approx(14.1421, rel=1e-4)
    # mean squares: between 100, within 2; two readings each
    found = agreement([[9, 11], [19, 21], [5]])
    assert (found.n_mice, found.icc) == (2, pytest.approx((100 - 2) / (100 + 2)))
    assert cv_percent([90, 100, 110]) == pytest.approx(10)
    assert found.cv_percent == pytest.approx(11.1803, rel=1e-4)  # of 14.1421 and 7.0711, root mean square
    assert agreement([[9, 11], [0, 0]]).cv_percent == pytest.approx(14.1421, rel=1e-4)
    assert agreement([[5], []]).cv_percent is None
    assert agreement([[9, 11]]).icc is None and agreement([[5, 5], [5, 5]]).icc is None
