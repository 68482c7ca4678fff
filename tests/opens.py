"""Counts how often this process opens files of a folder, as the interpreter itself reports it."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_watched: dict[Path, Counter[str]] = {}


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _watched or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = Path(os.fsdecode(arguments[0]))
    for folder, found in list(_watched.items()):
        if path.is_relative_to(folder):
            found[path.relative_to(folder).as_posix()] += 1


sys.addaudithook(_heard)  # nothing removes a hook: this one hears only while a folder is watched


@contextmanager
def counting_opens(folder: Path) -> Iterator[Counter[str]]:
    """Opens of each file below a folder while the body runs, on all threads, by path below the folder."""
    found = _watched[folder] = Counter()
    try:
        yield found
    finally:
        del _watched[folder]
