import math
from dataclasses import replace

import numpy as np
import pytest
from skimage import data

from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.fit.trainer import fit_pyramid
from inr.fit.process import torch_threads
from inr.fit.requests import FitReport, Fitted, GoesOn
from inr.fit.steering import Aim
from inr.metrics import mse, psnr_db

PIXELS = np.ascontiguousarray(data.astronaut()[20:44, 150:182])


def fit(settings: PyramidSettings, goes_on: GoesOn, *, plain: bool = False) -> Fitted | None:
    architecture = choose_pyramid(PIXELS, 1e-3)
    return fit_pyramid(PIXELS, architecture, settings, rd_lambda=1e-3, seed=0, goes_on=goes_on, plain=plain)


def test_the_plain_operations_fit_as_the_compiled_ones_do() -> None:
    """At first they do so closely; later, rounding errors have grown, and decide between states to keep."""

    def costs(*, plain: bool) -> list[float]:
        found: list[float] = []

        def goes_on(report: FitReport) -> bool:
            found.append(10 ** (-report.psnr_db / 10) + 1e-3 * report.estimated_bpp)
            return True

        fit(PyramidSettings(20, report_steps=2), goes_on, plain=plain)
        return found

    with torch_threads(1):  # so small that threads would only wait for each other
        plain, compiled = costs(plain=True), costs(plain=False)
    assert len(plain) == len(compiled)
    assert plain[0] == pytest.approx(compiled[0], rel=1e-4)
    assert plain[:8] == pytest.approx(compiled[:8], rel=0.02)


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


def test_a_fit_that_is_steered_ends_at_its_aim_and_says_its_lambda() -> None:
    """The aims are what a fit at λ = 0.001 ends at; what begins elsewhere comes near them."""
    pixels, begin = np.ascontiguousarray(data.astronaut()[20:68, 150:214]), 2e-3

    def fitted(rd_lambda: float, aim: Aim | None) -> Fitted:
        found = fit_pyramid(
            pixels, choose_pyramid(pixels, rd_lambda), PyramidSettings(120),
            rd_lambda=rd_lambda, seed=0, goes_on=lambda _: True, aim=aim,
        )  # fmt: skip
        assert found is not None
        return found

    def psnr(of: Fitted) -> float:
        return psnr_db(reference=pixels, decoded=of.network.render())

    with torch_threads(1):
        known, plain = fitted(1e-3, None), fitted(begin, None)
        by_error = fitted(begin, Aim(mse=10 ** (-psnr(known) / 10) - 1 / 12 / 255**2))
        size = sum(map(len, (known.network.sections().tensors, known.network.sections().payload)))
        by_bits = fitted(begin, Aim(bits=8.0 * (size + len(known.network.sections().architecture))))
    assert plain.rd_lambda == begin
    assert abs(psnr(by_error) - psnr(known)) < 0.2 < 0.4 * abs(psnr(plain) - psnr(known))
    assert by_bits.estimated_bits == pytest.approx(known.estimated_bits, rel=0.06)
    assert abs(plain.estimated_bits / known.estimated_bits - 1) > 0.15
    for steered in (by_error, by_bits):
        assert steered.rd_lambda != begin


def test_a_fit_goes_on_from_a_network_by_the_last_of_its_steps_and_gains() -> None:
    architecture, whole = choose_pyramid(PIXELS, 1e-3), PyramidSettings(100, report_steps=5)
    steps: list[int] = []

    def goes_on(report: FitReport) -> bool:
        steps.append(report.step)
        return True

    def cost(of: Fitted) -> float:
        network = of.network
        n_bits = 8 * len(network.sections().payload)
        return mse(reference=PIXELS, decoded=network.render()) + 1e-3 * n_bits / (24 * 32)

    before = fit(whole, goes_on)
    assert before is not None
    steps.clear()
    after = fit_pyramid(
        PIXELS, architecture, replace(whole, skipped=0.7), rd_lambda=1e-3, seed=1, goes_on=goes_on,
        begin=before.network,
    )  # fmt: skip
    assert after is not None
    assert steps[:6] == [70, 75, 80, 85, 90, 95]
    assert cost(after) < cost(before)


def test_samples_at_the_ends_of_the_scale_are_met_by_all_that_is_beyond() -> None:
    """A white image is fitted at once: the errors of samples beyond white count for nothing."""
    white = np.full((16, 16, 3), 255, np.uint8)
    white[0, 0] = 0
    seen: list[float] = []

    def goes_on(report: FitReport) -> bool:
        seen.append(report.psnr_db)
        return True

    fitted = fit_pyramid(
        white,
        choose_pyramid(white, 1e-3),
        PyramidSettings(120, report_steps=20),
        rd_lambda=1e-6,
        seed=0,
        goes_on=goes_on,
    )
    assert fitted is not None
    rendered = fitted.network.render()
    assert (rendered[4:, 4:] == 255).all()
    assert seen[-1] > 20
