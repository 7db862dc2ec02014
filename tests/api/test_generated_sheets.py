"""Some hundred generated sheets in each run of the tests; `make sheets` sends 10,000."""

import pytest

from tests.api.generated_sheets import run_sheets


@pytest.mark.django_db
def test_no_invalid_row_is_accepted_no_valid_one_refused_and_none_lost():
    counts = run_sheets(200, seed=1)
    disagreed = [key for key in counts if key.startswith("disagreed")]
    assert disagreed == [] and counts["lost"] == counts["stored wrong"] == 0
    assert counts["valid"] > 150 and counts["invalid"] > 150
