"""The search for the maximum of Cox's likelihood, where it has none or rounding hides it."""

import numpy as np
import pytest

from studies.analysis import hazards
from studies.analysis.hazards import RiskTable, cox, log_rank, penalized_gain, profile_interval


def two_groups(events: list[list[float]]) -> RiskTable:
    """Ten mice a group, whose events are those of each day; who had one is no longer at risk."""
    found = np.array(events)
    gone = np.cumsum(found, axis=0) - found
    return RiskTable(10 - gone, found, np.ones(len(found)))


def test_a_score_that_rounding_has_turned_round_moves_nothing(monkeypatch):
    """No step along it raises the likelihood, however short: the search ends where it stands."""

    def turned(_, beta, __):
        return -float((beta - 1) @ (beta - 1)), 2 * (beta - 1), 2 * np.eye(len(beta))

    monkeypatch.setattr(hazards, "_likelihood", turned)
    found = cox(two_groups([[1, 0]]))
    assert found is not None and np.abs(found.beta).max() < 1e-10


def test_a_search_that_does_not_come_to_rest_finds_no_maximum(monkeypatch):
    """A likelihood that rises without end by ever the same step."""

    def rising(_, beta, __):
        return float(beta.sum()), np.full(len(beta), 0.01), np.eye(len(beta))

    monkeypatch.setattr(hazards, "_likelihood", rising)
    assert cox(two_groups([[1, 0]])) is None


def test_arms_never_at_risk_together_have_no_degree_of_freedom():
    table = RiskTable.of(np.array([1.0, 5]), np.ones(2), np.array([0, 1]), 2, stratum=np.array([0, 1]))
    assert log_rank(table) == (None, 0)


def test_an_interval_ends_where_the_penalized_likelihood_has_lost_its_share():
    """Without events in one arm the lower end lies beyond the first step towards it."""
    table = two_groups([[2, 0], [2, 0], [2, 0]])
    fit = cox(table, penalized=True)
    low, high = profile_interval(table, fit, 1, 3.84)
    assert low < fit.beta[0] - 1.96 * fit.se[0] < fit.beta[0] < high
    assert [penalized_gain(table, fit, 1, end) for end in (low, high)] == pytest.approx(
        [3.84, 3.84], rel=1e-4
    )
