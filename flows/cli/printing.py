"""Print lines, tables and JSON, and show progress bars on a terminal.

Rich is imported where it is used: a command that prints two lines, as `decode` does, starts sooner without.
"""

import csv
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from tasks.wording import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

GAP = 2  # between two columns
LEAST_OF_FIRST = 20  # the first column may be folded down to so much, and no other


def write_in_any_locale() -> None:
    """Have the standard streams write an escape for a character that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it is closed
            stream.reconfigure(errors="backslashreplace")


def hold_closed_streams() -> None:
    """Have reading and writing fail of a standard stream that is closed.

    Otherwise the next file or pipe that is opened would have its number, and be read or written in its place.
    """
    for descriptor, the_wrong_way in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, the_wrong_way)


def line(text: str) -> None:
    """Print a line on standard output."""
    typer.echo(text)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[str] = (),
    red: Callable[[int], bool] = lambda row: False,
) -> None:
    """Print a table on standard output; where it is wider than the terminal, one field on each line.

    Args:
        columns: Names of the columns; nothing in them is markup.
        rows: Cells of each row, likewise.
        left: Columns of text, which stand at the left; the first one does in any case.
        red: Says of a row, by its number, if it stands out.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    whole = sum(widths) + GAP * (len(widths) - 1)
    is_narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = Console().width if is_narrow else whole
    if whole - widths[0] + min(widths[0], LEAST_OF_FIRST) > width:
        _one_field_a_line(columns, rows)
        return
    drawn = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for n, name in enumerate(columns):
        drawn.add_column(
            Text(name), justify="left" if n == 0 or name in left else "right", overflow="fold", no_wrap=n > 0
        )
    for n, row in enumerate(rows):
        drawn.add_row(*map(Text, row), style="red" if red(n) else "")
    Console(highlight=False, soft_wrap=True, width=max(width, 1)).print(drawn)


def _one_field_a_line(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of a column's name and a cell; an empty line stands between two rows."""
    for n, row in enumerate(rows):
        if n:
            line("")
        for name, cell in zip(columns, row, strict=True):
            line(f"{name}: {cell}".rstrip())


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print columns and rows as CSV; null is an empty cell, and a list or struct is JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(cell) for cell in row])


def _csv_cell(value: Any) -> Any:
    return json.dumps(finite(value), default=str) if isinstance(value, list | tuple | dict) else value


def show_json(values: dict[str, Any]) -> None:
    """Print values as one JSON object, which is all that ``--json`` prints."""
    print(json.dumps(finite(values), indent=2, allow_nan=False, default=str))


def finite(value: Any) -> Any:
    """A copy of a value with None for infinities and NaN, which JSON does not have, and lists for tuples."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@cache
def _err() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def fit_bar(wanted: bool) -> Iterator[Callable[[Any], None] | None]:
    """Show a bar for one fit, on standard error if that is a terminal; yields the function that moves it."""
    if not (wanted and _err().is_terminal):
        yield None
        return
    with _bars() as bars:
        bar = bars.add_task("fit", total=None)

        def report(progress: Any) -> None:
            rate = f"estimated {progress.estimated_bpp:.3f} bpp"
            state = f"λ {progress.rd_lambda:.4g}  {rate}  {progress.psnr_db:.2f} dB"
            bars.update(bar, total=progress.n_steps, completed=progress.step, description=f"fit {state}")

        yield report


@contextmanager
def run_bar(wanted: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar for a run, on standard error if that is a terminal; yields the listener that moves it."""
    if not (wanted and _err().is_terminal):
        yield lambda summary: None
        return
    with _bars() as bars:
        bar = bars.add_task("starting", total=None)

        def report(summary: Any) -> None:
            failed = f", {summary.n_failed} failed" if summary.n_failed else ""
            state = f"{summary.n_done} of {counted(summary.n_planned, 'image')}{failed}"
            bars.update(bar, total=summary.n_planned, completed=summary.n_done, description=state)

        yield report


def _bars() -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=_err(), transient=True)
