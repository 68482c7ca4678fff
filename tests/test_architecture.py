"""The one direction, flows -> tasks -> inr, and what each module may import.

The rules are read from the source, so that an import inside a function counts as well; only blocks
under ``if TYPE_CHECKING`` are left out, since they never run. What must hold when the code runs is
tried in a fresh interpreter.
"""

import ast
import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("inr", "tasks", "flows")

# Not in `inr`: orchestration, storage, image files, the network, file paths and the clock.
FOREIGN_TO_INR = {
    *("prefect", "boto3", "botocore", "pyarrow", "fsspec", "duckdb", "pandas"),
    *("PIL", "imageio", "cv2", "skimage", "typer", "rich", "pydantic", "pydantic_settings"),
    *("socket", "ssl", "http", "urllib", "ftplib", "requests", "httpx", "aiohttp"),
    *("os", "pathlib", "shutil", "tempfile", "glob", "mmap", "subprocess"),
    *("time", "datetime", "sched", "timeit"),
}
SOLE_IMPORTERS = {
    "constriction": "inr.coding.coder",
    "boto3": "tasks.store.s3",
    "botocore": "tasks.store.s3",
    "duckdb": "tasks.catalogue.query",
    "pyarrow": "tasks.catalogue",
    "altair": "tasks.report.html.charts",
    "jinja2": "tasks.report.html.render",
}
HOSTILE_INPUT = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
PUBLIC = {
    *("encode", "decode", "inspect", "CodecConfig", "Metadata", "Limits"),
    *("Encoded", "Decoded", "Inspection", "Attempt", "Progress"),
    *("InrError", "ConfigError"),
    *("EncodeError", "FitDiverged", "DeadlineExceeded", "SelfCheckFailed"),
    *("BitstreamError", "BadMagic", "UnsupportedVersion", "Truncated", "TrailingData"),
    *("InvalidField", "ChecksumMismatch"),
}


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
PACKAGE_MODULES = {name for name, path in SOURCES.items() if path.name == "__init__.py"}


def _running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below `node`, less those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield other
                yield from _running_nodes(other)
            continue
        yield child
        yield from _running_nodes(child)


def _origin(name: str, node: ast.ImportFrom, packages: set[str]) -> str:
    """The module that ``from … import`` names, as an absolute name."""
    if not node.level:
        return node.module or ""
    parents = name.split(".") if name in packages else name.split(".")[:-1]
    kept = parents[: len(parents) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def imports_of(name: str, source: str, modules: set[str], packages: set[str]) -> set[str]:
    """Full names of the modules that module `name` imports, wherever in its source."""
    found: set[str] = set()
    for node in _running_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(name, node, packages)
            members = {f"{origin}.{alias.name}" for alias in node.names}
            found.update(members & modules or {origin})
    return found


IMPORTS = {
    name: imports_of(name, path.read_text(encoding="utf-8"), set(SOURCES), PACKAGE_MODULES)
    for name, path in SOURCES.items()
}


def _top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def _modules_of(package: str) -> list[str]:
    return sorted(name for name in SOURCES if name == package or name.startswith(f"{package}."))


def reachable(start: str, imports: dict[str, set[str]]) -> set[str]:
    """Modules of the project that `start` imports, directly or through others, and itself."""
    seen, open_ = set(), [start]
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            open_.extend(imports[name] & imports.keys())
    return seen


def _run(code: str) -> None:
    """Runs `code` in a fresh interpreter; fails with what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_packages_are_found() -> None:
    assert {"inr.decoder", "inr.mlp.fit.trainer", "inr.encoder", *SOLE_IMPORTERS.values()} <= SOURCES.keys()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a.b.c", {"a.b.c"}),
        ("from tasks import storage", {"tasks.store.locations"}),
        ("from tasks import storage, other", {"tasks.store.locations"}),
        ("from tasks.store.locations import ObjectStore", {"tasks.store.locations"}),
        ("from . import storage", {"tasks.store.locations"}),
        ("from .storage import ObjectStore", {"tasks.store.locations"}),
        ("def f():\n    import prefect", {"prefect"}),
        ("try:\n    import prefect\nexcept ImportError:\n    import boto3", {"prefect", "boto3"}),
        ("if TYPE_CHECKING:\n    import prefect", set()),
        ("if typing.TYPE_CHECKING:\n    import prefect\nelse:\n    import boto3", {"boto3"}),
    ],
)
def test_imports_are_read_from_source(source: str, expected: set[str]) -> None:
    modules = {"tasks", "tasks.store.locations", "tasks.steps.verify"}
    assert imports_of("tasks.steps.verify", source, modules, {"tasks"}) == expected


def test_reachable_follows_chains_and_cycles() -> None:
    imports = {"a": {"b", "numpy"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert reachable("a", imports) == {"a", "b", "c"}


@pytest.mark.parametrize(("package", "allowed"), [("inr", {"inr"}), ("tasks", {"inr", "tasks"})])
def test_imports_go_one_way(package: str, allowed: set[str]) -> None:
    outside = {*PACKAGES, "benchmarks", "tests"} - allowed
    assert {name: _top(IMPORTS[name]) & outside for name in _modules_of(package)} == {
        name: set() for name in _modules_of(package)
    }


@pytest.mark.parametrize("name", _modules_of("flows"))
def test_flows_import_no_test_or_benchmark(name: str) -> None:
    assert not _top(IMPORTS[name]) & {"benchmarks", "tests"}


@pytest.mark.parametrize("name", _modules_of("inr"))
def test_the_codec_knows_no_prefect_network_path_or_clock(name: str) -> None:
    assert not _top(IMPORTS[name]) & FOREIGN_TO_INR


@pytest.mark.parametrize("name", _modules_of("inr"))
def test_the_codec_opens_no_file(name: str) -> None:
    calls = [node for node in ast.walk(ast.parse(SOURCES[name].read_text())) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if ast.unparse(call.func) in {"open", "torch.load", "np.load"}]


@pytest.mark.parametrize(("library", "owner"), SOLE_IMPORTERS.items())
def test_a_library_has_one_importer(library: str, owner: str) -> None:
    importers = {name for name, imported in IMPORTS.items() if library in _top(imported)}
    assert {name for name in importers if not f"{name}.".startswith(f"{owner}.")} == set()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_nothing_is_unpickled(name: str) -> None:
    assert not _top(IMPORTS[name]) & HOSTILE_INPUT


def test_the_container_needs_only_the_standard_library() -> None:
    used = {top for name in reachable("inr.bitstream", IMPORTS) for top in _top(IMPORTS[name])}
    assert used <= {*sys.stdlib_module_names, "inr"}


def test_the_decoder_reaches_no_training_code() -> None:
    assert not reachable("inr.decoder", IMPORTS) & {"inr.mlp.fit.trainer", "inr.encoder"}


@pytest.mark.parametrize("name", [name for name in _modules_of("inr") if name != "inr"])
def test_inside_the_codec_modules_are_named_by_their_own_name(name: str) -> None:
    """`from inr import encode` inside `inr` would hide an edge from the graph above."""
    lazy = IMPORTS[name] & {"inr"}
    imported = {
        alias.name
        for node in ast.walk(ast.parse(SOURCES[name].read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "inr"
        for alias in node.names
    }
    assert not lazy or imported <= {"__version__"}


def test_the_public_surface() -> None:
    inr = importlib.import_module("inr")
    assert set(inr.__all__) == PUBLIC
    assert len(inr.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_resolves(name: str) -> None:
    inr = importlib.import_module("inr")
    assert getattr(inr, name).__name__ == name
    assert name in dir(inr)


def test_an_unknown_name_is_an_attribute_error() -> None:
    inr = importlib.import_module("inr")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        inr.nothing  # noqa: B018


def test_decoding_loads_no_training_code() -> None:
    _run(
        """
        import sys
        from inr import decode
        loaded = {"inr.mlp.fit.trainer", "inr.encoder"} & sys.modules.keys()
        assert not loaded, loaded
        """
    )


def test_the_light_modules_load_nothing_heavy() -> None:
    _run(
        """
        import sys
        import inr, inr.bitstream, inr.config, inr.errors
        loaded = {"torch", "numpy", "constriction"} & sys.modules.keys()
        assert not loaded, loaded
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
