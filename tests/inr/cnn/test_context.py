import numpy as np
import pytest

from inr.cnn.arithmetic import NEIGHBOURS, PAD, SLOPE
from inr.cnn.context import PaddedPlane, fronts
from inr.cnn.network import context_model
from tests.inr.networks import made_up_cnn, pyramid

NETWORK = made_up_cnn(pyramid(2, 21, 18, 6), seed=1)
CONTEXT = context_model(NETWORK.shape, NETWORK.weights)
SIZES = [(1, 1), (1, 9), (7, 1), (4, 2), (7, 3), (5, 13)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_latent_is_visited_once_after_all_that_its_law_needs(height: int, width: int) -> None:
    order = np.full((height, width), -1)
    for n, (front, top, bottom) in enumerate(fronts(height, width)):
        rows = np.arange(top, bottom)
        columns = front - SLOPE * rows
        assert (order[rows, columns] == -1).all()
        order[rows, columns] = n
    assert (order >= 0).all()
    for y in range(height):
        for x in range(width):
            near = [(y + dy, x + dx) for dy, dx in NEIGHBOURS]
            inside = [order[p] for p in near if p[0] >= 0 and 0 <= p[1] < width]
            assert all(n < order[y, x] for n in inside)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_places_in_the_flat_plane_are_those_of_the_front(height: int, width: int) -> None:
    plane = PaddedPlane(height, width)
    plane.flat[:] = range(plane.flat.size)
    for front, top, bottom in fronts(height, width):
        rows = np.arange(top, bottom)
        expected = plane.inner[rows, front - SLOPE * rows]
        np.testing.assert_array_equal(plane.flat[plane.places(front, top, bottom)], expected)
    assert plane.padded.shape == (height + PAD, width + 2 * PAD)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_latents_are_those_that_the_caller_gave(height: int, width: int) -> None:
    wanted = PaddedPlane(height, width)
    wanted.inner[:] = np.random.default_rng(0).integers(-50, 51, (height, width))
    last = context_of_the_coarsest()
    found = last.walk(height, width, lambda where, law, whole: wanted.flat[where])
    np.testing.assert_array_equal(found, wanted.inner)


def context_of_the_coarsest():
    grids = [None] * len(NETWORK.levels)
    return CONTEXT.of_grid(len(grids) - 1, grids)


def test_a_grid_sees_its_block_and_its_parents() -> None:
    of_parents = NETWORK.weights["parents"].integers
    for place, grid in enumerate(NETWORK.shape.grids):
        context = CONTEXT.of_grid(place, NETWORK.levels)
        np.testing.assert_array_equal(context.weights[1], of_parents[:, grid.columns])
        parents = context.parents
        assert len(parents.starts) == len(grid.parents)
        for parent, start, width in zip(grid.parents, parents.starts, parents.widths, strict=True):
            plane = NETWORK.levels[parent]
            assert width == plane.shape[1]
            np.testing.assert_array_equal(parents.latents[start : start + plane.size], plane.reshape(-1))
        depths = [NETWORK.shape.grids[parent].depth - grid.depth for parent in grid.parents]
        assert parents.halvings.tolist() == depths
