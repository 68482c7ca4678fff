"""The choice between the two implementations of a decoder's arithmetic."""

import sys

import pytest

from inr.cnn import kernels, plain
from inr.cnn.operations import exact_operations


def test_compiled_loops_are_taken_where_numba_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exact_operations() is kernels
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "inr.compiling")
    monkeypatch.delitem(sys.modules, "inr.cnn.kernels")
    monkeypatch.delattr("inr.cnn.kernels")
    assert exact_operations.__wrapped__() is plain
