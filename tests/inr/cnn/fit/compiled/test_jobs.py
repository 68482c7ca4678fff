from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise

import numpy as np
import pytest

from inr.cnn.fit.compiled.jobs import Jobs, blocks
from tests.inr.networks import pyramid


def covered(spans: list[tuple[int, int]]) -> list[int]:
    return list(chain.from_iterable(range(*span) for span in spans))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (70, 33), (129, 130), (5, 8000), (300, 301)])
def test_jobs_take_every_row_of_every_grid_and_every_pixel_once(width: int, height: int) -> None:
    jobs = Jobs(pyramid(1, width, height, 7), None)
    for place, (n_rows, _) in enumerate(jobs.shapes):
        spans = [rows for at, *rows in jobs.of_context if at == place]
        assert covered([(top, bottom) for top, bottom in spans]) == list(range(n_rows))
        assert all(top % 2 == 0 for top, _ in spans)  # rows are taken in pairs
    assert covered(jobs.of_pixels) == list(range(width * height))
    assert covered(blocks(height)) == list(range(height))


def test_large_grids_are_cut_into_four_and_small_ones_are_not() -> None:
    jobs = Jobs(pyramid(1, 200, 200, 7), None)
    assert [sum(place == at for at, _, _ in jobs.of_context) for place in (0, 1, 2)] == [4, 2, 1]
    assert len(jobs.of_pixels) == 4
    assert [len(blocks(n)) for n in (1, 31, 32, 1000)] == [1, 1, 2, 4]


def test_a_part_is_a_view_of_its_grid() -> None:
    jobs = Jobs(pyramid(1, 9, 6, 5), None)
    latents = np.zeros(jobs.starts[-1], np.float32)
    for place, shape in enumerate(jobs.shapes):
        part = jobs.part(latents, place)
        assert part.shape == shape
        part += place + 1
    counts = [height * width for height, width in jobs.shapes]
    np.testing.assert_array_equal(latents, np.repeat(np.arange(len(counts)) + 1, counts))
    assert all(a < b for a, b in pairwise(jobs.starts))


@pytest.fixture(params=[None, 1, 3])
def pool(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor | None]:
    if request.param is None:
        yield None
        return
    with ThreadPoolExecutor(request.param) as running:
        yield running


def test_answers_come_in_order(pool: ThreadPoolExecutor | None) -> None:
    jobs = Jobs(pyramid(), pool)
    assert jobs.run(lambda n: n * n, range(50)) == [n * n for n in range(50)]
