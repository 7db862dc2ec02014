"""The rules meet planted errors: a small run of what `make planted-errors` measures in full."""

import re
from pathlib import Path
from random import Random

import pytest

from studies.validation import RULES
from tests.validation.planted_errors import KINDS, Tally, real_mice, run_study, table

TABLE = Path(__file__).parent.parent.parent / "docs" / "measurement-rules.md"


def test_the_documented_table_is_the_code():
    rows = re.findall(r"^\| (R\d+) \| (.*?) \| (.*?) \| (.*?) \|$", TABLE.read_text(encoding="utf-8"), re.M)
    assert rows == [(rule.id, rule.name, rule.hard or "-", rule.soft or "-") for rule in RULES]


def growing_mice(n: int) -> list[list[tuple[float, float, None]]]:
    """Mice whose tumors double in a week, measured twice a week."""
    return [
        [(day, (100 + 10 * mouse) * 2 ** (day / 7), None) for day in (0, 3, 7, 10, 14)] for mouse in range(n)
    ]


@pytest.fixture(scope="module")
def tally() -> Tally:
    total, rng = Tally(), Random(7)
    for _ in range(12):
        total.add(run_study(growing_mice(10), 40, rng, rate=0.1))
    return total


def test_gross_errors_are_caught_and_clean_rows_left_in_peace(tally):
    assert set(tally.gross) | set(tally.small) == set(KINDS)
    assert tally.caught_percent >= 90 and tally.false_percent <= 2


def test_the_table_names_every_kind(tally):
    lines = "\n".join(table({"made up": tally}))
    assert all(kind in lines for kind in KINDS) and "made up" in lines


def test_without_rules_nothing_would_be_caught(monkeypatch):
    """The measure itself: what judges nothing catches nothing."""
    monkeypatch.setattr("studies.validation.verdicts.RULES", ())
    monkeypatch.setattr("studies.validation.verdicts.SHEET_RULES", ())
    found = run_study(growing_mice(10), 40, Random(7), rate=0.1)
    assert found.gross.total() > 5 and found.caught.total() == 0 and found.left > 0


def test_clean_mice_of_published_studies_are_left_in_peace(real_data):
    """R8 as first written asked about 8.9 % of the clean rows of invivosyn_ls1034."""
    mice = real_mice(real_data / "studies" / "invivosyn_ls1034.csv")[1::2]
    total, rng = Tally(), Random(11)
    for _ in range(4):
        total.add(run_study(mice, 40, rng, rate=0.0))
    assert total.clean > 600 and total.false_percent <= 3.0
