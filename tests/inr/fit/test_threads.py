import pytest
import torch

from inr.fit.threads import torch_threads


@pytest.mark.parametrize("fails", [False, True])
def test_threads_are_as_before_afterwards(fails: bool) -> None:
    before = torch.get_num_threads()
    try:
        with torch_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert torch.get_num_threads() == before
