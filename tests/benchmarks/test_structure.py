"""The numbers of small houses that are made here."""

from pathlib import Path

import pytest

from benchmarks.structure import circles, look, main

HOUSE = {
    "inr/__init__.py": "",
    "inr/decoder.py": "import inr.cnn.network\n",
    "inr/config.py": "from typing import Any\nx: dict[str, Any] = {}\n",
    "inr/cnn/network.py": "from inr import config\n",
    "tasks/store/folder.py": "if TYPE_CHECKING:\n    from tasks.report.page import Page\n",
    "tasks/report/page.py": "from tasks.store.folder import Folder\nfrom inr.config import x\n",
    "flows/run.py": '''"""A docstring."""

from tasks.report import page  # a comment


def many(self, a, b, c, d, e, f, g, *, h, i):
    """A docstring
    of two lines.
    """
    return (
        a
    )
''',
}
TABLE = "_STEPS"  # so that this text is no patch itself


def build(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_rooms_and_arrows_between_them(tmp_path: Path) -> None:
    house = look(build(tmp_path, HOUSE))
    assert (house["source files"], house["rooms"], house["the largest room"]) == (6, 5, "inr: 2 files")
    assert (house["arrows between modules"], house["arrows between rooms"]) == (6, 6)
    assert house["of them, back"] == 1  # the store knows the report
    assert house["circles of modules"] == 1  # the store and the report
    assert house["circles of rooms"] == 1  # a folder and what it holds are none


def test_a_floor_that_imports_a_higher_one_runs_back(tmp_path: Path) -> None:
    house = look(build(tmp_path, {"inr/a.py": "def f():\n    import tasks.b", "tasks/b.py": ""}))
    assert (house["arrows between rooms"], house["of them, back"]) == (1, 1)


def test_code_lines_are_those_with_code(tmp_path: Path) -> None:
    files = {**HOUSE, "tests/test_a.py": "# nothing\nx = 1\n", "benchmarks/b.py": "d: dict[str, Any]\n"}
    house = look(build(tmp_path, files))
    assert house["code lines of flows"] == 5
    assert house["code lines of tests over source"] == round(1 / 13, 3)
    assert (house["`dict[str, Any]` in inr, tasks, flows"], house["`dict[str, Any]` in benchmarks"]) == (1, 1)


def test_long_functions_and_those_of_many_parameters(tmp_path: Path) -> None:
    long = "def f():\n" + "    x = 1\n" * 40
    house = look(build(tmp_path, {**HOUSE, "inr/long.py": f"{long}\n{long.replace('f()', 'g()')[:-10]}"}))
    assert (house["functions"], house["of them, over 40 code lines"]) == (3, 1)
    assert house["of them, over 8 parameters"] == 1


@pytest.mark.parametrize(
    ("line", "n_patches"),
    [
        (f"monkeypatch.setitem(presets.{TABLE}, 'draft', 150)", 1),
        (f"monkeypatch.setattr(presets, '{TABLE}', {{}})", 1),
        (f"with patch.dict('inr.presets.{TABLE}', draft=1): pass", 1),
        (f"presets.{TABLE}['draft'] = 1", 1),
        (f"presets.{TABLE} = 1", 1),
        (f"{TABLE} = 1", 0),
        (f"print(presets.{TABLE}['draft'])", 0),
        ("monkeypatch.setattr(module, 'LIMIT', 1)", 0),
        ("monkeypatch.setattr(module, '_ended', 1)", 0),
    ],
)
def test_patches_of_settings_tables_are_found(tmp_path: Path, line: str, n_patches: int) -> None:
    house = look(build(tmp_path, {"inr/a.py": "x = 1", "tests/test_a.py": line}))
    assert house["private patches in tests and benchmarks"] == n_patches


def test_circles_are_counted_once() -> None:
    assert circles({("a", "b"), ("b", "c")}) == 0
    assert circles({("a", "b"), ("b", "a"), ("b", "c")}) == 1
    assert circles({("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("y", "x"), ("a", "x")}) == 2


def test_the_page_puts_two_checkouts_side_by_side(tmp_path: Path) -> None:
    other = build(tmp_path / "before", HOUSE)
    main(["--against", str(other), "--out", str(tmp_path / "structure")])
    page = (tmp_path / "structure.md").read_text(encoding="utf-8")
    assert "|  | the other | this |" in page
    assert "| the largest room | inr: 2 files | " in page
