"""Every figure draws what its record says; where a change is meant, write the records anew and read the diff."""

import pytest

from tests.plots.examples import EXAMPLES
from tests.plots.records import FOLDER, record


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_figure_draws_what_its_record_says(name):
    assert record(EXAMPLES[name]()) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_record_is_of_a_figure():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(EXAMPLES)
