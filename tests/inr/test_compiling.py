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
