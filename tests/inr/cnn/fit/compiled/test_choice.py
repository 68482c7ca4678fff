import sys

import pytest
import torch

from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.compiled.choice import losses_of
from inr.cnn.fit.compiled.losses import CompiledLosses
from tests.inr.networks import pyramid


def test_a_cpu_takes_compiled_loops_and_leaves_torch_one_thread() -> None:
    before = torch.get_num_threads()
    with losses_of(pyramid()) as losses:
        assert isinstance(losses, CompiledLosses)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_who_asks_for_them_takes_plain_operations() -> None:
    with losses_of(pyramid(), plain=True) as losses:
        assert isinstance(losses, PlainLosses)


def test_without_numba_a_cpu_takes_plain_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inr.cnn.fit.compiled.losses", None)
    with losses_of(pyramid()) as losses:
        assert isinstance(losses, PlainLosses)
