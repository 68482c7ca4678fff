import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.catalogue.records import CatalogueRecord
from tasks.report.html import pictures
from tasks.report.html.pictures import Pair, pairs
from tasks.settings import RunOptions
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.tasks.report.html.archive import real_record

OPTIONS = RunOptions(device="cpu")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def pair_of(store: ObjectStore, record: CatalogueRecord, options: RunOptions = OPTIONS) -> Pair:
    [pair] = pairs(store, [record], options, None)
    return pair


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    kind, data = uri.split(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("vector", ["rgb", "grey", "grey_alpha", "rgb_alpha", "cnn_rgb", "1x77"])
def test_both_pictures_are_those_of_the_files(store: ObjectStore, tmp_path: Path, vector: str):
    record = real_record(store, tmp_path / "photos" / "a.png", f"{vector}.inr")
    pair = pair_of(store, record)
    assert (pair.width, pair.height, pair.note) == (record.width, record.height, "")
    original, reconstruction = opened(pair.original), opened(pair.reconstruction)
    assert original.size == reconstruction.size == (record.width, record.height)
    expected = np.asarray(Image.open(tmp_path / "photos" / "a.png").convert("RGB"), int)
    if record.channels in (1, 3):  # WebP drops colour where alpha is zero
        assert np.abs(np.asarray(original.convert("RGB"), int) - expected).mean() < 25
    assert np.abs(np.asarray(reconstruction.convert("RGB"), int) - expected).mean() > 10


def test_an_original_that_is_gone_or_changed_is_told_and_the_reconstruction_stays(
    store: ObjectStore, tmp_path: Path
):
    path = tmp_path / "photos" / "a.png"
    record = real_record(store, path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0")
    assert pair_of(store, record).note.endswith("the file has changed since it was archived")
    path.unlink()
    gone = pair_of(store, record)
    assert "a.png cannot be read: No such file" in gone.note
    assert gone.original is None
    assert opened(gone.reconstruction).size == (record.width, record.height)
    path.write_bytes(data)
    limited = pair_of(store, record, RunOptions(max_file_bytes=10))
    assert "expected at most 10 bytes" in limited.note
    assert limited.original is None


def test_a_bitstream_that_is_not_its_rows_is_told_and_not_shown(store: ObjectStore, tmp_path: Path):
    record = real_record(store, tmp_path / "photos" / "a.png")
    other = pair_of(store, dataclasses.replace(record, bitstream_digest="0" * 64))
    assert (other.original, other.reconstruction) == (None, None)
    assert "SHA-256: expected 000" in other.note
    store.delete(record.key or "")
    assert "cannot be shown" in pair_of(store, record).note


def test_large_images_are_reduced_and_pictures_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch):
    noise = np.random.default_rng(0).integers(0, 256, (300, 900, 3), np.uint8)
    assert pictures._shown_size(noise) == (640, 213)
    assert pictures._shown_size(noise[:1, :700]) == (640, 1)
    image = opened(pictures._data_uri(noise, b"p" * (pictures.MAX_PROFILE_BYTES + 1)))
    assert image.size == (640, 213)
    assert "icc_profile" not in image.info
    assert opened(pictures._data_uri(noise, b"profile")).info["icc_profile"] == b"profile"
    full = len(pictures._data_uri(noise, None))
    monkeypatch.setattr(pictures, "MAX_PICTURE_BYTES", 60_000)
    assert len(pictures._data_uri(noise, None)) < min(full, 60_000 * 4 / 3 + 100)


def test_pixels_that_may_be_decoded_are_bounded(store: ObjectStore, tmp_path: Path):
    records = [real_record(store, tmp_path / "photos" / f"{n}.png") for n in range(3)]
    n_pixels = (records[0].width or 0) * (records[0].height or 0)
    shown = list(pairs(store, records, OPTIONS, 2 * n_pixels))
    assert [pair.reconstruction is not None for pair in shown] == [True, True, False]
    assert "inr report shows them" in shown[2].note
