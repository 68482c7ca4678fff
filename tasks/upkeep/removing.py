"""Remove objects of images while leases hold these, so that no run can take one over meanwhile.

A lease is written before anything is removed. On a full disk only a few can be, so as many images are held at
a time as there is room for, and what is removed makes room for the next leases.
"""

from collections.abc import Callable, Iterable, Sequence

from tasks.catalogue.lookup import Name
from tasks.errors import StorageError
from tasks.plan.leases import Leases
from tasks.store.objects import ObjectStore

IMAGES_AT_ONCE = 500  # that are held, so that what goes is found out once for all of them


def remove_held(
    store: ObjectStore, names: Sequence[Name], going: Callable[[Sequence[Name]], Iterable[str]]
) -> set[str]:
    """Remove objects of images that no run holds.

    Args:
        store: The store.
        names: The images.
        going: Tells, of images that are held now, the keys of the objects to remove.

    Returns:
        The keys of the objects that were removed.

    Raises:
        StorageError: The store cannot be read or written, or has room for no lease, and nothing makes any.
    """
    removed, waiting = set[str](), names
    while waiting:
        with Leases(store) as leases:
            held, waiting = _held(leases, waiting)
            for key in going(held):
                store.delete(key)
                removed.add(key)
    return removed


def _held(leases: Leases, names: Sequence[Name]) -> tuple[list[Name], Sequence[Name]]:
    """Hold images, as many as the store takes leases for; returns these, and those that are left to hold."""
    held: list[Name] = []
    for n, name in enumerate(names[:IMAGES_AT_ONCE]):
        try:
            if leases.take(*name):
                held.append(name)
        except StorageError as error:
            if held:
                return held, names[n:]
            reason = (
                "a file is removed only while a lease in the store holds its image, so none is removed now"
            )
            raise type(error)(f"{error}; {reason}") from error
    return held, names[IMAGES_AT_ONCE:]
