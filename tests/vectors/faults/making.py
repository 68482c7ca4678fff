"""One-line faults in the second decoder, made one at a time from its syntax tree.

A fault is what a programmer gets wrong: an edge, a bound, a rounding, a sign, a term, a check, an order. Each
has a name that says where it is and what the statement then reads, so that a list of names outlives edits of
other lines.
"""

import ast
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.vectors.faults.by_hand import BY_HAND, PRELUDE

SOURCE = Path(__file__).parents[2] / "reference_decoder.py"
TABLES = ("SCALE", "THRESHOLD", "DECAY", "FREQUENCY", "FALL", "QUARTER", "NEIGHBOURS", "SINE")
# The part of FORMAT.md that a function of the second decoder is.
SECTIONS = {
    **{"u8": "1", "varint": "varint", "signed": "signed", "section": "1", "_Bytes.end": "1"},
    **{"word": "6.1", "symbol": "6.1", "_RangeDecoder.__init__": "6.1", "_RangeDecoder.end": "6.5"},
    **{"_boundaries": "6.2", "_masses": "6.2", "_matrix": "6.3", "_phases": "6", "_offsets": "6.2"},
    **{"_check_frame": "1", "_check_planes": "1", "decode": "1", "_image": "1", "_metadata": "3"},
    **{"_mlp": "4", "_mlp_fields": "5"},
    **{"_amplitude_bits": "7.1", "_features": "7.2", "_sines": "7.3", "_mlp_pixels": "7.3 and 7.4"},
    **{"_shift": "shift", "_grids": "8", "_cnn": "8 to 10", "_matrix_fields": "9"},
    **{"_prior": "9.1", "_kept": "9.1", "_check_sums": "9.2", "_grid": "10.1 and 10.2", "_law": "10.2"},
    **{"_falling": "10.3", "_laplace_masses": "10.3", "_filtered": "11.1", "_doubled": "11.2"},
    **{"_stack": "11.1 and 11.2", "_two_layers": "11.3", "_layer": "11.3 and 11.4", "_residual": "11.4"},
    **{"_cnn_pixels": "11.4 and 11.5"},
}


@dataclass(frozen=True)
class Fault:
    """A decoder with one fault.

    Attributes:
        section: Of FORMAT.md.
        name: Where it is, and what the statement then reads.
        function: The function that it is in; empty where it is in none.
        source: Of the whole decoder.
    """

    section: str
    name: str
    function: str
    source: str


def _negated(node: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.USub(), node)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name), list(arguments), [])


def _plus(node: ast.expr, n: int) -> ast.expr:
    return ast.BinOp(node, ast.Add() if n > 0 else ast.Sub(), ast.Constant(abs(n)))


NEIGHBOURING: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.LtE, ast.GtE),
}


def _of_operation(node: ast.BinOp) -> Iterator[ast.expr]:
    left, right = node.left, node.right
    match node.op:
        case ast.Add():
            yield ast.BinOp(left, ast.Sub(), right)
            yield left
            yield right
        case ast.Sub():
            yield ast.BinOp(left, ast.Add(), right)
            yield left
        case ast.FloorDiv():
            yield from (_call(name, left, right) for name in ("_ceil", "_trunc", "_nearest"))
        case ast.Mod():
            yield left


def _of_call(node: ast.Call) -> Iterator[ast.expr]:
    called, arguments = ast.unparse(node.func), node.args
    match called:
        case "_clip":
            value, low, high = arguments
            yield value
            yield _call("np.maximum", value, low)
            yield _call("np.minimum", value, high)
        case "_shift":
            yield from (_call(name, *arguments) for name in ("_floor", "_even", "_half_down", "_half_away"))
            yield arguments[0]
        case "np.rint" | "round":
            yield from (_call(name, *arguments) for name in ("_half_up", "np.floor", "np.trunc"))
        case "min" | "max" if len(arguments) == 2:
            yield _call("max" if called == "min" else "min", *arguments)
            yield from arguments
        case "abs" | "np.abs" | "reversed":
            yield arguments[0]
        case "range" | "np.arange" if len(arguments) == 1:
            yield _call(called, _plus(arguments[0], -1))


def _of_expression(node: ast.expr) -> Iterator[ast.expr]:
    """The expressions that may stand in the place of one by mistake."""
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            yield ast.Constant(value + 1)
        case ast.BinOp():
            yield from _of_operation(node)
        case ast.Call():
            yield from _of_call(node)
        case ast.Compare():
            if any(
                isinstance(side, ast.Constant) and isinstance(side.value, str) for side in node.comparators
            ):
                return
            for n, op in enumerate(node.ops):
                sides = [node.left, *node.comparators]
                for other in NEIGHBOURING.get(type(op), ()):
                    yield ast.Compare(
                        node.left, [*node.ops[:n], other(), *node.ops[n + 1 :]], node.comparators
                    )
                if isinstance(op, ast.LtE | ast.GtE):  # the other side of the edge than its neighbour's
                    further = 1 if isinstance(op, ast.LtE) else -1
                    sides[n + 1] = _plus(sides[n + 1], further)
                    yield ast.Compare(sides[0], node.ops, sides[1:])
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            yield from node.values
        case ast.IfExp():
            yield node.body
            yield node.orelse
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.Attribute(attr="T"):
            yield node.value
        case ast.Tuple() | ast.List() if len(node.elts) > 1 and all(
            isinstance(each, ast.Constant) for each in node.elts
        ):
            for n in range(len(node.elts)):
                yield type(node)([*node.elts[:n], *node.elts[n + 1 :]], ast.Load())


def _places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Every place below a node where another node stands: its parent, the field, the index in it."""
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if (isinstance(child, ast.AST) and field not in ("returns", "annotation", "args", "ctx")) or (
                field == "args" and isinstance(node, ast.Call)
            ):
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and field == "left":
                    continue  # the base of a power
                yield node, field, index
                yield from _places(child)


def _put(parent: ast.AST, field: str, index: int | None, new: ast.AST) -> ast.AST:
    """Puts a node in a place; returns what was there."""
    if index is None:
        old = getattr(parent, field)
        setattr(parent, field, new)
    else:
        old = getattr(parent, field)[index]
        getattr(parent, field)[index] = new
    return old


def _instead_of(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.expr):
        yield from _of_expression(node)
    elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield ast.Pass()
    elif isinstance(node, ast.If):
        for constant in (True, False):
            yield ast.If(ast.Constant(constant), node.body, node.orelse)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions that a part of the page is, each with its key in `SECTIONS`."""
    for node in tree.body:
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef):
                long = f"{node.name}.{function.name}"
                for name in (long, function.name):
                    if name in SECTIONS:
                        yield name, function


def _text(statement: ast.AST) -> str:
    """A statement, or the first line of one that has others in it."""
    return ast.unparse(statement).split("\n")[0]


def _statements(function: ast.AST) -> Iterator[tuple[ast.AST, str, int]]:
    """Every statement of a function but definitions and docstrings: what it is in, the field, the index."""
    for node in ast.walk(function):
        for field in ("body", "orelse"):
            inside = getattr(node, field, None)
            for index, child in enumerate(inside if isinstance(inside, list) else []):
                if not isinstance(child, ast.FunctionDef | ast.Try | ast.Raise) and not (
                    isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
                ):
                    yield node, field, index


def _within(statement: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Places of the expressions of a statement, but not those of statements inside it."""
    for parent, field, index in _places(statement):
        if not isinstance(parent, ast.stmt) or parent is statement:
            child = getattr(parent, field)
            if not isinstance(child if index is None else child[index], ast.stmt):
                yield parent, field, index


def _of_functions(source: str) -> Iterator[Fault]:
    lines = source.splitlines()
    for name, function in _functions(ast.parse(source)):
        first = min([function.lineno, *(each.lineno for each in function.decorator_list)])
        above, below = lines[: first - 1], lines[function.end_lineno :]
        for body, field, at in list(_statements(function)):
            statement = getattr(body, field)[at]
            before = _text(statement)
            for place in [(body, field, at), *_within(statement)]:
                node = _put(*place, ast.Pass())
                _put(*place, node)
                for new in _instead_of(node):
                    _put(*place, new)
                    after, changed = _text(getattr(body, field)[at]), ast.unparse(function)
                    _put(*place, node)
                    if after != before:
                        changed = textwrap.indent(changed, " " * function.col_offset)
                        text = "\n".join([*above, changed, *below])
                        yield Fault(SECTIONS[name], f"{name}: {before}  →  {after}", name, text)


def _of_tables(source: str) -> Iterator[Fault]:
    for table in TABLES:
        one = "(row, column + 1)" if table == "NEIGHBOURS" else "np.nextafter(row, np.float32(9))"
        more = {
            "NEIGHBOURS": f"[{one} for row, column in [{table}[n]]]",
            "SINE": f"[{one} for row in [{table}[n]]]",
        }
        for where in ("0", f"len({table}) // 2", f"len({table}) - 1"):
            changed = more.get(table, f"[{table}[n] + 1]")
            fault = f"\n\nn = {where}\n{table} = {table}[:n] + {changed} + {table}[n + 1 :]\n"
            yield Fault("tables", f"{table}: entry {where}", "", source + fault)


def _by_hand(source: str) -> Iterator[Fault]:
    for section, old, new in BY_HAND:
        if source.count(old) < 1:
            raise ValueError(f"the second decoder has no {old!r} any more")
        what = " ; ".join(" ".join(text.split()) for text in (old, new)).replace(" ; ", "  →  ")
        function = re.findall(r"^ *def (\w+)", source[: source.index(old)], re.MULTILINE)[-1]
        part = "" if function in ("__init__", "end") else function
        yield Fault(section, f"by hand: {what}", part, source.replace(old, new, 1))


def faults(source: str | None = None) -> list[Fault]:
    """Every fault, in the order of the decoder; names are unique."""
    text = SOURCE.read_text(encoding="utf-8") if source is None else source
    makers: list[Callable[[], Iterator[Fault]]] = [
        lambda: _of_functions(text),
        lambda: _by_hand(text),
        lambda: _of_tables(text),
    ]
    found, seen, n_times = [], set[str](), Counter[str]()
    for fault in (fault for maker in makers for fault in maker()):
        if fault.source in seen:
            continue
        seen.add(fault.source)
        n_times[fault.name] += 1
        number = n_times[fault.name]
        name = fault.name if number == 1 else f"{fault.name}  ({number})"
        found.append(Fault(fault.section, name, fault.function, f"{PRELUDE}\n{fault.source}"))
    return found
