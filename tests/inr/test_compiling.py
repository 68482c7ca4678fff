import errno
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import caching

from inr.compiling import compiled


def twice(x: Any) -> Any:
    return x + x


def test_a_compiled_function_gives_what_the_plain_one_does() -> None:
    fast = compiled()(twice)
    np.testing.assert_array_equal(fast(np.arange(4)), twice(np.arange(4)))


def test_where_no_cache_can_be_written_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(twice)
    assert compiled()(twice)(4) == 8


LOOPS = """
from inr.compiling import compiled
from parts import FACTOR, TABLE, add

@compiled()
def combined(x):
    return add(x) * FACTOR + TABLE[1]
"""
PARTS = """
import numpy as np
from inr.compiling import compiled

FACTOR = 2
TABLE = np.array([0, 1])

@compiled()
def add(x):
    return x + 1
"""


def run(folder: Path, parts: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the loops give, imported anew, and how many functions were found on disk."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder / "cache"))
    for name, text in (("parts", parts), ("loops", LOOPS)):
        path = folder / f"{name}.py"
        path.write_text(text)
        module = ModuleType(name)
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(text, str(path), "exec"), module.__dict__)
    combined = sys.modules["loops"].combined
    return [combined(3), sum(combined.stats.cache_hits.values())]


def test_machine_code_is_taken_from_disk_until_anything_that_it_is_made_of_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(parts: str) -> list[int]:
        return run(tmp_path, parts, monkeypatch)

    assert found(PARTS) == [9, 0]
    assert found(PARTS) == [9, 1]
    assert found(PARTS.replace("FACTOR = 2", "FACTOR = 3")) == [13, 0]
    assert found(PARTS.replace("[0, 1]", "[0, 5]")) == [13, 0]
    assert found(PARTS.replace("x + 1", "x + 2")) == [11, 0]
    assert found(PARTS) == [9, 1]


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["empty", "half", "nonsense"])
def test_machine_code_that_is_damaged_on_disk_is_made_again(
    ending: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, PARTS, monkeypatch)
    for path in (tmp_path / "cache").rglob(f"*.{ending}"):
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "nonsense": b"nonsense"}[damage])
    assert run(tmp_path, PARTS, monkeypatch) == [9, 0]
    assert run(tmp_path, PARTS, monkeypatch) == [9, 1]


def test_a_disk_that_is_full_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    fast = compiled()(twice)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(caching.os, "replace", full)
    assert fast(4) == 8
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def total(x: Any) -> Any:
    """More than a compiler takes into its callers by itself."""
    a, b, c, d = x[0], x[1], x[2], x[3]
    for n in range(x.size):
        a, b = np.sin(a) * x[n] + np.exp(b), np.cos(b) + np.log(2 + a * a)
        c, d = np.tan(c) * x[n] + np.exp(a), np.sqrt(1 + d * d) + np.log(3 + b * b)
        a, b = np.sin(a) * x[n] + np.exp(c), np.cos(d) + np.log(4 + a * c)
        c, d = np.tan(c) * x[n] + np.exp(a), np.sqrt(1 + b * d) + np.log(5 + b * d)
        for k in range(n):
            a, b = np.sin(b) * x[k] + np.exp(-a), np.cos(a) + np.log(6 + d * d)
            c, d = np.tan(d) * x[k] + np.exp(-c), np.sqrt(1 + c * c) + np.log(7 + a * a)
    return a + b + c + d


@pytest.mark.parametrize("fastmath", [False, True])
def test_a_function_is_a_part_of_those_that_call_it(
    fastmath: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else what a caller runs is its copy, or another one, by what else was compiled here before."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    part = compiled(fastmath=fastmath)(total)

    def whole(x: Any) -> Any:
        return part(x[1:]) + part(x[:-1]) - part(x[2:])

    outer = compiled(fastmath=fastmath)(whole)
    outer(np.linspace(0, 1, 9, dtype=np.float32))
    [code] = outer.inspect_llvm().values()
    calls = [line for line in code.splitlines() if " call " in line and "total" in line.partition("(")[0]]
    assert calls == []
