import math

import pytest
import torch
import triton
import triton.language as tl

from inr.cnn.fit.common.plain_losses import soft_round
from inr.cnn.fit.fused import latent_kernels as kernels
from inr.cnn.fit.fused.latent_kernels import _noise, distortion, soften, update_latents
from tests.inr.cnn.fit.drawn import DEVICE

N, BLOCK = 300, 128
RATE, WIDTH, DECAYS = 0.1, 0.2, (0.8, 0.99)
SEEDS = (3, 4)


@triton.jit
def noise_kernel(seeds, found, step, width, n, BLOCK: tl.constexpr):
    image = tl.program_id(1)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    noise = _noise(seeds, image, tl.load(step), place, width)
    tl.store(found + image * n + place, noise, mask=place < n)


def noise(seeds: tuple[int, ...], step: int, n: int = N, width: float = WIDTH) -> torch.Tensor:
    found = torch.empty(len(seeds), n, device=DEVICE)
    counter = torch.tensor([step], device=DEVICE)
    noise_kernel[(-(-n // 1024), len(seeds))](
        torch.tensor(seeds, device=DEVICE), found, counter, width, n, BLOCK=1024
    )
    return found.cpu()


def temperature(step: int) -> float:
    return 0.4 - 0.05 * step


def schedule(n_steps: int) -> torch.Tensor:
    rows = torch.zeros(n_steps, kernels.N_COLUMNS)
    for step, row in enumerate(rows):
        row[kernels.TEMPERATURE] = temperature(step)
        row[kernels.SCALE] = 0.5 / math.tanh(0.5 / temperature(step))
        row[kernels.WIDTH], row[kernels.RATE] = WIDTH, RATE
        row[kernels.FIRST_CORRECTION] = 1 / (1 - DECAYS[0] ** (step + 1))
        row[kernels.SECOND_CORRECTION] = 1 / (1 - DECAYS[1] ** (step + 1))
    return rows.to(DEVICE)


def surrogate(latents: torch.Tensor, step: int) -> torch.Tensor:
    return soft_round(soft_round(latents, temperature(step)) + noise(SEEDS, step), temperature(step))


def drawn(seed: int) -> torch.Tensor:
    return 2 * torch.randn(len(SEEDS), N, generator=torch.Generator().manual_seed(seed))


def test_noise_has_its_width_and_every_second_step_its_other_sign() -> None:
    found = noise(SEEDS, 0, 8000)
    assert float(found.mean()) == pytest.approx(0, abs=0.01)
    assert float(found.std()) == pytest.approx(WIDTH, rel=0.02)
    assert float(found.abs().max()) <= WIDTH * math.sqrt(6)
    torch.testing.assert_close(noise(SEEDS, 1, 8000), -found)


def test_noise_differs_between_images_and_pairs_of_steps_and_is_the_same_again() -> None:
    found = noise((3, 4, 3), 6)
    torch.testing.assert_close(found[0], found[2], rtol=0, atol=0)
    torch.testing.assert_close(found, noise((3, 4, 3), 6), rtol=0, atol=0)
    for other in (found[1], noise((3,), 8)[0], noise((3,), 4)[0]):
        assert abs(float(torch.corrcoef(torch.stack([found[0], other]))[0, 1])) < 0.2


@pytest.mark.parametrize("step", [0, 3])
def test_softened_latents_are_rounded_softly_twice_with_noise_between(step: int) -> None:
    latents = drawn(0)
    found, counter = torch.full_like(latents, torch.nan).to(DEVICE), torch.tensor([step], device=DEVICE)
    soften[(-(-N // BLOCK), len(SEEDS))](
        latents.to(DEVICE), schedule(4), counter, torch.tensor(SEEDS, device=DEVICE), found, N, BLOCK
    )
    torch.testing.assert_close(found.cpu(), surrogate(latents, step), rtol=1e-4, atol=1e-4)


def test_steps_are_those_of_adam_on_gradients_through_the_surrogate() -> None:
    n_steps, shares = 3, torch.tensor([[0.5, 1.0], [2.0, 0.25]])
    rows_of_latents, epsilons = list(drawn(0)), torch.tensor([0.1, 0.4])
    for its in rows_of_latents:
        its.requires_grad_()
    given = zip(rows_of_latents, epsilons.tolist(), strict=True)
    adam = torch.optim.Adam([{"params": [its], "eps": eps} for its, eps in given], lr=RATE, betas=DECAYS)
    mine, moments = drawn(0).to(DEVICE), torch.zeros(2, len(SEEDS), N, device=DEVICE)
    seeds, rows = torch.tensor(SEEDS, device=DEVICE), schedule(n_steps)
    for step in range(n_steps):
        by_bits, by_distortion = drawn(2 * step + 1), drawn(2 * step + 2)
        adam.zero_grad()
        gradient = shares[:, :1] * by_bits + shares[:, 1:] * by_distortion
        (gradient * surrogate(torch.stack(rows_of_latents), step)).sum().backward()
        adam.step()
        update_latents[(-(-N // BLOCK), len(SEEDS))](
            mine, by_bits.to(DEVICE), by_distortion.to(DEVICE), shares.to(DEVICE), *moments, rows,
            torch.tensor([step], device=DEVICE), seeds, N, epsilons.to(DEVICE), *DECAYS, BLOCK,
        )  # fmt: skip
    torch.testing.assert_close(mine.cpu(), torch.stack(rows_of_latents).detach(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_samples_beyond_an_end_of_the_scale_count_for_nothing(weighted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 256, (2, N), generator=generator).to(torch.uint8)
    targets[:, :40], targets[:, 40:80] = 0, 255
    samples = (targets / 255 + 0.1 * torch.randn(2, N, generator=generator)).requires_grad_()
    weights = torch.rand(2, N, generator=generator)
    error = samples - targets / 255
    least = torch.where(targets == 0, 0.0, -math.inf)
    squares = error.clamp(least, torch.where(targets == 255, 0.0, math.inf)).square()
    expected = ((weights if weighted else 1) * squares).mean(1)
    expected.sum().backward()
    errors, partial = torch.full((2, N), torch.nan, device=DEVICE), torch.empty(2, 3, device=DEVICE)
    inputs = [tensor.to(DEVICE) for tensor in (samples.detach(), targets, weights)]
    distortion[(3, 2)](*inputs, errors, partial, N, weighted, BLOCK)
    torch.testing.assert_close(partial.sum(1).cpu(), expected.detach())
    assert samples.grad is not None
    torch.testing.assert_close(errors.cpu(), samples.grad)
