"""The common parts of commands: their frame, and the start of a flow.

As light as `flows.cli.app`: whatever is heavy is imported where it is used.
"""

import atexit
import functools
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer

from flows.cli import exits
from flows.engine.interrupts import heeding_interrupts
from inr.errors import ConfigError
from tasks.errors import ImagesFailed, Summary
from tasks.store.outputs import is_standard_output
from tasks.wording import without_secrets

if TYPE_CHECKING:
    from tasks.report.summary import RunSummary
    from tasks.settings import RunOptions, Settings

P = ParamSpec("P")
AnySummary = TypeVar("AnySummary", bound=Summary)


def framed(command: Callable[P, None]) -> Callable[P, None]:
    """The frame of every command: an expected error, or a signal, is one line and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        output = kwargs.get("output")
        with (
            messages_beside(output if isinstance(output, Path) else None),
            exits.errors_in_one_line(as_json=bool(kwargs.get("as_json"))),
            heeding_interrupts(),
            lines_of_the_store(),
        ):
            command(*args, **kwargs)

    return run


def in_one_line(command: Callable[P, None]) -> Callable[P, None]:
    """The frame of a command that heeds signals itself: an expected error is one line and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with exits.errors_in_one_line(as_json=False):
            command(*args, **kwargs)

    return run


class _ToStandardError(logging.Handler):
    """Prints what the store says, for example that it is asked again."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        typer.echo(f"inr: {record.getMessage()}", err=True)


@contextmanager
def lines_of_the_store() -> Iterator[None]:
    """While the body runs, print what the store says on standard error."""
    log, handler = logging.getLogger("tasks.store"), _ToStandardError()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextmanager
def messages_beside(output: Path | None) -> Iterator[None]:
    """Send what the body prints to standard error, where standard output is the output of the command."""
    if output is not None and is_standard_output(output):
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def either(
    in_a_flow: Callable[[], Any],
    plainly: Callable[[], AnySummary],
    options: "RunOptions",
    *,
    module: str,
    bar: bool,
) -> AnySummary:
    """Do without Prefect what can do without: no server is started, and nothing of Prefect is imported.

    Prefect is asked for where the environment names a server, and where Dask, to which Prefect's tasks go, is
    to do the work.

    Args:
        in_a_flow: Imports the flow, and calls it.
        plainly: Does the same by itself.
        options: The way of working.
        module: Name of the flow's module.
        bar: Show a progress bar, where standard error is a terminal.

    Returns:
        The summary of the run.
    """
    from flows.cli.printing import run_bar
    from flows.engine.listening import listening

    if os.environ.get("PREFECT_API_URL") or options.runner != "threads":
        summary: AnySummary = started(in_a_flow, module=module, bar=bar)
        return summary
    with run_bar(bar) as listener, listening(listener):
        return plainly()


def started(run: Callable[[], Any], *, module: str, bar: bool) -> Any:
    """Start a flow, with Prefect's own server where no other is named.

    That takes many seconds, so a command refuses what it can, and ends where nothing is to do, before.

    Args:
        run: Imports the flow, and calls it.
        module: Name of the flow's module, which is imported while the server starts.
        bar: Show a progress bar, where standard error is a terminal.

    Returns:
        The summary of the run; images that failed are counted in it.
    """
    from flows.cli.printing import run_bar
    from flows.engine.embedded import embedded_server, prepare_prefect
    from flows.engine.listening import listening

    _silence_the_end()
    with run_bar(bar) as listener:
        prepare_prefect()
        with embedded_server(partial(import_module, module)), listening(listener):
            try:
                return run()
            except ImagesFailed as failure:
                return failure.summary


@cache
def _silence_the_end() -> None:
    """Have nothing said after the last function that is called at exit.

    While Python takes itself down, Prefect's threads still hold parts of DuckDB, whose bindings then list in
    dozens of lines what they call leaks.
    """
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def concluded(
    summary: AnySummary,
    values: Callable[[AnySummary], dict[str, Any]],
    show: Callable[[AnySummary], None],
    as_json: bool,
) -> None:
    """End a command that ran a flow: show the summary, or its values as JSON, and exit by what failed."""
    from flows.cli.printing import show_json

    show_json(values(summary)) if as_json else show(summary)
    if summary.n_failed:
        raise typer.Exit(exits.BAD_ORIGINALS if summary.n_failed == summary.n_bad else exits.IMAGES_FAILED)


def location(path: str) -> str:
    """A path as a parameter of a flow: itself, or its URI where it is not Unicode text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return path


def in_unicode(text: str) -> str:
    """Words of a user's as they were typed in UTF-8, whatever locale Python has read them in.

    Raises:
        ConfigError: They are no UTF-8.
    """
    try:
        return os.fsencode(text).decode()
    except UnicodeEncodeError:  # typed in no locale: given by a program
        return text
    except UnicodeDecodeError as error:
        raise ConfigError(f"expected text in UTF-8, found {text!r}") from error


def named_store(settings: "Settings") -> str:
    """The store that a command's argument or the settings name.

    Raises:
        ConfigError: Neither names one.
    """
    if settings.store is None:
        raise ConfigError("store: expected a folder, as the second argument or as INR_STORE, found none")
    return settings.store


def places(summary: "RunSummary") -> dict[str, str]:
    """The places of what a run left: for each kind, a path, a URL or a command."""
    found = {"catalogue": f"{summary.store}/catalogue/images/*.parquet"}
    if summary.n_planned == 0:
        return found
    found["report"] = f"{summary.store}/reports/{summary.run_id}.html"
    page = f"runs/flow-run/{summary.run_id}"
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL  # the run has loaded it

    if PREFECT_API_URL.value():
        found["Prefect UI"] = f"{without_secrets(PREFECT_UI_URL.value() or '')}/{page}"
    else:
        home = shlex.quote(os.environ.get("PREFECT_HOME", ""))
        command = f"PREFECT_HOME={home} {Path(sys.executable).with_name('prefect')}"
        found["Prefect UI"] = f"{command} server start, then http://127.0.0.1:4200/{page}"
    return found
