"""The common parts of commands: their frame, a quiet Prefect, and the start of a flow.

As light as `flows.cli.app`: whatever is heavy is imported where it is used.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer

from flows.cli import exits
from inr.errors import ConfigError
from tasks.errors import ImagesFailed, Summary
from tasks.store.outputs import is_standard_output

if TYPE_CHECKING:
    from tasks.report.summary import RunSummary
    from tasks.settings import Settings

P = ParamSpec("P")
AnySummary = TypeVar("AnySummary", bound=Summary)

QUIET = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # its own 20 s is short on a busy machine
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Prefect's server keeps the log of each run; the terminal is ours.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


def quiet_prefect() -> None:
    """Set Prefect's environment where the user has not; takes effect before Prefect is imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def framed(command: Callable[P, None]) -> Callable[P, None]:
    """The frame of every command: Prefect is quiet, and an expected error is one line and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        quiet_prefect()
        output = kwargs.get("output")
        with (
            messages_beside(output if isinstance(output, Path) else None),
            exits.errors_in_one_line(as_json=bool(kwargs.get("as_json"))),
        ):
            command(*args, **kwargs)

    return run


@contextmanager
def messages_beside(output: Path | None) -> Iterator[None]:
    """Send what the body prints to standard error, where standard output is the output of the command."""
    if output is not None and is_standard_output(output):
        with redirect_stdout(sys.stderr):
            yield
    else:
        yield


def started(run: Callable[[], Any], *, bar: bool) -> Any:
    """Start a flow, with Prefect's own server where no other is named.

    That takes many seconds, so a command refuses what it can, and ends where nothing is to do, before.

    Args:
        run: Calls the flow.
        bar: Show a progress bar, where standard error is a terminal.

    Returns:
        The summary of the run; images that failed are counted in it.
    """
    from flows.cli.printing import run_bar
    from flows.engine.embedded import embedded_server
    from flows.engine.listening import listening

    with run_bar(bar) as listener, embedded_server(), listening(listener):
        try:
            return run()
        except ImagesFailed as failure:
            return failure.summary


def concluded(
    summary: AnySummary,
    values: Callable[[AnySummary], dict[str, Any]],
    show: Callable[[AnySummary], None],
    as_json: bool,
) -> None:
    """End a command that ran a flow: show the summary, or its values as JSON, and exit by `n_failed`."""
    from flows.cli.printing import show_json

    show_json(values(summary)) if as_json else show(summary)
    if summary.n_failed:
        raise typer.Exit(exits.IMAGES_FAILED)


def location(path: str) -> str:
    """A path as a parameter of a flow: itself, or its URI where it is not Unicode text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).absolute().as_uri()
    return path


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
    from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL

    if PREFECT_API_URL.value():
        found["Prefect UI"] = f"{PREFECT_UI_URL.value()}/{page}"
    else:
        command = Path(sys.executable).with_name("prefect")
        found["Prefect UI"] = f"{command} server start, then http://127.0.0.1:4200/{page}"
    return found
