from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.cnn_choices.trials import OTHER, Trial, centre_crop
from inr.fit.threads import torch_threads


def trial(image: Path, choice: int, **changes: object) -> Trial:
    fields = {"image": image, "side": 32, "choice": choice, "rd_lambda": 1e-3, "n_steps": 30, "seed": 0}
    return Trial(**{**fields, "code": "abc", **changes})


def test_a_crop_is_the_middle_of_an_image() -> None:
    pixels = np.arange(5 * 8 * 3, dtype=np.uint8).reshape(5, 8, 3)
    np.testing.assert_array_equal(centre_crop(pixels, 3), pixels[1:4, 2:5])
    np.testing.assert_array_equal(centre_crop(pixels, 6), pixels[:, 1:7])
    np.testing.assert_array_equal(centre_crop(pixels, 9), pixels)


def test_a_key_names_all_that_a_result_depends_on() -> None:
    one = trial(Path("a.png"), 0)
    others = [
        *(trial(Path("b.png"), 0), trial(Path("a.png"), 1), trial(Path("a.png"), len(CHOICES))),
        *(trial(Path("a.png"), 0, **{name: 7}) for name in ("side", "rd_lambda", "n_steps", "seed", "code")),
    ]
    assert len({one.key, *(other.key for other in others)}) == 1 + len(others)
    assert OTHER in others[2].key


@pytest.mark.parametrize("name", ["as chosen", "no filters", "8 synthesis neurons more"])
def test_a_fit_is_measured_on_its_file(tmp_path: Path, name: str) -> None:
    Image.fromarray(data.astronaut()[20:60, 150:190]).save(tmp_path / "a.png")
    [place] = [n for n, choice in enumerate(CHOICES) if choice.name == name]
    with torch_threads(1):
        found = trial(tmp_path / "a.png", place).measure()
    assert (found.choice, found.image, found.seed) == (name, "a", 0)
    assert found.network_bytes is not None
    assert 0 < found.network_bytes < found.n_bytes < 3000
    least = 1000 * 1e-3 * 8 * found.n_bytes / 32**2
    assert least < found.cost < least + 30
    assert found.encode_seconds > 0
