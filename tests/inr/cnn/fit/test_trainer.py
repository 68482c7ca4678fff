import math

import numpy as np
import pytest
from skimage import data

from inr.cnn.fit.presets import choose_pyramid
from inr.cnn.fit.schedule import PyramidSettings
from inr.cnn.fit.trainer import fit_pyramid
from inr.fit.requests import FitReport, Fitted, GoesOn
from inr.fit.threads import torch_threads

PIXELS = np.ascontiguousarray(data.astronaut()[20:44, 150:182])


def fit(settings: PyramidSettings, goes_on: GoesOn, *, plain: bool = False) -> Fitted | None:
    architecture = choose_pyramid(PIXELS, 1e-3)
    return fit_pyramid(
        PIXELS, architecture, settings, rd_lambda=1e-3, seed=0, device="cpu", goes_on=goes_on, plain=plain
    )


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
        device="cpu",
        goes_on=goes_on,
    )
    assert fitted is not None
    rendered = fitted.network.render()
    assert (rendered[4:, 4:] == 255).all()
    assert seen[-1] > 20
