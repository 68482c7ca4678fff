from pathlib import Path
from typing import Any

import pytest

from benchmarks.journal import Job, append, read, run


def square(number: int, calls: Path) -> dict[str, Any]:
    with calls.open("a") as stream:
        stream.write(f"{number}\n")
    return {"square": number**2}


def prepare() -> None:
    """Nothing to prepare."""


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "points.jsonl"
    append(path, "λ=0.1", {"bpp": 0.5})
    append(path, "b", {"bpp": 0.25})
    assert read(path) == {"λ=0.1": {"bpp": 0.5}, "b": {"bpp": 0.25}}


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == {}


@pytest.mark.parametrize("kept", [1, 5, 20])
def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "points.jsonl"
    append(path, "a", {"bpp": 0.5})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:kept])
    append(path, "b", {"bpp": 0.25})
    assert read(path) == {"a": {"bpp": 0.5}, "b": {"bpp": 0.25}}


def test_a_run_measures_only_what_is_missing(tmp_path: Path) -> None:
    path, calls = tmp_path / "points.jsonl", tmp_path / "calls"
    append(path, "two", {"square": 4})
    append(path, "not asked for", {"square": -1})
    jobs = [Job(name, square, {"number": n, "calls": calls}) for n, name in ((2, "two"), (3, "three"))]
    expected = {"two": {"square": 4}, "three": {"square": 9}}
    assert run(jobs, path, n_workers=1, prepare=prepare) == expected
    assert run(jobs, path, n_workers=1, prepare=prepare) == expected
    assert calls.read_text() == "3\n"
    assert list(read(path)) == ["two", "not asked for", "three"]
