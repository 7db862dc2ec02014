"""The error rates: a short cell within wide bounds, and a report that holds what was counted, nothing else."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from studies.analysis.many_studies import model_level_tests
from studies.analysis.meta_analysis import compare_groups
from tests.simulate.cells import SEED, Cell, all_cells, one_model, primary_cells, program_cells
from tests.simulate.measure import carried_forward, curves_of_many, measure, true_percent
from tests.simulate.report import judged, lines_of, rate_line, write_report

DOCS = Path(__file__).parent.parent / "docs"


def short(cell: Cell, studies: int) -> Cell:
    return Cell(cell.name, cell.kind, cell.design, cell.spread, cell.bounded, cell.zero, cell.biases, studies)


@pytest.mark.parametrize("culls", [False, True])
def test_a_short_run_of_the_primary_test_keeps_wide_bounds(culls):
    cell = next(
        cell for cell in primary_cells() if f"5 mice an arm, {'culls' if culls else 'no culls'}" in cell.name
    )
    sums = measure(short(cell, 300), 0)
    lines = lines_of(cell, sums)
    assert sums["refused"] == 0 and (sums["culled"] > 0) == culls
    for name in ("size", "bliss"):
        assert 0.01 < lines[name].rate < 0.10
    for name in ("coverage", "bliss coverage", "model TGI", "fieller"):
        assert 0.90 < lines[name].rate < 0.99
    assert sums["contrast B:error"] / 300 == pytest.approx(0, abs=0.004)
    if culls:  # survivors understate what the mixed model does not
        survivors, fit = (
            sums[f"last day {name}:error"] for name in ("delta, available cases", "mixed model")
        )
        assert survivors < fit - 600


def test_a_short_run_of_the_interaction_is_not_anticonservative():
    cell = next(
        cell for cell in program_cells() if cell.name.startswith("3+3 models, 5 mice an arm, tau 0.025")
    )
    sums = measure(short(cell, 120), 0)
    assert sums["interaction A:rejected"] <= 14 and sums["model level:rejected"] <= 14
    assert sums["interaction A:estimated"] == sums["studies"] == 120


def test_a_piece_comes_out_the_same_again_and_the_next_one_differently():
    cell = short(primary_cells()[0], 20)
    assert measure(cell, 3) == measure(cell, 3) != measure(cell, 4)


def test_the_model_level_test_is_the_one_the_analysis_prints():
    cell = short(next(cell for cell in program_cells() if "no culls" in cell.name), 3)
    frame = cell.draw(0)
    found = model_level_tests(frame, cell.plan(frame), "A")
    for study in range(3):
        mine = frame[(frame["study"] == study) & (frame["day"] >= 0)].assign(
            y=lambda f: np.log(f["volume_mm3"])
        )
        slopes = mine.groupby(["map2k4_status", "pdx_model", "arm", "mouse"])[["day", "y"]].apply(
            lambda rows: np.polyfit(rows["day"], rows["y"], 1)[0]
        )
        effects = slopes.groupby(level=[0, 1, 2]).mean().unstack()
        effects = effects["A"] - effects["Vehicle"]
        expected = compare_groups(effects["loss_of_function"].to_numpy(), effects["wild_type"].to_numpy())
        for name in ("difference", "se", "df", "p_value", "ci_low", "ci_high"):
            assert found.loc[study, name] == pytest.approx(getattr(expected, name))


def test_the_truth_of_each_tgi_is_that_of_many_mice():
    cell = short(Cell("many mice", "effects", one_model("effects", 4000, False)), 1)
    curves = curves_of_many(cell.draw(0))
    volume = {
        (arm, day): curves.volume_mm3[(curves.day == day) & (curves.mice["arm"].to_numpy()[curves.owner] == arm)].mean()
        for arm in ("B", "Vehicle") for day in (0, 21)
    }  # fmt: skip
    ratio = 100 * (1 - volume["B", 21] / volume["Vehicle", 21])
    change = 100 * (1 - (volume["B", 21] - volume["B", 0]) / (volume["Vehicle", 21] - volume["Vehicle", 0]))
    assert true_percent(cell, "ratio", 21) == pytest.approx(ratio, abs=1.5)
    assert true_percent(cell, "delta", 21) == pytest.approx(change, abs=1.5)
    assert true_percent(cell, "model", 21) == pytest.approx(100 * (1 - np.exp(-0.04 * 21)))


def test_carrying_forward_adds_one_reading_to_each_mouse_that_left():
    cell = short(next(cell for cell in primary_cells() if ", culls" in cell.name), 5)
    curves = curves_of_many(cell.draw(0))
    after = carried_forward(curves)
    assert (after.last_day == 21).all() and len(after.day) == len(curves.day) + (curves.last_day < 21).sum()
    early = curves.last_day < 21
    assert (after.volume_mm3[after.ends - 1][early] == curves.volume_mm3[curves.ends - 1][early]).all()


def test_the_rule():
    cell, zero = primary_cells()[0], next(cell for cell in all_cells() if cell.zero)
    assert rate_line(cell, "size", 520, 10_000, "size").kept
    assert not rate_line(cell, "size", 660, 10_000, "size").kept
    assert not rate_line(cell, "size", 320, 10_000, "size").kept
    excused = rate_line(zero, "size", 320, 10_000, "size")
    assert excused.kept and zero.zero in excused.excuse
    assert not rate_line(zero, "size", 660, 10_000, "size").kept
    assert not rate_line(cell, "coverage", 9_320, 10_000, "coverage").kept
    assert rate_line(cell, "coverage", 9_350, 10_000, "coverage").kept
    assert rate_line(cell, "fieller", 9_250, 10_000, "fieller").kept
    assert not rate_line(cell, "fieller", 9_200, 10_000, "fieller").kept


def test_the_report_is_what_the_counts_say_and_names_its_seed():
    counts = json.loads((DOCS / "error-rates.json").read_text(encoding="utf-8"))
    text = (DOCS / "error-rates.md").read_text(encoding="utf-8")
    assert text == write_report(all_cells(), counts)
    assert str(SEED) in text
    named = {cell.name for cell in all_cells()}
    assert {record["cell"] for record in counts} == named
    for record in counts:
        assert record["sums"]["studies"] >= 500, record["cell"]
    anticonservative = [
        line
        for line in judged(all_cells(), counts)
        if not line.kept and "size" in line.what and line.rate > 0.05
    ]
    assert not anticonservative, anticonservative
    assert re.search(r"\d+ of \d+ rates keep the rule", text)
