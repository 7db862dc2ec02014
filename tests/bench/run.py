"""Run every bench_*.py beside this file and say which promise was kept.

A bench module has `main() -> list[Ratio]`. A ratio compares two ways of doing the same work in the same
process, so that it means the same on a fast and on a slow machine.
"""

import importlib
import os
import sys
import time
from pathlib import Path

from tests.bench.ratio import Ratio

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: threads only slow small matrices


def bench_names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))


def run_bench(name: str) -> list[Ratio]:
    started = time.perf_counter()
    ratios = importlib.import_module(f"tests.bench.{name}").main()
    print(f"{name} ({time.perf_counter() - started:.0f} s)")
    for ratio in ratios:
        print(f"  {ratio}", flush=True)
    return ratios


def main(chosen: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    names = chosen or bench_names()
    ratios = [ratio for name in names for ratio in run_bench(name)]
    broken = [ratio for ratio in ratios if not ratio.kept]
    print(f"\n{len(ratios) - len(broken)} of {len(ratios)} promises kept")
    for ratio in broken:
        print(f"  not kept: {ratio}")
    return 1 if broken or not ratios else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
