import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.prior.__main__ import main
from benchmarks.prior.stages import STAGES
from inr.cnn.architecture import LatentPyramid
from inr.cnn.grids import MAX_LEVELS
from inr.cnn.network import largest_row_sum, row_sums
from inr.cnn.prior import NO_GAIN, read_priors


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    folder = tmp_path / "crops"
    folder.mkdir()
    for n in range(2):
        Image.fromarray(data.astronaut()[20 + 16 * n : 36 + 16 * n, 150:166]).save(folder / f"{n}.png")
    return folder


@pytest.mark.parametrize("channels", [1, 3])
def test_steps_on_two_crops_make_a_prior(
    channels: int, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = tmp_path / "one.json"
    words = ["--rd-lambda", "0.002", "--channels", str(channels), "--steps", "11", "--side", "16"]
    main(["fit", str(crops), *words, "--device", "cpu", "--out", str(one)])
    lines = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["step 10 of 11", "step 11 of 11"]
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
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work, out = tmp_path / "work" / "share_of_0.001", tmp_path / "priors.json"  # a trial is kept apart
    words = ["make", str(crops), "--side", "16", "--share-of-steps", "0.001", "--device", "cpu"]
    words += ["--work", str(tmp_path / "work"), "--out", str(out)]

    def made() -> list[str]:
        main(words)
        lines = capsys.readouterr().out.splitlines()
        return [line.split(":")[0] for line in lines if "channels" in line]

    assert made() == [stage.name for stage in STAGES]
    found = read_priors(out.read_text(encoding="utf-8"))
    assert [(known.channels, known.rd_lambda) for known in found] == [
        (stage.channels, stage.rd_lambda) for stage in STAGES
    ]
    assert made() == []
    (work / "grey_0010.json").unlink()
    assert made() == ["grey_0010"]
    (work / "grey_0040.json").unlink()
    (work / "grey_0010.pt").unlink()
    assert made() == ["grey_0010", "grey_0040"]
    (work / "grey_0040.json").unlink()
    for name in ("grey_0010", "rgb_0010"):
        (work / f"{name}.pt").unlink()
    assert made() == ["rgb_0010", "grey_0010", "grey_0040"]
