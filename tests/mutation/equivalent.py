"""Mutants that change nothing anybody could see: equivalent.toml lists them, each with its reason."""

import tomllib
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("equivalent.toml")


@cache
def listed() -> dict[tuple[str, str, str], str]:
    """(path, text of the line, what) -> reason."""
    if not LIST.exists():
        return {}
    rows = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutant"]
    return {(row["path"], row["line"], what): row["reason"] for row in rows for what in row["what"]}


def reason_of(path: str, line: str, what: str) -> str:
    """Why this mutant is equivalent, or "" where it is not known to be."""
    return listed().get((path, line, what), "")
