import argparse
from dataclasses import replace

from benchmarks.archive.portable import Restored, Result, page

FIRST = Restored("1 thread", "2", "AVX2", 1, True, {"a": "1", "b": "2"}, {"a.png": "2"})
SECOND = replace(FIRST, condition="2 threads", n_threads=2, compiled=False, files={"a.png": "3"})


def test_a_different_pixel_is_counted():
    assert FIRST.n_equal(FIRST) == (2, 1)
    assert replace(FIRST, pixels={"a": "1", "b": "3"}).n_equal(FIRST) == (1, 1)
    assert replace(FIRST, pixels={"a": "1"}, files={}).n_equal(FIRST) == (1, 0)


def test_a_result_is_equal_only_if_every_restore_is():
    assert Result([FIRST, FIRST]).is_equal
    assert not Result([FIRST, FIRST, SECOND]).is_equal


def test_the_page_states_what_is_equal():
    lines = page(Result([FIRST, SECOND]), argparse.Namespace())
    assert "| 2 threads | 2 | AVX2 | 2 | plain | 2 of 2 | 0 of 1 |" in lines
