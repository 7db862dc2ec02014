"""One small error in a module at a time: a comparison, a condition, a number, a sign, a statement left out."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
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
KINDS = ("comparison", "condition", "number", "sign", "statement")
Change = tuple[str, str, Callable[[], object], Callable[[], object]]  # kind, what, do, undo


@dataclass(frozen=True)
class Mutant:
    """One error in `line`. `lines` are those of the statement it stands in; `function` is "" outside any.

    `number` counts the mutants of a module from 0, so that the same one can be made again.
    """

    number: int
    line: int
    kind: str
    what: str
    lines: range
    function: str


@dataclass(frozen=True)
class Place:
    """A node that runs, the lines of its statement, and the function whose body it stands in."""

    node: ast.AST
    lines: range
    function: str


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Every mutant of a module in turn: `tree` holds its error until the next is asked for.

    Of several of one line that would be told alike, the second ends with " #2", and so on.
    """
    number, told = 0, Counter[tuple[int, str]]()
    for place in list(places(tree)):
        for kind, what, do, undo in changes(place.node):
            do()
            line = getattr(place.node, "lineno", place.lines.start)
            told[line, what] += 1
            which = f" #{told[line, what]}" if told[line, what] > 1 else ""
            yield Mutant(number, line, kind, what + which, place.lines, place.function)
            undo()
            number += 1


def places(node: ast.AST, lines: range = range(0), function: str = "") -> Iterator[Place]:
    """Every node that can change what runs: no annotation, no docstring, no text with gaps (a message)."""
    for field, child in children(node):
        if field in ("annotation", "returns") or is_told(child):
            continue
        inside = function
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and field == "body":
            inside = f"{function}.{node.name}".lstrip(".")
        elif isinstance(node, ast.ClassDef):
            inside = function and f"{function}.{node.name}"
        is_apart = hasattr(child, "lineno") and isinstance(child, ast.stmt) | isinstance(node, COMPOUND)
        around = lines_of(child) if is_apart else lines
        yield Place(child, around, inside)
        yield from places(child, around, inside)


COMPOUND = ast.If | ast.For | ast.While | ast.With | ast.Match | ast.match_case | ast.ExceptHandler


def children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                yield field, one


def lines_of(node: ast.AST) -> range:
    """The lines of a simple statement or an expression; the first of one whose body has lines of its own."""
    has_body = isinstance(node, COMPOUND | ast.FunctionDef | ast.ClassDef | ast.Try)
    return range(node.lineno, (node.lineno if has_body else node.end_lineno) + 1)


def is_told(node: ast.AST) -> bool:
    """Messages, docstrings, and the two keywords that refuse a programmer's slip and no datum."""
    return (
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        or (isinstance(node, ast.keyword) and node.arg in ("frozen", "strict"))
    )


def changes(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for place, old in enumerate(node.ops):
            for new in COMPARISONS[type(old)]:
                yield "comparison", f"{name(old)} -> {new.__name__}", *swap(node.ops, place, new())
    elif isinstance(node, ast.BoolOp):
        new = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "condition", f"{name(node.op)} -> {name(new)}", *replace(node, "op", new)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "condition", "not taken away", *replace(node, "operand", negated(node.operand))
    elif isinstance(node, ast.If | ast.IfExp):
        yield "condition", "if turned round", *replace(node, "test", negated(node.test))
    elif isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        new_sign = SIGNS[type(node.op)]()
        yield "sign", f"{name(node.op)} -> {name(new_sign)}", *replace(node, "op", new_sign)
    elif isinstance(node, ast.Constant):
        yield from other_values(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom):
        yield (
            "statement",
            left_out(node),
            *replace(node, "value", ast.copy_location(ast.Constant(None), node)),
        )
    elif isinstance(node, ast.Raise):
        yield "statement", left_out(node), *replace(node, "__class__", ast.Pass)


def left_out(statement: ast.stmt) -> str:
    return f"left out: {ast.unparse(statement).splitlines()[0][:60]}"


def other_values(node: ast.Constant) -> Iterator[Change]:
    if isinstance(node.value, bool):
        yield "condition", f"{node.value} -> {not node.value}", *replace(node, "value", not node.value)
    elif isinstance(node.value, int | float):
        yield "number", f"{node.value} -> {node.value + 1}", *replace(node, "value", node.value + 1)
    elif isinstance(node.value, str) and is_decimal(node.value):
        new = f"{float(node.value) + 0.1:.6g}"
        yield "number", f"{node.value!r} -> {new!r}", *replace(node, "value", new)


def is_decimal(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def negated(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), node), node)


def name(operator: ast.AST) -> str:
    return type(operator).__name__


def replace(node: ast.AST, field: str, new: object) -> tuple:
    old = getattr(node, field)
    return (lambda: setattr(node, field, new)), (lambda: setattr(node, field, old))


def swap(items: list, place: int, new: object) -> tuple:
    old = items[place]
    return (lambda: items.__setitem__(place, new)), (lambda: items.__setitem__(place, old))
