import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import pictures
from benchmarks.pictures import KINDS, Point, drawn, main

POINT = Point("a", 96, 96, 744, 218, "lossless", ".webp", None, 0, 0.2, 218, None, 41.5, None)


def test_every_kind_is_drawn_in_every_size_and_always_alike(tmp_path: Path) -> None:
    first, second = ([path.read_bytes() for path in drawn(tmp_path / name)] for name in ("a", "b"))
    assert first == second
    assert len(set(first)) == len(first) == len(KINDS) * len(pictures.SIZES)


def test_kinds_are_what_they_are_called() -> None:
    assert set(np.unique(np.asarray(KINDS["bilevel"](96, 96)))) == {0, 255}
    assert len(KINDS["pixel art"](96, 96).getcolors()) <= 6
    assert set(np.asarray(KINDS["opaque"](96, 96))[:, :, 3].ravel()) == {255}
    assert np.asarray(KINDS["logo"](96, 96))[:, :, 3].min() == 0


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({}, True),
        ({"n_webp": 217}, False),
        ({"n_avif": 217}, False),
        ({"n_avif": 218}, True),
        ({"n_original": 200}, False),
        ({"is_opaque_exact": True}, True),
        ({"is_opaque_exact": False}, False),
    ],
)
def test_a_picture_passes_if_nothing_as_good_is_smaller(changes: dict[str, object], passes: bool) -> None:
    assert dataclasses.replace(POINT, **changes).passes == passes


def test_the_page_shows_each_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "SIZES", ())
    (tmp_path / "photos").mkdir()
    KINDS["pixel art"](64, 64).save(tmp_path / "photos" / "sprite.png")
    (tmp_path / "photos" / "text.txt").write_text("no picture")
    words = ["--out", tmp_path / "made", "--work", tmp_path / "work", "--images", tmp_path / "photos"]
    main([str(word) for word in words])
    page = (tmp_path / "made.md").read_text()
    assert "- 1 of 1 pass" in page
    assert "| sprite | 64x64 |" in page
    assert re.search(r"\| lossless \.(jxl|webp|png) \| exact \| 0 \|", page)
