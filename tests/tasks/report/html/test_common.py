from collections import Counter
from pathlib import Path

import pytest

from tasks.catalogue.query import tables
from tasks.catalogue.records import LOSSLESS, Archived
from tasks.report.html import common, facts
from tasks.report.html.common import most_pairs
from tasks.steps.commit import append
from tasks.store.locations import open_store
from tests.tasks.report.html.archive import sweep_records
from tests.tasks.rows import archived, changed


def measured(folder: Path, *records: Archived) -> list[tuple[str, bool]]:
    """The image and whether it is compared, of each bitstream that is measured."""
    store = open_store(str(folder))
    append(store, records)
    with tables(store) as found:
        facts.pick(found, None)
        sql = "select source_path, is_compared from picked join measured using (image_digest, archive_digest)"
        return found.ask(f"{sql} order by all").rows


def names(text: str) -> frozenset[str]:
    return frozenset(text)


def test_the_settings_that_are_compared_have_the_most_pairs_of_files():
    assert most_pairs(Counter({names("ab"): 9, names("abc"): 2})) == names("ab")
    assert most_pairs(Counter({names("ab"): 1, names("abc"): 2})) == names("abc")
    assert most_pairs(Counter()) == frozenset()


def test_what_two_sets_have_in_common_can_be_compared_too():
    """Where each image lacks a setting of its own, none has just what they share."""
    sets = Counter({names("abc"): 5, names("abd"): 5, names("abe"): 5, names("abf"): 5})
    assert most_pairs(sets) == names("ab")


def test_settings_without_a_common_image_have_all_of_their_own(tmp_path: Path):
    rows = [archived("a"), archived("b"), archived("c", archive_digest="e" * 64)]
    assert measured(tmp_path, *rows) == [("a", False), ("b", False), ("c", False)]


def test_an_image_that_a_setting_stores_without_loss_is_in_no_comparison(tmp_path: Path):
    """It has no PSNR there, so rate and PSNR would be over different images."""
    rows = list(sweep_records(n_images=3))
    found = measured(tmp_path, changed(rows[0], model=LOSSLESS, rd_lambda=None), *rows[1:])
    assert found == [(f"image-{n}.png", True) for n in (1, 2) for _ in range(6)]


def test_the_images_that_are_compared_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    limited = common._MEASURED.replace(f"limit {common.MAX_IMAGES}", "limit 2")
    monkeypatch.setattr(common, "_MEASURED", limited)
    assert len({path for path, _ in measured(tmp_path, *sweep_records(n_images=5))}) == 2
