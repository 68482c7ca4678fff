from collections.abc import Iterable, Mapping, Sequence

import pytest

from tasks.catalogue.undisturbed import READS, undisturbed
from tasks.errors import ObjectMissing


class Table:
    """A table whose listings come one after the other, and whose parts are those of `there`."""

    def __init__(
        self, listings: Iterable[Sequence[str]], there: str, replaces: Mapping[str, list[str]] | None = None
    ) -> None:
        self.listings, self.there, self.replaces = iter(listings), there, replaces or {}
        self.read: list[str] = []

    def listing(self) -> list[str]:
        return [*next(self.listings)]

    def get(self, key: str) -> tuple[str, list[str]]:
        if key not in self.there:
            raise ObjectMissing(f"read {key}: there is no such object")
        self.read.append(key)
        return key.upper(), self.replaces.get(key, [])


def test_what_another_part_replaces_does_not_count():
    table = Table(["abcd"], "abcd", {"c": ["a", "gone"]})
    listed, kept, replaced = undisturbed(table.listing, table.get)
    assert (listed, replaced) == (["a", "b", "c", "d"], {"a", "gone"})
    assert list(kept.items()) == [("b", "B"), ("c", "C"), ("d", "D")]
    assert table.read == ["d", "c", "b"]


def test_listings_that_change_are_no_attempts_and_what_was_read_is_kept():
    parts = "abcdefghijklmnopqrstuvwxyz"
    listings = [f"{part}z" for part in parts[: 3 * READS]]  # each names one that is gone, but for the last
    table = Table(listings, f"{listings[-1]}z")
    assert undisturbed(table.listing, table.get)[1] == {"o": "O", "z": "Z"}
    assert table.read == ["z", "o"]


def test_what_was_read_and_is_replaced_meanwhile_does_not_count():
    table = Table(["abz", "aby"], "bzy", {"y": ["b", "a"]})
    assert undisturbed(table.listing, table.get)[1] == {"y": "Y"}
    assert table.read == ["z", "b", "y"]


def test_what_is_listed_and_is_not_there_is_asked_for_some_times():
    table = Table(["ab"] * READS, "b")
    with pytest.raises(ObjectMissing, match="read a"):
        undisturbed(table.listing, table.get)
    assert table.read == ["b"]
    assert next(table.listings, None) is None


def test_a_table_without_parts_has_none():
    assert undisturbed(Table([""], "").listing, Table([], "").get) == ([], {}, set())
