import numpy as np
import pytest
import torch

from inr.coding.coder import tensor_bits
from inr.fit.entropy import estimate_bits
from inr.fit.quantizer import (
    N_STEPS,
    STEP_SIZES,
    add_uniform_noise,
    nearest_quarter_levels,
    nearest_step_index,
    round_straight_through,
)
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.encoder import coding_of
from inr.mlp.fit.muon import _orthogonalize
from inr.mlp.fit.parameters import Parameters
from inr.mlp.fit.presets import choose_architecture, complexity
from inr.mlp.fit.trainer import FitSettings, fit, polyphase_strides

NETWORK = CoordinateMLP(3, 16, 4, 6, 2)


@pytest.mark.parametrize(
    ("height", "width", "batch"),
    [(512, 768, 8192), (1, 1, 8192), (7, 5000, 100), (5000, 7, 100), (33, 47, 1)],
)
def test_every_pixel_is_in_one_polyphase_component(height: int, width: int, batch: int) -> None:
    rows, columns = polyphase_strides(height, width, batch)
    seen = np.zeros((height, width), dtype=int)
    for top in range(rows):
        for left in range(columns):
            part = seen[top::rows, left::columns]
            assert 1 <= part.size <= batch
            part += 1
    assert (seen == 1).all()


def test_steps_are_exact_and_ascend() -> None:
    assert len(STEP_SIZES) == N_STEPS == 128
    assert list(STEP_SIZES) == sorted(set(STEP_SIZES))
    assert all(float(np.float32(step)) == step for step in STEP_SIZES)
    assert [nearest_step_index(step) for step in STEP_SIZES] == list(range(N_STEPS))
    assert (STEP_SIZES[0], STEP_SIZES[9], STEP_SIZES[-1]) == (2.0**-14, 1.125 * 2.0**-13, 3.75)


def test_phases_divide_a_quarter_turn() -> None:
    assert [nearest_quarter_levels(1 / (4 * levels)) for levels in (1, 2, 77, 2047)] == [1, 2, 77, 2047]
    assert nearest_quarter_levels(3.0) == 1
    assert nearest_quarter_levels(1e-9) == 2047
    assert nearest_quarter_levels(float("nan")) == 2047


def test_rounding_passes_gradients_straight_through() -> None:
    y = torch.tensor([0.2, -1.7, 2.5], requires_grad=True)
    rounded = round_straight_through(y)
    rounded.sum().backward()
    assert rounded.tolist() == [0.0, -2.0, 2.0]
    assert y.grad is not None
    assert y.grad.tolist() == [1.0, 1.0, 1.0]


def test_noise_is_uniform_over_one_step() -> None:
    noise = add_uniform_noise(torch.zeros(100_000), torch.Generator().manual_seed(1))
    assert noise.abs().max() <= 0.5
    assert float(noise.mean()) == pytest.approx(0, abs=0.005)
    assert float(noise.var()) == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 20, 8), (8, 20)])
def test_muon_steps_are_near_orthogonal(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(_orthogonalize(matrices))
    assert values.min() > 0.3
    assert values.max() < 1.3


def parameters() -> Parameters:
    return Parameters(NETWORK, torch.full((3,), 0.5), 0.05, torch.Generator().manual_seed(3))


def test_stacked_matrices_are_views_of_theta() -> None:
    theta = parameters()
    first, hidden = theta.matrix_groups(theta.theta.detach())
    tensors = theta.split(theta.theta.detach())
    assert first.data_ptr() == tensors[0].data_ptr()
    for index, matrix in enumerate(hidden):
        torch.testing.assert_close(matrix, tensors[2 * index + 2])
    hidden.zero_()
    assert all(float(tensor.abs().max()) == 0 for tensor in tensors[2:-2:2])


def test_the_differentiable_rate_is_what_the_coder_needs() -> None:
    """Eq. 4 on rounded weights, against the information of the integer tables."""
    theta = parameters()
    law = torch.distributions.Laplace(0.0, 0.3)
    torch.manual_seed(0)
    with torch.no_grad():
        theta.theta.copy_(law.sample(theta.theta.shape))
        theta.theta[-NETWORK.channels :] = 0.5
    indices = theta.freeze_steps()
    theta.refresh_scales()
    _, y = theta.in_steps()
    symbols = theta.symbols(indices)
    exact = sum(
        tensor_bits(tensor, coding_of(spec, tensor, index))
        for spec, tensor, index in zip(NETWORK.specs, symbols, indices, strict=True)
    )
    assert float(theta.rate_bits(y.round()).detach()) == pytest.approx(exact, rel=0.01)
    assert estimate_bits(symbols) == pytest.approx(exact, rel=0.01)


def test_a_fit_lowers_the_loss_and_reports(photograph: np.ndarray) -> None:
    reports: list[tuple[int, float, float]] = []
    settings = FitSettings(n_steps=200, report_steps=50)
    fitted = fit(
        photograph,
        NETWORK,
        settings,
        rd_lambda=1e-3,
        seed=0,
        device="cpu",
        report=lambda step, rate, psnr: reports.append((step, rate, psnr)),
    )
    assert [report[0] for report in reports] == [50, 100, 150, 200]
    assert reports[-1][2] > reports[0][2] + 3
    assert [tensor.shape for tensor in fitted.symbols] == [spec.shape for spec in NETWORK.specs]
    assert all(np.abs(tensor).max() <= 2047 for tensor in fitted.symbols)
    for phases, levels in zip(fitted.symbols[1:-1:2], fitted.step_indices[1:-1:2], strict=True):
        assert phases.tolist() == sorted(phases.tolist())
        assert phases.min() >= 0
        assert phases.max() <= levels


@pytest.mark.usefixtures("quick_fits")
def test_more_lambda_means_fewer_bits(photograph: np.ndarray) -> None:
    bits = [
        fit(
            photograph,
            NETWORK,
            FitSettings(n_steps=400),
            rd_lambda=rd_lambda,
            seed=0,
            device="cpu",
            report=lambda *_: None,
        ).estimated_rate_bits
        for rd_lambda in (1e-4, 1e-3, 1e-2)
    ]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > 1.5 * bits[2]


def test_networks_grow_with_detail_size_and_quality(photograph: np.ndarray) -> None:
    flat = np.full_like(photograph, 90)
    large = np.tile(photograph, (8, 8, 1))
    assert complexity(flat, 1e-3) < 1e-6
    assert complexity(large, 1e-3) == pytest.approx(complexity(photograph, 1e-3))
    widths = [
        choose_architecture(pixels, rd_lambda).width
        for pixels, rd_lambda in ((flat, 1e-3), (photograph, 1e-3), (large, 4e-3), (large, 1e-3))
    ]
    assert widths == sorted(widths)
    assert widths[0] == 8
    assert widths[3] > widths[2] > widths[1]


def test_odd_sizes_have_a_complexity() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 17, 2), dtype=np.uint8)
    assert complexity(pixels, 1e-2) > 1
    assert complexity(pixels[:1, :1], 1e-2) < 1e-6
