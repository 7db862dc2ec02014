"""Which test reaches which line, and how long each takes: measured once, kept, and again where a file changed."""

import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutation.running import ROOT, in_child, with_collected
from tests.mutation.targets import Target

AT_IMPORT = ""
BATCH = 2  # files of tests, after which what was measured is kept


@dataclass
class Reach:
    """`seconds` of processor time by test; `lines`: path -> line -> tests, "" standing for the import."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)

    def reaching(self, path: str, lines: range) -> set[str]:
        of_file = self.lines.get(path, {})
        return set().union(*(of_file.get(line, set()) for line in lines)) & self.seconds.keys()

    def touching(self, path: str) -> set[str]:
        """The tests that reach anything of a module; of one without functions, every test."""
        of_file = self.lines.get(path, {})
        return (set().union(*of_file.values()) & self.seconds.keys()) or set(self.seconds)

    def at_import(self, path: str, lines: range) -> bool:
        return any(AT_IMPORT in self.lines.get(path, {}).get(line, set()) for line in lines)


def measured(kept: Path, target: Target) -> Reach:
    """The reach of a target's tests, from `kept` as far as neither the test's file nor the modules changed."""
    state = digest(target.files())
    old = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    if old.get("modules") != state:
        old = {"modules": state, "files": {}, "tests": {}, "at_import": {}}
    files = {
        str(path.relative_to(ROOT)): digest([path])
        for name in target.tests
        for path in ((ROOT / name).rglob("test_*.py") if (ROOT / name).is_dir() else [ROOT / name])
    }
    changed = tuple(name for name, state in sorted(files.items()) if old["files"].get(name) != state)
    tests = {
        name: row
        for name, row in old["tests"].items()
        if name.partition("::")[0] in files and name.partition("::")[0] not in changed
    }
    told = {"modules": state, "files": {}, "tests": tests, "at_import": old["at_import"]}
    told["files"] = {name: state for name, state in files.items() if name not in changed}
    paths = [str(path) for path in target.files()]
    for batch in (changed[start : start + BATCH] for start in range(0, len(changed), BATCH)):
        found = in_child(lambda batch=batch: trace(batch, paths))
        if not isinstance(found, dict):
            raise SystemExit(f"the tests did not run: {batch}")
        for name in found["failed"]:
            print(f"fails without any mutant, left out: {name}", flush=True)
        told["tests"] |= found["tests"]
        told["files"] |= {name: files[name] for name in batch}
        told["at_import"] = found["at_import"]
        kept.write_text(json.dumps(told), encoding="utf-8")
    return as_reach(told["tests"], told["at_import"])


def digest(paths: list[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def as_reach(tests: dict[str, dict], at_import: dict[str, list[int]]) -> Reach:
    lines: dict = defaultdict(lambda: defaultdict(set))
    for name, row in [*tests.items(), (AT_IMPORT, {"lines": at_import})]:
        for path, reached in row["lines"].items():
            for line in reached:
                lines[path][line].add(name)
    return Reach({name: row["seconds"] for name, row in tests.items()}, lines)


def trace(tests: tuple[str, ...], paths: list[str]) -> dict:
    """Run `tests` one by one under coverage: seconds and lines of each that passes."""
    from coverage import Coverage

    watch = Coverage(data_file=None, config_file=False, include=paths)
    watch.start()
    found: dict = {"tests": {}, "failed": [], "at_import": {}}

    def loop(session) -> None:
        for item, after in zip(session.items, [*session.items[1:], None], strict=True):
            watch.switch_context(item.nodeid)
            began, n_failed = time.process_time(), session.testsfailed
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed > n_failed:
                found["failed"].append(item.nodeid)
            else:
                found["tests"][item.nodeid] = {
                    "seconds": time.process_time() - began,
                    "lines": defaultdict(list),
                }

    with_collected(tests, loop)
    watch.stop()
    data = watch.get_data()
    for path in data.measured_files():
        name = str(Path(path).relative_to(ROOT))
        for line, contexts in data.contexts_by_lineno(path).items():
            for context in contexts:
                if context == AT_IMPORT:
                    found["at_import"].setdefault(name, []).append(line)
                elif context in found["tests"]:
                    found["tests"][context]["lines"][name].append(line)
    return found
