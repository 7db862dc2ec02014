"""What is told of a fit's soundness."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from studies.analysis import analyze_study
from tests.analysis.builders import curve, together


def clean(noise: tuple[float, float] = (0.1, 0.1)) -> pd.DataFrame:
    random, days = np.random.default_rng(8), [0, 3, 7, 10, 14, 17, 21]
    rates = {"vehicle": 0.07, "drug": 0.03}
    return together(*(
        curve(f"{arm} {i}", arm, {
            day: float(np.exp(5 + slope * day + random.normal(0, sd))) for day in days
        })
        for (arm, rate), sd in zip(rates.items(), noise, strict=True)
        for i in range(6) for slope in [rate + random.normal(0, 0.01)]
    ))  # fmt: skip


def analyzed(table: pd.DataFrame) -> dict:
    return analyze_study(table, {"control": "vehicle"}).to_dict()


@cache
def of_clean() -> dict:
    return analyzed(clean())["mixed_model"]["diagnostics"]


def spoiled() -> pd.DataFrame:
    table = clean()
    table.loc[(table["mouse"] == "drug 2") & (table["day"] == 10), "volume_mm3"] *= 4
    return table


def test_normal_noise_looks_normal():
    assert of_clean()["residual_normality"]["p_value"] > 0.05
    assert of_clean()["n_far_off"] == 0
    assert {row["term"] for row in of_clean()["random_effect_normality"]} == {"Intercept", "day"}


def test_a_reading_far_off_is_listed_and_stays_in():
    result = analyzed(spoiled())
    found = result["mixed_model"]["diagnostics"]
    assert [(row["mouse"], row["day"]) for row in found["far_off"]] == [("drug 2", 10)]
    assert found["far_off"][0]["scaled_residual"] > 3
    assert found["n_rows"] == len(spoiled())
    assert found["residual_normality"]["p_value"] < 0.01


def test_a_sensitivity_row_leaves_it_out():
    result = analyzed(spoiled())
    [row] = [row for row in result["sensitivity"] if "residual SD" in row["variant"]]
    primary = next(row for row in result["sensitivity"] if row["variant"] == "primary")
    assert row["note"] == "1 readings left out"
    assert row["se"] < primary["se"]


def test_arms_of_unequal_noise_are_told():
    found = analyzed(clean((0.03, 0.3)))["mixed_model"]["diagnostics"]["residual_spread_by_arm"]
    assert found["p_value"] < 0.001
    assert found["sd"]["drug"] > 3 * found["sd"]["vehicle"]


def test_the_qq_plot_of_clean_data_is_a_straight_line():
    points = of_clean()["qq"]
    normal, observed = ([point[name] for point in points] for name in ("normal", "observed"))
    assert np.corrcoef(normal, observed)[0, 1] > 0.98
    assert observed == sorted(observed)


def test_units_of_volume_cancel():
    scaled = clean().assign(volume_mm3=lambda table: table["volume_mm3"] / 1000)
    other = analyzed(scaled)["mixed_model"]["diagnostics"]
    assert other["residual_normality"]["w"] == pytest.approx(of_clean()["residual_normality"]["w"], rel=1e-4)
