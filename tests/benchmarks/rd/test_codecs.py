import io
import struct

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.rd.codecs import CODECS, origin
from inr.metrics import psnr_db


@pytest.fixture(scope="module")
def ramp() -> NDArray[np.uint8]:
    """A smooth picture with detail in colour: uint8 [48, 64, 3]."""
    y, x = np.mgrid[0:48, 0:64]
    channels = [4 * x, 5 * y, 127 + 127 * np.sin(x / 2) * np.cos(y / 3)]
    return np.stack(channels, axis=2).astype(np.uint8)


def middle(name: str) -> float:
    return CODECS[name].grid[len(CODECS[name].grid) // 2]


def segment(data: bytes, marker: int) -> bytes:
    """The content of a marker segment of a JPEG 2000 codestream."""
    start = data.index(struct.pack(">H", marker)) + 4
    return data[start : start + struct.unpack(">H", data[start - 2 : start])[0] - 2]


@pytest.mark.parametrize("name", CODECS)
def test_quality_costs_bytes(name: str, ramp: NDArray[np.uint8]) -> None:
    codec = CODECS[name]
    files = [codec.encode(ramp, value) for value in (codec.grid[0], codec.grid[-1])]
    low, high = [codec.decode(data) for data in files]
    assert low.shape == high.shape == ramp.shape
    assert len(files[0]) < len(files[1])
    assert 10 < psnr_db(reference=ramp, decoded=low) < psnr_db(reference=ramp, decoded=high)


@pytest.mark.parametrize("name", CODECS)
def test_a_grid_goes_one_way(name: str) -> None:
    grid = list(CODECS[name].grid)
    assert len(grid) >= 8
    assert grid in (sorted(set(grid)), sorted(set(grid), reverse=True))


@pytest.mark.parametrize(
    ("name", "factors"), [("JPEG 4:2:0", (2, 2)), ("JPEG 4:4:4", (1, 1)), ("JPEG for PSNR", (2, 2))]
)
def test_jpeg_is_progressive_and_subsampled_as_said(
    name: str, factors: tuple[int, int], ramp: NDArray[np.uint8]
) -> None:
    image = Image.open(io.BytesIO(CODECS[name].encode(ramp, middle(name))))
    assert image.format == "JPEG"
    assert image.info["progressive"]
    assert image.layer[0][1:3] == factors  # type: ignore[attr-defined]


def test_jpeg_for_psnr_has_flat_tables(ramp: NDArray[np.uint8]) -> None:
    image = Image.open(io.BytesIO(CODECS["JPEG for PSNR"].encode(ramp, 20)))
    assert {step for table in image.quantization.values() for step in table} == {20}  # type: ignore[attr-defined]


def test_jpeg_2000_transforms_colour_and_is_irreversible(ramp: NDArray[np.uint8]) -> None:
    coding = segment(CODECS["JPEG 2000"].encode(ramp, 1.0), 0xFF52)  # COD: T.800, A.6.1
    assert coding[4] == 1  # multiple component transformation
    assert coding[9] == 0  # 9/7, irreversible
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, "JPEG2000", no_jp2=True)
    assert segment(stream.getvalue(), 0xFF52)[4] == 0  # what Pillow does by default


def test_avif_is_subsampled_as_said(ramp: NDArray[np.uint8]) -> None:
    """In the `av1C` box the bits chroma_subsampling_x and _y say it: 4:2:0 is both, 4:4:4 neither."""
    for name, expected in (("AVIF 4:2:0", 3), ("AVIF 4:4:4", 0)):
        data = CODECS[name].encode(ramp, 50)
        assert data[data.index(b"av1C") + 6] >> 2 & 3 == expected


def test_avif_is_tuned_for_psnr(ramp: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (48, 64, 3), dtype=np.uint8)
    textured = ramp // 2 + noise
    stream = io.BytesIO()
    Image.fromarray(textured).save(stream, "AVIF", quality=50, subsampling="4:4:4", speed=4, max_threads=1)
    assert CODECS["AVIF 4:4:4"].encode(textured, 50) != stream.getvalue()


def test_the_origin_names_settings_and_version() -> None:
    assert origin("AVIF 4:4:4").startswith(
        "AVIF 4:4:4: Pillow's libavif and libaom, 4:4:4, speed 4, tune=psnr (p"
    )
