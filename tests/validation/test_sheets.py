"""The rules of the whole sheet: units, swapped mice, copies, and what the browser is given."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from studies.validation import (
    BY_ID,
    Limits,
    MouseFacts,
    Row,
    SheetFacts,
    Visit,
    day_number,
    judge,
    limits_json,
    read_device_line,
    windows,
)
from studies.validation.replicates import agreement, cv_percent

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


def test_agreement_of_readings_taken_again_by_hand():
    assert cv_percent([100.0]) is None and cv_percent([]) is None and cv_percent([0.0, 0.0]) is None
    assert cv_percent([90, 110]) == pytest.approx(14.1421, rel=1e-4)
    # mean squares: between 100, within 2; two readings each
    found = agreement([[9, 11], [19, 21], [5]])
    assert (found.n_mice, found.icc) == (2, pytest.approx((100 - 2) / (100 + 2)))
    assert agreement([[9, 11]]).icc is None and agreement([[5, 5], [5, 5]]).icc is None
