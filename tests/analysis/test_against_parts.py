"""A combination against its parts where some were not fitted; the numbers are tested with the biomarker's section."""

from types import SimpleNamespace

from studies.analysis.against_parts import combination_against_parts

PLAN = {"combinations": [{"arm": "A+B", "parts": ["A", "B"]}]}


def test_a_combination_without_its_own_fit_or_that_of_any_part_has_no_row():
    for fitted in (["vehicle", "A", "B"], ["vehicle", "A+B"]):
        fit = SimpleNamespace(data=SimpleNamespace(arms=fitted))
        assert combination_against_parts(fit, PLAN, []) == []
