"""Headers and status words as people write them."""

import pytest

from studies.columns import (
    ALIASES,
    LONGEST_HEADER,
    NO_VARIANT,
    ROLE_WORDS,
    biomarker_status,
    canonical_header,
)
from studies.terms import BiomarkerStatus


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("mouse", "mouse"),
        ("Mouse ID", "mouse"),
        ("Animal", "mouse"),
        ("TV", "volume_mm3"),
        ("Day", "day"),
        ("Tumour Volume (mm³)", "volume_mm3"),
        ("tumor volume [mm^3]", "volume_mm3"),
        ("volume_mm³", "volume_mm3"),
        ("volume_mm^3", "volume_mm3"),
        ("weight (grams)", "weight_g"),
        ("Length (mm)", "length_mm"),
        ("body_weight_g", "weight_g"),
        ("BW (g)", "weight_g"),
        ("model", "pdx_model"),
        ("Treatment", "treatment"),
        ("Tumour_type", "tumor_type"),
        ("MAP2K4", "map2k4_status"),
        ("KRAS", None),
        ("", None),
    ],
)
def test_headers(header, name):
    assert canonical_header(header) == name


def test_every_spelling_means_one_column():
    spellings = [spelling for name, aliases in ALIASES.items() for spelling in (name, *aliases)]
    assert len(spellings) == len(set(spellings))


def test_every_canonical_name_reads_as_itself():
    for name, aliases in ALIASES.items():
        for spelling in (name, *aliases):
            assert canonical_header(spelling) == name


@pytest.mark.parametrize(
    ("word", "status", "noted"),
    [
        ("lof", BiomarkerStatus.LOSS_OF_FUNCTION, False),
        ("Altered", BiomarkerStatus.LOSS_OF_FUNCTION, True),
        ("mutant", BiomarkerStatus.LOSS_OF_FUNCTION, True),
        ("knockout", BiomarkerStatus.LOSS_OF_FUNCTION, False),
        ("Wild-type", BiomarkerStatus.WILD_TYPE, False),
        ("VUS", BiomarkerStatus.UNCERTAIN, False),
        ("", BiomarkerStatus.UNKNOWN, False),
        (None, BiomarkerStatus.UNKNOWN, False),
        (float("nan"), BiomarkerStatus.UNKNOWN, False),
    ],
)
def test_status_words(word, status, noted):
    read, note = biomarker_status(word)
    assert read is status
    assert bool(note) is noted


def test_an_unreadable_word_has_no_status():
    assert biomarker_status("perhaps") == (None, None)


def test_a_header_is_read_up_to_its_longest():
    assert canonical_header("day".ljust(LONGEST_HEADER)) == "day" and LONGEST_HEADER == 200
    assert canonical_header("day".ljust(LONGEST_HEADER + 1)) is None


def test_the_words_of_a_control_and_of_no_variant():
    assert {word for word, is_control in ROLE_WORDS.items() if is_control} == {
        "control",
        "vehicle",
        "untreated",
    }
    assert {"treated", "treatment"} == {word for word, is_control in ROLE_WORDS.items() if not is_control}
    assert {"0", "wt", "wild_type", "wild type", "none", "no"} == NO_VARIANT
