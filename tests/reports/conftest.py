"""One small study, analyzed and reported once for all tests here: 4 PDX models, 4 arms, 2 mice an arm and model."""

from datetime import UTC, datetime
from math import exp

import pytest

from studies.imports import read_measurement_table
from studies.reports.build import report_files
from studies.reports.headless import analyze_measurements

MADE_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RATES = {"vehicle": 0.09, "A": 0.05, "B": 0.07, "A+B": 0.02}
STATUSES = {"P1": "wt", "P2": "wt", "P3": "lof", "P4": "lof"}
DAYS = (0, 4, 8, 12, 16, 20)


def study_csv(study="PILOT-1", models=STATUSES, rates=RATES, mice=2, days=DAYS):
    """A growing study without randomness: each mouse a bit faster than the one before, drugs stronger in LoF."""
    lines = ["study,pdx_model,map2k4_status,arm,mouse,day,volume_mm3,weight_g"]
    for m, (model, status) in enumerate(models.items()):
        for arm, rate in rates.items():
            slowed = rate if status == "wt" or arm == "vehicle" else rate - 0.03
            for mouse in range(mice):
                v0 = 150 + 10 * m + 7 * mouse
                for day in days:
                    wobble = 1 + 0.04 * ((3 * m + 5 * mouse + day) % 7 - 3) / 3
                    volume = v0 * exp((slowed + 0.004 * mouse + 0.002 * m) * day) * wobble
                    weight = 20 + 0.02 * day - (0.1 * day if arm == "A+B" else 0)
                    lines.append(
                        f"{study},{model},{status},{arm},{model}-{arm}-{mouse},{day},{volume:.3f},{weight:.2f}"
                    )
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture(scope="session")
def measurements():
    return read_measurement_table(study_csv(), "pilot.csv")


@pytest.fixture(scope="session")
def analyzed(measurements):
    [study] = analyze_measurements(measurements, {"control": "vehicle"})
    return study


@pytest.fixture(scope="session")
def files(analyzed):
    return report_files(analyzed, MADE_AT)
