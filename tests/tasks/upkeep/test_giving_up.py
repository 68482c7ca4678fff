from datetime import timedelta

import pytest

from inr.config import CodecConfig, Contract
from inr.errors import ConfigError
from tasks.catalogue.columns import Row
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Failed, now
from tasks.catalogue.rows import row_of
from tasks.upkeep.giving_up import chosen, given_up, settings_in_use
from tests.tasks.rows import ARCHIVE, archived_from, failed, planned

OTHER = Recipe(CodecConfig(model="cnn", preset="best", target_psnr_db=34.0), Contract(30.0))


def rows_of(*names: str, recipe: Recipe | None = None, hours: float = 0.0) -> list[Row]:
    """Rows of archived images under a recipe, or under that of `ARCHIVE`."""
    images = [planned(name, **({"recipe": recipe} if recipe else {})) for name in names]
    at = now() + timedelta(hours=hours)
    return [row_of(archived_from(image, recorded_at=at)) for image in images]


def test_the_settings_of_an_archive_are_told_apart_by_what_they_ask_for():
    later = rows_of("a", recipe=OTHER, hours=1)
    lossless = {**rows_of("b")[0], "model": "lossless", "n_bytes": 100}
    first, second = settings_in_use([*rows_of("a"), lossless, row_of(failed("c")), *later])
    assert first.archive_digest == OTHER.archive_digest()
    assert first.how == "cnn best, 34 dB, at least 30 dB"
    assert (first.n_archived, first.n_failed, first.n_bytes) == (1, 0, 9)
    assert first.last_at == later[0]["recorded_at"]
    assert second.how == "mlp draft, λ 0.002"
    assert (second.n_archived, second.n_failed, second.n_bytes) == (2, 1, 109)
    assert settings_in_use([]) == []


def test_settings_are_chosen_by_what_to_drop_or_by_what_to_keep():
    settings = settings_in_use([*rows_of("a"), *rows_of("a", recipe=OTHER)])
    other = OTHER.archive_digest()
    assert chosen(settings, [], []) == frozenset()
    assert chosen(settings, [ARCHIVE[:8]], []) == {ARCHIVE}
    assert chosen(settings, [ARCHIVE[:8], other], []) == {ARCHIVE, other}
    assert chosen(settings, [], [ARCHIVE[:8]]) == {other}
    for wrong in ("", "xyz", ARCHIVE + "0"):
        for lists in (([wrong], []), ([], [wrong])):
            with pytest.raises(ConfigError, match=f"which is that of 0; there are .*{ARCHIVE[:12]}"):
                chosen(settings, *lists)
    with pytest.raises(ConfigError, match="at most one of --drop and --keep"):
        chosen(settings, [ARCHIVE], [other])
    alike = [settings[0], *settings_in_use([{**rows_of("a")[0], "archive_digest": other[:12] + "0" * 52}])]
    with pytest.raises(ConfigError, match="which is that of 2"):
        chosen(alike, [other[:12]], [])


@pytest.mark.parametrize("even_last", [True, False])
def test_an_image_is_given_up_where_another_setting_has_it_or_all_the_same(even_last: bool):
    failure = row_of(Failed.of(planned("bad"), ValueError("no")))
    theirs = [*rows_of("both", "alone", "lost elsewhere"), failure]
    others = rows_of("both", "lost elsewhere", "other", recipe=OTHER)
    lost = others[1]
    words = (lambda row: row is not lost, lambda row: row is not failure)
    found = given_up([*theirs, *others], {ARCHIVE}, *words, even_last=even_last)
    names = [row["source_path"] for row in found.rows]
    kept = [] if even_last else ["alone", "lost elsewhere"]
    assert names == [row["source_path"] for row in theirs if row["source_path"] not in kept]
    assert found.n_last == len(kept)
    assert {row["archive_digest"] for row in found.rows} == {ARCHIVE}
    both = {ARCHIVE, OTHER.archive_digest()}
    whole = given_up([*theirs, *others], both, bool, lambda row: row is not failure, even_last=False)
    assert [row["source_path"] for row in whole.rows] == ["bad"]  # two settings given up save no image
    kept = given_up([failure], {ARCHIVE}, bool, lambda row: True, even_last=False)
    assert (kept.rows, kept.n_last) == ((), 1)  # a failure after a file that is there
