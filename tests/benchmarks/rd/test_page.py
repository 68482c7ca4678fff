from benchmarks.rd import page
from benchmarks.rd.codecs import JPEGS
from benchmarks.rd.results import Codec, Combined, Prices, combine
from tests.benchmarks.rd.made_up import fitted, points


def codecs(share: float, offset: float = 0) -> list[Codec]:
    jpegs = [Codec(name, points("one", 1), is_ours=False) for name in JPEGS]
    return [*jpegs, Codec("ours", fitted("one", share, offset), is_ours=True)]


def combined(share: float, offset: float = 0) -> Combined:
    return combine(codecs(share, offset), Prices())


def test_curves_that_share_no_range_have_no_bd_rate() -> None:
    far = combined(1, offset=90)
    assert "| ours | – | – | no common range |" in page.bd_rates(far)
    lines = page.bd_rates_by_image(far, "ours", {})
    assert "| one, against JPEG, better subsampling | – | – | no common range | – |" in lines


def test_a_codec_that_does_not_reach_the_quality_has_no_cost() -> None:
    lines = page.costs(combined(1, offset=90), Prices())
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")][2:] == [
        f"| {name}" for name in JPEGS
    ]


def test_settings_of_this_codec_are_lambdas() -> None:
    lines = page.means(combined(0.5), codecs(0.5))
    assert "| ours | λ 2.5 | 0.2000 | 31.00 | 0.9000 | – | 2.00 | 0.500 |" in lines
    assert "| JPEG 4:2:0 | 3 | 0.4000 | 31.00 | 0.9000 | – | 1.00 | 0.500 |" in lines


def test_rates_are_read_between_points_and_not_beyond_them() -> None:
    lines = page.rates_needed(
        {"ours": combined(0.5).curves["ours"].mean, "far": combined(1, 90).curves["ours"].mean}
    )
    assert (
        f"| ours | {0.2 * 2 ** (-5 / 6):.4f} | {0.2 * 2 ** (-3 / 6):.4f} | {0.2 * 2 ** (-1 / 6):.4f} |"
        in lines
    )
    assert "| far | – | – | – |" in lines
