"""The program of `benchmarks.rd` and its page, from made-up points and from files of one colour."""

import argparse
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.rd.__main__ import Result, lines, main, options, summarise
from benchmarks.rd.codecs import JPEGS
from benchmarks.rd.results import FilePoint, FittedPoint
from tests.benchmarks.rd.made_up import RATES, both, fitted, points, quality
from tests.tasks.pictures import gradient


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    options(parser)
    return parser.parse_args(["--images", "kodak", "--threads", "3", *words])


def result(ours: list[FittedPoint]) -> Result:
    jpegs = {
        name: both(points("one", share), points("two", share, offset=2))
        for name, share in zip(JPEGS, (1, 2), strict=True)
    }
    return summarise(ours, jpegs)


def test_the_page(tmp_path: Path) -> None:
    twice = {"bpp": [2 * rate for rate in RATES], "psnr": [quality(rate, 1) for rate in RATES]}
    (tmp_path / "published.json").write_text(json.dumps({"twice JPEG": twice}))
    published = ("--reference", str(tmp_path / "published.json"), "--compare", "twice JPEG")
    ours = [*fitted("one", 0.5), *fitted("two", 0.7, offset=2)]
    page = "\n".join(
        lines(result(ours), arguments("--preset", "draft", "--box", "0", "1", "2", "4", *published))
    )
    assert page.startswith("# Rate and distortion of mlp draft on crops of 2x3 of 2 images\n")
    assert "This codec: model mlp, preset draft, seed 0, cpu" in page
    assert "1 at once, 3 threads each" in page
    assert "Box 0, 1, 2, 4 of each image" in page
    assert "| one, against JPEG, better subsampling | -50.0 % | -50.0 % | 13.00 to 43.00 | 100 % |" in page
    assert "| this codec | -40.0 % | -40.0 % |" in page
    assert "| mean curve, against published twice JPEG | -70.0 % |" in page
    needed = 0.4 * 2 ** (-4 / 6)
    assert f"| JPEG 4:2:0 | {needed * 2 ** (-2 / 6):.4f} | {needed:.4f} |" in page
    assert f"| twice JPEG | {2 * needed * 2 ** (-2 / 6):.4f} | {2 * needed:.4f} |" in page
    assert "| two | 2.5 | 35000 | 0.2800 | 33.00 | 0.9000 | – | 2.00 | 0.500 |" in page
    assert page.count("| 1.0000 | 20 | -30.0 % |") == len(RATES)


def test_baselines_alone_have_a_page_too() -> None:
    page = "\n".join(lines(result([]), arguments()))
    assert page.startswith("# Rate and distortion of baselines on 2 images\n")
    assert "This codec" not in page
    assert "by image" not in page
    assert "| JPEG 4:2:0 | 3 | 0.4000 | 32.00 |" in page


def test_an_empty_list_of_lambdas_is_baselines_alone() -> None:
    assert arguments("--lambdas").lambdas == []
    with pytest.raises(SystemExit):
        arguments("--baselines", "BPG")


def test_every_file_is_measured_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        Image.fromarray(gradient(16, 16, 3)).save(tmp_path / f"{name}.png")
    for _ in range(2):
        main(
            [
                "--images",
                str(tmp_path),
                "--box",
                "0",
                "0",
                "9",
                "8",
                "--work",
                str(tmp_path / "work"),
                "--out",
                str(tmp_path / "rd"),
            ]
        )
    found = json.loads((tmp_path / "rd.json").read_text(encoding="utf-8"))
    assert found["settings"]["baselines"] == list(JPEGS) == list(found["baselines"])
    assert (found["n_images"], found["points"]) == (2, [])
    assert len((tmp_path / "rd.jsonl").read_text().splitlines()) == 2 * 2 * 12
    assert "48 points, 48 measured before" in capsys.readouterr().err
    points = [FilePoint(**values) for values in found["baselines"]["JPEG 4:2:0"]]
    assert [point.image for point in points] == ["a"] * 12 + ["b"] * 12
    assert points[0].bpp == 8 * points[0].n_bytes / (9 * 8)
