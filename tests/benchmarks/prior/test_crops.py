from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.prior.crops import read_crops


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_pictures_of_a_folder_are_read_by_name_and_what_else_is_there_is_not(
    tmp_path: Path, channels: int, mode: str
) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (3, 4, 6, 3), np.uint8)
    (tmp_path / "crops.json").write_text("[]", encoding="utf-8")
    (tmp_path / "held_back").mkdir()
    for name, picture in zip(("b.png", "a.png", "held_back/c.png"), pixels, strict=True):
        Image.fromarray(picture).save(tmp_path / name)
    found = read_crops(tmp_path, channels, side=4)
    expected = [np.asarray(Image.fromarray(picture).convert(mode)) for picture in (pixels[1], pixels[0])]
    assert [crop.shape for crop in found] == [(4, 4, channels)] * 2
    for crop, picture in zip(found, expected, strict=True):
        np.testing.assert_array_equal(crop, picture.reshape(4, 6, channels)[:, 1:5])
    assert len(read_crops(tmp_path, channels, side=2, every=2)) == 1
    with pytest.raises(ValueError, match=r"a\.png: expected sides of 5 pixels or more, found \(4, 6\)"):
        read_crops(tmp_path, channels, side=5)
