import argparse
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.decode_process import ROOT, Checkout, Result, Run, main, page
from inr import CodecConfig, encode
from tests.tasks.pictures import gradient


def runs(state: str, checkout: str, *seconds: float) -> list[Run]:
    return [Run("a", state, checkout, turn, 2 * s, s, 100 * s) for turn, s in enumerate(seconds)]


def test_the_page_has_medians_and_the_ratio_of_pairs():
    found = runs("warm", "this", 1, 2, 6)[::-1] + runs("warm", "the other", 2, 4, 6)
    lines = page(Result(found), argparse.Namespace())
    assert "| file, state, measure | this | the other | this / the other, pair by pair |" in lines
    assert "| a, warm, 3 times: processor, s | 4.00 | 8.00 | 0.667 ± 0.167 |" in lines
    assert "| a, warm, 3 times: greatest memory, MiB | 200.00 | 400.00 | 0.667 ± 0.167 |" in lines


def test_one_checkout_alone_has_no_ratio():
    lines = page(Result(runs("first", "this", 1)), argparse.Namespace())
    assert "| file, state, measure | this |" in lines
    assert "| a, first, 1 times: start to exit, s | 1.00 |" in lines


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """The file of an image of one colour, which needs no fit."""
    pixels = gradient(1, 1, 3)
    (tmp_path / "flat.inr").write_bytes(encode(pixels, CodecConfig(model="mlp", preset="draft")).bitstream)
    return tmp_path / "flat.inr"


def test_a_first_run_finds_no_bytecode_of_its_own_code(flat: Path, tmp_path: Path):
    checkout = Checkout("this", ROOT, tmp_path)
    own = tmp_path / "bytecode" / ROOT.relative_to("/")
    checkout.decode(flat, "warm", 0)
    (own / "old.pyc").touch()
    (tmp_path / "bytecode" / "library.pyc").touch()
    found = checkout.decode(flat, "first", 3)
    assert not (own / "old.pyc").exists()
    assert (own / "inr").is_dir()
    assert (tmp_path / "bytecode" / "library.pyc").exists()
    assert (found.file, found.state, found.turn) == ("flat", "first", 3)
    assert found.cpu_seconds > 0
    with Image.open(checkout.image_of(flat)) as image:
        assert image.size == (1, 1)


def test_files_are_decoded_in_pairs(flat: Path, tmp_path: Path):
    words = ["--files", str(flat), "--against", str(ROOT), "--runs", "1", "--first-runs", "0"]
    main([*words, "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")])
    text = (tmp_path / "out.md").read_text(encoding="utf-8")
    assert text.count("| flat, warm, 1 times: ") == 3
