import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.prior.__main__ import main
from benchmarks.prior.stages import STAGES
from inr.cnn.architecture import LatentPyramid
from inr.cnn.grids import MAX_LEVELS
from inr.cnn.network import largest_row_sum, row_sums
from inr.cnn.prior import NO_GAIN, read_priors


@pytest.mark.parametrize("channels", [1, 3])
def test_two_passes_over_two_crops_make_a_prior(
    channels: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crops, one = tmp_path / "crops", tmp_path / "one.json"
    crops.mkdir()
    for n in range(2):
        Image.fromarray(data.astronaut()[20 + 32 * n : 52 + 32 * n, 150:182]).save(crops / f"{n}.png")
    words = [
        "--rd-lambda",
        "0.002",
        "--channels",
        str(channels),
        "--passes",
        "2",
        "--threads",
        "1",
        "--side",
        "32",
    ]
    before = torch.get_num_threads()
    try:
        main(["fit", str(crops), *words, "--out", str(one)])
    finally:
        torch.set_num_threads(before)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        *("pass 1 of 2", "pass 2 of 2")
    ]
    main(["join", str(one), str(one), "--out", str(tmp_path / "priors.json")])
    text = (tmp_path / "priors.json").read_text(encoding="utf-8")
    assert json.loads(text) == 2 * json.loads(one.read_text(encoding="utf-8"))
    for known in read_priors(text):
        assert (known.channels, known.rd_lambda, known.n_levels) == (channels, 0.002, MAX_LEVELS)
        size = {"channels": channels, "width": 8, "height": 8, "n_levels": MAX_LEVELS, "gain": NO_GAIN}
        shape = LatentPyramid(prior=known, **size)
        assert {name: matrix.shape for name, matrix in known.matrices.items()} == shape.matrices
        for name, matrix in known.matrices.items():
            assert np.all(row_sums(shape, name, matrix) <= largest_row_sum(name))


def test_every_set_is_made_once_and_goes_on_from_the_one_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crops, out = tmp_path / "crops", tmp_path / "priors.json"
    crops.mkdir()
    for n in range(2):
        Image.fromarray(data.astronaut()[20 + 32 * n : 52 + 32 * n, 150:182]).save(crops / f"{n}.png")
    words = ["make", str(crops), "--side", "32", "--share-of-passes", "0.001", "--threads", "1"]
    words += ["--work", str(tmp_path / "work"), "--out", str(out)]
    before = torch.get_num_threads()
    try:
        main(words)
        first = capsys.readouterr().out
        (tmp_path / "work" / "rgb_0160.json").unlink()
        main(words)
    finally:
        torch.set_num_threads(before)
    assert first.count("pass 1 of 1") == len(STAGES)
    assert capsys.readouterr().out.splitlines()[0] == "rgb_0160: λ = 0.016, 3 channels"
    found = read_priors(out.read_text(encoding="utf-8"))
    assert [(known.channels, known.rd_lambda) for known in found] == [
        (stage.channels, stage.rd_lambda) for stage in STAGES
    ]
