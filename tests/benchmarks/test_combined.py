import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.baselines import JPEGS
from benchmarks.combined import COST_DB, JPEG, combine, main, read_results
from benchmarks.figures import main as draw
from benchmarks.provenance import command, machine
from benchmarks.rd_report import to_json

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
PRICES = {"core_hour_usd": 0.05, "gb_month_usd": 0.02}


def points(image: str, share: float, seconds: float, name: str = "setting") -> list[dict[str, Any]]:
    """A codec that needs `share` of a rate for 31 + 6 dB per doubling from 0.4 bpp; images of 1000 pixels."""
    return [
        {
            "image": image,
            name: n,
            "n_bytes": 125 * share * rate,
            "bpp": share * rate,
            "psnr_db": 31 + 6 * math.log2(rate / 0.4),
            "encode_seconds": seconds,
            "decode_seconds": 0.5,
        }
        for n, rate in enumerate(RATES)
    ]


def result(folder: Path, name: str, **parts: Any) -> Path:
    """A result file as `benchmarks.rd` writes it."""
    path = folder / f"{name}.json"
    report = {
        "date": "2000-01-01 00:00 UTC",
        "machine": machine(),
        "command": command("benchmarks.rd", ["--images", "kodak"]),
        "settings": {"model": "cnn", "preset": "draft", "threads_per_process": 2},
        "points": [],
        **parts,
    }
    path.write_text(to_json(report), encoding="utf-8")
    return path


def both(share: float, seconds: float, name: str = "setting") -> list[dict[str, Any]]:
    return [*points("one", share, seconds, name), *points("two", share, seconds, name)]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    of_baselines = {
        JPEGS[0]: both(1, 0.01),
        JPEGS[1]: both(1.5, 0.01),
        "AVIF 4:4:4": both(0.5, 4),
    }
    return [
        result(tmp_path, "baselines", baselines=of_baselines),
        result(tmp_path, "cnn", points=both(0.4, 90, "rd_lambda"), baselines={JPEGS[0]: both(9, 9)}),
    ]


def test_bd_rates_are_against_jpeg_and_avif_of_the_same_images(files: list[Path]) -> None:
    report = combine(read_results(files), **PRICES)
    assert report["images"] == ["one", "two"]
    of_cnn = report["bd_rate"]["cnn draft"]
    assert of_cnn[JPEG]["mean_of_images"] == pytest.approx(-60)
    assert of_cnn["AVIF 4:4:4"]["mean_of_images"] == pytest.approx(-20)
    assert of_cnn["AVIF 4:4:4"]["mean_curve"]["pchip"] == pytest.approx(-20)
    assert of_cnn["AVIF 4:4:4"]["mean_curve"]["low_db"] == pytest.approx(13)
    assert report["bd_rate"][JPEG][JPEG]["mean_of_images"] == pytest.approx(0)


def test_costs_are_of_a_thousand_images_at_one_quality(files: list[Path]) -> None:
    cost = combine(read_results(files), **PRICES)["cost"]["cnn draft"]
    bpp = 0.4 * 0.4 * 2 ** ((COST_DB - 31) / 6)
    assert cost["bpp"] == pytest.approx(bpp)
    assert cost["core_hours"] == pytest.approx(90 * 2 * 1000 / 3600)
    assert cost["encode_usd"] == pytest.approx(90 * 2 * 1000 / 3600 * 0.05)
    assert cost["megabytes"] == pytest.approx(1000 * bpp * 1000 / 8 / 1e6)
    assert cost["storage_usd"] == pytest.approx(cost["megabytes"] / 1000 * 0.02 * 120)


def test_a_curve_that_does_not_reach_has_no_cost(tmp_path: Path, files: list[Path]) -> None:
    low = [point for point in both(0.4, 9, "rd_lambda") if point["psnr_db"] < COST_DB]
    report = combine(read_results([files[0], result(tmp_path, "low", points=low)]), **PRICES)
    assert report["cost"]["cnn draft"] is None


def test_jpeg_of_a_run_of_a_model_is_not_taken(files: list[Path]) -> None:
    found = read_results(files)
    assert list(found) == [*JPEGS, "AVIF 4:4:4", "cnn draft"]
    assert found["cnn draft"].origin["threads"] == 2


def test_results_on_other_images_are_refused(files: list[Path], tmp_path: Path) -> None:
    other = result(tmp_path, "other", points=points("three", 1, 1, "rd_lambda"))
    with pytest.raises(ValueError, match=r"cnn draft: expected the images of JPEG 4:2:0, found \['three'\]"):
        read_results([files[0], other])


def test_a_codec_is_taken_once(files: list[Path]) -> None:
    with pytest.raises(ValueError, match="cnn draft is in a file before it as well"):
        read_results([*files, files[1]])


def test_anchors_must_be_among_the_results(files: list[Path]) -> None:
    expected = "expected AVIF 4:4:4, JPEG 4:2:0, JPEG 4:4:4 among the results, found cnn draft"
    with pytest.raises(ValueError, match=expected):
        read_results(files[1:])


def test_the_page_and_the_figure(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rd_kodak7"
    main([*map(str, files), "--core-hour-usd", "0.05", "--out", str(out)])
    page = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "| cnn draft | -60.0 % | -60.0 % | 13.0 to 43.0 | -20.0 % | -20.0 % | 13.0 to 43.0 |" in page
    assert "At 0.05 $ per core-hour and 0.023 $ per GB and month" in page
    assert "nothing is measured by it" in page
    mlp = result(
        tmp_path,
        "rd_mlp_kodak24",
        n_images=24,
        mean=[{"bpp": 0.1, "psnr_db": 27.0}, {"bpp": 0.2, "psnr_db": 28.0}],
        jpeg_mean=[[0.2, 25.0], [0.5, 29.0]],
    )
    assert mlp.exists()
    draw(["fig4", "--results", str(tmp_path)])
    figure = (tmp_path / "fig4.svg").read_text(encoding="utf-8")
    for label in ("cnn, draft", "AVIF 4:4:4", "Cool-Chic 5.0", "Strümpler 2022", "COIN"):
        assert f">{label}<" in figure
    draw(["fig4", "--results", str(tmp_path)])
    assert (tmp_path / "fig4.svg").read_text(encoding="utf-8") == figure


def test_the_report_is_json(files: list[Path]) -> None:
    report = combine(read_results(files), **PRICES)
    assert json.loads(to_json(report)) == json.loads(json.dumps(report))
