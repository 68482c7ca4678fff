import numpy as np
import pytest

from inr.cnn.arithmetic import SLOPE
from inr.cnn.context import walk_level
from inr.cnn.network import context_model
from tests.inr.networks import made_up_cnn, pyramid

CONTEXT = context_model(made_up_cnn(pyramid(1, 8, 8, 1, 4, 4, 0), seed=1).weights)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 1), (4, 2), (5, 13)])
def test_every_latent_is_visited_once_after_all_that_its_law_needs(height: int, width: int) -> None:
    order = np.full((height, width), -1)

    def visit(rows: np.ndarray, columns: np.ndarray, law: np.ndarray, whole: np.ndarray) -> np.ndarray:
        assert (order[rows, columns] == -1).all()
        assert len({int(x + SLOPE * y) for y, x in zip(rows, columns, strict=True)}) == 1
        assert (np.diff(rows) > 0).all()
        order[rows, columns] = order.max() + 1
        return np.zeros(len(rows), np.int32)

    walk_level(CONTEXT, height, width, visit)
    assert (order >= 0).all()
    for y in range(height):
        for x in range(width):
            assert x == 0 or order[y, x - 1] < order[y, x]
            assert y == 0 or (order[y - 1, max(0, x - 2) : x + 3] < order[y, x]).all()


def test_latents_are_those_that_the_caller_gave() -> None:
    wanted = np.random.default_rng(0).integers(-50, 51, (6, 11)).astype(np.int16)
    found = walk_level(
        CONTEXT, 6, 11, lambda rows, columns, law, whole: wanted[rows, columns].astype(np.int32)
    )
    np.testing.assert_array_equal(found, wanted)
