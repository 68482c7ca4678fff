import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from flows.cli import exits
from flows.cli.app import app
from tests.tasks.pictures import file_of, image


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    original, decoded = tmp_path / "a.png", tmp_path / "b.jpg"
    original.write_bytes(file_of(image(170, 180, 3)))
    decoded.write_bytes(file_of(image(170, 180, 3), "JPEG", quality=30))
    return original, decoded


def test_compare_prints_every_measure_and_writes_the_picture(pair: tuple[Path, Path], tmp_path: Path):
    picture = tmp_path / "compare.png"
    result = invoke(*pair, "-o", picture, "--gain", 4, "--json")
    assert result.exit_code == exits.OK, result.output
    made = json.loads(result.stdout)
    assert (made["width"], made["height"], made["channels"]) == (180, 170, 3)
    assert made["second"]["n_bytes"] == pair[1].stat().st_size
    assert made["psnr_db"] > 20
    assert 0.5 < made["ms_ssim"] < 1
    assert 0 < made["flip"] < 0.5
    assert made["output"] == str(picture)
    with Image.open(picture) as opened:
        assert opened.width == 3 * 180
    shown = invoke(*pair).stdout
    assert f"PSNR {made['psnr_db']:.2f} dB, largest difference {made['max_difference']} of 255" in shown
    assert f"MS-SSIM {made['ms_ssim']:.4f}" in shown
    assert f"FLIP {made['flip']:.4f}" in shown


def test_equal_images_are_infinitely_close_and_json_says_null(pair: tuple[Path, Path]):
    assert json.loads(invoke(pair[0], pair[0], "--json").stdout)["psnr_db"] is None
    assert "PSNR inf dB, largest difference 0 of 255" in invoke(pair[0], pair[0]).stdout


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["{a}", "{b}", "-o", "{folder}/x.jpg"], exits.USAGE, "ending in .png"),
        (["{a}", "{b}", "-o", "{folder}/no/x.png"], exits.USAGE, "existing folder"),
        (["{a}", "{b}", "-o", "{a}"], exits.USAGE, "a file of its own"),
        (["{b}", "{a}", "-o", "{a}"], exits.USAGE, "a file of its own"),
        (["{a}", "{small}"], exits.USAGE, "expected two images of one size, found 180x170"),
        (["{a}", "{folder}/none.png"], exits.IMAGE, "none.png cannot be read: No such file"),
        (["{a}", "{folder}"], exits.IMAGE, "SourceError"),
        (["{a}", "{text}"], exits.BITSTREAM, "BadMagic"),
        (["{a}", "{b}", "--gain", "0"], exits.USAGE, "gain"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    words: list[str], code: int, reason: str, pair: tuple[Path, Path], tmp_path: Path
):
    places = {
        "a": pair[0],
        "b": pair[1],
        "folder": tmp_path,
        "small": tmp_path / "s.png",
        "text": tmp_path / "t.inr",
    }
    places["small"].write_bytes(file_of(image(10, 10, 3)))
    places["text"].write_text("no bitstream")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    result = invoke(*(word.format(**places) for word in words))
    assert result.exit_code == code, result.output
    assert reason in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
