"""Readings below the limit of detection as left-censored: by the normal distribution function, by law, by truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from studies.analysis import AnalysisError, analyze_study, fit_lmm, normalize_table
from studies.analysis.censored import _Problem, fit_censored, log_likelihood
from studies.analysis.growth_models import fit_m1, growth_data
from studies.analysis.plan import resolve_plan
from tests.analysis.builders import curve, together

DAYS = [0, 3, 7, 10, 14, 17, 21]
LIMIT = 13.5


def simulated(rate: float, seed: int, mice: int = 6) -> pd.DataFrame:
    """Vehicle grows at 0.07 a day; the drug's tumors shrink at `rate` and read 0 below the limit."""
    random = np.random.default_rng(seed)
    curves = []
    for arm, slope in (("vehicle", 0.07), ("drug", rate)):
        for i in range(mice):
            own, start = slope + random.normal(0, 0.02), np.log(200) + random.normal(0, 0.2)
            volumes = {day: float(np.exp(start + own * day + random.normal(0, 0.15))) for day in DAYS}
            curves.append(
                curve(f"{arm} {i}", arm, {day: v if v >= LIMIT else 0.0 for day, v in volumes.items()})
            )
    return together(*curves)


def fitted(table: pd.DataFrame, **plan: object):
    normalized = normalize_table(table)
    resolved = resolve_plan(normalized, {"control": "vehicle", "window": [0, 21], **plan})
    return normalized.frame, resolved


def drawn(censored: np.ndarray) -> tuple[_Problem, np.ndarray]:
    random = np.random.default_rng(3)
    mouse, day = np.repeat([0, 1], 5), np.tile([0.0, 0.5, 1.0, 1.5, 2.0], 2)
    z = np.column_stack([np.ones(10), day])
    y = 5 - 1.2 * day + random.normal(0, 0.3, 10)
    parameters = np.array([5.0, -1.1, 0.4, 0.1, 0.3, np.log(0.25)])
    return _Problem(z, z, y, censored, mouse, 2), parameters


def by_distribution_function(problem: _Problem, parameters: np.ndarray) -> float:
    """Density of the readings seen times the chance of the others, each from the joint normal of a mouse."""
    factor = np.array([[parameters[2], 0], [parameters[3], parameters[4]]])
    total = 0.0
    for mouse in range(problem.n_mice):
        mine = problem.mouse == mouse
        mean = problem.x[mine] @ parameters[:2]
        z, y, hidden = problem.z[mine], problem.y[mine], problem.censored[mine]
        cov = z @ factor @ factor.T @ z.T + np.exp(2 * parameters[5]) * np.eye(mine.sum())
        seen = ~hidden
        total += multivariate_normal(mean[seen], cov[np.ix_(seen, seen)]).logpdf(y[seen])
        if hidden.any():
            regression = cov[np.ix_(hidden, seen)] @ np.linalg.inv(cov[np.ix_(seen, seen)])
            given_mean = mean[hidden] + regression @ (y[seen] - mean[seen])
            given_cov = cov[np.ix_(hidden, hidden)] - regression @ cov[np.ix_(seen, hidden)]
            total += float(np.log(multivariate_normal(given_mean, given_cov).cdf(y[hidden])))
    return total


@pytest.mark.parametrize("hidden", [[4], [3, 4], [4, 9], [2, 3, 4, 8, 9]])
def test_likelihood_is_that_of_the_joint_normal(hidden):
    censored = np.isin(np.arange(10), hidden)
    problem, parameters = drawn(censored)
    assert log_likelihood(problem, parameters) == pytest.approx(
        by_distribution_function(problem, parameters), abs=2e-4
    )


def test_a_limit_far_above_its_reading_costs_nothing():
    """A censored reading certain to lie below adds nothing: the likelihood is that of the rows seen."""
    problem, parameters = drawn(np.isin(np.arange(10), [4]))
    raised = problem.y.copy()
    raised[4] = 50.0
    certain = _Problem(problem.x, problem.z, raised, problem.censored, problem.mouse, 2)
    factor = np.array([[parameters[2], 0], [parameters[3], parameters[4]]])
    total = 0.0
    for mouse in range(2):
        seen = (problem.mouse == mouse) & ~problem.censored
        cov = problem.z[seen] @ factor @ factor.T @ problem.z[seen].T + np.exp(2 * parameters[5]) * np.eye(
            seen.sum()
        )
        total += multivariate_normal(problem.x[seen] @ parameters[:2], cov).logpdf(problem.y[seen])
    assert log_likelihood(certain, parameters) == pytest.approx(total, abs=1e-8)


def test_one_reading_barely_censored_gives_nearly_the_uncensored_fit():
    table = simulated(-0.02, seed=1)
    last = table["volume_mm3"].idxmin()
    limit = float(table["volume_mm3"][last]) * 1.001
    frame, plan = fitted(table, lod_mm3=limit)
    result = fit_censored(frame, plan, [("drug", "vehicle")])
    data = growth_data(frame, plan)
    whole = fit_lmm("log_volume ~ day * arm + (1 + day | mouse)", data.frame, reml=False)
    expected = whole.coefficients(df="satterthwaite").loc["day:arm[T.drug]", "estimate"]
    assert result.n_censored == 1
    assert result.effects["estimate"][0] == pytest.approx(expected, abs=0.01)


def test_the_true_effect_is_found_where_leaving_zeros_out_understates_it():
    truth, censored, dropped = -0.32, [], []
    for seed in range(8):
        frame, plan = fitted(simulated(-0.25, seed))
        [row] = fit_censored(frame, plan, [("drug", "vehicle")]).effects.to_dict("records")
        primary = fit_m1(growth_data(frame, plan), plan)
        dropped.append(primary.contrasts({"x": primary.effect("drug", "vehicle")}, plan)["estimate"].iloc[0])
        censored.append(row["estimate"])
    assert abs(np.mean(censored) - truth) < 2.5 * np.std(censored, ddof=1) / 8**0.5
    assert np.mean(censored) < np.mean(dropped)


def test_the_study_shows_it_beside_the_primary():
    result = analyze_study(
        simulated(-0.25, 1), {"control": "vehicle", "window": [0, 21], "day": 21}
    ).to_dict()
    [row] = [row for row in result["sensitivity"] if "left-censored" in row["variant"]]
    assert row["ci_low"] < row["estimate"] < row["ci_high"] < 0
    assert "readings censored" in row["note"]


def test_a_study_without_such_readings_is_refused():
    frame, plan = fitted(simulated(-0.02, 1))
    with pytest.raises(AnalysisError, match="no reading lies below"):
        fit_censored(frame, plan, [("drug", "vehicle")])


def test_several_models_are_refused():
    table = simulated(-0.25, 1)
    table["pdx_model"] = np.where(table["mouse"].str.endswith(("0", "1", "2")), "P1", "P2")
    frame, plan = fitted(table)
    with pytest.raises(AnalysisError, match="one PDX model"):
        fit_censored(frame, plan, [("drug", "vehicle")])
