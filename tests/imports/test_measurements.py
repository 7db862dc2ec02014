"""Measurement tables: what is read, how it is said, and that every defect of a file is told at once."""

import os
from pathlib import Path

import pytest

from studies.imports import FORMATS, ImportRefused, read_measurement_table, refuse_oversize

HEADER = "study,pdx_model,map2k4_status,arm,mouse,day,volume_mm3"
ROWS = [
    "S1,P1,wt,vehicle,007,0,100.5",
    "S1,P1,wt,vehicle,007,3,150.25",
    "S1,P1,wt,None,008,-1,99",
    "S1,P1,wt,None,008,3,",
]


def table(*rows, header=HEADER):
    return "\n".join([header, *(rows or ROWS)]).encode()


def read(content, name="file.csv", **kwargs):
    return read_measurement_table(content, name, **kwargs)


def refused(content, **kwargs):
    with pytest.raises(ImportRefused) as caught:
        read(content, **kwargs)
    return caught.value.errors


def only_error(content, **kwargs):
    errors = refused(content, **kwargs)
    assert len(errors) == 1, [str(error) for error in errors]
    return errors[0]


def test_ids_stay_text_and_numbers_are_numbers():
    rows = read(table()).rows
    assert [row["mouse"] for row in rows] == ["007", "007", "008", "008"]
    assert rows[2]["arm"] == "None"
    assert [row["volume_mm3"] for row in rows] == [100.5, 150.25, 99.0, None]
    assert [row["day"] for row in rows] == [0.0, 3.0, -1.0, 3.0]
    assert rows[0]["map2k4_status"] == "wild_type"


def test_the_frame_holds_the_same_as_the_rows():
    found = read(table())
    assert found.frame["volume_mm3"].isna().tolist() == [False, False, False, True]
    assert found.frame["mouse"].tolist() == [row["mouse"] for row in found.rows]


def test_every_row_knows_its_line_past_blank_lines_and_quoted_breaks():
    content = f'{HEADER},comment\n\n{ROWS[0]},"two\nlines"\n   \n{ROWS[1]},\n'.encode()
    assert read(content).lines == [3, 6]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_ending(newline):
    assert read(table().replace(b"\n", newline.encode())).rows == read(table()).rows


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("cp1252", "Windows-1252"),
    ],
)
def test_every_encoding_reads_the_same_and_is_said(encoding, said):
    text = table("S1,P1,wt,Träger 10 µg,m1,0,100").decode()
    found = read(text.encode(encoding))
    assert found.rows[0]["arm"] == "Träger 10 µg"
    assert any(f"read as {said} text" in line for line in found.assumptions)


@pytest.mark.parametrize(("delimiter", "said"), [(",", "comma"), (";", "semicolon"), ("\t", "tab")])
def test_every_delimiter_reads_the_same_and_is_said(delimiter, said):
    found = read(table().replace(b",", delimiter.encode()))
    assert found.rows == read(table()).rows
    assert any(f"separated by {said}s" in line for line in found.assumptions)


def test_semicolons_with_decimal_commas_read_as_the_points_do():
    german = table().replace(b",", b";").replace(b".", b",")
    found = read(german)
    assert found.rows == read(table()).rows
    assert "Numbers were read with a decimal comma." in found.assumptions


def test_the_hint_line_of_excel_names_the_delimiter():
    found = read(b"sep=;\r\n" + table().replace(b",", b";"))
    assert found.rows == read(table()).rows
    assert found.lines[0] == 3


def test_quoted_fields_may_hold_the_delimiter_and_quotes():
    found = read(table('S1,P1,wt,"A, then ""B""",m1,0,100'))
    assert found.rows[0]["arm"] == 'A, then "B"'


def test_headers_are_read_forgivingly_and_other_columns_keep_their_name():
    content = b"Model,Mouse ID,Group,Study Day,Tumour Volume (mm3),KRAS\nP1,m1,V,0,100,G12C\n"
    row = read(content, "my_study.csv").rows[0]
    assert row == {
        "study": "my_study",
        "pdx_model": "P1",
        "mouse": "m1",
        "arm": "V",
        "day": 0.0,
        "volume_mm3": 100.0,
        "KRAS": "G12C",
    }


def test_what_a_file_does_not_say_is_assumed_aloud():
    found = read(b"mouse,treatment,day,volume\nm1,V,0,100\n", "pilot.csv")
    assert found.rows[0]["arm"] == "V" and found.rows[0]["pdx_model"] == "pilot"
    said = " ".join(found.assumptions)
    assert 'study "pilot"' in said and "no PDX model" in said and '"treatment" names the arms' in said


def test_a_status_word_that_does_not_prove_loss_is_said():
    found = read(table("S1,P1,altered,V,m1,0,100"))
    assert found.rows[0]["map2k4_status"] == "loss_of_function"
    assert any("altered" in line for line in found.assumptions)


def test_a_row_without_status_takes_that_of_its_pdx_model():
    found = read(table("S1,P1,lof,V,m1,0,100", "S1,P1,,V,m1,3,100", "S1,P2,,V,m1,3,100"))
    assert [row["map2k4_status"] for row in found.rows] == ["loss_of_function", "loss_of_function", "unknown"]


def test_treatment_names_the_arm_where_arm_only_marks_the_control():
    header = "study,model,arm,treatment,mouse,day,volume_mm3"
    found = read(table("S1,P1,control,Untreated,1,0,100", "S1,P1,treated,Drug,1,0,90", header=header))
    assert found.arm_names == ["Untreated", "Drug"]
    assert found.marked_controls == {"S1": ("Untreated",)}


def test_one_mouse_id_in_two_arms_is_two_mice():
    assert len(read(table("S1,P1,wt,V,1,0,100", "S1,P1,wt,A,1,0,90"))) == 2


def test_zero_is_kept_as_a_reading_and_NA_as_a_missing_one():
    found = read(table("S1,P1,wt,V,1,0,0", "S1,P1,wt,V,1,3,NA"))
    assert [row["volume_mm3"] for row in found.rows] == [0.0, None]
    assert any("NA" in line for line in found.assumptions)


def test_a_weight_that_no_mouse_has_is_set_aside_and_told():
    found = read(
        table("S1,P1,wt,V,1,0,100,-0.1", "S1,P1,wt,V,1,3,120,20.5", header=HEADER + ",body_weight_g")
    )
    assert [row["weight_g"] for row in found.rows] == [None, 20.5]
    assert found.set_aside[0].line == 2 and found.set_aside[0].value == "-0.1"


def test_calipers_may_stand_for_the_volume():
    header = "pdx_model,arm,mouse,day,length_mm,width_mm"
    found = read(table("P1,V,1,0,10.5,8", "P1,V,1,3,0,0", "P1,V,1,6,,", header=header))
    assert found.rows[0]["length_mm"] == 10.5 and "volume_mm3" not in found.rows[0]


def test_tumors_and_replicates_tell_readings_of_one_day_apart():
    header = HEADER + ",tumor,replicate"
    rows = ["S1,P1,wt,V,1,0,100,L,1", "S1,P1,wt,V,1,0,110,L,2", "S1,P1,wt,V,1,0,90,R,1"]
    assert len(read(table(*rows, header=header))) == 3
    assert "already has a reading" in only_error(table(*rows, rows[0], header=header)).reason


def test_a_row_counter_without_header_is_ignored_and_said():
    content = b",arm,mouse,day,volume\n0,V,m,0,100\n1,V,m,3,120\n"
    found = read(content)
    assert "" not in found.rows[0]
    assert any("counts the rows" in line for line in found.assumptions)


# ---- refusals


@pytest.mark.parametrize("column", ["arm", "mouse", "day", "volume_mm3"])
def test_a_missing_column_is_named_with_what_was_found(column):
    error = only_error(table(header=HEADER.replace(column, "other")))
    assert error.line == 1 and error.column == column
    assert "other" in error.reason and column in error.reason


def test_all_missing_columns_are_named_at_once():
    assert {error.column for error in refused(b"a,b\n1,2\n")} == {"arm", "mouse", "day", "volume_mm3"}


@pytest.mark.parametrize("content", [b"", b"   \n\n", b"\xef\xbb\xbf", b",,,\n,,,\n"])
def test_an_empty_file(content):
    assert "empty" in only_error(content).reason


def test_a_header_without_rows():
    assert "no rows" in only_error(HEADER.encode() + b"\n").reason


def test_a_second_reading_of_a_mouse_on_one_day_names_both_lines():
    error = only_error(table(*ROWS, "S1,P1,wt,vehicle,007,3.0,151"))
    assert (error.line, error.column) == (6, "day")
    assert "007" in error.reason and "line 3" in error.reason


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        ("-5", "negative volume"),
        ("abc", "not a number"),
        ("12x", "not a number"),
        ("nan", "leave the cell empty"),
        ("inf", "leave the cell empty"),
        ("-Infinity", "leave the cell empty"),
        ("1e999", "too large"),
        ("1e308", "too large"),
        ("1_000", "not a number"),
        ("0x1F", "not a number"),
        ("١٢٣", "digits 0 to 9"),
        ("１２", "digits 0 to 9"),
        ("1 234", "thousands mark"),
        ("'1,234.5'", "not a number"),
        ("--5", "not a number"),
        ("#VALUE!", "not a number"),
    ],
)
def test_an_unreadable_volume(volume, reason):
    error = only_error(table(*ROWS, f'S1,P1,wt,vehicle,009,0,"{volume}"'))
    assert (error.line, error.column, error.value) == (6, "volume_mm3", volume)
    assert reason in error.reason


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("length_mm", "-1"),
        ("width_mm", "x"),
        ("day", ""),
        ("day", "day 3"),
        ("day", "45123"),
        ("weight_g", "heavy"),
    ],
)
def test_other_unreadable_numbers_name_their_column(column, value):
    cells = {"arm": "V", "mouse": "1", "day": "0", "length_mm": "10", "width_mm": "8", "weight_g": "20"}
    cells[column] = value
    content = ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"
    error = only_error(content.encode())
    assert (error.line, error.column, error.value) == (2, column, value)


def test_a_thousands_mark():
    for text in ("1,234.5", "1.234.567", "1'234"):
        assert "thousands mark" in only_error(table(*ROWS, f'S1,P1,wt,vehicle,009,0,"{text}"')).reason


def test_a_decimal_comma_among_decimal_points_is_refused_where_it_stands():
    error = only_error(table(*ROWS, 'S1,P1,wt,vehicle,009,0,"120,5"'))
    assert (error.line, error.value) == (6, "120,5")
    assert "decimal comma" in error.reason and "line 2" in error.reason


def test_a_comma_that_may_be_a_thousands_mark_is_ambiguous_when_alone():
    rows = ["S1,P1,wt,V,1,0,950", 'S1,P1,wt,V,1,3,"1,234"']
    error = only_error(table(*rows))
    assert "1.234 or 1234" in error.reason


def test_another_number_settles_what_the_comma_means():
    rows = ["S1;P1;wt;V;1;0;1,234", "S1;P1;wt;V;1;3;0,95"]
    found = read(table(*rows, header=HEADER.replace(",", ";")))
    assert [row["volume_mm3"] for row in found.rows] == [1.234, 0.95]


def test_a_point_that_may_be_a_thousands_mark_is_ambiguous_among_semicolons():
    rows = ["S1;P1;wt;V;1;0;950", "S1;P1;wt;V;1;3;1.234"]
    assert "1.234 or 1234" in only_error(table(*rows, header=HEADER.replace(",", ";"))).reason


def test_one_pdx_model_with_two_statuses_and_an_unreadable_one():
    errors = refused(table("S1,P1,wt,V,1,0,1", "S1,P1,lof,V,1,3,1", "S1,P2,maybe,V,1,3,1"))
    assert [(error.line, error.column) for error in errors] == [(3, "map2k4_status"), (4, "map2k4_status")]
    assert "P1" in errors[0].reason and "line 2" in errors[0].reason
    assert "loss_of_function" in errors[1].reason


@pytest.mark.parametrize("column", ["status", "exit_reason", "treatment_related"])
def test_unknown_words_name_the_words_there_are(column):
    error = only_error(table("S1,P1,wt,V,1,0,1,whatever", header=f"{HEADER},{column}"))
    assert error.column == column and "use one of" in error.reason


def test_ragged_rows_are_named_each():
    errors = refused(table(ROWS[0], "S1,P1,wt,V", ROWS[1] + ",extra"))
    assert [error.line for error in errors] == [3, 4]
    assert "4 fields where the header has 7" in errors[0].reason


def test_a_header_standing_twice_and_two_that_mean_the_same():
    assert "stands twice" in only_error(table(header=HEADER.replace("study", "day"))).reason
    error = only_error(b"arm,mouse,Day,time,volume\nV,1,0,0,1\n")
    assert error.column == "time" and '"Day"' in error.reason


def test_nameless_values_are_refused():
    assert "has no header" in only_error(b"arm,mouse,,day,volume\nV,1,x,0,1\n").reason


@pytest.mark.parametrize("column", ["study", "pdx_model", "arm", "mouse"])
def test_a_row_must_say_whose_it_is(column):
    place = HEADER.split(",").index(column)
    cells = ROWS[0].split(",")
    cells[place] = ""
    assert only_error(table(*ROWS[1:], ",".join(cells))).column == column


def test_an_arm_that_is_control_and_treated():
    header = "model,arm,treatment,mouse,day,volume_mm3"
    rows = ["P1,control,Drug,1,0,100", "P1,treated,Drug,2,0,100", "P1,treated,,3,0,100"]
    assert [error.column for error in refused(table(*rows, header=header))] == ["arm", "treatment"]


def test_half_a_caliper_reading():
    header = "arm,mouse,day,length_mm,width_mm"
    errors = refused(table("V,1,0,10,", "V,1,1,,8", "V,1,2,10,0", header=header))
    assert [(error.line, error.column) for error in errors] == [
        (2, "width_mm"),
        (3, "length_mm"),
        (4, "width_mm"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8bxx", "gzip"),
        (HEADER.encode() + b"\nS1,P1,wt,V\x00,1,0,1\n", "control character"),
        (b"\xff\xfea", "cannot be read"),
        (b"\x81\x8d\x8f", "cannot be read"),
        (b'arm,mouse,day,volume\n"V,1,0,1\n', "never closed"),
        (b'arm,mouse,day,volume\n"V"x,1,0,1\n', "quotes cannot be read"),
        (b"arm,mouse,day,volume\n" + b"x" * 200_000 + b",1,0,1\n", "131,072"),
    ],
)
def test_hostile_files_are_refused_in_words(content, reason):
    assert any(reason in error.reason for error in refused(content))


def test_a_file_over_the_limit_is_told_before_it_is_parsed():
    assert "over the limit" in only_error(b"\x00" * 2001, max_bytes=2000).reason
    with pytest.raises(ImportRefused, match=r"600\.0 MB, over the limit of 500\.0 MB"):
        refuse_oversize(600_000_000, 500_000_000)
    with pytest.raises(ImportRefused, match=r"1,500 bytes, over the limit of 1,000 bytes"):
        refuse_oversize(1_500, 1_000)


def test_all_defects_are_listed_at_once_in_the_order_of_lines():
    rows = [*ROWS, "S1,P1,wt,V,1,0,-4", "S1,P1,wt", "S1,P1,wt,V,1,x,5", *ROWS[:1]]
    assert [error.line for error in refused(table(*rows))] == [6, 7, 8, 9]


def test_an_error_reads_as_one_line_of_plain_text():
    error = only_error(table(*ROWS, 'S1,P1,wt,vehicle,009,0,"\n\tbad' + "x" * 100 + '"'))
    assert "\n" not in str(error) and len(str(error)) < 200


def test_the_registry_reads():
    assert FORMATS["measurements"][1](table(), "file.csv").rows == read(table()).rows


# ---- real files

real_data = pytest.mark.skipif(
    not os.environ.get("PDX_REAL_DATA"), reason="PDX_REAL_DATA names no data folder"
)


@real_data
def test_the_breast_file_of_the_pdx_encyclopedia_is_read_to_the_last_row():
    path = Path(os.environ["PDX_REAL_DATA"]) / "studies" / "pdxe_brca_xeva.csv"
    found = read(path.read_bytes(), path.name)
    assert len(found) == 12717
    assert sum(row["volume_mm3"] == 0 for row in found.rows) == 132
    assert len({(row["pdx_model"], row["treatment"], row["mouse"]) for row in found.rows}) == 849
    assert [error.line for error in found.set_aside] == [5057, 8043]


@real_data
def test_the_binimetinib_set_has_its_models_and_statuses():
    path = Path(os.environ["PDX_REAL_DATA"]) / "studies" / "pdxe_binimetinib.csv"
    status = {row["pdx_model"]: row["map2k4_status"] for row in read(path.read_bytes(), path.name).rows}
    counted = {word: list(status.values()).count(word) for word in set(status.values())}
    assert counted == {"loss_of_function": 2, "wild_type": 93, "unknown": 6}
