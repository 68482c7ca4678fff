import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.baselines import CODECS
from benchmarks.provenance import command, headline, result_file
from benchmarks.rd import COMPARED, PUBLISHED, list_images, parse, read_published
from benchmarks.rd_report import number, table, to_json, to_markdown, write
from benchmarks.rd_stats import mean_points, summarise

RATES = (0.1, 0.2, 0.4, 0.8, 1.6)
ORIGIN = {
    "date": "2000-01-01 00:00 UTC",
    "machine": {"cpu": "a processor", "cores": 2, "architecture": "x86_64"},
    "versions": {"inr": "0.1.0"},
    "code": "0123",
    "command": "python -m benchmarks.rd",
    "settings": {
        "model": "mlp",
        "preset": "draft",
        "seed": 0,
        "device": "cpu",
        "processes": 1,
        "threads_per_process": 2,
        "baselines": {"JPEG 4:2:0": "JPEG 4:2:0: some settings"},
    },
}


def quality(rate: float, offset: float) -> float:
    return 28 + offset + 6 * math.log2(rate / 0.4)


def jpeg(image: str, offset: float) -> dict[str, list[dict[str, Any]]]:
    """JPEG's points on an image: 4:4:4 needs twice the rate of 4:2:0, and never counts."""
    of_420 = [baseline_point(image, n, rate, quality(rate, offset)) for n, rate in enumerate(RATES)]
    of_444 = [{**point, "bpp": 2 * point["bpp"]} for point in of_420]
    return {"JPEG 4:2:0": of_420, "JPEG 4:4:4": of_444}


def baseline_point(image: str, setting: float, rate: float, psnr_db: float) -> dict[str, Any]:
    return {
        "image": image,
        "setting": setting,
        "n_bytes": 1000,
        "bpp": rate,
        "psnr_db": psnr_db,
        "ms_ssim": 0.9,
        "flip": 0.1,
        "encode_seconds": 0.02,
        "decode_seconds": 0.01,
    }


def both(*of_each: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {name: [point for of_one in of_each for point in of_one[name]] for name in of_each[0]}


def points(image: str, offset: float, share: float) -> list[dict[str, Any]]:
    """A codec that needs `share` of JPEG's rate."""
    return [
        {
            "image": image,
            "rd_lambda": 1 / rate,
            "n_bytes": 1000,
            "bpp": share * rate,
            "psnr_db": quality(rate, offset),
            "encode_seconds": 2.0,
            "decode_seconds": 0.5,
        }
        for rate in RATES
    ]


@pytest.fixture
def report() -> dict[str, Any]:
    jpegs = both(jpeg("one", 0), jpeg("two", 2))
    ours = [*points("one", 0, 0.5), *points("two", 2, 0.7)]
    published = {"twice JPEG": {"bpp": [2 * r for r in RATES], "psnr": [quality(r, 1) for r in RATES]}}
    return {**ORIGIN, **summarise(ours, jpegs, published)}


def test_bd_rates(report: dict[str, Any]) -> None:
    assert report["bd_rate"]["one"]["pchip"] == pytest.approx(-50)
    assert report["bd_rate"]["two"]["pchip"] == pytest.approx(-30)
    assert report["bd_rate_mean_of_images"] == pytest.approx(-40)
    assert report["bd_rate_mean_curve"]["pchip"] == pytest.approx(-40)
    assert report["bd_rate_published"]["twice JPEG"]["pchip"] == pytest.approx(-70)


def test_each_point_knows_what_jpeg_needs(report: dict[str, Any]) -> None:
    for point in report["points"]:
        share = {"one": 0.5, "two": 0.7}[point["image"]]
        assert point["bpp"] / point["jpeg_bpp"] == pytest.approx(share)


def test_means_are_over_images_of_one_lambda(report: dict[str, Any]) -> None:
    middle = next(row for row in report["mean"] if row["rd_lambda"] == 2.5)
    assert middle["bpp"] == pytest.approx(0.6 * 0.4)
    assert middle["psnr_db"] == pytest.approx(29)
    assert middle["encode_seconds"] == 2
    assert [row["rd_lambda"] for row in report["mean"]] == sorted((1 / r for r in RATES), reverse=True)


def test_rates_needed(report: dict[str, Any]) -> None:
    at_28 = next(row for row in report["bpp_needed"] if row["psnr_db"] == 28)
    assert at_28["JPEG (this run)"] == pytest.approx(0.4 * 2 ** (-1 / 6))
    assert at_28["ours"] == pytest.approx(0.6 * at_28["JPEG (this run)"])
    assert at_28["twice JPEG"] == pytest.approx(2 * at_28["JPEG (this run)"])


def test_the_page(report: dict[str, Any]) -> None:
    page = to_markdown(report)
    assert "| one | -50.0 % | -50.0 % |" in page
    assert "| **mean curve** | -40.0 % | -40.0 % |" in page
    assert "a processor, 2 cores" in page
    assert page.count("| two |") == 1 + len(RATES)


def test_jpeg_alone_has_a_page_too() -> None:
    report = {**ORIGIN, **summarise([], jpeg("one", 0), {})}
    page = to_markdown(report)
    assert report["bd_rate_mean_curve"] is None
    assert "BD-rate" not in page
    assert "Codec: model" not in page
    assert "| 28 | – | 0.4000 | – |" in page


def test_the_files(report: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "results" / "rd_0.5"
    write(report, out)
    assert json.loads(result_file(out, ".json").read_text()) == json.loads(json.dumps(report))
    assert result_file(out, ".md").read_text() == to_markdown(report)
    assert "JPEG, better subsampling" in result_file(out, ".svg").read_text()


def test_pairs_are_on_one_line() -> None:
    assert to_json({"a": [[0.5, -1e-07], [1, 2]]}) == '{\n "a": [\n  [0.5, -1e-07],\n  [1, 2]\n ]\n}\n'


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (-41.23, "-41.2 %")])
def test_numbers(value: float | None, text: str) -> None:
    assert number(value, 1, " %") == text


def test_tables() -> None:
    assert table(("a", "b"), [["1", "2"]]) == ["", "| a | b |", "| :-- | --: |", "| 1 | 2 |"]


def test_commands_name_no_place_of_this_machine() -> None:
    words = ["--images", "/somewhere/kodak", "--out", "benchmarks/results/rd"]
    expected = "python -m benchmarks.rd --images kodak --out benchmarks/results/rd"
    assert command("benchmarks.rd", words) == expected
    assert any(expected in line for line in headline({**ORIGIN, "command": expected}))


def test_images_are_taken_by_name_and_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path, [])] == ["a.jpg", "b.png"]
    assert [path.name for path in list_images(tmp_path, ["b", "a"])] == ["b.png", "a.jpg"]
    with pytest.raises(FileNotFoundError, match="expected c, found 2 others"):
        list_images(tmp_path, ["a", "c"])


def test_an_empty_list_of_lambdas_is_baselines_alone() -> None:
    arguments = parse(["--images", "kodak", "--lambdas", "--out", "x", "--jobs", "2", "--threads", "3"])
    assert arguments.lambdas == []
    assert arguments.threads == 3


def test_published_curves_are_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    path.write_text(json.dumps({"a": {"bpp": [1]}, "b": {"bpp": [2]}}))
    assert read_published(path, ["b"]) == {"b": {"bpp": [2]}}


def test_published_curves_name_their_sources() -> None:
    curves = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert set(COMPARED) <= curves.keys()
    for curve in curves.values():
        assert curve["source"]
        assert curve["class"] in {"MLP", "CNN"}
        assert curve["set"] in {"kodak24", "kodak7"}
        assert len(curve["bpp"]) == len(curve["psnr"]) > 3
        assert curve["bpp"] == sorted(curve["bpp"])


def test_jpeg_is_always_among_the_baselines() -> None:
    words = ["--images", "kodak", "--out", "x"]
    assert parse(words).baselines == ["JPEG 4:2:0", "JPEG 4:4:4"]
    assert parse([*words, "--baselines", "WebP"]).baselines == ["JPEG 4:2:0", "JPEG 4:4:4", "WebP"]
    assert parse([*words, "--baselines", "all"]).baselines == list(CODECS)
    with pytest.raises(SystemExit):
        parse([*words, "--baselines", "BPG"])


def test_what_was_not_measured_has_no_mean() -> None:
    points_ = [{**point, "flip": None} for point in jpeg("one", 0)["JPEG 4:2:0"]]
    rows = mean_points(points_)
    assert [row["setting"] for row in rows] == list(range(len(RATES)))
    assert {row["flip"] for row in rows} == {None}
    assert {row["ms_ssim"] for row in rows} == {0.9}
