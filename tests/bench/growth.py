"""Growth studies of any size for the benches of mixed models."""

import numpy as np
import pandas as pd

DAYS = np.arange(0, 60, 4.0)
ALONE = "log_volume ~ day * arm + (1 + day | mouse)"


def growth(mice: int, models: int, arms: int, days: np.ndarray = DAYS, leaving: float = 0.3) -> pd.DataFrame:
    """Log-linear growth of `mice` spread over PDX models and arms, coded columns; a share of them leaves early."""
    random, number = np.random.default_rng(11), np.arange(mice)
    model, arm = number % models, number // models % arms
    lost = number // arms % 2 if models == 1 else model % 2
    rate = 0.06 - 0.02 * arm / arms + random.normal(0, 0.015, mice) + random.normal(0, 0.01, models)[model]
    level = 5 + random.normal(0, 0.2, mice) + random.normal(0, 0.1, models)[model]
    visits = np.where(random.random(mice) < leaving, random.integers(5, len(days), mice), len(days))
    owner = np.repeat(number, visits)
    day = days[np.arange(len(owner)) - np.repeat(np.cumsum(visits) - visits, visits)]
    log_volume = level[owner] + rate[owner] * day + random.normal(0, 0.15, len(owner))
    columns = {"pdx_model": ("P", model), "arm": ("A", arm), "map2k4": ("K", lost), "mouse": ("M", number)}
    coded = {
        name: pd.Categorical.from_codes(
            codes[owner], [f"{stem}{code:04d}" for code in range(codes.max() + 1)]
        )
        for name, (stem, codes) in columns.items()
    }
    return pd.DataFrame({**coded, "day": day, "log_volume": log_volume})
