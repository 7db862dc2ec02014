"""What is told of a fit's soundness."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import levene

from studies.analysis import analyze_study, influence, normalize_table
from studies.analysis.diagnostics import _equal_spread, _spread
from studies.analysis.growth_models import fit_primary, growth_data
from studies.analysis.influence import influence_of_mice
from studies.analysis.plan import resolve_plan
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
    assert row["note"] == "1 reading left out"
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


# Spread, observed against predicted, influence


def test_spread_by_day_and_mouse_is_that_of_scipy():
    found = of_clean()["residual_spread"]
    assert {name: part["n_groups"] for name, part in found.items()} == {"arm": 2, "day": 7, "mouse": 12}
    assert all(part["levene_p_value"] > 0.001 and part["fligner_p_value"] > 0.001 for part in found.values())
    noisy = analyzed(clean((0.03, 0.3)))["mixed_model"]["diagnostics"]["residual_spread"]
    assert noisy["arm"]["fligner_p_value"] < 0.001


def test_observed_against_predicted_leaves_the_residuals():
    found = of_clean()["observed_predicted"]
    assert (found["n"], len(found["observed"]), len(found["arm"])) == (84, 84, 84)
    errors = np.array(found["observed"]) - np.array(found["predicted"])
    assert errors.std() == pytest.approx(of_clean()["sigma"], rel=0.25)


def test_random_effects_have_their_own_qq_points():
    parts = {row["term"]: row["points"] for row in of_clean()["random_effect_qq"]}
    assert set(parts) == {"Intercept", "day"}
    assert all(len(points) == 12 for points in parts.values())
    for points in parts.values():
        observed = np.array([point["observed"] for point in points])
        assert (observed.mean(), observed.std()) == pytest.approx((0, 1), abs=0.25), "standardized"


def fit_of(table: pd.DataFrame):
    normalized = normalize_table(table)
    plan = resolve_plan(normalized, {"control": "vehicle"})
    return fit_primary(growth_data(normalized.frame, plan), plan)


def by_deletion(fit, mouse: str) -> float:
    """The displacement by leaving a mouse's rows out of one dense weighted least squares, variances held."""
    x, y, frame = fit.fit.design.fixed_matrix(), fit.fit.design.response, fit.data.frame
    v = np.eye(len(y)) * fit.fit.sigma**2
    for term, psi in zip(fit.fit.design.random, fit.fit.psis, strict=True):
        v += (term.columns @ psi @ term.columns.T) * (term.codes[:, None] == term.codes)

    def solved(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inverse = np.linalg.inv(v[np.ix_(rows, rows)])
        information = x[rows].T @ inverse @ x[rows]
        return np.linalg.solve(information, x[rows].T @ inverse @ y[rows]), information

    beta, information = solved(np.ones(len(y), dtype=bool))
    moved = beta - solved((frame["mouse"] != mouse).to_numpy())[0]
    return float(moved @ information @ moved)


@pytest.mark.parametrize("pdx_models", [1, 3])
def test_influence_is_what_leaving_the_mouse_out_does(pdx_models):
    table = clean()
    table["pdx_model"] = "P" + (table["mouse"].str[-1].astype(int) % pdx_models).astype(str)
    fit = fit_of(table)
    found = influence_of_mice(fit)
    assert fit.name == ("M1" if pdx_models == 1 else "M4")
    assert len(found["mice"]) == 12
    for row in found["mice"][:3]:
        assert row["likelihood_displacement"] == pytest.approx(by_deletion(fit, row["mouse"]), rel=1e-6)


def test_a_mouse_that_goes_its_own_way_leads_the_list():
    table = clean()
    table.loc[table["mouse"] == "drug 3", "volume_mm3"] *= np.exp(0.15 * table["day"])
    found = influence_of_mice(fit_of(table))
    assert found["mice"][0]["mouse"] == "drug 3"
    assert found["mice"][0]["cooks_distance"] > found["threshold"]


def test_influence_does_not_depend_on_units_of_day():
    weekly = clean().assign(day=lambda t: t["day"] / 7)
    one, other = (influence_of_mice(fit_of(table))["mice"][0] for table in (clean(), weekly))
    assert one["mouse"] == other["mouse"]
    assert one["cooks_distance"] == pytest.approx(other["cooks_distance"], rel=1e-3)


def test_a_large_study_is_told_why_no_mouse_is_listed(monkeypatch):
    monkeypatch.setattr(influence, "MOST_ROWS", 50)
    found = influence_of_mice(fit_of(clean()))
    assert (found["mice"], found["reason"]) == (
        [],
        "not computed above 50 readings, where no single mouse weighs",
    )


@pytest.mark.filterwarnings("error")
def test_two_residuals_an_arm_have_no_spread_to_compare():
    """Two residuals lie equally far from their median, whatever they are."""
    data = SimpleNamespace(frame=pd.DataFrame({"arm": ["V", "V", "T", "T"]}), arms=["V", "T"])
    assert _spread(np.array([0.1, 0.4, -0.2, 0.9]), data) is None
    data = SimpleNamespace(frame=pd.DataFrame({"arm": list("VVTTT")}), arms=["V", "T"])
    assert _spread(np.array([0.1, 0.4, -0.2, 0.9, 0.0]), data)["statistic"] == pytest.approx(
        levene([0.1, 0.4], [-0.2, 0.9, 0.0], center="median").statistic
    )
    assert _equal_spread(np.array([0.0, 1.0, 1.0, 0.0, 2.0, 2.0]), pd.Series(list("aaabbb"))) is not None
    assert _equal_spread(np.array([1.0, 2.0, 4.0, 5.0]), pd.Series(list("aabb"))) is None


def test_influence_is_not_computed_where_a_model_has_too_many_readings(monkeypatch):
    table = clean().assign(pdx_model=lambda rows: "P" + (rows["mouse"].str[-1].astype(int) % 3).astype(str))
    fit = fit_of(table)
    monkeypatch.setattr(influence, "MOST_ROWS_IN_BLOCK", 28)
    assert influence_of_mice(fit)["reason"] is None
    monkeypatch.setattr(influence, "MOST_ROWS_IN_BLOCK", 27)
    reason = "not computed where a PDX model has more than 27 readings"
    assert influence_of_mice(fit) == {"threshold": None, "n_above": None, "mice": [], "reason": reason}


def test_without_the_only_mouse_nothing_is_known():
    whole = np.eye(2)
    assert influence._displacement(whole, np.ones(2), np.ones(2), whole, np.ones(2)) == np.inf
    assert influence._displacement(whole, np.ones(2), np.ones(2), whole / 2, np.ones(2) / 2) == 0
