"""Each rule at, under and over its limits, one row at a time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from studies.validation import (
    RULES,
    DeviceFacts,
    Limits,
    LimitsRefused,
    MouseFacts,
    Row,
    Severity,
    SheetFacts,
    Visit,
    correction_findings,
    day_number,
    judge,
    read_row,
    stored_reading,
    volume_of,
    with_overrides,
)
from studies.validation.circumstances import text as text_findings
from studies.validation.sizes import slip

D = Decimal
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
TODAY = day_number(NOW, "UTC")
ROW = Row("M1", observed_at=NOW, length_mm="10.0", width_mm="8.0", weight_g="22.0")
SHEET = SheetFacts(mice=tuple(f"M{number}" for number in range(1, 11)))
MOUSE = MouseFacts("M1")


def visit(days_ago: float, length="10.0", width="8.0", **fields) -> Visit:
    length, width = D(length), D(width)
    return Visit(TODAY - days_ago, length, width, length * width * width / 2, **fields)


def said(rule: str, row: Row = ROW, mouse: MouseFacts = MOUSE, sheet: SheetFacts = SHEET) -> str:
    """What `rule` says of the row: "hard", "soft", "notice" or "" (the heaviest)."""
    (verdict,) = judge([(row, mouse)], sheet, NOW)
    found = {str(one.severity) for one in verdict.findings if one.rule == rule}
    return next((one for one in ("hard", "soft", "notice") if one in found), "")


def test_a_plain_row_is_accepted_without_a_word():
    (verdict,) = judge([(ROW, MOUSE)], SHEET, NOW)
    assert verdict.is_accepted and verdict.findings == ()


def test_the_table_runs_from_r1_to_r30_in_order():
    assert [rule.id for rule in RULES] == [f"R{number}" for number in range(1, 31)]
    assert all(rule.hard or rule.soft for rule in RULES)


@pytest.mark.parametrize(
    "text, rule",
    [
        ("12", ""),
        ("12.3", ""),
        ("12,3", ""),
        (" 12.34\r\n", ""),
        ("\t12.34 mm", ""),
        ("12.34MM", ""),
        ("12,3 mm", ""),
        (D("12.30"), ""),
        (12, ""),
        ("-12", "R1"),
        ("+12", "R1"),
        ("−12", "R1"),
        ("1e1", "R1"),
        ("1E1", "R1"),
        ("1_2", "R1"),
        ("1.234,5", "R1"),
        ("1,234.5", "R1"),
        ("1 234", "R1"),
        ("1'234", "R1"),
        ("١٢", "R1"),
        ("１２", "R1"),
        ("nan", "R1"),
        ("inf", "R1"),
        ("Infinity", "R1"),
        ("12.", "R1"),
        (".5", "R1"),
        ("12..3", "R1"),
        ("abc", "R1"),
        ("0x1F", "R1"),
        ("12\u00a0mm", "R1"),
        (True, "R1"),
        ([12], "R1"),
        ({}, "R1"),
        (D("1E+1"), "R1"),
        ("9" * 12, ""),
        ("9" * 13, "R1"),
        (Fraction(12), "R1"),
        ("12.345", "R2"),
        ("1,234", "R2"),
        (D("12.300"), "R2"),
        ("12.34", ""),
        ("1.2 cm", "R3"),
        ("12 g", "R3"),
        ("0.5 in", "R3"),
        ('0.5"', "R3"),
    ],
    ids=repr,
)
def test_r1_to_r3_numbers(text, rule):
    row = replace(ROW, length_mm=text)
    assert {one for one in ("R1", "R2", "R3") if said(one, row)} == ({rule} if rule else set())
    if not rule:
        assert read_row(row, SHEET).length_mm == D(str(text).strip(" \t\r\n").rstrip("mM ").replace(",", "."))


@pytest.mark.parametrize(
    "text, why",
    [
        ("١٢", "the digits 0 to 9"),
        ("1２", "the digits 0 to 9"),
        ("-12", "has a sign"),
        ("−12", "has a sign"),
        ("1e+1", "has an exponent"),
        ("1,2E1", "has an exponent"),
        ("1-2", "is no number"),
        ("1.234,5", "thousands mark"),
        ("1 234", "thousands mark"),
        ("é", "is no number"),
        ("twelve", "is no number"),
    ],
)
def test_r1_says_what_is_wrong_with_a_number(text, why):
    (verdict,) = judge([(replace(ROW, length_mm=text), MOUSE)], SHEET, NOW)
    assert why in next(one.message for one in verdict.findings if one.rule == "R1")


@pytest.mark.parametrize(
    "text, rule",
    [("22.4 g", ""), ("22,4g", ""), ("22.4 G", ""), ("0.02 kg", "R3"), ("22400 mg", "R3"), ("22.4 mm", "R3")],
)
def test_r3_a_weight_is_in_grams(text, rule):
    assert said("R3", replace(ROW, weight_g=text)) == ("hard" if rule else "")


@pytest.mark.parametrize(
    "length, expected",
    [
        ("0", "hard"),
        ("0.00", "hard"),
        ("0.01", "soft"),
        ("0.99", "soft"),
        ("1", ""),
        ("1.00", ""),
        ("25", ""),
        ("25.00", ""),
        ("25.01", "soft"),
        ("50", "soft"),
        ("50.00", "soft"),
        ("50.01", "hard"),
    ],
)
def test_r4_lengths_and_widths(length, expected):
    assert said("R4", replace(ROW, length_mm=length)) == expected
    assert said("R4", replace(ROW, width_mm=length)) == expected


def test_a_number_is_refused_once():
    for text, rule in (("1e1", "R1"), ("12.345", "R2"), ("1 cm", "R3")):
        (verdict,) = judge([(replace(ROW, length_mm=text), MOUSE)], SHEET, NOW)
        assert [one.rule for one in verdict.refusals] == [rule]


@pytest.mark.parametrize("width, expected", [("9.99", ""), ("10.0", ""), ("10.01", "soft")])
def test_r5_length_over_width(width, expected):
    assert said("R5", replace(ROW, width_mm=width)) == expected


@pytest.mark.parametrize(
    "length, width, expected",
    [("24.00", "8.00", ""), ("24.01", "8.00", "soft"), ("24.00", "3.00", "soft"), ("24.01", "3.00", "hard"),
     ("8", "24.01", "soft"), ("3", "24.01", "hard"), ("10", "0", ""), ("10", "1.00", "hard")],
)  # fmt: skip
def test_r6_aspect(length, width, expected):
    assert said("R6", replace(ROW, length_mm=length, width_mm=width)) == expected


@pytest.mark.parametrize(
    "length, width, expected",
    [("15", "20", ""), ("38.4", "12.5", ""), ("20", "17.32", ""), ("20", "17.33", "soft"),
     ("24", "15.81", ""), ("24", "15.82", "soft"),
     ("50", "20", "soft"), ("44.50", "21.20", "hard"), ("49.99", "20.01", "hard"), ("50", "20.01", "hard")],
)  # fmt: skip
def test_r7_volume(length, width, expected):
    longer, shorter = max(D(length), D(width)), min(D(length), D(width))
    volume = longer * shorter * shorter / 2
    assert ("hard" if volume > 10000 else "soft" if volume > 3000 else "") == expected
    assert said("R7", replace(ROW, length_mm=length, width_mm=width)) == expected


def test_r7_asks_once_while_a_tumor_stays_large():
    large = replace(MOUSE, visits=(Visit(TODAY - 3, D(20), D(18), D(3240)),))
    assert said("R7", replace(ROW, length_mm="20", width_mm="18"), large) == ""
    assert said("R7", replace(ROW, length_mm="30", width_mm="28"), large) == "hard"
    for before, expected in (("1200", "soft"), ("1500", "soft"), ("1500.01", "")):
        half = replace(MOUSE, visits=(Visit(TODAY - 3, D(16), D(14), D(before)),))
        assert said("R7", replace(ROW, length_mm="20", width_mm="18"), half) == expected


@pytest.mark.parametrize(
    "days, ratio_of_shifted, expected",
    [(3, "2.99", ""), (3, "3.01", "soft"), (3, "0.41", ""), (3, "0.39", "soft"), (1, "0.41", ""), (1, "0.39", "soft"),
     (6, "5.99", ""), (6, "6.01", "soft"), (6, "0.17", ""), (6, "0.15", "soft")],
)  # fmt: skip
def test_r8_growth(days, ratio_of_shifted, expected):
    """The last volume is 320; the sheet's volume is (320 + 30) x ratio - 30, made of a square tumor."""
    volume = float((D(350) * D(ratio_of_shifted)) - 30)
    side = (2 * volume) ** (1 / 3)
    row = replace(ROW, length_mm=f"{side:.2f}", width_mm=f"{side:.2f}")
    assert said("R8", row, replace(MOUSE, visits=(visit(days),))) == expected


def test_r8_asks_about_a_tumor_that_was_not_palpable_and_says_where_a_mark_may_be_misplaced():
    nothing = Visit(TODAY - 3, volume_mm3=D(0))
    assert said("R8", replace(ROW, length_mm="4", width_mm="4"), replace(MOUSE, visits=(nothing,))) == ""
    assert said("R8", mouse=replace(MOUSE, visits=(nothing,))) == "soft"
    (verdict,) = judge(
        [(replace(ROW, length_mm="1.0", width_mm="0.8"), replace(MOUSE, visits=(visit(3),)))], SHEET, NOW
    )
    assert "typo in length and width?" in " ".join(one.message for one in verdict.findings)
    assert said("R8") == ""  # a first visit


@pytest.mark.parametrize(
    "length, width, expected",
    [("20.4", "10", ""), ("20.41", "10", "soft"), ("8.8", "5", ""), ("8.79", "5", "soft")],
)
def test_r8_at_its_limits(length, width, expected):
    """Three days after 320 mm³: from 110 to 1020 mm³."""
    assert (
        said("R8", replace(ROW, length_mm=length, width_mm=width), replace(MOUSE, visits=(visit(3),)))
        == expected
    )


def test_r8_has_nothing_to_compare_a_visit_without_a_volume_with():
    assert said("R8", mouse=replace(MOUSE, visits=(Visit(TODAY - 3),))) == ""


@pytest.mark.parametrize("before, expected", [("78.75", ""), ("78.76", "soft")])
def test_r8_asks_about_a_vanished_tumor_that_had_to_be_larger_than_3_x_3_mm(before, expected):
    """After three days at least 0.4 (V + 30) - 30 mm³ are left: 13.5 of 78.75."""
    row = replace(ROW, length_mm=None, width_mm=None, status="not_palpable")
    assert said("R8", row, replace(MOUSE, visits=(Visit(TODAY - 3, volume_mm3=D(before)),))) == expected


@pytest.mark.parametrize(
    "length, width, growth_factor, told",
    [
        ("20", "16", "1.5", "8.0 times that"),
        ("5", "3.58", "1.5", "10 % of that"),
        ("10", "8", "0.4", "1.0 times that"),
    ],
)
def test_r8_tells_how_many_times_or_what_share(length, width, growth_factor, told):
    sheet = replace(SHEET, limits=with_overrides(Limits(), {"growth_factor": growth_factor}, "1.1"))
    row = replace(ROW, length_mm=length, width_mm=width)
    (verdict,) = judge([(row, replace(MOUSE, visits=(visit(3),)))], sheet, NOW)
    assert told in next(one.message for one in verdict.findings if one.rule == "R8")


@pytest.mark.parametrize(
    "ratio, field",
    [("6", ""), ("6.001", "length"), ("16.99", "length"), ("17", ""), ("60", ""), ("60.1", "width"), ("169", "width"),
     ("170", ""), ("600", ""), ("600.1", "length and width"), ("1699", "length and width"), ("1700", ""), ("1", "")],
)  # fmt: skip
def test_a_misplaced_mark_is_guessed_from_the_ratio_of_volumes(ratio, field):
    hint = f": typo in {field}?" if field else ""
    assert slip(D(ratio)) == hint
    if ratio not in ("6", "17", "170", "1700"):  # whose inverse is rounded
        assert slip(1 / D(ratio)) == hint


@pytest.mark.parametrize("days, status, expected", [(3, "not_palpable", "soft"), (7, "not_palpable", ""),
                                                    (3, "not_done", "")])  # fmt: skip
def test_r8_asks_where_a_tumor_is_gone_that_could_be_felt_if_it_had_shrunk_as_far_as_tumors_do(
    days, status, expected
):
    """Of 320 mm³, 110 are left after 3 days at the least, and 11 after a week: less than 3 x 3 mm."""
    row = replace(ROW, length_mm=None, width_mm=None, status=status)
    assert said("R8", row, replace(MOUSE, visits=(visit(days),))) == expected


def test_r9_leaves_a_small_tumor_its_millimeter():
    small = replace(MOUSE, visits=(Visit(TODAY - 3, D(4), D(4), D(32)),))
    assert said("R9", replace(ROW, length_mm="5.50", width_mm="4"), small) == ""
    assert said("R9", replace(ROW, length_mm="5.51", width_mm="4"), small) == "soft"


@pytest.mark.parametrize("width, expected", [("0.9", ""), ("0.49", "soft")])
def test_r9_a_tiny_tumor_may_lose_its_millimeter_and_a_half(width, expected):
    tiny = replace(MOUSE, visits=(Visit(TODAY - 3, D(2), D(2), D(4)),))
    assert said("R9", replace(ROW, length_mm="2", width_mm=width), tiny) == expected


@pytest.mark.parametrize(
    "length, width, expected",
    [
        ("13.00", "8.0", ""),
        ("13.01", "8.0", "soft"),  # 3 mm, 30 % of 10
        ("13.01", "9.0", ""),  # the aspect is within 30 % of what it was
        ("10", "5.60", ""),
        ("10", "5.59", "soft"),  # 2.4 mm, 30 % of 8
        ("6.40", "8.0", ""),
        ("18", "8", "soft"),
        ("16.25", "10.00", ""),  # 1.3 times 10:8, exactly
        ("16.26", "10.00", "soft"),
        ("5", "5", ""),  # as round as can be
        ("10", "0", ""),  # R4 refuses it
    ],
)
def test_r9_one_dimension_jumps_more_than_30_percent_while_the_other_does_not(length, width, expected):
    assert (
        said("R9", replace(ROW, length_mm=length, width_mm=width), replace(MOUSE, visits=(visit(3),)))
        == expected
    )


@pytest.mark.parametrize(
    "length, width, expected",
    [
        ("16", "15.81", ""),
        ("16", "15.82", "notice"),
        ("19.99", "5", ""),
        ("20", "7", "notice"),
        ("20.00", "7", "notice"),
    ],
)
def test_r10_tumor_endpoint_is_told_and_never_blocks(length, width, expected):
    row = replace(ROW, length_mm=length, width_mm=width)
    assert said("R10", row) == expected
    (verdict,) = judge([(row, MOUSE)], SHEET, NOW)
    assert not [one for one in verdict.open_questions if one.rule == "R10"]


@pytest.mark.parametrize("length, expected", [("39.99", ""), ("40", "notice")])
def test_r10_volume_at_its_cap_where_the_diameter_may_be_larger(length, expected):
    sheet = replace(SHEET, limits=with_overrides(Limits(), {"diameter_cap_mm": "50"}, "1.1"))
    assert said("R10", replace(ROW, length_mm=length, width_mm="10"), sheet=sheet) == expected


@pytest.mark.parametrize(
    "weight, expected",
    [("4.99", "hard"), ("5", "soft"), ("13.99", "soft"), ("14", ""), ("40", ""), ("40.01", "soft"), ("80", "soft"),
     ("80.01", "hard"), ("0", "hard")],
)  # fmt: skip
def test_r11_weight_range(weight, expected):
    assert said("R11", replace(ROW, weight_g=weight)) == expected


def test_r11_knows_strain_and_sex():
    table = {"strain_weights_g": {"NSG|female": ["16", "32"], "NSG": ["16", "38"]}}
    sheet = replace(SHEET, limits=with_overrides(Limits(), table, "1.0"))
    for sex, weight, expected in (("female", "33", "soft"), ("male", "33", ""), ("male", "38.01", "soft")):
        mouse = replace(MOUSE, strain="NSG", sex=sex)
        assert said("R11", replace(ROW, weight_g=weight), mouse, sheet) == expected


@pytest.mark.parametrize(
    "days, weight, expected",
    [(3, "22.00", ""), (3, "22.01", "soft"), (3, "18.00", ""), (3, "17.99", "soft"), (4, "22.66", ""),
     (4, "22.67", "soft"), (4, "17.34", ""), (4, "17.33", "soft"), (6, "24.00", ""), (6, "24.01", "soft"),
     (30, "24.01", "soft"), (30, "16.00", ""), (30, "15.99", "soft")],
)  # fmt: skip
def test_r12_weight_change(days, weight, expected):
    mouse = replace(MOUSE, weights=((TODAY - days, D("20.00")),))
    assert said("R12", replace(ROW, weight_g=weight), mouse) == expected


def test_r12_compares_what_was_weighed_at_a_known_time():
    mouse = replace(MOUSE, weights=((TODAY - 3, D(20)),))
    for row in (replace(ROW, weight_g=None), replace(ROW, weight_g="44", observed_at=None)):
        assert said("R12", row, mouse) == ""


@pytest.mark.parametrize(
    "last, weight, told",
    [("20", "25", "changed by +25 %"), ("20", "15", "changed by -25 %"), ("5", "25", "changed by +400 %"),
     ("5", "25.01", "changed by +400 % since the last weighing: typo?"),
     ("25.01", "5", "changed by -80 % since the last weighing: typo?")],
)  # fmt: skip
def test_r12_tells_the_change_and_where_a_mark_may_be_misplaced(last, weight, told):
    mouse = replace(MOUSE, weights=((TODAY - 3, D(last)),))
    (verdict,) = judge([(replace(ROW, weight_g=weight), mouse)], SHEET, NOW)
    message = next(one.message for one in verdict.findings if one.rule == "R12")
    assert message == told if "typo" in told else message == f"{told} since the last weighing"


@pytest.mark.parametrize("weight, expected", [("22.89", ""), ("22.90", "soft")])
def test_r12_one_light_weighing_does_not_make_the_next_a_jump(weight, expected):
    weights = tuple((TODAY - days, D(grams)) for days, grams in ((9, "21.00"), (6, "21.10"), (3, "19.50")))
    assert said("R12", replace(ROW, weight_g=weight), replace(MOUSE, weights=weights)) == expected


@pytest.mark.parametrize(
    "weight, expected", [("17.01", ""), ("17.00", "notice"), ("16.00", "notice"), ("24", "")]
)
def test_r13_weight_endpoint_is_told_and_never_blocks(weight, expected):
    assert said("R13", replace(ROW, weight_g=weight), replace(MOUSE, baseline_weight_g=D(20))) == expected


@pytest.mark.parametrize("weight, percent", [("17.00", 15), ("16.01", 15), ("16.00", 20), ("15.00", 20)])
def test_r13_tells_the_mark_that_was_reached(weight, percent):
    (verdict,) = judge([(replace(ROW, weight_g=weight), replace(MOUSE, baseline_weight_g=D(20)))], SHEET, NOW)
    assert [one.message for one in verdict.findings if one.rule == "R13"] == [f"the loss reached {percent} %"]


@pytest.mark.parametrize(
    "weight, other, expected", [("20", "1680", ""), ("20", "1680.01", "notice"), ("3.20", "0", "")]
)
def test_r14_tumor_burden_sums_the_tumors_of_the_mouse(weight, other, expected):
    assert said("R14", replace(ROW, weight_g=weight), replace(MOUSE, other_tumors_mm3=D(other))) == expected


def test_r15_right_mouse():
    assert said("R15", replace(ROW, mouse="M99"), replace(MOUSE, key="M99")) == "hard"
    assert said("R15", replace(ROW, tumor=2)) == "hard"
    assert said("R15", replace(ROW, tumor=2), replace(MOUSE, tumors=(1, 2))) == ""
    assert said("R15", replace(ROW, scanned="M2")) == "soft"
    assert said("R15", replace(ROW, scanned="M1")) == ""


@pytest.mark.parametrize("days, expected", [(-1, "hard"), (0, "soft"), (1, "")])
def test_r17_after_exit(days, expected):
    mouse = replace(MOUSE, exited_on=NOW.date() + timedelta(days=days))
    assert said("R17", mouse=mouse) == expected
    assert said("R17", replace(ROW, status="dead"), mouse) == ""  # a post-mortem reading


@pytest.mark.parametrize("days, expected", [(-1, ""), (0, ""), (1, "hard")])
def test_r18_before_birth_and_implantation(days, expected):
    day = NOW.date() + timedelta(days=days)
    assert said("R18", mouse=replace(MOUSE, born_on=day)) == expected
    assert said("R18", mouse=replace(MOUSE, implanted_on=day)) == expected
    blank = replace(ROW, length_mm=None, width_mm=None, status="not_done")
    assert said("R18", blank, replace(MOUSE, implanted_on=day)) == ""


@pytest.mark.parametrize("seconds, expected", [(-1, ""), (0, ""), (1, "soft")])
def test_r18_before_randomization(seconds, expected):
    assert said("R18", mouse=replace(MOUSE, randomized_at=NOW + timedelta(seconds=seconds))) == expected


@pytest.mark.parametrize("seconds, expected", [(120, ""), (121, "soft"), (300, "soft"), (301, "hard")])
def test_r19_future(seconds, expected):
    assert said("R19", replace(ROW, observed_at=NOW + timedelta(seconds=seconds))) == expected


def test_r19_wants_a_moment():
    assert said("R19", replace(ROW, observed_at=None)) == "hard"


@pytest.mark.parametrize("seconds, expected", [(0, ""), (24 * 3600, ""), (24 * 3600 + 1, "soft")])
def test_r20_late_entry(seconds, expected):
    assert said("R20", replace(ROW, observed_at=NOW - timedelta(seconds=seconds))) == expected


@pytest.mark.parametrize(
    "hour, minute, zone, expected",
    [(23, 59, "UTC", ""), (0, 0, "UTC", "soft"), (3, 59, "UTC", "soft"), (4, 0, "UTC", ""),
     (7, 59, "America/New_York", "soft"), (8, 0, "America/New_York", "")],
)  # fmt: skip
def test_r21_which_day_is_asked_at_night_at_the_studys_place(hour, minute, zone, expected):
    at = datetime(2026, 6, 9 if hour == 23 else 10, hour, minute, tzinfo=UTC)
    assert said("R21", replace(ROW, observed_at=at), sheet=replace(SHEET, time_zone=zone)) == expected


def test_r22_second_session_of_a_day_and_replicates():
    assert said("R22", mouse=replace(MOUSE, was_seen_today_elsewhere=True)) == "soft"
    for replicate, expected in ((0, "hard"), (1, ""), (100, ""), (101, "hard")):
        assert said("R22", replace(ROW, replicate=replicate)) == expected


@pytest.mark.parametrize("gap, expected", [(249, "soft"), (250, ""), (251, ""), (None, "")])
def test_r24_device_burst(gap, expected):
    assert said("R24", replace(ROW, shortest_interval_ms=gap)) == expected


@pytest.mark.parametrize(
    "fields, expected",
    [
        ({"length_mm": None}, "hard"),
        ({"width_mm": " "}, "hard"),
        ({"status": "fine"}, "hard"),
        ({"weight_g": None}, ""),
        ({"status": "not_palpable"}, "hard"),
        ({"status": "ulcerated"}, ""),
        ({"status": "dead"}, ""),
        ({"status": "ulcerated", "width_mm": None}, "hard"),
        *(
            ({"length_mm": None, "width_mm": None, "status": status}, "" if status == "not_palpable" else "*")
            for status in ("not_palpable", "too_small", "not_done", "ulcerated", "dead", "excluded")
        ),
    ],
    ids=str,
)
def test_r25_a_blank_needs_a_code(fields, expected):
    found = said("R25", replace(ROW, **fields), sheet=replace(SHEET, mice=SHEET.mice[:5]))
    assert found in ("", "soft") if expected == "*" else found == expected


def test_r25_counts_no_ulcerated_tumor_that_was_measured_as_coded():
    assert said("R25", replace(ROW, status="ulcerated"), sheet=replace(SHEET, mice=("M1", "M2"))) == ""


def test_r25_a_sign_is_one_of_those_known():
    assert said("R25", replace(ROW, signs=("hunched",))) == ""
    assert said("R25", replace(ROW, signs=("hunched", "cheerful"))) == "hard"


@pytest.mark.parametrize("coded, mice, expected", [(1, 5, ""), (1, 4, "soft"), (2, 10, ""), (3, 10, "soft")])
def test_r25_more_of_the_sheet_coded_than_usual(coded, mice, expected):
    blank = replace(ROW, length_mm=None, width_mm=None, status="not_done")
    rows = [(replace(blank, mouse=f"M{n}"), MouseFacts(f"M{n}")) for n in range(1, coded + 1)]
    verdicts = judge(rows, replace(SHEET, mice=tuple(f"M{n}" for n in range(1, mice + 1))), NOW)
    assert {bool([one for one in v.findings if one.rule == "R25"]) for v in verdicts} == {expected == "soft"}


@pytest.mark.parametrize("days, expected", [(-1, "soft"), (0, ""), (1, "")])
def test_r26_device(days, expected):
    row = replace(ROW, device="C1")
    due = replace(SHEET, devices={"C1": DeviceFacts(False, NOW.date() + timedelta(days=days))})
    assert said("R26", row, sheet=due) == expected
    assert said("R26", row, sheet=replace(SHEET, devices={"C1": DeviceFacts(is_retired=True)})) == "hard"
    other = replace(MOUSE, visits=(visit(3, device="C2"),))
    assert said("R26", row, other) == "soft"
    assert said("R26", replace(ROW, device="C2"), other) == said("R26", ROW, other) == ""


def test_r27_observer():
    mouse = replace(MOUSE, baseline_observer="Ann")
    for observer, expected in (("Ann", ""), ("Ben", "soft"), ("", "")):
        assert said("R27", mouse=mouse, sheet=replace(SHEET, observer=observer)) == expected


def test_r28_state():
    assert said("R28", sheet=replace(SHEET, closed_because="the study is data locked")) == "hard"


@pytest.mark.parametrize(
    "old, reason, corrections, expected",
    [
        (1, "typo", 0, ""),
        (1, "typo", 1, ""),
        (1, "typo", 2, "soft"),
        (1, "", 0, "hard"),
        (1, " \t", 0, "hard"),
        (2, "typo", 0, "hard"),
    ],
)
def test_r29_correction(old, reason, corrections, expected):
    found = correction_findings({"a": old}, {"a": 2}, reason, corrections, Limits())
    assert {str(one.severity) for one in found if one.rule == "R29"} == ({expected} if expected else set())


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x" * 2000, ""),
        ("x" * 2001, "hard"),
        ("a\tb", "hard"),
        ("a\nb", "hard"),
        ("a\x00b", "hard"),
        ("a\u202eb", "hard"),
        ("=1+1", "soft"),
        ("+1", "soft"),
        ("-1", "soft"),
        ("@a", "soft"),
        ("a=1", ""),
        ("größer µ 5", ""),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_r30_text(text, expected):
    assert said("R30", replace(ROW, device=text)) == expected
    assert said("R30", replace(ROW, confirmations={"R9": text})) == expected


def test_r30_holds_for_any_text_of_2000_characters_unless_another_limit_is_given():
    assert list(text_findings("note", "x" * 2000)) == [] and list(text_findings("note", "xy", 2)) == []
    assert (
        [one.rule for one in text_findings("note", "x" * 2001)]
        == ["R30"]
        == [one.rule for one in text_findings("note", "xyz", 2)]
    )


def test_r30_a_confirmation_names_a_rule():
    assert said("R30", replace(ROW, confirmations={"R31": "so"})) == "hard"
    assert said("R30", replace(ROW, confirmations={"R30": "so"})) == ""


def test_a_question_is_open_until_its_own_rule_is_answered_with_a_reason():
    row = replace(ROW, length_mm="26", width_mm="9")
    for confirmed, n_open in (({}, 1), ({"R4": " "}, 1), ({"R6": "so"}, 1), ({"R4": "so"}, 0)):
        (verdict,) = judge([(replace(row, confirmations=confirmed), MOUSE)], SHEET, NOW)
        assert len(verdict.open_questions) == n_open and verdict.is_accepted == (n_open == 0)


def test_a_reason_never_settles_a_refusal():
    (verdict,) = judge([(replace(ROW, length_mm="51", confirmations={"R4": "so"}), MOUSE)], SHEET, NOW)
    assert not verdict.is_accepted


def test_every_limit_can_be_a_studys_own_and_a_bad_one_is_refused_by_name():
    sheet = replace(SHEET, limits=with_overrides(Limits(), {"length_high_mm": "9.99"}, "2.1"))
    assert said("R4", sheet=sheet) == "soft" and sheet.limits.version == "2.1"
    least = with_overrides(Limits(), {"length_low_mm": 0, "jump_fraction": "0.5", "burst_ms": 0}, "2.2")
    assert Limits().version == "0"
    assert (least.length_low_mm, least.jump_fraction, least.burst_ms) == (0, D("0.5"), 0)
    for bad in (
        {"length": 1},
        {"length_max_mm": "x"},
        {"length_max_mm": "NaN"},
        {"length_max_mm": -1},
        {"late_hours": 1.5},
        {"strain_weights_g": 3},
        {"strain_weights_g": {"NSG": [3, 2]}},
        {"strain_weights_g": {"NSG": [3, 3]}},
    ):
        with pytest.raises(LimitsRefused, match=next(iter(bad))):
            with_overrides(Limits(), bad, "1.0")


def test_refusals_questions_and_notices_are_told_apart():
    row = replace(ROW, length_mm="51", width_mm="26", weight_g="41")
    (verdict,) = judge([(row, replace(MOUSE, baseline_weight_g=D(60)))], SHEET, NOW)
    assert {one.rule for one in verdict.refusals} == {"R4", "R7"}
    assert {one.rule for one in verdict.open_questions} == {"R4", "R11"}
    assert {one.rule for one in verdict.notices} == {"R10", "R13", "R14"}


@pytest.mark.parametrize(
    "formula, height, expected",
    [("half_lw2", None, "320"), ("half_lwh", D(5), "200"), ("half_lwh", None, "320"), ("pi6_lw2", None, "335.1"),
     ("pi6_lw2", D(5), "335.1")],
)  # fmt: skip
def test_a_volume_follows_the_studys_formula_and_the_default_where_no_height_was_taken(
    formula, height, expected
):
    assert float(volume_of(D(8), D(10), formula, height)) == pytest.approx(float(expected), abs=0.01)


def test_a_reading_on_record_has_the_values_given_and_blanks_beside_them():
    found = stored_reading("M1", 2, "measured", length_mm=D(10), weight_g=D(22))
    assert (found.length_mm, found.width_mm, found.weight_g) == (D(10), None, D(22)) and found.row.tumor == 2
    assert found.has_size_text and not stored_reading("M1", 1, "not_done", weight_g=D(22)).has_size_text


def test_severities_have_words():
    assert [str(one) for one in Severity] == ["hard", "soft", "notice"] and date(2026, 6, 10) == NOW.date()
