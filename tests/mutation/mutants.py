"""One small error in a module at a time: a comparison, a condition, a number, a sign."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
SIGNS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """`source` is the module with one error in `line`; `kind` is comparison, condition, number or sign."""

    line: int
    kind: str
    what: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    tree = ast.parse(source)
    skipped = {id(node) for outer in ast.walk(tree) if is_told(outer) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        for kind, what, change, undo in changes(node):
            change()
            yield Mutant(getattr(node, "lineno", 0), kind, what, ast.unparse(tree))
            undo()


def is_told(node: ast.AST) -> bool:
    """Annotations and texts: what changes there changes nothing that runs."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def changes(node: ast.AST) -> Iterator[tuple]:
    if isinstance(node, ast.Compare):
        for place, old in enumerate(node.ops):
            for new in COMPARISONS[type(old)]:
                yield "comparison", f"{name(old)} -> {new.__name__}", *swap(node.ops, place, new())
    elif isinstance(node, ast.BoolOp):
        new = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "condition", f"{name(node.op)} -> {name(new)}", *replace(node, "op", new)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "condition", "not taken away", *replace(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.If | ast.IfExp):
        yield "condition", "if turned round", *replace(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.BinOp) and type(node.op) in SIGNS and not is_type(node):
        new_sign = SIGNS[type(node.op)]()
        yield "sign", f"{name(node.op)} -> {name(new_sign)}", *replace(node, "op", new_sign)
    elif isinstance(node, ast.Constant):
        yield from other_values(node)


def other_values(node: ast.Constant) -> Iterator[tuple]:
    if isinstance(node.value, bool):
        yield "condition", f"{node.value} -> {not node.value}", *replace(node, "value", not node.value)
    elif isinstance(node.value, int | float):
        yield "number", f"{node.value} -> {node.value + 1}", *replace(node, "value", node.value + 1)
    elif isinstance(node.value, str) and is_decimal(node.value):
        new = f"{float(node.value) + 0.1:.6g}"
        yield "number", f"{node.value!r} -> {new!r}", *replace(node, "value", new)


def is_decimal(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def is_type(node: ast.BinOp) -> bool:
    """`str | None` and its like, as far as they can be told from sets."""
    return isinstance(node.op, ast.BitOr) and any(
        (isinstance(part, ast.Constant) and part.value is None)
        or (
            isinstance(part, ast.Name)
            and part.id in {"str", "int", "float", "bool", "Decimal", "Operator", "User"}
        )
        for part in (node.left, node.right)
    )


def name(operator: ast.AST) -> str:
    return type(operator).__name__


def replace(node: ast.AST, field: str, new: object) -> tuple:
    old = getattr(node, field)
    return (lambda: setattr(node, field, new)), (lambda: setattr(node, field, old))


def swap(items: list, place: int, new: object) -> tuple:
    old = items[place]
    return (lambda: items.__setitem__(place, new)), (lambda: items.__setitem__(place, old))
