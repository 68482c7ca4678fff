"""Symbols of several images that settle in step, over doubles of the kernels."""

import numpy as np
import pytest
import torch
from skimage import data

from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.fused.settling import settle_together
from inr.cnn.fit.fused.trainer import FusedFits
from inr.cnn.fit.trainer import PyramidFit
from inr.fit.steering import Steering
from tests.inr.cnn.fit.drawn import DEVICE, architecture
from tests.inr.cnn.fit.fused.doubles import take_doubles

IMAGES = [np.ascontiguousarray(data.astronaut()[y : y + 9, 150:162]) for y in (20, 60)]
SHAPE = architecture(3, 12, 9, 2)
SETTINGS = PyramidSettings(600)  # of which 120 moves
LAMBDA = 1e-3
EXPONENTS = [[5] * len(SHAPE.matrices), [0, 0, *[6] * (len(SHAPE.matrices) - 2)]]


def begun(monkeypatch: pytest.MonkeyPatch) -> tuple[FusedFits, list[NetworkWeights]]:
    """Fits with latents drawn, and weights beside the prior's."""
    take_doubles(monkeypatch)
    fits = FusedFits(
        IMAGES,
        SHAPE,
        SETTINGS,
        rd_lambdas=[LAMBDA] * 2,
        seeds=[0, 1],
        device=torch.device(DEVICE),
        exact=True,
    )
    generator, found = torch.Generator().manual_seed(0), []
    fits.latents.copy_(torch.randn(fits.latents.shape, generator=generator).mul(2).round())
    for _ in IMAGES:
        weights = NetworkWeights(SHAPE)
        with torch.no_grad():
            for matrix in weights.matrices:
                matrix += 0.05 * torch.randn(matrix.shape, generator=generator)
        found.append(weights)
    return fits, found


def test_each_image_settles_as_it_does_alone_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fits, weights = begun(monkeypatch)
    alone = [
        PyramidFit(pixels, SHAPE, SETTINGS, PlainLosses(SHAPE), Steering(LAMBDA, None), 0, lambda _: True)
        for pixels in IMAGES
    ]
    for n, fit in enumerate(alone):
        with torch.no_grad():
            fit.latents.copy_(fits.latents[n])
            for matrix, mine in zip(fit.weights.matrices, weights[n].matrices, strict=True):
                matrix.copy_(mine)
        fit.latents.requires_grad_(False)
        assert fit.settle_symbols(EXPONENTS[n])
    seen: list[int] = []

    def on_report(step: int) -> bool:
        seen.append(step)
        return True

    assert settle_together(fits, EXPONENTS, weights, on_report)
    assert set(seen) == {600}
    for n, fit in enumerate(alone):
        moved = 0
        for place, matrix in enumerate(fit.weights.matrices):
            torch.testing.assert_close(weights[n].matrices[place], matrix, rtol=0, atol=1e-6)
            moved += int((matrix != NetworkWeights(SHAPE).matrices[place]).sum())
        assert moved > 100


def test_reports_say_what_the_best_symbols_cost_and_their_answer_ends_the_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits, weights = begun(monkeypatch)
    seen: list[torch.Tensor] = []

    def on_report(_: int) -> bool:
        seen.append(fits.costs)
        return len(seen) < 3

    assert not settle_together(fits, EXPONENTS, weights, on_report)
    first, second, third = seen
    assert bool((second < first).all())
    assert bool((third < second).all())
