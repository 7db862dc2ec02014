"""Mean curves of arms, by hand."""

from math import exp, log

import numpy as np
import pytest
from scipy import stats

from studies.analysis.mean_curves import mean_curves
from tests.analysis.builders import curve, together

WILD, LOSS = {"map2k4_status": "wild_type"}, {"map2k4_status": "loss_of_function"}


def points() -> dict[tuple, dict]:
    table = together(
        curve("a", "V", {-4: 40, -3: 50, 0: 100, 10: 400}, pdx_model="P1", **WILD),
        curve("b", "V", {0: 100, 4: 100}, pdx_model="P2", **LOSS),
        curve("c", "T", {0: 100, 10: 0}, pdx_model="P1", **WILD),
        curve("d", "T", {0: 100, 10: 0.5}, pdx_model="P2", **LOSS),
    )
    found = mean_curves(table).replace(np.nan, None).to_dict("records")
    return {(row["arm"], row["map2k4_status"], row["day"]): row for row in found}


def test_a_day_between_two_readings_counts_and_none_after_the_last():
    found = points()
    assert [(key[1], key[2]) for key in found if key[0] == "V"] == [
        (None, -3), (None, 0), (None, 4), (None, 10), ("wild_type", -3), ("wild_type", 0), ("wild_type", 4),
        ("wild_type", 10), ("loss_of_function", 0), ("loss_of_function", 4),
    ]  # fmt: skip
    counts = ("n", "n_arm", "n_interpolated", "share_followed")
    assert [found["V", None, 4][name] for name in counts] == [2, 2, 1, 1]
    assert [found["V", None, 10][name] for name in counts] == [1, 2, 0, 0.5]
    assert [found["V", "wild_type", 4][name] for name in counts] == [1, 1, 1, 1]


def test_means_are_arithmetic_and_geometric_with_the_interval_of_logs():
    point, between = points()["V", None, 4], 100 * 4**0.4
    assert (point["mean_mm3"], point["sem_mm3"]) == pytest.approx(((100 + between) / 2, (between - 100) / 2))
    half = stats.t.ppf(0.975, 1) * log(4) / 5
    center = log(100) + log(4) / 5
    assert (point["geometric_mean_mm3"], point["ci_low"], point["ci_high"]) == pytest.approx(
        (exp(center), exp(center - half), exp(center + half))
    )


def test_one_mouse_has_no_interval_and_a_volume_of_0_no_geometric_mean():
    found = points()
    alone = found["T", "loss_of_function", 10]
    assert (alone["geometric_mean_mm3"], alone["sem_mm3"], alone["ci_low"]) == (
        pytest.approx(0.5),
        None,
        None,
    )
    assert found["T", None, 10]["mean_mm3"] == 0.25
    assert found["T", None, 10]["geometric_mean_mm3"] is None


def test_an_arm_has_rows_of_its_own_models_statuses():
    table = together(
        curve("a", "V", {0: 100, 7: 200}, pdx_model="P1", **WILD),
        curve("b", "V", {0: 100, 7: 200}, pdx_model="P2", **LOSS),
        curve("c", "T", {0: 100, 7: 200}, pdx_model="P2", **LOSS),
    )
    rows = mean_curves(table).query("day == 7")
    assert list(zip(rows["arm"], rows["map2k4_status"], strict=True)) == [
        ("V", None), ("V", "wild_type"), ("V", "loss_of_function"), ("T", None), ("T", "loss_of_function"),
    ]  # fmt: skip
