"""Every requirement of docs/traceability.md names tests, and every test it names is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| ([A-Z]+-\d+) \| (.+?) \| (.+) \|$", re.M)


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_requirement_is_proven_by_a_test_that_is_there():
    rows = ROW.findall((ROOT / "docs/traceability.md").read_text(encoding="utf-8"))
    ids = [row[0] for row in rows]
    assert len(ids) > 20 and len(ids) == len(set(ids))
    for name, _, proofs in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", proofs)
        assert named, f"{name} names no test"
        for path, function in named:
            assert function in functions_of(ROOT / path), (
                f"{name} names {path}::{function}, which is not there"
            )
