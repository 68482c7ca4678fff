"""The file of an image into the store, with its claim; while the store does not answer, this host keeps it.

Order of writes: the claim, then the file. Both are conditional, so of two runs that race for one image the
first to store wins, and the other takes over the winner's claim. Before anything goes to S3 both are written
into a folder of this host, under the same keys, and removed once the store has them: a fit that is finished
is not lost because a store is away for long, or because its process is killed meanwhile.
"""

import dataclasses
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tasks.catalogue import lookup
from tasks.catalogue.keys import object_keys
from tasks.catalogue.records import Planned, Stored
from tasks.errors import ChecksumFailed, ObjectMissing, StorageError
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.store.folder import LocalStore
from tasks.store.locations import S3_SCHEME
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore

log = logging.getLogger("tasks.store")


def store_claimed(store: ObjectStore, claim: Claim, data: bytes) -> Stored:
    """Store claim and file; returns the record of the file that is stored in the end.

    Raises:
        StorageError: They could not be stored; says where they are kept.
    """
    with _kept(store, claim, data):
        return _store_claimed(store, claim, data)


def _store_claimed(store: ObjectStore, claim: Claim, data: bytes) -> Stored:
    stored = claim.stored
    key, names = stored.file.key, (stored.planned.image.digest, stored.planned.setting.archive_digest)
    claims.write_claim(store, claim)
    if store.put(key, data):
        return stored
    found = _digest(store, key, *names)
    if found == stored.file.bitstream_digest:
        return stored
    if found and (other := claims.read_claim(store, *names, found)):
        return taken_over(other.stored, stored.planned)
    recorded = lookup.find(store, *names)
    if recorded is not None and recorded.stored.file.bitstream_digest == found:
        return taken_over(recorded.stored, stored.planned)
    store.delete(key)  # neither claimed nor recorded, or unreadable: nobody can say what it is
    if not store.put(key, data):
        raise StorageError(f"{key}: another writer is replacing it")
    return stored


def _digest(store: ObjectStore, key: str, image: str, archive: str) -> str | None:
    """SHA-256 of an object; None where it cannot be read, and the image does not count as archived."""
    try:
        return hashlib.sha256(store.get(key, max_bytes=MAX_BITSTREAM_BYTES)).hexdigest()
    except ChecksumFailed:
        if lookup.archived_among(store, archive, [image]):
            raise
        return None


def taken_over(stored: Stored, planned: Planned) -> Stored:
    """The image that another run stored, named as this run has found it; its maker stays."""
    here = dataclasses.replace(stored.planned, run_id=planned.run_id, image=planned.image)
    return dataclasses.replace(stored, planned=here)


@contextmanager
def _kept(store: ObjectStore, claim: Claim, data: bytes) -> Iterator[None]:
    """Keep claim and file on this host while the body stores them; where it does not, they stay."""
    key = claim.stored.file.key
    try:
        place = _place(store)
        if place is not None:
            place.delete(key)
            claims.write_claim(place, claim)
            place.put(key, data)
    except StorageError as error:
        log.warning("a file is not kept on this host while it is stored: %s", error)
        place = None
    if place is None:
        yield
        return
    try:
        yield
    except StorageError as error:
        kept = f"the file is kept in {place.url}, and the next run on this host stores it"
        raise type(error)(f"{error}; {kept}") from error
    _drop(place, claim)


def carry(store: ObjectStore) -> int:
    """Store what this host has kept for a store; returns the number of files.

    Raises:
        StorageError: The store does not take them; they stay where they are.
    """
    try:
        place = _place(store)
        kept = place.objects(claims.FOLDER) if place else []
    except StorageError as error:  # the home of another user, who has kept what there is
        log.warning("it is not known what this host has kept: %s", error)
        return 0
    return sum(_carried(place, store, found.key) for found in kept) if place else 0


def _carried(place: LocalStore, store: ObjectStore, key: str) -> bool:
    """Store the file of a claim that is kept here, unless the store has one by now; True if it was stored."""
    image, archive, digest = PurePosixPath(key).with_suffix("").parts[1:]
    claim = claims.read_claim(place, image, archive, digest)
    data = None if claim is None else _data(place, claim)
    if claim is None or data is None:  # of no use: a process was killed between the two, or a disk is damaged
        place.delete(key)
        return False
    there = store.objects(PurePosixPath(claim.stored.file.key).parent.as_posix())
    is_wanted = not {each.key for each in there} & set(object_keys(image, archive))
    if is_wanted:
        _store_claimed(store, claim, data)
    _drop(place, claim)
    return is_wanted


def _data(place: LocalStore, claim: Claim) -> bytes | None:
    """The bytes that a claim is about, if they are there as they were."""
    try:
        data = place.get(claim.stored.file.key, max_bytes=MAX_BITSTREAM_BYTES)
    except (ObjectMissing, ChecksumFailed):
        return None
    return data if hashlib.sha256(data).hexdigest() == claim.stored.file.bitstream_digest else None


def _drop(place: LocalStore, claim: Claim) -> None:
    place.delete(claim.stored.file.key)
    claims.forget(place, claim.stored.planned)


def _place(store: ObjectStore) -> LocalStore | None:
    """The folder of this host for what a store in S3 has not yet; None for a store in a folder."""
    if not store.url.startswith(S3_SCHEME):
        return None
    states = os.path.expanduser(os.environ.get("XDG_STATE_HOME") or "~/.local/state")  # noqa: PTH111
    return LocalStore(Path(states) / "inr" / "kept" / hashlib.sha256(store.url.encode()).hexdigest()[:16])
