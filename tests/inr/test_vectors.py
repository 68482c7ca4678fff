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
from tests.tracing import untraced
from tests.vectors.events import Counting, expected
from tests.vectors.make import COUNTED, FILES, FITTED, entry

INDEX = json.loads((VECTORS / "vectors.json").read_text())


@pytest.fixture(scope="module")
def counting() -> Counting:
    """The second decoder, which counts what it meets in the files."""
    return Counting()


def test_every_file_is_listed() -> None:
    assert {path.stem for path in VECTORS.glob("*.inr")} == set(INDEX) == set(FILES)


@pytest.mark.parametrize("name", INDEX)
def test_golden_files_decode_to_what_they_always_did(name: str) -> None:
    assert entry((VECTORS / f"{name}.inr").read_bytes()) == INDEX[name]


@pytest.mark.parametrize("name", INDEX)
def test_a_decoder_written_from_the_page_alone_agrees(name: str, counting: Counting) -> None:
    read = counting.decoder["decode"] if name in COUNTED else reference_decoder.decode
    counting.files.add(name)
    symbols, pixels, metadata = untraced(read, (VECTORS / f"{name}.inr").read_bytes())
    assert digest_symbols([tensor.astype(np.int32) for tensor in symbols]) == INDEX[name]["symbols_sha256"]
    assert digest_pixels(pixels) == INDEX[name]["pixels_sha256"]
    for part, block in zip(("icc", "exif", "xmp"), metadata, strict=True):
        assert INDEX[name][f"{part}_sha256"] == (hashlib.sha256(block).hexdigest() if block else None)


def test_every_clip_and_limit_is_reached(counting: Counting) -> None:
    """Files that no test above has read in this process are read now."""
    for name in COUNTED:
        if name not in counting.files:
            untraced(counting.decoder["decode"], (VECTORS / f"{name}.inr").read_bytes())
    assert not {event for event in expected() if not counting.events[event]}


@pytest.mark.parametrize(
    "name", ["mlp_ties_of_samples", "cnn_one_level", "cnn_halves", "cnn_context_of_small_weights"]
)
def test_made_again_a_file_is_the_same(name: str) -> None:
    assert name not in FITTED
    assert FILES[name]() == (VECTORS / f"{name}.inr").read_bytes()


def test_metadata_comes_back_byte_for_byte() -> None:
    decoded = decode((VECTORS / "rgb_metadata.inr").read_bytes())
    assert decoded.metadata.icc_profile == b"a profile " * 40
    assert decoded.metadata.exif is not None
    assert decoded.metadata.exif.startswith(b"Exif\0\0MM\0*")
    assert decoded.metadata.xmp == b"<x:xmpmeta/>" * 9


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_pixels_do_not_depend_on_the_threads_of_matrix_products(n_threads: int) -> None:
    with threadpool_limits(n_threads, user_api="blas"):
        for name in ("rgb_fine", "wide_layers", "wide_symbols", "mlp_single_operations", "cnn_rgb"):
            decoded = decode((VECTORS / f"{name}.inr").read_bytes())
            assert decoded.pixels_digest == INDEX[name]["pixels_sha256"]


def test_the_format_page_names_what_the_vectors_hold() -> None:
    """Files and page change together: this digest is edited by hand, with a version, or not at all.

    Files named cnn_ are not in it: they change with the priors, whose digest is on the page (`test_tables`).
    """
    page = (Path(__file__).parents[2] / "inr" / "FORMAT.md").read_text()
    assert "The last change is of 2026-11-28: family `cnn` in its second form" in page
    names = sorted(name for name in INDEX if not name.startswith("cnn_"))
    symbols = hashlib.sha256("".join(INDEX[name]["symbols_sha256"] for name in names).encode())
    assert symbols.hexdigest() == "9dd31e6a72b88216c7e337ebebb21cd5a7c0c5aa3e8b5276cee0ce83d9d7935c"
