"""Measure the error rates the project promises, print them, and write docs/error-rates.md.

    python -m tests.simulate.run [--studies 10000] [--only WORDS] [--minutes 60] [--report] [--afresh]

Work is saved a piece at a time under var/simulate and goes on from there, or from the counts that stand in docs/; after
the analysis itself has changed, count afresh. A piece's seed comes from its cell's name and its number, so that any
machine draws the same studies in any order.
"""

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from zlib import crc32

from tests.simulate.cells import Cell, all_cells
from tests.simulate.measure import measure
from tests.simulate.report import judged, write_report

ROOT = Path(__file__).parents[2]
STORE = ROOT / "var" / "simulate"
DOCS = ROOT / "docs"


def stored(cell: Cell) -> dict[str, Any]:
    path = STORE / f"{crc32(cell.name.encode()):08x}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    return {"cell": cell.name, "pieces": 0, "cpu_seconds": 0.0, "sums": {}}


def begin(cells: list[Cell], afresh: bool) -> None:
    """The store as it is, filled from docs/ where it lacks a cell; emptied of these cells first to count afresh.

    Every other cell is filled too, so that a run of some leaves none out of the report.
    """
    STORE.mkdir(parents=True, exist_ok=True)
    kept = DOCS / "error-rates.json"
    known = {row["cell"]: row for row in json.loads(kept.read_text())} if kept.exists() else {}
    chosen = {cell.name for cell in cells}
    for cell in all_cells():
        path = STORE / f"{crc32(cell.name.encode()):08x}.json"
        if afresh and cell.name in chosen:
            path.unlink(missing_ok=True)
        elif not path.exists() and cell.name in known:
            path.write_text(json.dumps(known[cell.name]))


def advance(cell: Cell) -> None:
    """One more piece of a cell, added to what is stored."""
    known, started = stored(cell), time.process_time()
    sums = Counter(known["sums"])
    sums.update(measure(cell, known["pieces"]))
    spent = known["cpu_seconds"] + time.process_time() - started
    record = {"cell": cell.name, "pieces": known["pieces"] + 1, "cpu_seconds": round(spent, 1), "sums": sums}
    path = STORE / f"{crc32(cell.name.encode()):08x}.json"
    path.with_suffix(".part").write_text(json.dumps(record))
    os.replace(path.with_suffix(".part"), path)


def run(cells: list[Cell], studies: int, minutes: float) -> None:
    """Every cell gets its first piece before any gets its second, so that a run cut short tells of all of them."""
    end = time.monotonic() + 60 * minutes
    while True:
        left = [cell for cell in cells if stored(cell)["pieces"] * cell.batch < studies]
        if not left:
            return
        fewest = min(stored(cell)["pieces"] * cell.batch for cell in left)
        for cell in left:
            if stored(cell)["pieces"] * cell.batch > fewest:
                continue
            if time.monotonic() > end:
                return
            advance(cell)
            print(f"{stored(cell)['sums']['studies']:6d} studies: {cell.name}", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--report", action="store_true", help="only write what is stored")
    parser.add_argument("--afresh", action="store_true", help="forget what was counted before")
    asked = parser.parse_args(arguments)
    cells = [cell for cell in all_cells() if re.search(asked.only, cell.name)]
    begin(cells, asked.afresh)
    if not asked.report:
        run(cells, asked.studies, asked.minutes)
    results = [record for cell in all_cells() if (record := stored(cell))["pieces"]]
    failed = [line for line in judged(all_cells(), results) if not line.kept]
    text = write_report(all_cells(), results)
    print(text)
    kept = DOCS / "error-rates.json"
    before = sum(row["sums"]["studies"] for row in json.loads(kept.read_text())) if kept.exists() else 0
    if asked.afresh or sum(row["sums"]["studies"] for row in results) >= before:
        kept.write_text(json.dumps(results, indent=0, sort_keys=True) + "\n")
        (DOCS / "error-rates.md").write_text(text)
    else:
        print("A longer run stands in docs/; this one was printed only.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
