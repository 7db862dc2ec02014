"""Body weight: by hand, by law, by refusal."""

import pandas as pd
import pytest

from studies.analysis.weight import weight_change, weight_summary
from tests.analysis.builders import together


def mouse(
    name: str, weights: dict[float, float], arm: str = "T", volume_mm3: float = 100.0, **facts: str
) -> pd.DataFrame:
    days, values = list(weights), list(weights.values())
    return pd.DataFrame(
        {"mouse": name, "arm": arm, "day": days, "weight_g": values, "volume_mm3": volume_mm3, **facts}
    )


def summary(*mice: pd.DataFrame) -> pd.Series:
    return weight_summary(together(*mice)).set_index("arm").loc["T"]


# By hand


def test_change_counts_from_the_last_weight_before_dosing():
    change = weight_change(mouse("1", {-4: 30, 0: 20, 7: 18, 14: 22}))
    assert list(change["percent"]) == pytest.approx([0, -10, 10])


def test_the_mean_curve_and_each_mouse_s_own_least_differ():
    row = summary(mouse("1", {0: 20, 7: 16, 14: 20}), mouse("2", {0: 20, 7: 20, 14: 18}))
    assert (row["max_mean_loss_percent"], row["nadir_day"]) == pytest.approx((10, 7))
    assert row["mean_max_loss_percent"] == pytest.approx(15)
    assert (row["n_loss_10"], row["n_loss_15"], row["n_loss_20"]) == (2, 1, 1)


def test_a_growing_tumor_hides_a_loss():
    weights = pd.DataFrame(
        {"mouse": "1", "arm": "T", "day": [0, 21], "weight_g": [22.0, 22.0], "volume_mm3": [0.0, 1500]}
    )
    row = weight_summary(weights).iloc[0]
    assert row["max_mean_loss_percent"] == 0
    assert row["net_max_mean_loss_percent"] == pytest.approx(100 * 1.5 / 22)


def test_deaths_of_unknown_cause_count_against_the_dose():
    mice = [mouse(str(i), {0: 20, 7: 20}) for i in range(8)]
    one = [mouse("8", {0: 20, 7: 20}, exit_reason="found_dead")]
    spared = [mouse("9", {0: 20, 7: 20}, exit_reason="found_dead", treatment_related="no")]
    assert not summary(*mice, *one, *spared)["over_mtd"]
    assert summary(*mice, *one, mouse("9", {0: 20, 7: 20}, exit_reason="treatment_toxicity"))["over_mtd"]


def test_a_mean_loss_above_a_fifth_is_over_the_tolerated_dose():
    assert summary(mouse("1", {0: 20, 7: 15.9}))["over_mtd"]
    assert not summary(mouse("1", {0: 20, 7: 16}))["over_mtd"]


# By law


def test_units_cancel_and_row_order_does_not_matter():
    table = together(mouse("1", {0: 20, 7: 16, 14: 20}), mouse("2", {0: 21, 7: 20, 14: 18}))
    kilograms = table.assign(weight_g=table["weight_g"] / 1000).sample(frac=1, random_state=2)
    assert weight_change(kilograms)["percent"].sum() == pytest.approx(weight_change(table)["percent"].sum())


# By refusal


def test_a_table_without_weights_has_no_rows():
    table = mouse("1", {0: 20}).drop(columns="weight_g")
    assert weight_summary(table).empty
    assert weight_change(table).empty
