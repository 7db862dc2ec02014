"""Small valid records for tests: each takes what matters to the test and fills in the rest."""

from studies.models import Study
from studies.terms import StudyState


def make_study(code: str = "PDX-TEST-01", **fields) -> Study:
    """An active, blinded study without arms or mice."""
    defaults = {"title": f"Test study {code}", "state": StudyState.ACTIVE, "is_blinded": True}
    return Study.objects.create(code=code, **{**defaults, **fields})
