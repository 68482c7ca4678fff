from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.journal import append, depends_on, entries, measured


@dataclass(frozen=True)
class Square:
    square: int


@dataclass(frozen=True)
class Number:
    key: str
    number: int
    calls: Path

    def measure(self) -> Square:
        with self.calls.open("a") as stream:
            stream.write(f"{self.number}\n")
        return Square(self.number**2)


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "points.jsonl"
    append(path, "λ=0.1", {"bpp": 0.5})
    append(path, "b", {"bpp": 0.25})
    assert entries(path) == {"λ=0.1": {"bpp": 0.5}, "b": {"bpp": 0.25}}


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert entries(tmp_path / "none.jsonl") == {}


@pytest.mark.parametrize("kept", [1, 5, 20])
def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "points.jsonl"
    append(path, "a", {"bpp": 0.5})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:kept])
    append(path, "b", {"bpp": 0.25})
    assert entries(path) == {"a": {"bpp": 0.5}, "b": {"bpp": 0.25}}


def test_only_what_is_missing_is_measured(tmp_path: Path) -> None:
    path, calls = tmp_path / "points.jsonl", tmp_path / "calls"
    append(path, "two", {"square": 4})
    append(path, "not asked for", {"square": -1})
    points = [Number("three", 3, calls), Number("two", 2, calls)]
    for _ in range(2):
        assert measured(points, Square, path) == [Square(9), Square(4)]
    assert calls.read_text() == "3\n"
    assert list(entries(path)) == ["two", "not asked for", "three"]


def test_names_of_what_a_point_depends_on_differ_with_each_part() -> None:
    assert len({depends_on("a", "b"), depends_on("b", "a"), depends_on("ab"), depends_on("a")}) == 4
