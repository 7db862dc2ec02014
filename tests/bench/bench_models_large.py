"""A mixed model of 100,000 mice x 20 days from coded columns, against looking at these columns."""

import tracemalloc

import numpy as np

from studies.analysis import fit_lmm
from tests.bench.growth import ALONE, growth
from tests.bench.ratio import Ratio, processor_seconds


def main() -> list[Ratio]:
    columns = ["mouse", "arm", "day", "log_volume"]
    table = growth(100_000, 500, 20, np.arange(0, 80, 4.0), leaving=0)[columns]
    arrays = [getattr(table[name].array, "codes", table[name].to_numpy()) for name in columns]
    size = sum(array.nbytes for array in arrays)

    def read() -> None:
        for _ in range(5):
            for array in arrays:
                array.sum()

    what = f"a mixed model of {len(table):,} readings of 100,000 mice from coded columns"
    ours, floor = processor_seconds(lambda: fit_lmm(ALONE, table)), processor_seconds(read)
    tracemalloc.start()
    fit_lmm(ALONE, table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        Ratio(what, "reading these once for each of their five sums", ours, floor, at_most=20),
        Ratio(f"peak memory of {what}", "these", peak / 1e6, size / 1e6, at_most=3, unit="MB"),
    ]
