"""The batches that a run hands from host to host: the images of each, and how they ended.

Both go through the store, which every worker reaches anyway, and not through parameters of a run:
those are bounded, and Prefect keeps them. A folder ``runs/<day>-<run id>-<attempt>`` lasts as long as one
attempt of a run: a run of Prefect that is tried again keeps its id, and what is to do is another thing then.
The folder of an attempt that was killed is removed by a later run, `KEPT_DAYS` after its last sign of life.
One that ends by an error removes its own: on a full disk each of them would take the room that was made for
the next.
"""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from tasks.catalogue.records import Outcome, Planned, now
from tasks.errors import CatalogueError, ObjectMissing, StorageError, StorageUnavailable
from tasks.originals.listing import SourceImage
from tasks.plan.leases import signs_of_life
from tasks.store.objects import ObjectStore, StoredObject, patient
from tasks.wording import counted

FOLDER = "runs"
KEPT_DAYS = 7
ALIVE = ".alive"  # of a sign that the run goes on
MAX_BYTES = 1 << 28

Content = TypeVar("Content")


@dataclass(frozen=True)
class Batch:
    """What a batch is to do.

    Attributes:
        images: Its images.
        n_pixels: Pixels of each, by its digest, as far as headers tell; empty where nobody asked for them.
    """

    images: list[SourceImage]
    n_pixels: dict[str, int]


_BATCH = TypeAdapter(Batch)
_OUTCOMES = TypeAdapter(list[Outcome])


def new_folder(run_id: str) -> str:
    """The folder in which an attempt of a run that begins now keeps its batches; no other one has it."""
    return f"{FOLDER}/{now():%Y%m%d}-{run_id}-{uuid.uuid4().hex[:8]}"


def batches_of(images: Sequence[SourceImage], n_pixels: Mapping[str, int], size: int) -> list[Batch]:
    """The images of a run, `size` to a batch; `n_pixels` as in `Batch`, of all of them."""
    found = []
    for start in range(0, len(images), size):
        some = images[start : start + size]
        known = {image.digest: n_pixels[image.digest] for image in some if image.digest in n_pixels}
        found.append(Batch(list(some), known))
    return found


@contextmanager
def kept_batches(store: ObjectStore, folder: str, batches: Sequence[Batch]) -> Iterator[None]:
    """Have the batches of a run in the store while the body runs.

    They stay where the run is told to stop, since its workers may need them, and where the store does not
    answer; see above.

    Raises:
        StorageError: They cannot be written; then none is left.
    """
    try:
        write_batches(store, folder, batches)
        with signs_of_life(partial(_sign, store, folder)):
            yield
    except StorageUnavailable:
        raise
    except Exception:
        with suppress(StorageError), patient(0):
            forget_batches(store, folder)
        raise
    forget_batches(store, folder)


def write_batches(store: ObjectStore, folder: str, batches: Sequence[Batch]) -> None:
    """Store the batches of a run, which are numbered from 0.

    Raises:
        StorageError: Another run has put batches there.
    """
    for number, batch in enumerate(batches):
        key = f"{folder}/{number:06}.images.json"
        if not _write(store, key, _BATCH, batch):
            raise StorageError(f"{key}: expected no batch of another run, found one")


def read_batch(store: ObjectStore, folder: str, number: int) -> Batch:
    """The images of a batch, with their pixels.

    Raises:
        ObjectMissing: There is no such batch, or its run is over.
        CatalogueError: It is damaged.
    """
    return _read(store, f"{folder}/{number:06}.images.json", _BATCH)


def write_outcome(store: ObjectStore, folder: str, number: int, outcomes: Sequence[Outcome]) -> None:
    """Store the outcomes of the images of a batch; if there are some already, those stay."""
    _write(store, f"{folder}/{number:06}.outcomes.json", _OUTCOMES, list(outcomes))


def read_outcome(store: ObjectStore, folder: str, number: int) -> list[Outcome] | None:
    """The outcomes of a batch, or None if the batch did not come to its end.

    Raises:
        CatalogueError: The object is damaged, or has not one outcome for each image that was asked for.
    """
    key = f"{folder}/{number:06}.outcomes.json"
    try:
        outcomes = _read(store, key, _OUTCOMES)
    except ObjectMissing:
        return None
    asked: Counter[str | None] = Counter(image.digest for image in read_batch(store, folder, number).images)
    told = Counter(_digest_of(outcome) for outcome in outcomes)
    if told != asked:
        n_amiss = (asked - told).total() + (told - asked).total()
        raise CatalogueError(
            f"{key}: expected an outcome for each of {counted(asked.total(), 'image')}, "
            f"found {told.total()}; {n_amiss} missing or of other images"
        )
    return outcomes


def _digest_of(outcome: Outcome) -> str | None:
    return outcome.origin.image.digest if isinstance(outcome.origin, Planned) else None


def forget_batches(store: ObjectStore, folder: str) -> None:
    """Remove the batches of a run."""
    for found in store.objects(folder):
        store.delete(found.key)


def forget_old_batches(store: ObjectStore) -> None:
    """Remove the batches left by runs whose last sign of life is more than `KEPT_DAYS` days old."""
    for found in old_batches(store, KEPT_DAYS):
        store.delete(found.key)


def old_batches(store: ObjectStore, days: float) -> list[StoredObject]:
    """The batches left by runs that began, and last showed a sign of life, more than so many days ago."""
    before, folders = now() - timedelta(days=days), defaultdict[str, list[StoredObject]](list)
    for found in store.objects(FOLDER):
        folders[found.key.split("/")[1]].append(found)
    return [
        found
        for name, objects in folders.items()
        if _is_day(name[:8]) and name[:8] < f"{before:%Y%m%d}"
        if max(each.stored_at for each in objects) < before
        for found in objects
    ]


def _sign(store: ObjectStore, folder: str) -> None:
    """Show that the run of a folder goes on; a sign takes the place of the one before it."""
    earlier = [found.key for found in store.objects(folder) if found.key.endswith(ALIVE)]
    store.put(f"{folder}/{uuid.uuid4().hex}{ALIVE}", b"{}")
    for key in earlier:
        store.delete(key)


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return True


def _write(store: ObjectStore, key: str, kind: TypeAdapter[Content], content: Content) -> bool:
    return store.put(key, json.dumps(kind.dump_python(content, mode="json")).encode())


def _read(store: ObjectStore, key: str, kind: TypeAdapter[Content]) -> Content:
    try:
        return kind.validate_json(store.get(key, max_bytes=MAX_BYTES))
    except ValidationError as error:
        raise CatalogueError(f"{key}: is not a readable batch: {error.errors()[0]['msg']}") from error
