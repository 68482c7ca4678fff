"""Aims of fits, and what the files of networks that meet them have."""

import math

import numpy as np
import pytest
from skimage import data

from inr import CodecConfig, Metadata
from inr.fit.aims import aim_of, begin_lambda
from inr.fit.candidates import Subject
from inr.fit.hidden import sample_weights
from inr.fit.requests import Fitted
from inr.fit.spectrum import expected_lambda
from inr.search import first_lambda
from tests.inr.toy import ToyFitter, toy_family, toy_network

PICTURE = np.ascontiguousarray(data.astronaut()[100:148, 150:214])


def with_alpha(alpha: int, *, hides: bool) -> np.ndarray:
    plane = np.full((*PICTURE.shape[:2], 1), alpha, np.uint8)
    if hides:
        plane[:20, :30] = 0
    return np.concatenate([PICTURE, plane], axis=2)


@pytest.mark.parametrize(
    "pixels", [PICTURE, PICTURE[:, :, :1], with_alpha(255, hides=False), with_alpha(200, hides=True)]
)
def test_a_network_with_the_error_of_an_aim_makes_a_file_of_that_psnr(pixels: np.ndarray) -> None:
    """What a toy network leaves is measured as a fit does, over coded samples, and as a file is."""
    with toy_family(ToyFitter()):
        subject = Subject(pixels, Metadata(), "toy", keeps_hidden=False)
        network = toy_network(subject.coded, 8)
        made = subject.candidate(Fitted(network, 0.0))
    errors = np.square((network.render().astype(float) - subject.coded) / 255)
    visible = subject.visible
    weights = 1.0 if visible is None else sample_weights(visible, subject.coded.shape[2])
    aim = aim_of(subject, CodecConfig(target_psnr_db=made.psnr_db))
    assert aim is not None
    assert aim.bits is None
    assert aim.mse == pytest.approx(float((errors * weights).mean()) - 1 / 12 / 255**2, rel=1e-6)


@pytest.mark.parametrize("metadata", [Metadata(), Metadata(exif=bytes(500))])
def test_a_network_with_the_bits_of_an_aim_makes_a_file_of_that_rate(metadata: Metadata) -> None:
    with toy_family(ToyFitter()):
        subject = Subject(with_alpha(255, hides=False), metadata, "toy", keeps_hidden=False)
        network = toy_network(subject.coded, 30)
        made = subject.candidate(Fitted(network, 0.0))
        aim = aim_of(subject, CodecConfig(target_bpp=made.rate_bpp))
    sections = network.sections()
    n_bytes = sum(map(len, (sections.architecture, sections.tensors, sections.payload)))
    assert aim is not None
    assert aim.mse is None
    assert aim.bits == pytest.approx(8 * n_bytes, abs=8.1)  # a length may take a byte more


def test_beyond_a_target_is_better_or_smaller() -> None:
    subject = Subject(PICTURE, Metadata(), "cnn", keeps_hidden=False)
    by_psnr = [aim_of(subject, CodecConfig(target_psnr_db=30.0), beyond) for beyond in (0.0, 1.0)]
    by_bpp = [aim_of(subject, CodecConfig(target_bpp=2.0), beyond) for beyond in (0.0, 0.1)]
    assert by_psnr[1].mse == pytest.approx(10**-3.1 - 1 / 12 / 255**2)
    assert by_bpp[0].bits - by_bpp[1].bits == pytest.approx(2 * 48 * 64 * (1 - math.exp(-0.1)))
    assert aim_of(subject, CodecConfig(rd_lambda=0.1)) is None


@pytest.mark.parametrize("config", [CodecConfig(target_psnr_db=60.0), CodecConfig(target_bpp=0.001)])
def test_an_aim_out_of_reach_is_one_all_the_same(config: CodecConfig) -> None:
    subject = Subject(PICTURE, Metadata(exif=bytes(5000)), "cnn", keeps_hidden=False)
    aim = aim_of(subject, config)
    assert aim is not None
    assert (aim.mse or aim.bits or 0) > 0


def test_fits_begin_at_the_lambda_that_is_given_or_that_the_image_is_expected_to_need() -> None:
    subject, config = Subject(PICTURE, Metadata(), "cnn", keeps_hidden=False), CodecConfig(target_psnr_db=33)
    assert begin_lambda(subject, CodecConfig(rd_lambda=0.07)) == 0.07
    aim = aim_of(subject, config)
    assert aim is not None
    assert begin_lambda(subject, config) == expected_lambda(PICTURE, aim)
    flat = Subject(np.full((5, 5, 3), 9, np.uint8), Metadata(), "cnn", keeps_hidden=False)
    assert begin_lambda(flat, config) == first_lambda(config)
