"""Bitstream or file without loss: by goal, by kind of picture, with a fit and without."""

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from inr import CodecConfig, Encoded, FitDiverged
from tasks.catalogue.recipe import Recipe
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import LosslessFile, lossless_suffix
from tasks.originals.opening import open_picture
from tasks.settings import RunOptions
from tasks.steps import choosing
from tasks.steps.choosing import Lossless, notes_on_bitstream
from tests.tasks.pictures import file_of, page, photograph

N_PIXELS = 64 * 64


def chart(colours: int = 3) -> Image.Image:
    """Sharp blocks in a few colours: no photograph."""
    blocks = np.random.default_rng(0).integers(0, colours, (8, 8))
    palette = np.random.default_rng(1).integers(0, 256, (colours, 3), np.uint8)
    return Image.fromarray(palette[np.kron(blocks, np.ones((8, 8), int))])


def lossless(tmp_path: Path, data: bytes, **goal: object) -> Lossless:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    image = SourceImage(hashlib.sha256(data).hexdigest(), path.as_uri(), "a.png", len(data))
    return Lossless(open_picture(data, max_pixels=1 << 20), image, Recipe(CodecConfig(**goal)), RunOptions())


def encoded(n_bytes: int, psnr_db: float, n_parameters: int = 9) -> Encoded:
    """The result of a fit, as far as a choice looks at it."""
    pixels, rate = np.zeros((1, 1, 1), np.uint8), 8 * n_bytes / N_PIXELS
    return Encoded(
        bitstream=bytes(n_bytes),
        pixels=pixels,
        symbols_digest="",
        pixels_digest="",
        psnr_db=psnr_db,
        rate_bpp=rate,
        estimated_rate_bits=0.0,
        rd_lambda=0.002,
        n_parameters=n_parameters,
        device="cpu",
        restarts=0,
        n_refits=0,
        attempts=(),
        history=(),
    )


GOALS = ({"rd_lambda": 0.002}, {"target_psnr_db": 40.0}, {"target_bpp": 2.0})


@pytest.mark.parametrize("goal", GOALS)
def test_no_fit_is_made_for_a_chart_and_one_is_for_a_photograph(tmp_path: Path, goal: dict[str, float]):
    assert lossless(tmp_path, file_of(chart()), **goal).needs_no_fit()
    assert not lossless(tmp_path, file_of(photograph(64, 64)), **goal).needs_no_fit()


def test_where_no_fit_reached_a_psnr_the_file_without_loss_does(tmp_path: Path):
    made = lossless(tmp_path, file_of(photograph(64, 64)), target_psnr_db=40.0)
    diverged = FitDiverged("found NaN and NaN")
    for psnr_db, fallback, is_better in (
        (30.0, None, False),
        (30.0, diverged, True),
        (41.0, diverged, False),
    ):
        ended = dataclasses.replace(encoded(25, psnr_db, 0), fallback=fallback)
        assert made.is_better_than(ended) == is_better


def test_a_file_without_loss_that_is_no_larger_is_always_better(tmp_path: Path):
    for goal in GOALS:
        made = lossless(tmp_path, file_of(chart()), **goal)
        assert made.is_better_than(encoded(made.file.n_bytes, math.inf))
        assert made.is_better_than(encoded(made.file.n_bytes + 1, 20.0))


def test_for_a_lambda_the_cost_decides(tmp_path: Path):
    made = lossless(tmp_path, file_of(photograph(64, 64)), rd_lambda=0.002)
    n_bytes = made.file.n_bytes - 100
    even = 0.002 * 8 * 100 / N_PIXELS  # the error that a hundred bytes are worth
    assert made.is_better_than(encoded(n_bytes, -10 * math.log10(1.01 * even)))
    assert not made.is_better_than(encoded(n_bytes, -10 * math.log10(0.99 * even)))


def test_for_a_psnr_only_the_size_decides(tmp_path: Path):
    made = lossless(tmp_path, file_of(photograph(64, 64)), target_psnr_db=40.0)
    assert not made.is_better_than(encoded(made.file.n_bytes - 1, 40.0))


@pytest.mark.parametrize(("spare", "fits"), [(1, True), (-1, False)])
def test_for_a_rate_it_must_be_within_it(tmp_path: Path, spare: int, fits: bool):
    data = file_of(photograph(64, 64))
    size = lossless(tmp_path, data).file.n_bytes + spare
    made = lossless(tmp_path, data, target_bpp=8 * size / N_PIXELS)
    assert made.is_better_than(encoded(size - 50, 50.0)) == fits
    assert made.needs_no_fit() == fits


@pytest.mark.parametrize("goal", GOALS)
def test_one_colour_and_what_reaches_its_psnr_as_one_colour_is_no_file_without_loss(
    tmp_path: Path, goal: dict[str, float]
):
    flat = Image.new("RGB", (64, 64), (3, 200, 9))
    made = lossless(tmp_path, file_of(flat), **goal)
    assert not made.needs_no_fit()
    assert not made.is_better_than(encoded(25, math.inf, 0))
    nearly = np.asarray(flat).copy()
    nearly[::2, ::2] += 1
    if "target_psnr_db" in goal:
        assert not lossless(tmp_path, file_of(Image.fromarray(nearly)), **goal).needs_no_fit()


@pytest.mark.parametrize("options", [{"format_": "PNG"}, {"format_": "WEBP", "lossless": True}])
def test_an_original_that_is_smaller_is_kept_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
):
    data = file_of(chart(), **options)
    large = LosslessFile(bytes(10_000), np.zeros((1, 1, 1), np.uint8))
    monkeypatch.setattr(choosing, "to_lossless", lambda *given: large)
    made = lossless(tmp_path, data)
    assert made.file.data == data
    np.testing.assert_array_equal(made.file.pixels, np.asarray(chart()))
    assert "the file is the original as it was" in list(made.notes(None))


@pytest.mark.parametrize("goal", GOALS)
def test_a_page_in_black_and_white_is_stored_as_a_jpeg_xl_without_a_fit(
    tmp_path: Path, goal: dict[str, float]
):
    made = lossless(tmp_path, file_of(Image.fromarray(page()[:, :, 0])), **goal)
    assert made.needs_no_fit()
    assert lossless_suffix(made.file.data) == ".jxl"


@pytest.mark.parametrize("options", [{"lossless": True, "effort": 10}, {"lossless": False, "distance": 3.0}])
def test_an_original_in_jpeg_xl_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
):
    data = bytes(imagecodecs.jpegxl_encode(page(), **options))
    large = LosslessFile(bytes(100_000), np.zeros((1, 1, 1), np.uint8))
    monkeypatch.setattr(choosing, "to_lossless", lambda *given: large)
    made = lossless(tmp_path, data)
    assert made.file is large
    assert "the file is the original as it was" not in list(made.notes(None))


def test_a_jpeg_or_a_lossy_webp_is_not_kept(tmp_path: Path):
    for format_ in ("JPEG", "WEBP"):
        data = file_of(photograph(64, 64), format_, quality=20)
        made = lossless(tmp_path, data)
        assert made.file.data != data
        assert made.file.n_bytes > len(data)
        assert len(list(made.notes(None))) == 1


def hidden_logo() -> bytes:
    pixels = np.asarray(photograph(64, 64, 4)).copy()
    pixels[:, :, 3] = 255
    pixels[20:, :, 3] = 0
    return file_of(Image.fromarray(pixels))


@pytest.mark.parametrize(
    ("hidden", "said"), [("ignore", "do not count in PSNR and are not kept"), ("keep", "count")]
)
def test_a_note_says_what_was_done_with_hidden_colours(tmp_path: Path, hidden: str, said: str):
    made, config = lossless(tmp_path, hidden_logo(), hidden=hidden), CodecConfig(hidden=hidden)
    picture = open_picture(hidden_logo(), max_pixels=N_PIXELS)
    note = f"the colours of {44 * 64} fully transparent pixels {said}"
    assert next(iter(made.notes(None))) == note
    assert list(notes_on_bitstream(picture, config, encoded(100, 30.0))) == [note]


def test_hidden_colours_are_only_kept_where_they_count(tmp_path: Path):
    kept = lossless(tmp_path, hidden_logo(), hidden="keep").file
    ignored = lossless(tmp_path, hidden_logo()).file
    assert ignored.n_bytes < kept.n_bytes / 2
    original = open_picture(hidden_logo(), max_pixels=N_PIXELS).pixels
    np.testing.assert_array_equal(kept.pixels, original)
    np.testing.assert_array_equal(ignored.pixels[:20], original[:20])
    np.testing.assert_array_equal(ignored.pixels[:, :, 3], original[:, :, 3])


def test_notes_say_why_an_image_is_stored_as_it_is(tmp_path: Path):
    data, config = file_of(photograph(64, 64), "JPEG"), CodecConfig()
    made, picture = lossless(tmp_path, data), open_picture(data, max_pixels=N_PIXELS)
    assert list(notes_on_bitstream(picture, config, encoded(123, 31.5))) == []
    [flat] = notes_on_bitstream(picture, config, encoded(25, 31.5, 0))
    assert flat == "stored as its mean colour alone, which serves the goal better than a fit"
    assert list(notes_on_bitstream(picture, config, encoded(25, math.inf, 0))) == []
    diverged = dataclasses.replace(encoded(25, 31.5, 0), fallback=FitDiverged("found NaN and NaN"))
    [instead] = notes_on_bitstream(picture, config, diverged)
    assert instead == "stored as its mean colour alone, in place of a fit: found NaN and NaN"
    [why] = made.notes(diverged)
    assert why.endswith(" the bitstream has 25 bytes and 31.50 dB, without a fit: found NaN and NaN")
    [with_fit] = made.notes(encoded(123, 31.5))
    assert with_fit == "stored without loss: the bitstream has 123 bytes and 31.50 dB"
    [without] = made.notes(None)
    assert without == "stored without loss: no fit can be hoped to serve the goal better"


def test_a_large_file_without_loss_is_not_made_where_it_cannot_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made = lossless(tmp_path, file_of(photograph(64, 64), "JPEG"))
    monkeypatch.setattr(choosing, "to_lossless", None)
    assert not made.needs_no_fit()
    assert not made.is_better_than(encoded(500, 33.0))
