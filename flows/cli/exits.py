"""The ends of the command line: exit codes, and expected errors as one line instead of a traceback."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

from inr.errors import BitstreamError, ConfigError, EncodeError, InrError
from tasks.errors import (
    CatalogueError,
    ImagesFailed,
    ServerNotStarted,
    SourceError,
    StorageError,
    UnsupportedImage,
)
from tasks.originals.names import printable

OK = 0
IMAGES_FAILED = 1
USAGE = 2
BITSTREAM = 3
IMAGE = 4
ENCODE = 5
STORAGE = 6
BAD_ORIGINALS = 7
INTERRUPTED = 130

CODES: tuple[tuple[type[InrError], int], ...] = (
    (ImagesFailed, IMAGES_FAILED),
    (ConfigError, USAGE),
    (BitstreamError, BITSTREAM),
    (UnsupportedImage, IMAGE),
    (SourceError, IMAGE),
    (EncodeError, ENCODE),
    (StorageError, STORAGE),
    (CatalogueError, STORAGE),
    (ServerNotStarted, STORAGE),
)

EXPLAINED = (
    "Exit codes: 0 done · 1 some images failed, or an error that nobody foresaw · 2 usage or settings · "
    "3 not a valid bitstream · 4 an image that cannot be read or is not supported · 5 the fit failed or ran "
    "out of time · 6 store, catalogue or Prefect's server · 7 done but for originals that are bad in "
    "themselves · 130 interrupted"
)


@contextmanager
def errors_in_one_line(*, as_json: bool) -> Iterator[None]:
    """End the command with a line and an exit code where the body raises a named error or is interrupted.

    So it is where standard output takes no more, and where a name leads through a folder that may not be
    searched: all other work with files names its errors.

    Args:
        as_json: Print the error as a JSON object too, on standard output.
    """
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except InrError as error:
        raise _told(error, as_json=as_json) from error
    except OSError as error:
        if isinstance(error, PermissionError) and isinstance(error.filename, str):
            refused = StorageError(f"{printable(error.filename)}: {error.strerror}")
            raise _told(refused, as_json=as_json) from error
        if error.filename is not None or isinstance(
            error, BrokenPipeError
        ):  # Typer ends quietly for a reader
            raise
        reason = error.strerror or str(error)
        with suppress(OSError, ValueError):  # what is still to be written would be said to fail at exit, too
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"inr: StorageError: write standard output: {reason}", err=True)
        raise typer.Exit(STORAGE) from error
    except KeyboardInterrupt as error:
        typer.echo("inr: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from error


def _told(error: InrError, *, as_json: bool) -> typer.Exit:
    """Say an error in a line; returns the end of the command."""
    kind = type(error).__name__
    if as_json:
        typer.echo(json.dumps({"error": {"type": kind, "message": str(error)}}))
    typer.echo(f"inr: {kind}: {error}", err=True)
    return typer.Exit(exit_code(error))


def exit_code(error: InrError) -> int:
    """The exit code of a named error; of one that `CODES` does not name, that of failed images."""
    return next((code for kind, code in CODES if isinstance(error, kind)), IMAGES_FAILED)
