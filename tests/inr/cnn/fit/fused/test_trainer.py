"""The trainer, mostly over doubles of the kernels (doubles.py), which have tests of their own."""

import math

import numpy as np
import pytest
import torch
from skimage import data

from inr.cnn.fit.common.noise import Noise
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.fused import latent_kernels, trainer
from inr.cnn.fit.fused.trainer import FusedFits
from inr.cnn.fit.trainer import PyramidFit, fit_pyramid
from inr.fit.steering import Steering
from tests.inr.cnn.fit.drawn import DEVICE
from tests.inr.cnn.fit.fused.doubles import PlainStep, take_doubles
from tests.inr.networks import small

IMAGES = [np.ascontiguousarray(data.astronaut()[y : y + 9, 150:162]) for y in (20, 60)]
SHAPE = small(3, 12, 9, 2)
LAMBDA = 1e-3


def begun(settings: PyramidSettings, n_images: int = 2, **given: object) -> FusedFits:
    return FusedFits(
        IMAGES[:n_images],
        SHAPE,
        settings,
        rd_lambdas=[LAMBDA] * n_images,
        seeds=range(n_images),
        device=torch.device(DEVICE),
        **given,
    )


def test_a_step_by_kernels_is_one_by_plain_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "FusedSoap", PlainStep)
    by_kernels = begun(PyramidSettings(10), 1, exact=True)
    take_doubles(monkeypatch)
    plain = begun(PyramidSettings(10), 1)
    for fits in (by_kernels, plain):
        fits.latents.copy_(torch.linspace(-2, 2, SHAPE.n_latents))
        fits.take_step(0)
    for name in ("costs", "bits", "mse", "latents", "weights", "by_weight"):
        mine, known = getattr(by_kernels, name), getattr(plain, name)
        torch.testing.assert_close(mine, known, rtol=1e-3, atol=1e-4 * float(known.abs().max()))


def test_fits_go_on_from_networks_by_the_last_of_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of these steps is that of a fit on a CPU, but for its noise, of which there is none here."""
    take_doubles(monkeypatch)
    monkeypatch.setattr(Noise, "draw", lambda *_: torch.zeros(SHAPE.n_latents))
    settings = PyramidSettings(20, report_steps=1, skipped=0.7, widest=0, narrowest=0)
    known = fit_pyramid(
        IMAGES[0], SHAPE, settings, rd_lambda=LAMBDA, seed=0, goes_on=lambda _: True, plain=True
    )
    assert known is not None
    fits, losses = begun(settings, begins=[known.network, None]), PlainLosses(SHAPE)
    one = PyramidFit(
        IMAGES[0], SHAPE, settings, losses, Steering(LAMBDA, None), 0, lambda _: False, None, known.network
    )
    torch.testing.assert_close(fits.latents[0].cpu(), one.latents.detach(), rtol=0, atol=0)
    assert not fits.latents[1].any()
    assert torch.equal(fits.weights[1], fits.known)
    steps: list[int] = []
    assert not fits.together(lambda step: steps.append(step) is not None)
    assert not one.together()
    assert steps == [settings.first_step + 1] == [13]
    torch.testing.assert_close(fits.latents[0].cpu(), one.latents.detach(), rtol=1e-3, atol=1e-4)
    flat = torch.cat([matrix.detach().flatten() for matrix in one.weights.matrices])
    assert float((fits.weights[0].cpu() - flat).abs().max()) < 2e-2


def test_steps_lower_the_cost_of_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    fits, costs, steps = begun(PyramidSettings(30, report_steps=9)), [], []

    def on_report(step: int) -> bool:
        costs.append(fits.costs.clone())
        steps.append(step)
        return True

    assert fits.together(on_report)
    assert steps == [9, 18, 27]
    assert bool((costs[-1] < 0.7 * costs[0]).all())
    torch.testing.assert_close(fits.costs, fits.mse + LAMBDA / 108 * fits.bits)


@pytest.mark.parametrize("last", [3, 9])
def test_fits_end_at_a_report_that_says_so(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    fits, steps = begun(PyramidSettings(12, tail_fraction=0.5, report_steps=3)), []

    def on_report(step: int) -> bool:
        steps.append(step)
        return step < last

    assert (fits.together(on_report) and fits.networks_alone(on_report)) is False
    assert steps == list(range(3, last + 1, 3))


def test_the_best_rounded_state_of_each_image_is_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    fits = begun(PyramidSettings(30, tail_fraction=0.4, check_steps=2, latent_rate=0.6, network_rate=0.1))
    seen: list[torch.Tensor] = []
    note_cost = fits._note_cost

    def noted() -> torch.Tensor:
        seen.append(fits.costs.clone())
        return note_cost()

    monkeypatch.setattr(fits, "_note_cost", noted)
    assert fits.together(lambda _: True)
    assert len(seen) == 3
    fits._best.fill_(math.inf)
    fits._look()  # at what was brought back
    torch.testing.assert_close(seen.pop(), torch.stack(seen).amin(0), rtol=1e-5, atol=0)
    fits.round_latents()
    assert torch.equal(fits.latents, fits.latents.round())
    seen.clear()
    assert fits.networks_alone(lambda _: True)
    assert len(seen) == 12
    bits, _, rounded = fits._weight_bits(fits.weights, fits.known, fits.factors, rounded=True)
    fits._evaluate(fits.latents, rounded)
    found = fits.costs + LAMBDA / 108 * bits
    torch.testing.assert_close(found, torch.stack(seen).amin(0), rtol=1e-5, atol=0)


def test_costs_of_exponents_are_those_of_a_fit_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    fits = begun(PyramidSettings(10))
    noise = torch.randn(fits.weights.shape, generator=torch.Generator().manual_seed(0))
    fits.weights += 0.05 * noise.to(DEVICE)
    fits.latents.copy_(torch.arange(SHAPE.n_latents) % 5 - 2)
    for number, exponents in ((0, [0, 5]), (5, [4, 0, 8])):
        found = fits.costs_of_exponents(number, exponents).cpu()
        for n, pixels in enumerate(IMAGES):
            losses, settings = PlainLosses(SHAPE), PyramidSettings(10)
            one = PyramidFit(pixels, SHAPE, settings, losses, Steering(LAMBDA, None), 0, lambda _: True)
            with torch.no_grad():
                one.latents.copy_(fits.latents[n])
                for matrix, mine in zip(one.weights.matrices, fits.matrices(fits.weights), strict=True):
                    matrix.copy_(mine[n])
                known = torch.tensor([one._cost(number, exponent) for exponent in exponents])
            torch.testing.assert_close(found[:, n], known, rtol=1e-4, atol=0)


def test_what_is_hidden_counts_in_the_last_channel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    visible = np.zeros((9, 12), bool)
    visible[:, 6:] = True
    fits = begun(PyramidSettings(10), visible=[visible, None])
    samples = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in IMAGES]).float() / 255
    samples[:, :2, :, :6] += 0.5
    fits._distortion(samples.contiguous().to(DEVICE))
    assert float(fits.mse[0]) == pytest.approx(0, abs=1e-9)
    assert float(fits.mse[1]) > 0.01


def test_a_row_for_each_step_says_how_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    settings = PyramidSettings(20, warmest=0.5, coldest=0.1, tail_fraction=0.5)
    rows = begun(settings)._schedule.cpu()
    assert rows.shape == (20, latent_kernels.N_COLUMNS)
    first = rows[0].tolist()
    assert first[latent_kernels.TEMPERATURE] == pytest.approx(0.5)
    assert first[latent_kernels.RATE] == pytest.approx(settings.latent_rate)
    assert first[latent_kernels.FIRST_CORRECTION] == pytest.approx(5)
    assert rows[5, latent_kernels.TEMPERATURE] == pytest.approx(0.3)
    assert not rows[10:, latent_kernels.RATE].any()
    of_tail = [settings.network_rate * settings.rate_of_tail(n / 10) for n in range(10)]
    assert rows[10:, latent_kernels.WEIGHTS_RATE].tolist() == pytest.approx(of_tail)
