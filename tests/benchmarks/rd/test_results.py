import json
from pathlib import Path

import pytest

from benchmarks.rd.codecs import JPEGS
from benchmarks.rd.results import JPEG, PUBLISHED, Codec, Combined, Prices, combine, means, read_published
from tests.benchmarks.rd.made_up import RATES, both, fitted, points

PRICES = Prices(core_hour_usd=0.05, gb_month_usd=0.02)
AVIF = "AVIF 4:4:4"


def codec(name: str, share: float, seconds: float = 1.0, n_threads: int = 1) -> Codec:
    rows = both(points("one", share, seconds), points("two", share, seconds))
    return Codec(name, rows, is_ours=False, n_threads=n_threads)


@pytest.fixture
def combined() -> Combined:
    """4:4:4 needs more than 4:2:0, and never counts."""
    jpegs = [codec(JPEGS[0], 1, 0.01), codec(JPEGS[1], 1.5, 0.01)]
    ours = Codec("ours", both(fitted("one", 0.5), fitted("two", 0.3)), is_ours=True)
    return combine([*jpegs, codec(AVIF, 0.5, 4), codec("third", 0.4, 90, n_threads=2), ours], PRICES)


def test_bd_rates_are_against_jpeg_and_avif_of_the_same_images(combined: Combined) -> None:
    rates = combined.bd_rate["third"]
    assert rates[JPEG].mean_of_images == pytest.approx(-60)
    assert rates[AVIF].mean_of_images == pytest.approx(-20)
    assert rates[AVIF].mean_curve is not None
    assert rates[AVIF].mean_curve.pchip == pytest.approx(-20)
    assert rates[AVIF].mean_curve.low_db == pytest.approx(13)
    assert combined.bd_rate[JPEG][JPEG].mean_of_images == pytest.approx(0)


def test_each_image_has_a_bd_rate(combined: Combined) -> None:
    of_ours = combined.bd_rate["ours"][JPEG]
    assert {name: rate and round(rate.pchip) for name, rate in of_ours.by_image.items()} == {
        "one": -50,
        "two": -70,
    }
    assert of_ours.mean_of_images == pytest.approx(-60)


def test_means_are_over_images_of_one_setting(combined: Combined) -> None:
    rows = combined.mean["ours"]
    assert [row.setting for row in rows] == sorted((1 / rate for rate in RATES), reverse=True)
    middle = next(row for row in rows if row.setting == 2.5)
    assert middle.bpp == pytest.approx(0.4 * 0.4)
    assert middle.psnr_db == pytest.approx(31)
    assert middle.encode_seconds == 2


def test_what_was_not_measured_has_no_mean() -> None:
    rows = means(points("one", 1))
    assert {row.flip for row in rows} == {None}
    assert {row.ms_ssim for row in rows} == {0.9}


def test_costs_are_of_a_thousand_images_at_one_quality(combined: Combined) -> None:
    cost = combined.cost["third"]
    assert cost is not None
    bpp = 0.4 * 0.4 * 2 ** ((PRICES.psnr_db - 31) / 6)
    assert cost.bpp == pytest.approx(bpp)
    assert cost.core_hours == pytest.approx(90 * 2 * 1000 / 3600)
    assert cost.encode_usd == pytest.approx(90 * 2 * 1000 / 3600 * 0.05)
    assert cost.megabytes == pytest.approx(1000 * bpp / 8, rel=1e-4)  # of whole bytes
    assert cost.storage_usd == pytest.approx(cost.megabytes / 1000 * 0.02 * 120)


def test_a_curve_that_does_not_reach_has_no_cost() -> None:
    low = [point for point in points("one", 0.4) if point.psnr_db < PRICES.psnr_db]
    jpegs = [Codec(name, points("one", 1), is_ours=False) for name in JPEGS]
    assert combine([*jpegs, Codec("low", low, is_ours=True)], PRICES).cost["low"] is None


def test_published_curves_are_chosen_by_name(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    path.write_text(json.dumps({name: {"bpp": [n], "psnr": [30]} for n, name in enumerate("ab")}))
    assert {name: [point.bpp for point in c] for name, c in read_published(path, ["b"]).items()} == {"b": [1]}


def test_published_curves_name_their_sources() -> None:
    curves = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for curve in curves.values():
        assert curve["source"]
        assert curve["class"] in {"MLP", "CNN"}
        assert curve["set"] in {"kodak24", "kodak7"}
        assert len(curve["bpp"]) == len(curve["psnr"]) > 3
        assert curve["bpp"] == sorted(curve["bpp"])
