"""docs/traceability.md from tests/traceability.toml: `python -m tests.support.traceability`, or `make traceability`."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "tests/traceability.toml"
TARGET = ROOT / "docs/traceability.md"
HEAD = """# Requirements and tests

What the record must hold, what of 21 CFR Part 11, OECD GLP and ALCOA+ that supports ([more](part-11-and-
glp.md)), and the tests that prove it. Written by `make traceability` from `tests/traceability.toml`; a test
fails when it is out of date, when a requirement names no test, or a test that is not there. All run on
SQLite and on PostgreSQL unless they are about one of the two.

| Id | Requirement | Supports | Proven by |
|---|---|---|---|
"""


def requirements() -> dict[str, dict]:
    return tomllib.loads(SOURCE.read_text(encoding="utf-8"))


def matrix() -> str:
    rows = [
        f"| {name} | {told['requirement']} | {'; '.join(told['supports'])} | "
        f"{', '.join(f'`{proof}`' for proof in told['proofs'])} |"
        for name, told in requirements().items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.write_text(matrix(), encoding="utf-8")
