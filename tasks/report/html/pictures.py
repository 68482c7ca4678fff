"""The pictures of a pair as parts of a page: WebP in ``data:`` URIs, bounded in bytes."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from tasks.catalogue.columns import Row
from tasks.catalogue.rows import row_of
from tasks.report.pairs import Pair

QUALITIES = (90, 75, 50, 25)
MAX_PICTURE_BYTES = 150_000
MAX_PROFILE_BYTES = 16_384


@dataclass(frozen=True)
class ShownPair:
    """A pair as the template has it.

    Attributes:
        record: The row of the image.
        width: Width of the pictures, in pixels; 0 if there are none.
        height: Height of the pictures, in pixels; 0 if there are none.
        original: WebP as a ``data:`` URI; None if it is not shown.
        reconstruction: WebP as a ``data:`` URI; None if it is not shown.
        note: Why one of them is not shown; empty if both are.
    """

    record: Row
    width: int
    height: int
    original: str | None
    reconstruction: str | None
    note: str

    @property
    def is_reduced(self) -> bool:
        """True if the pictures are smaller than the image."""
        return self.width < int(self.record["width"])


def shown_pair(pair: Pair) -> ShownPair:
    """The pictures of a pair, compressed."""
    width, height = pair.reconstruction.size if pair.reconstruction else (0, 0)
    original, reconstruction = (
        data_uri(picture, pair.profile) if picture else None
        for picture in (pair.original, pair.reconstruction)
    )
    return ShownPair(row_of(pair.image), width, height, original, reconstruction, pair.note)


def data_uri(picture: Image.Image, profile: bytes | None) -> str:
    """A picture as WebP of the first of `QUALITIES` within `MAX_PICTURE_BYTES`, or of the last if none is."""
    kept = profile if profile and len(profile) <= MAX_PROFILE_BYTES else b""
    for quality in QUALITIES:
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=quality, icc_profile=kept)
        if out.tell() <= MAX_PICTURE_BYTES:
            break
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
