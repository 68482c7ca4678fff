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

from benchmarks.faults.commands import AS_NOBODY_SPECIAL, Ended
from benchmarks.faults.outcomes import Account
from benchmarks.faults.places import Place
from benchmarks.faults.scenery import Scenery
from benchmarks.faults.verdicts import judge, latest_rows
from tasks.originals.listing import printable

GOOD = "crop-000.png"
BOMB_SIDE = 12_000  # pixels: 144 million, which take 432 MB, in a file of half a megabyte
CLAIMED_SIDE = 60_000


@dataclass(frozen=True)
class Kind:
    """A kind of file that is no good image, or looks like none.

    Attributes:
        what: For people.
        make: Puts it into the folder of originals; returns its name there.
        error: Of its row, or nothing if it is to be archived.
        mend: What the operator does about it, for people.
    """

    what: str
    make: Callable[[Path], str]
    error: str
    mend: str = "put the good file in its place"


def corrupt(folder: Path) -> str:
    """A PNG with bytes in the middle overwritten."""
    data = bytearray((folder / GOOD).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 16] = bytes(16)
    return _write(folder, "corrupt.png", bytes(data))


def truncated(folder: Path) -> str:
    """A JPEG that ends half-way."""
    with Image.open(folder / GOOD) as picture:
        picture.save(folder / "truncated.jpg", quality=95)
    data = (folder / "truncated.jpg").read_bytes()
    return _write(folder, "truncated.jpg", data[: len(data) // 2])


def bomb(folder: Path) -> str:
    """A PNG that is small and whole, and too large once unpacked."""
    return _write(folder, "bomb.png", _png(BOMB_SIDE, BOMB_SIDE, bytes(3 * BOMB_SIDE + 1)))


def claimed(folder: Path) -> str:
    """A PNG whose header claims 3.6 gigapixels, with nothing behind it."""
    return _write(folder, "claimed.png", _png(CLAIMED_SIDE, CLAIMED_SIDE, b""))


def empty(folder: Path) -> str:
    """A file of no bytes."""
    return _write(folder, "empty.png", b"")


def text(folder: Path) -> str:
    """A text by the name of an image."""
    return _write(folder, "text.jpg", b"no photograph\n")


def misnamed(folder: Path) -> str:
    """A JPEG by the name of a PNG."""
    with Image.open(folder / GOOD) as picture:
        picture.rotate(90).save(folder / "misnamed.png", "JPEG", quality=95)
    return "misnamed.png"


def unreadable(folder: Path) -> str:
    """A file that may not be read."""
    name = _write(folder, "unreadable.png", _mirrored(folder, 1))
    (folder / name).chmod(0)
    return name


def newline(folder: Path) -> str:
    """A name with a newline."""
    return _write(folder, "new\nline.png", _mirrored(folder, 2))


def not_text(folder: Path) -> str:
    """A name with bytes that are no UTF-8."""
    return _write(folder, os.fsdecode(b"not\xffutf8.png"), _mirrored(folder, 3))


def loop(folder: Path) -> str:
    """A link to itself, and one to the folder that it is in."""
    (folder / "up").symlink_to(folder, target_is_directory=True)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    return "loop.png"


KINDS = (
    Kind("corrupt image", corrupt, "UnsupportedImage"),
    Kind("truncated image", truncated, "UnsupportedImage"),
    Kind("decompression bomb", bomb, "UnsupportedImage"),
    Kind("header that claims 3.6 gigapixels", claimed, "UnsupportedImage"),
    Kind("0-byte file", empty, "UnsupportedImage"),
    Kind("wrong extension: text named .jpg", text, "UnsupportedImage"),
    Kind("wrong extension: JPEG named .png", misnamed, "", "none needed"),
    Kind("unreadable file", unreadable, "SourceError", "`chmod`"),
    Kind("name with a newline", newline, "", "none needed"),
    Kind("name that is not UTF-8", not_text, "", "none needed"),
    Kind("symlink loop", loop, "SourceError", "remove the link"),
)


def all_kinds(place: Place, account: Account, _: Scenery) -> None:
    """Put one file of each kind among the photographs, archive, mend them, archive again; a row for each."""
    names = {kind: kind.make(place.photos) for kind in KINDS}
    n_good = len(place.digests)
    place.remember()
    bad = frozenset(name for kind, name in names.items() if kind.error)
    ended = place.archive(before=AS_NOBODY_SPECIAL)
    rows = {row["source_path"]: row for row in latest_rows(place.stored)}
    account.after_fault = judge(place, never=bad)
    account.tried = f"one file of each kind beside {n_good} good photographs, archived in one run: {ended}"
    account.expect("the exit code tells that some failed", ended.code == 1)
    account.expect("the others are archived, the originals as they were", account.after_fault.nothing_lost)
    account.expect("each ended as a row", len(rows) == n_good + len(KINDS))
    for kind, name in names.items():
        account.rows[kind.what] = _told(kind, name, place, rows)
    for name in bad:
        mend(place, name)
    place.remember()
    again: Ended = place.archive(before=AS_NOBODY_SPECIAL)
    archived = {row["source_path"] for row in latest_rows(place.stored) if row["status"] == "archived"}
    account.recovery, account.recovered = "each mended, archived again", [str(again)]
    for kind, name in names.items():
        account.rows[kind.what].recovered = [
            "archived" if printable(name) in archived else "nothing to archive"
        ]
    account.expect("ended well once mended", again.code == 0)


def _told(kind: Kind, name: str, place: Place, rows: dict[str, dict[str, Any]]) -> Account:
    """What one file has to tell after the first run."""
    row, n_bytes = rows[printable(name)], (place.photos / name).lstat().st_size
    reason = f"`{row['error_type']}`: {row['error_message']}" if row["error_type"] else ""
    account = Account(f"`{printable(name)}`, {n_bytes} bytes, among good photographs")
    account.happened = [f"a row with status `{row['status']}`{f': {reason}' if reason else ''}"]
    account.recovery = f"{kind.mend}; archive again" if kind.error else kind.mend
    account.expect(
        "its row has the error that belongs to it, or none", (row["error_type"] or "") == kind.error
    )
    return account


def mend(place: Place, name: str) -> None:
    """What an operator does about a file of any of `KINDS`."""
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


def _write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return name


def _mirrored(folder: Path, quarter_turns: int) -> bytes:
    """A photograph that differs from every other in the folder."""
    file = io.BytesIO()
    with Image.open(folder / GOOD) as picture:
        ImageOps.mirror(picture).rotate(90 * quarter_turns).save(file, "PNG")
    return file.getvalue()


def _png(width: int, height: int, row: bytes) -> bytes:
    """A PNG in RGB of `height` rows of zeros, or with no row where `row` is empty."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(row) for _ in range(height if row else 0)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
