"""Remove objects of images while leases hold these, so that no run can take one over meanwhile.

A lease is written before anything is removed. On a full disk only a few can be, so as many images are held at
a time as there is room for, and what is removed makes room for the next leases.
"""

from collections.abc import Callable, Iterable, Sequence

from tasks.errors import StorageError
from tasks.plan.leases import Leases
from tasks.store.objects import ObjectStore

IMAGES_AT_ONCE = 500  # that are held, so that what goes is found out once for all of them

Name = tuple[str, str]  # digests of an image and of the setting that it is archived under


def remove_held(
    store: ObjectStore, names: Sequence[Name], going: Callable[[Sequence[Name]], Iterable[str]]
) -> int:
    """Remove objects of images that no run holds.

    Args:
        store: The store.
        names: The images.
        going: Tells, of images that are held now, the keys of the objects to remove.

    Returns:
        The number of objects that were removed.

    Raises:
        StorageError: The store cannot be read or written, or has room for no lease, and nothing makes any.
    """
    n_removed, waiting = 0, names
    while waiting:
        with Leases(store) as leases:
            held, waiting = _held(leases, waiting)
            for key in going(held):
                store.delete(key)
                n_removed += 1
    return n_removed


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
