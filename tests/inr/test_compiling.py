from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from inr.compiling import compiled


def twice(x: Any) -> Any:
    return x + x


def test_a_compiled_function_gives_what_the_plain_one_does() -> None:
    fast = compiled()(twice)
    np.testing.assert_array_equal(fast(np.arange(4)), twice(np.arange(4)))


def test_where_no_cache_can_be_written_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain_njit, asked = numba.njit, []

    def njit(*, cache: bool, **options: Any) -> Any:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return plain_njit(**options)

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled()(twice)(4) == 8
    assert asked == [True, False]


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
