"""A file that holds its own SHA-256, so that a bit that flips anywhere in it is seen.

The digest is that of the file with `BLANK` where the digest is.
"""

import hashlib

BLANK = b"0" * 64


def sealed(data: bytes) -> bytes:
    """The file with its digest in place of its last `BLANK`.

    Raises:
        ValueError: It has none.
    """
    place = data.rindex(BLANK)
    digest = hashlib.sha256(data).hexdigest().encode()
    return b"".join((data[:place], digest, data[place + len(BLANK) :]))


def is_intact(data: bytes, digest: bytes) -> bool:
    """Return whether a file still is what was sealed; `digest` is the digest that it holds."""
    place = data.rfind(digest)
    if len(digest) != len(BLANK) or place < 0:
        return False
    view, found = memoryview(data), hashlib.sha256()
    for piece in (view[:place], BLANK, view[place + len(BLANK) :]):
        found.update(piece)
    return found.hexdigest().encode() == digest
