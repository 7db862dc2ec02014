"""Other endpoints than the plan's: a multiple, a volume, the humane endpoint, overall survival, each by its exits."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis import normalize_table
from studies.analysis.plan import resolve_plan
from studies.analysis.survival import time_to_exit
from studies.analysis.survival_rows import endpoint_rows
from tests.analysis.builders import curve, exponential, together

DAYS = [0, 7, 14, 21]
HUMANE = ("tumor_size", "ulceration", "body_weight", "clinical_signs", "treatment_toxicity")


def left(reasons: dict[str, str]) -> pd.DataFrame:
    """A mouse a reason, all growing at 0.1 a day from 200 mm3: doubled at day 6.9, 1000 mm3 at day 16.1."""
    return together(*(
        curve(mouse, "vehicle" if number % 2 else "drug", exponential(0.1, DAYS), exit_reason=reason)
        for number, (mouse, reason) in enumerate(reasons.items())
    ))  # fmt: skip


@pytest.mark.parametrize("reason", [*HUMANE, "found_dead", "scheduled_end", "accident", "sampled", ""])
def test_which_exits_are_a_humane_endpoint_and_which_a_death(reason):
    table = left({"m": reason, "n": ""})
    humane = time_to_exit(table).set_index("mouse").loc["m"]
    survival = time_to_exit(table, found_dead=True).set_index("mouse").loc["m"]
    assert humane["event"] == int(reason in HUMANE)
    assert survival["event"] == int(reason in (*HUMANE, "found_dead"))
    assert humane["time"] == 21
    assert humane["cause"] == (reason if reason in HUMANE else "censored")


def test_every_endpoint_has_its_medians_and_test():
    """Days by hand: ln 2 / 0.1, ln 4 / 0.1, ln 5 / 0.1; 1500 mm3 is at ln 7.5 / 0.1 = 20.1."""
    table = left({f"m{number}": "body_weight" if number < 3 else "" for number in range(6)})
    plan = resolve_plan(normalize_table(table), {"control": "vehicle"})
    rows = {row["endpoint"]: row for row in endpoint_rows(normalize_table(table).frame, plan)}
    folds = {"doubling": 2, "quadrupling": 4, "volume 1000 mm3": 5, "volume 1500 mm3": 7.5}
    for name, fold in folds.items():
        assert rows[name]["medians"]["vehicle"] == pytest.approx(np.log(fold) / 0.1)
    assert rows["humane endpoint"]["events"] == {"vehicle": 1, "drug": 2}
    assert rows["overall survival"]["median_lower_bounds"] == {"vehicle": 21}
    assert {row["control"] for row in rows.values()} == {"vehicle"}


def test_without_an_exit_there_is_no_test_and_a_reason():
    table = left({f"m{number}": "" for number in range(4)})
    plan = resolve_plan(normalize_table(table), {"control": "vehicle"})
    rows = {row["endpoint"]: row for row in endpoint_rows(normalize_table(table).frame, plan)}
    assert rows["humane endpoint"]["logrank"]["p_value"] is None
    assert "no mouse had the event" in rows["humane endpoint"]["reason"]
