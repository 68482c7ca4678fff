"""The house: floors, rooms and their order, and what each module may import.

The rules are read from the source, so that an import inside a function, or under ``if TYPE_CHECKING``, counts
as well. What must hold when the code runs is tried in a fresh interpreter.
"""

import ast
import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from inr.bitstream import FAMILIES

ROOT = Path(__file__).parent.parent
FLOORS = ("inr", "tasks", "flows")  # each imports those before it, and itself
MAX_FILES = 12  # of a folder
MAX_LINES = 320  # of a file
MAX_BODY_LINES = 40  # of a function

# Rooms from the ground up: each imports those before it in its list, and itself. A room that holds others
# stands for them. "" is what lies on a floor outside of its rooms.
ORDER = {
    **{f"inr.{family}": ("", "fit") for family in FAMILIES.values()},
    "inr.cnn.fit": ("common", "compiled", "fused", ""),
    "inr.cnn.fit.compiled": ("kernels", ""),
    "inr.cnn.fit.fused": ("context", "image", "weights", ""),
    "tasks": ("", "store", "originals", "catalogue", "plan", "steps", "upkeep", "report"),
    "tasks.originals": ("formats", ""),
    "tasks.report": ("", "html"),
    "flows": ("engine", "batches", "", "cli"),
}
# Not in `inr`: orchestration, storage, image files, the network, file paths and the clock.
FOREIGN_TO_INR = {
    *("prefect", "boto3", "botocore", "pyarrow", "fsspec", "duckdb", "pandas"),
    *("PIL", "imageio", "cv2", "skimage", "typer", "rich", "pydantic", "pydantic_settings"),
    *("socket", "ssl", "http", "urllib", "ftplib", "requests", "httpx", "aiohttp"),
    *("os", "pathlib", "shutil", "tempfile", "glob", "mmap", "subprocess"),
    *("time", "datetime", "sched", "timeit"),
}
# A library and the rooms, or the module, that import it.
IMPORTERS = {
    "constriction": {"inr.coding.coder"},
    "numba": {"inr.compiling"},
    "torch": {
        *("inr.fit", "inr.encoder", "inr.metrics", "tasks.steps", "flows"),
        *(f"inr.{family}.fit" for family in FAMILIES.values()),
    },
    "triton": {"inr.cnn.fit.fused"},
    "boto3": {"tasks.store"},
    "botocore": {"tasks.store"},
    "pyarrow": {"tasks.catalogue"},
    "duckdb": {"tasks.catalogue"},
    "PIL": {"tasks.originals", "tasks.report"},
    "imagecodecs": {"tasks.originals"},
    "prefect": {"flows"},
    "altair": {"tasks.report.html"},
    "jinja2": {"tasks.report.html"},
    "typer": {"flows.cli"},
    "rich": {"flows.cli"},
}
HOSTILE_INPUT = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_module_name(path): path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}
ROOMS = {name for name, path in SOURCES.items() if path.name == "__init__.py"}


def _origin(name: str, node: ast.ImportFrom, rooms: set[str]) -> str:
    """The module that ``from … import`` names, as an absolute name."""
    if not node.level:
        return node.module or ""
    parents = name.split(".") if name in rooms else name.split(".")[:-1]
    kept = parents[: len(parents) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def imports_of(name: str, source: str, modules: set[str], rooms: set[str]) -> set[str]:
    """Full names of the modules that module `name` imports, wherever in its source."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(name, node, rooms)
            members = {f"{origin}.{alias.name}" for alias in node.names}
            found.update(members & modules or {origin})
    return found


IMPORTS = {
    name: imports_of(name, path.read_text(encoding="utf-8"), set(SOURCES), ROOMS)
    for name, path in SOURCES.items()
}


def _top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def _is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def _modules_of(room: str) -> list[str]:
    return sorted(name for name in SOURCES if _is_in(name, room))


def room_in(name: str, floor: str) -> str | None:
    """The room of `floor` that a module is in, as `ORDER` names it; None for modules elsewhere."""
    if not _is_in(name, floor):
        return None
    below = name.removeprefix(floor).lstrip(".").split(".")[0]
    return below if f"{floor}.{below}" in ROOMS else ""


def reachable(start: str, imports: dict[str, set[str]]) -> set[str]:
    """Modules of the project that `start` imports, directly or through others, and itself."""
    seen, open_ = set(), [start]
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            open_.extend(imports[name] & imports.keys())
    return seen


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Modules that import each other in a circle."""
    reached = {name: reachable(name, imports) for name in imports}
    found = [{other for other in reached[name] if name in reached[other]} for name in imports]
    return [circle for circle in found if len(circle) > 1]


def _run(code: str) -> None:
    """Runs `code` in a fresh interpreter; fails with what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_rooms_are_found() -> None:
    assert {"inr.decoder", "inr.cnn.fit", "tasks.store", "flows.engine"} <= SOURCES.keys()
    for floor, rooms in ORDER.items():
        assert {f"{floor}.{room}" for room in rooms if room} <= ROOMS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b.c", {"a.b.c"}),
        ("from tasks import storage", {"tasks.storage"}),
        ("from tasks import storage, other", {"tasks.storage"}),
        ("from tasks.storage import ObjectStore", {"tasks.storage"}),
        ("from . import storage", {"tasks.storage"}),
        ("from .storage import ObjectStore", {"tasks.storage"}),
        ("def f():\n    import prefect", {"prefect"}),
        ("try:\n    import prefect\nexcept ImportError:\n    import boto3", {"prefect", "boto3"}),
        ("if TYPE_CHECKING:\n    import prefect", {"prefect"}),
    ],
)
def test_imports_are_read_from_source(source: str, expected: set[str]) -> None:
    modules = {"tasks", "tasks.storage", "tasks.verify"}
    assert imports_of("tasks.verify", source, modules, {"tasks"}) == expected


def test_reachable_follows_chains_and_circles_are_found() -> None:
    imports = {"a": {"b", "numpy"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert reachable("a", imports) == {"a", "b", "c"}
    assert circles(imports) == [{"a", "b", "c"}] * 3
    assert circles({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_floors_import_downwards_only(name: str) -> None:
    above = FLOORS[FLOORS.index(name.partition(".")[0]) + 1 :]
    assert not _top(IMPORTS[name]) & {*above, "benchmarks", "tests"}


@pytest.mark.parametrize("floor", ORDER)
def test_rooms_import_those_before_them_only(floor: str) -> None:
    order = ORDER[floor]
    backwards = {
        (name, imported)
        for name in _modules_of(floor)
        for imported in IMPORTS[name] & SOURCES.keys()
        if name != floor  # a package's own __init__ is no room
        and (there := room_in(imported, floor)) is not None
        and imported != floor
        and order.index(there) > order.index(room_in(name, floor) or "")
    }
    assert not backwards


def test_every_room_has_its_place() -> None:
    for floor, order in ORDER.items():
        assert {room_in(name, floor) for name in _modules_of(floor)} == set(order)


def test_families_do_not_know_each_other() -> None:
    families = [f"inr.{family}" for family in FAMILIES.values()]
    for family in families:
        others = [other for other in families if other != family]
        for name in _modules_of(family):
            assert not [i for i in IMPORTS[name] for other in others if _is_in(i, other)]


def test_arrows_between_rooms_go_one_way() -> None:
    """No room reaches itself through another; a module that lies on a floor is a room of its own."""

    def room_of(name: str) -> str:
        package = name if SOURCES[name].name == "__init__.py" else name.rpartition(".")[0]
        return name if package in FLOORS else package

    arrows: dict[str, set[str]] = {room_of(name): set() for name in SOURCES}
    for name, imported in IMPORTS.items():
        arrows[room_of(name)] |= {room_of(other) for other in imported & SOURCES.keys()} - {room_of(name)}
    assert circles(arrows) == []


def test_no_module_imports_itself_in_a_circle() -> None:
    assert circles(IMPORTS) == []


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_library_is_imported_in_its_place_only(library: str) -> None:
    importers = {name for name, imported in IMPORTS.items() if library in _top(imported)}
    assert importers
    assert not {name for name in importers if not any(_is_in(name, place) for place in IMPORTERS[library])}


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES.values()}))
def test_a_folder_holds_a_dozen_files_at_most(folder: Path) -> None:
    assert len(list(folder.glob("*.py"))) <= MAX_FILES


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_file_is_short(name: str) -> None:
    assert len(SOURCES[name].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def _functions(name: str) -> Iterator[ast.FunctionDef]:
    tree = ast.parse(SOURCES[name].read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _n_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body, its docstring aside."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_function_is_short(name: str) -> None:
    assert not {each.name: _n_lines(each) for each in _functions(name) if _n_lines(each) > MAX_BODY_LINES}


@pytest.mark.parametrize("name", sorted(SOURCES.keys() - ROOMS))
def test_a_modules_test_is_found_by_its_name(name: str) -> None:
    path = SOURCES[name].relative_to(ROOT)
    assert (ROOT / "tests" / path.with_name(f"test_{path.name}")).exists()


@pytest.mark.parametrize("name", _modules_of("inr"))
def test_the_codec_knows_no_prefect_network_path_or_clock(name: str) -> None:
    assert not _top(IMPORTS[name]) & FOREIGN_TO_INR


@pytest.mark.parametrize("name", _modules_of("inr"))
def test_the_codec_opens_no_file(name: str) -> None:
    calls = [node for node in ast.walk(ast.parse(SOURCES[name].read_text())) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if ast.unparse(call.func) in {"open", "torch.load", "np.load"}]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_nothing_is_unpickled(name: str) -> None:
    assert not _top(IMPORTS[name]) & HOSTILE_INPUT


def test_the_container_needs_only_the_standard_library() -> None:
    used = {top for name in reachable("inr.bitstream", IMPORTS) for top in _top(IMPORTS[name])}
    assert used <= {*sys.stdlib_module_names, "inr"}


def test_the_decoder_reaches_no_code_that_fits() -> None:
    reached = reachable("inr.decoder", IMPORTS)
    assert not {name for name in reached if "fit" in name.split(".")} | reached & {"inr.encoder"}
    assert "torch" not in {top for name in reached for top in _top(IMPORTS[name])}


@pytest.mark.parametrize("name", [name for name in _modules_of("inr") if name != "inr"])
def test_inside_the_codec_modules_are_named_by_their_own_name(name: str) -> None:
    """`from inr import encode` inside `inr` would hide an edge from the graph above."""
    imported = {
        alias.name
        for node in ast.walk(ast.parse(SOURCES[name].read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "inr"
        for alias in node.names
    }
    assert imported <= {"__version__"}


def test_every_public_name_resolves_and_stands_once() -> None:
    inr = importlib.import_module("inr")
    stub = ast.parse((ROOT / "inr" / "__init__.pyi").read_text())
    named = [alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(named) == sorted(inr.__all__) == sorted(set(named))
    for name in named:
        assert getattr(inr, name).__name__ == name
        assert name in dir(inr)


def test_every_error_of_the_codec_is_public() -> None:
    inr, errors = importlib.import_module("inr"), importlib.import_module("inr.errors")
    named = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert named <= set(inr.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    inr = importlib.import_module("inr")
    with pytest.raises(AttributeError, match="nothing"):
        inr.nothing  # noqa: B018


def test_decoding_loads_no_torch_nor_anything_of_the_archive() -> None:
    _run(
        """
        import sys
        from pathlib import Path
        import inr
        for name in ("rgb", "cnn_rgb"):
            inr.decode(Path(f"tests/vectors/{name}.inr").read_bytes())
        foreign = {"torch", "pandas", "pyarrow", "prefect", "PIL", "pydantic", "boto3", "duckdb", "rich"}
        loaded = {name.partition(".")[0] for name in sys.modules}
        assert not loaded & foreign, loaded & foreign
        assert not {name for name in sys.modules if name.startswith("inr") and "fit" in name.split(".")}
        """
    )


def test_the_light_modules_load_nothing_heavy() -> None:
    _run(
        """
        import sys
        import inr, inr.bitstream, inr.config, inr.errors, inr.search
        loaded = {"torch", "numpy", "constriction"} & sys.modules.keys()
        assert not loaded, loaded
        """
    )


def test_the_flows_load_no_duckdb_before_they_ask_it() -> None:
    """As a global of theirs it outlives a run, and complains of that in forty lines of the worker's log."""
    _run(
        """
        import sys
        import flows.archive, flows.batches.batch, flows.compact, flows.restore, flows.sweep, flows.verify
        assert not {name for name in sys.modules if "duckdb" in name.partition(".")[0]}
        """
    )


def test_the_codec_works_where_prefect_cannot_be_imported() -> None:
    _run(
        """
        import importlib.abc, sys

        class Blocked(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name.partition(".")[0] in {"prefect", "boto3", "pyarrow", "PIL"}:
                    raise ImportError(f"{name} is blocked")

        sys.meta_path.insert(0, Blocked())
        import inr
        for name in inr.__all__:
            getattr(inr, name)
        """
    )
