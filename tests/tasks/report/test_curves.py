import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.curves import Point, bd_rate, envelope, mean_curve, pareto, psnr_at, rate_at

# Whole bytes of a Kodak image, so that no two rates differ by less than their logarithms can tell.
rates = st.integers(500, 500_000).map(lambda n_bytes: 8 * n_bytes / (768 * 512))
points = st.builds(
    Point,
    bpp=rates,
    psnr_db=st.floats(10, 60, allow_nan=False),
)
curves = st.lists(points, min_size=1, max_size=12)


def log_curve(*, scale: float = 1.0, rates: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6)) -> list[Point]:
    """6 dB for each doubling of the rate; `scale` times the rate at every PSNR."""
    return [Point(scale * rate, 30 + 6 * math.log2(rate)) for rate in rates]


def is_rising(curve: list[Point]) -> bool:
    return all(a.bpp < b.bpp and a.psnr_db < b.psnr_db for a, b in pairwise(curve))


def test_pareto_leaves_out_what_is_beaten() -> None:
    good, beaten, better, equal = Point(0.1, 20), Point(0.2, 19), Point(0.3, 25), Point(0.3, 24)
    assert pareto([better, beaten, equal, good, good]) == [good, better]


@given(curves)
def test_pareto_rises_and_beats_every_point(curve: list[Point]) -> None:
    front = pareto(curve)
    assert is_rising(front)
    assert set(front) <= set(curve)
    assert all(any(p.bpp <= point.bpp and p.psnr_db >= point.psnr_db for p in front) for point in curve)


def test_envelope_takes_each_curve_where_it_is_better() -> None:
    flat = [Point(rate, 20 + 2 * math.log2(rate)) for rate in (0.1, 0.2, 0.4, 0.8)]
    steep = [Point(rate, 22 + 6 * math.log2(rate)) for rate in (0.1, 0.2, 0.4, 0.8)]
    # They cross where 2 = -4 log2(rate), at 0.707.
    assert envelope(flat, steep) == [*flat[:3], steep[3]]
    assert envelope(steep, flat) == envelope(flat, steep)


def test_envelope_drops_a_point_just_below_the_other_curve() -> None:
    upper = [Point(0.1, 20), Point(0.4, 24)]
    lower = [Point(0.2, 21.5), Point(0.8, 23)]  # at 0.2 the upper curve has 22
    assert envelope(upper, lower) == upper


@given(curves, curves)
def test_envelope_rises_and_is_made_of_real_points(one: list[Point], other: list[Point]) -> None:
    best = envelope(one, other)
    assert best
    assert is_rising(best)
    assert set(best) <= {*one, *other}


def test_envelope_of_a_curve_with_itself_is_its_front() -> None:
    curve = log_curve()
    assert envelope(curve, curve) == curve


def test_mean_curve_averages_setting_by_setting() -> None:
    one = [Point(0.1, 20), Point(0.3, 30)]
    other = [Point(0.3, 24), Point(0.5, 36)]
    mean = mean_curve([one, other])
    assert [point.bpp for point in mean] == pytest.approx([0.2, 0.4])
    assert [point.psnr_db for point in mean] == pytest.approx([22, 33])


@pytest.mark.parametrize("per_image", [[], [[Point(1, 2)], []]])
def test_mean_curve_refuses_curves_that_do_not_match(per_image: list[list[Point]]) -> None:
    with pytest.raises(ValueError, match=r"at least one curve|shorter"):
        mean_curve(per_image)


@pytest.mark.parametrize(("psnr_db", "bpp"), [(30 + 6 * math.log2(0.1), 0.1), (30, 1.0), (27, 2**-0.5)])
def test_interpolation_is_over_log_rate(psnr_db: float, bpp: float) -> None:
    assert rate_at(log_curve(), psnr_db) == pytest.approx(bpp)
    assert psnr_at(log_curve(), bpp) == pytest.approx(psnr_db)


def test_interpolation_stays_within_the_curve() -> None:
    curve = log_curve()
    assert rate_at(curve, curve[0].psnr_db - 0.01) is None
    assert rate_at(curve, curve[-1].psnr_db + 0.01) is None
    assert psnr_at(curve, 0.09) is None
    assert rate_at(curve[:1], curve[0].psnr_db) is None
    assert rate_at([], 30) is None


@given(st.floats(0.2, 5))
def test_bd_rate_of_a_scaled_curve_is_its_scale(scale: float) -> None:
    rate = bd_rate(anchor=log_curve(), test=log_curve(scale=scale))
    assert rate is not None
    assert rate.pchip == pytest.approx(100 * (scale - 1), abs=1e-6)
    assert rate.akima == pytest.approx(100 * (scale - 1), abs=1e-6)
    assert rate.share == pytest.approx(1)


def test_bd_rate_states_the_common_range() -> None:
    anchor, test = log_curve(), log_curve(scale=0.5, rates=(0.05, 0.2, 0.8))
    rate = bd_rate(anchor=anchor, test=test)
    assert rate is not None
    assert rate.pchip == pytest.approx(-50)
    assert rate.low_db == anchor[0].psnr_db
    assert rate.high_db == test[-1].psnr_db
    assert rate.share == pytest.approx(0.75)


def test_bd_rate_of_two_points_has_no_akima() -> None:
    rate = bd_rate(anchor=log_curve(), test=log_curve(scale=0.5, rates=(0.2, 0.8)))
    assert rate is not None
    assert rate.pchip == pytest.approx(-50)
    assert rate.akima is None


@pytest.mark.parametrize(
    "test", [[], [Point(0.3, 25)], [Point(0.1, 50), Point(0.2, 60)], [Point(0.1, 1), Point(0.2, 2)]]
)
def test_bd_rate_is_none_without_a_common_range(test: list[Point]) -> None:
    assert bd_rate(anchor=log_curve(), test=test) is None
