"""The grids of a pyramid, their order and their parents."""

import re
from pathlib import Path

import pytest

from inr.cnn.grids import HYPER_DEPTHS, MAX_LEVELS, coding_order, grids_of, kept_columns

PAGE = (Path(__file__).parents[3] / "inr" / "FORMAT.md").read_text()
EVERY_DEPTH = range(1, MAX_LEVELS + 1)


@pytest.mark.parametrize("n_levels", EVERY_DEPTH)
def test_levels_come_first_and_hyperlatents_as_deep_as_the_pyramid(n_levels: int) -> None:
    grids = grids_of(n_levels)
    assert [(grid.depth, grid.is_hyper) for grid in grids] == [
        *((depth, False) for depth in range(n_levels)),
        *((depth, True) for depth in HYPER_DEPTHS if depth < n_levels),
    ]
    assert len({grid.name for grid in grids}) == len(grids)


@pytest.mark.parametrize("n_levels", EVERY_DEPTH)
def test_a_grid_is_coded_after_all_of_its_parents(n_levels: int) -> None:
    order, grids = coding_order(n_levels), grids_of(n_levels)
    assert sorted(order) == list(range(len(grids)))
    for place, grid in enumerate(grids):
        assert set(grid.parents) == {n for n, other in enumerate(grids) if other.depth > grid.depth}
        assert all(order.index(parent) < order.index(place) for parent in grid.parents)
        assert list(grid.parents) == sorted(grid.parents)


@pytest.mark.parametrize("n_levels", EVERY_DEPTH)
def test_blocks_of_columns_lie_side_by_side(n_levels: int) -> None:
    end = 0
    for grid in grids_of(n_levels):
        assert grid.columns == slice(end, end + len(grid.parents) + 1)
        end = grid.columns.stop


def test_a_place_lies_within_every_parent() -> None:
    for height, width in ((1, 1), (17, 5), (64, 65), (127, 1000)):
        for grid in grids_of(MAX_LEVELS):
            rows, columns = grid.shape(height, width)
            for parent in (grids_of(MAX_LEVELS)[place] for place in grid.parents):
                halvings = parent.depth - grid.depth
                last = ((rows - 1) >> halvings, (columns - 1) >> halvings)
                assert (last[0] + 1, last[1] + 1) == parent.shape(height, width)


@pytest.mark.parametrize("most", EVERY_DEPTH)
def test_a_pyramid_keeps_the_columns_of_the_grids_that_it_has(most: int) -> None:
    def named(n_levels: int) -> list[tuple[str, str]]:
        grids = grids_of(n_levels)
        return [
            (grid.name, name)
            for grid in grids
            for name in (*(grids[n].name for n in grid.parents), "constant")
        ]

    for n_levels in range(1, most + 1):
        assert [named(most)[column] for column in kept_columns(n_levels, most)] == named(n_levels)


def test_the_page_shows_the_grids_of_six_levels() -> None:
    rows = re.findall(
        r"^\| (\d) \| (level|hyperlatents)[ \d]* \| (\d) \| ([\d ]+|none) \| ([\d to]+) \|$", PAGE, re.M
    )
    shown = []
    for grid in grids_of(6):
        first, last = grid.columns.start, grid.columns.stop - 1
        shown.append(
            (
                str(len(shown)),
                "hyperlatents" if grid.is_hyper else "level",
                str(grid.depth),
                " ".join(map(str, grid.parents)) or "none",
                f"{first} to {last}" if last > first else str(first),
            )
        )
    assert rows == shown
