import pytest
import torch

from inr.mlp.fit.muon import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 20, 8), (8, 20)])
def test_muon_steps_are_near_orthogonal(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_a_stack_moves_against_its_gradients_by_the_rate() -> None:
    group = torch.zeros(2, 6, 4)
    gradient = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    Muon([group]).step([gradient], 0.1)
    assert float((group * gradient).sum()) < 0
    assert 0.03 < float(torch.linalg.svdvals(group).max()) < 0.1 * 1.3 * (6 / 4) ** 0.5
