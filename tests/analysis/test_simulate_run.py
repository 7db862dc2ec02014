"""The record of the error rates: a run of some cells keeps what was counted of the others."""

import json

import pytest

from tests.simulate import run
from tests.simulate.cells import all_cells

ONE, OTHER = all_cells()[0], all_cells()[-1]


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "STORE", tmp_path / "store")
    monkeypatch.setattr(run, "DOCS", tmp_path)
    rows = [
        {"cell": cell.name, "pieces": 2, "cpu_seconds": 1.0, "sums": {"studies": 500}}
        for cell in (ONE, OTHER)
    ]
    (tmp_path / "error-rates.json").write_text(json.dumps(rows))


def test_a_run_of_some_cells_keeps_the_others(record):
    run.begin([ONE], afresh=False)
    assert [run.stored(cell)["pieces"] for cell in (ONE, OTHER)] == [2, 2]


def test_counting_some_cells_afresh_keeps_the_others(record):
    run.begin([ONE], afresh=True)
    assert [run.stored(cell)["pieces"] for cell in (ONE, OTHER)] == [0, 2]
