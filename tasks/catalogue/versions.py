"""Versions of a photograph: rows of different contents, or settings, that were found under one name.

A name is a place: the source, and the path below it. A photograph that is tagged anew and archived again is a
second version; photographs of two sources whose paths are alike are none of each other. A photograph that was
renamed has its row once more, under the names that it has then.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote_from_bytes

from tasks.catalogue.records import Archived
from tasks.originals.listing import SourceImage
from tasks.originals.names import raw_name

Place = tuple[str, str]  # a source, and a path below it


def names_of(record: Archived) -> tuple[str, ...]:
    """Every path below its source at which an image was found."""
    return (record.path, *record.origin.image.also_at)


def places_of(image: SourceImage) -> list[Place]:
    """Every place at which an image was found."""
    source = _source_of(image)
    return [(source, name) for name in (image.path, *image.also_at)]


def uris_of(image: SourceImage) -> list[str]:
    """The URI of each of these places, in the same order."""
    return [f"{source}{quote_from_bytes(raw_name(name))}" for source, name in places_of(image)]


def holders(found: Iterable[tuple[datetime, SourceImage]]) -> dict[Place, str]:
    """The digest of the image that was found last at each place, of images and the times of their rows."""
    by_time = sorted(found, key=lambda entry: entry[0])
    return {place: image.digest for _, image in by_time for place in places_of(image)}


def named_today(
    image: SourceImage, before: SourceImage, held: Mapping[Place, str], is_looked_at: Callable[[str], bool]
) -> SourceImage:
    """An image as a run has found it, also under those of its earlier names that the run did not look at.

    Args:
        image: The image as the run has found it.
        before: The same as its latest row names it.
        held: The image that each place holds, by the rows of all images; a place that is not in it holds the
            image that is found there.
        is_looked_at: Whether the run would have found a file of a name below its source.
    """
    if _source_of(image) != _source_of(before):
        return image
    left = [place for place in places_of(before) if place not in places_of(image)]
    ours = (place[1] for place in left if held.get(place, image.digest) == image.digest)
    kept = (name for name in ours if not is_looked_at(name))
    return dataclasses.replace(image, also_at=(*image.also_at, *kept))


def has_its_names(image: SourceImage, before: SourceImage, held: Mapping[Place, str]) -> bool:
    """Whether the rows name an image as it is named now; of another source, whether they name it at all.

    Arguments as those of `named_today`, whose result the image is.
    """
    ours, theirs = places_of(image), places_of(before)
    are_held = [held.get(place, image.digest) == image.digest for place in theirs]
    if _source_of(image) != _source_of(before):
        return any(are_held)
    return set(ours) == set(theirs) and all(are_held)


def latest_versions(
    records: Sequence[Archived], lost: Collection[str] = (), *, best: bool = False
) -> list[Archived]:
    """The images, in their order, each under those of its names that no later one of them has.

    An image that has no such name is left out. Of one content under several settings the file that was
    verified last counts, or the one with the highest PSNR; one that is lost only where all of them are.

    Args:
        records: The images.
        lost: Keys of files that an audit found damaged or missing.
        best: True to take the highest PSNR.
    """
    contents = holders((each.recorded_at, each.origin.image) for each in records)

    def rank(number: int) -> tuple[bool, float, datetime]:
        record = records[number]
        quality = record.verification.psnr_db if best else 0.0
        return record.stored.file.key not in lost, quality, record.verification.verified_at

    newest: dict[Place, int] = {}
    for number in sorted(range(len(records)), key=rank):
        image = records[number].origin.image
        newest.update((place, number) for place in places_of(image) if contents[place] == image.digest)
    names: dict[int, list[str]] = defaultdict(list)
    for (_, name), number in newest.items():
        names[number].append(name)
    return [_under(record, set(names[number])) for number, record in enumerate(records) if number in names]


def _source_of(image: SourceImage) -> str:
    """The URI of the source that an image was found in."""
    return image.uri.removesuffix(quote_from_bytes(raw_name(image.path)))


def _under(record: Archived, names: set[str]) -> Archived:
    """An image under some of its names, in their order."""
    path, *others = (name for name in names_of(record) if name in names)
    image = dataclasses.replace(record.origin.image, path=path, also_at=tuple(others))
    planned = dataclasses.replace(record.origin, image=image)
    return dataclasses.replace(record, stored=dataclasses.replace(record.stored, planned=planned))
