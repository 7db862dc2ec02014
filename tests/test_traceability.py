"""Every requirement of docs/traceability.md names tests, and every test it names is there."""

import ast
import re
from pathlib import Path

from tests.support.traceability import TARGET, matrix, requirements

ROOT = Path(__file__).parent.parent


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_requirement_is_proven_by_a_test_that_is_there():
    found = requirements()
    assert len(found) > 45
    for name, told in found.items():
        assert told["requirement"] and told["supports"] and told["proofs"], f"{name} names no test"
        for proof in told["proofs"]:
            path, _, function = proof.partition("::")
            assert (ROOT / path).exists(), f"{name} names {path}, which is not there"
            assert not function or function in functions_of(ROOT / path), (
                f"{name} names {proof}, which is not there"
            )


def test_the_matrix_is_what_make_traceability_writes():
    assert TARGET.read_text(encoding="utf-8") == matrix(), "run make traceability"


PROOF = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
STANDS = ("met", "partly", "not met", "house", "n/a")
# How many requirements of levels 1 and 2 each chapter of ASVS 5.0.0 has: 70 and 183.
ASVS = {
    1: 27,
    2: 11,
    3: 19,
    4: 10,
    5: 9,
    6: 35,
    7: 18,
    8: 7,
    9: 7,
    10: 29,
    11: 14,
    12: 9,
    13: 13,
    14: 9,
    15: 13,
    16: 16,
    17: 7,
}


def test_every_requirement_of_asvs_says_how_it_stands_and_its_tests_are_there():
    text = (ROOT / "docs/asvs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)\.(\d+)\.(\d+) \| ([12]) \| ([^|]+) \| ([^|]+) \| (.+) \|$", text, re.M)
    numbers = [tuple(map(int, row[:3])) for row in rows]
    assert numbers == sorted(set(numbers))
    assert {chapter: sum(number[0] == chapter for number in numbers) for chapter in ASVS} == ASVS
    assert sum(row[3] == "1" for row in rows) == 70
    counted = ", ".join(f"{sum(row[5] == stands for row in rows)} {stands}" for stands in STANDS)
    assert f"Of {len(rows)}: {counted}." in text
    for row in rows:
        assert row[5] in STANDS and row[6].strip(), row
        for path, function in PROOF.findall(row[6]):
            assert (ROOT / path).exists() and (not function or function in functions_of(ROOT / path)), (
                row[:3],
                path,
                function,
            )
