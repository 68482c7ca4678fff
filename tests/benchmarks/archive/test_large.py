from pathlib import Path

import numpy as np
import pytest

from benchmarks.archive.large import LAMBDA, WHOLE, Made, Piece, cost, main
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


def test_a_photograph_is_measured_as_a_whole_and_in_pieces(tmp_path: Path):
    photograph(24, 40, 3).save(tmp_path / "a.png")
    words = f"--images {tmp_path / 'a.png'} --widths 48 --pieces 2 1 --n-steps 50".split()
    words += ["--out", str(tmp_path / "page"), "--work", str(tmp_path / "work")]
    main(words)
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    whole, pieces = (line.split(" | ") for line in lines[-2:])
    assert (whole[0], pieces[0]) == ("| a", "| a, 2 x 1 pieces")
    assert all(float(row[n]) > 0 for row in (whole, pieces) for n in range(5, 11))
    assert whole[2:4] == ["50", str(n_cores())]
    assert pieces[2:4] == ["50", "1"]
    main(words)  # from the journal
    assert len((tmp_path / "work" / "large.jsonl").read_text(encoding="utf-8").splitlines()) == 3
