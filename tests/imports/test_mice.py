"""Lists of mice: every column, every defect with its place."""

from dataclasses import asdict
from datetime import date

import pytest

from studies.imports import ImportRefused
from studies.imports.mice import COLUMNS, MOST_COLUMNS, MOST_LINES, MouseRow, read_date, read_mice

WHOLE = {
    "mouse": "007",
    "pdx_model": "BR-1",
    "sex": "F",
    "born_on": "2026-01-02",
    "strain": "NSG",
    "source": "Jackson",
    "cage": "C1",
    "ear_tag": "L1",
    "rfid": "985",
    "cohort": "1",
    "passage": "P4",
    "site": "flank",
    "implanted_on": "1 Mar 2026",
    "room": "R1",
    "rack": "2",
}


def table(*rows: dict[str, str]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])


def refused(text) -> list[tuple]:
    with pytest.raises(ImportRefused) as caught:
        read_mice(text)
    return [(error.line, error.column, error.value, error.reason) for error in caught.value.errors]


def only(text) -> tuple:
    (error,) = refused(text)
    return error


def test_every_column_is_read():
    told = {
        "line": 2,
        "sex": "female",
        "born_on": date(2026, 1, 2),
        "implanted_on": date(2026, 3, 1),
        "passage": 4,
    }
    assert [asdict(row) for row in read_mice(table(WHOLE))] == [WHOLE | told]
    assert tuple(WHOLE) == COLUMNS


def test_what_is_not_told_is_blank_as_it_is_where_the_column_is_missing():
    blank = WHOLE | dict.fromkeys(set(WHOLE) - {"mouse", "pdx_model"}, "")
    plain = MouseRow(2, "007", "BR-1")
    assert read_mice(table(blank)) == [plain] == read_mice("Animal ID;PDX\n007;BR-1")
    assert read_mice(table(WHOLE).encode("utf-16")) == read_mice(table(WHOLE))


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("sex", "x", "is not female, male or other"),
        ("born_on", "01/02/2026", "is not a date; write it as 2026-03-01"),
        ("implanted_on", "2026-02-30", "is not a date; write it as 2026-03-01"),
        ("passage", "P", "is not a passage; write it as 4 or P4"),
        ("passage", "32768", "is not a passage; write it as 4 or P4"),
        ("passage", "-1", "is not a passage; write it as 4 or P4"),
        ("mouse", "m" * 121, "is longer than 120 characters"),
        ("pdx_model", "m" * 61, "is longer than 60 characters"),
        ("strain", "m" * 101, "is longer than 100 characters"),
        ("source", "m" * 101, "is longer than 100 characters"),
        ("site", "m" * 101, "is longer than 100 characters"),
        ("cohort", "m" * 61, "is longer than 60 characters"),
        ("cage", "m" * 41, "is longer than 40 characters"),
    ],
)
def test_a_cell_that_cannot_be_kept_is_refused_at_its_place(column, text, reason):
    errors = refused(table(WHOLE, WHOLE | {"mouse": "8", "ear_tag": "", "rfid": "", column: text}))
    assert (3, column, text, reason) in errors
    assert {error[1] for error in errors} == {column}


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("passage", "32767", 32767),
        ("passage", "p0", 0),
        ("mouse", "m" * 120, "m" * 120),
        ("cage", "m" * 40, "m" * 40),
        ("sex", "Male", "male"),
        ("sex", "other", "other"),
        ("born_on", "1 March 2026", date(2026, 3, 1)),
        ("born_on", "01-Mar-2026", date(2026, 3, 1)),
    ],
)
def test_a_cell_at_its_limit_is_kept(column, text, value):
    assert asdict(read_mice(table(WHOLE | {column: text}))[0])[column] == value


def test_a_header_that_is_missing_unknown_or_told_twice():
    assert refused("mouse_id,color,animal\n1,red,1") == [
        (1, "color", None, f"is no column here; known: {', '.join(COLUMNS)}"),
        (1, "animal", None, 'means mouse, as does the header "mouse_id"'),
        (1, "pdx_model", None, "this column is missing"),
    ]


@pytest.mark.parametrize("column", ["mouse", "pdx_model"])
def test_a_mouse_without_name_or_pdx_model(column):
    assert only(table(WHOLE, WHOLE | {"mouse": "8", "ear_tag": "", "rfid": "", column: ""})) == (
        3,
        column,
        None,
        "is empty",
    )


def test_a_mouse_an_ear_tag_of_a_cage_and_an_rfid_stand_once():
    again = {"mouse": "007", "pdx_model": "BR-2", "cage": "C1", "ear_tag": "L1", "rfid": "985"}
    assert refused(table(again, again | {"mouse": "8"}, again | {"cage": "C2", "rfid": ""})) == [
        (3, "ear_tag", "L1", "stands in line 2 too in cage C1"),
        (3, "rfid", "985", "stands in line 2 too"),
        (4, "mouse", "007", "stands in line 2 too"),
    ]


def test_ear_tags_say_nothing_without_a_cage_and_cages_nothing_without_a_tag():
    row = {"mouse": "1", "pdx_model": "BR-1", "cage": "", "ear_tag": "L1"}
    assert len(read_mice(table(row, row | {"mouse": "2"}))) == 2
    row = {"mouse": "1", "pdx_model": "BR-1", "cage": "C1", "ear_tag": ""}
    assert len(read_mice(table(row, row | {"mouse": "2"}))) == 2


def test_a_third_mouse_of_a_name_is_told_of_the_first():
    row = {"mouse": "1", "pdx_model": "BR-1"}
    assert [error[3] for error in refused(table(row, row, row))] == ["stands in line 2 too"] * 2


def test_a_list_has_at_most_so_many_lines_and_columns(monkeypatch):
    assert (MOST_LINES, MOST_COLUMNS) == (20_000, 200)
    monkeypatch.setattr("studies.imports.mice.MOST_LINES", 2)
    assert len(read_mice("mouse,model\n1,A\n2,A")) == 2
    assert only("mouse,model\r1,A\n2,A\n")[3] == "has 3 lines; at most 2 are read at once"
    assert "201 columns" in only("mouse" + "," * 200 + "\n")[3]


def test_ragged_rows_are_told_beside_other_defects():
    errors = refused("mouse,model\n1\n2,\n")
    assert [(line, reason) for line, _, _, reason in errors] == [
        (2, "1 fields where the header has 2"),
        (3, "is empty"),
    ]


@pytest.mark.parametrize("text", ["2026-13-01", "1.3.2026", "", "20260301"])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match="write it as 2026-03-01"):
        read_date(text)
