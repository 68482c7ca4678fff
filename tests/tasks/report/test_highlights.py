import dataclasses
import math

from tasks.catalogue.records import failed_record
from tasks.report.highlights import KEPT_POINTS, KEPT_WORST, Highlights
from tests.tasks.rows import archived, planned


def test_the_worst_are_kept_worst_first():
    highlights = Highlights()
    for quality in (30.0, 20.0, 40.0, 25.0, 35.0, 22.0):
        highlights.add(archived(f"{quality}", psnr_db=quality))
    assert [record.psnr_db for record in highlights.worst] == [20.0, 22.0, 25.0, 30.0]


def test_what_failed_or_is_without_loss_is_left_out():
    highlights = Highlights()
    highlights.add(failed_record(planned(), ValueError("no")))
    highlights.add(archived(psnr_db=math.inf))
    assert highlights == Highlights()


def test_points_are_every_nth_and_bounded_however_many_there_are():
    highlights, record = Highlights(), archived()
    rates = [float(n) for n in range(10 * KEPT_POINTS + 3)]
    for rate in rates:
        highlights.add(dataclasses.replace(record, rate_bpp=rate))
        assert len(highlights.points) <= 2 * KEPT_POINTS
    assert [rate for rate, _ in highlights.points] == rates[:: highlights.stride]
    assert len(highlights.points) >= KEPT_POINTS
    assert (highlights.n_seen, len(highlights.worst)) == (len(rates), KEPT_WORST)
