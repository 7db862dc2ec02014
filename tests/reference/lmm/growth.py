"""Writes growth.csv: simulated growth curves, 4 PDX models x 3 arms x 3 mice, unbalanced, and made to be hard.

python tests/reference/lmm/growth.py
"""

from pathlib import Path

import numpy as np
import pandas as pd


def growth(seed: int = 4) -> pd.DataFrame:
    """One row a reading; `flat` has no variation between mice beyond noise, so its fits are singular."""
    random = np.random.default_rng(seed)
    rows = []
    for model in range(4):
        model_level, model_slope = random.normal(0, 0.3), random.normal(0, 0.015)
        for arm, effect in (("Vehicle", 0.0), ("A", -0.02), ("A+B", -0.05)):
            arm_slope = random.normal(0, 0.01)
            for mouse in range(3):
                level, slope = random.multivariate_normal([0, 0], [[0.09, -0.003], [-0.003, 0.0004]])
                last = random.choice([10, 14, 17, 21, 21, 21])
                for day in (0, 3, 7, 10, 14, 17, 21):
                    if day > last or random.random() < 0.05:
                        continue
                    noise = random.normal(0, 0.1 if arm == "Vehicle" else 0.2)
                    curve = 5 + model_level + level + (0.09 + model_slope + effect + arm_slope + slope) * day
                    rows.append(
                        {
                            "pdx_model": f"P{model + 1}",
                            "map2k4": "loss_of_function" if model % 2 else "wild_type",
                            "arm": arm,
                            "mouse": f"P{model + 1}-{arm}-{mouse + 1}",
                            "cage": f"C{random.integers(1, 7)}",
                            "day": day,
                            "log_volume": round(curve + noise, 6),
                            "flat": round(5 + (0.09 + effect) * day + random.normal(0, 0.2), 6),
                            "weight": round(random.uniform(0.5, 2.0), 3),
                        }
                    )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    growth().to_csv(Path(__file__).with_name("growth.csv"), index=False)
