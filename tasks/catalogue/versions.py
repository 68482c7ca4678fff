"""Versions of a photograph: rows of different contents, or settings, that were found under one name.

A name is a place: the source, and the path below it. A photograph that is tagged anew and archived again is a
second version; photographs of two sources whose paths are alike are none of each other.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import quote_from_bytes

from tasks.catalogue.records import Archived
from tasks.originals.listing import SourceImage
from tasks.originals.names import raw_name


def names_of(record: Archived) -> tuple[str, ...]:
    """Every path below its source at which an image was found."""
    return (record.path, *record.origin.image.also_at)


def latest_versions(records: Sequence[Archived]) -> list[Archived]:
    """The images, in their order, each under those of its names that no later one of them has.

    An image that has no such name is left out.
    """
    newest: dict[tuple[str, str], int] = {}
    for number in sorted(range(len(records)), key=lambda number: records[number].recorded_at):
        source = _source_of(records[number].origin.image)
        newest.update(((source, name), number) for name in names_of(records[number]))
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
