"""The errors that are planted: what they change, and that each listed as equivalent still exists."""

import ast

import pytest

from tests.mutation.equivalent import listed
from tests.mutation.graft import ROOT, graft, is_graftable, loaded_functions
from tests.mutation.mutants import mutants

SOURCE = '''
"""Refuse 1 > 0."""
HIGH: int | None = 3


def refuse(value: float) -> None:
    if value > HIGH and not value == 7:
        raise ValueError(f"above {1 + 1}")
'''


def test_every_kind_of_error_is_planted_and_taken_back():
    tree = ast.parse(SOURCE)
    before = ast.unparse(tree)
    found = [(one.line, one.kind, one.what) for one in mutants(tree)]
    assert found == [
        (3, "number", "3 -> 4"),
        (7, "condition", "if turned round"),
        (7, "condition", "And -> Or"),
        (7, "comparison", "Gt -> GtE"),
        (7, "comparison", "Gt -> LtE"),
        (7, "condition", "not taken away"),
        (7, "comparison", "Eq -> NotEq"),
        (7, "number", "7 -> 8"),
        (8, "statement", "left out: raise ValueError(f'above {1 + 1}')"),
    ]
    assert ast.unparse(tree) == before


def test_an_error_in_a_function_takes_the_place_of_the_loaded_one():
    from studies.validation import reason_findings
    from studies.validation.limits import Limits

    path = ROOT / "studies" / "validation" / "corrections.py"
    tree, functions = ast.parse(path.read_text(encoding="utf-8")), loaded_functions()
    assert reason_findings("typo", Limits()) == []
    turned = next(one for one in mutants(tree) if one.function == "reason_findings" and "if" in one.what)
    assert turned.kind == "condition"
    graft(functions, compile(tree, str(path), "exec"))
    try:
        assert [one.rule for one in reason_findings("typo", Limits())] == ["R29"]
    finally:
        graft(functions, compile(path.read_text(encoding="utf-8"), str(path), "exec"))
    assert reason_findings("typo", Limits()) == []


def test_a_body_that_no_longer_takes_a_name_from_around_it_is_no_graft():
    whole = compile(
        "class A(B):\n    def tell(self):\n        super().tell()\n        return 1\n", "x.py", "exec"
    )
    without = compile("class A(B):\n    def tell(self):\n        pass\n        return 1\n", "x.py", "exec")
    assert is_graftable(whole, whole) and not is_graftable(whole, without)


@pytest.mark.parametrize("path", sorted({path for path, _, _ in listed()}))
def test_each_equivalent_is_one_of_the_mutants(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    lines = source.splitlines()
    planted = {(lines[one.line - 1].strip(), one.what) for one in mutants(ast.parse(source))}
    assert {(line, what) for at, line, what in listed() if at == path} <= planted
