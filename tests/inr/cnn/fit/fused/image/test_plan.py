import math

import pytest
import torch

from inr.cnn.fit.fused.image.plan import N_DOUBLING, N_RESIDUAL, N_SYNTHESIS, ImagePlan
from tests.inr.networks import small


def test_stacks_and_parts_lie_one_after_another() -> None:
    shape = small(3, 37, 29, 5)
    plan = ImagePlan(shape, torch.device("cpu"), "tf32")
    sizes = [height * width for height, width in shape.grid_shapes]
    assert plan.latents_starts == [sum(sizes[:n]) for n in range(6)]
    stacks = [(5 - n) * size for n, size in enumerate(sizes[:4])]
    assert [level.stack_start for level in plan.levels] == [sum(stacks[:n]) for n in range(4)]
    assert plan.stacks_size == sum(stacks)
    assert plan.shapes == list(shape.matrices.values())[6:]


def test_a_level_of_many_blocks_takes_planes_together() -> None:
    levels = ImagePlan(small(3, 1000, 600, 7), torch.device("cpu"), "tf32").levels
    assert levels[0].n_together > 1
    assert levels[0].n_doubling_back < levels[0].n_planes * levels[0].n_blocks
    assert levels[0].n_doubling_back >= N_DOUBLING
    assert levels[-1].n_together == 1


@pytest.mark.parametrize("n_images", [1, 3])
def test_parts_of_all_matrices_are_added_once(n_images: int) -> None:
    shape = small(3, 70, 45, 3)
    plan = ImagePlan(shape, torch.device("cpu"), "tf32")
    sums = plan.sums(n_images)
    assert plan.sums(n_images) is sums
    assert 1 <= sums.n_synthesis <= N_SYNTHESIS
    assert 1 <= sums.n_residual <= N_RESIDUAL
    table = sums.matrices.tolist()
    assert sum(n_columns for _, _, _, n_columns, _, _ in table) == sum(map(math.prod, plan.shapes))
    targets = [target for *_, target, _ in table]
    assert targets == sorted(set(targets))
    assert (
        max(start + (rows - 1) * stride + columns for start, rows, stride, columns, *_ in table)
        == sums.starts[-1]
    )
    assert len(sums.taps) == 2 * len(plan.levels)


def test_an_image_of_one_level_has_no_stack() -> None:
    plan = ImagePlan(small(1, 5, 4, 1), torch.device("cpu"), "tf32")
    assert (plan.levels, plan.stacks_size, plan.n_tap_parts) == ([], 0, 0)
