"""Versions of a photograph: rows of different contents, or settings, that were found under one name.

A name is a place: the source, and the path below it. A photograph that is tagged anew and archived again is a
second version; photographs of two sources whose paths are alike are none of each other.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from urllib.parse import quote_from_bytes

from tasks.catalogue.records import Archived
from tasks.originals.listing import SourceImage
from tasks.originals.names import raw_name


def names_of(record: Archived) -> tuple[str, ...]:
    """Every path below its source at which an image was found."""
    return (record.path, *record.origin.image.also_at)


def latest_versions(
    records: Sequence[Archived], lost: Collection[str] = (), *, best: bool = False
) -> list[Archived]:
    """The images, in their order, each under those of its names that no later one of them has.

    An image that has no such name is left out. Of one content under several settings the file that was
    archived last counts, or the one with the highest PSNR; one that is lost only where all of them are.

    Args:
        records: The images.
        lost: Keys of files that an audit found damaged or missing.
        best: True to take the highest PSNR.
    """
    places = [[(_source_of(each.origin.image), name) for name in names_of(each)] for each in records]
    by_time = sorted(range(len(records)), key=lambda number: records[number].recorded_at)
    contents = {place: records[number].origin.image.digest for number in by_time for place in places[number]}

    def rank(number: int) -> tuple[bool, float, datetime]:
        record = records[number]
        quality = record.verification.psnr_db if best else 0.0
        return record.stored.file.key not in lost, quality, record.recorded_at

    newest: dict[tuple[str, str], int] = {}
    for number in sorted(by_time, key=rank):
        digest = records[number].origin.image.digest
        newest.update((place, number) for place in places[number] if contents[place] == digest)
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
