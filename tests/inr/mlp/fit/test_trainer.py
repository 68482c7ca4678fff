import math

import numpy as np
import pytest

from inr.fit.requests import FitReport
from inr.metrics import psnr_db
from inr.mlp.fit.encoder import network_of
from inr.mlp.fit.trainer import FitSettings, RoundedFit, fit, polyphase_strides
from tests.inr.networks import mlp

NETWORK = mlp(3, 16, 4, 6, 2)


def fitted(pixels: np.ndarray, settings: FitSettings, rd_lambda: float = 1e-3) -> RoundedFit:
    found = fit(pixels, NETWORK, settings, rd_lambda=rd_lambda, seed=0, device="cpu", goes_on=lambda _: True)
    assert found is not None
    return found


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


def test_a_fit_lowers_the_loss_and_reports(photograph: np.ndarray) -> None:
    reports: list[FitReport] = []

    def goes_on(report: FitReport) -> bool:
        reports.append(report)
        return True

    settings = FitSettings(n_steps=200, report_steps=50)
    found = fit(photograph, NETWORK, settings, rd_lambda=1e-3, seed=0, device="cpu", goes_on=goes_on)
    assert found is not None
    assert [(report.step, report.n_steps) for report in reports] == [(n, 200) for n in (50, 100, 150, 200)]
    assert reports[-1].psnr_db > reports[0].psnr_db + 3
    assert [tensor.shape for tensor in found.symbols] == [spec.shape for spec in NETWORK.specs]
    assert all(np.abs(tensor).max() <= 2047 for tensor in found.symbols)
    for phases, levels in zip(found.symbols[1:-1:2], found.step_indices[1:-1:2], strict=True):
        assert phases.tolist() == sorted(phases.tolist())
        assert phases.min() >= 0
        assert phases.max() <= levels


def test_a_fit_that_is_not_to_go_on_ends_at_that_report(photograph: np.ndarray) -> None:
    seen: list[int] = []

    def goes_on(report: FitReport) -> bool:
        seen.append(report.step)
        return report.step < 40

    settings = FitSettings(n_steps=200, report_steps=20)
    assert fit(photograph, NETWORK, settings, rd_lambda=1e-3, seed=0, device="cpu", goes_on=goes_on) is None
    assert seen == [20, 40]


def thrown_off(pixels: np.ndarray, rate: float) -> RoundedFit:
    return fitted(pixels, FitSettings(n_steps=60, matrix_rate=rate, vector_rate=rate, warmup_steps=1))


def test_rates_that_throw_a_fit_off_end_below_the_mean_colour(photograph: np.ndarray) -> None:
    found = thrown_off(photograph, 50.0)
    pixels = network_of(NETWORK, found.symbols, found.step_indices, photograph.shape).render()
    mean_colour = np.broadcast_to(photograph.mean((0, 1)).astype(np.uint8), photograph.shape)
    floor = psnr_db(reference=photograph, decoded=mean_colour)
    assert psnr_db(reference=photograph, decoded=pixels) < floor


def test_a_fit_that_ends_in_nan_has_no_finite_estimate(photograph: np.ndarray) -> None:
    assert math.isnan(thrown_off(photograph, math.nan).estimated_rate_bits)


def test_more_lambda_means_fewer_bits(photograph: np.ndarray) -> None:
    settings = FitSettings(n_steps=400)
    bits = [fitted(photograph, settings, rd_lambda).estimated_rate_bits for rd_lambda in (1e-4, 1e-3, 1e-2)]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > 1.5 * bits[2]
