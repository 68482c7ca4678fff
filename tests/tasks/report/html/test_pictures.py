import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.report.html import pictures
from tasks.report.html.pictures import data_uri, shown_pair
from tasks.report.pairs import Pair, pairs
from tasks.settings import RunOptions
from tasks.store.locations import open_store
from tests.tasks.report.html.archive import real_record
from tests.tasks.rows import archived


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    kind, data = uri.split(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("vector", ["rgb", "grey", "grey_alpha", "rgb_alpha", "cnn_rgb", "1x77"])
def test_both_pictures_are_close_to_those_of_the_files(tmp_path: Path, vector: str):
    store = open_store(str(tmp_path / "store"))
    record = real_record(store, tmp_path / "photos" / "a.png", f"{vector}.inr")
    facts = record.stored.picture
    [found] = pairs(store, [record], RunOptions(), None)
    pair = shown_pair(found)
    assert (pair.width, pair.height, pair.note) == (facts.width, facts.height, "")
    assert not pair.is_reduced
    original, reconstruction = opened(pair.original), opened(pair.reconstruction)
    assert original.size == reconstruction.size == (facts.width, facts.height)
    expected = np.asarray(Image.open(tmp_path / "photos" / "a.png").convert("RGB"), int)
    if facts.channels in (1, 3):  # WebP drops colour where alpha is zero
        assert np.abs(np.asarray(original.convert("RGB"), int) - expected).mean() < 25
    assert np.abs(np.asarray(reconstruction.convert("RGB"), int) - expected).mean() > 10


def test_what_is_not_shown_has_no_picture_and_its_note_stays():
    picture = Image.new("RGB", (8, 6))
    alone = shown_pair(Pair(archived(), None, picture, None, "the original is gone"))
    assert (alone.original, alone.note, alone.width, alone.height) == (None, "the original is gone", 8, 6)
    assert alone.is_reduced
    assert opened(alone.reconstruction).size == (8, 6)
    neither = shown_pair(Pair(archived(), None, None, None, "damaged"))
    assert (neither.original, neither.reconstruction, neither.width, neither.height) == (None, None, 0, 0)


def test_pictures_are_bounded_in_bytes_and_carry_a_small_profile(monkeypatch: pytest.MonkeyPatch):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (213, 640, 3), np.uint8))
    image = opened(data_uri(noise, b"p" * (pictures.MAX_PROFILE_BYTES + 1)))
    assert image.size == (640, 213)
    assert "icc_profile" not in image.info
    assert opened(data_uri(noise, b"profile")).info["icc_profile"] == b"profile"
    full = len(data_uri(noise, None))
    monkeypatch.setattr(pictures, "MAX_PICTURE_BYTES", 60_000)
    assert len(data_uri(noise, None)) < min(full, 60_000 * 4 / 3 + 100)
