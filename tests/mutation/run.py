"""Plant one error at a time and see that a test fails: `make mutate`.

    python -m tests.mutation.run NAME ... [--sample N] [--seed N] [--kinds KIND ...] [--modules PART ...] [--again]

NAME is one of TARGETS. Django and the tests are loaded once; each mutant lives in a forked child, where the changed
code takes the place of the loaded one. First the tests run unchanged, to learn which reach which line and how long
each takes. A mutant is then met by the tests that reach its statement, those that killed most for their time first, and
by their neighbors in the same file, until one fails; it has ten times the time they took. What runs only while modules
are imported is planted before the import. Verdicts are kept in var/mutation a mutant at a time, so that a run goes on
where it was stopped.
"""

import argparse
import ast
import hashlib
import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

os.environ.setdefault("PDX_TEST_FOLDER", tempfile.mkdtemp(prefix="pdx-mutants-"))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["HYPOTHESIS_PROFILE"] = "first-failure"

import pytest

from tests.mutation.equivalent import reason_of
from tests.mutation.graft import ROOT, forget, graft, is_graftable, loaded_functions, plant
from tests.mutation.mutants import KINDS, Mutant, mutants
from tests.mutation.reach import Reach, measured
from tests.mutation.running import (
    OPTIONS,
    in_child,
    prepare_database,
    run_items,
    with_collected,
)
from tests.mutation.targets import TARGETS, Target

KEPT = ROOT / "var" / "mutation"


@dataclass(frozen=True)
class Planted:
    """A mutant of a module, made from its `source`."""

    path: Path
    source: str
    mutant: Mutant

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def key(self) -> tuple[str, str, int]:
        return self.name, self.digest, self.mutant.number

    @property
    def text(self) -> str:
        """The line of the source, without its indentation."""
        return self.source.splitlines()[self.mutant.line - 1].strip()

    def code(self):
        tree = ast.parse(self.source)
        for mutant in mutants(tree):
            if mutant.number == self.mutant.number:
                return compile(tree, str(self.path), "exec")
        raise LookupError(self)


def all_of(target: Target, kinds: Iterable[str]) -> list[Planted]:
    found = []
    for path in target.files():
        source = path.read_text(encoding="utf-8")
        found += [Planted(path, source, one) for one in mutants(ast.parse(source)) if one.kind in kinds]
    return found


class Verdicts:
    """What became of each mutant, kept on disk as soon as it is known."""

    def __init__(self, name: str):
        self.path = KEPT / f"{name}.jsonl"
        self.known: dict[tuple, dict] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self.known[row["path"], row["digest"], row["number"]] = row

    def add(self, planted: Planted, verdict: str, by: str, seconds: float) -> None:
        mutant = planted.mutant
        row = {"path": planted.name, "digest": planted.digest, "number": mutant.number, "line": mutant.line,
               "kind": mutant.kind, "what": mutant.what, "text": planted.text,
               "verdict": verdict, "by": by, "seconds": round(seconds, 2)}  # fmt: skip
        self.known[planted.key] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


class Chooser:
    """Which tests meet a mutant, in which order; it learns which kill."""

    def __init__(self, reach: Reach, most_seconds: float, neighbors: bool):
        self.reach, self.most_seconds, self.neighbors = reach, most_seconds, neighbors
        self.kills: Counter[str] = Counter()

    def ordered(self, tests: Iterable[str]) -> list[str]:
        seconds = self.reach.seconds
        return sorted(tests, key=lambda test: (-(self.kills[test] + 0.1) / (seconds[test] + 0.02), test))

    def tests_of(self, planted: Planted) -> tuple[list[str], float]:
        """The tests in order and the seconds they took unchanged, at most `most_seconds` of them."""
        if planted.mutant.function:
            direct = self.reach.reaching(planted.name, planted.mutant.lines)
        else:
            direct = self.reach.touching(planted.name)
        files = {test.partition("::")[0] for test in direct if self.neighbors}
        beside = {test for test in self.reach.seconds if test.partition("::")[0] in files} - set(direct)
        chosen, sum_seconds = [], 0.0
        for test in [*self.ordered(direct), *self.ordered(beside)]:
            if chosen and sum_seconds + self.reach.seconds[test] > self.most_seconds:
                continue
            chosen.append(test)
            sum_seconds += self.reach.seconds[test]
        return chosen, sum_seconds


def met_by(failed: object) -> tuple[str, str]:
    """The verdict and who gave it, from what a child said: a test, "" for none, None for a child that died."""
    if failed is None:
        return "killed", "time or crash"
    return ("killed", str(failed)) if failed else ("survived", "")


def meet_loaded(waiting: list[Planted], target: Target, chooser: Chooser, verdicts: Verdicts) -> None:
    """Mutants in bodies of functions: everything is collected, the child swaps the body and runs the tests."""

    def loop(session) -> None:
        items = {item.nodeid: item for item in session.items}
        for name in {planted.name for planted in waiting}:
            import_module(module_of(name))
        if not target.is_pure:
            import_module("pdx_tracker.urls")  # once, not in every child
        functions = loaded_functions()
        for planted in waiting:
            tests, seconds = chooser.tests_of(planted)
            code = planted.code()

            def work(path=planted.path, code=code, tests=tests) -> str:
                graft(functions, code)
                plant(path, code)  # views are imported with the first request
                return run_items(session, [items[test] for test in tests if test in items])

            began = time.monotonic()
            verdict, by = met_by(in_child(work, 10 * seconds + 5))
            chooser.kills[by] += verdict == "killed"
            verdicts.add(planted, verdict, by, time.monotonic() - began)

    with_collected(target.tests, loop)


def meet_pure(waiting: list[Planted], target: Target, chooser: Chooser, verdicts: Verdicts) -> None:
    """Mutants in what runs while modules without Django are imported: a child forgets and imports these alone."""
    pytest.main([*OPTIONS, "--collect-only", *target.tests])
    for planted in waiting:
        meet_imported(
            planted, chooser, verdicts, forgotten=(package_of(planted.name), *map(package_of, target.tests))
        )


def module_of(path: str) -> str:
    """studies.desk of studies/desk/__init__.py, studies.idle of studies/idle.py."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def package_of(path: str) -> str:
    """studies.validation of studies/validation/sizes.py and of studies/validation."""
    parts = Path(path).parts
    return ".".join(parts[:2])


def meet_imported(
    planted: Planted, chooser: Chooser, verdicts: Verdicts, forgotten: tuple[str, ...] = ()
) -> None:
    """A mutant in what runs while modules are imported: the child plants it, then imports everything."""
    tests, seconds = chooser.tests_of(planted)
    code = planted.code()

    def work() -> str:
        plant(planted.path, code)
        forget(*forgotten)
        failed = ["not collected"]
        with_collected(tuple(tests), lambda session: failed.__setitem__(0, run_items(session, session.items)))
        return failed[0]

    began = time.monotonic()
    verdict, by = met_by(in_child(work, 10 * seconds + 30))
    chooser.kills[by] += verdict == "killed"
    verdicts.add(planted, verdict, by, time.monotonic() - began)


def mutate(name: str, given: argparse.Namespace) -> dict:
    target, verdicts = TARGETS[name], Verdicts(name)
    every = all_of(target, given.kinds)
    if given.modules:
        every = [one for one in every if any(part in one.name for part in given.modules)]
    asked = every
    if given.sample and given.sample < len(every):
        asked = random.Random(given.seed).sample(every, given.sample)  # as drawn: a part is a sample, too
    waiting = [one for one in asked if is_open(one, verdicts, given.again)]
    print(f"{name}: {len(every)} mutants, {len(asked)} asked for, {len(waiting)} to meet", flush=True)
    if waiting:
        reach = measured(KEPT / f"{name}.reach.json", target)
        chooser = Chooser(reach, given.most_seconds, given.neighbors)
        for one in [one for one in waiting if is_unreached(one, reach)]:
            verdicts.add(one, "survived", "reached by no test", 0)
        rest = [one for one in waiting if not is_unreached(one, reach)]
        loaded = [one for one in rest if is_called(one, reach) and fits(one)]
        if loaded:
            in_child(lambda: meet_loaded(loaded, target, chooser, verdicts))
            verdicts = Verdicts(name)
            chooser.kills.update(row["by"] for row in verdicts.known.values() if row["verdict"] == "killed")
        imported = [one for one in rest if not (is_called(one, reach) and fits(one))]
        if imported and target.is_pure:
            in_child(lambda: meet_pure(imported, target, chooser, verdicts))
            verdicts = Verdicts(name)
        else:
            for one in imported:
                meet_imported(one, chooser, verdicts)
    return told(name, len(every), asked, verdicts)


def is_open(planted: Planted, verdicts: Verdicts, again: bool) -> bool:
    row = verdicts.known.get(planted.key)
    return not reason_of(planted.name, planted.text, planted.mutant.what) and (
        row is None or (again and row["verdict"] == "survived")
    )


def is_called(planted: Planted, reach: Reach) -> bool:
    return bool(planted.mutant.function) and bool(reach.reaching(planted.name, planted.mutant.lines))


def fits(planted: Planted) -> bool:
    """Whether the changed body fits into the loaded function."""
    return is_graftable(compile(planted.source, str(planted.path), "exec"), planted.code())


def is_unreached(planted: Planted, reach: Reach) -> bool:
    return (
        bool(planted.mutant.function)
        and not is_called(planted, reach)
        and not reach.at_import(planted.name, planted.mutant.lines)
    )


def told(name: str, n_all: int, asked: list[Planted], verdicts: Verdicts) -> dict:
    counts: dict[str, Counter] = defaultdict(Counter)
    for one in asked:
        if reason_of(one.name, one.text, one.mutant.what):
            counts[one.mutant.kind]["equivalent"] += 1
        else:
            row = verdicts.known.get(one.key, {"verdict": "not met", "by": ""})
            counts[one.mutant.kind][row["verdict"]] += 1
            if row["verdict"] == "survived":
                mutant = one.mutant
                print(f"{one.name}:{mutant.line} {mutant.kind} {mutant.what} | {one.text} | {row['by']}")
    total = sum(counts.values(), Counter())
    share = total["killed"] / max(1, total["killed"] + total["survived"])
    return {"target": name, "mutants": n_all, "asked": len(asked), **total, "killed_share": round(share, 4),
            "by_kind": {kind: dict(found) for kind, found in sorted(counts.items())}}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--modules", nargs="+", help="only in modules whose path holds one of these")
    parser.add_argument("--sample", type=int, help="meet so many mutants of a target, drawn at random")
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--again", action="store_true", help="meet those again that survived before")
    parser.add_argument("--most-seconds", type=float, default=20, help="of tests to a mutant")
    parser.add_argument("--no-neighbors", dest="neighbors", action="store_false",
                        help="meet the tests that reach the line alone, not those beside them")  # fmt: skip
    parser.add_argument("names", nargs="*", choices=[*TARGETS, []], default=list(TARGETS))
    given = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    import hypothesis  # noqa: F401 - these are loaded once, not in every child
    import openpyxl  # noqa: F401
    import pandas  # noqa: F401
    import pytest_django  # noqa: F401
    import scipy.optimize
    import scipy.stats  # noqa: F401

    try:
        for name in given.names:
            if not TARGETS[name].is_pure:
                prepare_database(KEPT)
            print(json.dumps(mutate(name, given)), flush=True)
    finally:
        shutil.rmtree(os.environ["PDX_TEST_FOLDER"], ignore_errors=True)


if __name__ == "__main__":
    main()
