"""What a run knows of a bitstream before it is in the catalogue, so that a killed run loses no fit.

A claim is written before its bitstream: the row as far as the encoder can fill it, and the fit's
history. It is named after the bitstream's digest, so runs that race for one key do not disturb each
other, and it is removed when the record is committed. A claim alone means nothing; with the
bitstream that it names it saves the fit, and verification still decides.
"""

import hashlib
import json
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from inr import Progress
from tasks.catalogue.records import CatalogueRecord, bitstream_key
from tasks.errors import ObjectMissing
from tasks.store.objects import MAX_BITSTREAM_BYTES, ObjectStore
from tasks.store.seal import BLANK, is_intact, sealed

FOLDER = "journal"
MAX_CLAIM_BYTES = 1 << 24


@dataclass(frozen=True)
class Claim:
    """An unverified record and the history of its fit."""

    record: CatalogueRecord
    history: tuple[Progress, ...]


_CLAIM = TypeAdapter(Claim)


def write_claim(store: ObjectStore, claim: Claim) -> None:
    """Store a claim; one of the same name has the same meaning and stays, unless it is damaged."""
    content = {**_CLAIM.dump_python(claim, mode="json"), "sha256": BLANK.decode()}
    record, data = claim.record, sealed(json.dumps(content).encode())
    names = (record.image_digest or "", record.archive_digest, record.bitstream_digest or "")
    if not store.put(_key(*names), data) and read_claim(store, *names) is None:
        store.delete(_key(*names))
        store.put(_key(*names), data)


def read_claim(
    store: ObjectStore, image_digest: str, archive_digest: str, bitstream_digest: str
) -> Claim | None:
    """The claim for a bitstream, or None if there is none that can be used."""
    try:
        data = store.get(_key(image_digest, archive_digest, bitstream_digest), max_bytes=MAX_CLAIM_BYTES)
        claim = _CLAIM.validate_json(data)
    except (ObjectMissing, ValidationError):  # damaged is as good as none: the image is fitted again
        return None
    if not is_intact(data, str(json.loads(data).get("sha256")).encode()):
        return None
    record = claim.record
    names = (record.image_digest, record.archive_digest, record.bitstream_digest)
    return claim if names == (image_digest, archive_digest, bitstream_digest) else None


def claimed(store: ObjectStore, image_digest: str, archive_digest: str) -> Claim | None:
    """The claim for the bitstream that is stored under an image's key, if there are both."""
    try:
        stored = store.get(bitstream_key(image_digest, archive_digest), max_bytes=MAX_BITSTREAM_BYTES)
    except ObjectMissing:
        return None
    return read_claim(store, image_digest, archive_digest, hashlib.sha256(stored).hexdigest())


def claimed_keys(store: ObjectStore) -> set[str]:
    """Keys of the bitstreams that a run that is not over, or was killed, has claimed."""
    names = (found.key.split("/") for found in store.objects(FOLDER))
    return {bitstream_key(name[1], name[2]) for name in names if len(name) == 4}


def forget(store: ObjectStore, image_digest: str, archive_digest: str) -> None:
    """Remove every claim for an image's key."""
    for found in store.objects(_folder(image_digest, archive_digest)):
        store.delete(found.key)


def discard(store: ObjectStore, image_digest: str, archive_digest: str) -> None:
    """Remove a bitstream that failed verification, and its claims, so that a rerun makes it again."""
    store.delete(bitstream_key(image_digest, archive_digest))
    forget(store, image_digest, archive_digest)


def _key(image_digest: str, archive_digest: str, bitstream_digest: str) -> str:
    return f"{_folder(image_digest, archive_digest)}/{bitstream_digest}.json"


def _folder(image_digest: str, archive_digest: str) -> str:
    return f"{FOLDER}/{image_digest}/{archive_digest}"
