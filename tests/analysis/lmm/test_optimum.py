"""The searches on functions whose minimum is known, and what a search says that did not arrive."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.analysis import fit_lmm
from studies.analysis.lmm.assemble import assemble
from studies.analysis.lmm.design import build_design
from studies.analysis.lmm.optimum import (
    _Search,
    at_boundary,
    bfgs,
    difference_hessian,
    find_optimum,
    newton,
    semidefinite_cholesky,
    start_at,
)

GROWTH = pd.read_csv(Path(__file__).parents[2] / "reference" / "lmm" / "growth.csv")
M1 = "log_volume ~ day * arm + (1 + day | mouse)"


def valley(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Rosenbrock's, whose minimum of 0 lies at (1, 1) along a bent valley."""
    x, y = theta
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.array(
        [2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)]
    )


def walled(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """x - ln x: infinite from 0 down, least at 1."""
    if theta[0] <= 0:
        return np.inf, np.array([np.nan])
    return float(theta[0] - np.log(theta[0])), 1 - 1 / theta


@pytest.mark.parametrize("metric", [None, np.eye(2), -np.eye(2), 1e3 * np.eye(2)])
def test_a_bent_valley_is_followed_whatever_the_first_metric(metric):
    assert bfgs(valley, np.array([-1.2, 1.0]), 1e-16, metric) == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize("start", [0.001, 0.9, 30.0])
def test_a_wall_is_not_passed(start):
    assert bfgs(walled, np.array([start]), 1e-16) == pytest.approx([1], abs=1e-6)


def test_a_search_that_begins_beyond_the_wall_stays_there():
    assert bfgs(walled, np.array([-1.0]), 1e-16).tolist() == [-1.0]


def test_newton_ends_where_nothing_is_to_be_gained_and_says_whether_that_is_a_minimum():
    def bowl(theta):
        return float(theta[0] ** 2 + 3 * theta[1] ** 2), np.array([2.0, 6.0]) * theta

    def saddle(theta):
        return float(theta[0] ** 2 - theta[1] ** 2), np.array([2.0, -2.0]) * theta

    found, arrived = newton(bowl, lambda _: np.diag([2.0, 6.0]), np.array([5.0, -7.0]))
    assert found == pytest.approx([0, 0], abs=1e-12) and arrived
    found, arrived = newton(saddle, lambda _: np.diag([2.0, -2.0]), np.array([5.0, 0.0]))
    assert found == pytest.approx([0, 0], abs=1e-12) and not arrived
    found, arrived = newton(bowl, lambda _: np.full((2, 2), np.nan), np.array([5.0, 1.0]))
    assert found.tolist() == [5, 1] and not arrived


def test_newton_goes_no_step_that_leads_up():
    """With a curvature far too small the step overshoots: it is not taken."""
    found, arrived = newton(lambda x: (float(x @ x), 2 * x), lambda _: 0.1 * np.eye(1), np.array([1.0]))
    assert found.tolist() == [1.0] and not arrived


def test_second_derivatives_by_differences_are_symmetric_and_those_of_the_function():
    found = difference_hessian(lambda point: valley(point)[1], np.array([0.5, 0.3]))
    x, y = 0.5, 0.3
    assert found == pytest.approx(
        np.array([[2 + 1200 * x * x - 400 * y, -400 * x], [-400 * x, 200]]), rel=1e-6
    )


@pytest.mark.parametrize("psi", [np.diag([4.0, 9.0]), np.array([[4.0, 6.0], [6.0, 9.0]]), np.zeros((2, 2))])
def test_a_root_is_lower_triangular_without_negative_diagonal_also_of_singular_matrices(psi):
    root = semidefinite_cholesky(psi)
    assert root @ root.T == pytest.approx(psi, abs=1e-7)
    assert root[0, 1] == pytest.approx(0, abs=1e-12) and (np.diag(root) >= 0).all()


def test_the_boundary_is_a_standard_deviation_of_a_ten_thousandth_of_the_residual_one():
    assert at_boundary([np.eye(2), np.array([[0.9e-8]])]) and not at_boundary([np.array([[1.1e-8]])])
    assert at_boundary([np.array([[1.0, 1.0], [1.0, 1.0]])]) and not at_boundary(
        [np.array([[1.0, 0.9], [0.9, 1.0]])]
    )


def test_a_search_cut_short_says_so(monkeypatch):
    monkeypatch.setattr("studies.analysis.lmm.optimum.MOST_STEPS", 1)
    monkeypatch.setattr("studies.analysis.lmm.optimum.MOST_NEWTON_STEPS", 0)
    fit = fit_lmm(M1, GROWTH)
    assert not fit.optimum.converged
    assert f"The optimum is not certain: gradient {fit.optimum.gradient:.2g}." in fit.notes
    monkeypatch.setattr("studies.analysis.lmm.optimum.MOST_RESTARTS", 1)
    model = assemble(build_design(M1, GROWTH), True).model
    from_saddle = find_optimum(model, 0 * start_at(model, 1.0))
    assert not from_saddle.converged


def test_where_a_covariance_cannot_be_computed_the_deviance_is_infinite():
    search = _Search(assemble(build_design(M1, GROWTH), True).model)
    for theta in (np.full(3, 1e9), np.full(3, 1e200), np.full(3, np.nan)):
        assert search.value(theta)[0] == np.inf


def test_a_gradient_that_lies_ends_the_search_where_no_step_lowers_the_value():
    for metric in (None, np.eye(1)):
        assert bfgs(lambda theta: (1.0, np.ones(1)), np.array([3.0]), 1e-16, metric).tolist() == [3.0]
    kink = bfgs(lambda theta: (abs(float(theta[0])), np.sign(theta)), np.array([3.3]), 1e-16)
    assert abs(kink[0]) < 1e-3


def test_a_straight_slope_is_followed_to_the_last_step(monkeypatch):
    """Without curvature there is nothing to learn from a step."""
    monkeypatch.setattr("studies.analysis.lmm.optimum.MOST_STEPS", 3)
    assert bfgs(lambda theta: (float(-theta[0]), -np.ones(1)), np.array([0.0]), 1e-16)[0] > 3
