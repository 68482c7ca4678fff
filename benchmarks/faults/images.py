"""Files among the originals that are damaged, hostile or oddly named, one of each kind, in one source."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from benchmarks.faults.commands import AS_NOBODY_SPECIAL
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge, latest_rows
from tasks.originals.names import escaped, printable

GOOD = "crop-000.png"
BOMB_SIDE = 12_000  # pixels: 144 million, which take 432 MB, in a file of half a megabyte
CLAIMED_SIDE = 60_000


@dataclass(frozen=True)
class Kind:
    """A kind of file that is no good image, or looks like none.

    Attributes:
        what: The kind in words, for people.
        name: Its name in the folder of originals.
        data: Its bytes, from a good photograph.
        error: Error type of its row; empty if it is to be archived.
        mend: The remedy of the operator, for people.
    """

    what: str
    name: str
    data: Callable[[Image.Image], bytes]
    error: str = ""
    mend: str = "none needed"

    def make(self, folder: Path) -> None:
        """Put it into the folder: a link to itself if its remedy is `UNLINK`, unreadable if it is `CHMOD`."""
        path = folder / self.name
        if self.mend == UNLINK:
            (folder / "up").symlink_to(folder, target_is_directory=True)
            path.symlink_to(path)
            return
        with Image.open(folder / GOOD) as picture:
            path.write_bytes(self.data(picture))
        if self.mend == CHMOD:
            path.chmod(0)


def corrupt(picture: Image.Image) -> bytes:
    """A PNG with bytes amid its pixels overwritten."""
    data = _saved(picture, "PNG")
    middle = (data.index(b"IDAT") + data.index(b"IEND")) // 2
    return data[:middle] + bytes(16) + data[middle + 16 :]


def truncated(picture: Image.Image) -> bytes:
    """A JPEG that ends half-way."""
    data = _saved(picture, "JPEG")
    return data[: len(data) // 2]


def turned(quarters: int) -> Callable[[Image.Image], bytes]:
    """A photograph that differs from every other in the folder."""
    return lambda picture: _saved(ImageOps.mirror(picture).rotate(90 * quarters), "PNG")


def png(side: int, row: bytes) -> bytes:
    """A square PNG in RGB of `side` rows of zeros, or with no row where `row` is empty."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(row) for _ in range(side if row else 0)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def _saved(picture: Image.Image, format_: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, quality=95)
    return file.getvalue()


BAD, BIG, REPLACE, CHMOD, UNLINK = (
    "UnsupportedImage",
    "TooManyPixels",
    "put the good file in its place",
    "`chmod`",
    "remove the link",
)
KINDS = (
    Kind("corrupt image", "corrupt.png", corrupt, BAD, REPLACE),
    Kind("truncated image", "truncated.jpg", truncated, BAD, REPLACE),
    Kind("decompression bomb", "bomb.png", lambda _: png(BOMB_SIDE, bytes(3 * BOMB_SIDE + 1)), BIG, REPLACE),
    Kind("header that claims 3.6 gigapixels", "claimed.png", lambda _: png(CLAIMED_SIDE, b""), BIG, REPLACE),
    Kind("0-byte file", "empty.png", lambda _: b"", BAD, REPLACE),
    Kind("wrong extension: text named .jpg", "text.jpg", lambda _: b"no photograph\n", BAD, REPLACE),
    Kind("wrong extension: JPEG named .png", "misnamed.png", lambda good: _saved(good.rotate(90), "JPEG")),
    Kind("unreadable file", "unreadable.png", turned(1), "SourceError", CHMOD),
    Kind("name with a newline", "new\nline.png", turned(2)),
    Kind("name that is not UTF-8", os.fsdecode(b"not\xffutf8.png"), turned(3)),
    Kind("symlink loop", "loop.png", lambda _: b"", "UnsuitableFile", UNLINK),
)


def all_kinds(place: Place, account: Account, _: Scenery) -> None:
    """Put one file of each kind among the photographs, archive, mend them, archive again; a row for each."""
    n_good = len(place.digests)
    for kind in KINDS:
        kind.make(place.photos)
    place.remember()
    bad = frozenset(kind.name for kind in KINDS if kind.error)
    ended = place.archive(before=AS_NOBODY_SPECIAL)
    rows = {row["source_path"]: row for row in latest_rows(place.stored)}
    account.after_fault = judge(place, never=bad)
    account.tried = f"one file of each kind beside {n_good} good photographs, archived in one run: {ended}"
    account.expect("the exit code shows that some failed", ended.code == 1)
    account.expect("the others are archived, the originals as they were", account.after_fault.nothing_lost)
    account.expect("each ended as a row", len(rows) == n_good + len(KINDS))
    for kind in KINDS:
        account.rows[kind.what] = _seen(kind, place, rows[escaped(os.fsencode(kind.name))])
    for name in bad:
        mend(place, name)
    place.remember()
    account.recover(place, "each mended, archived again", before=AS_NOBODY_SPECIAL)
    archived = {row["source_path"] for row in latest_rows(place.stored) if row["status"] == "archived"}
    for kind in KINDS:
        found = "archived" if escaped(os.fsencode(kind.name)) in archived else "nothing to archive"
        account.rows[kind.what].recovered = [found]


def _seen(kind: Kind, place: Place, row: dict[str, Any]) -> Account:
    """The account of one file after the first run."""
    n_bytes = (place.photos / kind.name).lstat().st_size
    reason = f"`{row['error_type']}`: {row['error_message']}" if row["error_type"] else ""
    account = Account(f"`{printable(kind.name)}`, {n_bytes} bytes, among good photographs")
    account.happened = [f"a row with status `{row['status']}`{f': {reason}' if reason else ''}"]
    account.recovery = f"{kind.mend}; archive again" if kind.error else kind.mend
    account.expect(
        "its row has the error that belongs to it, or none", row["error_type"] == (kind.error or None)
    )
    return account


def mend(place: Place, name: str) -> None:
    """Do what an operator does about a file of any of `KINDS`."""
    path = place.photos / name
    if path.is_symlink():
        path.unlink()
    elif not path.stat().st_mode & 0o400:
        path.chmod(0o600)
    else:
        with Image.open(place.photos / GOOD) as picture:
            picture.crop((0, 0, picture.width, 4 + len(name))).save(path.with_suffix(".png"))
        if path.suffix != ".png":
            path.with_suffix(".png").rename(path)
