from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.cnn_choices.trials import Run, fitted_prior, measured, read_images
from inr.cnn.prior import priors
from tests.inr.cnn.fit.drawn import DEVICE

pytestmark = pytest.mark.usefixtures("doubles")


def test_upright_images_are_turned(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:20, :30]).save(tmp_path / "wide.png")
    Image.fromarray(data.astronaut()[:30, :20]).save(tmp_path / "upright.png")
    found = read_images([tmp_path / "wide.png", tmp_path / "upright.png"])
    assert {name: pixels.shape for name, pixels in found.items()} == dict.fromkeys(found, (20, 30, 3))


@pytest.mark.parametrize("name", ["as chosen", "48 synthesis neurons"])
def test_every_image_and_seed_is_measured_on_its_file(name: str) -> None:
    [choice] = [choice for choice in CHOICES if choice.name == name]
    pixels = np.ascontiguousarray(data.astronaut()[20:36, 150:166])
    run = Run(
        images={"a": pixels}, crops=[pixels, pixels[:, ::-1].copy()], rd_lambda=1e-3, n_steps=8,
        n_prior_steps=2, seeds=range(2), device=DEVICE,
    )  # fmt: skip
    prior = fitted_prior(run, choice)
    assert prior.synthesis_neurons == (choice.synthesis_neurons or priors()[0].synthesis_neurons)
    found = measured(run, choice, prior)
    assert [(each.choice, each.image, each.seed) for each in found] == [(name, "a", 0), (name, "a", 1)]
    assert found[0].cost != found[1].cost
    for each in found:
        assert 0 < each.network_bytes < each.n_bytes < 3000
        assert each.cost > 1000 * 1e-3 * 8 * each.n_bytes / 16**2
        assert each.encode_seconds > 0
