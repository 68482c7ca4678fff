"""The two verdicts, measured past the flow: from the files of source and store, and the decoders alone."""

import hashlib
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

import inr
from benchmarks.faults.places import Files, Place, current_digests
from tasks.catalogue.keys import BITSTREAM_SUFFIX
from tasks.errors import UnsupportedImage
from tasks.originals.lossless import decode_lossless

TOLERANCE_DB = 1e-6
PARTS = "catalogue/images/"


@dataclass(frozen=True)
class Verdict:
    """The findings on a place; each list is empty where all is well.

    Attributes:
        changed: Originals that are not what they were.
        lost: Originals that are to be archived, and are not.
        undecodable: Images that a row calls archived, each with the fault of what is stored.
        n_archived: Images that the latest row calls archived.
    """

    changed: tuple[str, ...]
    lost: tuple[str, ...]
    undecodable: tuple[str, ...]
    n_archived: int

    @property
    def nothing_lost(self) -> bool:
        """No original was changed, and every one that can be archived is."""
        return not self.changed and not self.lost

    @property
    def all_decode(self) -> bool:
        """Nothing is called archived that cannot be decoded, or is not what its row says."""
        return not self.undecodable


def judge(place: Place, *, never: frozenset[str] = frozenset()) -> Verdict:
    """Look at a place.

    Args:
        place: The place.
        never: Names of files that are no images, or cannot be read, and so need not be archived.
    """
    found = current_digests(place.originals)
    changed = sorted(name for name, digest in place.digests.items() if found.get(name) != digest)
    archived = {row["image_digest"]: row for row in latest_rows(place.stored) if row["status"] == "archived"}
    lost = sorted(n for n, digest in found.items() if n not in never and digest not in archived)
    by_digest = {digest: name for name, digest in found.items()}
    wrong = {
        row["source_path"]: what_is_wrong(place, row, by_digest.get(digest))
        for digest, row in archived.items()
    }
    undecodable = tuple(f"{path}: {reason}" for path, reason in sorted(wrong.items()) if reason)
    return Verdict(tuple(changed), tuple(lost), undecodable, len(archived))


def latest_rows(stored: Files) -> list[dict[str, Any]]:
    """The latest row of each image under each setting; parts that cannot be read have none.

    A failure counts only where no row has the image as archived; whether its file is there is seen elsewhere.
    """
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in all_rows(stored):
        name = (row["image_digest"] or row["source_uri"], row["archive_digest"])
        order = row["status"] != "failed", row["recorded_at"]
        if name not in newest or order >= (newest[name]["status"] != "failed", newest[name]["recorded_at"]):
            newest[name] = row
    return list(newest.values())


def all_rows(stored: Files) -> list[dict[str, Any]]:
    """Every row of the table ``images``, as pyarrow reads its parts."""
    rows: list[dict[str, Any]] = []
    for name in stored.names():
        if name.startswith(PARTS) and name.endswith(".parquet"):
            try:
                rows += pq.read_table(pa.BufferReader(stored.read(name))).to_pylist()
            except (pa.ArrowException, OSError, ValueError):
                continue
    return rows


def _pixels(data: bytes, row: dict[str, Any]) -> NDArray[np.uint8]:
    if row["key"].endswith(BITSTREAM_SUFFIX):
        return inr.decode(data).pixels
    n_pixels = row["height"] * row["width"]
    return decode_lossless(data, max_pixels=n_pixels, channels=row["channels"]).pixels


def what_is_wrong(place: Place, row: dict[str, Any], original: str | None) -> str:
    """The reason why a row's bitstream is not what the row says; empty if it is."""
    try:
        data = place.stored.read(row["key"])
    except Exception as error:  # of the file system or of boto3
        return f"cannot be read: {error}"
    if hashlib.sha256(data).hexdigest() != row["bitstream_digest"]:
        return "SHA-256 is not the row's"
    try:
        pixels = _pixels(data, row)
    except (inr.BitstreamError, UnsupportedImage) as error:
        return f"cannot be decoded: {error}"
    if original is None:
        return ""  # the original was replaced since; there is nothing to compare with
    with Image.open(io.BytesIO(place.originals.read(original))) as picture:
        measured = decibels(np.asarray(picture), pixels)
    if not (measured == row["psnr_db"] or abs(measured - row["psnr_db"]) <= TOLERANCE_DB):
        return f"PSNR: the row says {row['psnr_db']}, found {measured}"
    return ""


def decibels(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """PSNR of 8-bit pixels over all channels, in dB; NaN where the shapes differ."""
    if original.size != decoded.size:
        return math.nan
    difference = original.astype(np.int64).ravel() - decoded.astype(np.int64).ravel()
    mse = float(np.mean(difference**2))
    return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)
