"""Whatever the bytes: a table or a refusal in words, never another exception."""

import csv
import io
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from studies.formula_safety import guarded, unguarded
from studies.imports import ImportRefused, read_measurement_table

HEADERS = [
    "study",
    "model",
    "MAP2K4",
    "arm",
    "treatment",
    "mouse",
    "day",
    "TV",
    "length",
    "width",
    "bw",
    "status",
    "",
]
CELLS = st.one_of(
    st.sampled_from(
        ["", "0", "1,5", "1.5", "1,234", "-3", "nan", "NA", "1e5", "control", "wt", "lof", "=1+1", "'", '"']
    ),
    st.text(max_size=6),
)


def read_or_refuse(content):
    try:
        return read_measurement_table(content, "fuzz.csv")
    except ImportRefused as refusal:
        assert refusal.errors and all(str(error).isprintable() for error in refusal.errors)
        return None


@given(st.binary(max_size=400))
def test_any_bytes(content):
    read_or_refuse(content)


@given(
    st.lists(st.sampled_from(HEADERS), min_size=1, max_size=9),
    st.lists(st.lists(CELLS, max_size=9), max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
@settings(max_examples=300)
def test_any_table_of_odd_cells(headers, rows, delimiter, encoding):
    text = "\n".join(delimiter.join(row) for row in [headers, *rows])
    read_or_refuse(text.encode(encoding, "surrogatepass"))


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
READINGS = st.lists(
    st.tuples(NAMES, NAMES, st.integers(-100, 400), st.floats(0, 9999, allow_subnormal=False)),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[:3],
)


@given(READINGS, st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-16"]))
def test_what_is_written_is_read_back(readings, delimiter, encoding):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["arm", "mouse", "day", "volume_mm3"])
    writer.writerows(
        [guarded(arm), guarded(mouse), day, f"{volume!r}"] for arm, mouse, day, volume in readings
    )
    found = read_or_refuse(out.getvalue().encode(encoding))
    if found is None:  # only semicolons with three-decimal numbers can be in doubt
        assert delimiter == ";"
        return
    assert [(row["arm"], row["mouse"], row["day"]) for row in found.rows] == [row[:3] for row in readings]
    assert all(
        math.isclose(row["volume_mm3"], volume)
        for row, (*_, volume) in zip(found.rows, readings, strict=True)
    )


@given(st.text())
def test_the_formula_guard_is_undone_exactly(text):
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))
