import math

from tasks.report.points import KEPT_POINTS, ThinnedPoints
from tests.tasks.rows import archived, changed, failed


def test_what_failed_or_is_without_loss_is_left_out():
    points = ThinnedPoints()
    points.add(failed())
    points.add(archived(psnr_db=math.inf))
    assert points == ThinnedPoints()


def test_points_are_every_nth_and_bounded_however_many_there_are():
    points, record = ThinnedPoints(), archived()
    rates = [float(n) for n in range(10 * KEPT_POINTS + 3)]
    for rate in rates:
        points.add(changed(record, rate_bpp=rate))
        assert len(points.kept) <= 2 * KEPT_POINTS
    assert [rate for rate, _ in points.kept] == rates[:: points.stride]
    assert len(points.kept) >= KEPT_POINTS
    assert points.n_seen == len(rates)
