"""Words of messages, for people."""

import re

# Of an address: user and password, which may have slashes in them, and what follows its question mark.
_USER = re.compile(r"(?<=://)\S*@")
_QUERY = re.compile(r"(://[^\s?]*\?)[^\s'\"]+")


def counted(n: int, noun: str) -> str:
    """A number of things: 1 image, 2 images."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def without_secrets(text: str) -> str:
    """A text whose addresses have ``…`` in place of user and query, in which there may be secrets."""
    return _QUERY.sub(r"\1…", _USER.sub("…@", text))
