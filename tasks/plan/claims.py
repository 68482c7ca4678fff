"""Claims: a run writes down what it knows of a file before it stores it, so that a killed run loses no fit.

A claim is written before its bitstream: what the encoder knows of it, and the history of its fits. It is
named after the bitstream's digest, so runs that race for one key do not disturb each
other, and it is removed when the record is committed. A claim alone means nothing; with the
bitstream that it names it saves the fit, and verification still decides.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from pydantic import TypeAdapter, ValidationError

from inr import Progress
from tasks.catalogue import lookup
from tasks.catalogue.keys import object_keys
from tasks.catalogue.records import Planned, Stored
from tasks.errors import ChecksumFailed, ObjectMissing
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore
from tasks.store.seal import BLANK, is_intact, sealed

FOLDER = "journal"
SUFFIX = ".json"
TAKEN = ".taken"  # of a mark that a run needs a claim, which may be an old one
MAX_CLAIM_BYTES = 1 << 24


@dataclass(frozen=True)
class Claim:
    """An image whose object is not verified yet, and the history of its fits."""

    stored: Stored
    history: tuple[Progress, ...]


_CLAIM = TypeAdapter(Claim)


def write_claim(store: ObjectStore, claim: Claim) -> None:
    """Store a claim; one of the same name has the same meaning and stays, unless it is damaged."""
    content = {**_CLAIM.dump_python(claim, mode="json"), "sha256": BLANK.decode()}
    names, data = _names(claim), sealed(json.dumps(content).encode())
    if not store.put(_key(*names), data) and read_claim(store, *names) is None:
        store.delete(_key(*names))
        store.put(_key(*names), data)


def read_claim(
    store: ObjectStore, image_digest: str, archive_digest: str, bitstream_digest: str
) -> Claim | None:
    """The claim for a bitstream, or None if there is none that can be used."""
    names = (image_digest, archive_digest, bitstream_digest)
    try:
        data = store.get(_key(*names), max_bytes=MAX_CLAIM_BYTES)
        claim = _CLAIM.validate_json(data)
    except (ObjectMissing, ChecksumFailed, ValidationError):  # damaged is as good as none: it is fitted again
        return None
    if not is_intact(data, str(json.loads(data).get("sha256")).encode()):
        return None
    is_named_so = _names(claim) == names
    return claim if is_named_so and claim.stored.file.key in object_keys(*names[:2]) else None


def claimed(store: ObjectStore, image_digest: str, archive_digest: str) -> Claim | None:
    """The claim for an object that is stored for an image, if there are both, and both can be read."""
    for found in store.objects(folder_of(image_digest, archive_digest)):
        if not found.key.endswith(SUFFIX):
            continue  # a lease, or a mark
        digest = PurePosixPath(found.key).stem
        claim = read_claim(store, image_digest, archive_digest, digest)
        if claim is not None and _is_stored(store, claim):
            return claim
    return None


def is_needed(store: ObjectStore, image_digest: str, archive_digest: str, before: datetime) -> bool:
    """True if a run that is not over has a claim for an image: it made or marked one after that time."""
    return any(
        found.key.endswith((SUFFIX, TAKEN)) and found.stored_at >= before
        for found in store.objects(folder_of(image_digest, archive_digest))
    )


def mark_taken(store: ObjectStore, image_digest: str, archive_digest: str) -> None:
    """Say that a run that goes on has taken over a claim for an image, or still needs it.

    The mark is gone with the claim, or the next mark.
    """
    folder = folder_of(image_digest, archive_digest)
    earlier = [found.key for found in store.objects(folder) if found.key.endswith(TAKEN)]
    store.put(f"{folder}/{uuid.uuid4().hex}{TAKEN}", b"{}")
    for key in earlier:
        store.delete(key)


def _is_stored(store: ObjectStore, claim: Claim) -> bool:
    try:
        return _stored_digest(store, claim.stored.file.key) == claim.stored.file.bitstream_digest
    except ChecksumFailed:
        return False


def _stored_digest(store: ObjectStore, key: str) -> str | None:
    """SHA-256 of the object under a key, or None if there is none."""
    try:
        return hashlib.sha256(store.get(key, max_bytes=MAX_BITSTREAM_BYTES)).hexdigest()
    except ObjectMissing:
        return None


def claimed_keys(store: ObjectStore) -> set[str]:
    """Keys that the objects claimed by runs that are not over, or were killed, may have."""
    names = (found.key.split("/") for found in store.objects(FOLDER))
    return {key for name in names if len(name) == 4 for key in object_keys(name[1], name[2])}


def forget(store: ObjectStore, planned: Planned) -> None:
    """Remove every claim for an image under a config, and every lease."""
    for found in store.objects(folder_of(planned.image.digest, planned.setting.archive_digest)):
        store.delete(found.key)


def discard(store: ObjectStore, stored: Stored) -> None:
    """Remove an object that failed verification, and its claims, so that a rerun makes it again.

    An object that is as another run has archived it meanwhile stays: that run verified these bytes.
    """
    key, planned = stored.file.key, stored.planned
    recorded = lookup.find(store, planned.image.digest, planned.setting.archive_digest)
    file = None if recorded is None else recorded.stored.file
    if file is None or (file.key, file.bitstream_digest) != (key, _stored_digest(store, key)):
        store.delete(key)
    forget(store, planned)


def _names(claim: Claim) -> tuple[str, str, str]:
    planned = claim.stored.planned
    return planned.image.digest, planned.setting.archive_digest, claim.stored.file.bitstream_digest


def _key(image_digest: str, archive_digest: str, bitstream_digest: str) -> str:
    return f"{folder_of(image_digest, archive_digest)}/{bitstream_digest}{SUFFIX}"


def folder_of(image_digest: str, archive_digest: str) -> str:
    """The place of what runs that are not over know of an image under a config."""
    return f"{FOLDER}/{image_digest}/{archive_digest}"
