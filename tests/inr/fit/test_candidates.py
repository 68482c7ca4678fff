import math

import numpy as np
import pytest

from inr import Metadata, decode
from inr.fit.candidates import Subject
from inr.fit.requests import Fitted
from inr.metrics import mse
from tests.inr.networks import made_up_mlp, mlp


def subject(pixels: np.ndarray, *, keeps_hidden: bool = False) -> Subject:
    return Subject(pixels, Metadata(exif=b"exif"), "mlp", keeps_hidden=keeps_hidden)


def test_the_flat_file_is_the_mean_colour_and_nothing_else(photograph: np.ndarray) -> None:
    flat = subject(photograph).flat()
    decoded = decode(flat.bitstream)
    np.testing.assert_array_equal(decoded.pixels, flat.pixels)
    assert set(map(tuple, flat.pixels.reshape(-1, 3))) == {tuple(np.rint(photograph.mean((0, 1))))}
    assert decoded.metadata == Metadata(exif=b"exif")
    assert (flat.network, list(flat.symbols)) == (None, [])
    assert flat.error == mse(reference=photograph, decoded=flat.pixels)
    assert flat.estimated_rate_bits == 8 * len(flat.bitstream) == flat.rate_bpp * photograph[:, :, 0].size


def test_a_fit_is_measured_on_the_whole_image(photograph: np.ndarray) -> None:
    opaque = np.full_like(photograph[:, :, :1], 249)
    pixels = np.concatenate([photograph, opaque], axis=2)
    made = subject(pixels)
    np.testing.assert_array_equal(made.coded, photograph)
    height, width, _ = photograph.shape
    network = made_up_mlp(mlp(3, 8, 2, 4, 2), seed=1, width=width, height=height)
    found = made.candidate(Fitted(network, 100.0))
    assert found.pixels.shape == pixels.shape
    assert (found.pixels[:, :, 3] == 249).all()
    np.testing.assert_array_equal(decode(found.bitstream).pixels, found.pixels)
    assert found.error == pytest.approx(0.75 * mse(reference=photograph, decoded=network.render()))
    assert found.psnr_db == pytest.approx(-10 * math.log10(found.error))
    assert found.cost(0.5) == found.error + 0.5 * found.rate_bpp
    attempt = found.attempt(0.5)
    assert (attempt.rd_lambda, attempt.n_bytes) == (0.5, len(found.bitstream))
    payload = len(network.sections().payload)
    assert found.estimated_rate_bits == 100 + 8 * (len(found.bitstream) - payload)


def test_hidden_pixels_count_only_where_they_are_kept(photograph: np.ndarray) -> None:
    alpha = np.zeros_like(photograph[:, :, :1])
    alpha[5:20, 5:20] = 200
    pixels = np.concatenate([photograph, alpha], axis=2)
    ignored, kept = subject(pixels), subject(pixels, keeps_hidden=True)
    assert ignored.visible is not None
    assert kept.visible is None
    np.testing.assert_array_equal(kept.coded, pixels)
    np.testing.assert_array_equal(ignored.coded[:, :, 3], pixels[:, :, 3])
    assert np.ptp(ignored.coded[:5, :, :3], axis=(0, 1)).max() == 0
    assert ignored.flat().error != kept.flat().error
