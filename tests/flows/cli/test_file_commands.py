import io
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inr
from flows.cli import exits
from inr.bitstream import Metadata
from tasks.report.compare import LEAST_WIDTH
from tests.flows.command import INR, INR_SHORTLY, ROOT, inr_run, invoke
from tests.lengths import fits_from
from tests.tasks.pictures import file_of, image


def test_encode_says_what_it_made(encoded: dict[str, Any], bitstream: Path):
    assert bitstream.stat().st_size == encoded["n_bytes"]
    assert encoded["rate_bpp"] == 8 * encoded["n_bytes"] / (12 * 16)
    assert (encoded["width"], encoded["height"], encoded["channels"]) == (16, 12, 3)
    assert encoded["goal"] == "rd_lambda"
    assert encoded["encode_seconds"] >= encoded["fit_seconds"] > 0


def test_encode_fits_into_a_time_and_says_with_how_many_steps(photo: Path, tmp_path: Path):
    words = ("encode", photo, "-o", tmp_path / "a.inr", "--model", "mlp", "--device", "cpu", "--json")
    with fits_from(1, 60):
        made = json.loads(invoke(*words, "--seconds-per-image", 600).stdout)
    assert (made["preset"], made["n_steps"]) == ("600 s", 60)
    short = invoke(*words, "--seconds-per-image", 0.001)
    assert short.exit_code == exits.ENCODE
    assert "BudgetTooSmall: the time is too short: " in short.stderr


def test_encode_writes_over_no_photograph(photo: Path, tmp_path: Path):
    (tmp_path / "cam.png").write_bytes(b"another photograph")
    refused = invoke("encode", photo, "-o", tmp_path / "cam.png", "--device", "cpu")
    assert refused.exit_code == exits.USAGE
    assert "output: expected a name ending in .inr" in refused.stderr
    assert (tmp_path / "cam.png").read_bytes() == b"another photograph"


def test_decode_writes_the_image_with_its_metadata(encoded: dict[str, Any], bitstream: Path, tmp_path: Path):
    result = invoke("decode", bitstream, "-o", tmp_path / "out.png", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pixels_digest"] == encoded["pixels_digest"]
    with Image.open(tmp_path / "out.png") as decoded:
        assert decoded.size == (16, 12)
        assert decoded.info["icc_profile"] == b"profile"
        assert decoded.info["xmp"] == b"<x:xmpmeta/>"
        assert decoded.getexif()[0x010F] == "maker"
    assert list(tmp_path.iterdir()) == [tmp_path / "out.png"]


def test_inspect_accounts_for_every_byte(encoded: dict[str, Any], bitstream: Path):
    found = json.loads(invoke("inspect", bitstream, "--json").stdout)
    assert sum(section["n_bytes"] for section in found["sections"]) == found["n_bytes"] == encoded["n_bytes"]
    assert sum(tensor["n_symbols"] for tensor in found["tensors"]) == found["n_parameters"]
    text = invoke("inspect", bitstream).stdout
    for part in [*found["sections"], *found["parts"], *found["tensors"]]:
        assert part["name"] in text


def test_a_dash_is_standard_input_and_output_and_messages_stand_aside(
    photo: Path, bitstream: Path, tmp_path: Path
):
    how = ("--model", "mlp", "--preset", "draft", "--json")
    encode = piped(photo.read_bytes(), "encode", "-", "-o", "-", *how, program=INR_SHORTLY)
    assert encode.stdout == bitstream.read_bytes()
    assert json.loads(encode.stderr)["output"] == "-"
    decode = piped(encode.stdout, "decode", "-", "-o", "-")
    assert decode.stderr.decode().startswith("- → -\n")
    (tmp_path / "back.png").write_bytes(decode.stdout)
    for other in (bitstream, tmp_path / "back.png"):
        compare = piped(other.read_bytes(), "compare", tmp_path / "back.png", "-", "-o", "/dev/stdout")
        with Image.open(io.BytesIO(compare.stdout)) as sheet:
            assert sheet.width == 3 * 200  # of pictures that are narrower
        assert b"PSNR inf dB" in compare.stderr
    inspect = piped(encode.stdout, "inspect", "/dev/stdin", "--json")
    assert json.loads(inspect.stdout)["n_bytes"] == len(encode.stdout)


def test_an_error_stands_aside_too(photo: Path):
    result = piped(photo.read_bytes(), "decode", "-", "-o", "-", "--json", code=exits.BITSTREAM)
    assert result.stdout == b""
    assert result.stderr.endswith(b"\n")
    assert result.stderr.splitlines()[-1].startswith(b"inr: BadMagic: ")


def piped(
    data: bytes, *arguments: object, code: int = exits.OK, program: list[str] = INR
) -> "subprocess.CompletedProcess[bytes]":
    """``inr`` as its own process, between two pipes."""
    result = subprocess.run(
        [*program, *map(str, arguments)], cwd=ROOT, input=data, capture_output=True, check=False, timeout=300
    )
    assert result.returncode == code, result.stderr
    return result


def test_a_target_is_answered_with_how_close_it_came(photo: Path, tmp_path: Path):
    result = inr_run(
        *("encode", photo, "-o", tmp_path / "x.inr", "--model", "mlp", "--preset", "draft"),
        *("--target-psnr", 20),
        program=INR_SHORTLY,
    )
    assert result.returncode == 0, result.stderr
    assert "target 20 dB: reached" in result.stdout
    assert result.stderr == ""
    assert not {"\x1b", "\r"} & set(result.stdout)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    original, decoded = tmp_path / "a.png", tmp_path / "b.jpg"
    original.write_bytes(file_of(image(170, 180, 3)))
    decoded.write_bytes(file_of(image(170, 180, 3), "JPEG", quality=30))
    return original, decoded


def test_compare_prints_every_measure_and_writes_the_picture(pair: tuple[Path, Path], tmp_path: Path):
    picture = tmp_path / "compare.png"
    result = invoke("compare", *pair, "-o", picture, "--gain", 4, "--json")
    assert result.exit_code == exits.OK, result.output
    made = json.loads(result.stdout)
    assert (made["width"], made["height"], made["channels"]) == (180, 170, 3)
    assert made["second"]["n_bytes"] == pair[1].stat().st_size
    assert made["psnr_db"] > 20
    assert 0.5 < made["ms_ssim"] < 1
    assert 0 < made["flip"] < 0.5
    assert made["output"] == str(picture)
    with Image.open(picture) as opened:
        assert opened.width == 3 * LEAST_WIDTH
    shown = invoke("compare", *pair).stdout
    assert f"PSNR {made['psnr_db']:.2f} dB, largest difference {made['max_difference']} of 255" in shown
    assert f"MS-SSIM {made['ms_ssim']:.4f}" in shown
    assert f"FLIP {made['flip']:.4f}" in shown


def test_equal_images_are_infinitely_close_and_json_says_null(pair: tuple[Path, Path]):
    assert json.loads(invoke("compare", pair[0], pair[0], "--json").stdout)["psnr_db"] is None
    assert "PSNR inf dB, largest difference 0 of 255" in invoke("compare", pair[0], pair[0]).stdout


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
    result = invoke("compare", *(word.format(**places) for word in words))
    assert result.exit_code == code, result.output
    assert reason in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_png_cannot_hold_is_decoded_into_a_webp(tmp_path: Path):
    profile = b"p" * (1 << 20)
    pixels = np.full((3, 5, 3), 7, np.uint8)
    encoded = inr.encode(pixels, inr.CodecConfig(model="mlp"), metadata=Metadata(icc_profile=profile))
    (tmp_path / "x.inr").write_bytes(encoded.bitstream)
    refused = invoke("decode", tmp_path / "x.inr", "-o", tmp_path / "x.png")
    assert (refused.exit_code, "PNG cannot hold the ICC profile" in refused.stderr) == (exits.IMAGE, True)
    assert invoke("decode", tmp_path / "x.inr", "-o", tmp_path / "x.webp").exit_code == exits.OK
    with Image.open(tmp_path / "x.webp") as opened:
        assert opened.info["icc_profile"] == profile
        np.testing.assert_array_equal(np.asarray(opened), pixels)
    wrong = invoke("decode", tmp_path / "x.inr", "-o", tmp_path / "x.jpg")
    assert wrong.exit_code == exits.USAGE
    assert "expected a name ending in .png or .webp" in wrong.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.inr", "x.webp"]
