"""Golden files: what was written once decodes to the same integers for good, on every path."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from inr import decode
from inr.network import digest_pixels, digest_symbols
from tests import reference_decoder
from tests.inr.conftest import VECTORS

INDEX = json.loads((VECTORS / "vectors.json").read_text())


def test_every_file_is_listed() -> None:
    assert {path.stem for path in VECTORS.glob("*.inr")} == set(INDEX)


@pytest.mark.parametrize("name", INDEX)
def test_golden_files_decode_to_what_they_always_did(name: str) -> None:
    decoded, expected = decode((VECTORS / f"{name}.inr").read_bytes()), INDEX[name]
    assert decoded.symbols_digest == expected["symbols_sha256"]
    assert decoded.pixels_digest == expected["pixels_sha256"]
    assert list(decoded.pixels.shape) == expected["shape"]


@pytest.mark.parametrize("name", INDEX)
def test_a_decoder_written_from_the_page_alone_agrees(name: str) -> None:
    symbols, pixels, _ = reference_decoder.decode((VECTORS / f"{name}.inr").read_bytes())
    assert digest_symbols([tensor.astype(np.int32) for tensor in symbols]) == INDEX[name]["symbols_sha256"]
    assert digest_pixels(pixels) == INDEX[name]["pixels_sha256"]


def test_metadata_comes_back_byte_for_byte() -> None:
    decoded = decode((VECTORS / "rgb_metadata.inr").read_bytes())
    assert decoded.metadata.icc_profile == b"a profile " * 40
    assert decoded.metadata.exif is not None
    assert decoded.metadata.exif.startswith(b"Exif\0\0MM\0*")


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_pixels_do_not_depend_on_the_threads_of_matrix_products(n_threads: int) -> None:
    with threadpool_limits(n_threads, user_api="blas"):
        for name in ("rgb_fine", "wide_layers", "wide_symbols", "cnn_rgb"):
            decoded = decode((VECTORS / f"{name}.inr").read_bytes())
            assert decoded.pixels_digest == INDEX[name]["pixels_sha256"]


def test_the_format_page_names_what_the_vectors_hold() -> None:
    """Files and page change together: this digest is edited by hand, with a version, or not at all."""
    page = (Path(__file__).parents[2] / "inr" / "FORMAT.md").read_text()
    assert "The last change is of 2026-11-27: family `cnn` in its second form" in page
    symbols = hashlib.sha256("".join(INDEX[name]["symbols_sha256"] for name in sorted(INDEX)).encode())
    assert symbols.hexdigest() == "c6bd1197772a4ecb6b3b24e12cea76e206eff24015535287a828f490eefaabfa"
