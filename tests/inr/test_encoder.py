"""One image or many: every request ends with its own result or its own error."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inr import (
    CodecConfig,
    ConfigError,
    DeadlineExceeded,
    Encoded,
    EncodeRequest,
    FitDiverged,
    InrError,
    Metadata,
    Progress,
    decode,
    encode,
    encode_many,
    inspect,
)
from inr.bitstream import MAX_METADATA_BYTES, MAX_PIXELS, Container, pack
from inr.config import MODELS
from inr.metrics import psnr_db
from inr.search import MAX_FITS
from tests.inr.toy import ToyFitter, toy_family

DRAFT = CodecConfig(model="mlp", preset="draft", rd_lambda=5e-4)
STEPS = 150


def test_an_encoded_image_is_what_its_file_decodes_to(photograph: np.ndarray) -> None:
    metadata = Metadata(icc_profile=b"profile", exif=None)
    encoded = encode(photograph, DRAFT, metadata=metadata, device="cpu", n_steps=STEPS)
    decoded = decode(encoded.bitstream)
    np.testing.assert_array_equal(decoded.pixels, encoded.pixels)
    assert decoded.metadata == metadata
    assert (decoded.symbols_digest, decoded.pixels_digest) == (encoded.symbols_digest, encoded.pixels_digest)
    assert encoded.psnr_db == psnr_db(reference=photograph, decoded=decoded.pixels) > 15
    assert encoded.rate_bpp == 8 * len(encoded.bitstream) / (48 * 64)
    assert (encoded.device, encoded.restarts, encoded.n_refits, encoded.rd_lambda) == ("cpu", 0, 0, 5e-4)
    assert [attempt.n_bytes for attempt in encoded.attempts] == [len(encoded.bitstream)]
    found = inspect(encoded.bitstream)
    assert found.n_parameters == encoded.n_parameters
    assert sum(section.n_bytes for section in found.sections) == found.n_bytes == len(encoded.bitstream)
    payload = next(section.n_bytes for section in found.sections if section.name == "payload")
    assert sum(tensor.bits for tensor in found.tensors) == pytest.approx(8 * payload, abs=128)
    assert found.icc_bytes == 7


def test_the_same_command_gives_the_same_bytes(photograph: np.ndarray) -> None:
    first, second = (encode(photograph, DRAFT, device="cpu", n_steps=STEPS).bitstream for _ in range(2))
    assert first == second
    other = encode(photograph, dataclasses.replace(DRAFT, seed=1), device="cpu", n_steps=STEPS).bitstream
    assert other != first


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 1), (9, 1, 2), (5, 3, 4), (17, 31, 1)])
def test_any_size_and_channel_count(shape: tuple[int, int, int]) -> None:
    ramp = np.linspace(0, 255, math.prod(shape)).astype(np.uint8).reshape(shape)
    encoded = encode(ramp, dataclasses.replace(DRAFT, rd_lambda=1e-5), device="cpu", n_steps=STEPS)
    assert decode(encoded.bitstream).pixels.shape == shape


@pytest.mark.parametrize("model", MODELS)
def test_pixels_may_lie_in_memory_in_any_way(model: str, photograph: np.ndarray) -> None:
    pixels, config = photograph[:20, :24], CodecConfig(model=model, rd_lambda=1e-3)
    wide = np.repeat(pixels, 2, axis=1)
    ways = [pixels[::-1, ::-1, ::-1], np.asfortranarray(pixels), wide[:, ::2], wide[:, -2::-2]]
    made = [
        encode_many([EncodeRequest(each, config, n_steps=60) for each in both], device="cpu")
        for both in (ways, [way.copy() for way in ways])
    ]
    for found, expected in zip(*made, strict=True):
        assert isinstance(found, Encoded)
        assert isinstance(expected, Encoded)
        assert found.bitstream == expected.bitstream


@pytest.mark.parametrize("wrong", [[[1, 2]], None, np.zeros((4, 4, 3))])
def test_what_is_no_image_is_an_error_of_its_request_alone(wrong: Any, photograph: np.ndarray) -> None:
    requests = [EncodeRequest(pixels, DRAFT, n_steps=2) for pixels in (photograph[:8, :8], wrong)]
    found, error = encode_many(requests, device="cpu")
    assert isinstance(found, Encoded)
    assert isinstance(error, ConfigError)
    assert "pixels: expected" in str(error)
    [error] = encode_many([EncodeRequest(photograph, DRAFT, n_steps=2.5)], device="cpu")  # type: ignore[arg-type]
    assert "n_steps: expected a whole number" in str(error)


def test_empty_metadata_are_none(photograph: np.ndarray) -> None:
    metadata = Metadata(icc_profile=b"", exif=b"", xmp=b"<x/>")
    assert metadata == Metadata(xmp=b"<x/>")
    encoded = encode(photograph[:8, :8], DRAFT, metadata=metadata, device="cpu", n_steps=2)
    assert decode(encoded.bitstream).metadata == metadata


def test_the_error_that_the_callback_returns_ends_the_fit(photograph: np.ndarray) -> None:
    seen: list[Progress] = []

    def deadline(progress: Progress) -> InrError:
        seen.append(progress)
        return DeadlineExceeded("no time left")

    with pytest.raises(DeadlineExceeded, match="no time left"):
        encode(photograph, DRAFT, device="cpu", n_steps=STEPS, on_progress=deadline)
    assert [(p.attempt, p.step, p.n_steps, p.rd_lambda) for p in seen] == [(1, 100, 150, 5e-4)]


def test_history_is_what_the_callback_saw(photograph: np.ndarray) -> None:
    seen: list[Progress] = []
    encoded = encode(photograph, DRAFT, device="cpu", n_steps=STEPS, on_progress=seen.append)
    assert encoded.history == tuple(seen)
    assert all(math.isfinite(p.psnr_db) and p.estimated_bpp > 0 for p in seen)


TOY = {"model": "toy", "rd_lambda": 1e-3}


def test_a_deadline_or_a_divergence_ends_one_request_and_not_its_neighbours(photograph: np.ndarray) -> None:
    """Three requests in one fit: the second meets its deadline, the third diverges, the first is encoded."""
    fitter = ToyFitter(collapses=lambda request: request.seed % 2**32 == 3)

    def on_progress(reports: Mapping[int, Progress]) -> Mapping[int, InrError]:
        return {n: DeadlineExceeded(f"of {n}") for n, report in reports.items() if (n, report.step) == (1, 2)}

    with toy_family(fitter):
        requests = [EncodeRequest(photograph, CodecConfig(**TOY, seed=seed)) for seed in (1, 2, 3)]
        first, second, third = encode_many(requests, device="cpu", on_progress=on_progress)
        assert isinstance(first, Encoded)
        np.testing.assert_array_equal(decode(first.bitstream).pixels, first.pixels)
        assert first.restarts == 0
    assert isinstance(second, DeadlineExceeded)
    assert str(second) == "of 1"
    assert isinstance(third, Encoded)
    assert isinstance(third.fallback, FitDiverged)
    assert "found NaN and NaN" in str(third.fallback)
    # All three in the first round, two of them to its end; then the restart of the third alone.
    assert fitter.seen == [[3, 3, 3, 2, 2], [1, 1, 1, 1, 1]]


def test_a_request_that_is_refused_leaves_its_neighbours_alone(photograph: np.ndarray) -> None:
    """By its pixels, its metadata or its steps, and where one colour needs no fit."""
    heavy, fitter = Metadata(icc_profile=bytes(MAX_METADATA_BYTES + 1)), ToyFitter()
    with toy_family(fitter):
        config = CodecConfig(**TOY)
        good, *refused = encode_many(
            [
                EncodeRequest(photograph, config),
                EncodeRequest(photograph, config, metadata=heavy),
                EncodeRequest(np.zeros_like(photograph), config, metadata=heavy),
                EncodeRequest(photograph[:, :, 0], config),
                EncodeRequest(photograph, config, n_steps=0),
            ],
            device="cpu",
        )
    assert isinstance(good, Encoded)
    assert [type(outcome) for outcome in refused] == [ConfigError] * 4
    assert [str(outcome).partition(":")[0] for outcome in refused] == [*["metadata"] * 2, "pixels", "n_steps"]
    assert fitter.seen[0][0] == 1


def test_an_error_after_a_fit_ends_one_request_alone(
    photograph: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pack_but_one(container: Container) -> bytes:
        if container.metadata.exif == b"unlucky" and container.architecture:
            raise ConfigError("unlucky")
        return pack(container)

    monkeypatch.setattr("inr.fit.candidates.pack", pack_but_one)
    with toy_family(ToyFitter()):
        requests = [
            EncodeRequest(photograph, CodecConfig(**TOY), metadata=Metadata(exif=exif))
            for exif in (b"unlucky", b"lucky")
        ]
        first, second = encode_many(requests, device="cpu")
    assert isinstance(first, ConfigError)
    assert isinstance(second, Encoded)


def test_families_and_goals_may_differ_within_one_call(photograph: np.ndarray) -> None:
    with toy_family(ToyFitter()) as _:
        requests = [
            EncodeRequest(photograph, DRAFT, n_steps=STEPS),
            EncodeRequest(photograph, CodecConfig(model="toy", target_psnr_db=12.0)),
            EncodeRequest(photograph[:0], DRAFT),
            EncodeRequest(np.full((9, 9, 1), 7, np.uint8), CodecConfig(**TOY)),
        ]
        fitted, searched, refused, flat = encode_many(requests, device="cpu")
    assert isinstance(fitted, Encoded)
    assert fitted.bitstream == encode(photograph, DRAFT, device="cpu", n_steps=STEPS).bitstream
    assert isinstance(searched, Encoded)
    assert 1 <= len(searched.attempts) <= MAX_FITS
    assert isinstance(refused, ConfigError)
    assert isinstance(flat, Encoded)
    assert (flat.psnr_db, flat.history, flat.attempts) == (math.inf, (), ())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.broadcast_to(np.uint8(0), (1, 65536, 1)),
        np.broadcast_to(np.uint8(0), (65535, 1025, 2)),
    ],
)
def test_pixels_of_another_form_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="pixels: expected"):
        encode(pixels, DRAFT)


@pytest.mark.parametrize("model", MODELS)
def test_an_image_has_as_many_pixels_with_every_family(model: str) -> None:
    pixels = np.broadcast_to(np.uint8(0), (8192, 8193, 1))
    with pytest.raises(ConfigError, match=f"at most {MAX_PIXELS} pixels, found"):
        encode(pixels, CodecConfig(model=model))


def test_a_fit_takes_a_step_at_least(photograph: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="n_steps: expected a whole number, at least 1, found 0"):
        encode(photograph, DRAFT, n_steps=0)


def test_devices_are_checked() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ConfigError, match="device"):
        encode(pixels, DRAFT, device="tpu")  # type: ignore[arg-type]  # the error under test
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="CUDA"):
            encode(pixels, DRAFT, device="cuda")


@pytest.mark.gpu
def test_a_fit_on_a_gpu_decodes_to_the_same_pixels_on_the_cpu(photograph: np.ndarray) -> None:
    encoded = encode(photograph, DRAFT, device="cuda")
    assert encoded.device == "cuda"
    assert decode(encoded.bitstream).pixels_digest == encoded.pixels_digest
    assert encoded.psnr_db > 15


LATER = """
import sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from inr import CodecConfig, decode, encode
from inr.encoder import precompile

def compiled():
    ours = [module for name, module in sys.modules.items() if name.startswith("inr.")]
    loops = [each for module in ours for each in vars(module).values() if isinstance(each, Dispatcher)]
    return {loop: list(loop.signatures) for loop in loops}

precompile()
before = compiled()
assert sum(map(len, before.values())) > 15
photograph = np.load("photograph.npy")[:40, :56]
goal = {"rd_lambda": None, "target_psnr_db": 28.0}
for pixels, more in ((photograph, {}), (photograph[..., :2], goal), (photograph[:5, :7], {"model": "mlp"})):
    decode(encode(np.ascontiguousarray(pixels), CodecConfig(**more), n_steps=60, device="cpu").bitstream)
assert compiled() == before
"""


def test_what_is_compiled_beforehand_is_all_that_images_need(photograph: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "photograph.npy", photograph)
    subprocess.run([sys.executable, "-c", LATER], cwd=tmp_path, check=True)
