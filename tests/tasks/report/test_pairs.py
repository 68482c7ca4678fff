import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from tasks.catalogue.records import Archived
from tasks.report.pairs import MAX_SIDE, Pair, pairs, reduced
from tasks.settings import RunOptions
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.inr.conftest import VECTORS
from tests.opens import counting_opens
from tests.tasks.report.html.archive import real_record
from tests.tasks.rows import changed

OPTIONS = RunOptions(device="cpu")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def size_of(image: Archived) -> tuple[int, int]:
    return image.stored.picture.width, image.stored.picture.height


def pair_of(store: ObjectStore, record: Archived, options: RunOptions = OPTIONS) -> Pair:
    [pair] = pairs(store, [record], options, None)
    return pair


@pytest.mark.parametrize("vector", ["rgb", "grey", "grey_alpha", "rgb_alpha", "cnn_rgb", "1x77"])
def test_both_pictures_are_those_of_the_files(store: ObjectStore, tmp_path: Path, vector: str):
    record = real_record(store, tmp_path / "photos" / "a.png", f"{vector}.inr")
    pair = pair_of(store, record)
    assert pair.note == ""
    assert pair.original is not None
    assert pair.reconstruction is not None
    assert pair.original.size == pair.reconstruction.size == size_of(record)
    original = np.asarray(Image.open(tmp_path / "photos" / "a.png"))
    np.testing.assert_array_equal(np.asarray(pair.original), original)
    decoded = inr.decode((VECTORS / f"{vector}.inr").read_bytes()).pixels
    np.testing.assert_array_equal(np.asarray(pair.reconstruction), decoded.reshape(original.shape))


def test_an_original_that_is_gone_or_changed_is_told_and_the_reconstruction_stays(
    store: ObjectStore, tmp_path: Path
):
    path = tmp_path / "photos" / "a.png"
    record = real_record(store, path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0")
    assert "the file has changed: expected SHA-256" in pair_of(store, record).note
    path.unlink()
    gone = pair_of(store, record)
    assert "a.png cannot be read: No such file" in gone.note
    assert gone.original is None
    assert gone.reconstruction is not None
    assert gone.reconstruction.size == size_of(record)
    path.write_bytes(data)
    limited = pair_of(store, record, RunOptions(max_file_bytes=10))
    assert "expected at most 10 bytes" in limited.note
    assert limited.original is None


def test_a_bitstream_that_is_not_its_rows_is_told_and_not_shown(store: ObjectStore, tmp_path: Path):
    record = real_record(store, tmp_path / "photos" / "a.png")
    other = pair_of(store, changed(record, bitstream_digest="0" * 64))
    assert (other.original, other.reconstruction) == (None, None)
    assert "SHA-256: expected 000" in other.note
    store.delete(record.stored.file.key)
    assert "cannot be shown" in pair_of(store, record).note


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (300, 900, (640, 213)),
        (1, 700, (640, 1)),
        (700, 1, (1, 640)),
        (12, 16, (16, 12)),
        (640, 640, (640, 640)),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_large_images_are_reduced(height: int, width: int, size: tuple[int, int], channels: int):
    picture = reduced(np.zeros((height, width, channels), np.uint8))
    assert picture.size == size
    assert max(size) <= MAX_SIDE
    assert len(picture.getbands()) == channels


def test_an_original_is_opened_once(store: ObjectStore, tmp_path: Path):
    records = [real_record(store, tmp_path / "photos" / f"{n}.png") for n in range(2)]
    with counting_opens(tmp_path / "photos") as opens:
        assert len(list(pairs(store, records, OPTIONS, None))) == 2
    assert opens == {"0.png": 1, "1.png": 1}


def test_pixels_that_may_be_decoded_are_bounded(store: ObjectStore, tmp_path: Path):
    records = [real_record(store, tmp_path / "photos" / f"{n}.png") for n in range(3)]
    n_pixels = math.prod(size_of(records[0]))
    shown = list(pairs(store, records, OPTIONS, 2 * n_pixels))
    assert [pair.reconstruction is not None for pair in shown] == [True, True, False]
    assert "inr report shows them" in shown[2].note
