"""The parts of the program that makes priors which need no long fit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.prior import SIDE, architecture_of, detailed_crops, entry_of, write
from inr.cnn.network import largest_row_sum


@pytest.mark.parametrize("channels", [1, 3])
def test_the_integers_leave_as_much_room_again_for_what_files_add(channels: int) -> None:
    shapes = architecture_of(channels).matrices
    entry = entry_of([torch.randn(shape) for shape in shapes.values()], channels)
    assert list(entry["matrices"]) == list(shapes)
    for name, rows in entry["matrices"].items():
        assert max(sum(map(abs, row)) for row in rows) <= largest_row_sum(name) / 2 + len(rows[0])


def test_a_crop_is_the_most_detailed_of_several(tmp_path: Path) -> None:
    half = np.zeros((SIDE, 3 * SIDE), np.uint8)
    half[::2, SIDE:] = 255
    Image.fromarray(half).save(tmp_path / "half.png")
    [crop] = detailed_crops(tmp_path, channels=1)
    assert crop.shape == (SIDE, SIDE, 1)
    assert crop.mean() > 100


def test_a_row_of_a_matrix_is_a_line_of_the_file(tmp_path: Path) -> None:
    write([{"channels": 1, "matrices": {"a": [[1, -2], [3, 4]]}}], tmp_path / "priors.json")
    text = (tmp_path / "priors.json").read_text(encoding="utf-8")
    assert json.loads(text) == [{"channels": 1, "matrices": {"a": [[1, -2], [3, 4]]}}]
    assert "[1, -2],\n" in text
