"""Read the parts of a table while compactions remove some of them and put others in their place."""

from collections.abc import Callable
from typing import TypeVar

from tasks.errors import ObjectMissing

READS = 5  # attempts to read what one listing names

Made = TypeVar("Made")


def undisturbed(
    listing: Callable[[], list[str]], read: Callable[[str], tuple[Made, list[str]]]
) -> tuple[list[str], dict[str, Made], set[str]]:
    """List parts, and read each that counts: no other part of the listing replaces it.

    Where a part went away after it was listed, parts are listed again. What was read by then is kept, since a
    part never changes. A listing that is not as the one before is not one of the `READS` attempts.

    Args:
        listing: Lists the keys of the parts, sorted. A replacement comes after what it replaces.
        read: Reads the part of a key; returns what is to be kept of it, and the names that it replaces.

    Returns:
        The keys of the listing; what was kept of each part that counts, by its key, sorted; and the names of
        the parts that they replace, whether those are still there or not.

    Raises:
        ObjectMissing: A part is gone that is still listed.
        CatalogueError, StorageError: A part cannot be read.
    """
    kept: dict[str, tuple[Made, list[str]]] = {}
    listed, n_left = list[str](), READS
    while True:
        before, listed = listed, listing()
        n_left -= listed == before
        kept = {key: kept[key] for key in listed if key in kept}
        counting, replaced = list[str](), set[str]()
        try:
            for key in reversed(listed):
                if key.rpartition("/")[2] not in replaced:
                    if key not in kept:
                        kept[key] = read(key)
                    counting.append(key)
                    replaced.update(kept[key][1])
        except ObjectMissing:  # a compaction has replaced it meanwhile
            if n_left <= 1:
                raise
            continue
        return listed, {key: kept[key][0] for key in reversed(counting)}, replaced
