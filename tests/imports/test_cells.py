"""Single cells of a measurement table at their limits, and what rows must not contradict."""

import pytest

from studies.imports import ImportRefused, read_measurement_table
from studies.imports.cells import QUANTITIES
from studies.imports.decoding import decode
from studies.imports.errors import ImportRefused as Refused
from studies.imports.errors import RowError, shown

ROW = {"study": "S1", "pdx_model": "P1", "arm": "V", "mouse": "1", "day": "0", "volume_mm3": "100"}


def table(*rows: dict[str, str], delimiter: str = ",") -> bytes:
    lines = [delimiter.join(rows[0]), *(delimiter.join(row.values()) for row in rows)]
    return "\n".join(lines).encode()


def read(*rows: dict[str, str], delimiter: str = ","):
    return read_measurement_table(table(*rows, delimiter=delimiter), "file.csv")


def refused(*rows: dict[str, str], delimiter: str = ",") -> list[tuple]:
    with pytest.raises(ImportRefused) as caught:
        read(*rows, delimiter=delimiter)
    return [(error.line, error.column, error.value, error.reason) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("name", "smallest", "largest", "beneath", "above"),
    [
        ("day", "-36500", "36500", "-36501", "36501"),
        ("volume_mm3", "0", "1000000", "-0.1", "1000000.1"),
        ("length_mm", "0", "1000", "-0.1", "1000.1"),
        ("width_mm", "0", "1000", "-0.1", "1000.1"),
        ("height_mm", "0", "1000", "-0.1", "1000.1"),
        ("weight_g", "-1000", "1000", "-1000.1", "1000.1"),
    ],
)
def test_a_number_may_lie_on_its_limit_and_not_beyond(name, smallest, largest, beneath, above):
    assert read(ROW | {name: largest}).rows[0][name] == float(largest)
    found = read(ROW | {name: smallest}).rows[0][name]
    assert found == (float(smallest) if name != "weight_g" else None)  # set aside, see below
    reason = QUANTITIES[name].below
    assert refused(ROW | {name: beneath}) == [(2, name, beneath, reason)]
    assert refused(ROW | {name: above}) == [(2, name, above, "is too large to be a measurement")]


def test_only_the_day_must_be_there():
    assert refused(ROW | {"day": "NA"}) == [(2, "day", "NA", "is empty")]
    rest = dict.fromkeys(set(QUANTITIES) - {"day"}, "")
    assert {read(ROW | rest).rows[0][name] for name in rest} == {None}


@pytest.mark.parametrize("weight", ["0", "-0.1"])
def test_a_weight_of_0_is_set_aside_and_the_lightest_above_is_kept(weight):
    found = read(ROW | {"weight_g": weight}, ROW | {"day": "1", "weight_g": "0.1"})
    assert [row["weight_g"] for row in found.rows] == [None, 0.1]
    assert [(one.line, one.column, one.value) for one in found.set_aside] == [(2, "weight_g", weight)]
    assert "1 weight(s) of 0 g or less were read as not weighed (line 2)." in found.assumptions


@pytest.mark.parametrize(("n", "where"), [(10, "10, 11)."), (11, "10, 11, …).")])
def test_the_first_ten_lines_of_weights_set_aside_are_named(n, where):
    found = read(*(ROW | {"day": str(day), "weight_g": "0"} for day in range(n)))
    assert found.assumptions[-1].startswith(f"{n} weight(s)") and found.assumptions[-1].endswith(where)


def test_missing_cells_written_NA_are_counted_by_column():
    found = read(ROW | {"volume_mm3": "NA"}, ROW | {"day": "1", "volume_mm3": "NA"})
    assert '2 cell(s) "NA" of volume_mm3 were read as not measured.' in found.assumptions
    assert not any('"NA"' in line for line in read(ROW).assumptions)


def test_words_of_a_vocabulary_are_read_forgivingly_and_may_be_missing():
    words = {"status": "Not palpable", "exit_reason": "NA", "treatment_related": "Unknown", "volume_mm3": ""}
    row = read(ROW | words).rows[0]
    assert [row[name] for name in words] == ["not_palpable", None, "unknown", None]


@pytest.mark.parametrize("status", ["not_palpable", "not_done"])
@pytest.mark.parametrize("size", ["volume_mm3", "length_mm", "width_mm"])
def test_a_tumor_without_size_has_none(status, size):
    row = ROW | {"volume_mm3": "0", "length_mm": "", "width_mm": "", "status": status}
    assert read(row).rows[0]["status"] == status
    other = {"length_mm": "width_mm", "width_mm": "length_mm"}.get(size, size)
    reason = f"contradicts the status {status}, which says there is no size"
    assert (2, size, "0.1", reason) in refused(row | {size: "0.1", other: "0.1"})


def test_a_tumor_with_a_size_has_one():
    assert read(ROW | {"status": "measured"}).rows[0]["volume_mm3"] == 100


def test_calipers_of_0_by_0_are_a_tumor_not_palpable_and_one_0_is_a_slip():
    row = ROW | {"length_mm": "0", "width_mm": "0"}
    assert read(row).rows[0]["width_mm"] == 0
    assert refused(row | {"length_mm": "5"})[0][:2] == (2, "width_mm")
    assert refused(row | {"width_mm": "5"})[0][:2] == (2, "length_mm")
    assert refused(row | {"length_mm": ""})[0][3] == "is empty while the width was measured"
    assert refused(row | {"width_mm": "NA"})[0][3] == "is empty while the length was measured"


@pytest.mark.parametrize("name", ["study", "pdx_model", "arm", "mouse"])
def test_a_name_is_there_printable_and_of_200_characters_at_most(name):
    assert read(ROW | {name: "x" * 200}).rows[0][name] == "x" * 200
    assert refused(ROW | {name: ""}) == [(2, name, "", "is empty")]
    assert refused(ROW | {name: "x" * 201}) == [(2, name, "x" * 201, "is longer than 200 characters")]
    odd = "holds a line break or an invisible character"
    assert refused(ROW | {name: "a\u200bb"}) == [(2, name, "a\u200bb", odd)]


def test_other_names_may_be_missing_and_columns_of_no_meaning_may_hold_anything():
    assert read(ROW | {"cage": "", "KRAS": "a\u200bb"}).rows[0]["cage"] is None
    assert refused(ROW | {"cage": "a\u200bb"})[0][1] == "cage"


def test_the_guard_of_our_own_exports_comes_off():
    assert read(ROW | {"arm": "'=vehicle", "KRAS": "'-"}).rows[0]["arm"] == "=vehicle"


ROLE = {"study": "S1", "model": "P1", "arm": "control", "treatment": "V", "mouse": "1", "day": "0", "tv": "1"}


def test_a_treatment_is_control_or_treated_by_study_and_the_first_row_counts():
    other = ROLE | {"mouse": "2", "arm": "treated"}
    assert refused(ROLE, other) == [(3, "arm", "treated", "marks V, which is marked control in line 2")]
    assert refused(other, ROLE) == [(3, "arm", "control", "marks V, which is marked treated in line 2")]
    assert read(ROLE, other | {"study": "S2"}).marked_controls == {"S1": ("V",)}


def test_a_row_of_roles_without_treatment_or_without_role():
    empty = ROLE | {"treatment": ""}
    reason = "is empty, and the arm column only says control or treated"
    assert refused(empty) == [(2, "treatment", "", reason)]
    assert [error[1] for error in refused(ROLE, ROLE | {"mouse": "2", "arm": ""})] == ["arm"]


def test_a_treatment_that_names_the_arm_is_needed_and_nothing_else_becomes_so():
    row = ROLE | {"cage": ""}
    del row["arm"]
    assert read(row).arm_names == ["V"]
    assert refused(row | {"treatment": ""}) == [(2, "treatment", "", "is empty")]


def test_every_word_of_a_role_may_stand_in_one_table():
    words = ("control", "vehicle", "untreated", "treated", "treatment")
    rows = [ROLE | {"mouse": word, "treatment": f"{word} arm", "arm": word} for word in words]
    assert read(*rows).marked_controls == {"S1": ("control arm", "vehicle arm", "untreated arm")}


def test_treatment_beside_named_arms_is_one_more_column():
    found = read(ROW | {"treatment": "Drug"})
    assert (found.arm_names, found.marked_controls) == (["V"], {})


def test_a_status_is_held_by_pdx_model_and_study():
    told = ROW | {"map2k4": "lof"}
    other = ROW | {"map2k4": "wt", "study": "S2"}
    assert [row["map2k4_status"] for row in read(told, other).rows] == ["loss_of_function", "wild_type"]
    reason = "PDX model P1 is loss_of_function in line 2; a PDX model has one MAP2K4 status"
    assert refused(told, told | {"map2k4": "wt", "day": "3"}) == [(3, "map2k4", "wt", reason)]


def test_a_word_that_does_not_prove_loss_is_told_with_its_rows():
    found = read(ROW | {"map2k4": "altered"}, ROW | {"map2k4": "altered", "day": "3"})
    said = '"altered" was read as loss of function, which the word itself does not prove'
    assert f"MAP2K4 status: {said} (2 rows)." in found.assumptions


def test_of_two_decimal_marks_the_rarer_is_refused_and_the_point_where_they_are_equal():
    commas = [ROW | {"day": str(day), "volume_mm3": "1,5"} for day in (1, 2)]
    points = [ROW | {"day": str(day), "volume_mm3": "2.5"} for day in (3, 4)]
    first = [error[:3] for error in refused(*commas, points[0], delimiter=";")]
    assert first == [(4, "volume_mm3", "2.5")]
    reason = refused(*commas, points[0], delimiter=";")[0][3]
    assert reason.startswith("has a decimal point, while 2 other number(s) of the file have a decimal comma")
    assert [error[0] for error in refused(*commas, *points, delimiter=";")] == [2, 3]


def test_text_with_a_point_is_no_decimal_point():
    told = refused(ROW | {"volume_mm3": "1,5"}, ROW | {"day": "1", "volume_mm3": "n.a."}, delimiter=";")
    assert told == [(3, "volume_mm3", "n.a.", "is not a number")]


def test_how_numbers_were_read_is_said_where_it_could_be_otherwise():
    half = ROW | {"volume_mm3": "0.5"}
    assert "Numbers were read with a decimal point." in read(half, delimiter=";").assumptions
    assert not any("decimal" in line for line in read(half).assumptions)


def test_a_number_in_doubt_is_refused_once():
    doubt = ROW | {"volume_mm3": "1,234"}
    assert len(refused(doubt, delimiter=";")) == 1
    assert read(ROW | {"volume_mm3": "1.234"}).rows[0]["volume_mm3"] == 1.234


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e3", 1000.0), ("+5", 5.0), (".5", 0.5), ("5.", 5.0), ("-0", 0.0), ("1E-1", 0.1)],
)
def test_numbers_people_write(text, value):
    found = read(ROW | {"volume_mm3": text}).rows[0]["volume_mm3"]
    assert found == value and str(found) != "-0.0"


def test_a_zip_is_no_table_and_a_line_is_named_where_bytes_cannot_be_read():
    with pytest.raises(Refused, match=r"^1 defect\(s\), the first: line 2: byte 4 cannot be read as cp1252"):
        decode(b"a,b\n\x81")
    with pytest.raises(Refused, match="line 2: byte 1 cannot be read"):
        decode(b"\n\x81")
    with pytest.raises(Refused, match="line 2: holds the control character"):
        decode(b"\n\x1b")
    with pytest.raises(Refused, match="line 3: holds the control character 0x1b"):
        decode(b"a\nb\n\x1b")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_of_two_bytes_a_letter_is_known_without_a_mark(encoding):
    assert decode("ab".encode(encoding)) == ("ab", encoding.upper())
    mixed = "Träger Ω1234567890123"  # one letter in twenty beyond Latin
    assert decode(mixed.encode(encoding)) == (mixed, encoding.upper())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Ω123456789", "Ā1234567890123456789"])
def test_zero_bytes_that_do_not_tell_their_order_are_refused(encoding, text):
    """One letter in ten beyond Latin is too many, and a zero byte in both places says nothing."""
    with pytest.raises(Refused, match="holds the control character 0x0"):
        decode(text.encode(encoding))


@pytest.mark.parametrize("content", [b"a,b\n\x00,c\n", b"a,bb\n\x00,c\n"])
def test_a_single_zero_byte_is_refused_where_it_stands(content):
    with pytest.raises(Refused, match="line 2: holds the control character 0x00"):
        decode(content)


def test_a_defect_is_told_in_one_line_and_defects_in_the_order_of_their_lines():
    error = RowError(3, "day", "x" * 61, "is odd")
    assert str(error) == f'line 3, column "day", value "{"x" * 59}…": is odd'
    assert shown("x" * 60) == "x" * 60 and shown("a\tb") == "a\\x09b"
    assert str(RowError(None, None, None, "is odd")) == "is odd"
    assert [one.line for one in Refused([error, RowError(2, None, None, "b")]).errors] == [2, 3]
    whole = RowError(None, None, None, "is odd")
    assert Refused([RowError(1, None, None, "b"), whole]).errors[0] is whole
    assert str(Refused([])) == "0 defect(s)"
