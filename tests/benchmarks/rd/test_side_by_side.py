import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.frame import origin_of, read, to_json
from benchmarks.rd.codecs import JPEGS
from benchmarks.rd.results import FilePoint
from benchmarks.rd.side_by_side import main, read_results
from tests.benchmarks.rd.made_up import both, fitted, points

RESULTS = Path("benchmarks/results")


def result(folder: Path, name: str, **parts: Any) -> Path:
    """A result file as `benchmarks.rd` writes it."""
    settings = {"model": "cnn", "preset": "draft", "threads_per_process": 2}
    values = {**asdict(origin_of("benchmarks.rd", [])), "settings": settings, "points": [], **parts}
    path = folder / f"{name}.json"
    path.write_text(to_json(values), encoding="utf-8")
    return path


def of_two(share: float) -> list[dict[str, Any]]:
    return [asdict(point) for point in both(points("one", share), points("two", share))]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    of_baselines = {JPEGS[0]: of_two(1), JPEGS[1]: of_two(1.5), "AVIF 4:4:4": of_two(0.5)}
    ours = [asdict(point) for point in both(fitted("one", 0.4), fitted("two", 0.4))]
    return [
        result(tmp_path, "baselines", baselines=of_baselines),
        result(tmp_path, "cnn", points=ours, baselines={JPEGS[0]: of_two(9)}),
    ]


def test_jpeg_of_a_run_of_a_model_is_not_taken(files: list[Path]) -> None:
    codecs, sources = read_results(files)
    assert [codec.name for codec in codecs] == [*JPEGS, "AVIF 4:4:4", "cnn draft"]
    assert [codec.is_ours for codec in codecs] == [False, False, False, True]
    assert (codecs[-1].n_threads, sources["cnn draft"].threads) == (2, 2)
    assert sources["cnn draft"].file == "cnn.json"


def test_results_on_other_images_are_refused(files: list[Path], tmp_path: Path) -> None:
    other = result(tmp_path, "other", points=[asdict(point) for point in fitted("three", 1)])
    with pytest.raises(ValueError, match=r"cnn draft: expected the images of JPEG 4:2:0, found \['three'\]"):
        read_results([files[0], other])


def test_a_codec_is_taken_once(files: list[Path]) -> None:
    with pytest.raises(ValueError, match="cnn draft is in a file before it as well"):
        read_results([*files, files[1]])


def test_anchors_must_be_among_the_results(files: list[Path]) -> None:
    expected = "expected AVIF 4:4:4, JPEG 4:2:0, JPEG 4:4:4 among the results, found cnn draft"
    with pytest.raises(ValueError, match=expected):
        read_results(files[1:])


def test_the_page_and_the_result(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rd_kodak7"
    main([*map(str, files), "--core-hour-usd", "0.05", "--out", str(out)])
    page = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "| cnn draft | -60.0 % | -60.0 % | 13.0 to 43.0 | -20.0 % | -20.0 % | 13.0 to 43.0 |" in page
    assert "At 0.05 $ per core-hour and 0.023 $ per GB and month" in page
    assert "nothing is measured by it" in page
    assert "| cnn draft | λ 2.5 | 0.1600 | 31.00 | 0.9000 | – | 2.00 | 0.500 |" in page
    values = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert values["images"] == ["one", "two"]
    assert "rd_lambda" in values["mean"]["cnn draft"][0]
    assert "setting" in values["mean"]["AVIF 4:4:4"][0]


def test_stored_results_are_read_as_they_were(tmp_path: Path) -> None:
    """`make fig4` puts results side by side that older programs wrote."""
    names = ("baselines", "mlp_standard", "cnn_draft")
    main([*(f"{RESULTS}/rd_{name}.json" for name in names), "--out", str(tmp_path / "rd_kodak7")])
    stored, found = (
        json.loads((folder / "rd_kodak7.json").read_text(encoding="utf-8")) for folder in (RESULTS, tmp_path)
    )
    assert {**found, "command": ""} == {**stored, "command": ""}


def test_a_point_of_an_older_result_has_what_newer_ones_add_by_default() -> None:
    values = {"setting": 1.0, "image": "a", "n_bytes": 1, "bpp": 0.5, "psnr_db": 30.0, "width": 16}
    point = read(FilePoint, {**values, "encode_seconds": 1.0, "decode_seconds": 1.0})
    assert (point.ms_ssim, point.flip) == (None, None)
