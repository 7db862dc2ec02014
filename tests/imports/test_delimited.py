"""Text to records: which delimiter, which lines, and which columns without a header."""

from hashlib import sha256

import pytest

from studies.imports.delimited import MOST_COLUMNS, read_records
from studies.imports.errors import ImportRefused
from studies.imports.headers import canonical_headers
from studies.imports.measurements import DEFAULT_MAX_BYTES, read_measurement_table, refuse_oversize


def defects(text: str) -> list[str]:
    return [str(defect) for defect in read_records(text)[1]]


def refused(text: str, **kwargs) -> list[str]:
    with pytest.raises(ImportRefused) as caught:
        read_records(text, **kwargs)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("mouse;x,y,z\n1;2\n", ";"),
        ("a,b;c;d\n1,2\n", ";"),
        ("mouse,a;b;c;d\n1,2\n", ","),
        ("\n ,;\nmouse\tday\n1\t2\n", "\t"),
        ("x\n1\n", ","),
        ("sep=;\na,b;c\n1;2\n", ";"),
        ("SEP=\t\ra,b\tc\r1\t2\r", "\t"),
    ],
)
def test_the_delimiter_makes_most_known_headers_then_most_fields(text, delimiter):
    assert read_records(text)[0].delimiter == delimiter


def test_records_know_their_lines_and_how_many_were_blank():
    found, told = read_records('\n\na,b\n 1 ,"x\ny"\n,\n\u00a02,\n')
    assert (found.header, found.cells, found.lines) == (["a", "b"], [["1", "x\ny"], ["2", ""]], [4, 7])
    assert (found.header_line, found.blank_lines, told, found.ignored) == (3, 3, [], [])


def test_excels_hint_keeps_the_numbers_of_the_lines():
    assert read_records("sep=;\na;b\n1;2\n")[0].lines == [3]


def test_a_table_has_at_most_so_many_columns():
    assert MOST_COLUMNS == 20_000
    assert read_records("a,b\n1,2\n", most_columns=2)[0].header == ["a", "b"]
    assert refused("a,b,c\n", most_columns=2) == ["line 1: the header has 3 columns; at most 2 are read"]


def test_what_is_empty_and_what_has_no_rows():
    assert refused("\n , \n") == ["the file is empty"]
    assert refused("\na,b\n") == ["line 2: the file holds a header and no rows"]
    assert refused('"a') == ["line 1: a quote opened here is never closed"]


def test_a_ragged_row_is_told_with_a_hint_where_it_is_too_long():
    assert defects("a,b\n1\n1,2,3\n4,5\n") == [
        "line 2: 1 fields where the header has 2",
        "line 3: 3 fields where the header has 2 (a decimal comma or an unquoted text holding a delimiter?)",
    ]


def test_a_broken_quote_is_told_where_it_opens_and_ends_the_reading():
    found, (defect,) = read_records('a,b\n1,2\n3,"4\n5,6\n')
    assert (found.cells, str(defect)) == ([["1", "2"]], "line 3: a quote opened here is never closed")


@pytest.mark.parametrize(
    ("rows", "ignored"),
    [
        ("0,x,\n1,y,\n", ["the first column, without header, which only counts the rows",
                          "column 3, without header and empty"]),
        ("1,x,\n2,y,\n", ["the first column, without header, which only counts the rows",
                          "column 3, without header and empty"]),
    ],
)  # fmt: skip
def test_columns_without_header_that_say_nothing_are_left_out_and_told(rows, ignored):
    found, told = read_records(f",a,\n{rows}")
    assert (found.header, found.cells, found.ignored, told) == (["a"], [["x"], ["y"]], ignored, [])


@pytest.mark.parametrize("rows", ["2,x\n3,y\n", "0,x\n2,y\n", "1,x\n1,y\n", "a,x\nb,y\n"])
def test_a_first_column_that_does_not_count_the_rows_needs_a_header(rows):
    assert defects(f",a\n{rows}") == ["line 1: column 1 holds values and has no header"]


def test_a_later_column_that_counts_needs_a_header():
    assert defects("a,\nx,0\ny,1\n") == ["line 1: column 2 holds values and has no header"]


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("mouse,day,arm,volume_mm3", []),
        ("mouse,day,treatment,length,width", []),
        ("mouse,day,arm,length", ["volume_mm3"]),
        ("mouse,day,arm,width", ["volume_mm3"]),
        ("day,volume", ["mouse", "arm"]),
        ("mouse,arm,volume", ["day"]),
        ("length,width", ["mouse", "day", "arm"]),
    ],
)
def test_what_a_measurement_table_needs(header, missing):
    records, _ = read_records(f"{header}\n{',' * header.count(',')}x\n")
    assert [defect.column for defect in canonical_headers(records)[1]] == missing


def test_two_headers_of_one_meaning_and_one_that_stands_twice():
    records, _ = read_records("mouse,Day,time,x,x,arm,tv\n1,1,1,1,1,1,1\n")
    names, told = canonical_headers(records)
    assert names == {"mouse": "mouse", "Day": "day", "x": "x", "arm": "arm", "tv": "volume_mm3"}
    assert [(one.line, one.column, one.reason) for one in told] == [
        (1, "time", 'means day, as does the header "Day"; rename one of them'),
        (1, "x", "this header stands twice"),
    ]


def test_a_file_of_the_largest_size_is_read_and_one_byte_more_is_not():
    assert DEFAULT_MAX_BYTES == 500_000_000
    refuse_oversize(100, 100)
    with pytest.raises(ImportRefused, match="the file has 99,999 bytes, over the limit of 99,998 bytes"):
        refuse_oversize(99_999, 99_998)
    with pytest.raises(ImportRefused, match=r"the file has 0\.1 MB, over the limit of 99,999 bytes"):
        refuse_oversize(100_000, 99_999)


def test_where_a_reading_stands_twice_every_later_one_is_told_of_the_first():
    row = "P1,V,1,3,100"
    with pytest.raises(ImportRefused) as caught:
        read_measurement_table("\n".join(["model,arm,mouse,day,tv", row, row, row]).encode(), "f.csv")
    reason = "mouse 1 (arm V, PDX model P1) already has a reading on day 3, in line 2"
    told = [(one.line, one.column, one.value, one.reason) for one in caught.value.errors]
    assert told == [(3, "day", "3", reason), (4, "day", "3", reason)]


def test_a_table_tells_its_hash_its_name_and_how_it_spells_its_columns():
    content = b"PDX,Group,Animal,Time,TV\nP1,V,1,3,100\n"
    found = read_measurement_table(content, "a/b.csv")
    assert found.headers["volume_mm3"] == "TV" and found.headers["day"] == "Time"
    assert found.sha256 == sha256(content).hexdigest()
    assert (found.filename, found.rows[0]["study"], len(found)) == ("a/b.csv", "b", 1)
    assert found.frame.dtypes["volume_mm3"] == "float64" and found.frame.dtypes["mouse"] == "object"


def test_what_was_ignored_is_said():
    found = read_measurement_table(b",model,arm,mouse,day,tv\n0,P1,V,1,3,100\n", "f.csv")
    assert "Ignored: the first column, without header, which only counts the rows." in found.assumptions


def test_readings_of_one_day_without_a_tumor_s_name_are_of_one_tumor():
    row = "P1,V,1,3,100,"
    with pytest.raises(ImportRefused, match="already has a reading on day 3, in line 2"):
        read_measurement_table("\n".join(["model,arm,mouse,day,tv,tumor", row, row]).encode(), "f.csv")
