"""The batches that a run hands from host to host: the images of each, and how they ended.

Both go through the store, which every worker reaches anyway, and not through parameters of a run:
those are bounded, and Prefect keeps them. A folder ``runs/<day>-<run id>`` lasts as long as its run;
that of a run that was killed is removed by a later run, after `KEPT_DAYS`.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from tasks.catalogue.records import Outcome, now
from tasks.errors import CatalogueError, ObjectMissing
from tasks.originals.listing import SourceImage
from tasks.store.objects import ObjectStore

FOLDER = "runs"
KEPT_DAYS = 7
MAX_BYTES = 1 << 28

Item = TypeVar("Item")

_IMAGES = TypeAdapter(list[SourceImage])
_OUTCOMES = TypeAdapter(list[Outcome])


def new_folder(run_id: str) -> str:
    """The folder in which a run that begins now keeps its batches."""
    return f"{FOLDER}/{now():%Y%m%d}-{run_id}"


def write_batches(store: ObjectStore, folder: str, images: Sequence[SourceImage], size: int) -> int:
    """Store the images of a run, `size` to a batch; returns how many batches there are, numbered from 0."""
    starts = range(0, len(images), size)
    for number, start in enumerate(starts):
        _write(store, f"{folder}/{number:06}.images.json", _IMAGES, list(images[start : start + size]))
    return len(starts)


def read_batch(store: ObjectStore, folder: str, number: int) -> list[SourceImage]:
    """The images of a batch.

    Raises:
        ObjectMissing: There is no such batch, or its run is over.
        CatalogueError: It is damaged.
    """
    return _read(store, f"{folder}/{number:06}.images.json", _IMAGES)


def write_outcome(store: ObjectStore, folder: str, number: int, outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes of the images of a batch; if there are some already, those stay."""
    _write(store, f"{folder}/{number:06}.outcomes.json", _OUTCOMES, list(outcomes))


def read_outcome(store: ObjectStore, folder: str, number: int) -> list[Outcome] | None:
    """The outcomes of a batch, or None if the batch did not come to its end.

    Raises:
        CatalogueError: The object is damaged.
    """
    try:
        return _read(store, f"{folder}/{number:06}.outcomes.json", _OUTCOMES)
    except ObjectMissing:
        return None


def forget_batches(store: ObjectStore, folder: str) -> None:
    """Remove the batches of a run."""
    for found in store.objects(folder):
        store.delete(found.key)


def forget_old_batches(store: ObjectStore) -> None:
    """Remove the batches left by runs that began more than `KEPT_DAYS` days ago."""
    before = f"{now() - timedelta(days=KEPT_DAYS):%Y%m%d}"
    for found in store.objects(FOLDER):
        day = found.key.split("/")[1][:8]
        if _is_day(day) and day < before:
            store.delete(found.key)


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True


def _write(store: ObjectStore, key: str, kind: TypeAdapter[list[Item]], items: list[Item]) -> None:
    store.put(key, json.dumps(kind.dump_python(items, mode="json")).encode())


def _read(store: ObjectStore, key: str, kind: TypeAdapter[list[Item]]) -> list[Item]:
    try:
        return kind.validate_json(store.get(key, max_bytes=MAX_BYTES))
    except ValidationError as error:
        raise CatalogueError(f"{key}: is not a readable batch: {error.errors()[0]['msg']}") from error
