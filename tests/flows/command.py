"""Calls of ``inr`` by tests: as a process of its own, or in this one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner, Result

from flows.cli.app import app

INR = [sys.executable, "-c", "from flows.cli import main; main()"]
SHORTLY = "from tests.lengths import short_drafts; short = short_drafts(); short.__enter__(); "  # before all
INR_SHORTLY = [sys.executable, "-c", SHORTLY + INR[-1]]
IN_40_STEPS = "from tests.lengths import fits_from; short = fits_from(1, 40); short.__enter__(); "
INR_IN_40_STEPS = [sys.executable, "-c", IN_40_STEPS + INR[-1]]  # of mlp, whatever comes of them
ROOT = Path(__file__).parents[2]


def inr_run(
    *arguments: object, program: list[str] = INR, **environment: str | None
) -> "subprocess.CompletedProcess[str]":
    """``inr`` as its own process, with both outputs piped."""
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=ROOT,
        env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",  # in another locale
        check=False,
        timeout=300,
    )


def invoke(*arguments: object) -> Result:
    """``inr`` in this process, which has imported everything already."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def inr_started(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """``inr`` as its own process, which goes on, with both outputs piped."""
    return subprocess.Popen(
        [*INR, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )


def _heed_interrupts() -> None:
    """A shell that starts pytest in the background has it, and its children, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something holds, while a process goes on."""
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def modules_after(code: str) -> set[str]:
    """Names of the modules that a fresh Python has loaded after some code."""
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(loaded.stdout.split())
