"""TGI and mRECIST of 100,000 mice, against the obvious groupby.apply and against reading the columns."""

import numpy as np
import pandas as pd

from studies.analysis import NormalizedTable, normalize_table, responses, tgi
from tests.bench.ratio import Ratio, best_seconds

MICE, DAYS, DAY = 100_000, np.arange(0, 84, 4.0), 40.0
ARMS = ("vehicle", *(f"agent {number}" for number in range(1, 20)))


def many_mice(mice: int = MICE) -> NormalizedTable:
    """1.8 million readings: 20 arms, 500 PDX models, exponential growth, caliper noise, early exits."""
    random = np.random.default_rng(7)
    arm, rate = np.arange(mice) % len(ARMS), random.normal(0.05, 0.02, mice)
    visits = np.where(random.random(mice) < 0.3, random.integers(5, len(DAYS), mice), len(DAYS))
    visits[: mice // 10] += 4
    owner = np.repeat(np.arange(mice), visits)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(visits) - visits, visits)
    day = place * 4.0
    log_volume = np.log(200) + (rate * (1 - arm / 25))[owner] * day + random.normal(0, 0.1, len(owner))
    frame = pd.DataFrame(
        {
            "study": "bench",
            "pdx_model": _names("M", 500)[owner // 20 % 500],
            "arm": np.array(ARMS, dtype=object)[arm[owner]],
            "mouse": _names("mouse ", mice)[owner],
            "day": day,
            "volume_mm3": np.exp(log_volume),
        }
    )
    return normalize_table(frame)


def _names(stem: str, count: int) -> np.ndarray:
    return np.array([f"{stem}{number}" for number in range(count)], dtype=object)


def by_vectors(table: NormalizedTable) -> tuple[list, pd.DataFrame]:
    return tgi(table, "vehicle", DAY), responses(table)


def by_groupby(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The same two answers the way a notebook would write them."""
    mice = frame.groupby("mouse")
    changes = mice.apply(_change, include_groups=False).groupby(mice["arm"].first()).mean()
    return 100 * (1 - changes / changes["vehicle"]), mice.apply(_category, include_groups=False)


def _change(mouse: pd.DataFrame) -> float:
    mouse = mouse.sort_values("day")
    start = mouse.loc[mouse["day"].between(-3, 0), "volume_mm3"].iloc[-1]
    at = mouse.loc[mouse["day"] == DAY, "volume_mm3"]
    return at.iloc[0] - start if len(at) else np.nan


def _category(mouse: pd.DataFrame) -> str | None:
    mouse = mouse.sort_values("day")
    change = 100 * (mouse["volume_mm3"] / mouse["volume_mm3"].iloc[0] - 1)
    average = change.expanding().mean()
    late = mouse["day"] >= 10
    if late.sum() < 2:
        return None
    best, best_average = change[late].min(), average[late].min()
    if best < -95 and best_average < -40:
        return "CR"
    if best < -50 and best_average < -20:
        return "PR"
    return "SD" if best < 35 and best_average < 30 else "PD"


def read_columns(frame: pd.DataFrame) -> float:
    """Every value of the columns the answers rest on, looked at once."""
    mouse = pd.factorize(frame["mouse"])[0].sum() + pd.factorize(frame["arm"])[0].sum()
    return float(mouse + frame["day"].sum() + frame["volume_mm3"].sum())


def main() -> list[Ratio]:
    table = many_mice()
    part = table.frame[table.frame["mouse"].isin(pd.unique(table.frame["mouse"])[: MICE // 10])]
    share = len(part) / len(table.frame)
    ours = best_seconds(lambda: by_vectors(table))
    obvious = best_seconds(lambda: by_groupby(part), repeats=1) / share
    rows = f"{len(table.frame):,} rows"
    return [
        Ratio(
            f"TGI and mRECIST over {rows}",
            f"groupby.apply (timed on a tenth of the mice, {len(part):,} rows, and scaled)",
            ours,
            obvious,
            at_least=100,
        ),
        Ratio(
            f"TGI and mRECIST over {rows}",
            "reading the four columns once",
            ours,
            best_seconds(lambda: read_columns(table.frame)),
        ),
    ]
