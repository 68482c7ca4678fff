"""Files that a user names as outputs are written where they were told.

A regular file, or one that is not there yet, appears whole: written beside its name and renamed to it. Links
are followed, and a file that is replaced hands on its mode and its owner. Whatever else has the name, a
device or a pipe, is written through: it may not even be ours to replace. ``-`` is standard output.
"""

import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from inr.errors import ConfigError
from tasks.store.files import about_a_file, beside

STANDARD = Path("-")  # standard input, or standard output
STANDARD_INPUT = Path("/dev/stdin")
STANDARD_OUTPUT = {Path("/dev/stdout"), Path("/dev/fd/1"), Path("/proc/self/fd/1")}


def named_file(name: str) -> Path:
    """The path of a file that a user names; `STANDARD` where that is ``-``, and not where it is ``./-``."""
    path = Path(name)
    return path.absolute() if path == STANDARD and name != str(STANDARD) else path


def is_standard_output(path: Path) -> bool:
    """True if an output of this name goes to standard output."""
    return path == STANDARD or path in STANDARD_OUTPUT


def check_output(output: Path, *sources: Path, suffixes: Sequence[str] = ()) -> None:
    """Make sure that an output can be written without harm to the files it is made from.

    Args:
        output: The name of the output.
        sources: The names of those files.
        suffixes: Those that a file made here may have; any if there are none.

    Raises:
        ConfigError: A file would have another suffix, its folder does not exist, or the output is a folder
            or a source.
    """
    if is_standard_output(output):
        return
    found = _status(output)
    if found is not None and (stat.S_ISDIR(found.st_mode) or _is_one_of(found, sources)):
        raise ConfigError(f"output: expected a file of its own, found {str(output)!r}")
    if found is None or stat.S_ISREG(found.st_mode):
        if suffixes and output.suffix.lower() not in suffixes:
            expected = " or ".join(suffixes)
            raise ConfigError(f"output: expected a name ending in {expected}, found {str(output)!r}")
        if not _target(output).parent.is_dir():
            raise ConfigError(f"output: expected an existing folder, found {str(output.parent)!r}")


def write_output(output: Path, data: bytes) -> None:
    """Write an output.

    Raises:
        StorageError: It could not be written; a regular file that was there before is as it was.
    """
    if is_standard_output(output):
        _write_to_standard_output(data)
        return
    with about_a_file(f"write {output}"):
        found, target = _status(output), _target(output)
        if target.is_symlink():  # a link to itself
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if found is None or (stat.S_ISREG(found.st_mode) and _is_at(found, target)):
            with beside(target, data, found) as temporary:
                temporary.replace(target)
        else:  # a file of which only a descriptor is left has no name to rename to
            with os.fdopen(os.open(output, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "wb") as file:
                file.write(data)


def _write_to_standard_output(data: bytes) -> None:
    """Write to the descriptor itself: what Python prints may go elsewhere meanwhile."""
    with about_a_file("write standard output"):
        if sys.stdout is not None:
            sys.stdout.flush()
        with open(1, "wb", closefd=False) as file:
            file.write(data)


def _status(path: Path) -> os.stat_result | None:
    """The status of what a name leads to, links followed; None if there is nothing."""
    try:
        return path.stat()
    except OSError:  # the one thing that matters of a name that leads nowhere; writing tells the reason
        return None


def _target(path: Path) -> Path:
    """The path that a name leads to, links followed, even if there is nothing yet."""
    return Path(os.path.realpath(path))


def _is_at(found: os.stat_result, path: Path) -> bool:
    there = _status(path)
    return there is not None and os.path.samestat(found, there)


def _is_one_of(found: os.stat_result, sources: tuple[Path, ...]) -> bool:
    if not stat.S_ISREG(found.st_mode):
        return False
    statuses = (_status(STANDARD_INPUT if source == STANDARD else source) for source in sources)
    return any(status is not None and os.path.samestat(found, status) for status in statuses)
