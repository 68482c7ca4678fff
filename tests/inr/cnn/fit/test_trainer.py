import math

import numpy as np
import pytest
import torch
from skimage import data

from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.fit.trainer import PyramidSettings, fit_pyramid, mean_index, soft_round
from inr.cnn.network import largest_symbol
from inr.fit.requests import FitReport, Fitted, GoesOn
from inr.fit.threads import torch_threads

PIXELS = np.ascontiguousarray(data.astronaut()[20:44, 150:182])


def fit(settings: PyramidSettings, goes_on: GoesOn, *, plain: bool = False) -> Fitted | None:
    architecture = choose_pyramid(PIXELS, 1e-3)
    return fit_pyramid(
        PIXELS, architecture, settings, rd_lambda=1e-3, seed=0, device="cpu", goes_on=goes_on, plain=plain
    )


def test_soft_rounding_goes_from_the_identity_to_rounding() -> None:
    values = torch.linspace(-3, 3, 601)
    torch.testing.assert_close(soft_round(values, 20.0), values, atol=1e-3, rtol=0)
    off_halves = values[(values - values.round()).abs() < 0.45]
    cold = soft_round(off_halves, 0.005)
    assert (cold - off_halves.round()).abs().max() < 0.01


def test_the_plain_operations_fit_as_the_compiled_ones_do() -> None:
    def cost(*, plain: bool) -> float:
        last: list[float] = []

        def goes_on(report: FitReport) -> bool:
            last.append(10 ** (-report.psnr_db / 10) + 1e-3 * report.estimated_bpp)
            return True

        fit(PyramidSettings(20, report_steps=10), goes_on, plain=plain)  # later, rounding errors have grown
        return last[-1]

    with torch_threads(1):  # so small that threads would only wait for each other
        assert cost(plain=True) == pytest.approx(cost(plain=False), rel=0.005)


@pytest.mark.parametrize("last", [20, 100])  # in the first stretch, and in the last one
def test_a_fit_that_is_not_to_go_on_ends_at_that_report(last: int) -> None:
    seen: list[int] = []

    def goes_on(report: FitReport) -> bool:
        seen.append(report.step)
        return report.step < last

    assert fit(PyramidSettings(100, report_steps=20), goes_on) is None
    assert seen == list(range(20, last + 1, 20))


def test_a_fit_that_comes_apart_has_no_finite_estimate_and_a_network_all_the_same() -> None:
    fitted = fit(PyramidSettings(60, latent_rate=math.nan), lambda _: True)
    assert fitted is not None
    assert not math.isfinite(fitted.estimated_bits)
    assert fitted.network.render().shape == PIXELS.shape


def test_a_matrix_has_the_scale_of_its_mean_or_one_that_reaches_its_largest() -> None:
    assert mean_index(np.zeros((3, 4), np.int32)) == 0
    spike = np.zeros((30, 40), np.int32)
    spike[3, 5] = 900
    assert largest_symbol(mean_index(spike)) >= 900
    assert largest_symbol(mean_index(spike) - 1) < 900
