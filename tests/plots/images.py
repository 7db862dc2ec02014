"""The figures held against images on record: `python -m tests.plots.images` draws the images anew, to be looked at."""

from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent.parent / "reference" / "figures"
DOTS_PER_INCH = 60
DAYS = (0.0, 4.0, 8.0, 12.0, 16.0)
ARMS = [
    {"arm": "Vehicle", "role": "vehicle", "control": None},
    {"arm": "A", "role": "single_agent", "control": "Vehicle"},
    {"arm": "A + B", "role": "combination", "control": "Vehicle"},
]
RATES = {"Vehicle": 0.1, "A": 0.05, "A + B": -0.03}
STATUSES = {"P1": "loss_of_function", "P2": "wild_type"}


def table() -> pd.DataFrame:
    rows = [
        {"mouse": f"{model} {arm} {number}", "pdx_model": model, "map2k4_status": status, "arm": arm, "day": day,
         "volume_mm3": (120 + 20 * number) * exp(rate * day), "exit_reason": "tumor_size" if number == 2 else ""}
        for model, status in STATUSES.items()
        for arm, rate in RATES.items()
        for number in range(3)
        for day in DAYS[: 5 - (number == 2)]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def growth() -> Any:
    from studies.plots.growth_curves import growth_curves

    return growth_curves(table(), ARMS, 12.0)[0]


def means() -> Any:
    from studies.plots.mean_growth import mean_growth

    rows = [
        {"arm": arm, "map2k4_status": status, "day": day, "n": 3 - (day > 12), "mean_mm3": 140 * exp(rate * day),
         "sem_mm3": 12.0, "share_followed": 0.7 if day > 12 else 1.0}
        for status in STATUSES.values()
        for arm, rate in RATES.items()
        for day in DAYS
    ]  # fmt: skip
    return mean_growth(rows, ARMS, 12.0)[0]


def survival() -> Any:
    from studies.plots.survival_curves import survival_curves

    times = [
        {"arm": arm, "map2k4_status": status, "time": 6.0 + 3 * number + (arm != "Vehicle"),
         "event": int(arm != "A + B" and number < 3), "cause": "threshold"}
        for status in STATUSES.values()
        for arm in RATES
        for number in range(4)
    ]  # fmt: skip
    return survival_curves(times, ARMS, {None: "log-rank p = 0.03"})[0]


def heatmap() -> Any:
    from studies.plots.model_heatmap import model_heatmap

    rows = [
        {"pdx_model": model, "map2k4_status": status, "arm": arm,
         "median_best_average_response_percent": 900 * rate if arm != "A" or model != "P2" else None}
        for model, status in STATUSES.items()
        for arm, rate in RATES.items()
    ]  # fmt: skip
    return model_heatmap(rows, ARMS, {"KRAS": {"P1": "G12D", "P2": "wild type"}})[0]


FIGURES: dict[str, Callable[[], Any]] = {
    "growth": growth, "means": means, "survival": survival, "heatmap": heatmap,
}  # fmt: skip


def main() -> None:
    from studies.plots.style import to_png

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        (FOLDER / f"{name}.png").write_bytes(to_png(draw(), DOTS_PER_INCH))
        print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
