from dataclasses import replace
from datetime import timedelta

from tasks.catalogue.records import Archived, now
from tasks.catalogue.versions import has_its_names, holders, latest_versions, named_today, names_of, uris_of
from tasks.originals.listing import SourceImage
from tests.tasks.rows import archived


def version(number: int, name: str = "a.png", **columns: object) -> Archived:
    """A version of an image, of other contents unless told otherwise, archived that many minutes later."""
    later = now() + timedelta(minutes=number)
    given = {"image_digest": f"{number:064}", "recorded_at": later, "verified_at": later}
    return archived(name, **{**given, **columns})


def test_of_versions_of_one_photograph_the_latest_counts_in_any_order():
    first, second, other = version(1), version(2), version(3, "b.png")
    assert latest_versions([first, second, other]) == [second, other]
    assert latest_versions([second, other, first]) == [second, other]
    assert latest_versions([first]) == [first]


def test_one_content_under_two_settings_is_two_versions():
    first, second = version(1), version(2, archive_digest="f" * 64, image_digest=f"{1:064}")
    assert latest_versions([second, first]) == [second]


def test_the_best_of_several_settings_is_of_the_latest_content_alone():
    old = version(1, psnr_db=60.0)
    fine = version(2, image_digest="f" * 64, psnr_db=40.0)
    coarse = version(3, image_digest="f" * 64, archive_digest="f" * 64, psnr_db=30.0)
    again = version(4, image_digest="f" * 64, archive_digest="e" * 64, psnr_db=40.0)
    assert latest_versions([old, fine, coarse]) == [coarse]
    assert latest_versions([old, fine, coarse], best=True) == [fine]
    assert latest_versions([again, coarse, fine, old], best=True) == [again]  # of two alike the last one
    exact = version(5, image_digest="f" * 64, archive_digest="d" * 64, psnr_db=float("inf"))
    assert latest_versions([exact, again, coarse], best=True) == [exact]


def test_of_two_settings_the_file_that_was_verified_last_counts_whichever_was_renamed_last():
    early = version(1, also_at=["b.png"], recorded_at=now() + timedelta(minutes=9))
    late = version(2, image_digest=f"{1:064}", archive_digest="f" * 64, also_at=["b.png"])
    assert latest_versions([early, late]) == [late]


def test_what_is_lost_counts_only_where_no_other_setting_has_the_same_content():
    old = version(1)
    first = version(2, image_digest="f" * 64, key="first", psnr_db=30.0)
    last = version(3, image_digest="f" * 64, archive_digest="f" * 64, key="last", psnr_db=40.0)
    for best in (True, False):
        assert latest_versions([old, first, last], {"last"}, best=best) == [first]
        assert latest_versions([old, first, last], {"first"}, best=best) == [last]
        assert latest_versions([old, last], {"last"}, best=best) == [
            last
        ]  # an older content is another picture


def test_photographs_of_two_sources_are_no_versions_of_each_other():
    one, other = version(1), version(2, source_uri="s3://bucket/a.png")
    assert latest_versions([one, other]) == [one, other]


def test_a_copy_that_was_changed_later_is_left_out_and_the_rest_stays():
    copies, changed = version(1, also_at=["b.png", "c.png"]), version(2, "b.png")
    kept, latest = latest_versions([copies, changed])
    assert names_of(kept) == ("a.png", "c.png")
    assert latest == changed
    changed_first = version(3, "a.png")
    kept, *_ = latest_versions([copies, changed, changed_first])
    assert names_of(kept) == ("c.png",)
    assert kept.stored.file == copies.stored.file


def test_a_name_is_known_by_its_uri_whatever_its_characters():
    uri = "file:///photos/3%E2%80%AFPM%FF%5C.png"
    first, second = (version(number, source_uri=uri, source_path=r"3\u202fPM\xff\\.png") for number in (1, 2))
    assert uris_of(first.origin.image) == [uri]
    elsewhere = version(3, source_uri="file:///photos/b.png", source_path="b.png", also_at=[first.path])
    assert latest_versions([first, second, elsewhere]) == [elsewhere]


def image(content: str, path: str, *also_at: str, source: str = "file:///photos/") -> SourceImage:
    return SourceImage(content, f"{source}{path}", path, 1, also_at)


HELD = holders(
    [
        (now() + timedelta(minutes=n), each)
        for n, each in enumerate((image("x", "a", "b"), image("y", "b"), image("y", "c", source="s3://b/")))
    ]
)


def test_a_place_holds_what_was_found_there_last():
    assert HELD == {
        ("file:///photos/", "a"): "x",
        ("file:///photos/", "b"): "y",
        ("s3://b/", "c"): "y",
    }


def test_an_image_keeps_the_names_that_a_run_did_not_look_at_unless_another_one_has_them():
    before, found = image("x", "a", "b"), image("x", "c")
    assert named_today(found, before, HELD, lambda path: True) == found
    assert named_today(found, before, HELD, lambda path: False) == image("x", "c", "a")
    assert named_today(found, before, HELD, lambda path: path == "a") == found
    elsewhere = image("x", "c", source="s3://b/")
    assert named_today(elsewhere, before, HELD, lambda path: False) == elsewhere


def test_an_image_has_its_names_where_its_row_says_the_same_and_no_later_row_takes_one():
    whole = image("x", "a")
    assert has_its_names(whole, whole, HELD)
    assert not has_its_names(image("x", "c"), whole, HELD)
    assert not has_its_names(image("x", "a", "c"), whole, HELD)
    assert not has_its_names(image("x", "a", "b"), image("x", "a", "b"), HELD)  # it was put back at b
    copies = {**HELD, ("file:///photos/", "b"): "x"}
    swapped = replace(image("x", "b", "a"), uri="file:///photos/b")
    assert has_its_names(swapped, image("x", "a", "b"), copies)


def test_an_image_of_another_source_is_named_while_any_of_its_names_is_its_own():
    elsewhere = image("x", "z", source="s3://b/")
    assert has_its_names(elsewhere, image("x", "a", "b"), HELD)
    assert not has_its_names(elsewhere, image("x", "b"), HELD)
