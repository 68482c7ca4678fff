"""The numbers of the house: rooms, arrows between them, long functions, loose types, tests over source.

    python -m benchmarks.structure --against ../before --out benchmarks/results/structure

The source is read as text only, so that a checkout of any age can be measured. `RULES` states what counts.
"""

import argparse
import ast
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from benchmarks import frame
from benchmarks.frame import table

ROOT = Path(__file__).parent.parent
FLOORS = ("inr", "tasks", "flows")
ROOMS_OF_TASKS = ("store", "originals", "catalogue", "plan", "steps", "report")
MAX_LINES, MAX_PARAMETERS, N_LONGEST = 40, 8, 3
LOOSE = "dict[str, Any]"
NO_CODE = ("COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER")
PRIVATE_PATCH = re.compile(
    r"""(?:setattr|setitem|delattr|delitem|patch(?:\.dict|\.object)?)\([^)]*["'.]_[A-Z][A-Z0-9_]*\b"""
    r"""|\w\._[A-Z][A-Z0-9_]*(?:\[[^]]*\])? = """
)
RULES = (
    "A room is a folder of modules; `__init__.py` is no source file of it. An arrow is an import, wherever "
    "in the code it stands, also under `TYPE_CHECKING`; each pair of modules, or of rooms, counts once.",
    f"An arrow runs back if it goes to a higher floor ({' < '.join(FLOORS)}) or, in `tasks`, to a later room "
    f"({' < '.join(ROOMS_OF_TASKS)}). A circle is a set of modules, or of rooms, that reach each other; for "
    "circles of rooms, arrows between a folder and one inside it are left out.",
    "Code lines have code on them: no comments, no docstrings, no blank lines. A function's are those from "
    "its `def` on; its parameters are all of them but `self` and `cls`.",
    f"`{LOOSE}` is counted where it is a type, not in text. A private patch changes a settings table of a "
    "module from outside: a name of capitals after an underscore, set or patched through its module.",
)


@dataclass(frozen=True)
class Result:
    """The numbers of this checkout and of others: by checkout, by what they are."""

    houses: Mapping[str, Mapping[str, float | str]]


@dataclass(frozen=True)
class Module:
    """A source file: its path in the checkout, its text and its syntax."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Its full name."""
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    @property
    def room(self) -> str:
        """Its folder."""
        return self.path.parent.as_posix()


def read_modules(root: Path, folders: Sequence[str]) -> list[Module]:
    """The modules below some folders of a checkout."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [Module(p.relative_to(root), text, ast.parse(text)) for p, text in zip(paths, texts, strict=True)]


def code_lines(module: Module) -> set[int]:
    """The numbers of the lines with code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(StringIO(module.text).readline):
        if tokenize.tok_name[token.type] not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            lines -= lines_of(node.body[0])
    return lines


def lines_of(node: ast.stmt) -> set[int]:
    """The numbers of the lines of a statement."""
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def functions(module: Module) -> Iterator[tuple[int, int]]:
    """Code lines and parameters of each function."""
    lines = code_lines(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
            n_parameters = len(names - {"self", "cls"}) + bool(given.vararg) + bool(given.kwarg)
            yield len(lines & lines_of(node)), n_parameters


def arrows(modules: Sequence[Module]) -> set[tuple[str, str]]:
    """Pairs of modules of which the first imports the second, by name; no import here is relative."""
    known = {module.name for module in modules}
    found = set()
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                named = {alias.name for alias in node.names} & known
            elif isinstance(node, ast.ImportFrom):
                members = {f"{node.module}.{alias.name}" for alias in node.names} & known
                named = members or {str(node.module)} & known
            else:
                continue
            found |= {(module.name, name) for name in named - {module.name}}
    return found


def circles(edges: set[tuple[str, str]]) -> int:
    """Count the sets of nodes that reach each other along the edges."""
    reached = {start: {end for begin, end in edges if begin == start} for start, _ in edges}
    for via, beyond in reached.items():
        for ends in reached.values():
            ends |= beyond if via in ends else set()
    return len(
        {frozenset(n for n in reached if n in reached[m] and m in reached[n]) for m in reached}
        - {frozenset()}
    )


def _runs_back(edge: tuple[str, str]) -> bool:
    start, end = (room.split("/") for room in edge)
    if start[0] != end[0]:
        return FLOORS.index(start[0]) < FLOORS.index(end[0])
    both_known = len(start) > 1 and len(end) > 1 and {start[1], end[1]} <= set(ROOMS_OF_TASKS)
    return both_known and ROOMS_OF_TASKS.index(start[1]) < ROOMS_OF_TASKS.index(end[1])


def n_loose(modules: Sequence[Module]) -> int:
    """Count the types that are `LOOSE`."""
    nodes = (node for module in modules for node in ast.walk(module.tree))
    return sum(isinstance(node, ast.Subscript) and ast.unparse(node) == LOOSE for node in nodes)


def look(root: Path) -> dict[str, float | str]:
    """The numbers of a checkout; those that name no package are of `FLOORS` together."""
    source, tests, benchmarks = (read_modules(root, of) for of in (FLOORS, ["tests"], ["benchmarks"]))
    rooms = [module.room for module in source if module.path.name != "__init__.py"]
    largest = max(sorted(set(rooms)), key=rooms.count)
    room_of = {module.name: module.room for module in source}
    between_modules = arrows(source)
    between = {(room_of[a], room_of[b]) for a, b in between_modules if room_of[a] != room_of[b]}
    beside = {(a, b) for a, b in between if not (f"{a}/".startswith(f"{b}/") or f"{b}/".startswith(f"{a}/"))}
    sizes = [size for module in source for size in functions(module)]
    lines = dict.fromkeys((*FLOORS, "tests", "benchmarks"), 0)
    for module in (*source, *tests, *benchmarks):
        lines[module.path.parts[0]] += len(code_lines(module))
    longest = sorted(source, key=lambda module: -module.text.count("\n"))[:N_LONGEST]
    return {
        "source files": len(rooms),
        "rooms": len(set(rooms)),
        "the largest room": f"{largest}: {rooms.count(largest)} files",
        "arrows between modules": len(between_modules),
        "arrows between rooms": len(between),
        "of them, back": sum(map(_runs_back, between)),
        "circles of modules": circles(between_modules),
        "circles of rooms": circles(beside),
        "functions": len(sizes),
        f"of them, over {MAX_LINES} code lines": sum(n_lines > MAX_LINES for n_lines, _ in sizes),
        f"of them, over {MAX_PARAMETERS} parameters": sum(n > MAX_PARAMETERS for _, n in sizes),
        **{f"code lines of {folder}": n for folder, n in lines.items()},
        "code lines of tests over source": round(lines["tests"] / sum(lines[floor] for floor in FLOORS), 3),
        f"`{LOOSE}` in {', '.join(FLOORS)}": n_loose(source),
        f"`{LOOSE}` in benchmarks": n_loose(benchmarks),
        "private patches in tests and benchmarks": sum(
            len(PRIVATE_PATCH.findall(module.text)) for module in (*tests, *benchmarks)
        ),
        "longest files, in lines": ", ".join(f"{m.path} {m.text.count(chr(10))}" for m in longest),
    }


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments beyond those of every benchmark."""
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")


def measure(arguments: argparse.Namespace) -> Result:
    """Look at the checkouts."""
    others = {"the other": look(arguments.against.resolve())} if arguments.against else {}
    return Result({**others, "this": look(ROOT)})


def page(result: Result, _: argparse.Namespace) -> list[str]:
    """The lines of the page."""
    houses = result.houses.values()
    rows = [[name, *(str(house[name]) for house in houses)] for name in next(iter(houses))]
    return ["# The house in numbers", *(f"- {rule}" for rule in RULES), *table(("", *result.houses), rows)]


def main(words: Sequence[str] | None = None) -> None:
    """Look and write the result."""
    frame.run("benchmarks.structure", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()
