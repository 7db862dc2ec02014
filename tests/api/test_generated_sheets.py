"""Some hundred generated sheets in each run of the tests; `make sheets` sends 10,000."""

import pytest

from tests.api.generated_sheets import run_sheets


@pytest.mark.django_db
def test_no_invalid_row_is_accepted_no_valid_one_refused_and_none_lost():
    counts = run_sheets(150)
    assert counts["valid rows"] > 100 and counts["invalid rows"] > 100
    assert counts["rows sent again"] > 50 and counts["rows sent altered"] > 20
