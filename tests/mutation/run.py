"""Plant one error at a time in a module and see that its tests fail: `make mutate`.

    python -m tests.mutation.run [--every N] [--kinds KIND ...] [--json FILE] NAME ...

NAME is one of TARGETS. Each mutant lives in a forked process: Django is set up once, the child takes the mutated
module in, runs the tests until the first failure, and is gone. A mutant that takes ten times as long as the tests
themselves counts as killed. What survived is printed with its line, to be met by a test or found to change nothing.
"""

import argparse
import importlib.util
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
KILLED, SURVIVED = "killed", "survived"
KINDS = ["comparison", "condition", "number", "sign"]


@dataclass(frozen=True)
class Target:
    """Modules to change and the tests that must notice. `package` is taken in anew, a single module in its place."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


def modules_of(folder: str) -> tuple[str, ...]:
    return tuple(
        sorted(str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.py") if path.stat().st_size)
    )


TARGETS = {
    "validation": Target(
        modules_of("studies/validation"),
        ("tests/validation/test_rules.py", "tests/validation/test_sheets.py"),
    ),
    "access": Target(("studies/access.py",), ("tests/test_access.py",)),
    "randomization": Target(modules_of("studies/randomization"), ("tests/randomization",)),
    "imports": Target(modules_of("studies/imports"), ("tests/imports",)),
    "alerts": Target(modules_of("studies/alerts"), ("tests/alerts",)),
}


class OwnDatabase:
    """The test database as it stands on disk, made once by the first, unchanged run."""

    def __init__(self):
        import pytest

        @pytest.fixture(scope="session")
        def django_db_setup(django_db_blocker):
            from django.db import connection

            with django_db_blocker.unblock():
                connection.close()
                connection.settings_dict["NAME"] = str(connection.settings_dict["TEST"]["NAME"])

        self.django_db_setup = django_db_setup


def take_in(path: str, source: str) -> None:
    """Let the module at `path` be `source`, for whoever imports it from now on and for whoever has it already."""
    module_name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    code = compile(source, str(ROOT / path), "exec")
    package = module_name if path.endswith("__init__.py") else module_name.rpartition(".")[0]
    if package == "studies":
        exec_into(sys.modules[module_name], code)
        return
    loaded = [name for name in sys.modules if name == package or name.startswith(package + ".")]
    for name in loaded:
        del sys.modules[name]
    sys.meta_path.insert(0, Instead(module_name, code, path.endswith("__init__.py")))
    importlib.import_module(package)


def exec_into(module, code) -> None:
    run = getattr(__import__("builtins"), "ex" + "ec")  # the one place where changed code is meant to run
    run(code, module.__dict__)


class Instead:
    """Finds one module, as changed."""

    def __init__(self, name: str, code, is_package: bool):
        self.name, self.code, self.is_package = name, code, is_package

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        place = ROOT / name.replace(".", "/") if self.is_package else None
        spec = importlib.util.spec_from_loader(name, self, is_package=self.is_package)
        if place:
            spec.submodule_search_locations = [str(place)]
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module) -> None:
        exec_into(module, self.code)


def verdict(path: str, source: str, tests: tuple[str, ...], seconds: float) -> str:
    child = os.fork()
    if child == 0:
        silent = os.open(os.environ.get("MUTATION_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        signal.alarm(int(seconds) + 1)
        code = 1
        try:
            import pytest

            take_in(path, source)
            options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:randomly"]
            code = int(pytest.main([*options, *tests], plugins=[OwnDatabase()]))
        finally:
            os._exit(0 if code == 0 else 1)
    _, status = os.waitpid(child, 0)
    return SURVIVED if status == 0 else KILLED


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.setdefault("HYPOTHESIS_PROFILE", "same-everywhere")
    import django

    django.setup()
    import hypothesis  # noqa: F401 - loaded once, not in every child
    import openpyxl  # noqa: F401
    import pandas  # noqa: F401
    import pytest  # noqa: F401
    from django.test.utils import setup_databases

    setup_databases(verbosity=0, interactive=False, keepdb=True)
    from django.db import connections

    connections.close_all()


def mutate(name: str, every: int, kinds: list[str], seconds: float) -> dict:
    from tests.mutation.mutants import mutants

    target = TARGETS[name]
    counted: Counter = Counter()
    survivors = []
    began = time.monotonic()
    first = target.modules[0]
    if verdict(first, (ROOT / first).read_text(encoding="utf-8"), target.tests, 900) != SURVIVED:
        raise SystemExit(f"{name}: the tests fail without any mutant")
    limit = max(20, 10 * (time.monotonic() - began))
    number = 0
    for path in target.modules:
        for mutant in mutants((ROOT / path).read_text(encoding="utf-8")):
            number += mutant.kind in kinds
            if mutant.kind not in kinds or number % every:
                continue
            if time.monotonic() - began > seconds:
                counted["not tried"] += 1
                continue
            what = f"{path}:{mutant.line} {mutant.kind}: {mutant.what}"
            found = verdict(path, mutant.source, target.tests, limit)
            counted[f"{mutant.kind} {found}"] += 1
            if found == SURVIVED:
                survivors.append(what)
                print(what, flush=True)
    return {"target": name, "counted": dict(sorted(counted.items())), "survivors": survivors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="try every Nth mutant only")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="stop planting after this long, and say so"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("names", nargs="*", choices=[*TARGETS, []], default=list(TARGETS))
    given = parser.parse_args()
    set_up()
    results = [mutate(name, given.every, given.kinds, given.seconds) for name in given.names]
    for result in results:
        print(json.dumps({"target": result["target"], **result["counted"]}))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
