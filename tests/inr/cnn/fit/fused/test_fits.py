"""Whole fits in step, over doubles of the kernels; with kernels on a card in ../test_encoder.py."""

import math
from collections.abc import Mapping
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import data

from inr.bitstream import Container, pack
from inr.cnn.fit.common.schedule import PyramidSettings
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.fit.fused import fits as fits_module
from inr.cnn.fit.fused.fits import fit_together
from inr.decoder import decode
from inr.fit.requests import FitReport
from inr.metrics import mse
from tests.inr.cnn.fit.drawn import DEVICE, architecture
from tests.inr.cnn.fit.fused.doubles import take_doubles

IMAGES = [np.ascontiguousarray(data.camera()[y : y + 16, 200:220, None]) for y in (60, 200)]
SHAPE = architecture(1, 20, 16, 3)
GIVEN = {"rd_lambdas": [1e-3, 1e-3], "seeds": [0, 1], "device": DEVICE}


def test_networks_decode_to_what_was_fitted_and_reports_say_how_it_went(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_doubles(monkeypatch)
    seen: list[Mapping[int, FitReport]] = []

    def goes_on(reports: Mapping[int, FitReport]) -> bool:
        seen.append(reports)
        return True

    settings = PyramidSettings(20, report_steps=10, check_steps=3)
    fitted = fit_together(IMAGES, SHAPE, settings, goes_on=goes_on, **GIVEN)
    assert fitted is not None
    steps = [(report[0].step, report[1].n_steps) for report in seen]
    assert steps == [(10, 20), *[(20, 20)] * (len(steps) - 1)]
    for n, (pixels, its) in enumerate(zip(IMAGES, fitted, strict=True)):
        sections = its.network.sections()
        parts = sections.architecture, sections.tensors, sections.payload
        decoded = decode(pack(Container("cnn", 20, 16, 1, *parts))).pixels
        np.testing.assert_array_equal(decoded, its.network.render())
        assert its.estimated_bits == pytest.approx(8 * len(sections.payload), abs=64)
        psnr_db = -10 * math.log10(mse(reference=pixels, decoded=decoded))
        assert psnr_db > max(20, seen[-1][n].psnr_db - 0.5)  # the best state is kept, not the last


def test_fits_that_are_not_to_go_on_end(monkeypatch: pytest.MonkeyPatch) -> None:
    take_doubles(monkeypatch)
    settings = PyramidSettings(20, report_steps=5)
    assert fit_together(IMAGES, SHAPE, settings, goes_on=lambda _: False, **GIVEN) is None


def test_each_matrix_takes_the_cheapest_exponent_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first image 3, or 2 where 3 does not fit; in the second none, since no cost is a number."""
    weights = [NetworkWeights(SHAPE), NetworkWeights(SHAPE)]
    monkeypatch.setattr(fits_module, "_weights", lambda _: weights)
    monkeypatch.setattr(NetworkWeights, "fits", lambda self, n, _, k: (n, k) != (1, 3))

    def costs(_number: int, exponents: range) -> torch.Tensor:
        first = torch.tensor([abs(k - 2.9) for k in exponents])
        return torch.stack([first, torch.full_like(first, math.nan)], dim=1)

    found = fits_module._choose_exponents(SimpleNamespace(architecture=SHAPE, costs_of_exponents=costs))
    assert found == [[3, 2, *[3] * (len(SHAPE.matrices) - 2)], [0] * len(SHAPE.matrices)]
