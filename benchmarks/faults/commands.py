"""Processes as an operator starts them, what they printed, and waiting for something to be seen."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
BINARIES = Path(sys.executable).parent
PATIENCE_SECONDS = 900.0  # this machine may be busy
POLL_SECONDS = 0.01
SHOWN = 240  # characters of a message
CLEARED = ("PREFECT_", "INR_", "AWS_")

# Root obeys permission bits only without these capabilities.
AS_NOBODY_SPECIAL = (
    *("setpriv", "--bounding-set=-dac_override,-dac_read_search"),
    "--inh-caps=-dac_override,-dac_read_search",
)


def environment(**chosen: str) -> dict[str, str]:
    """The variables of a process: those of this one, less what could steer `inr`, and the chosen ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CLEARED)}
    return {**kept, "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", **chosen}


@dataclass(frozen=True)
class Ended:
    """The end of a command.

    Attributes:
        code: Exit code; negative for a signal.
        printed: The JSON object that it printed, if any.
        said: The last line that it wrote to standard error.
    """

    code: int
    printed: dict[str, Any]
    said: str

    def __str__(self) -> str:
        code = f"exit {self.code}" if self.code >= 0 else f"killed by {signal.Signals(-self.code).name}"
        return "; ".join(part for part in (code, self._counts(), self.said[:SHOWN]) if part)

    def _counts(self) -> str:
        if "n_archived" not in self.printed or "n_planned" not in self.printed:
            return ""
        if "counts" in self.printed:  # of an audit
            counts = ", ".join(
                f"{count} {status}" for status, count in sorted(self.printed["counts"].items())
            )
            return counts or "nothing to read"
        archived, failed, before = (self.printed[name] for name in ("n_archived", "n_failed", "n_before"))
        return f"{archived} archived, {failed} failed, {before} before"


class Command:
    """A command of ``inr`` that runs.

    Args:
        words: The words after ``inr``.
        variables: Its environment.
        before: A command that starts it, with words of its own.
    """

    def __init__(self, words: Sequence[str], variables: dict[str, str], before: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*before, str(BINARIES / "inr"), *words, "--json"],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self) -> Ended:
        """Wait for its end.

        Raises:
            TimeoutError: It did not end within `PATIENCE_SECONDS`.
        """
        try:
            printed, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise TimeoutError(f"{self.process.args!s}: no end within {PATIENCE_SECONDS:g} s") from error
        lines = without_root(errors).strip().splitlines()
        return Ended(self.process.returncode, _object(printed), lines[-1] if lines else "")

    def kill(self) -> Ended:
        """End it by SIGKILL, at once."""
        self.process.kill()
        self.process.communicate()
        return Ended(self.process.returncode, {}, "")

    def is_running(self) -> bool:
        """Return whether it still runs."""
        return self.process.poll() is None


def wait_until(seen: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> float:
    """Look until something is seen; the seconds that it took.

    Raises:
        TimeoutError: It was not seen in time.
    """
    started = time.monotonic()
    while not seen():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"{what}: not seen within {seconds:g} s")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started


@contextmanager
def service(
    command: Sequence[str], log: Path, variables: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that runs as long as the body does, unless the body ends it."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def without_root(text: str) -> str:
    """The text with paths below this repository as they are from there."""
    return text.replace(f"{ROOT}/", "")


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
