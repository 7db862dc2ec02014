"""Let code with an error in it run in place of the sources, in this process alone."""

import gc
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType

ROOT = Path(__file__).parent.parent.parent
Functions = dict[str, list[FunctionType]]  # by the file they were written in


def loaded_functions() -> Functions:
    """Every function alive that was written in `studies`, wrapped ones and methods too."""
    found: Functions = defaultdict(list)
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename.startswith(str(ROOT / "studies")):
            found[one.__code__.co_filename].append(one)
    return found


def graft(functions: Functions, code: CodeType) -> None:
    """Give the loaded functions of a module the bodies they have in `code`, whoever holds them already."""
    bodies: dict[tuple, list[CodeType]] = defaultdict(list)
    for body in nested(code):
        bodies[key(body)].append(body)
    for function in functions[code.co_filename]:
        new = bodies.get(key(function.__code__), [])
        if len(new) == 1:  # two lambdas of one line cannot be told apart; they stand in no function's body
            function.__code__ = new[0]


def is_graftable(before: CodeType, after: CodeType) -> bool:
    """Whether every body takes the same names from around it; a function that lacks one cannot be given the body."""
    taken = [{key(body): body.co_freevars for body in nested(code)} for code in (before, after)]
    return all(taken[0][one] == taken[1][one] for one in taken[0].keys() & taken[1].keys())


def nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


class Planted(SourceFileLoader):
    """Loads one module from code given to it."""

    def __init__(self, name: str, path: str, code: CodeType):
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class Finder(MetaPathFinder):
    """Finds that module before its source is found."""

    def __init__(self, path: Path, code: CodeType):
        parts = path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.path, self.code = path, code

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name != self.name:
            return None
        loader = Planted(name, str(self.path), self.code)
        around = [str(self.path.parent)] if self.path.name == "__init__.py" else None
        return spec_from_file_location(name, self.path, loader=loader, submodule_search_locations=around)


def plant(path: Path, code: CodeType) -> None:
    """Let `code` be what an import of the module at `path` runs, from now on."""
    sys.meta_path.insert(0, Finder(path, code))


def forget(*packages: str) -> None:
    """Let these packages be imported again."""
    for name in list(sys.modules):
        if name.startswith(tuple(f"{package}." for package in packages)) or name in packages:
            del sys.modules[name]
