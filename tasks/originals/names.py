r"""Names of originals: as text that can be shown and stored, as the bytes that they were, and as paths.

A name on a disk is bytes, and a key in S3 may hold any character. In a row it is text in which a backslash
is doubled, a byte that is no UTF-8 is ``\xNN``, and a character that cannot be shown is ``\n``, ``\uNNNN`` or
the like. So a row can be shown anywhere, and its name still leads back to the very bytes.
"""

import os
import re
from pathlib import Path

from tasks.errors import StorageError

_ESCAPE = re.compile(rb"\\(?:(\\)|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([nrt]))")
_CONTROLS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_PLAIN_CHARACTERS = 50  # at most 200 bytes, which leave room for digests and a suffix within 255


def printable(name: str) -> str:
    """Text as it can be shown anywhere; what cannot is written as an escape."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:  # a text that no file's name could be in this locale
        raw = name.encode("utf-8", "surrogateescape")
    return "".join(map(_shown, raw.decode("utf-8", "surrogateescape")))


def escaped(name: bytes) -> str:
    """A name as rows have it; `raw_name` undoes it."""
    return "".join(map(_shown, name.decode("utf-8", "surrogateescape").replace("\\", "\\\\")))


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    return f"\\u{code:04x}" if 0x80 <= code <= 0xFF else character.encode("unicode_escape").decode()


def raw_name(path: str) -> bytes:
    """The name that a row's path stands for."""
    return _ESCAPE.sub(_meant, path.encode())


def _meant(found: "re.Match[bytes]") -> bytes:
    backslash, byte, short, long, control = found.groups()
    if backslash:
        return b"\\"
    if control:
        return _CONTROLS[control]
    if byte:
        return bytes([int(byte, 16)])
    code = int(short or long, 16)
    is_character = code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code).encode() if is_character else found[0]


def target_path(target: Path, name: str, suffix: str) -> Path:
    """The path of an original's restored file: its own name, and the suffix after it if it has another one.

    Args:
        target: The folder to restore into.
        name: Path below the source, as rows have it.
        suffix: Suffix of the file, with its dot.

    Raises:
        StorageError: No path below the target is of that name.
    """
    parts = raw_name(name).split(b"/")
    if not all(map(_is_part, parts)):
        raise StorageError(f"name: expected a path below the source, found {name!r}")
    if not parts[-1].lower().endswith(suffix.encode()):
        parts[-1] += suffix.encode()
    return target.joinpath(*map(os.fsdecode, parts))


def plain_path(target: Path, name: str, marks: str, suffix: str, *, in_its_folder: bool) -> Path:
    """Another path for a name that cannot be had: short, of letters and digits, told apart by `marks`.

    Args:
        target: The folder to restore into.
        name: Path below the source, as rows have it.
        marks: Digits that no other image of that name has.
        suffix: Suffix of the file, with its dot.
        in_its_folder: Whether it is to lie in the folder of the name; else it lies in the target itself.
    """
    *folders, last = raw_name(name).split(b"/")
    stem = last[: -len(suffix)] if last.lower().endswith(suffix.encode()) else last
    plain = re.sub(r"[^\w.-]", "_", stem.decode("utf-8", "surrogateescape"))[:_PLAIN_CHARACTERS]
    kept = [part for part in folders if _is_part(part)] if in_its_folder else []
    return target.joinpath(*map(os.fsdecode, kept), os.fsdecode(f"{plain}-{marks}{suffix}".encode()))


def _is_part(part: bytes) -> bool:
    return part not in (b"", b".", b"..") and b"\0" not in part
