"""From a table to the studies of the JSON."""

import json

import pytest

from studies.imports import read_measurement_table
from studies.reports.headless import AnalysisRefused, analyze_frame, analyze_measurements, json_document
from studies.reports.json_text import dumps
from tests.reports.conftest import study_csv

SMALL = {"models": {"P1": "wt"}, "rates": {"vehicle": 0.09, "A": 0.03}, "days": (0, 7, 14)}


def two_studies():
    second = study_csv("S2", **SMALL).split(b"\n", 1)[1]
    return read_measurement_table(study_csv("S1", **SMALL) + second, "two.csv")


def test_each_study_is_analyzed_on_its_own():
    studies = analyze_measurements(two_studies())
    assert [study.name for study in studies] == ["S1", "S2"]
    assert [study.document["input"]["mice"] for study in studies] == [4, 4]


def test_a_pool_is_one_study_that_keeps_where_each_row_came_from():
    [pool] = analyze_measurements(two_studies(), pool="POOL")
    assert pool.name == "POOL"
    assert set(pool.table["source_study"]) == {"S1", "S2"}
    assert pool.document["input"]["mice"] == 8  # mice of one name in two studies stay two mice


def test_the_hash_is_that_of_the_file(measurements, analyzed):
    assert analyzed.document["input"]["sha256"] == measurements.sha256
    assert analyzed.document["input"]["file"] == "pilot.csv"
    assert analyzed.document["notes"][0].startswith("The file was read as")


def test_cells_set_aside_in_reading_are_told_among_what_was_dropped():
    content = study_csv("S1", **SMALL).replace(b",20.00\n", b",-0.1\n", 1)
    [study] = analyze_measurements(read_measurement_table(content, "file.csv"))
    told = study.document["input"]["dropped"][0]
    assert told["rows"] == 1 and told["examples"] == ["line 2: -0.1"] and "weight" in told["reason"]


def test_a_control_that_is_not_there_is_refused_for_every_study_at_once():
    with pytest.raises(AnalysisRefused) as refused:
        analyze_measurements(two_studies(), {"control": "Placebo"})
    assert len(refused.value.errors) == 2
    assert "study S1" in str(refused.value.errors[0]) and "A, vehicle" in str(refused.value.errors[0])


def test_rows_that_only_the_analysis_refuses_are_named_by_their_line():
    frame = two_studies().frame
    frame.loc[3, "volume_mm3"] = -1.0
    with pytest.raises(AnalysisRefused) as refused:
        analyze_frame(frame.set_axis(frame.index + 2))
    assert refused.value.errors[0].line == 5


def test_the_json_holds_no_nan_and_is_the_same_twice(analyzed, measurements):
    text = dumps(json_document([analyzed]))
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))
    [again] = analyze_measurements(measurements, {"control": "vehicle"})
    assert dumps(json_document([again])) == text


def test_the_mean_curve_is_that_of_the_mice(analyzed):
    day_four = analyzed.table.query("arm == 'vehicle' and day == 4")["volume_mm3"]
    [row] = [
        row
        for row in analyzed.document["mean_curves"]
        if row["arm"] == "vehicle" and row["day"] == 4 and row["map2k4_status"] is None
    ]
    assert row["n"] == 8
    assert row["mean_mm3"] == pytest.approx(day_four.mean())
    assert row["sem_mm3"] == pytest.approx(day_four.sem())
