import math
from pathlib import Path

import pytest

from tasks.catalogue.query import tables
from tasks.catalogue.records import Archived
from tasks.report.html import facts
from tasks.report.html.comparison import ComparedCurves, compare_curves
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.tasks.report.html.archive import LAMBDAS, sweep_records
from tests.tasks.rows import archived, changed


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"))


def comparison_of(store: ObjectStore, *records: Archived) -> ComparedCurves | None:
    if records:
        append(store, records)
    with tables(store) as found:
        facts.pick(found, None)
        return compare_curves(found)


def test_a_sweep_is_found_among_the_rows_of_an_archive(store: ObjectStore):
    found = comparison_of(store, *sweep_records(), *(archived(str(n)) for n in range(50)))
    assert found is not None
    assert [str(curve) for curve in found.curves] == ["mlp draft", "cnn draft"]
    assert found.n_images == 4
    for curve in found.curves:
        assert [point.rd_lambda for point in curve.points] == list(LAMBDAS)
        assert [point.n_images for point in curve.points] == [4, 4, 4]


def test_thirty_percent_fewer_bits_are_a_bd_rate_of_minus_thirty(store: ObjectStore):
    found = comparison_of(store, *sweep_records())
    assert found is not None
    [difference] = found.differences
    assert (str(difference.anchor), str(difference.test)) == ("mlp draft", "cnn draft")
    assert difference.mean_curve is not None
    assert difference.mean_curve.pchip == pytest.approx(-30, abs=0.1)
    assert (difference.mean_curve.low_db, difference.mean_curve.high_db) == pytest.approx((30.15, 34.15))
    assert difference.images == pytest.approx([-30] * 4, abs=0.1)
    assert difference.mean_of_images == pytest.approx(-30, abs=0.1)


def test_images_that_lack_a_setting_are_left_out_not_the_setting(store: ObjectStore):
    records = list(sweep_records(n_images=5))
    found = comparison_of(store, *records[:-1])
    assert found is not None
    assert found.n_images == 4
    assert sum(len(curve.points) for curve in found.curves) == 6


def test_more_lambdas_on_one_image_do_not_hide_the_sweep(store: ObjectStore):
    records = list(sweep_records(n_images=8))
    more = changed(records[0], archive_digest="e" * 64, goal_value=0.0004, psnr_db=40.0)
    found = comparison_of(store, *records, more)
    assert found is not None
    assert found.n_images == 8


def test_one_model_has_a_curve_and_nothing_to_compare_it_with(store: ObjectStore):
    found = comparison_of(store, *(record for record in sweep_records() if record.stored.model == "cnn"))
    assert found is not None
    assert len(found.curves) == 1
    assert found.differences == ()


def test_curves_that_share_no_psnr_have_no_bd_rate(store: ObjectStore):
    apart = [
        changed(record, psnr_db=record.stored.file.psnr_db + (20 if record.stored.model == "cnn" else 0))
        for record in sweep_records()
    ]
    found = comparison_of(store, *apart)
    assert found is not None
    [difference] = found.differences
    assert (difference.mean_curve, difference.images, difference.mean_of_images) == (None, (), None)


def test_nothing_can_be_compared_where_each_image_has_one_setting(store: ObjectStore):
    assert comparison_of(store) is None
    rows = [archived("a"), archived("b"), archived("a", archive_digest="e" * 64, psnr_db=math.inf)]
    assert comparison_of(store, *rows) is None
