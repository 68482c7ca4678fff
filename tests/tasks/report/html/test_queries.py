"""The queries over rows of every kind at once; `test_facts` looks at what a report makes of them."""

import math
from collections.abc import Iterator

import pytest

from tasks.catalogue.query import Tables, tables
from tasks.report.html import queries
from tasks.report.html.facts import pick
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tests.tasks.rows import archived, failed


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """Two bitstreams, one image without loss, one that a fit holds exactly, and two failures."""
    store = open_store(str(tmp_path_factory.mktemp("queries")))
    append(
        store,
        [
            archived("a", psnr_db=30.0, rate_bpp=0.5),
            archived("b", psnr_db=34.0, rate_bpp=1.0, model="cnn", ms_ssim=0.9, archive_digest="b" * 64),
            archived("c", model="lossless", psnr_db=math.inf, rate_bpp=9.0, min_psnr_db=60.0),
            archived("d", psnr_db=math.inf, rate_bpp=0.01),
            failed("e"),
            failed("f", OSError("gone")),
        ],
    )
    with tables(store) as found:
        pick(found, None)
        yield found


def test_totals_count_what_is_archived_and_what_is_without_loss(asked: Tables):
    [totals] = asked.ask(queries.TOTALS).records()
    assert (totals["n_archived"], totals["n_failed"], totals["n_images"]) == (4, 2, 4)
    assert totals["n_stored_lossless"] == 1
    assert (totals["mean_psnr_db"], totals["worst_psnr_db"], totals["n_inexact"]) == (32.0, 30.0, 2)


def test_a_setting_has_its_files_without_loss_and_its_failures(asked: Tables):
    counts = ("n_archived", "n_stored_lossless", "n_failed", "n_measured", "is_compared")
    found = [(row["model"], *(row[name] for name in counts)) for row in asked.ask(queries.SETTINGS).records()]
    assert found == [("mlp", 3, 1, 2, 1, False), ("cnn", 1, 0, 0, 1, False)]


def test_rate_and_quality_of_a_setting_are_over_the_same_bitstreams(asked: Tables):
    [first, second] = asked.ask(queries.SETTINGS).records()
    assert (first["rate_bpp"], first["mean_psnr_db"]) == (8 * 9 / 192, 30.0)
    assert (second["worst_psnr_db"], second["mean_ms_ssim"], second["ratio"]) == (34.0, 0.9, 1000 / 9)


def test_points_and_ranges_are_of_what_loses_something(asked: Tables):
    points = asked.ask(queries.POINTS).rows
    assert {row[-1] for row in points} == {"a", "b"}
    low_db, high_db, low, high, n_points = asked.ask(queries.RANGES).rows[0]
    assert (low_db, high_db, low, high, n_points) == (30.0, 34.0, -1.0, 0.0, 2)


def test_bins_are_counted_by_model(asked: Tables):
    sql = queries.BINS.format(value="psnr_db", width=4.0)
    assert asked.ask(sql).rows == [("cnn", 8, 1), ("mlp", 7, 1)]


def test_the_worst_images_come_with_their_whole_rows(asked: Tables):
    rows = asked.ask(queries.WORST, (5,)).records()
    assert [row["source_path"] for row in rows] == ["a", "b"]
    assert rows[0]["key"] == archived("a").stored.file.key


def test_failures_are_counted_by_reason_and_listed(asked: Tables):
    assert asked.ask(queries.REASONS).rows == [("OSError", 1), ("ValueError", 1)]
    rows = asked.ask(queries.FAILURES).records()
    assert [(row["source_path"], row["error_message"]) for row in rows] == [("f", "gone"), ("e", "no")]


def test_statuses_are_written_as_the_catalogue_has_them():
    assert queries.ARCHIVED == "archived"
    assert queries.FOUND_LOST == ("damaged", "missing")
    assert "AuditStatus" not in queries.FINDINGS
