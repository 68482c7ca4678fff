"""Outcomes of images for tests that need rows but no image behind them."""

import hashlib
from typing import Any

from inr.config import CodecConfig
from tasks.catalogue.keys import BITSTREAM_SUFFIX, object_key
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import (
    Archived,
    Effort,
    Failed,
    Listed,
    NetworkFacts,
    PictureFacts,
    Planned,
    Stored,
    StoredFile,
    Verification,
    now,
)
from tasks.catalogue.rows import archived_of, row_of
from tasks.originals.listing import SourceFile, SourceImage

CONFIG = CodecConfig(model="mlp", preset="draft")
RECIPE = Recipe(CONFIG)
ARCHIVE = RECIPE.archive_digest()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def source_image(name: str = "a.png") -> SourceImage:
    return SourceImage(digest(name), f"file:///photos/{name}", name, 1000)


def listed(name: str = "a.png") -> Listed:
    return Listed.of("run", RECIPE, SourceFile(f"file:///photos/{name}", name))


def planned(name: str = "a.png", run_id: str = "run", recipe: Recipe = RECIPE) -> Planned:
    return Planned.of(run_id, recipe, source_image(name))


def failed(name: str = "a.png", error: Exception | None = None) -> Failed:
    return Failed.of(planned(name), error or ValueError("no"))


def stored_of(planned: Planned, bitstream: bytes = b"bitstream") -> Stored:
    """An image of 16x12 pixels whose object would be `bitstream`."""
    key = object_key(planned.image.digest, planned.setting.archive_digest, BITSTREAM_SUFFIX)
    digests = (hashlib.sha256(bitstream).hexdigest(), digest("symbols"), digest("pixels"))
    return Stored(
        planned=planned,
        picture=PictureFacts("PNG", "P", 16, 12, 3, 0, 0, ("converted from P to RGB",)),
        effort=Effort(1, 0, None, 1.0, 1.5, "cpu", 1, 1500, None),
        file=StoredFile(key, *digests, len(bitstream), 8 * len(bitstream) / 192, 31.25),
        network=NetworkFacts(0.002, 100, 60.0),
    )


def archived_from(planned: Planned, bitstream: bytes = b"bitstream", **columns: Any) -> Archived:
    """The later stage of `planned`, with some columns of its row changed."""
    verification = Verification(31.25, None, 0.0, 0.5, now())
    return changed(Archived(stored_of(planned, bitstream), verification, now()), **columns)


def archived(name: str = "a.png", bitstream: bytes = b"bitstream", **columns: Any) -> Archived:
    return archived_from(planned(name), bitstream, **columns)


def changed(image: Archived, **columns: Any) -> Archived:
    """The image as its row would have it with some columns changed."""
    return archived_of({**row_of(image), **columns}) if columns else image
