"""Latents of several images that move, over doubles of the kernels."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from skimage import data

from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.fused.moving import move_together
from inr.cnn.fit.fused.trainer import FusedFits
from inr.cnn.fit.trainer import PyramidFit
from inr.fit.steering import Aim, Steering
from tests.inr.cnn.fit.drawn import DEVICE, architecture
from tests.inr.cnn.fit.fused.doubles import take_doubles

IMAGES = [np.ascontiguousarray(data.astronaut()[y : y + 36, 150:190]) for y in (20, 60)]
SHAPE = architecture(3, 40, 36, 3)
SETTINGS = PyramidSettings(400)  # with 32 trials
LAMBDA = 1e-3
EXPONENTS = [[6] * len(SHAPE.matrices)] * 2
HIDDEN = np.arange(40) > np.full((36, 1), 30)


def begun(
    monkeypatch: pytest.MonkeyPatch, visible: np.ndarray | None, aims: Sequence[Aim | None] = (None, None)
) -> FusedFits:
    take_doubles(monkeypatch)
    fits = FusedFits(
        IMAGES,
        SHAPE,
        SETTINGS,
        rd_lambdas=[LAMBDA] * 2,
        seeds=[3, 4],
        device=torch.device(DEVICE),
        visible=[visible, None],
        aims=aims,
    )
    fits.latents.copy_(torch.randn(fits.latents.shape, generator=torch.Generator().manual_seed(0)).round())
    return fits


@pytest.mark.parametrize("visible", [None, ~HIDDEN])
def test_each_image_moves_as_it_does_alone_on_a_cpu(
    visible: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = begun(monkeypatch, visible)
    before, seen = fits.latents.clone(), []

    def on_report(step: int) -> bool:
        seen.append((step, fits.costs.tolist()))
        return True

    assert move_together(fits, EXPONENTS, [NetworkWeights(SHAPE) for _ in IMAGES], on_report)
    assert [step for step, _ in seen] == [400, 400]
    for late, early in zip(seen[1][1], seen[0][1], strict=True):
        assert late < early
    for n, (pixels, shown) in enumerate(zip(IMAGES, (visible, None), strict=True)):
        steering = Steering(LAMBDA, None)
        alone = PyramidFit(pixels, SHAPE, SETTINGS, PlainLosses(SHAPE), steering, 0, lambda _: True, shown)
        alone.latents.requires_grad_(False).copy_(before[n])
        assert alone.move_latents(EXPONENTS[n])
        assert torch.equal(alone.latents, fits.latents[n].cpu())
        assert int((alone.latents != before[n]).sum()) > 10


def test_one_image_moves_towards_its_aim_as_it_does_alone_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other has none, and its latents move for the cost alone."""
    aims = [Aim(mse=1e-4), None]
    fits = begun(monkeypatch, None, aims)
    before = fits.latents.clone()
    assert move_together(fits, EXPONENTS, [NetworkWeights(SHAPE) for _ in IMAGES], lambda _: True)
    for n, pixels in enumerate(IMAGES):
        steering = Steering(LAMBDA, aims[n])
        alone = PyramidFit(pixels, SHAPE, SETTINGS, PlainLosses(SHAPE), steering, 0, lambda _: True)
        alone.latents.requires_grad_(False).copy_(before[n])
        assert alone.move_latents(EXPONENTS[n])
        assert float((alone.latents != fits.latents[n].cpu()).float().mean()) < 0.01


def test_fits_end_at_a_report_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = begun(monkeypatch, None)
    seen: list[int] = []

    def on_report(step: int) -> bool:
        seen.append(step)
        return len(seen) < 2

    assert not move_together(fits, EXPONENTS, [NetworkWeights(SHAPE) for _ in IMAGES], on_report)
    assert len(seen) == 2
