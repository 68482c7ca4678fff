from pathlib import Path

import pytest
from PIL import Image

from benchmarks.rd import made
from benchmarks.rd.made import MadePoint
from inr import CodecConfig, Encoded, encode
from inr.bitstream import unpack
from inr.metrics import psnr_db
from tests.tasks.pictures import gradient


@pytest.fixture
def encoded() -> Encoded:
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=0.01)
    return encode(gradient(12, 16, 3), config, n_steps=50)


def kept(folder: Path, encoded: Encoded) -> MadePoint:
    Image.fromarray(gradient(12, 16, 3)).save(folder / "photo.png")
    made.keep(folder, "photo", encoded, preset="draft", encode_seconds=2.5, device="a card")
    return MadePoint(folder / "photo.png", 0.01, folder, "draft")


def test_a_kept_file_is_measured_by_what_it_decodes_to(tmp_path: Path, encoded: Encoded) -> None:
    point = kept(tmp_path, encoded).measure()
    assert point.n_bytes == len(encoded.bitstream)
    assert point.psnr_db == psnr_db(reference=gradient(12, 16, 3), decoded=encoded.pixels)
    assert (point.setting, point.encode_seconds, point.device) == (0.01, 2.5, "a card")
    assert point.estimated_bits == encoded.estimated_rate_bits
    assert point.side_bytes == len(encoded.bitstream) - unpack(encoded.bitstream).section_bytes["payload"]


def test_it_is_measured_again_when_file_or_image_change(tmp_path: Path, encoded: Encoded) -> None:
    point = kept(tmp_path, encoded)
    before = point.key
    assert before.startswith("photo λ=0.01 ")
    assert point.key == before
    (tmp_path / "photo_10000.inr").write_bytes(encoded.bitstream + b" ")
    changed = point.key
    Image.new("RGB", (16, 12)).save(tmp_path / "photo.png")
    assert len({before, changed, point.key}) == 3


def test_a_file_of_another_preset_is_refused(tmp_path: Path, encoded: Encoded) -> None:
    kept(tmp_path, encoded)
    point = MadePoint(tmp_path / "photo.png", 0.01, tmp_path, "best")
    with pytest.raises(ValueError, match="expected a file of preset best, found draft"):
        point.measure()
