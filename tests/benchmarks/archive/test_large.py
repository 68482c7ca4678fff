import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.archive.large import LAMBDA, WHOLE, Made, Piece, Result, cost, main, page
from benchmarks.frame import n_cores
from tests.tasks.pictures import photograph


def made(n_pixels: int, n_bytes: int, mse: float) -> Made:
    return Made("a", (2, 1), n_pixels, 50, 1, 1.0, 1.0, 10, 1.0, 10, n_bytes, mse * n_pixels)


def test_the_cost_of_pieces_is_that_of_all_their_pixels():
    assert cost([made(1000, 125, 0.001)]) == pytest.approx(1000 * (0.001 + LAMBDA * 1))
    both = [made(1000, 125, 0.001), made(3000, 125, 0.005)]
    assert cost(both) == pytest.approx(1000 * (0.004 + LAMBDA * 0.5))


@pytest.mark.parametrize("grid", [WHOLE, (3, 2), (5, 1)])
def test_pieces_make_up_the_photograph(tmp_path: Path, grid: tuple[int, int]):
    file = tmp_path / "a.png"
    photograph(17, 23, 3).save(file)
    columns, rows = grid
    pieces = [Piece(file, 23, grid, n, None, 1, tmp_path).pixels() for n in range(columns * rows)]
    joined = [np.concatenate(pieces[row * columns : (row + 1) * columns], axis=1) for row in range(rows)]
    np.testing.assert_array_equal(np.concatenate(joined), np.asarray(photograph(17, 23, 3)))


def test_a_photograph_is_measured_in_processes_of_its_own(tmp_path: Path):
    photograph(24, 40, 3).save(tmp_path / "a.png")
    words = f"--images {tmp_path / 'a.png'} --widths 48 --n-steps 50".split()
    words += ["--out", str(tmp_path / "page"), "--work", str(tmp_path / "work")]
    main(words)
    whole = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()[-1].split(" | ")
    assert (whole[0], whole[2:4]) == ("| a", ["50", str(n_cores())])
    assert all(float(whole[n]) > 0 for n in range(5, 11))
    main(words)  # from the journal
    assert len((tmp_path / "work" / "large.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_pieces_of_a_photograph_are_one_row():
    whole = dataclasses.replace(made(4000, 500, 0.002), grid=WHOLE, n_threads=2)
    lines = page(Result([whole, made(1000, 125, 0.001), made(3000, 125, 0.005)]), argparse.Namespace())
    assert lines[-2:] == [
        "| a | 0.00 | 50 | 2 | 1 | 1 | 10 | 2500 | 1.0 | 10 | 1.0000 | 3.0000 |",
        "| a, 2 x 1 pieces | 0.00 | 50 | 1 | 2 | 2 | 10 | 10000 | 2.0 | 10 | 0.5000 | 4.5000 |",
    ]
